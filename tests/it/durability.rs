//! Nothing acknowledged is lost: across crashes, changes of the configuration, and a journal that is full.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use eyot::app::Builder;
use eyot_lab::collector::Collector;
use eyot_lab::mosquitto::Mosquitto;
use eyot_pipeline::ledger::ReadingFate;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    ChildAgent, Feeder, PATIENCE, Setup, content, reading, settled, start, subscribed, until, waves,
};

/// Two devices, one of which goes wrong, in seconds `from..to`.
fn plant(from: i64, to: i64) -> Vec<(String, String)> {
    let level = if from >= 25 { 90.0 } else { 20.0 };
    let mut messages = waves("m-1", from..to, 20.0);
    messages.extend(waves("m-2", from..to, level));
    messages
}

/// What is sent up of [`plant`], by device, with `crash` between its parts.
async fn records_of(crash: impl Fn(&mut ChildAgent)) -> BTreeMap<String, Vec<Value>> {
    let (plant_broker, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let feeder = Feeder::to(plant_broker.port);
    let start = |folder: &Path| {
        let folder = folder.to_owned();
        let (plant, shore) = (plant_broker.port, shore.port);
        async move { ChildAgent::start(&Setup::default(), plant, Some(shore), &folder).await }
    };
    let mut agent = start(folder.path()).await;
    let mut sent = 0;
    for from in (0..50).step_by(5) {
        sent += feeder.send(&plant(from, from + 5)).await;
        until("the messages to arrive", async || {
            let messages = agent.books("messages");
            (messages.term("decoded") == sent).then_some(())
        })
        .await;
        crash(&mut agent);
        if agent.process.ended().is_some() {
            agent = start(folder.path()).await;
        }
    }
    collector
        .wait_until("49 windows of each and an alert", PATIENCE, |got| {
            got.of("eyot.summary.v1").count() == 98 && got.of("eyot.alert.v1").count() == 1
        })
        .await
        .unwrap();
    assert!(agent.stop().success());
    collector.look(|got| {
        let mut records: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for received in &got.records {
            let device = received.record["device"].as_str().unwrap().to_owned();
            records
                .entry(device)
                .or_default()
                .push(content(&received.record));
        }
        for of_device in records.values_mut() {
            of_device.sort_by_key(|record| record["id"].to_string());
        }
        records
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_3_records_are_the_same_with_and_without_crashes() {
    let (calm, stormy) = tokio::join!(
        records_of(|_| {}),
        records_of(|agent| {
            agent.process.signal("-KILL");
            agent.process.wait(PATIENCE).unwrap();
        })
    );
    for (device, records) in &calm {
        for (calm, stormy) in records.iter().zip(&stormy[device]) {
            assert_eq!(calm, stormy, "{device}");
        }
    }
    assert_eq!(calm, stormy);
}

#[tokio::test]
async fn invariant_2_readings_of_a_device_that_the_configuration_drops_are_counted_so() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let feeder = Feeder::to(plant.port);
    let mut agent = ChildAgent::start(&Setup::default(), plant.port, None, folder.path()).await;
    feeder.send(&waves("m-1", 0..3, 20.0)).await;
    until("the readings to be processed", async || {
        (agent.books("readings").term("processed") == 30).then_some(())
    })
    .await;
    agent.process.signal("-KILL");
    agent.process.wait(PATIENCE).unwrap();

    // There is no checkpoint yet: the journal alone has them.
    let setup = Setup {
        tables: "[class.channels]\nspeed = {}\n[[class]]\nname = \"other\"\ndevices = [\"x-*\"]",
        ..Setup::default()
    };
    let without = |text: String| text.replace("devices = [\"m-*\"]", "devices = [\"n-*\"]");
    let config = without(setup.text(plant.port, None));
    for _ in 0..2 {
        let config = eyot::config::Config::parse(&config, "test.toml", folder.path()).unwrap();
        let agent = subscribed(Builder::new(config)).await;
        let book = settled(&agent, 30).await;
        assert_eq!(book.readings_with(ReadingFate::DroppedConfigChanged), 30);
        agent.stop().await.unwrap();
    }
}

#[tokio::test]
async fn invariant_6_a_full_journal_sheds_readings_counted_and_goes_on() {
    let plant = Mosquitto::start("max_queued_messages 0").unwrap();
    let folder = TempDir::new().unwrap();
    let setup = Setup {
        limits: "readings_in_flight = 200\nreadings_in_flight_per_device = 100",
        ..Setup::default()
    };
    let text = setup.text(plant.port, None);
    let text = format!("{text}\n[journal]\nmax_bytes = \"1MiB\"\n");
    let config = eyot::config::Config::parse(&text, "test.toml", folder.path()).unwrap();
    // So slow that nothing leaves the journal meanwhile.
    let slow = Duration::from_secs(3);
    let agent = subscribed(Builder::new(config).slow_commit(slow)).await;
    let feeder = Feeder::to(plant.port);
    // Each reading closes a window, and the disk takes three hundred records a second.
    let flood: Vec<_> = (0..100_000)
        .map(|n| {
            // Neither times nor values that the journal could write in short.
            let ms = i64::from(n) * 1_000 + i64::from(n) * 7_919 % 500;
            reading("m-1", ms, (f64::from(n) * 0.7).sin())
        })
        .collect();
    let sent = feeder.send(&flood).await;
    let shed = until("readings to be shed", async || {
        let book = agent.ledger().books()[0].snapshot();
        assert!(book.balanced(), "{book:?}");
        let shed = book.readings_with(ReadingFate::DroppedJournalFull);
        (book.messages == sent && shed > 0).then_some(shed)
    })
    .await;
    assert!(shed < sent);
    let journal = folder.path().join("data/journal");
    let files = std::fs::read_dir(journal).unwrap();
    let bytes: u64 = files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    assert!(bytes <= 1 << 20, "{bytes}");
}

#[tokio::test]
async fn without_a_journal_an_orderly_stop_keeps_open_windows_and_a_kill_is_counted() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let feeder = Feeder::to(plant.port);
    let setup = Setup {
        source: "journal = false",
        ..Setup::default()
    };
    let agent = start(&setup, plant.port, None, folder.path()).await;
    let sent = feeder.send(&waves("m-1", 0..3, 20.0)).await;
    settled(&agent, sent).await;
    agent.stop().await.unwrap();
    let agent = start(&setup, plant.port, None, folder.path()).await;
    let more = feeder.send(&[reading("m-1", 3_500, 20.0)]).await;
    let book = settled(&agent, sent + more).await;
    assert_eq!(book.readings_with(ReadingFate::Processed), 31);
    let summaries = crate::support::records(&agent, eyot_pipeline::ledger::Lane::Summary).await;
    assert_eq!(summaries.len(), 3);
    assert_eq!(summaries[2]["channels"]["speed"]["count"], 10);
    agent.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_1_readings_without_a_time_of_their_own_are_there_once_after_kill_9() {
    const READINGS: u64 = 3_000;
    let plant = Mosquitto::start("max_queued_messages 0").unwrap();
    let folder = TempDir::new().unwrap();
    let setup = Setup {
        rules: r#"
            [[source.rule]]
            name = "reading"
            topic = "plant/{device}/{channel}"
            decoder = "value"
        "#,
        ..Setup::default()
    };
    let mut agent = ChildAgent::start(&setup, plant.port, None, folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let stream = tokio::spawn(async move {
        let messages: Vec<_> = (0..READINGS)
            .map(|n| {
                (
                    "plant/m-1/speed".to_owned(),
                    format!("{:.3}", n as f64 / 10.0),
                )
            })
            .collect();
        for some in messages.chunks(50) {
            feeder.send(some).await;
        }
    });
    for kill in 1..=4 {
        until("some readings to be processed", async || {
            (agent.books("readings").term("processed") >= kill * READINGS / 6).then_some(())
        })
        .await;
        agent.process.signal("-KILL");
        agent.process.wait(PATIENCE).unwrap();
        agent = ChildAgent::start(&setup, plant.port, None, folder.path()).await;
    }
    stream.await.unwrap();
    until("all of them to be processed", async || {
        let readings = agent.books("readings");
        (readings.term("in_flight") == 0 && readings.term("processed") >= READINGS).then_some(())
    })
    .await;
    // What was sent again comes before what is new.
    let readings = agent.books("readings");
    assert_eq!(readings.term("processed"), READINGS, "{readings:?}");
    assert!(agent.stop().success());
}
