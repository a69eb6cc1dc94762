//! The metrics that are pushed: two histograms, recorded once a window, so nothing but atomics.
//!
//! Everything else is read from the ledger when Prometheus asks; see `collect`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use eyot_pipeline::Span;
use serde::Serialize;

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const S: u64 = 1_000 * MS;

/// Upper bounds of freshness, 1 ms to 1 h, in nanoseconds.
const FRESHNESS: &[u64] = &[
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    200 * MS,
    500 * MS,
    S,
    2 * S,
    5 * S,
    10 * S,
    20 * S,
    60 * S,
    120 * S,
    300 * S,
    600 * S,
    1_200 * S,
    3_600 * S,
];

/// Upper bounds of the verdict's latency, 10 µs to 1 s, in nanoseconds.
const LATENCY: &[u64] = &[
    10 * US,
    20 * US,
    50 * US,
    100 * US,
    200 * US,
    500 * US,
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    200 * MS,
    500 * MS,
    S,
];

/// Where on its way a reading's freshness is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Decoded and admitted, measured once for a batch.
    Admit,
    /// Its window has a score.
    Score,
    /// Its window's record is committed to the outbox.
    Commit,
    /// The upstream has acknowledged that record.
    Delivery,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 4] = [Self::Admit, Self::Score, Self::Commit, Self::Delivery];

    /// The name used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Score => "score",
            Self::Commit => "commit",
            Self::Delivery => "delivery",
        }
    }
}

/// The pushed metrics. Share it in an `Arc`; recording takes a few atomic operations and a lock that nobody holds for
/// long.
#[derive(Debug)]
pub struct Metrics {
    freshness: [Histogram; Stage::ALL.len()],
    recent: [Recent; Stage::ALL.len()],
    verdict_latency: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            freshness: Stage::ALL.map(|_| Histogram::new(FRESHNESS)),
            recent: Stage::ALL.map(|_| Recent::default()),
            verdict_latency: Histogram::new(LATENCY),
        }
    }
}

impl Metrics {
    /// A reading, batch or window passed `stage`: `age` is gateway time minus the event time of its
    /// oldest reading. What is stamped ahead of the gateway counts as 0.
    pub fn record_freshness(&self, stage: Stage, age: Span) {
        let ns = age.0.max(0).unsigned_abs();
        self.freshness[stage as usize].record(ns);
        self.recent[stage as usize].record(ns, Instant::now());
    }

    /// From the arrival of the reading that closed a window to the window's verdict.
    pub fn record_verdict_latency(&self, took: Duration) {
        self.verdict_latency
            .record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The largest age that was recorded at `stage`, in seconds; `None` before the first.
    pub fn freshness_max(&self, stage: Stage) -> Option<f64> {
        self.freshness[stage as usize].snapshot().max
    }

    /// The largest age that was recorded at `stage` within the last minute; `None` if there was none.
    pub fn freshness_recent(&self, stage: Stage) -> Option<Span> {
        let ns = self.recent[stage as usize].max(Instant::now())?;
        Some(Span(i64::try_from(ns).unwrap_or(i64::MAX)))
    }

    pub(super) fn freshness(&self, stage: Stage) -> &Histogram {
        &self.freshness[stage as usize]
    }

    pub(super) fn verdict_latency(&self) -> &Histogram {
        &self.verdict_latency
    }
}

/// How long [`Recent`] remembers, in slots of this length.
const SLOT: Duration = Duration::from_secs(10);
const SLOTS: u64 = 6;

/// The exact maximum of the last minute, or up to a slot less.
#[derive(Debug)]
struct Recent {
    begun: Instant,
    /// Number of each slot, and its maximum.
    slots: Mutex<[(u64, u64); SLOTS as usize]>,
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            slots: Mutex::new([(u64::MAX, 0); SLOTS as usize]),
        }
    }
}

impl Recent {
    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begun).as_secs() / SLOT.as_secs()
    }

    fn record(&self, ns: u64, now: Instant) {
        let number = self.number(now);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = &mut slots[(number % SLOTS) as usize];
        *slot = if slot.0 == number {
            (number, slot.1.max(ns))
        } else {
            (number, ns)
        };
    }

    fn max(&self, now: Instant) -> Option<u64> {
        let number = self.number(now);
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = slots
            .iter()
            .filter(|slot| slot.0 <= number && number - slot.0 < SLOTS);
        recent.map(|slot| slot.1).max()
    }
}

/// A histogram of nanoseconds that also keeps the exact maximum.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what lies above the last.
    buckets: Box<[AtomicU64]>,
    /// Seconds, as the bits of an f64: ages of devices without a clock are decades, which would
    /// soon overflow an integer of nanoseconds.
    sum: AtomicU64,
    max: AtomicU64,
}

/// What a [`Histogram`] held at one time. Values recorded meanwhile may be in one part and not yet in another.
#[derive(Debug, PartialEq)]
pub(super) struct Snapshot {
    /// Upper bound in seconds and number of values in it, not cumulative; the last bound is infinite.
    pub(super) buckets: Vec<(f64, u64)>,
    /// Number of values: that of all buckets.
    pub(super) count: u64,
    /// Sum of the values in seconds.
    pub(super) sum: f64,
    /// Largest value in seconds; `None` before the first.
    pub(super) max: Option<f64>,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
            max: AtomicU64::new(0),
        }
    }

    fn record(&self, ns: u64) {
        let bucket = self.bounds.partition_point(|&bound| bound < ns);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.max.fetch_max(ns, Relaxed);
        let add = |bits| Some((f64::from_bits(bits) + seconds(ns)).to_bits());
        // The closure always returns a value, so the update cannot fail.
        let _ = self.sum.fetch_update(Relaxed, Relaxed, add);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let bounds = self
            .bounds
            .iter()
            .map(|&ns| seconds(ns))
            .chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|&(_, n)| n).sum();
        Snapshot {
            count,
            sum: f64::from_bits(self.sum.load(Relaxed)),
            max: (count > 0).then(|| seconds(self.max.load(Relaxed))),
            buckets,
        }
    }
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_maximum_of_the_last_minute_is_forgotten_after_it() {
        let recent = Recent::default();
        let at = |seconds| recent.begun + Duration::from_secs(seconds);
        assert_eq!(recent.max(at(0)), None);
        recent.record(7, at(1));
        recent.record(5, at(2));
        recent.record(3, at(45));
        assert_eq!(recent.max(at(59)), Some(7));
        assert_eq!(recent.max(at(61)), Some(3));
        recent.record(4, at(65));
        assert_eq!(recent.max(at(99)), Some(4));
        assert_eq!(recent.max(at(130)), None);
    }

    proptest! {
        #[test]
        fn a_histogram_is_what_sorting_the_values_gives(
            values in prop::collection::vec(prop_oneof![0..20 * MS, 0..u64::MAX, prop::sample::select(FRESHNESS)], 0..50),
        ) {
            let histogram = Histogram::new(FRESHNESS);
            for &ns in &values {
                histogram.record(ns);
            }
            let got = histogram.snapshot();

            let mut below = 0;
            for &(bound, n) in &got.buckets {
                below += n;
                let naive = values.iter().filter(|&&ns| seconds(ns) <= bound).count();
                prop_assert_eq!(below, naive as u64, "at most {} s", bound);
            }
            prop_assert_eq!(got.count, values.len() as u64);
            prop_assert_eq!(got.max, values.iter().max().map(|&ns| seconds(ns)));
            let sum: f64 = values.iter().map(|&ns| seconds(ns)).sum();
            prop_assert!((got.sum - sum).abs() <= 1e-9 * sum);
        }
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        let metrics = Metrics::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        metrics.record_freshness(Stage::Score, Span::from_millis(500));
                    }
                });
            }
        });
        let got = metrics.freshness(Stage::Score).snapshot();
        assert_eq!((got.count, got.sum, got.max), (20_000, 10_000.0, Some(0.5)));
        assert_eq!(metrics.freshness(Stage::Commit).snapshot().count, 0);
    }

    #[test]
    fn a_reading_from_the_future_counts_as_fresh() {
        let metrics = Metrics::default();
        metrics.record_freshness(Stage::Admit, Span::from_secs(-3));
        let got = metrics.freshness(Stage::Admit).snapshot();
        assert_eq!((got.buckets[0], got.max), ((0.001, 1), Some(0.0)));
    }

    #[test]
    fn bounds_ascend_over_the_stated_range() {
        for (bounds, from, to) in [(FRESHNESS, 0.001, 3_600.0), (LATENCY, 0.000_01, 1.0)] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
            assert_eq!(bounds.first().map(|&ns| seconds(ns)), Some(from));
            assert_eq!(bounds.last().map(|&ns| seconds(ns)), Some(to));
        }
    }
}
