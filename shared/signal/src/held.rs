//! Between readings: the time-weighted mean and the gaps. Both merge in order of time.

use crate::real::Real;
use crate::sum::{Sum, sums};

/// Where a pane starts or ends, and what its channel said there.
type Reading<T> = (T, T);

/// The integral over time of a value that holds until the next one: what a channel that reports on change
/// means, and what `TimescaleDB` calls `time_weight('LOCF')`. NaN for good after a NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Held<T = f64> {
    integral: Sum<T>,
    first: Reading<T>,
    last: Reading<T>,
}

impl<T: Real> Held<T> {
    /// From the first value; `time` in seconds from any origin near the window.
    #[must_use]
    pub const fn new(time: T, value: T) -> Self {
        Self {
            integral: Sum::ZERO,
            first: (time, value),
            last: (time, value),
        }
    }

    /// Of values with their times, in order of time. `None` of nothing or of slices of two lengths.
    #[must_use]
    pub fn of(times: &[T], values: &[T]) -> Option<Self> {
        let (first, last) = ends(times, values)?;
        // About the first value, so that an offset costs no digits.
        let (_, base) = first;
        let inputs = [&times[..times.len() - 1], &times[1..], values];
        let [above] = sums(inputs, |[time, next, value]| {
            [(next - time) * (value - base)]
        });
        let mut integral = above;
        integral.add(base * (last.0 - first.0));
        Some(Self {
            integral,
            first,
            last,
        })
    }

    /// Adds the next value.
    pub fn push(&mut self, time: T, value: T) {
        self.integral.add(self.last.1 * (time - self.last.0));
        self.last = (time, value);
    }

    /// Adds what came after, over the same time origin.
    pub fn merge(&mut self, later: &Self) {
        self.push(later.first.0, later.first.1);
        self.integral.merge(later.integral);
        self.last = later.last;
    }

    /// The same with times from an origin that lies `seconds` earlier.
    #[must_use]
    pub fn later_by(mut self, seconds: T) -> Self {
        self.first.0 += seconds;
        self.last.0 += seconds;
        self
    }

    /// The integral from the first value to `end`, unit · second. An `end` before the last value takes
    /// nothing back.
    #[must_use]
    pub fn integral_until(&self, end: T) -> T {
        let mut until = *self;
        if end > self.last.0 {
            until.push(end, self.last.1);
        }
        until.integral.value()
    }

    /// The mean from the first value to `end`, which is usually the window's. Push what the channel said
    /// last before the window, at the window's start, to cover all of it. `None` if that is no time at all.
    #[must_use]
    pub fn mean_until(&self, end: T) -> Option<T> {
        let end = if end > self.last.0 { end } else { self.last.0 };
        let seconds = end - self.first.0;
        (seconds != T::ZERO).then(|| self.integral_until(end) / seconds)
    }
}

/// The time between readings that lie further apart than a limit, which is the expected interval times a
/// factor.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Gaps<T = f64> {
    limit: T,
    total: Sum<T>,
    first: T,
    last: T,
}

impl<T: Real> Gaps<T> {
    /// From the time of the first reading; `limit` and `time` in seconds.
    #[must_use]
    pub const fn new(limit: T, time: T) -> Self {
        Self {
            limit,
            total: Sum::ZERO,
            first: time,
            last: time,
        }
    }

    /// Of times in order. `None` of nothing.
    #[must_use]
    pub fn of(limit: T, times: &[T]) -> Option<Self> {
        let ((first, _), (last, _)) = ends(times, times)?;
        let [total] = sums([&times[..times.len() - 1], &times[1..]], |[time, next]| {
            [beyond(next - time, limit)]
        });
        Some(Self {
            limit,
            total,
            first,
            last,
        })
    }

    /// Adds the time of the next reading.
    pub fn push(&mut self, time: T) {
        self.total.add(beyond(time - self.last, self.limit));
        self.last = time;
    }

    /// Adds what came after, over the same time origin and with the same limit.
    pub fn merge(&mut self, later: &Self) {
        self.push(later.first);
        self.total.merge(later.total);
        self.last = later.last;
    }

    /// The same with times from an origin that lies `seconds` earlier.
    #[must_use]
    pub fn later_by(mut self, seconds: T) -> Self {
        self.first += seconds;
        self.last += seconds;
        self
    }

    /// The share of the window from `start` to `end` that lies in gaps, in [0, 1] (no unit). A gap counts
    /// as a whole; from the start to the first reading and from the last one to the end are gaps like
    /// those between. `None` if the window has no length. A window without readings has no `Gaps`; its
    /// ratio is 1.
    #[must_use]
    pub fn ratio(&self, start: T, end: T) -> Option<T> {
        let mut total = self.total;
        total.add(beyond(self.first - start, self.limit));
        total.add(beyond(end - self.last, self.limit));
        (end > start).then(|| total.value() / (end - start))
    }
}

/// An interval that is longer than the limit; else 0.
#[inline]
fn beyond<T: Real>(interval: T, limit: T) -> T {
    if interval > limit { interval } else { T::ZERO }
}

/// `None` of nothing or of slices of two lengths.
fn ends<T: Real>(times: &[T], values: &[T]) -> Option<(Reading<T>, Reading<T>)> {
    let first = (*times.first()?, *values.first()?);
    let last = (*times.last()?, *values.last()?);
    (times.len() == values.len()).then_some((first, last))
}

#[cfg(test)]
mod tests;
