//! `eyot collect` against a real broker: each record once, whatever is killed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use eyot::collect::{
    Arrived, CollectError, Listen, Memory, Outcome, Progress, Report, Sink, listen,
};
use eyot_lab::child::{Process, last_json};
use eyot_lab::collector::local_broker;
use eyot_lab::mosquitto::Mosquitto;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{Feeder, PATIENCE, eyot, run, until};

const AGENT: &str = "7e1c1f0e-8f0a-4c3e-9a57-0d8c5f1b2a3d";

/// A running `eyot collect`, killed with a SIGKILL when dropped.
pub(crate) struct Collecting {
    process: Process,
    log: PathBuf,
}

impl Collecting {
    pub(crate) fn start(broker: &Mosquitto, into: [&str; 2], more: &[&str], log: PathBuf) -> Self {
        let url = format!("mqtt://127.0.0.1:{}", broker.port);
        let mut command = Command::new(eyot());
        command
            .args(["collect", "--broker", &url])
            .args(into)
            .args(more);
        let process = Process::start(&mut command, &log).unwrap();
        Self { process, log }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has been granted its subscription so many times.
    pub(crate) async fn subscribed(&mut self, times: usize) {
        until("the subscription", async || {
            let ended = self.process.ended();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.log());
            (self.log().matches("subscribed").count() >= times).then_some(())
        })
        .await;
    }
}

fn record(device: &str, number: u64) -> (String, String) {
    let body = format!(
        r#"{{"schema":"eyot.summary.v1","id":"{AGENT}/1/{device}/{number}","agent":"gw","device":"{device}"}}"#
    );
    (format!("eyot/gw/summary/{device}"), body)
}

/// Waits until the database at `path` holds so many records.
pub(crate) async fn collected(path: &Path, records: u64) -> Report {
    until("the records", async || {
        let report = Report::read(path).ok()?;
        (report.records >= records).then_some(report)
    })
    .await
}

#[tokio::test]
async fn every_record_is_collected_once_although_the_collector_is_killed_again_and_again() {
    const EACH: u64 = 2_000;

    // All that comes while nobody collects has to wait at the broker.
    let shore = Mosquitto::start("max_queued_messages 0").unwrap();
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("records.db");
    let database = path.display().to_string();
    let into = ["--sqlite", &database];
    let log = |n: usize| folder.path().join(format!("{n}.log"));
    let mut collecting = Collecting::start(&shore, into, &["--latest"], log(0));
    collecting.subscribed(1).await;

    let feeder = Feeder::to(shore.port);
    let feeding = tokio::spawn(async move {
        let (mut repeated, mut acks) = (0_u64, Vec::new());
        for n in 1..=EACH {
            // Every tenth number leaves as part of a batch, with two that are repeated in it.
            let mut messages: Vec<(String, Vec<u8>)> = Vec::new();
            for device in ["pump-1", "hall/pump-2", "pump-3"] {
                let (topic, body) = record(device, n);
                if n % 10 == 0 {
                    let lines = format!("{body}\n{body}\n{}", record(device, n - 1).1);
                    repeated += 2;
                    let frame = zstd::bulk::compress(lines.as_bytes(), 3).unwrap();
                    messages.push(("eyot/gw/batch/summary".to_owned(), frame));
                } else {
                    messages.push((topic, body.into_bytes()));
                }
            }
            if n % 7 == 0 {
                let (topic, body) = record("pump-1", n / 2 + 1);
                messages.push((topic, body.into_bytes()));
                repeated += 1;
            }
            if n % 100 == 0 {
                messages.push(("eyot/gw/summary/pump-1".to_owned(), b"rubbish".to_vec()));
                messages.push((
                    "eyot/gw/status".to_owned(),
                    br#"{"state":"online"}"#.to_vec(),
                ));
            }
            for (topic, payload) in messages {
                acks.push(feeder.publish(&topic, payload).await);
            }
            // Not one by one: a broker may be slow to answer a lonely message.
            if n % 20 == 0 {
                for ack in acks.drain(..) {
                    ack.await.unwrap();
                }
            }
        }
        repeated
    });
    for n in 1..=4 {
        collected(&path, n * EACH / 2).await;
        drop(collecting);
        collecting = Collecting::start(&shore, into, &[], log(n as usize));
    }
    let repeated = feeding.await.unwrap();
    let report = collected(&path, 3 * EACH).await;
    drop(collecting);

    // What was committed and not acknowledged comes again, and is counted again.
    let mut last = Collecting::start(&shore, into, &["--exit-when-idle", "1s", "--json"], log(9));
    assert!(
        last.process.wait(PATIENCE).unwrap().success(),
        "{}",
        last.log()
    );
    let end: Value = last_json(&log(9)).unwrap();
    assert_eq!(end["records"], report.records);
    assert_eq!((report.records, report.streams), (3 * EACH, 3));
    assert_eq!((report.unexplained, report.before_first), (0, 0));
    assert!(end["repeated"].as_u64().unwrap() >= repeated, "{end}");
    assert_eq!(end["rubbish"][0]["reason"], "not_json");
    assert!(end["rubbish"][0]["count"].as_u64().unwrap() >= EACH / 100);
    assert_eq!(end["status"][0]["status"]["state"], "online");

    let said = run(&["collect", "--report", "--sqlite", &database]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.starts_with("6000 records of 3 devices of 1 agent; "),
        "{said}"
    );
    assert!(
        said.contains("no number is missing without an explanation"),
        "{said}"
    );
}

#[tokio::test]
async fn a_broker_that_lost_its_sessions_is_subscribed_to_again() {
    let mut shore = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let parquet = folder.path().join("records").display().to_string();
    let into = ["--parquet", &parquet];
    let path = Path::new(&parquet).join("collect.db");
    let log = folder.path().join("log");
    let more = ["--rotate-records", "100", "--agent", "gw"];
    let mut collecting = Collecting::start(&shore, into, &more, log);
    collecting.subscribed(1).await;
    let send = async |port: u16, numbers: std::ops::RangeInclusive<u64>| {
        let messages: Vec<_> = numbers.map(|n| record("pump", n)).collect();
        Feeder::to(port).send(&messages).await;
    };
    send(shore.port, 1..=200).await;
    collected(&path, 200).await;
    shore.kill();
    shore.resume().unwrap();
    collecting.subscribed(2).await;
    send(shore.port, 101..=250).await;
    let report = collected(&path, 250).await;
    assert_eq!(report.unexplained + report.before_first, 0);
    assert!(report.repeated >= 100, "{}", report.repeated);

    collecting.process.terminate();
    let ended = collecting.process.wait(PATIENCE).unwrap();
    assert!(ended.success(), "{}", collecting.log());
    let files: BTreeSet<String> = std::fs::read_dir(&parquet)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("collect.db"))
        .collect();
    let expected = [1, 2, 3].map(|n| format!("records-{n:08}.parquet"));
    assert_eq!(files, BTreeSet::from(expected));
    assert_eq!(Report::read(&path).unwrap().files, 3);
}

/// A sink whose disk is full: always, or for the first attempts.
struct Full {
    attempts: u64,
    memory: Memory,
    done: watch::Sender<(u64, BTreeSet<u64>)>,
}

impl Sink for Full {
    fn commit(&mut self, burst: &[Arrived]) -> Result<Outcome, CollectError> {
        if self.attempts > 0 {
            self.attempts -= 1;
            self.done.send_modify(|(failed, _)| *failed += 1);
            return Err(CollectError::File {
                what: "write",
                path: "disk".into(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        let outcome = self.memory.commit(burst)?;
        self.done.send_modify(|(_, numbers)| {
            let records = self.memory.records.drain(..);
            numbers.extend(records.map(|(_, record)| record.id.number));
        });
        Ok(outcome)
    }

    fn missing(&self) -> Result<u64, CollectError> {
        self.memory.missing()
    }
}

#[tokio::test]
async fn what_cannot_be_committed_is_not_acknowledged_and_comes_again() {
    let shore = Mosquitto::start("").unwrap();
    let mut broker = local_broker(shore.port, "collector");
    broker.session_expiry = Duration::from_mins(10);
    let begin = |attempts: u64| {
        let (done, seen) = watch::channel((0, BTreeSet::new()));
        let sink = Full {
            attempts,
            memory: Memory::new("eyot"),
            done,
        };
        let from = Listen {
            broker: broker.clone(),
            clean: false,
            filters: vec!["eyot/+/#".to_owned()],
            idle: None,
        };
        let stop = CancellationToken::new();
        let (progress, told) = watch::channel(Progress::default());
        let stopping = stop.clone();
        let task = tokio::spawn(async move { listen(from, sink, progress, &stopping).await });
        (task, seen, told, stop)
    };
    let (task, mut seen, mut told, stop) = begin(u64::MAX);
    told.wait_for(|progress| progress.subscribed).await.unwrap();
    let messages: Vec<_> = (1..=300).map(|n| record("pump", n)).collect();
    Feeder::to(shore.port).send(&messages).await;
    seen.wait_for(|(failed, _)| *failed >= 2).await.unwrap();
    let trouble = told.borrow().trouble.clone().unwrap();
    assert!(trouble.starts_with("cannot write disk: "), "{trouble}");
    stop.cancel();
    task.await.unwrap().unwrap();
    assert!(seen.borrow().1.is_empty());

    let (task, mut seen, told, stop) = begin(2);
    let all: BTreeSet<u64> = (1..=300).collect();
    let (failed, _) = seen
        .wait_for(|(_, numbers)| *numbers == all)
        .await
        .unwrap()
        .clone();
    assert_eq!(failed, 2);
    stop.cancel();
    task.await.unwrap().unwrap();
    assert_eq!(told.borrow().trouble, None);
}

#[test]
fn what_is_asked_for_has_to_make_sense() {
    for (arguments, why) in [
        (&["--broker", "mqtt://b"][..], "--sqlite"),
        (&["--sqlite", "a.db"][..], "--broker"),
        (
            &["--broker", "mqtt://b", "--sqlite", "a", "--parquet", "b"][..],
            "cannot be used with",
        ),
        (
            &["--report", "--sqlite", "/nowhere/a.db"][..],
            "cannot open the database in /nowhere/a.db",
        ),
        (
            &["--broker", "mqtts://b", "--sqlite", "/nowhere/a.db"][..],
            "mqtts needs --ca-file",
        ),
        (
            &["--broker", "mqtt://b", "--sqlite", "/nowhere/a.db"][..],
            "cannot create /nowhere/a.db.lock",
        ),
    ] {
        let output = run(&[&["collect"], arguments].concat());
        assert!(!output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
}
