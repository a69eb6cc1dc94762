//! Running moments of a window: constant memory, mergeable, over slices or one value at a time.
//!
//! Over a slice: two passes, the second of which corrects the mean of the first (Chan, Golub and
//! `LeVeque`, 1983). One at a time: the recurrences of Welford (1962) in compensated sums, since a plain
//! mean stands still once its steps fall below its last digit. Merged after Chan, Golub and `LeVeque`
//! (1979). Slope and correlation by the same formulas on the co-moment of time
//! and value. No value is ever taken out again, so a result depends on the contents of its window alone.
//!
//! Values are taken to be finite. A NaN makes everything NaN but the count, which counts it, and the
//! extremes, which pass over it. Squares have to fit: |value| below 1e150 (`f64`) or 1e16 (`f32`). Where
//! they vanish, for deviations below 1e-154 or 1e-19, so does the spread.

use crate::real::Real;
use crate::sum::{Sum, extremes, sums};

/// Accumulates values with their times.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Moments<T = f64> {
    count: u64,
    mean: Sum<T>,
    /// Sum of squared deviations from the mean.
    m2: Sum<T>,
    min: T,
    max: T,
    mean_time: Sum<T>,
    /// Sum of squared deviations of time from its mean.
    m2_time: Sum<T>,
    /// Sum of products of the deviations of time and value.
    co_moment: Sum<T>,
    first: (T, T),
    last: (T, T),
}

/// The features of one channel over one window. Units are the channel's unless stated.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Summary<T = f64> {
    /// Number of values.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: T,
    /// Sample standard deviation (n − 1); 0 for a single value.
    pub std: T,
    /// Standard deviation about the least-squares line (n − 2): the spread that a steady rise or
    /// fall does not explain; 0 for fewer than three values. Half of the digits remain where
    /// the line explains everything.
    pub detrended_std: T,
    /// Smallest value.
    pub min: T,
    /// Largest value.
    pub max: T,
    /// Root of the mean square.
    pub rms: T,
    /// Least-squares slope, unit per second; 0 when all values share one time.
    pub slope: T,
    /// Value at the earliest time.
    pub first: T,
    /// Value at the latest time.
    pub last: T,
}

impl<T: Real> Summary<T> {
    /// Largest absolute value.
    #[must_use]
    pub fn peak(&self) -> T {
        self.max.max(-self.min)
    }

    /// Largest value less smallest.
    #[must_use]
    pub fn range(&self) -> T {
        self.max - self.min
    }

    /// Peak over root mean square (no unit, 1 or more); `None` if that is 0.
    #[must_use]
    pub fn crest_factor(&self) -> Option<T> {
        (self.rms != T::ZERO).then(|| self.peak() / self.rms)
    }
}

impl<T: Real> Moments<T> {
    /// From the first value of a window; `time` in seconds from any origin near the window.
    #[must_use]
    pub const fn new(time: T, value: T) -> Self {
        Self {
            count: 1,
            mean: Sum::new(value),
            m2: Sum::ZERO,
            min: value,
            max: value,
            mean_time: Sum::new(time),
            m2_time: Sum::ZERO,
            co_moment: Sum::ZERO,
            first: (time, value),
            last: (time, value),
        }
    }

    /// Of values with their times, in order of time, as [`Moments::new`] takes them. `None` of nothing
    /// or of slices of two lengths.
    #[must_use]
    pub fn of(times: &[T], values: &[T]) -> Option<Self> {
        let centre = Centre::of(times, values)?;
        let (mean, mean_time) = (centre.value, centre.time);
        let deviations = sums([times, values], |[time, value]| {
            let (dt, dx) = (time - mean_time, value - mean);
            [dt, dx, dt * dt, dt * dx, dx * dx]
        });
        Some(Self::around(centre, times, values, deviations))
    }

    /// Of the sums of the deviations dt and dx from a centre, of dt², dt·dx and dx².
    #[inline]
    pub(crate) fn around(
        centre: Centre<T>,
        times: &[T],
        values: &[T],
        [dt, dx, dt2, dtdx, dx2]: [Sum<T>; 5],
    ) -> Self {
        let n = T::from_count(values.len() as u64);
        let (dt, dx) = (dt.value(), dx.value());
        let (off_time, off) = (dt / n, dx / n);
        let last = values.len() - 1;
        let (min, max) = extremes(values);
        Self {
            count: values.len() as u64,
            mean: plus(Sum::new(centre.value), off),
            m2: not_below_zero(plus(dx2, -(dx * off))),
            min,
            max,
            mean_time: plus(Sum::new(centre.time), off_time),
            m2_time: not_below_zero(plus(dt2, -(dt * off_time))),
            co_moment: plus(dtdx, -(dt * off)),
            first: (times[0], values[0]),
            last: (times[last], values[last]),
        }
    }

    /// Adds a value. Values of equal time keep their order of arrival: the later one is the last.
    pub fn push(&mut self, time: T, value: T) {
        self.count += 1;
        let n = T::from_count(self.count);
        let (dx, dt) = (self.mean.below(value), self.mean_time.below(time));
        self.mean.add(dx / n);
        self.mean_time.add(dt / n);
        let left = self.mean.below(value);
        self.m2.add(dx * left);
        self.m2_time.add(dt * self.mean_time.below(time));
        self.co_moment.add(dt * left);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        if time < self.first.0 {
            self.first = (time, value);
        }
        if time >= self.last.0 {
            self.last = (time, value);
        }
    }

    /// Adds another accumulator over the same time origin, as if its values had been pushed.
    pub fn merge(&mut self, other: &Self) {
        let (a, b) = (T::from_count(self.count), T::from_count(other.count));
        let share = b / (a + b);
        let weight = a * share;
        let dx = self.mean.below_sum(other.mean);
        let dt = self.mean_time.below_sum(other.mean_time);
        self.count += other.count;
        self.mean.add(dx * share);
        self.mean_time.add(dt * share);
        self.m2.merge(other.m2);
        self.m2.add(dx * dx * weight);
        self.m2_time.merge(other.m2_time);
        self.m2_time.add(dt * dt * weight);
        self.co_moment.merge(other.co_moment);
        self.co_moment.add(dx * dt * weight);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if other.first.0 < self.first.0 {
            self.first = other.first;
        }
        if other.last.0 >= self.last.0 {
            self.last = other.last;
        }
    }

    /// The same values with times from an origin that lies `seconds` earlier.
    #[must_use]
    pub fn later_by(mut self, seconds: T) -> Self {
        self.mean_time.add(seconds);
        self.first.0 += seconds;
        self.last.0 += seconds;
        self
    }

    /// The features of what was added so far.
    #[must_use]
    pub fn summary(&self) -> Summary<T> {
        let n = T::from_count(self.count);
        let mean = self.mean.value();
        Summary {
            count: self.count,
            mean,
            std: if self.count > 1 {
                (self.m2.value() / (n - T::ONE)).sqrt()
            } else {
                T::ZERO
            },
            detrended_std: self.detrended_std(n),
            min: self.min,
            max: self.max,
            rms: (mean * mean + self.m2.value() / n).sqrt(),
            slope: if self.m2_time.value() > T::ZERO {
                self.co_moment.value() / self.m2_time.value()
            } else {
                T::ZERO
            },
            first: self.first.1,
            last: self.last.1,
        }
    }

    fn detrended_std(&self, n: T) -> T {
        if self.count < 3 {
            return T::ZERO;
        }
        let explained = if self.m2_time.value() > T::ZERO {
            self.co_moment.value() * (self.co_moment.value() / self.m2_time.value())
        } else {
            T::ZERO
        };
        let left = not_below_zero(Sum::new(self.m2.value() - explained));
        (left.value() / (n - T::TWO)).sqrt()
    }

    /// Number of values.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Earliest reading, as (time, value).
    #[must_use]
    pub const fn first(&self) -> (T, T) {
        self.first
    }

    /// Latest reading, as (time, value).
    #[must_use]
    pub const fn last(&self) -> (T, T) {
        self.last
    }

    /// Sum of squared deviations from the mean.
    #[inline]
    pub(crate) fn m2(&self) -> T {
        self.m2.value()
    }

    /// Mean of the other one less this one's.
    #[inline]
    pub(crate) fn distance_to(&self, other: &Self) -> T {
        self.mean.below_sum(other.mean)
    }

    /// Sample variance (n − 1), unit²; `None` for a single value.
    #[must_use]
    pub fn variance(&self) -> Option<T> {
        let n = T::from_count(self.count);
        (self.count > 1).then(|| self.m2.value() / (n - T::ONE))
    }

    /// (last − first) / (its time − its time), unit per second; `None` when all values share one time.
    #[must_use]
    pub fn rate_of_change(&self) -> Option<T> {
        let seconds = self.last.0 - self.first.0;
        (seconds != T::ZERO).then(|| (self.last.1 - self.first.1) / seconds)
    }

    /// Pearson's correlation of time and value, in [−1, 1] (no unit); `None` if either is constant.
    #[must_use]
    pub fn correlation(&self) -> Option<T> {
        let (x, y) = (self.m2.value(), self.m2_time.value());
        let spread = x.sqrt() * y.sqrt();
        (spread != T::ZERO).then(|| {
            let ratio = self.co_moment.value() / spread;
            // Rounding may carry a straight line just past it; a NaN stays.
            if ratio.abs() > T::ONE {
                ratio / ratio.abs()
            } else {
                ratio
            }
        })
    }
}

/// Where deviations are measured from: close to the means, exact where all values are alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Centre<T> {
    pub(crate) time: T,
    pub(crate) value: T,
}

impl<T: Real> Centre<T> {
    /// `None` of nothing or of slices of two lengths.
    #[inline]
    pub(crate) fn of(times: &[T], values: &[T]) -> Option<Self> {
        let (&first_time, &first) = (times.first()?, values.first()?);
        if times.len() != values.len() {
            return None;
        }
        let n = T::from_count(values.len() as u64);
        let [dt, dx] = sums([times, values], |[time, value]| {
            [time - first_time, value - first]
        });
        Some(Self {
            time: first_time + dt.value() / n,
            value: first + dx.value() / n,
        })
    }
}

fn plus<T: Real>(mut sum: Sum<T>, term: T) -> Sum<T> {
    sum.add(term);
    sum
}

/// For what is no less than zero but for the rounding of two sums.
fn not_below_zero<T: Real>(sum: Sum<T>) -> Sum<T> {
    if sum.value() < T::ZERO {
        Sum::ZERO
    } else {
        sum
    }
}

#[cfg(test)]
mod tests;
