//! Invariant 7, and what a crash leaves behind: whatever state the files are in, the agent boots, says what
//! is wrong, and goes on.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use eyot::ops::Status;
use eyot_lab::collector::Collector;
use eyot_lab::mosquitto::Mosquitto;
use eyot_pipeline::ledger::Lane;
use tempfile::TempDir;

use crate::support::{
    ChildAgent, Feeder, PATIENCE, Setup, assert_dense, health, reading, records, settled, start,
    until, waves,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_1_after_kill_9_every_acknowledged_reading_is_there_once_and_open_windows_go_on()
{
    const READINGS: u32 = 900;
    // While the agent is away the broker must not drop what it keeps for it.
    let plant = Mosquitto::start("max_queued_messages 0").unwrap();
    let shore = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let setup = Setup::default();
    let mut agent = ChildAgent::start(&setup, plant.port, Some(shore.port), folder.path()).await;

    // Two to a window, so that at any instant some are in open windows and some in flight to the disk.
    let feeder = Arc::new(Feeder::to(plant.port));
    let stream = tokio::spawn({
        let feeder = Arc::clone(&feeder);
        async move {
            for n in 0..READINGS {
                for device in ["m-1", "m-2"] {
                    feeder
                        .send(&[reading(device, i64::from(n) * 500, f64::from(n))])
                        .await;
                }
            }
        }
    });
    for kill in 1..=3 {
        collector
            .wait_until("some records", PATIENCE, |got| {
                got.records.len() >= kill * 200
            })
            .await
            .unwrap();
        agent.process.signal("-KILL");
        agent.process.wait(PATIENCE).unwrap();
        agent = ChildAgent::start(&setup, plant.port, Some(shore.port), folder.path()).await;
    }
    stream.await.unwrap();
    assert!(
        agent
            .log()
            .contains("the last run ended without an orderly stop"),
        "{}",
        agent.log()
    );
    let sent = 2 * u64::from(READINGS);
    until("the readings to be processed", async || {
        let (messages, readings) = (agent.books("messages"), agent.books("readings"));
        assert_eq!((messages.difference(), readings.difference()), (0, 0));
        (readings.term("in_flight") == 0 && readings.term("processed") >= sent).then_some(())
    })
    .await;
    let readings = agent.books("readings");
    assert_eq!(readings.term("processed"), sent, "{readings:?}");
    assert_eq!(readings.term("dropped"), 0, "{readings:?}");
    collector
        .wait_until("all windows but the last", PATIENCE, |got| {
            got.records.len() == READINGS as usize - 2
        })
        .await
        .unwrap();
    collector.look(|got| {
        let records = || got.records.iter().map(|received| &received.record);
        assert_dense(records());
        for record in records() {
            assert_eq!(record["channels"]["speed"]["count"], 2, "{record}");
        }
    });
    assert!(agent.stop().success());
}

/// Numbers that look random and are always the same.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}

/// Overwrites a part of a file, given in thousandths of its length.
fn scribble(path: &Path, part: Range<usize>, seed: u64) {
    let mut bytes = fs::read(path).unwrap();
    let (from, to) = (
        bytes.len() * part.start / 1_000,
        bytes.len() * part.end / 1_000,
    );
    for (byte, noise) in bytes[from..to].iter_mut().zip(noise(seed)) {
        *byte = noise;
    }
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn invariant_7_boots_and_works_with_random_bytes_over_the_database() {
    let plant = Mosquitto::start("").unwrap();
    let feeder = Feeder::to(plant.port);
    let setup = Setup::default();
    let parts = [0..1_000, 0..10, 200..250, 300..600, 700..800, 900..1_000];
    for (seed, part) in (1..).zip(parts) {
        let folder = TempDir::new().unwrap();
        let agent = start(&setup, plant.port, None, folder.path()).await;
        let sent = feeder.send(&waves("m-1", 0..31, 20.0)).await;
        settled(&agent, sent).await;
        agent.stop().await.unwrap();

        scribble(&folder.path().join("data/eyot.db"), part.clone(), seed);
        let agent = start(&setup, plant.port, None, folder.path()).await;
        let before = agent.ledger().books()[0].snapshot().messages;
        let sent = feeder.send(&waves("m-2", 0..11, 20.0)).await;
        settled(&agent, before + sent).await;
        let summaries = records(&agent, Lane::Summary).await;
        let of_now = summaries
            .iter()
            .filter(|record| record["device"] == "m-2")
            .count();
        assert_eq!(of_now, 10, "{part:?}");
        let (status, reasons) = health(&agent);
        assert_eq!(status, Status::Degraded, "{part:?}");
        assert!(reasons[0].contains("set aside as"), "{part:?}: {reasons:?}");
        assert!(reasons[0].contains("salvaged"), "{part:?}: {reasons:?}");
        agent.stop().await.unwrap();
    }
}

#[tokio::test]
async fn invariant_7_boots_with_a_corrupted_model_and_the_statistics_go_on() {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/models/pump");
    let plant = Mosquitto::start("").unwrap();
    let feeder = Feeder::to(plant.port);
    for file in ["model.onnx", "manifest.toml"] {
        let folder = TempDir::new().unwrap();
        let model = folder.path().join("model");
        fs::create_dir(&model).unwrap();
        for part in ["model.onnx", "manifest.toml"] {
            fs::copy(packed.join(part), model.join(part)).unwrap();
        }
        scribble(&model.join(file), 400..600, 1);
        let setup = Setup {
            class: "model = \"model\"",
            ..Setup::default()
        };
        let agent = start(&setup, plant.port, None, folder.path()).await;
        let (status, reasons) = health(&agent);
        assert_eq!(status, Status::Degraded);
        let [reason] = &reasons[..] else {
            panic!("{reasons:?}")
        };
        assert!(
            reason.starts_with("class machine runs without its model: "),
            "{reason}"
        );
        assert!(reason.contains(file), "{reason}");

        let mut sent = feeder.send(&waves("m-1", 0..40, 20.0)).await;
        sent += feeder.send(&waves("m-1", 40..45, 80.0)).await;
        settled(&agent, sent).await;
        let summaries = records(&agent, Lane::Summary).await;
        let last = &summaries.last().unwrap()["score"];
        assert!(last["model"].is_null(), "{last}");
        assert!(last["statistical"].as_f64().unwrap() >= 1.0, "{last}");
        assert_eq!(records(&agent, Lane::Alert).await.len(), 1);
        agent.stop().await.unwrap();
    }
}
