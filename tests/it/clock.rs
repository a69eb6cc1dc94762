//! A gateway without a clock of its own, under a wall clock that is wrong until it is set.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eyot_lab::collector::Collector;
use eyot_lab::mosquitto::Mosquitto;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{ChildAgent, Feeder, PATIENCE, Setup, eyot, until};

const RULES: &str = r#"
    [[source.rule]]
    name = "bare"
    topic = "plant/{device}/{channel}"
    decoder = "value"

    [[source.rule]]
    name = "stamped"
    topic = "stamped/{device}/{channel}"
    decoder = "json"
    time = "ts"
    time_format = "unix_ms"
    value = "v"
"#;

/// A machine whose wall clock is off, and where somebody may set it.
struct Gateway {
    folder: TempDir,
    library: PathBuf,
}

impl Gateway {
    fn new() -> Self {
        let gateway = Self {
            folder: TempDir::new().unwrap(),
            library: library(),
        };
        gateway.shows("-1h");
        gateway
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its wall clock is off by so much.
    fn shows(&self, offset: &str) {
        fs::write(self.path("offset"), offset).unwrap();
    }

    /// A time server was heard.
    fn is_set(&self) {
        self.shows("+0");
        fs::write(self.path("synchronised"), "").unwrap();
    }

    fn eyot(&self) -> Command {
        let mut command = Command::new(eyot());
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", self.path("offset"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command
    }

    async fn start(&self, setup: &Setup<'_>, plant: u16, shore: u16) -> ChildAgent {
        let folder = self.folder.path();
        ChildAgent::start_unhealthy_by(self.eyot(), setup, plant, Some(shore), folder).await
    }
}

/// Where libfaketime is.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().flatten();
    let mut found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    found
        .find(|path| path.exists())
        .expect("libfaketime is needed: apt-get install faketime")
}

/// Seconds that an instant of a record is behind the true time.
fn age(time: &Value) -> f64 {
    let time: jiff::Timestamp = time.as_str().unwrap().parse().unwrap();
    jiff::Timestamp::now().duration_since(time).as_secs_f64()
}

fn summaries<'a>(records: &'a [eyot_lab::collector::Received], device: &str) -> Vec<&'a Value> {
    let of = |record: &&Value| record["device"] == device && record["schema"] == "eyot.summary.v1";
    records.iter().map(|got| &got.record).filter(of).collect()
}

fn setup(folder: &Path, hold: &str) -> String {
    let synchronised = folder.join("synchronised");
    format!(
        "[clock]\nrtc = false\nsynchronised = {:?}\nhold_unsynced = \"{hold}\"\n",
        synchronised.display().to_string()
    )
}

/// Readings come all the time: `m-1` without a time, `m-2` with the true one.
fn feed(plant: u16) -> tokio::task::JoinHandle<()> {
    let feeder = Feeder::to(plant);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(100));
        for n in 0_u32.. {
            ticks.tick().await;
            let value = f64::from(n % 7);
            let ts = jiff::Timestamp::now().as_millisecond();
            let stamped = format!(r#"{{"ts": {ts}, "v": {value}}}"#);
            let messages = [
                ("plant/m-1/speed".to_owned(), value.to_string()),
                ("stamped/m-2/speed".to_owned(), stamped),
            ];
            feeder.send(&messages).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_clock_that_is_not_set_has_stamped_waits_for_it_and_leaves_with_the_true_time() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let gateway = Gateway::new();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let clock = setup(gateway.folder.path(), "10m");
    let setup = Setup {
        rules: RULES,
        uplink: &clock,
        ..Setup::default()
    };
    let mut agent = gateway.start(&setup, plant.port, shore.port).await;
    let feeding = feed(plant.port);

    // Whoever has a clock is not affected; whoever has none waits, and survives a crash.
    let stamped = |got: &eyot_lab::collector::Collected| summaries(&got.records, "m-2").len() > 2;
    collector
        .wait_until("m-2", PATIENCE, stamped)
        .await
        .unwrap();
    let held = |agent: &ChildAgent| agent.overview()["clock"]["records_held"].as_u64().unwrap();
    until("m-1 to wait", async || (held(&agent) > 2).then_some(())).await;
    collector.look(|got| {
        assert_eq!(summaries(&got.records, "m-1").len(), 0);
        for record in summaries(&got.records, "m-2") {
            assert_eq!(record["clock"]["unset"], "gateway", "{record:#}");
            assert!(age(&record["window"]["end"]) < 60.0, "{record:#}");
        }
    });
    agent.process.signal("-KILL");
    agent.process.wait(PATIENCE).unwrap();
    let agent = gateway.start(&setup, plant.port, shore.port).await;
    let before = held(&agent);
    assert!(before > 2);
    until("more to wait", async || {
        (held(&agent) > before + 1).then_some(())
    })
    .await;

    gateway.is_set();
    until("health", async || {
        (agent.overview()["clock"]["set"] == true && held(&agent) == 0).then_some(())
    })
    .await;
    let after = |got: &eyot_lab::collector::Collected| {
        let all = summaries(&got.records, "m-1");
        all.iter()
            .filter(|record| record["clock"].is_null())
            .count()
            > 2
    };
    collector.wait_until("m-1", PATIENCE, after).await.unwrap();
    feeding.abort();
    collector.look(|got| {
        assert_eq!(got.of("eyot.timefix.v1").count(), 1);
        let (mut moved, mut ended) = (0, 0);
        // What is fresh may arrive before what waited, so they are told apart by the numbers in their ids.
        let mut ends = BTreeMap::new();
        for record in summaries(&got.records, "m-1") {
            let end = record["window"]["end"].as_str().unwrap();
            let old = age(&record["window"]["end"]);
            assert!((-2.0..120.0).contains(&old), "true time: {record:#}");
            let number = record["id"].as_str().unwrap().rsplit('/').next();
            let number: u64 = number.unwrap().parse().unwrap();
            // The window that was open when the clock was set is not of one grid with those behind it, and reaches into the first.
            if record["window"]["closed_by"] == "clock_set" {
                ended += 1;
            } else {
                ends.insert(number, end.parse::<jiff::Timestamp>().unwrap());
            }
            if !record["clock"].is_null() {
                moved += 1;
                assert!(record["clock"]["unset"].is_null(), "{record:#}");
                let by = record["clock"]["moved_ms"].as_i64().unwrap();
                assert!((3_590_000..3_610_000).contains(&by), "{record:#}");
            }
        }
        assert!(
            ends.values().is_sorted_by(|one, next| one < next),
            "one after the other: {ends:#?}"
        );
        assert!(moved > 4, "{moved}");
        assert_eq!(ended, 1, "one window was open when the clock was set");
    });
    assert_eq!(agent.books("readings").difference(), 0);
    assert_eq!(agent.books("readings").term("rejected"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_waited_for_long_enough_leaves_as_it_is_and_is_put_right_later() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let gateway = Gateway::new();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let clock = setup(gateway.folder.path(), "1s");
    let setup = Setup {
        rules: RULES,
        uplink: &clock,
        ..Setup::default()
    };
    let _agent = gateway.start(&setup, plant.port, shore.port).await;
    let feeding = feed(plant.port);
    let one = |got: &eyot_lab::collector::Collected| !summaries(&got.records, "m-1").is_empty();
    collector.wait_until("m-1", PATIENCE, one).await.unwrap();
    gateway.is_set();
    let told = |got: &eyot_lab::collector::Collected| got.of("eyot.timefix.v1").count() == 1;
    collector
        .wait_until("the timefix", PATIENCE, told)
        .await
        .unwrap();
    feeding.abort();
    collector.look(|got| {
        let fix = &got.of("eyot.timefix.v1").next().unwrap().record;
        let first = summaries(&got.records, "m-1")[0];
        assert_eq!(first["clock"]["unset"], "all", "{first:#}");
        assert_eq!(first["clock"]["boot"], fix["boot"]);
        let moved = age(&first["window"]["end"]) - fix["move_ms"].as_f64().unwrap() / 1e3;
        assert!((-2.0..120.0).contains(&moved), "{moved} {first:#} {fix:#}");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_back_makes_nothing_late() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let gateway = Gateway::new();
    gateway.shows("+1h");
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let setup = Setup {
        rules: RULES,
        ..Setup::default()
    };
    let agent = gateway.start(&setup, plant.port, shore.port).await;
    let feeding = feed(plant.port);
    let ahead = |got: &eyot_lab::collector::Collected| !summaries(&got.records, "m-1").is_empty();
    collector.wait_until("m-1", PATIENCE, ahead).await.unwrap();
    gateway.shows("+0");
    let back = |got: &eyot_lab::collector::Collected| {
        let all = summaries(&got.records, "m-1");
        all.iter()
            .filter(|record| age(&record["window"]["end"]) > -2.0)
            .count()
            > 2
    };
    collector
        .wait_until("m-1 after the step", PATIENCE, back)
        .await
        .unwrap();
    feeding.abort();
    let overview = agent.overview();
    assert_eq!(overview["clock"]["steps"], 1);
    assert_eq!(agent.books("readings").term("late"), 0);
    assert_eq!(agent.books("readings").term("rejected"), 0);
    assert_eq!(agent.books("readings").difference(), 0);
}
