//! Skewness and kurtosis: third and fourth moments, mergeable.
//!
//! Recurrences and merging after Pébay (2008, SAND2008-6212, eqs. 2.1, 3.1). Both are the biased
//! estimates g1 and g2 (Joanes and Gill, 1998), as `scipy.stats.skew` and `kurtosis` give by default.
//! Fourth powers of deviations have to fit: below 1e75 (`f64`) or 1e8 (`f32`). A NaN makes both NaN.

use crate::moments::{Centre, Moments};
use crate::real::Real;
use crate::sum::{Sum, sums};

/// [`Moments`] with the sums of third and fourth powers of the deviations from the mean.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HigherMoments<T = f64> {
    lower: Moments<T>,
    m3: Sum<T>,
    m4: Sum<T>,
}

impl<T: Real> HigherMoments<T> {
    /// From the first value of a window, as [`Moments::new`].
    #[must_use]
    pub const fn new(time: T, value: T) -> Self {
        Self {
            lower: Moments::new(time, value),
            m3: Sum::ZERO,
            m4: Sum::ZERO,
        }
    }

    /// Of slices, as [`Moments::of`].
    #[must_use]
    pub fn of(times: &[T], values: &[T]) -> Option<Self> {
        let centre = Centre::of(times, values)?;
        let (mean, mean_time) = (centre.value, centre.time);
        let [dt, dx, dt2, dtdx, dx2, dx3, dx4] = sums([times, values], |[time, value]| {
            let (dt, dx) = (time - mean_time, value - mean);
            let dx2 = dx * dx;
            [dt, dx, dt * dt, dt * dx, dx2, dx2 * dx, dx2 * dx2]
        });
        // From powers about the centre to powers about the mean, which lies `off` above it.
        let n = T::from_count(values.len() as u64);
        let off = dx.value() / n;
        let (two, three) = (T::TWO, T::TWO + T::ONE);
        let (mut m3, mut m4) = (dx3, dx4);
        m3.add(off * (two * n * off * off - three * dx2.value()));
        m4.add(-(two * two * off * dx3.value()));
        m4.add(off * off * three * (two * dx2.value() - n * off * off));
        let lower = Moments::around(centre, times, values, [dt, dx, dt2, dtdx, dx2]);
        Some(Self { lower, m3, m4 })
    }

    /// Adds a value, as [`Moments::push`].
    pub fn push(&mut self, time: T, value: T) {
        self.merge(&Self::new(time, value));
    }

    /// Adds another accumulator, as [`Moments::merge`].
    pub fn merge(&mut self, other: &Self) {
        let (a, b) = (
            T::from_count(self.lower.count()),
            T::from_count(other.lower.count()),
        );
        let (share_a, share_b) = (a / (a + b), b / (a + b));
        let dx = self.lower.distance_to(&other.lower);
        let (m2a, m2b) = (self.lower.m2(), other.lower.m2());
        let (three, six) = (T::from_f64(3.0), T::from_f64(6.0));
        let dx2 = dx * dx;
        let weight = a * share_b;

        self.m4.merge(other.m4);
        let spread = share_a * share_a - share_a * share_b + share_b * share_b;
        self.m4.add(dx2 * dx2 * weight * spread);
        self.m4
            .add(six * dx2 * (share_a * share_a * m2b + share_b * share_b * m2a));
        let skew = share_a * other.m3.value() - share_b * self.m3.value();
        self.m4.add((T::TWO + T::TWO) * dx * skew);

        self.m3.merge(other.m3);
        self.m3.add(dx2 * dx * weight * (share_a - share_b));
        self.m3.add(three * dx * (share_a * m2b - share_b * m2a));
        self.lower.merge(&other.lower);
    }

    /// Count, mean, spread and slope of the same values.
    #[must_use]
    pub const fn moments(&self) -> &Moments<T> {
        &self.lower
    }

    /// The same values with times from an origin that lies `seconds` earlier.
    #[must_use]
    pub fn later_by(mut self, seconds: T) -> Self {
        self.lower = self.lower.later_by(seconds);
        self
    }

    /// g1 = √n · m3 / m2^(3/2) (no unit; 0 for symmetry). `None` for fewer than three values, which are
    /// always symmetric, and for constant ones.
    #[must_use]
    pub fn skewness(&self) -> Option<T> {
        let n = self.lower.count();
        let m2 = self.lower.m2();
        // What is smaller than that has lost its digits.
        let constant = m2 * m2.sqrt() < T::MIN_POSITIVE;
        (n > 2 && !constant).then(|| self.m3.value() / m2 / m2.sqrt() * T::from_count(n).sqrt())
    }

    /// g2 = n · m4 / m2² − 3 (no unit; 0 for the normal distribution). `None` for fewer than four
    /// values, whose kurtosis is the same whatever they are, and for constant ones.
    #[must_use]
    pub fn kurtosis(&self) -> Option<T> {
        let n = self.lower.count();
        let m2 = self.lower.m2();
        let constant = m2 * m2 < T::MIN_POSITIVE;
        (n > 3 && !constant)
            .then(|| self.m4.value() / m2 / m2 * T::from_count(n) - T::from_f64(3.0))
    }
}

#[cfg(test)]
mod tests;
