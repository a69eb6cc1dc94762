//! Exact quantiles of a slice, by selection in O(n), over a copy that the caller lends.
//!
//! Quantiles are those of Hyndman and Fan (1996), type 7, as numpy gives by default. They do not merge:
//! a window's come from its values, a sliding window's from a [`crate::RollingQuantile`].

use crate::real::Real;

/// Turns a median absolute deviation into the standard deviation of a normal distribution: 1/Φ⁻¹(3/4).
pub const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// The value that a share `q` in [0, 1] of the values lies below, between two of them by proportion;
/// reorders the values. `None` of nothing or if `q` is out of range; NaN with a NaN among the values.
#[must_use]
pub fn quantile<T: Real>(values: &mut [T], q: f64) -> Option<T> {
    let position = Position::of(values.len(), q)?;
    if values.iter().any(|value| value.is_nan()) {
        return Some(T::NAN);
    }
    Some(selected(values, position))
}

/// The quantile ½; as [`quantile`].
#[must_use]
pub fn median<T: Real>(values: &mut [T]) -> Option<T> {
    quantile(values, 0.5)
}

/// The median and the median absolute deviation from it, both in the unit of the values; replaces the
/// values by their deviations. The deviation is not scaled: times [`MAD_TO_SIGMA`] it estimates the standard
/// deviation of normal values. `None` of nothing; NaN with a NaN among the values.
#[must_use]
pub fn mad<T: Real>(values: &mut [T]) -> Option<(T, T)> {
    let centre = median(values)?;
    for value in values.iter_mut() {
        *value = (*value - centre).abs();
    }
    Some((centre, median(values)?))
}

/// Where among sorted values a quantile lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position {
    /// Index of the value at or below it.
    pub(crate) index: usize,
    /// How far towards the next value, in [0, 1).
    pub(crate) fraction: f64,
}

impl Position {
    /// `None` of nothing or if `q` is not in [0, 1].
    pub(crate) fn of(len: usize, q: f64) -> Option<Self> {
        let last = len.checked_sub(1)?;
        if !(0.0..=1.0).contains(&q) {
            return None;
        }
        let position = last as f64 * q;
        let index = (position as usize).min(last);
        Some(Self {
            index,
            fraction: position - index as f64,
        })
    }

    /// Between the value at the index and the next.
    pub(crate) fn between<T: Real>(self, lower: T, upper: T) -> T {
        lower + (upper - lower) * T::from_f64(self.fraction)
    }
}

/// The quantile at a position among values none of which is NaN; reorders them.
pub(crate) fn selected<T: Real>(values: &mut [T], position: Position) -> T {
    let (_, lower, above) = values.select_nth_unstable_by(position.index, T::total_cmp);
    let next = above.iter().copied().reduce(T::min);
    match next {
        Some(upper) if position.fraction > 0.0 => position.between(*lower, upper),
        _ => *lower,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_those_of_sorted_values(values in prop::collection::vec(-1e3..1e3_f64, 1..80), q in 0.0..=1.0_f64) {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let at = (sorted.len() - 1) as f64 * q;
            let (lower, upper) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
            let want = lower + (upper - lower) * at.fract();
            prop_assert_eq!(quantile(&mut values.clone(), q), Some(want));
            let mut narrow: Vec<_> = values.iter().map(|v| *v as f32).collect();
            prop_assert!((f64::from(quantile(&mut narrow, q).unwrap()) - want).abs() < 1e-3);
        }
    }

    #[test]
    fn they_are_those_of_numpy_and_scipy() {
        // numpy.quantile
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let at = |q| quantile(&mut values.clone(), q).unwrap();
        assert_eq!((at(0.05), at(0.25), at(0.5)), (1.0, 1.75, 3.5));
        assert!((at(0.95) - 7.949999999999998).abs() < 1e-14);
        assert_eq!((at(0.0), at(1.0)), (1.0, 9.0));
        // scipy.stats.median_abs_deviation, without and with scale='normal'
        let (centre, deviation) = mad(&mut values.clone()).unwrap();
        assert_eq!((centre, deviation), (3.5, 2.0));
        assert!((deviation * MAD_TO_SIGMA - 2.965204437011204).abs() < 1e-14);
    }

    #[test]
    fn nothing_has_none_and_one_value_is_all_of_them() {
        assert_eq!(quantile::<f64>(&mut [], 0.5), None);
        assert_eq!(mad::<f64>(&mut []), None);
        assert_eq!(quantile(&mut [2.0], 0.3), Some(2.0));
        assert_eq!(mad(&mut [2.0]), Some((2.0, 0.0)));
        for q in [-0.1, 1.1, f64::NAN] {
            assert_eq!(quantile(&mut [2.0], q), None);
        }
    }

    #[test]
    fn a_nan_makes_it_nan() {
        for nan in [f64::NAN, -f64::NAN] {
            assert!(median(&mut [1.0, nan, 2.0]).unwrap().is_nan());
            assert!(mad(&mut [1.0, nan, 2.0]).unwrap().1.is_nan());
        }
    }
}
