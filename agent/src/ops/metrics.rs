//! The metrics that are pushed: two histograms, recorded once a window, so nothing but atomics.
//!
//! Everything else is read from the ledger when Prometheus asks; see `collect`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
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
    /// By class, the last for what is of none that is configured.
    freshness: Box<[ClassFreshness]>,
    verdict_latency: Histogram,
}

/// How old the data of a class's devices was, by stage.
#[derive(Debug)]
struct ClassFreshness {
    class: String,
    ages: [Histogram; Stage::ALL.len()],
    recent: [Recent; Stage::ALL.len()],
}

impl ClassFreshness {
    fn new(class: &str) -> Self {
        Self {
            class: class.to_owned(),
            ages: Stage::ALL.map(|_| Histogram::new(FRESHNESS)),
            recent: Stage::ALL.map(|_| Recent::default()),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new([])
    }
}

/// The oldest data that came by a stage within the last minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oldest {
    /// How old it was.
    pub age: Span,
    /// Name of its device.
    pub device: Arc<str>,
}

impl Metrics {
    /// For devices of these classes.
    pub fn new<'c>(classes: impl IntoIterator<Item = &'c str>) -> Self {
        let classes = classes.into_iter().chain([""]);
        Self {
            freshness: classes.map(ClassFreshness::new).collect(),
            verdict_latency: Histogram::new(LATENCY),
        }
    }

    /// A batch or a window of a device of that class passed `stage`: `age` is gateway time minus the event time of its
    /// oldest reading. What is stamped ahead of the gateway counts as 0.
    pub fn record_freshness(&self, stage: Stage, class: &str, device: &Arc<str>, age: Span) {
        let ns = age.0.max(0).unsigned_abs();
        let of = self.freshness.iter().find(|of| of.class == class);
        if let Some(of) = of.or(self.freshness.last()) {
            of.ages[stage as usize].record(ns);
            of.recent[stage as usize].record(ns, device, Instant::now());
        }
    }

    /// From the arrival of the reading that closed a window to the window's verdict.
    pub fn record_verdict_latency(&self, took: Duration) {
        self.verdict_latency
            .record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The largest age that was recorded at `stage` of any class, in seconds; `None` before the first.
    pub fn freshness_max(&self, stage: Stage) -> Option<f64> {
        let maxima = self
            .freshness(stage)
            .filter_map(|(_, ages)| ages.snapshot().max);
        maxima.max_by(f64::total_cmp)
    }

    /// The largest age that was recorded at `stage` of a class within the last minute; `None` if there was none.
    pub fn freshness_recent(&self, stage: Stage, class: &str) -> Option<Oldest> {
        let of = self.freshness.iter().find(|of| of.class == class)?;
        of.recent[stage as usize].max(Instant::now())
    }

    /// By class; of what is of none only if there is anything.
    pub(super) fn freshness(&self, stage: Stage) -> impl Iterator<Item = (&str, &Histogram)> {
        let all = self.freshness.iter();
        all.map(move |of| (of.class.as_str(), &of.ages[stage as usize]))
            .filter(|(class, ages)| !class.is_empty() || ages.snapshot().count > 0)
    }

    pub(super) fn verdict_latency(&self) -> &Histogram {
        &self.verdict_latency
    }
}

/// How long [`Recent`] remembers, in slots of this length.
const SLOT: Duration = Duration::from_secs(10);
const SLOTS: u64 = 6;

/// The exact maximum of the last minute, or up to a slot less, and whose it was.
#[derive(Debug)]
struct Recent {
    begun: Instant,
    slots: Mutex<[Slot; SLOTS as usize]>,
}

#[derive(Debug, Clone)]
struct Slot {
    number: u64,
    ns: u64,
    device: Option<Arc<str>>,
}

impl Default for Recent {
    fn default() -> Self {
        const NONE: Slot = Slot {
            number: u64::MAX,
            ns: 0,
            device: None,
        };
        Self {
            begun: Instant::now(),
            slots: Mutex::new([NONE; SLOTS as usize]),
        }
    }
}

impl Recent {
    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.begun).as_secs() / SLOT.as_secs()
    }

    fn record(&self, ns: u64, device: &Arc<str>, now: Instant) {
        let number = self.number(now);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = &mut slots[(number % SLOTS) as usize];
        if slot.number != number || ns > slot.ns || slot.device.is_none() {
            *slot = Slot {
                number,
                ns,
                device: Some(Arc::clone(device)),
            };
        }
    }

    fn max(&self, now: Instant) -> Option<Oldest> {
        let number = self.number(now);
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = slots
            .iter()
            .filter(|slot| slot.number <= number && number - slot.number < SLOTS);
        let oldest = recent.max_by_key(|slot| slot.ns)?;
        Some(Oldest {
            age: Span(i64::try_from(oldest.ns).unwrap_or(i64::MAX)),
            device: Arc::clone(oldest.device.as_ref()?),
        })
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
        let max = |seconds| {
            let oldest = recent.max(at(seconds))?;
            Some((oldest.age.0, oldest.device.to_string()))
        };
        let old = |ns: i64, device: &str| Some((ns, device.to_owned()));
        assert_eq!(max(0), None);
        for (ns, device, seconds) in [(7, "a", 1), (5, "b", 2), (3, "c", 45)] {
            recent.record(ns, &device.into(), at(seconds));
        }
        assert_eq!(max(59), old(7, "a"));
        assert_eq!(max(61), old(3, "c"));
        recent.record(4, &"d".into(), at(65));
        assert_eq!(max(99), old(4, "d"));
        assert_eq!(max(130), None);
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
        let (metrics, device) = (Metrics::new(["pump"]), "pump-1".into());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5_000 {
                        let age = Span::from_millis(500);
                        metrics.record_freshness(Stage::Score, "pump", &device, age);
                    }
                });
            }
        });
        let got = metrics.freshness[0].ages[Stage::Score as usize].snapshot();
        assert_eq!((got.count, got.sum, got.max), (20_000, 10_000.0, Some(0.5)));
        assert_eq!(metrics.freshness_max(Stage::Commit), None);
    }

    #[test]
    fn classes_are_kept_apart_and_what_is_of_none_is_not_lost() {
        let metrics = Metrics::new(["pump", "fan"]);
        let record = |class, device: &str, seconds| {
            let age = Span::from_secs(seconds);
            metrics.record_freshness(Stage::Admit, class, &device.into(), age);
        };
        // From the future: it counts as fresh.
        record("pump", "pump-1", -3);
        record("fan", "fan-1", 40);
        record("fan", "fan-2", 30);
        let recent = |class| {
            let oldest = metrics.freshness_recent(Stage::Admit, class)?;
            Some((oldest.age, oldest.device.to_string()))
        };
        assert_eq!(recent("pump"), Some((Span::ZERO, "pump-1".to_owned())));
        assert_eq!(
            recent("fan"),
            Some((Span::from_secs(40), "fan-1".to_owned()))
        );
        let shown = || {
            metrics
                .freshness(Stage::Admit)
                .map(|(class, _)| class.to_owned())
        };
        assert_eq!(shown().collect::<Vec<_>>(), ["pump", "fan"]);
        record("gone", "x", 50);
        assert_eq!(shown().collect::<Vec<_>>(), ["pump", "fan", ""]);
        assert_eq!(metrics.freshness_max(Stage::Admit), Some(50.0));
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
