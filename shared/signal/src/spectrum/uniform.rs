//! Whether times are evenly spaced.

use core::fmt;

use crate::real::Real;

/// Why times are no even samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uneven {
    /// Fewer than two.
    TooFew,
    /// The time at this index is not later than the one before it.
    Order(usize),
    /// The interval that ends at this index is too far from the mean one: jitter or a gap.
    Interval(usize),
}

impl fmt::Display for Uneven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew => f.write_str("fewer than two samples"),
            Self::Order(index) => write!(f, "sample {index} is not later than the one before it"),
            Self::Interval(index) => write!(f, "the interval before sample {index} is out of step"),
        }
    }
}

impl core::error::Error for Uneven {}

/// The sampling rate in Hz of times in seconds, if no interval differs from the mean one by more than
/// `tolerance` of it, a share such as 0.1. A single missing sample makes an interval twice as long.
///
/// # Errors
/// The first fault in the order of [`Uneven`]; a NaN is out of order.
pub fn uniform_rate<T: Real>(times: &[T], tolerance: T) -> Result<T, Uneven> {
    let [first, .., last] = times else {
        return Err(Uneven::TooFew);
    };
    let intervals = || times.windows(2).map(|pair| pair[1] - pair[0]).zip(1..);
    if let Some((_, index)) = intervals().find(|(interval, _)| !is_positive(*interval)) {
        return Err(Uneven::Order(index));
    }
    let mean = (*last - *first) / T::from_count(times.len() as u64 - 1);
    let limit = tolerance * mean;
    match intervals().find(|(interval, _)| (*interval - mean).abs() > limit) {
        Some((_, index)) => Err(Uneven::Interval(index)),
        None => Ok(T::ONE / mean),
    }
}

fn is_positive<T: Real>(interval: T) -> bool {
    interval > T::ZERO
}
