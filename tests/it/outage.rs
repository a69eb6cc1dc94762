//! The upstream goes away and comes back: every record arrives, and is deleted only once it has.

use std::collections::BTreeMap;

use eyot::app::Agent;
use eyot_lab::collector::{Collected, Collector};
use eyot_lab::link::{Link, LinkState};
use eyot_lab::mosquitto::Mosquitto;
use eyot_pipeline::ledger::LaneBook;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Feeder, PATIENCE, Setup, assert_dense, start, until, waves};

/// The books of all lanes together; each balanced, whenever one looks.
async fn lanes(agent: &Agent) -> LaneBook {
    let mut all = LaneBook::default();
    for (lane, book) in agent.store().stats().await.unwrap().lanes {
        assert!(book.balanced(), "invariant 2: {lane:?} {book:?}");
        all.enqueued += book.enqueued;
        all.delivered += book.delivered;
        all.buffered += book.buffered;
        all.evicted += book.evicted;
    }
    all
}

async fn lanes_until(agent: &Agent, what: &str, done: impl Fn(&LaneBook) -> bool) -> LaneBook {
    until(what, async || {
        Some(lanes(agent).await).filter(|book| done(book))
    })
    .await
}

/// What collectors have got between them, each record once.
fn union(collectors: &[&Collector]) -> Vec<Value> {
    let mut records = BTreeMap::new();
    for collector in collectors {
        collector.look(|got: &Collected| {
            assert!(got.rubbish.is_empty(), "{:?}", got.rubbish);
            for received in &got.records {
                let id = received.record["id"].to_string();
                records.insert(id, received.record.clone());
            }
        });
    }
    records.into_values().collect()
}

async fn outage(broker: &str) {
    let (plant, mut shore) = (
        Mosquitto::start("").unwrap(),
        Mosquitto::start(broker).unwrap(),
    );
    // The agent must not be back before someone listens again, or nobody would hear what it sends.
    let link = Link::to(shore.port).await.unwrap();
    let folder = TempDir::new().unwrap();
    let before = Collector::start(shore.port, "eyot/#").await.unwrap();
    let agent = start(
        &Setup::default(),
        plant.port,
        Some(link.port),
        folder.path(),
    )
    .await;
    let feeder = Feeder::to(plant.port);

    feeder.send(&waves("m-1", 0..6, 20.0)).await;
    lanes_until(&agent, "the first records to be delivered", |book| {
        book.delivered >= 5
    })
    .await;
    link.set(LinkState::Cut);
    shore.kill();
    feeder.send(&waves("m-1", 6..31, 20.0)).await;
    feeder.send(&waves("m-2", 0..31, 20.0)).await;
    let away = lanes_until(&agent, "the records of the outage", |book| {
        book.enqueued == 60
    })
    .await;
    assert_eq!((away.buffered, away.evicted), (55, 0));

    shore.resume().unwrap();
    let after = Collector::start(shore.port, "eyot/#").await.unwrap();
    link.set(LinkState::Open);
    let back = lanes_until(&agent, "the backlog to be delivered", |book| {
        book.buffered == 0
    })
    .await;
    assert_eq!((back.enqueued, back.delivered), (60, 60));
    after
        .wait_until("the backlog", PATIENCE, |got| got.records.len() >= 55)
        .await
        .unwrap();
    let numbers = assert_dense(&union(&[&before, &after]));
    assert_eq!(numbers.into_values().collect::<Vec<_>>(), [30, 30]);
}

#[tokio::test]
async fn records_made_during_an_outage_arrive_although_the_broker_forgot_everything() {
    outage("").await;
}

#[tokio::test]
async fn records_made_during_an_outage_arrive_when_the_broker_kept_the_session() {
    let kept = TempDir::new().unwrap();
    let folder = kept.path().display();
    outage(&format!(
        "persistence true\npersistence_location {folder}/\nautosave_on_changes true\nautosave_interval 1"
    ))
    .await;
}

#[tokio::test]
async fn a_record_is_deleted_only_when_its_puback_has_come() {
    let (plant, mut shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let link = Link::to(shore.port).await.unwrap();
    let folder = TempDir::new().unwrap();
    let first = Collector::start(shore.port, "eyot/#").await.unwrap();
    let agent = start(
        &Setup::default(),
        plant.port,
        Some(link.port),
        folder.path(),
    )
    .await;
    until("the uplink to connect", async || {
        agent.view().overview().uplink?.connected.then_some(())
    })
    .await;

    // The upstream gets everything, and its acknowledgements get lost.
    link.set(LinkState::Deaf);
    let feeder = Feeder::to(plant.port);
    feeder.send(&waves("m-1", 0..11, 20.0)).await;
    first
        .wait_until("ten records", PATIENCE, |got| got.records.len() == 10)
        .await
        .unwrap();
    let unacknowledged = lanes(&agent).await;
    assert_eq!((unacknowledged.buffered, unacknowledged.delivered), (10, 0));

    link.set(LinkState::Cut);
    shore.kill();
    until("the uplink to notice", async || {
        (!agent.view().overview().uplink?.connected).then_some(())
    })
    .await;
    assert_eq!(lanes(&agent).await.buffered, 10);

    shore.resume().unwrap();
    let second = Collector::start(shore.port, "eyot/#").await.unwrap();
    link.set(LinkState::Open);
    let book = lanes_until(&agent, "the records to be delivered", |book| {
        book.buffered == 0
    })
    .await;
    assert_eq!((book.enqueued, book.delivered), (10, 10));
    second
        .wait_until("ten records again", PATIENCE, |got| got.records.len() == 10)
        .await
        .unwrap();
    let numbers = assert_dense(&union(&[&first, &second]));
    assert_eq!(numbers["m-1"], 10, "the same ten, by their ids");
}

#[tokio::test]
async fn an_agent_restarted_during_an_outage_keeps_its_backlog_and_its_numbering() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let link = Link::to(shore.port).await.unwrap();
    link.set(LinkState::Cut);
    let folder = TempDir::new().unwrap();
    let setup = Setup::default();
    let feeder = Feeder::to(plant.port);

    let agent = start(&setup, plant.port, Some(link.port), folder.path()).await;
    feeder.send(&waves("m-1", 0..11, 20.0)).await;
    lanes_until(&agent, "the first ten", |book| book.buffered == 10).await;
    agent.stop().await.unwrap();

    let agent = start(&setup, plant.port, Some(link.port), folder.path()).await;
    let kept = lanes(&agent).await;
    assert_eq!(kept.buffered, 10, "the window that is open stays open");
    feeder.send(&waves("m-1", 20..31, 20.0)).await;
    lanes_until(&agent, "that window and ten more", |book| {
        book.buffered == 21
    })
    .await;

    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    link.set(LinkState::Open);
    collector
        .wait_until("all records", PATIENCE, |got| got.records.len() == 21)
        .await
        .unwrap();
    assert_eq!(assert_dense(&union(&[&collector]))["m-1"], 21);
    let book = lanes_until(&agent, "the outbox to be empty", |book| book.buffered == 0).await;
    assert_eq!(book.delivered, 21, "counted over both runs");
}
