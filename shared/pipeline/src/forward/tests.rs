//! The forwarder against an outbox and an upstream that are plain maps.

mod faults;
mod limits;
mod property;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::time::Span;

/// Where a record is: lane and sequence number.
type Key = (Lane, i64);

fn policy() -> Policy {
    Policy {
        in_flight: 4,
        bytes_in_flight: 1_000,
        backlog_share: 0.25,
        horizon: Span::from_secs(60),
        max_tries: 3,
        backoff: (Duration::from_millis(100), Duration::from_secs(1)),
        breaker_failures: 5,
        max_bytes_per_second: None,
        alerts_any_time: true,
        batch: None,
        expire_after: None,
    }
}

fn batches(records: usize) -> Policy {
    Policy {
        batch: Some(BatchPolicy {
            records,
            bytes: 500,
            wait: Span::from_secs(1),
        }),
        ..policy()
    }
}

/// What a parcel on the wire looked like.
#[derive(Debug, Clone)]
struct Sent {
    id: u64,
    keys: Vec<Key>,
    bytes: usize,
}

/// The world around a forwarder.
struct World {
    policy: Policy,
    forwarder: Forwarder<()>,
    now: Timestamp,
    newest: i64,
    /// Bytes and time of what is in the outbox.
    outbox: BTreeMap<Key, (usize, Timestamp)>,
    /// Sent and not settled.
    wire: Vec<Sent>,
    /// A fetch and what it saw, not answered yet.
    fetch: Option<(Fetch, Vec<Item<()>>)>,
    /// Whether fetches take a while.
    slow: bool,
    /// Every record's first sending, in order.
    first: Vec<Key>,
    seen: BTreeSet<Key>,
    /// Last first sending by lane, live and backlog.
    last: BTreeMap<(Lane, bool), i64>,
    split: i64,
    refusals: BTreeMap<Key, u32>,
    delivered: BTreeSet<Key>,
    given_up: BTreeMap<Key, Why>,
}

impl World {
    fn new(policy: Policy) -> Self {
        Self {
            forwarder: Forwarder::new(policy.clone()),
            policy,
            now: Timestamp::from_secs(1_000_000_000),
            newest: 0,
            outbox: BTreeMap::new(),
            wire: Vec::new(),
            fetch: None,
            slow: false,
            first: Vec::new(),
            seen: BTreeSet::new(),
            last: BTreeMap::new(),
            split: 0,
            refusals: BTreeMap::new(),
            delivered: BTreeSet::new(),
            given_up: BTreeMap::new(),
        }
    }

    fn connected(policy: Policy) -> Self {
        let mut world = Self::new(policy);
        world.connect();
        world
    }

    fn append(&mut self, lane: Lane, bytes: usize) -> i64 {
        self.newest += 1;
        self.outbox.insert((lane, self.newest), (bytes, self.now));
        self.forwarder.replenished();
        self.newest
    }

    fn connect(&mut self) {
        self.forwarder.connected();
    }

    /// The connection goes; with the session, so do the answers to what is under way.
    fn disconnect(&mut self, session: bool) {
        self.forwarder.disconnected(self.now, 0.5);
        if !session {
            while !self.wire.is_empty() {
                self.settle(0, Outcome::Lost);
            }
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "reads better where it is called"
    )]
    fn settle(&mut self, at: usize, outcome: Outcome) {
        let sent = self.wire.remove(at);
        let refused = matches!(outcome, Outcome::Refused(_) | Outcome::TooLarge(_));
        let back = self
            .forwarder
            .settled(sent.id, outcome.clone(), self.now, 0.5);
        if let [key] = sent.keys[..]
            && refused
        {
            *self.refusals.entry(key).or_default() += 1;
        }
        let back = back.map(|parcel| keys(&parcel));
        let expected = (outcome == Outcome::Delivered).then_some(sent.keys);
        assert_eq!(
            back, expected,
            "what the upstream has may be deleted, and nothing else"
        );
        for key in back.unwrap_or_default() {
            // It may have been evicted by now.
            self.outbox.remove(&key);
            assert!(self.delivered.insert(key), "{key:?} was deleted before");
        }
    }

    fn acknowledge_all(&mut self) {
        while !self.wire.is_empty() {
            self.settle(0, Outcome::Delivered);
        }
    }

    fn answer(&mut self) {
        if let Some((fetch, items)) = self.fetch.take() {
            self.forwarder.fetched(fetch, items, self.now);
        }
    }

    /// Does what the forwarder wants until it waits, and returns until when.
    fn pump(&mut self) -> Option<Timestamp> {
        loop {
            match self.forwarder.poll(self.now, self.now) {
                Action::Wait(until) => return until,
                Action::AskNewest => {
                    self.split = self.newest;
                    self.forwarder.split(self.newest, self.now);
                }
                Action::Fetch(fetch) => {
                    assert!(self.fetch.is_none(), "one fetch at a time");
                    let from = (fetch.lane, fetch.after + 1)..=(fetch.lane, i64::MAX);
                    let items = self.outbox.range(from).take(fetch.limit);
                    let items = items.map(|((_, seq), (bytes, oldest))| Item {
                        seq: *seq,
                        bytes: *bytes,
                        oldest: *oldest,
                        record: (),
                    });
                    self.fetch = Some((fetch, items.collect()));
                    if !self.slow {
                        self.answer();
                    }
                }
                Action::Send(parcel) => {
                    let sent = Sent {
                        id: parcel.id,
                        keys: keys(parcel),
                        bytes: parcel.bytes,
                    };
                    self.forwarder.charge(sent.bytes, self.now);
                    self.sent(sent);
                }
                Action::GiveUp(given_up) => {
                    for item in given_up.items {
                        let key = (given_up.lane, item.seq);
                        self.outbox.remove(&key);
                        let before = self.given_up.insert(key, given_up.why.clone());
                        assert_eq!(before, None, "{key:?} was given up before");
                    }
                }
            }
        }
    }

    fn sent(&mut self, sent: Sent) {
        let batch = self.policy.batch.as_ref();
        let alert = sent.keys[0].0 == Lane::Alert;
        let records = batch.filter(|_| !alert).map_or(1, |batch| batch.records);
        assert!(sent.keys.len() <= records);
        let bytes = batch.map_or(usize::MAX, |batch| batch.bytes);
        assert!(
            sent.keys.len() == 1 || sent.bytes <= bytes,
            "a batch is too large"
        );
        for key in &sent.keys {
            assert!(
                !self.delivered.contains(key),
                "{key:?} is sent though it is deleted"
            );
            assert!(!self.given_up.contains_key(key), "{key:?} was given up");
            let twice = self.wire.iter().any(|other| other.keys.contains(key));
            assert!(!twice, "{key:?} is under way twice");
            if self.seen.insert(*key) {
                self.first.push(*key);
                let live = key.0 == Lane::Alert || key.1 > self.split;
                let last = self.last.insert((key.0, live), key.1);
                assert!(last < Some(key.1), "{key:?} is behind {last:?}");
            }
        }
        self.wire.push(sent);
        assert!(
            self.wire.len() <= self.policy.in_flight,
            "too many under way"
        );
        let bytes: usize = self.wire.iter().map(|sent| sent.bytes).sum();
        assert!(
            bytes <= self.policy.bytes_in_flight || self.wire.len() == 1,
            "{bytes} bytes under way"
        );
    }

    fn seqs_on_the_wire(&self) -> Vec<i64> {
        let keys = self.wire.iter().flat_map(|sent| &sent.keys);
        keys.map(|(_, seq)| *seq).collect()
    }

    fn pass(&mut self, span: Span) {
        self.now = self.now + span;
    }
}

fn keys<T>(parcel: &Parcel<T>) -> Vec<Key> {
    parcel
        .items
        .iter()
        .map(|item| (parcel.lane, item.seq))
        .collect()
}
