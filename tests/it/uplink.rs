//! What goes upstream beside single records: batches, refusals, the status.

use std::collections::BTreeMap;

use eyot_lab::mosquitto::Mosquitto;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    ChildAgent, Feeder, PATIENCE, Setup, Watch, assert_dense, start, until, waves,
};

/// A broker that refuses one device's summaries, and says so.
fn refusing(folder: &TempDir) -> Mosquitto {
    let rules = folder.path().join("acl");
    std::fs::write(
        &rules,
        "topic readwrite #\ntopic deny eyot/gateway/summary/m-2\n",
    )
    .unwrap();
    Mosquitto::start(&format!("acl_file {}", rules.display())).unwrap()
}

#[tokio::test]
async fn batches_hold_every_record_once_and_in_order() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let watch = Watch::start(shore.port, "eyot/gateway/batch/#").await;
    let setup = Setup {
        uplink: "batch = { records = 7, wait = \"100ms\" }",
        ..Setup::default()
    };
    let agent = start(&setup, plant.port, Some(shore.port), folder.path()).await;
    let feeder = Feeder::to(plant.port);
    feeder.send(&waves("m-1", 0..31, 20.0)).await;
    until("the outbox to be empty", async || {
        let stats = agent.store().stats().await.unwrap();
        let delivered: u64 = stats.lanes.iter().map(|(_, book)| book.delivered).sum();
        (delivered == 30).then_some(())
    })
    .await;
    let mut records: Vec<Value> = Vec::new();
    for (topic, payload) in watch.all() {
        assert_eq!(topic, "eyot/gateway/batch/summary");
        let lines = String::from_utf8(zstd::decode_all(&payload[..]).unwrap()).unwrap();
        let batch: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!((1..=7).contains(&batch.len()));
        records.extend(batch);
    }
    assert_eq!(
        assert_dense(&records),
        BTreeMap::from([("m-1".to_owned(), 30)])
    );
    let ends: Vec<_> = records
        .iter()
        .map(|record| record["window"]["end"].as_str())
        .collect();
    assert!(ends.is_sorted(), "{ends:?}");
}

#[tokio::test]
async fn what_the_broker_refuses_becomes_a_dead_letter_and_blocks_nothing() {
    let folder = TempDir::new().unwrap();
    let (plant, shore) = (Mosquitto::start("").unwrap(), refusing(&folder));
    let setup = Setup {
        uplink: "max_tries = 2",
        ..Setup::default()
    };
    let agent = start(&setup, plant.port, Some(shore.port), folder.path()).await;
    let feeder = Feeder::to(plant.port);
    feeder.send(&waves("m-2", 0..4, 20.0)).await;
    feeder.send(&waves("m-1", 0..11, 20.0)).await;
    let book = until("the outbox to be empty", async || {
        let stats = agent.store().stats().await.unwrap();
        let (_, book) = stats.lanes.into_iter().last().unwrap();
        assert!(book.balanced(), "invariant 2: {book:?}");
        (book.enqueued == 13 && book.buffered == 0).then_some((book, stats.evictions))
    })
    .await;
    assert_eq!((book.0.delivered, book.0.evicted), (10, 3));
    let reasons: Vec<_> = book.1.iter().map(|e| (e.reason.as_str(), e.n)).collect();
    assert_eq!(reasons, [("rejected", 3)]);
    let letters = agent.store().dead_letters(10).await.unwrap();
    assert_eq!(letters.len(), 3);
    for letter in letters {
        assert_eq!(letter.source, "uplink");
        assert_eq!(letter.topic, "eyot/gateway/summary/m-2");
        let record: Value = serde_json::from_slice(&letter.payload.unwrap()).unwrap();
        assert_eq!(record["device"], "m-2");
    }
}

fn published() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/schemas/eyot.status.v1.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What is described is there, and nothing else is.
fn assert_as_published(value: &Value, schema: &Value, path: &str) {
    let (Some(fields), Some(described)) = (value.as_object(), schema["properties"].as_object())
    else {
        return;
    };
    for (name, value) in fields {
        let schema = described.get(name);
        let schema = schema.unwrap_or_else(|| panic!("{path}.{name} is not in the schema"));
        assert_as_published(value, schema, &format!("{path}.{name}"));
        for element in value.as_array().into_iter().flatten() {
            assert_as_published(element, &schema["items"], &format!("{path}.{name}[]"));
        }
    }
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        assert!(fields.contains_key(name), "{path}.{name} is missing");
    }
}

#[tokio::test]
async fn the_status_is_there_while_the_agent_is_and_says_so_when_it_is_not() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let setup = Setup::default();
    let mut agent = ChildAgent::start(&setup, plant.port, Some(shore.port), folder.path()).await;
    let watch = Watch::start(shore.port, "eyot/gateway/status").await;
    let well = watch
        .newest("a healthy status", |status| {
            status["health"]["status"] == "healthy"
        })
        .await;
    assert_eq!(well["schema"], "eyot.status.v1");
    assert_eq!(well["online"], true);
    assert_eq!(well["sources"][0]["name"], "plant");
    assert_as_published(&well, &published(), "");

    agent.process.signal("-KILL");
    agent.process.wait(PATIENCE).unwrap();
    let gone = watch
        .newest("the last will", |status| status["online"] == false)
        .await;
    assert_eq!(gone["reason"], "connection_lost");

    let mut agent = ChildAgent::start(&setup, plant.port, Some(shore.port), folder.path()).await;
    watch
        .newest("the next status", |status| status["online"] == true)
        .await;
    agent.stop();
    let gone = watch
        .newest("the farewell", |status| status["online"] == false)
        .await;
    assert_eq!(gone["reason"], "stopped");

    // Who comes late knows it too.
    drop(watch);
    let late = Watch::start(shore.port, "eyot/gateway/status").await;
    late.newest("the retained status", |status| *status == gone)
        .await;
}
