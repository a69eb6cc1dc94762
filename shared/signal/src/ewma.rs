//! Exponentially weighted means. They go on from window to window and so do not merge.

use crate::real::Real;

/// The mean of regular samples that forgets: m ← m + α(x − m), starting at the first value (Roberts, 1959).
/// Values that are not finite are passed over.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ewma<T = f64> {
    alpha: T,
    mean: Option<T>,
}

impl<T: Real> Ewma<T> {
    /// `alpha` in (0, 1] is the weight of the newest value.
    #[must_use]
    pub const fn new(alpha: T) -> Self {
        Self { alpha, mean: None }
    }

    /// Adds a value.
    pub fn push(&mut self, value: T) {
        if value.is_finite() {
            self.mean = Some(towards(self.mean.unwrap_or(value), value, self.alpha));
        }
    }

    /// The mean, in the unit of the values; `None` before the first.
    #[must_use]
    pub const fn mean(&self) -> Option<T> {
        self.mean
    }
}

/// The same for samples at any times: the weight of the newest value is 1 − exp(−Δt/τ), so that a value
/// counts e times less after every time constant τ, however often readings came (Eckner, 2014, "EMA next").
/// A long gap forgets what was before it. Values that are not finite are passed over, and so are values
/// that are not later than the last one.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TimeEwma<T = f64> {
    time_constant: T,
    /// Time and mean.
    state: Option<(T, T)>,
}

impl<T: Real> TimeEwma<T> {
    /// `time_constant` in seconds, above 0.
    #[must_use]
    pub const fn new(time_constant: T) -> Self {
        Self {
            time_constant,
            state: None,
        }
    }

    /// Adds a value; `time` in seconds.
    pub fn push(&mut self, time: T, value: T) {
        if !value.is_finite() {
            return;
        }
        self.state = match self.state {
            None => Some((time, value)),
            Some((last, mean)) if time > last => {
                let alpha = -((last - time) / self.time_constant).exp_m1();
                Some((time, towards(mean, value, alpha)))
            }
            kept => kept,
        };
    }

    /// The mean, in the unit of the values; `None` before the first.
    #[must_use]
    pub fn mean(&self) -> Option<T> {
        self.state.map(|(_, mean)| mean)
    }
}

fn towards<T: Real>(mean: T, value: T, alpha: T) -> T {
    mean + alpha * (value - mean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_value_weighs_what_its_age_says(
            values in prop::collection::vec((0.01..20.0_f64, -1e3..1e3_f64), 1..40), tau in 0.5..50.0_f64,
        ) {
            let mut ewma = TimeEwma::new(tau);
            let mut time = 100.0;
            let mut series = Vec::new();
            for (step, value) in values {
                time += step;
                series.push((time, value));
                ewma.push(time, value);
            }
            // Each value weighs the step that ended with it, the first all that was before.
            let kept = |at: f64| (-(time - at) / tau).exp();
            let mut want = kept(series[0].0) * series[0].1;
            for pair in series.windows(2) {
                want += (kept(pair[1].0) - kept(pair[0].0)) * pair[1].1;
            }
            prop_assert!((ewma.mean().unwrap() - want).abs() < 1e-9);
        }

        #[test]
        fn regular_samples_make_both_the_same(values in prop::collection::vec(-1e3..1e3_f64, 1..40)) {
            let mut regular = Ewma::new(1.0 - (-0.1_f64).exp());
            let mut timed = TimeEwma::new(10.0);
            for (i, value) in values.iter().enumerate() {
                regular.push(*value);
                timed.push(i as f64, *value);
            }
            prop_assert!((regular.mean().unwrap() - timed.mean().unwrap()).abs() < 1e-9);
        }
    }

    #[test]
    fn it_starts_at_the_first_value_and_is_none_before() {
        let (mut regular, mut timed) = (Ewma::new(0.5_f32), TimeEwma::new(1.0_f32));
        assert_eq!((regular.mean(), timed.mean()), (None, None));
        regular.push(4.0);
        timed.push(0.0, 4.0);
        assert_eq!((regular.mean(), timed.mean()), (Some(4.0), Some(4.0)));
        regular.push(8.0);
        assert_eq!(regular.mean(), Some(6.0));
    }

    #[test]
    fn what_is_no_number_or_not_later_is_passed_over() {
        let (mut regular, mut timed) = (Ewma::new(0.5), TimeEwma::new(1.0));
        regular.push(4.0);
        timed.push(1.0, 4.0);
        for value in [f64::NAN, f64::INFINITY] {
            regular.push(value);
            timed.push(2.0, value);
        }
        timed.push(1.0, 100.0);
        timed.push(0.0, 100.0);
        assert_eq!((regular.mean(), timed.mean()), (Some(4.0), Some(4.0)));
    }

    #[test]
    fn a_long_gap_forgets() {
        let mut ewma = TimeEwma::new(1.0);
        ewma.push(0.0, 1e9);
        ewma.push(1e6, 3.0);
        assert_eq!(ewma.mean(), Some(3.0));
    }
}
