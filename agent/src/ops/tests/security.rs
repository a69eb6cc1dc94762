//! Who is answered, and what an answer allows (invariant 9).

use super::{FakeView, PATHS, Server, fake};

#[tokio::test]
async fn invariant_9_nothing_but_reading_is_answered() {
    let server = Server::start(FakeView::new()).await;
    for path in PATHS {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            let answer = server.request(method, path, "localhost").await;
            assert_eq!(
                (answer.status, &*answer.headers["allow"]),
                (405, "GET, HEAD"),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn invariant_9_no_endpoint_changes_anything() {
    let server = Server::start(FakeView {
        devices: fake::oddities(),
        ..FakeView::new()
    })
    .await;
    // Not even the metrics count what is asked; the process does use some time and memory.
    let state = async || {
        let metrics = server.get("/metrics").await.body;
        let metrics = metrics.lines().filter(|line| !line.contains("process_"));
        let metrics: Vec<_> = metrics.map(str::to_owned).collect();
        let overview = server.get("/api/overview.json").await.body;
        (
            metrics,
            overview,
            server.get("/api/devices.json").await.body,
        )
    };
    let before = state().await;
    for path in PATHS {
        assert_eq!(server.get(path).await.status, 200, "{path}");
        let head = server.request("HEAD", path, "localhost").await;
        assert_eq!((head.status, &*head.body), (200, ""), "{path}");
    }
    assert_eq!(state().await, before);
}

#[tokio::test]
async fn invariant_9_names_that_are_not_ours_are_refused() {
    let server = Server::start(FakeView::new()).await;
    for host in [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1:9470",
        "192.168.1.7",
        "[::1]:9470",
        "Pump-House:1",
    ] {
        assert_eq!(
            server.request("GET", "/metrics", host).await.status,
            200,
            "{host}"
        );
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "pump-house.evil.example",
        "[localhost",
        "",
        "a b",
        "localhost, evil.example",
    ] {
        for path in PATHS {
            let answer = server.request("GET", path, host).await;
            assert!(
                matches!(answer.status, 400 | 421),
                "{host} {path}: {}",
                answer.status
            );
            assert!(
                !answer.body.contains("plant"),
                "{host} {path} shows something"
            );
        }
    }
    for head in [
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ] {
        assert!(
            matches!(server.send(head).await.status, 400 | 421),
            "{head}"
        );
    }
}

#[tokio::test]
async fn every_answer_forbids_what_it_does_not_need() {
    let server = Server::start(FakeView::new()).await;
    for path in PATHS.into_iter().chain(["/nothing"]) {
        let answer = server.get(path).await;
        let header = |name: &str| answer.headers.get(name).map(String::as_str);
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(header("cache-control"), Some("no-store"), "{path}");
        let policy = header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; "),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header("access-control-allow-origin"), None, "{path}");
    }
}
