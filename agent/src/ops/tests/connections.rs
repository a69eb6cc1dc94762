//! What clients can take, and how they are let go.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{DEADLINE, FakeView, Server, fake, until_closed};
use crate::ops::server::Limits;

#[tokio::test]
async fn invariant_6_connections_beyond_the_limit_wait_for_their_turn() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let server = Server::start_with(FakeView::new(), limits).await;
    let (mut first, _second) = (ask(&server).await, ask(&server).await);
    let mut third = server.connect().await;
    third
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    // Those before it are answered again and again, and it is not.
    for _ in 0..20 {
        ask_on(&mut first).await;
    }
    let early = third.try_read(&mut [0]).unwrap_err();
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    drop(first);
    let answer = until_closed(&mut third).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn invariant_6_a_client_that_does_not_finish_its_request_is_let_go() {
    let limits = Limits {
        idle: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = Server::start_with(FakeView::new(), limits).await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\nHost: local")
        .await
        .unwrap();
    until_closed(&mut slow).await;
    let mut idle = ask(&server).await;
    until_closed(&mut idle).await;
}

#[tokio::test]
async fn invariant_6_a_client_that_does_not_read_is_let_go() {
    let limits = Limits {
        connections: 1,
        lifetime: Duration::from_millis(300),
        ..Limits::default()
    };
    let devices = (0..20_000)
        .map(|n| fake::device(&format!("pump-{n}")))
        .collect();
    let server = Server::start_with(
        FakeView {
            devices,
            ..FakeView::new()
        },
        limits,
    )
    .await;
    let mut deaf = server.connect().await;
    deaf.write_all(b"GET /api/devices.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let answer = timeout(DEADLINE, server.get("/readyz"))
        .await
        .expect("its place is free again");
    assert_eq!(answer.status, 200);
    drop(deaf);
}

#[tokio::test]
async fn a_server_that_is_stopped_does_not_wait_for_idle_clients() {
    let limits = Limits {
        grace: DEADLINE * 2,
        ..Limits::default()
    };
    let server = Server::start_with(FakeView::new(), limits).await;
    let mut idle = ask(&server).await;
    server.stop.cancel();
    until_closed(&mut idle).await;
    timeout(DEADLINE, server.task)
        .await
        .expect("well before the grace is over")
        .unwrap();
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "nobody listens any more"
    );
}

/// A connection that has had one answer and stays open.
async fn ask(server: &Server) -> TcpStream {
    let mut stream = server.connect().await;
    ask_on(&mut stream).await;
    stream
}

async fn ask_on(stream: &mut TcpStream) {
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nrunning\n") {
        let n = timeout(DEADLINE, stream.read_buf(&mut answer))
            .await
            .expect("in time")
            .unwrap();
        assert_ne!(n, 0, "closed after {}", String::from_utf8_lossy(&answer));
    }
}
