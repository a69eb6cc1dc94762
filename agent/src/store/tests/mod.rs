//! Tests of the store: each in a folder of its own, through the same handle as the agent.

mod durability;
mod faults;
mod folding;
mod full_disk;
mod held;
mod invariant_2;
mod letters;
mod losses;
mod offline;
mod power;
mod retention;
mod salvage;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eyot_pipeline::ledger::{Lane, LaneBook, SourceBook};
use eyot_pipeline::retention::{Quotas, Reason, WhenFull};
use eyot_pipeline::time::{Span, Timestamp};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    Books, Commit, Committed, DeadLetter, Eviction, Fold, Identity, Options, OutRow, Pace, Record,
    SourceState, Store, StoreError, StoreHandle,
};

/// Longest wait for anything that should happen soon.
const PATIENCE: Duration = Duration::from_secs(20);
const NOW: Timestamp = Timestamp::from_secs(1_767_225_600);

/// Room for whatever a test commits.
const QUOTAS: Quotas = Quotas {
    records: 1_000_000,
    bytes: 1 << 40,
    age: None,
    when_full: WhenFull::DropOldest,
};

/// Nothing is folded while a test's clock stands still.
const FOLD: Fold = Fold {
    after: Span::from_secs(600),
    rows: 1_024,
};

/// Live books that a test turns by hand.
#[derive(Default)]
struct Ledger(Mutex<Vec<(String, SourceBook)>>);

impl Ledger {
    /// Sets a source's book.
    fn set(&self, source: &str, book: SourceBook) {
        let mut books = self.0.lock().unwrap();
        books.retain(|(name, _)| name != source);
        books.push((source.to_owned(), book));
    }
}

impl Books for Ledger {
    fn take(&self) -> Vec<(String, SourceState)> {
        let books = self.0.lock().unwrap().clone();
        let state = |(source, book)| {
            let state = SourceState {
                book,
                ..SourceState::default()
            };
            (source, state)
        };
        books.into_iter().map(state).collect()
    }
}

/// A store's options in `dir`, with no wait for company.
fn options(dir: &Path) -> Options {
    Options {
        dir: dir.to_owned(),
        commit_interval: Duration::ZERO,
        agent: "gateway-1".into(),
        quotas: QUOTAS,
        fold: FOLD,
        merge: |_, _| None,
        headroom: 0,
        patience: Duration::ZERO,
        dead_letters: 100,
        channel: 64,
        clock: || NOW,
        hold_unsynced: eyot_pipeline::Span::from_secs(600),
        moved: crate::record::moved,
        books: Arc::new(Ledger::default()),
        books_interval: Duration::ZERO,
        pace: Pace::default(),
        slow_commit: None,
        vfs: None,
    }
}

fn open(dir: &Path) -> Store {
    Store::open(options(dir)).unwrap()
}

fn refusal(options: Options) -> StoreError {
    match Store::open(options) {
        Ok(_) => panic!("store opened against all expectation"),
        Err(error) => error,
    }
}

/// What a `kill -9` leaves behind at this moment, in a folder of its own.
fn crash_image(dir: &Path) -> TempDir {
    let image = TempDir::new().unwrap();
    for file in ["eyot.db", "eyot.db-wal", "eyot.identity"] {
        std::fs::copy(dir.join(file), image.path().join(file)).unwrap();
    }
    image
}

fn record(lane: Lane, number: u64) -> Record {
    Record {
        lane,
        number,
        kind: "summary",
        oldest: NOW,
        body: format!("body of {number}").into_bytes(),
        unset: None,
    }
}

fn summaries(device: i64, numbers: impl IntoIterator<Item = u64>) -> Commit {
    Commit {
        device,
        position: 0,
        told_until: eyot_pipeline::Timestamp(0),
        checkpoint: None,
        records: numbers
            .into_iter()
            .map(|number| record(Lane::Summary, number))
            .collect(),
        on_commit: None,
    }
}

/// Calls a closure once committed.
struct Guard<F>(F);

impl<F: FnOnce(Timestamp) + Send> Committed for Guard<F> {
    fn committed(self: Box<Self>, at: Timestamp) {
        (self.0)(at);
    }
}

fn letter(topic: &str, payload: &[u8]) -> DeadLetter {
    DeadLetter {
        trace_id: String::new(),
        at: NOW,
        source: "plant".into(),
        topic: topic.into(),
        reason: "payload".into(),
        detail: "expected a number".into(),
        payload: payload.to_vec(),
        payload_len: payload.len(),
    }
}

async fn all(handle: &StoreHandle, lane: Lane) -> Vec<OutRow> {
    handle.fetch(lane, 0, usize::MAX).await.unwrap()
}

async fn numbers(handle: &StoreHandle, lane: Lane) -> Vec<u64> {
    let rows = all(handle, lane).await;
    rows.iter().map(|row| row.number).collect()
}

async fn book(handle: &StoreHandle, lane: Lane) -> LaneBook {
    handle.stats().await.unwrap().lanes[lane as usize].1
}

async fn evicted(handle: &StoreHandle) -> Vec<Eviction> {
    handle.stats().await.unwrap().evictions
}

/// Waits for what should happen soon.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(PATIENCE, future).await;
    result.unwrap_or_else(|elapsed| panic!("{what}: {elapsed} after {PATIENCE:?}"))
}

/// The records of the loss lane.
async fn losses(handle: &StoreHandle) -> Vec<Value> {
    let rows = all(handle, Lane::Loss).await;
    rows.iter()
        .map(|row| serde_json::from_slice(&row.body).unwrap())
        .collect()
}
