//! What the uplink sends next, without any I/O: which records to fetch, which to send and how many at
//! once, when to send again, when to give up.
//!
//! Records leave the outbox when the upstream has acknowledged them, or when they are given up with a
//! reason; nothing else removes them. Every record is fetched once and kept here until it is settled,
//! so that a retry needs no second look at the outbox. A crash forgets all that: the next forwarder
//! starts from the oldest record there is, and the consumer drops repetitions by record id.
//!
//! Each lane but the alerts' has two cursors. When a connection comes up, everything in the outbox is
//! *backlog*; what is added from then on is *live*. Live records get most of the line and the backlog a
//! share, so that after an outage the newest data is minutes old at once and not hours old for hours;
//! whichever of them has nothing to send leaves its part to the other. If live records cannot be sent as
//! fast as they come, what has piled up becomes backlog too. Alerts have one cursor and go first.
//!
//! Drive it with [`Forwarder::poll`] until it says [`Action::Wait`], and again after every event.

use std::collections::{BTreeMap, VecDeque};

use crate::ledger::Lane;
use crate::time::Timestamp;

mod breaker;
mod bucket;
mod hours;
mod parcel;
mod pick;
mod policy;
mod share;
mod stream;

pub use hours::{DayTime, Hours};
pub use parcel::{GivenUp, Item, Outcome, Parcel, Why};
pub use policy::{BatchPolicy, Policy};

use breaker::Breaker;
use bucket::Bucket;
use share::Share;
use stream::Queues;

/// What to fetch from the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetch {
    /// From this lane,
    pub lane: Lane,
    /// records after this sequence number, in its order,
    pub after: i64,
    /// and at most so many.
    pub limit: usize,
    /// Records beyond this sequence number are not wanted, but do no harm.
    pub through: i64,
    /// How often the outbox had been replenished.
    news: u64,
    live: bool,
}

/// What the driver is to do now.
#[derive(Debug, PartialEq)]
pub enum Action<'a, T> {
    /// Fetch, without waiting for it here, and answer with [`Forwarder::fetched`].
    Fetch(Fetch),
    /// Ask for the newest sequence number in the outbox, and answer with [`Forwarder::split`].
    AskNewest,
    /// Send this, say what it weighed with [`Forwarder::charge`], and some day what became of it with
    /// [`Forwarder::settled`].
    Send(&'a Parcel<T>),
    /// These are not to be sent: take them out of the outbox and say why.
    GiveUp(GivenUp<T>),
    /// Nothing, before something happens or this time has come.
    Wait(Option<Timestamp>),
}

/// The sending side of one sink.
#[derive(Debug)]
pub struct Forwarder<T> {
    policy: Policy,
    connected: bool,
    /// Whether the hour allows sending.
    allowed: bool,
    lanes: [Queues<T>; Lane::ALL.len()],
    fetching: Option<Fetch>,
    asked_newest: bool,
    news: u64,
    /// Sent and not settled.
    under_way: BTreeMap<u64, Parcel<T>>,
    bytes_under_way: usize,
    /// Waiting to be sent again, by when that is due.
    again: BTreeMap<(Timestamp, u64), Parcel<T>>,
    bytes_again: usize,
    given_up: VecDeque<GivenUp<T>>,
    next_id: u64,
    share: Share,
    bucket: Option<Bucket>,
    breaker: Breaker,
}

impl<T> Forwarder<T> {
    /// A forwarder that is not connected yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            connected: false,
            allowed: true,
            lanes: std::array::from_fn(|_| Queues::new()),
            fetching: None,
            asked_newest: false,
            news: 0,
            under_way: BTreeMap::new(),
            bytes_under_way: 0,
            again: BTreeMap::new(),
            bytes_again: 0,
            given_up: VecDeque::new(),
            next_id: 0,
            share: Share::new(policy.backlog_share),
            bucket: policy.max_bytes_per_second.map(Bucket::new),
            breaker: Breaker::new(policy.breaker_failures, policy.backoff),
            policy,
        }
    }

    /// The connection stands. What was under way stays so until it is settled.
    pub fn connected(&mut self) {
        self.connected = true;
        self.asked_newest = false;
        for lane in &mut self.lanes {
            lane.split_due = true;
        }
    }

    /// The connection is lost. If anything was under way, that is a failure of the upstream.
    pub fn disconnected(&mut self, now: Timestamp, unit_random: f64) {
        if std::mem::take(&mut self.connected) && !self.under_way.is_empty() {
            self.breaker.failed(None, now, unit_random);
        }
    }

    /// Whether the hour allows sending.
    pub fn allow(&mut self, allowed: bool) {
        self.allowed = allowed;
    }

    /// The outbox has new records.
    pub fn replenished(&mut self) {
        self.news += 1;
        for lane in &mut self.lanes {
            lane.live.drained = false;
        }
    }

    /// The newest sequence number in the outbox, as asked for: where live records begin.
    pub fn split(&mut self, newest: i64, now: Timestamp) {
        self.asked_newest = false;
        for lane in Lane::ALL {
            let queues = &mut self.lanes[lane as usize];
            if std::mem::take(&mut queues.split_due) && lane != Lane::Alert {
                queues.split(newest, now);
            }
        }
    }

    /// What the fetch brought, ascending: all there is if it is less than the limit.
    pub fn fetched(&mut self, fetch: Fetch, items: Vec<Item<T>>, now: Timestamp) {
        self.fetching = None;
        let queues = &mut self.lanes[fetch.lane as usize];
        if fetch.live {
            queues.fetched_live(fetch, items, fetch.news != self.news, now);
        } else {
            queues.fetched_backlog(fetch, items, now);
        }
    }

    /// A fetch that failed, to be asked for again.
    pub fn fetch_failed(&mut self) {
        self.fetching = None;
    }

    /// What to do next. `now` may be any clock that never goes back, as long as it is the same everywhere;
    /// `wall` is compared with the records' times.
    pub fn poll(&mut self, now: Timestamp, wall: Timestamp) -> Action<'_, T> {
        if let Some(given_up) = self.given_up.pop_front() {
            return Action::GiveUp(given_up);
        }
        if !self.connected {
            return Action::Wait(None);
        }
        if !self.asked_newest && self.wants_split(now) {
            self.asked_newest = true;
            return Action::AskNewest;
        }
        if self.fetching.is_none()
            && let Some(fetch) = self.wants()
        {
            self.fetching = Some(fetch);
            return Action::Fetch(fetch);
        }
        let parcel = self.pick(now, wall);
        if let Some(given_up) = self.given_up.pop_front() {
            // Expired ones came up in the search; what was found with them is sent at the next call.
            if let Some(parcel) = parcel {
                self.send_again(parcel, now);
            }
            return Action::GiveUp(given_up);
        }
        match parcel {
            Some(parcel) => Action::Send(self.launch(parcel)),
            None => Action::Wait(self.wake(now)),
        }
    }

    /// What a parcel weighed on the line, in bytes.
    pub fn charge(&mut self, bytes: usize, now: Timestamp) {
        if let Some(bucket) = &mut self.bucket {
            bucket.take(bytes, now);
        }
    }

    /// What became of a parcel; if the upstream has it, it is given back to be taken out of the outbox. Of
    /// a parcel that is not under way nothing is known and nothing changes.
    #[must_use = "what is given back may be deleted now"]
    pub fn settled(
        &mut self,
        id: u64,
        outcome: Outcome,
        now: Timestamp,
        unit_random: f64,
    ) -> Option<Parcel<T>> {
        let mut parcel = self.under_way.remove(&id)?;
        self.bytes_under_way -= parcel.bytes;
        match outcome {
            Outcome::Delivered => {
                self.breaker.succeeded();
                return Some(parcel);
            }
            // The line failed, not the record: as soon as there is one.
            Outcome::Lost => {
                self.breaker.forget(id);
                self.send_again(parcel, now);
                return None;
            }
            Outcome::TooLarge(_) => self.breaker.forget(id),
            Outcome::Refused(_) | Outcome::Busy => {
                self.breaker.failed(Some(id), now, unit_random);
            }
        }
        parcel.failures += 1;
        let due = now + self.policy.pause(parcel.failures, unit_random);
        let (Outcome::Refused(detail) | Outcome::TooLarge(detail)) = outcome else {
            self.send_again(parcel, due);
            return None;
        };
        if parcel.items.len() > 1 {
            // One of them is to blame. Halves find it in as many steps as the batch has bits.
            for half in parcel.halves() {
                self.send_again(half, now);
            }
            return None;
        }
        parcel.refusals += 1;
        if parcel.refusals < self.policy.max_tries {
            self.send_again(parcel, due);
        } else {
            self.given_up
                .push_back(GivenUp::of(parcel, Why::Rejected(detail)));
        }
        None
    }

    /// Parcels sent and not settled.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether the circuit breaker keeps everything back.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.breaker.is_open()
    }

    fn launch(&mut self, mut parcel: Parcel<T>) -> &Parcel<T> {
        self.next_id += 1;
        parcel.id = self.next_id;
        parcel.expires = self
            .policy
            .expire_after
            .filter(|_| parcel.lane != Lane::Alert)
            .and_then(|age| parcel.items.iter().map(|item| item.oldest + age).max());
        self.breaker.sent(parcel.id);
        self.bytes_under_way += parcel.bytes;
        self.under_way.entry(parcel.id).or_insert(parcel)
    }

    fn send_again(&mut self, mut parcel: Parcel<T>, due: Timestamp) {
        // A new number for each, in the order in which they were first sent or split.
        if self.again.contains_key(&(due, parcel.id)) || parcel.id == 0 {
            self.next_id += 1;
            parcel.id = self.next_id;
        }
        self.bytes_again += parcel.bytes;
        self.again.insert((due, parcel.id), parcel);
    }
}

#[cfg(test)]
mod tests;
