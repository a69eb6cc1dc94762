//! Median and MAD of the recent past, and the robust z-score made of them.

use crate::quantile::{MAD_TO_SIGMA, median};

/// As [`MAD_TO_SIGMA`] for the 95th percentile of absolute deviations, as a divisor.
const P95_TO_SIGMA: f64 = 1.959_963_984_540_054;
/// The same for a mean absolute deviation: √(π/2).
const MEAN_AD_TO_SIGMA: f64 = 1.253_314_137_315_5;
/// A spread below this part of the median is taken for rounding.
const RELATIVE_FLOOR: f64 = 1e-3;

/// The last values of a series, in storage that the caller lends: one `f32` a value, which is four
/// digits more than [`Robust::floored_sigma`] takes for real.
#[derive(Debug, Clone, PartialEq)]
pub struct History<S> {
    ring: S,
    next: usize,
    len: usize,
}

/// Centre and spread of a history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Robust {
    /// The median.
    pub median: f64,
    /// An estimate of the standard deviation that up to half of the values cannot upset.
    pub sigma: f64,
}

impl Robust {
    /// The same with a sigma that is no less than `sigma`.
    #[must_use]
    pub fn at_least(self, sigma: f64) -> Self {
        Self {
            sigma: self.sigma.max(sigma),
            ..self
        }
    }

    /// How many sigmas `value` lies from the median, unsigned.
    #[must_use]
    pub fn z(&self, value: f64, resolution: f64) -> f64 {
        libm::fabs(value - self.median) / self.floored_sigma(resolution)
    }

    /// Sigma, but no less than `resolution`, which is the smallest change that means anything in
    /// the unit of the series, and no less than a thousandth of the median.
    #[must_use]
    pub fn floored_sigma(&self, resolution: f64) -> f64 {
        self.sigma
            .max(resolution)
            .max(libm::fabs(self.median) * RELATIVE_FLOOR)
            .max(f64::MIN_POSITIVE)
    }
}

/// How far forecasts of a series have been off: a running root mean square that forgets slowly, in
/// constant memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForecastError {
    memory: u32,
    count: u32,
    mean_square: f64,
}

impl ForecastError {
    /// Nothing is known yet. `memory` is how many errors it remembers before it starts to forget.
    #[must_use]
    pub fn new(memory: u32) -> Self {
        Self {
            memory: memory.max(1),
            count: 0,
            mean_square: 0.0,
        }
    }

    /// Goes on from [`ForecastError::count`] errors of [`ForecastError::mean_square`].
    #[must_use]
    pub fn resume(memory: u32, count: u32, mean_square: f64) -> Self {
        let memory = memory.max(1);
        Self {
            memory,
            count: count.min(memory),
            mean_square,
        }
    }

    /// How many errors it remembers, no more than its memory.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The mean of their squares.
    #[must_use]
    pub fn mean_square(&self) -> f64 {
        self.mean_square
    }

    /// Adds an error; one that is not finite is passed over.
    pub fn push(&mut self, error: f64) {
        if !error.is_finite() {
            return;
        }
        self.count = self.count.saturating_add(1).min(self.memory);
        self.mean_square += (error * error - self.mean_square) / f64::from(self.count);
    }

    /// Their root mean square; 0 while there are none.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        libm::sqrt(self.mean_square)
    }
}

impl<S: AsRef<[f32]> + AsMut<[f32]>> History<S> {
    /// An empty history that remembers as many values as `storage` holds.
    pub fn new(storage: S) -> Self {
        Self {
            ring: storage,
            next: 0,
            len: 0,
        }
    }

    /// A history that goes on from another's [`History::values`] and [`History::next`]; `None` if
    /// there is no room for them in `storage`, if they do not go together, or if a value is not finite.
    pub fn resume(mut storage: S, values: &[f32], next: usize) -> Option<Self> {
        let ring = storage.as_mut();
        let fits = match values.len() {
            len if len < ring.len() => next == len,
            len => len == ring.len() && next < len.max(1),
        };
        if !fits || values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        ring[..values.len()].copy_from_slice(values);
        Some(Self {
            ring: storage,
            next,
            len: values.len(),
        })
    }

    /// The values it holds, in the order of the storage: the oldest stands at [`History::next`]
    /// once the storage is full, and before that at the front.
    pub fn values(&self) -> &[f32] {
        &self.ring.as_ref()[..self.len]
    }

    /// Where the next value goes.
    pub fn next(&self) -> usize {
        self.next
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a value; the oldest goes when the storage is full. Values that are not finite, and
    /// any value when the storage is empty, are passed over.
    pub fn push(&mut self, value: f64) {
        let ring = self.ring.as_mut();
        if ring.is_empty() || !value.is_finite() {
            return;
        }
        ring[self.next] = (value as f32).clamp(f32::MIN, f32::MAX);
        self.next = (self.next + 1) % ring.len();
        self.len = (self.len + 1).min(ring.len());
    }

    /// Median and spread, in O(n). `scratch` must hold [`History::len`] values.
    /// `None` when the history is empty or the scratch too short.
    ///
    /// The spread is the largest of two estimates that agree on a normal distribution and resist
    /// outliers: 1.4826 · MAD, and the 95th percentile of the absolute deviations over 1.96. The
    /// second is for series with more than one level, like duty cycles, of which the MAD sees only
    /// the commonest. Where both are 0 it is 1.2533 times the mean absolute deviation (Iglewicz and
    /// Hoaglin, 1993).
    pub fn robust(&self, scratch: &mut [f64]) -> Option<Robust> {
        let scratch = scratch.get_mut(..self.len).filter(|s| !s.is_empty())?;
        for (to, from) in scratch.iter_mut().zip(self.ring.as_ref()) {
            *to = f64::from(*from);
        }
        let median = median(scratch)?;
        for value in scratch.iter_mut() {
            *value = libm::fabs(*value - median);
        }
        let mean = scratch.iter().sum::<f64>() / scratch.len() as f64;
        let mad = self::median(scratch)?;
        let outer = (scratch.len() * 95).div_ceil(100) - 1;
        let (_, &mut outer, _) = scratch.select_nth_unstable_by(outer, f64::total_cmp);
        let sigma = (MAD_TO_SIGMA * mad).max(outer / P95_TO_SIGMA);
        Some(Robust {
            median,
            sigma: if sigma > 0.0 {
                sigma
            } else {
                MEAN_AD_TO_SIGMA * mean
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive_median(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        if n % 2 == 1 {
            values[n / 2]
        } else {
            f64::midpoint(values[n / 2 - 1], values[n / 2])
        }
    }

    proptest! {
        #[test]
        fn median_and_mad_are_those_of_the_last_values(
            values in prop::collection::vec((-1e3..1e3_f32).prop_map(f64::from), 1..80), capacity in 1_usize..40,
        ) {
            let mut history = History::new(vec![0.0_f32; capacity]);
            for &value in &values { history.push(value); }
            let last = values[values.len().saturating_sub(capacity)..].to_vec();
            prop_assert_eq!(history.len(), last.len());
            let got = history.robust(&mut vec![0.0; capacity]).unwrap();
            let median = naive_median(last.clone());
            let mad = naive_median(last.iter().map(|v| (v - median).abs()).collect());
            prop_assert!((got.median - median).abs() < 1e-9);
            let mut deviations: Vec<f64> = last.iter().map(|v| (v - median).abs()).collect();
            deviations.sort_by(f64::total_cmp);
            let outer = deviations[(deviations.len() * 95).div_ceil(100) - 1];
            let sigma = (1.482_602_218_5 * mad).max(outer / 1.959_963_984_54);
            if sigma > 0.0 {
                prop_assert!((got.sigma - sigma).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn a_history_goes_on_from_what_another_held() {
        for pushed in 0..9_u8 {
            let mut one = History::new([0.0_f32; 4]);
            for i in 0..pushed {
                one.push(f64::from(i));
            }
            let mut other = History::resume([0.0; 4], one.values(), one.next()).unwrap();
            assert_eq!(other, one);
            one.push(100.0);
            other.push(100.0);
            assert_eq!(other, one);
        }
    }

    #[test]
    fn a_history_does_not_go_on_from_what_none_can_have_held() {
        let resume = |values: &[f32], next| History::resume([0.0; 2], values, next);
        assert!(resume(&[1.0], 1).is_some() && resume(&[1.0, 2.0], 0).is_some());
        assert_eq!(resume(&[1.0], 0), None);
        assert_eq!(resume(&[1.0, 2.0], 2), None);
        assert_eq!(resume(&[1.0, 2.0, 3.0], 0), None);
        assert_eq!(resume(&[f32::NAN], 1), None);
        assert!(History::resume([0.0; 0], &[], 0).is_some());
        assert_eq!(History::resume([0.0; 0], &[], 1), None);
    }

    #[test]
    fn one_outlier_does_not_move_it() {
        let mut history = History::new([0.0_f32; 20]);
        for i in 0..19 {
            history.push(10.0 + f64::from(i % 5) * 0.2);
        }
        history.push(1e6);
        let robust = history.robust(&mut [0.0; 20]).unwrap();
        assert!((robust.median - 10.4).abs() < 1e-6 && robust.sigma < 1.0);
        assert!(robust.z(20.0, 0.0) > 8.0 && robust.z(10.6, 0.0) < 1.0);
    }

    #[test]
    fn a_second_level_that_is_seldom_taken_is_normal() {
        let mut history = History::new([0.0_f32; 40]);
        for i in 0..40 {
            let level = if i % 8 == 0 { 60.0 } else { 100.0 };
            history.push(level + f64::from(i % 3) * 0.1);
        }
        let robust = history.robust(&mut [0.0; 40]).unwrap();
        assert!(robust.z(60.0, 0.0) < 3.0 && robust.z(130.0, 0.0) < 3.0);
    }

    #[test]
    fn a_series_that_rarely_moves_still_has_a_spread() {
        let mut history = History::new([0.0_f32; 8]);
        for value in [5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 6.0, 4.0] {
            history.push(value);
        }
        assert!(history.robust(&mut [0.0; 8]).unwrap().sigma > 0.3);
    }

    #[test]
    fn a_constant_series_is_judged_by_resolution() {
        let mut history = History::new([0.0_f32; 4]);
        for _ in 0..4 {
            history.push(0.0);
        }
        let robust = history.robust(&mut [0.0; 4]).unwrap();
        assert!((robust.z(0.5, 0.1) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_in_nothing_out() {
        let mut none = History::new([0.0_f32; 0]);
        none.push(1.0);
        assert!(none.is_empty() && none.robust(&mut []).is_none());
        let mut history = History::new([0.0_f32; 2]);
        history.push(f64::NAN);
        assert!(history.robust(&mut [0.0; 2]).is_none());
    }
}
