//! An agent in this process, and what one asks it.

use std::collections::BTreeMap;
use std::path::Path;

use eyot::app::{Agent, Builder};
use eyot::ops::{self, Status};
use eyot_pipeline::ledger::{Lane, SourceBook};
use serde_json::Value;

use super::{Setup, until};

/// Starts an agent and waits until its sources are subscribed.
pub(crate) async fn start(setup: &Setup<'_>, plant: u16, shore: Option<u16>, dir: &Path) -> Agent {
    subscribed(Builder::new(setup.config(plant, shore, dir))).await
}

/// The same for a builder.
pub(crate) async fn subscribed(builder: Builder) -> Agent {
    let agent = builder.start().await.unwrap();
    until("the sources to be connected", async || {
        let sources = agent.view().overview().sources;
        sources.iter().all(|s| s.link.connected).then_some(())
    })
    .await;
    agent
}

/// The books of the first source; balanced, whenever one looks.
fn book(agent: &Agent) -> SourceBook {
    let book = agent.ledger().books()[0].snapshot();
    assert!(book.balanced(), "invariant 2: {book:?}");
    book
}

/// The books once `messages` have been received and everything in them has met its fate.
pub(crate) async fn settled(agent: &Agent, messages: u64) -> SourceBook {
    until("everything to be settled", async || {
        let book = book(agent);
        assert!(book.messages <= messages, "more than was sent: {book:?}");
        let in_flight = book.messages_in_flight + book.readings_in_flight;
        (book.messages == messages && in_flight == 0).then_some(book)
    })
    .await
}

/// What is in the outbox of a lane, oldest first.
pub(crate) async fn records(agent: &Agent, lane: Lane) -> Vec<Value> {
    let rows = agent.store().fetch(lane, 0, 100_000).await.unwrap();
    let parse = |body: &Vec<u8>| serde_json::from_slice(body).unwrap();
    rows.iter().map(|row| parse(&row.body)).collect()
}

/// A record without what differs from run to run: the agent's identity and the gateway's clock.
pub(crate) fn content(record: &Value) -> Value {
    let mut record = record.clone();
    let number = |id: &Value| {
        let id = id.as_str().expect("an id").rsplit('/');
        Value::from(id.take(2).collect::<Vec<_>>().join(" "))
    };
    record["id"] = number(&record["id"]);
    if record["episode"].is_string() {
        record["episode"] = number(&record["episode"]);
    }
    // Where it is in the journal is another matter.
    record.as_object_mut().expect("a record").remove("trace_id");
    let freshness = record["freshness"].as_object_mut().expect("a freshness");
    freshness.remove("scored_at");
    freshness.remove("age_of_oldest_ms");
    record
}

/// Every device's effects are numbered 1, 2, 3… without a gap or a repetition. Returns how many each has.
pub(crate) fn assert_dense<'r>(
    records: impl IntoIterator<Item = &'r Value>,
) -> BTreeMap<String, u64> {
    let mut numbers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in records {
        let number = record["id"].as_str().unwrap().rsplit('/').next().unwrap();
        let device = record["device"].as_str().unwrap().to_owned();
        let number = number.parse().unwrap();
        numbers.entry(device).or_default().push(number);
    }
    for (device, numbers) in &mut numbers {
        numbers.sort_unstable();
        let dense: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(*numbers, dense, "effect numbers of {device}");
    }
    let count = |(device, numbers): (String, Vec<u64>)| (device, numbers.len() as u64);
    numbers.into_iter().map(count).collect()
}

/// Whether the agent calls itself healthy, and why not.
pub(crate) fn health(agent: &Agent) -> (Status, Vec<String>) {
    let health = ops::health(&agent.view().overview());
    (health.status, health.reasons)
}
