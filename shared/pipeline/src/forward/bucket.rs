//! A token bucket: so many bytes a second on average, a second's worth at once.
//!
//! Whoever finds it above zero may take as much as he needs, so that no message is too large for it; the
//! debt is then waited out. What is urgent may find it a second's worth below zero.

use crate::time::{Span, Timestamp};

const SECOND: f64 = 1e9;

#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: f64,
    balance: f64,
    at: Option<Timestamp>,
}

impl Bucket {
    pub(super) fn new(rate: u64) -> Self {
        let rate = rate.max(1) as f64;
        Self {
            rate,
            balance: rate,
            at: None,
        }
    }

    pub(super) fn permits(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        self.balance > 0.0
    }

    pub(super) fn permits_urgent(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        self.balance > -self.rate
    }

    pub(super) fn take(&mut self, bytes: usize, now: Timestamp) {
        self.fill(now);
        self.balance -= bytes as f64;
    }

    /// When it permits what is urgent, and when it permits everything, as far as it does not yet.
    pub(super) fn ready_at(&self) -> impl Iterator<Item = Timestamp> {
        let at = self.at.unwrap_or_default();
        let missing = [-self.rate, 0.0].map(|level| level - self.balance);
        let missing = missing.into_iter().filter(|missing| *missing >= 0.0);
        // One nanosecond more, since the level has to be passed.
        missing.map(move |missing| at + Span((missing / self.rate * SECOND).ceil() as i64 + 1))
    }

    fn fill(&mut self, now: Timestamp) {
        let since = self.at.map_or(Span::ZERO, |at| now - at);
        if since >= Span::ZERO {
            self.at = Some(now);
            self.balance = (self.balance + since.0 as f64 / SECOND * self.rate).min(self.rate);
        }
    }
}
