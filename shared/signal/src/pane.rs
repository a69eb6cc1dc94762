//! A stretch of one channel, summed up so that windows can be put together from it.

use crate::held::{Gaps, Held};
use crate::higher::HigherMoments;
use crate::moments::Moments;
use crate::real::Real;
use crate::shape::Crossings;

/// Every feature of a channel that merges exactly: a window's panes, merged in order of time, have the
/// features of the window. What depends on all values at once (quantiles, crossings of the mean,
/// autocorrelation, spectra) needs the values. 280 bytes for `f64`, 152 for `f32`. A NaN does what it does to each of the parts.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Pane<T = f64> {
    moments: HigherMoments<T>,
    crossings: Crossings<T>,
    held: Held<T>,
    gaps: Gaps<T>,
}

impl<T: Real> Pane<T> {
    /// From the first value; `time` and `gap_limit` in seconds.
    #[must_use]
    pub fn new(gap_limit: T, time: T, value: T) -> Self {
        let mut crossings = Crossings::new(T::ZERO);
        crossings.push(value);
        Self {
            moments: HigherMoments::new(time, value),
            crossings,
            held: Held::new(time, value),
            gaps: Gaps::new(gap_limit, time),
        }
    }

    /// Of values with their times, in order of time. `None` of nothing or of slices of two lengths.
    #[must_use]
    pub fn of(gap_limit: T, times: &[T], values: &[T]) -> Option<Self> {
        Some(Self {
            moments: HigherMoments::of(times, values)?,
            crossings: Crossings::of(T::ZERO, values),
            held: Held::of(times, values)?,
            gaps: Gaps::of(gap_limit, times)?,
        })
    }

    /// Adds the next value.
    pub fn push(&mut self, time: T, value: T) {
        self.moments.push(time, value);
        self.crossings.push(value);
        self.held.push(time, value);
        self.gaps.push(time);
    }

    /// Adds the pane that came after, over the same time origin and with the same gap limit.
    pub fn merge(&mut self, later: &Self) {
        self.moments.merge(&later.moments);
        self.crossings.merge(&later.crossings);
        self.held.merge(&later.held);
        self.gaps.merge(&later.gaps);
    }

    /// The same with times from an origin that lies `seconds` earlier: that of the window.
    #[must_use]
    pub fn later_by(self, seconds: T) -> Self {
        Self {
            moments: self.moments.later_by(seconds),
            crossings: self.crossings,
            held: self.held.later_by(seconds),
            gaps: self.gaps.later_by(seconds),
        }
    }

    /// Count, mean, spread, extremes, slope, first and last.
    #[must_use]
    pub const fn moments(&self) -> &Moments<T> {
        self.moments.moments()
    }

    /// Skewness and kurtosis.
    #[must_use]
    pub const fn higher(&self) -> &HigherMoments<T> {
        &self.moments
    }

    /// Crossings of zero.
    #[must_use]
    pub const fn zero_crossings(&self) -> u64 {
        self.crossings.count()
    }

    /// The time-weighted mean and the integral.
    #[must_use]
    pub const fn held(&self) -> &Held<T> {
        &self.held
    }

    /// The gaps.
    #[must_use]
    pub const fn gaps(&self) -> &Gaps<T> {
        &self.gaps
    }
}

#[cfg(test)]
mod tests;
