//! The shape of a regularly sampled series: crossings and autocorrelation.

use crate::moments::Moments;
use crate::real::Real;
use crate::sum::sums;

/// Counts how often a series changes from one side of a level to the other, and is mergeable.
///
/// A value at the level itself is on neither side and passed over: 1, 0, −1 crosses zero once, 1, 0, 1
/// never. So is a NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Crossings<T = f64> {
    level: T,
    count: u64,
    /// Whether the first and the last value beside the level are above it.
    ends: Option<(bool, bool)>,
}

impl<T: Real> Crossings<T> {
    /// Of nothing yet.
    #[must_use]
    pub const fn new(level: T) -> Self {
        Self {
            level,
            count: 0,
            ends: None,
        }
    }

    /// Of values in order of time.
    #[must_use]
    pub fn of(level: T, values: &[T]) -> Self {
        let mut crossings = Self::new(level);
        if values.iter().all(|v| (*v - level).abs() > T::ZERO) {
            crossings.count_sides(values);
        } else {
            for value in values {
                crossings.push(*value);
            }
        }
        crossings
    }

    /// The same for values of which each has a side, without a decision per value.
    fn count_sides(&mut self, values: &[T]) {
        let [first, .., last] = values else {
            for value in values {
                self.push(*value);
            }
            return;
        };
        let level = self.level;
        let next = &values[1..];
        let changes = values[..next.len()].chunks(CHUNK).zip(next.chunks(CHUNK));
        self.count = changes
            .map(|(values, next)| {
                let pairs = values.iter().zip(next);
                u64::from(
                    pairs
                        .map(|(a, b)| u32::from((*a > level) != (*b > level)))
                        .sum::<u32>(),
                )
            })
            .sum();
        self.ends = Some((*first > level, *last > level));
    }

    /// Adds the next value.
    pub fn push(&mut self, value: T) {
        let above = value > self.level;
        if above || value < self.level {
            self.join(above, above, 0);
        }
    }

    /// Adds what came after, counted at the same level.
    pub fn merge(&mut self, later: &Self) {
        if let Some((first, last)) = later.ends {
            self.join(first, last, later.count);
        }
    }

    fn join(&mut self, first: bool, last: bool, count: u64) {
        let (start, end) = self.ends.unwrap_or((first, first));
        self.count += count + u64::from(end != first);
        self.ends = Some((start, last));
    }

    /// How many there were (no unit); 0 for fewer than two values.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }
}

/// Values whose changes fit a `u32`.
const CHUNK: usize = 4096;

/// Crossings of the values' own mean, as [`Crossings`] counts them. The mean is known at the end only, so
/// this does not merge. `None` of nothing; 0 with a NaN among the values.
#[must_use]
pub fn mean_crossings<T: Real>(values: &[T]) -> Option<u64> {
    let mean = Moments::of(values, values)?.summary().mean;
    Some(Crossings::of(mean, values).count())
}

/// Autocorrelation at a lag of so many samples, in [−1, 1] (no unit): Σ (xᵢ − x̄)(xᵢ₊ₗ − x̄) / Σ (xᵢ − x̄)²,
/// the biased estimate of Box and Jenkins (1976), as `statsmodels.tsa.stattools.acf` gives by default.
///
/// Samples are taken to be evenly spaced. `None` for `lag` + 1 values or fewer than two, and for constant
/// ones; NaN with a NaN among the values.
#[must_use]
pub fn autocorrelation<T: Real>(values: &[T], lag: usize) -> Option<T> {
    let moments = Moments::of(values, values)?;
    let count = values.len().checked_sub(lag).filter(|count| *count > 0)?;
    let mean = moments.summary().mean;
    let [products] = sums([&values[..count], &values[lag..]], |[a, b]| {
        [(a - mean) * (b - mean)]
    });
    let m2 = moments.m2();
    (m2 != T::ZERO).then(|| products.value() / m2)
}

#[cfg(test)]
mod tests;
