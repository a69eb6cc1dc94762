//! Numbers, whole ones exactly.

use std::ops::Add;

use crate::Scalar;

const NANOS: i128 = 1_000_000_000;
/// From here on a double cannot hold nanoseconds, and what it holds of them is noise.
const COARSE_SECONDS: f64 = 4_194_304.0;

/// A number; whole ones are within ±2^65, the sum of two that JSON or CBOR can hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    pub(super) fn scalar(self) -> Scalar<'static> {
        let Self::Int(whole) = self else {
            return Scalar::Float(self.as_f64());
        };
        i64::try_from(whole)
            .map(Scalar::Int)
            .or_else(|_| u64::try_from(whole).map(Scalar::Uint))
            .unwrap_or_else(|_| Scalar::Float(self.as_f64()))
    }

    /// Seconds as nanoseconds; those of a large double are rounded to the microsecond, which gives
    /// back the digits that the sender wrote. `None` if there is no such time.
    pub(super) fn nanoseconds(self) -> Option<i128> {
        match self {
            Self::Int(seconds) => seconds.checked_mul(NANOS),
            Self::Float(seconds) if seconds.is_finite() => {
                let whole = seconds.trunc();
                let coarse = whole.abs() >= COARSE_SECONDS;
                let step = if coarse { 1_000 } else { 1 };
                let steps = ((seconds - whole) * 1e9 / f64::from(step)).round();
                let fraction = i128::from(steps as i64) * i128::from(step);
                (whole as i128).checked_mul(NANOS)?.checked_add(fraction)
            }
            Self::Float(_) => None,
        }
    }
}

impl Add for Number {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => Self::Int(a.saturating_add(b)),
            _ => Self::Float(self.as_f64() + other.as_f64()),
        }
    }
}
