//! What the configuration says about sending.

use core::time::Duration;

use crate::backoff::Backoff;
use crate::time::Span;

/// How to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Parcels under way at once, at least 1.
    pub in_flight: usize,
    /// Bytes of records under way at once. A record larger than that goes alone.
    pub bytes_in_flight: usize,
    /// Share of the line that the backlog gets while there is live data, 0 to 1.
    pub backlog_share: f64,
    /// How long live data may pile up before it becomes backlog.
    pub horizon: Span,
    /// Refusals before a record is given up, at least 1.
    pub max_tries: u32,
    /// First and largest pause before something is sent again.
    pub backoff: (Duration, Duration),
    /// Failures in a row before the upstream is left alone for a while, at least 1.
    pub breaker_failures: u32,
    /// Bytes a second on the line, on average.
    pub max_bytes_per_second: Option<u64>,
    /// Whether alerts are sent at hours when nothing else is.
    pub alerts_any_time: bool,
    /// Send records of the same lane together. Alerts never wait for company.
    pub batch: Option<BatchPolicy>,
    /// Age at which a record is not worth sending any more. Alerts always are.
    pub expire_after: Option<Span>,
}

/// How to form batches: whichever bound is met first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchPolicy {
    /// Records in one, at least 1.
    pub records: usize,
    /// Bytes of records in one. A record larger than that goes alone.
    pub bytes: usize,
    /// How long a record waits for company.
    pub wait: Span,
}

impl Policy {
    /// Records to fetch at once, so that the line does not wait for the outbox.
    pub(super) fn page(&self) -> usize {
        match &self.batch {
            Some(batch) => batch.records.saturating_mul(4).clamp(64, 8_192),
            None => self.in_flight.saturating_mul(4).clamp(64, 1_024),
        }
    }

    /// Bytes of a stream that are fetched ahead, roughly: enough for the next batch.
    pub(super) fn bytes_ahead(&self) -> usize {
        let batch = self.batch.as_ref().map_or(0, |batch| batch.bytes);
        self.bytes_in_flight.max(batch.saturating_mul(2))
    }

    /// The pause after the nth failure of one parcel.
    pub(super) fn pause(&self, failures: u32, unit_random: f64) -> Span {
        let (first, largest) = self.backoff;
        span(Backoff::nth(first, largest, failures).next(unit_random))
    }
}

pub(super) fn span(duration: Duration) -> Span {
    Span(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}
