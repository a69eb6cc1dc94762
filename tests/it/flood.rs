//! More than the disk can take: 500,000 messages against commits that take ten milliseconds each. What is
//! too much is dropped, but every one of them is in the books, and memory stays within its bound.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use eyot::actors::{ClassRuntime, Fleet, FleetActor, FleetArguments, FleetMessage};
use eyot::app::Builder;
use eyot::books::Ledger;
use eyot::clock;
use eyot::config::{Config, Estimate};
use eyot::ingest::{Ingest, Message, Surroundings};
use eyot::ops::Metrics;
use eyot::record::Encoder;
use eyot::store::{self, Store};
use eyot_lab::mosquitto::Mosquitto;
use eyot_pipeline::Span;
use eyot_pipeline::ledger::{LaneBook, MessageFate, ReadingFate, SourceBook};
use eyot_pipeline::restart::RestartPolicy;
use ractor::{Actor, ActorRef};
use tempfile::TempDir;

use crate::support::{Setup, T0, settled, subscribed, until};

/// The slow disk.
const COMMIT: Duration = Duration::from_millis(10);

/// Devices are named in the payload. Few readings fit into a window, since each should become a record.
const SETUP: Setup<'static> = Setup {
    limits: "devices = 200\nreadings_in_flight = 20000\nreadings_in_flight_per_device = 1000",
    store: "[outbox]\nmax_records = 20000",
    http: None,
    host: "mqtt://127.0.0.1",
    source: "",
    rules: r#"
        [[source.rule]]
        name = "reading"
        topic = "flood"
        decoder = "json"
        device = "{d}"
        time = "ts"
        time_format = "unix_ms"
        value = "v"
        channel = "{c}"
    "#,
    window: "\"1s\"",
    class: "max_window_readings = 64",
    tables: "[class.channels]\nspeed = {}",
    uplink: "",
};

/// Message `n` of the flood: 200 devices in turn, half a second between two readings of one. Every
/// thousandth is rubbish.
fn message(n: i64) -> String {
    if n % 1_000 == 999 {
        return format!("rubbish {n}");
    }
    let (device, step) = (n % 200, n / 200);
    let ts = T0 * 1_000 + step * 500;
    format!(
        r#"{{"d": "m-{device}", "c": "speed", "ts": {ts}, "v": {}}}"#,
        n % 17
    )
}

/// Nothing is in flight, and the books explain `messages` messages and every reading in them.
fn assert_explained(book: &SourceBook, messages: u64) {
    assert!(book.balanced(), "{book:?}");
    assert_eq!((book.messages, book.messages_in_flight), (messages, 0));
    let rubbish = messages / 1_000;
    let letters = book.messages_with(MessageFate::DeadLetteredPayload);
    assert_eq!(letters, rubbish, "{book:?}");
    assert_eq!(book.messages_with(MessageFate::Decoded), messages - rubbish);
    assert_eq!(
        (book.readings, book.readings_in_flight),
        (messages - rubbish, 0)
    );
    let explained: u64 = [
        ReadingFate::Processed,
        ReadingFate::DroppedOverload,
        ReadingFate::DroppedDeviceOverload,
    ]
    .map(|fate| book.readings_with(fate))
    .iter()
    .sum();
    assert_eq!(explained, book.readings, "{book:?}");
}

#[tokio::test]
async fn invariant_2_a_flood_through_a_broker_is_explained_to_the_last_reading() {
    const PUBLISHERS: i64 = 4;
    const EACH: i64 = 25_000;
    let plant = Mosquitto::start("max_queued_messages 0\nmax_inflight_messages 0").unwrap();
    let folder = TempDir::new().unwrap();
    let config = SETUP.config(plant.port, None, folder.path());
    let agent = subscribed(Builder::new(config).slow_commit(COMMIT)).await;

    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|p| {
            let port = plant.port.to_string();
            std::thread::spawn(move || {
                let mut child = Command::new("mosquitto_pub")
                    .args(["-p", &port, "-t", "flood", "-q", "1", "-l"])
                    .stdin(Stdio::piped())
                    .spawn()
                    .expect("mosquitto_pub; on Debian: apt-get install mosquitto-clients");
                let mut stdin = child.stdin.take().unwrap();
                for n in (p * EACH..(p + 1) * EACH).map(message) {
                    writeln!(stdin, "{n}").unwrap();
                }
                drop(stdin);
                assert!(child.wait().unwrap().success());
            })
        })
        .collect();
    let sent = (PUBLISHERS * EACH) as u64;
    let book = settled(&agent, sent).await;
    for publisher in publishers {
        publisher.join().unwrap();
    }
    // Publishers overtake each other, so what is late or double depends on them; nothing else may happen.
    assert_eq!(book.readings, sent - sent / 1_000);
    let explained: u64 = [
        ReadingFate::Processed,
        ReadingFate::Late,
        ReadingFate::Duplicate,
        ReadingFate::DroppedOverload,
        ReadingFate::DroppedDeviceOverload,
    ]
    .map(|fate| book.readings_with(fate))
    .iter()
    .sum();
    assert_eq!(explained, book.readings, "{book:?}");
    let letters = book.messages_with(MessageFate::DeadLetteredPayload);
    assert_eq!(letters, sent / 1_000);
    let stats = agent.store().stats().await.unwrap();
    assert!(
        stats.lanes.iter().all(|(_, book)| book.balanced()),
        "{stats:?}"
    );
    assert_eq!((stats.effect_gaps, stats.refused), (0, 0));
    agent.stop().await.unwrap();
}

/// The way in without a broker in front of it, on a store with a slow disk.
struct Direct {
    ingest: Ingest,
    ledger: Ledger,
    store: Store,
    _fleet: ActorRef<FleetMessage>,
}

impl Direct {
    async fn new(config: &Config, folder: &Path) -> Self {
        let ledger = Ledger::new(
            config
                .sources
                .iter()
                .map(|source| (source.name.as_str(), false)),
        );
        let store = Store::open(store::Options {
            dir: folder.to_owned(),
            commit_interval: config.store.commit_interval,
            agent: "flood".into(),
            quotas: config.outbox.quotas,
            fold: store::Fold {
                after: config.outbox.fold_after,
                rows: 1_024,
            },
            merge: eyot::record::merge,
            headroom: config.store.headroom,
            patience: Duration::ZERO,
            dead_letters: config.limits.dead_letters,
            channel: 1_024,
            clock: clock::now,
            hold_unsynced: eyot_pipeline::Span::ZERO,
            moved: eyot::record::moved,
            books: Arc::new(ledger.clone()),
            books_interval: Duration::ZERO,
            vfs: None,
            pace: store::Pace::default(),
            slow_commit: Some(COMMIT),
        })
        .unwrap();
        let classes = config.classes.iter().map(|class| {
            Arc::new(ClassRuntime {
                devices: class.devices.clone(),
                config: Arc::clone(&class.pipeline),
                model: None,
            })
        });
        let fleet = Arc::new(Fleet::new(
            classes.collect(),
            config.limits.devices,
            config.limits.readings_in_flight,
            config.limits.readings_in_flight_per_device,
        ));
        let arguments = FleetArguments {
            fleet: Arc::clone(&fleet),
            policy: RestartPolicy {
                restarts: config.limits.restarts,
                window: Span::from_secs(60),
                first_pause: Span::from_millis(100),
            },
            ledger: ledger.clone(),
            journal: None,
            store: store.handle.clone(),
            metrics: Arc::new(Metrics::default()),
            encoder: Encoder::new("flood", &store.identity),
        };
        let (fleet_actor, _) = Actor::spawn(None, FleetActor, arguments).await.unwrap();
        let around = Surroundings {
            trace: eyot::record::Trace::new(&store.identity),
            fleet,
            fleet_actor: fleet_actor.clone(),
            assets: std::sync::Arc::default(),
            store: store.handle.clone(),
            journal: None,
            dead_letter_bytes: config.limits.dead_letter_bytes,
            recent: std::sync::Arc::default(),
        };
        let book = Arc::clone(&ledger.books()[0]);
        Self {
            ingest: Ingest::new(&config.sources[0], book, around, None),
            ledger,
            store,
            _fleet: fleet_actor,
        }
    }
}

/// Resident memory of this process: now, and at its highest.
fn memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// True in a process that runs the test of this name and nothing else; otherwise runs it in such a one.
/// Memory is the process's, so others must not take part in what is measured.
fn alone(test: &str) -> bool {
    const ALONE: &str = "EYOT_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    false
}

#[test]
fn invariant_6_memory_is_bounded_under_a_flood_of_500_000_messages() {
    const MESSAGES: i64 = 500_000;
    const BURST: usize = 128;
    // What the estimate leaves out: threads, SQLite's cache, records on their way, the allocator's waste.
    const SLACK: u64 = 16 << 20;
    if !alone("flood::invariant_6_memory_is_bounded_under_a_flood_of_500_000_messages") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let folder = TempDir::new().unwrap();
        let config = SETUP.config(1883, None, folder.path());
        let mut direct = Direct::new(&config, folder.path()).await;
        let (before, _) = memory();
        for n in 0..MESSAGES {
            let payload = message(n);
            let message = Message {
                topic: b"flood",
                payload: payload.as_bytes(),
                retained: false,
                ack: None,
                packet: 0,
                dup: false,
            };
            direct.ingest.message(message, eyot::clock::stamp());
            if n as usize % BURST == BURST - 1 {
                direct.ingest.flush().await;
                tokio::task::yield_now().await;
            }
        }
        direct.ingest.flush().await;
        let book = until("the flood to be settled", async || {
            let book = direct.ledger.books()[0].snapshot();
            (book.readings_in_flight == 0).then_some(book)
        })
        .await;
        assert_explained(&book, MESSAGES as u64);
        let lanes = direct.store.handle.stats().await.unwrap().lanes;
        let balanced = |(_, book): &(_, LaneBook)| book.balanced();
        assert!(lanes.iter().all(balanced), "{lanes:?}");
        let (_, peak) = memory();
        let grown = peak.saturating_sub(before);
        let bound = Estimate::of(&config, |_| 0).memory() + SLACK;
        assert!(grown <= bound, "grew by {grown} bytes, {bound} are allowed");
        let overload = book.readings_with(ReadingFate::DroppedOverload)
            + book.readings_with(ReadingFate::DroppedDeviceOverload);
        assert!(
            overload > 0,
            "the flood was too small to test anything: {book:?}"
        );
    });
}
