//! Invariant 5: whatever one device sends, the others come out as if it had sent nothing of the kind.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use eyot::app::{Agent, Builder};
use eyot::ops::{DeviceState, DeviceView, Status};
use eyot_lab::mosquitto::Mosquitto;
use eyot_pipeline::feature::Feature;
use eyot_pipeline::ledger::{Lane, MessageFate, ReadingFate, SourceBook};
use eyot_pipeline::scorer::{InputSpec, ModelId, Scorer, ScorerError, Transform, View};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    Feeder, Setup, T0, assert_dense, content, health, reading, records, settled, subscribed, until,
    waves,
};

/// A window that has this as its maximum brings its device's actor down.
const POISON: f64 = 666.0;

/// A model that expects nothing and chokes on [`POISON`].
struct Choking(ModelId, [InputSpec; 1]);

impl Choking {
    fn scorer() -> Arc<dyn Scorer> {
        let id = ModelId {
            name: "choking".into(),
            version: "1".into(),
        };
        let input = InputSpec {
            channel: "speed".into(),
            view: View::Feature(Feature::Max),
            transform: Transform::Identity,
            center: 0.0,
            scale: 1.0,
        };
        Arc::new(Self(id, [input]))
    }
}

impl Scorer for Choking {
    fn id(&self) -> &ModelId {
        &self.0
    }

    fn inputs(&self) -> &[InputSpec] {
        &self.1
    }

    fn clip(&self) -> f32 {
        1e6
    }

    fn warmup(&self) -> u32 {
        0
    }

    fn threshold(&self) -> f32 {
        1e12
    }

    fn reconstruct(&self, input: &[f32], output: &mut [f32]) -> Result<(), ScorerError> {
        assert!(input[0] < POISON as f32, "a poisonous window, on purpose");
        output.fill(0.0);
        Ok(())
    }
}

/// An agent on a broker of its own.
struct World {
    agent: Agent,
    feeder: Feeder,
    sent: u64,
    _plant: Mosquitto,
    _folder: TempDir,
}

impl World {
    async fn new(setup: &Setup<'_>, change: impl FnOnce(Builder) -> Builder) -> Self {
        let (plant, folder) = (Mosquitto::start("").unwrap(), TempDir::new().unwrap());
        let config = setup.config(plant.port, None, folder.path());
        Self {
            agent: subscribed(change(Builder::new(config))).await,
            feeder: Feeder::to(plant.port),
            sent: 0,
            _plant: plant,
            _folder: folder,
        }
    }

    async fn choking(setup: &Setup<'_>) -> Self {
        Self::new(setup, |builder| {
            builder.scorer("machine", Choking::scorer())
        })
        .await
    }

    async fn send(&mut self, messages: &[(String, String)]) {
        self.sent += self.feeder.send(messages).await;
    }

    async fn settled(&self) -> SourceBook {
        settled(&self.agent, self.sent).await
    }

    fn device(&self, name: &str) -> DeviceView {
        let devices = self.agent.view().devices();
        devices
            .into_iter()
            .find(|device| device.name == name)
            .expect(name)
    }

    /// The contents of all records of every device but `except`.
    async fn others(&self, except: &str) -> BTreeMap<String, Vec<Value>> {
        let mut others: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for lane in Lane::ALL {
            for record in records(&self.agent, lane).await {
                let device = record["device"].as_str().unwrap().to_owned();
                if device != except {
                    others.entry(device).or_default().push(content(&record));
                }
            }
        }
        others
    }
}

/// Three devices, one of which has a fault of its own, in seconds `from..to`.
fn neighbours(from: i64, to: i64) -> Vec<(String, String)> {
    let level = |device: &str| {
        if device == "m-3" && from >= 30 {
            90.0
        } else {
            20.0
        }
    };
    ["m-1", "m-2", "m-3"]
        .iter()
        .flat_map(|device| waves(device, from..to, level(device)))
        .collect()
}

/// What the neighbours come to when nobody disturbs them.
async fn undisturbed() -> &'static BTreeMap<String, Vec<Value>> {
    static CALM: OnceLock<BTreeMap<String, Vec<Value>>> = OnceLock::new();
    if CALM.get().is_none() {
        let mut world = World::choking(&Setup::default()).await;
        for from in [0, 30] {
            world.send(&neighbours(from, from + 30)).await;
        }
        world.settled().await;
        let others = world.others("").await;
        assert_eq!(others.len(), 3);
        assert!(
            others["m-3"]
                .iter()
                .any(|record| record["schema"] == "eyot.alert.v1")
        );
        let _ = CALM.set(others);
    }
    CALM.get().unwrap()
}

#[tokio::test]
async fn invariant_5_a_panic_in_one_device_changes_nothing_for_the_others() {
    let mut world = World::choking(&Setup::default()).await;
    world.send(&neighbours(0, 30)).await;
    world.send(&waves("m-sick", 0..11, 20.0)).await;
    world.settled().await;
    assert_eq!(world.device("m-sick").windows, 10);

    world.send(&[reading("m-sick", 20_000, POISON)]).await;
    world.settled().await;
    // This one closes the window that holds the poison, and the device goes down over it.
    world.send(&[reading("m-sick", 22_000, 20.0)]).await;
    world.send(&neighbours(30, 60)).await;
    let book = world.settled().await;
    assert_eq!(world.others("m-sick").await, *undisturbed().await);
    // At first it is given what it failed at again: the fault might not have been the reading's.
    assert_eq!(book.readings_with(ReadingFate::DroppedDeviceFailed), 1);
    until("the device to be started again, twice", async || {
        let sick = world.device("m-sick");
        (sick.restarts == 2 && sick.state == DeviceState::Running).then_some(())
    })
    .await;
    world.send(&waves("m-sick", 30..41, 20.0)).await;
    world.settled().await;
    let summaries = records(&world.agent, Lane::Summary).await;
    let sick = summaries
        .iter()
        .filter(|record| record["device"] == "m-sick");
    // The window that it fails at is lost; the numbering has no gap.
    assert_eq!(
        assert_dense(sick)["m-sick"],
        21,
        "11 before the failure, 10 after it"
    );
    assert_eq!(health(&world.agent), (Status::Healthy, vec![]));
}

#[tokio::test]
async fn invariant_5_a_device_that_keeps_failing_is_quarantined_and_its_readings_rejected() {
    let setup = Setup {
        limits: "restarts = 2\nrestart_window = \"10m\"",
        ..Setup::default()
    };
    let mut world = World::choking(&setup).await;
    world.send(&neighbours(0, 30)).await;
    // Each poison makes it fail twice.
    for failure in 0..2 {
        let at = 10_000 * failure;
        world
            .send(&[
                reading("m-sick", at, POISON),
                reading("m-sick", at + 2_000, 1.0),
            ])
            .await;
        let expected = if failure == 0 {
            (DeviceState::Running, 2)
        } else {
            (DeviceState::Quarantined, 2)
        };
        until("the device to fail and be dealt with", async || {
            let sick = world.device("m-sick");
            ((sick.state, sick.restarts) == expected).then_some(())
        })
        .await;
    }
    let before = world
        .settled()
        .await
        .readings_with(ReadingFate::RejectedQuarantined);
    world.send(&waves("m-sick", 100..110, 20.0)).await;
    world.send(&neighbours(30, 60)).await;
    let book = world.settled().await;
    assert_eq!(
        book.readings_with(ReadingFate::RejectedQuarantined),
        before + 100
    );
    assert_eq!(world.others("m-sick").await, *undisturbed().await);
    let (status, reasons) = health(&world.agent);
    assert_eq!(status, Status::Degraded);
    assert_eq!(reasons, ["1 device is quarantined"]);
}

#[tokio::test]
async fn invariant_5_poisonous_payloads_and_a_clock_a_year_ahead_change_nothing_for_the_others() {
    let mut world = World::choking(&Setup::default()).await;
    let year = 366 * 24 * 3_600 * 1_000 + (eyot::clock::now().0 / 1_000_000 - T0 * 1_000);
    let poison: Vec<(String, String)> = (0..200)
        .flat_map(|n| {
            let topic = || "plant/m-sick/speed".to_owned();
            [
                (topic(), "[".repeat(5_000)),
                (topic(), format!(r#"{{"ts": {n}, "v": 1e400}}"#)),
                (topic(), String::new()),
                reading("m-sick", year + n, 1.0),
            ]
        })
        .collect();
    world.send(&poison[..400]).await;
    world.send(&neighbours(0, 30)).await;
    world.send(&poison[400..]).await;
    world.send(&neighbours(30, 60)).await;
    let book = world.settled().await;
    assert_eq!(book.messages_with(MessageFate::DeadLetteredPayload), 200);
    // A number beyond all numbers costs itself alone.
    assert_eq!(book.readings_with(ReadingFate::MissingNan), 200);
    assert_eq!(book.readings_with(ReadingFate::RejectedFuture), 200);
    assert_eq!(book.readings_with(ReadingFate::Processed), 1_800);
    assert_eq!(world.others("m-sick").await, *undisturbed().await);
}

#[tokio::test]
async fn invariant_5_a_flood_of_one_device_costs_the_others_nothing() {
    let book = flood_of_one_device("").await;
    assert_eq!(book.readings_with(ReadingFate::Processed), 5_000 + 1_800);
}

#[tokio::test]
async fn invariant_5_a_flood_of_one_device_without_a_journal_costs_itself_alone() {
    let book = flood_of_one_device("journal = false").await;
    assert!(
        book.readings_with(ReadingFate::DroppedDeviceOverload) > 1_000,
        "{book:?}"
    );
    assert_eq!(
        book.readings_with(ReadingFate::DroppedOverload),
        0,
        "{book:?}"
    );
}

async fn flood_of_one_device(source: &str) -> SourceBook {
    // Each reading of the flood closes a window, so that it is in flight until a slow commit is through.
    let flood: Vec<_> = (0..5_000)
        .map(|n| reading("m-sick", n * 1_000, 1.0))
        .collect();
    let setup = Setup {
        limits: "readings_in_flight = 2000\nreadings_in_flight_per_device = 400",
        source,
        ..Setup::default()
    };
    let slow = |builder: Builder| {
        let builder = builder.scorer("machine", Choking::scorer());
        builder.slow_commit(Duration::from_millis(100))
    };
    let mut world = World::new(&setup, slow).await;
    let mut book = SourceBook::default();
    for (from, flood) in [0, 30].into_iter().zip(flood.chunks(2_500)) {
        world.send(flood).await;
        world.send(&neighbours(from, from + 30)).await;
        book = world.settled().await;
    }
    for device in ["m-1", "m-2", "m-3"] {
        assert_eq!(world.device(device).processed, 600);
    }
    assert_eq!(world.others("m-sick").await, *undisturbed().await);
    book
}

/// Two readings a second of a hundred devices.
fn hundred(from: i64, to: i64) -> Vec<(String, String)> {
    let second = |second: i64| {
        (0..100).flat_map(move |device| {
            let name = format!("m-{device:03}");
            [0, 500].map(|ms| {
                let value = (second * 7 + device * 3 + ms / 100) % 11;
                reading(&name, second * 1_000 + ms, value as f64)
            })
        })
    };
    (from..to).flat_map(second).collect()
}

const TROUBLE: &str = r#"
    [[source.rule]]
    name = "reading"
    topic = "plant/{device}/{channel}"
    decoder = "json"
    time = "ts"
    time_format = "unix_ms"
    value = "v"

    [[source.rule]]
    name = "block"
    topic = "block/{device}"
    channel = "speed"
    time = "ts"
    time_format = "unix_ms"
    value = "v"
    samples = { interval = "20us" }

    [[source.rule]]
    name = "booting"
    topic = "booting/{device}/{channel}"
    decoder = "json"
    time = { path = "ms", format = "uptime_ms" }
    sequence = { path = "n" }
    boot_id = "boot"
    value = "v"
"#;

/// A clock that is a year ahead, a sender that starts again every ten seconds, 50,000 readings a second, and one that
/// thinks of names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_5_a_hundred_devices_come_out_the_same_beside_the_worst_of_neighbours() {
    let setup = Setup {
        rules: TROUBLE,
        limits: "devices = 300",
        ..Setup::default()
    };
    let run = async |trouble: bool| {
        let mut world = World::new(&setup, |builder| builder).await;
        let year = 366 * 24 * 3_600 * 1_000 + (eyot::clock::now().0 / 1_000_000 - T0 * 1_000);
        for from in 0..30 {
            if trouble {
                let mut messages = Vec::new();
                for n in 0..50 {
                    let ts = T0 * 1_000 + from * 1_000 + n * 20;
                    let samples = vec!["1"; 1_000].join(",");
                    let block = format!(r#"{{"ts": {ts}, "v": [{samples}]}}"#);
                    messages.push(("block/m-flood".to_owned(), block));
                }
                messages.push(reading("m-ahead", year + from * 1_000, 1.0));
                let (boot, n) = (from / 10, from % 10);
                let payload = format!(
                    r#"{{"ms": {}, "n": {n}, "boot": {boot}, "v": 1}}"#,
                    n * 1_000
                );
                messages.push(("booting/m-boot/speed".to_owned(), payload));
                for n in 0..20 {
                    let name = format!("m-name-{}", from * 20 + n);
                    messages.push(reading(&name, from * 1_000, 1.0));
                    messages.push((
                        format!("plant/m-many/channel-{from}-{n}"),
                        r#"{"v": 1}"#.into(),
                    ));
                }
                world.send(&messages).await;
            }
            world.send(&hundred(from, from + 1)).await;
        }
        world.settled().await;
        world
    };
    let calm = run(false).await;
    let troubled = run(true).await;
    let is_normal = |device: &str| device.len() == 5;
    let mut expected = calm.others("").await;
    let mut others = troubled.others("").await;
    others.retain(|device, _| is_normal(device));
    expected.retain(|device, _| is_normal(device));
    assert_eq!(others.len(), 100);
    assert_eq!(others, expected);

    let book = troubled.settled().await;
    assert!(book.balanced(), "{book:?}");
    for device in ["m-000", "m-099"] {
        assert_eq!(troubled.device(device).processed, 60);
    }
    assert_eq!(troubled.device("m-ahead").rejected, 30);
    let booting = troubled.device("m-boot");
    assert_eq!((booting.processed, booting.duplicate), (30, 0));
    let flood = troubled.device("m-flood");
    assert_eq!(
        flood.processed + flood.rejected + flood.late + flood.duplicate,
        1_500_000
    );
    assert!(
        book.readings_with(ReadingFate::RejectedDeviceLimit) > 300,
        "{book:?}"
    );
    // The class lists its channels, so that no name that somebody thinks of becomes one.
    assert!(book.unmapped_fields >= 600, "{}", book.unmapped_fields);
}
