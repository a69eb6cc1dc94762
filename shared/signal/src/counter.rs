//! Counters that only rise, but for resets and wraps. Mergeable in order of time.

mod sealed {
    pub trait Sealed {}
    impl Sealed for u64 {}
    impl Sealed for f64 {}
}

/// What a counter counts in: `u64`, which is exact, or `f64`.
pub trait Count: sealed::Sealed + Copy + PartialOrd {
    /// 0.
    const ZERO: Self;
    /// Sum, as far as it goes.
    #[must_use]
    fn plus(self, other: Self) -> Self;
    /// Difference, not below 0.
    #[must_use]
    fn minus(self, other: Self) -> Self;
    /// The nearest `f64`.
    fn to_f64(self) -> f64;
}

impl Count for u64 {
    const ZERO: Self = 0;
    fn plus(self, other: Self) -> Self {
        self.saturating_add(other)
    }
    fn minus(self, other: Self) -> Self {
        self.saturating_sub(other)
    }
    fn to_f64(self) -> f64 {
        self as f64
    }
}

impl Count for f64 {
    const ZERO: Self = 0.0;
    fn plus(self, other: Self) -> Self {
        self + other
    }
    fn minus(self, other: Self) -> Self {
        (self - other).max(0.0)
    }
    fn to_f64(self) -> f64 {
        self
    }
}

/// How far a counter has risen over a window.
///
/// A reading that is lower than the one before it is a reset: the counter began at 0 again, so all of it
/// is increase. That is the rule of Prometheus' `increase` and `rate`, which however go on to extrapolate
/// to the ends of the window; nothing is extrapolated here. To count from the window's start, push what
/// the counter said last before it, at the time it said so.
///
/// With a modulus (2³² for a counter of 32 bits), a fall is a wrap if that makes the counter advance by
/// less than half of the modulus, and else a reset. What came between the last reading before a reset and
/// the reset is not known and not counted, and resets without a reading between them count as one. NaN
/// readings are passed over.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Counter<V = u64> {
    modulus: Option<V>,
    first: Reading<V>,
    last: Reading<V>,
    /// What the falls have hidden: the value before each reset, the modulus for each wrap.
    hidden: V,
    resets: u64,
    wraps: u64,
}

/// Time in seconds and value.
type Reading<V> = (f64, V);

impl<V: Count> Counter<V> {
    /// From the first reading; `time` in seconds.
    #[must_use]
    pub const fn new(modulus: Option<V>, time: f64, value: V) -> Self {
        Self {
            modulus,
            first: (time, value),
            last: (time, value),
            hidden: V::ZERO,
            resets: 0,
            wraps: 0,
        }
    }

    /// Of readings in order of time. `None` of nothing, of slices of two lengths or of NaN alone.
    #[must_use]
    pub fn of(modulus: Option<V>, times: &[f64], values: &[V]) -> Option<Self> {
        let mut readings = times.iter().copied().zip(values.iter().copied());
        let (time, value) = readings.find(|(_, value)| is_number(*value))?;
        let mut counter = Self::new(modulus, time, value);
        for (time, value) in readings {
            counter.push(time, value);
        }
        (times.len() == values.len()).then_some(counter)
    }

    /// Adds the next reading.
    pub fn push(&mut self, time: f64, value: V) {
        if !is_number(value) {
            return;
        }
        let before = self.last.1;
        if value < before {
            if let Some(modulus) = self
                .modulus
                .filter(|modulus| wraps(*modulus, before, value))
            {
                self.hidden = self.hidden.plus(modulus);
                self.wraps += 1;
            } else {
                self.hidden = self.hidden.plus(before);
                self.resets += 1;
            }
        }
        self.last = (time, value);
    }

    /// Adds what came after, counted with the same modulus.
    pub fn merge(&mut self, later: &Self) {
        self.push(later.first.0, later.first.1);
        self.last = later.last;
        self.hidden = self.hidden.plus(later.hidden);
        self.resets += later.resets;
        self.wraps += later.wraps;
    }

    /// The same with times from an origin that lies `seconds` earlier.
    #[must_use]
    pub fn later_by(mut self, seconds: f64) -> Self {
        self.first.0 += seconds;
        self.last.0 += seconds;
        self
    }

    /// How far it has risen from the first reading to the last, in its unit; 0 for one reading.
    #[must_use]
    pub fn increase(&self) -> V {
        self.hidden.plus(self.last.1).minus(self.first.1)
    }

    /// Increase per second from the first reading to the last; `None` when they share one time.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        let seconds = self.last.0 - self.first.0;
        (seconds != 0.0).then(|| self.increase().to_f64() / seconds)
    }

    /// How often it began at 0 again (no unit).
    #[must_use]
    pub const fn resets(&self) -> u64 {
        self.resets
    }

    /// How often it ran past its modulus (no unit).
    #[must_use]
    pub const fn wraps(&self) -> u64 {
        self.wraps
    }
}

fn wraps<V: Count>(modulus: V, before: V, value: V) -> bool {
    let advance = modulus.minus(before).plus(value);
    before < modulus && advance < modulus.minus(advance)
}

#[expect(clippy::eq_op, reason = "a NaN is not equal to itself")]
fn is_number<V: Count>(value: V) -> bool {
    value == value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BITS_32: u64 = 1 << 32;

    fn of(modulus: Option<u64>, values: &[u64]) -> Counter {
        let times: Vec<_> = (0..values.len()).map(|i| i as f64).collect();
        Counter::of(modulus, &times, values).unwrap()
    }

    proptest! {
        #[test]
        fn a_reset_counter_has_risen_by_all_it_showed(steps in prop::collection::vec((0..1000_u64, prop::bool::weighted(0.1)), 1..200), cut in 0.0..1.0_f64) {
            let (mut value, mut want, mut resets) = (5, 0, 0);
            let mut values = vec![value];
            for (step, reset) in steps {
                if reset && step < value {
                    value = step;
                    resets += 1;
                    want += step;
                } else {
                    value += step;
                    want += step;
                }
                values.push(value);
            }
            let got = of(None, &values);
            prop_assert_eq!((got.increase(), got.resets()), (want, resets));
            prop_assert_eq!(got.rate(), Some(want as f64 / (values.len() - 1) as f64));
            let cut = ((values.len() as f64 * cut) as usize).max(1);
            if cut < values.len() {
                let mut merged = of(None, &values[..cut]);
                merged.merge(&of(None, &values[cut..]).later_by(cut as f64));
                prop_assert_eq!(merged, got);
            }
            let floats: Vec<_> = values.iter().map(|v| *v as f64).collect();
            let times: Vec<_> = (0..values.len()).map(|i| i as f64).collect();
            prop_assert_eq!(Counter::of(None, &times, &floats).unwrap().increase(), want as f64);
        }

        #[test]
        fn a_wrapping_counter_has_risen_by_all_its_steps(start in 0..BITS_32, steps in prop::collection::vec(0..BITS_32 / 2, 1..100)) {
            let mut value = start;
            let mut values = vec![value];
            for step in &steps {
                value = (value + step) % BITS_32;
                values.push(value);
            }
            let got = of(Some(BITS_32), &values);
            prop_assert_eq!(got.increase(), steps.iter().sum::<u64>());
            prop_assert_eq!((got.resets(), got.wraps()), (0, (start + steps.iter().sum::<u64>()) / BITS_32));
        }
    }

    #[test]
    fn large_counts_are_exact() {
        let top = u64::MAX - 5;
        assert_eq!(of(None, &[top, top + 3]).increase(), 3);
        assert_eq!(of(None, &[0, u64::MAX, 7]).increase(), u64::MAX);
    }

    #[test]
    fn a_fall_that_no_wrap_explains_is_a_reset() {
        let got = of(Some(BITS_32), &[1_000_000, 10]);
        assert_eq!((got.increase(), got.resets(), got.wraps()), (10, 1, 0));
        let got = of(Some(100), &[300, 10]);
        assert_eq!((got.increase(), got.resets(), got.wraps()), (10, 1, 0));
    }

    #[test]
    fn one_reading_has_no_rate_and_a_nan_is_passed_over() {
        let one = of(None, &[9]);
        assert_eq!((one.increase(), one.rate(), one.resets()), (0, None, 0));
        assert_eq!(Counter::<u64>::of(None, &[], &[]), None);
        assert_eq!(Counter::of(None, &[1.0], &[1_u64, 2]), None);
        assert_eq!(Counter::of(None, &[1.0], &[f64::NAN]), None);
        let values = [f64::NAN, 1.5, f64::NAN, 4.0, 0.5];
        let got = Counter::of(None, &[0.0, 1.0, 2.0, 3.0, 5.0], &values).unwrap();
        assert_eq!(
            (got.increase(), got.rate(), got.resets()),
            (3.0, Some(0.75), 1)
        );
    }
}
