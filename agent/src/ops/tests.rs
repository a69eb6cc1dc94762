//! Over real HTTP, on a port of its own for each test.

mod connections;
mod exposition;
pub(super) mod fake;
mod metrics;
mod security;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::fake::FakeView;
use super::{Metrics, Phase, http, server};

const DEADLINE: Duration = Duration::from_secs(20);
const PATHS: [&str; 8] = [
    "/",
    "/?fragment",
    "/?device=x",
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/overview.json",
    "/api/devices.json",
];

struct Server {
    address: SocketAddr,
    view: Arc<FakeView>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

struct Answer {
    status: u16,
    headers: HashMap<String, String>,
    body: String,
}

impl Server {
    async fn start(view: FakeView) -> Self {
        Self::start_with(view, server::Limits::default()).await
    }

    async fn start_with(view: FakeView, limits: server::Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (view, metrics) = (Arc::new(view), Arc::new(Metrics::new(["pump"])));
        let stop = CancellationToken::new();
        let routes = http::routes("pump-house", view.clone(), metrics.clone());
        let task = tokio::spawn(server::run(listener, routes, limits, stop.clone()));
        Self {
            address,
            view,
            metrics,
            stop,
            task,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends `head` and reads until the server closes.
    async fn send(&self, head: &str) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        Answer::parse(&until_closed(&mut stream).await)
    }

    async fn request(&self, method: &str, path: &str, host: &str) -> Answer {
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        self.send(&head).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &self.address.to_string()).await
    }

    fn change(&self, change: impl FnOnce(&mut super::Overview)) {
        change(&mut self.view.overview.lock().unwrap());
    }
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_lowercase(), value.to_owned())
        };
        Self {
            status,
            headers: lines.map(header).collect(),
            body: body.to_owned(),
        }
    }

    fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What comes until the other side closes.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut text))
        .await
        .expect("in time")
        .unwrap();
    text
}

#[tokio::test]
async fn the_page_is_one_document_whose_own_script_alone_may_run() {
    let server = Server::start(FakeView {
        devices: fake::oddities(),
        ..FakeView::new()
    })
    .await;
    let page = server.get("/?device=alert").await;
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = &page.headers["content-security-policy"];
    let (_, rest) = policy.split_once("script-src 'nonce-").unwrap();
    let (nonce, _) = rest.split_once('\'').unwrap();
    assert_eq!(page.body.matches("<script").count(), 1);
    assert!(page.body.contains(&format!("<script nonce=\"{nonce}\">")));
    assert!(page.body.contains(&format!("<style nonce=\"{nonce}\">")));
    assert!(
        !server.get("/").await.body.contains(nonce),
        "a nonce serves once"
    );
    assert!(page.body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(
        !page.body.contains("pump-17"),
        "narrowed to what was asked for"
    );
    for outside in ["src=", "@import", "url(", "http://", "https://"] {
        assert!(
            !page.body.contains(outside),
            "{outside} would be loaded from elsewhere"
        );
    }

    let fragment = server.get("/?device=alert&fragment").await.body;
    assert!(fragment.starts_with("<section") && !fragment.contains("<script"));
    assert!(
        page.body.contains(&fragment),
        "the fragment is what stands in the page"
    );
}

#[tokio::test]
async fn health_and_readiness_are_told_by_status_too() {
    let server = Server::start(FakeView::new()).await;
    let healthy = server.get("/healthz").await;
    assert_eq!(
        (healthy.status, healthy.json()),
        (200, json!({"status": "healthy", "reasons": []}))
    );
    assert_eq!(server.get("/readyz").await.status, 200);

    server.change(|overview| {
        overview.sources[0].link.connected = false;
        overview.sources[0].link.last_error = Some("connection refused".into());
    });
    let degraded = server.get("/healthz").await;
    let reason = "source plant is not connected to mqtt://127.0.0.1:1883: connection refused";
    assert_eq!(degraded.status, 503);
    assert_eq!(
        degraded.json(),
        json!({"status": "degraded", "reasons": [reason]})
    );
    assert_eq!(
        server.get("/readyz").await.status,
        200,
        "ready, though not well"
    );

    for phase in [Phase::Starting, Phase::Stopping] {
        server.change(|overview| overview.phase = phase);
        let answer = server.get("/readyz").await;
        assert_eq!((answer.status, answer.body.trim()), (503, phase.name()));
    }
}

#[tokio::test]
async fn json_has_the_words_of_the_ledger() {
    let server = Server::start(FakeView {
        devices: fake::oddities(),
        ..FakeView::new()
    })
    .await;
    let overview = server.get("/api/overview.json").await.json();
    assert_eq!(overview["agent"], "pump-house");
    assert_eq!(overview["now"], "2026-11-02T08:00:00Z");
    assert_eq!(overview["health"]["status"], "healthy");
    let source = &overview["sources"][0];
    assert_eq!(
        (&source["name"], &source["unmapped_fields"]),
        (&json!("plant"), &json!(17))
    );
    assert_eq!(source["messages"]["difference"], 0);
    assert_eq!(
        source["messages"]["terms"][2],
        json!({"name": "dead_lettered", "count": 19, "reasons": [{"name": "payload", "count": 9}, {"name": "topic", "count": 10}]})
    );
    assert_eq!(
        overview["lanes"][2],
        json!({"lane": "summary", "enqueued": 20_406, "delivered": 20_000, "buffered": 400, "evicted": 6, "bytes": 400_000,
            "evictions": {"corrupt": 1, "quota": 5}})
    );

    let devices = server.get("/api/devices.json").await.json();
    let names: Vec<_> = devices
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "<script>alert(1)</script>",
            "fan-02",
            "pump-09",
            "pump-17",
            "pump-30"
        ]
    );
    assert_eq!(devices[1]["model_degraded"], "missing_input");
    assert_eq!(
        (&devices[2]["state"], &devices[2]["freshness_limit_seconds"]),
        (&json!("quarantined"), &json!(30.0))
    );
    assert_eq!(
        (&devices[3]["verdict"], &devices[3]["last_event_time"]),
        (&json!("anomalous"), &json!("2026-11-02T07:59:58.75Z"))
    );
    assert_eq!(devices[4]["last_event_time"], Value::Null);
    assert_eq!(
        server
            .get("/api/devices.json?device=PUMP-0")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
