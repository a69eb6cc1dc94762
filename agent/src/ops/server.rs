//! Connections: accepts them, bounds their number and their time, and lets them end well.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Bounds on what clients can take (invariant 6).
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections open at once; further ones wait in the listener's backlog.
    pub(super) connections: usize,
    /// How long a connection may go without a complete request.
    pub(super) idle: Duration,
    /// How long a connection may last, whatever it does: this ends clients that do not read.
    pub(super) lifetime: Duration,
    /// How long answers under way may take once the server is asked to stop.
    pub(super) grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            idle: Duration::from_secs(30),
            lifetime: Duration::from_mins(10),
            grace: Duration::from_secs(1),
        }
    }
}

/// Pause after a failed accept, which is likely to fail again at once: out of file descriptors, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Answers until `stop` is cancelled.
pub(super) async fn run(
    listener: TcpListener,
    routes: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let (stream, slot) = select! {
            () = stop.cancelled() => break,
            Some(accepted) = accept(&listener, &slots) => accepted,
            else => break,
        };
        let (routes, stop) = (routes.clone(), stop.clone());
        connections.spawn(async move {
            let _slot = slot;
            // Too late is no fault of ours.
            let _ = timeout(limits.lifetime, answer(stream, routes, limits, stop)).await;
        });
        while connections.try_join_next().is_some() {}
    }
    // What is not done by then is dropped with the set.
    let _ = timeout(limits.grace, connections.join_all()).await;
}

/// The next connection and the slot it takes; `None` once the slots are closed, which they never are.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Some((stream, slot)),
            Err(error) => {
                tracing::warn!(%error, "cannot accept an http connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// All requests of one connection.
async fn answer(stream: TcpStream, routes: Router, limits: Limits, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    let mut connection = pin!(connection);
    let ended = select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "http connection ended early");
    }
}
