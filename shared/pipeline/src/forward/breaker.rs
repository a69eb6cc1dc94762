//! The circuit breaker: after some failures in a row the upstream is left alone for a while, then tried
//! with one parcel.

use core::time::Duration;

use super::policy::span;
use crate::backoff::Backoff;
use crate::time::Timestamp;

#[derive(Debug, Clone)]
pub(super) struct Breaker {
    limit: u32,
    failures: u32,
    backoff: Backoff,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open(Timestamp),
    /// The parcel that shows whether the upstream is well again.
    Probing(u64),
}

/// Whether anything may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    Shut,
}

impl Breaker {
    pub(super) fn new(limit: u32, (first, largest): (Duration, Duration)) -> Self {
        Self {
            limit: limit.max(1),
            failures: 0,
            backoff: Backoff::new(first, largest),
            state: State::Closed,
        }
    }

    pub(super) fn gate(&self, now: Timestamp) -> Gate {
        match self.state {
            State::Closed => Gate::Open,
            State::Open(until) if until <= now => Gate::Open,
            State::Open(_) | State::Probing(_) => Gate::Shut,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state != State::Closed
    }

    pub(super) fn opens_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Open(until) => Some(until),
            State::Closed | State::Probing(_) => None,
        }
    }

    /// A parcel was sent through the open gate.
    pub(super) fn sent(&mut self, id: u64) {
        if matches!(self.state, State::Open(_)) {
            self.state = State::Probing(id);
        }
    }

    /// Any success shows that the upstream is well.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.backoff.reset();
        self.state = State::Closed;
    }

    /// A parcel failed, or (`None`) the connection with parcels under way.
    pub(super) fn failed(&mut self, id: Option<u64>, now: Timestamp, unit_random: f64) {
        self.failures = self.failures.saturating_add(1);
        let opens = match self.state {
            State::Closed => self.failures >= self.limit,
            State::Probing(probe) => id.is_none_or(|id| id == probe),
            // Stragglers of before.
            State::Open(_) => false,
        };
        if opens {
            self.state = State::Open(now + span(self.backoff.next(unit_random)));
        }
    }

    /// A parcel's end says nothing about the upstream; if it was the probe, another one is sent.
    pub(super) fn forget(&mut self, id: u64) {
        if self.state == State::Probing(id) {
            self.state = State::Open(Timestamp::MIN);
        }
    }
}
