//! The two number types that features are computed in.

use core::fmt::Debug;
use core::ops::{Add, AddAssign, Div, Mul, Neg, Rem, Sub, SubAssign};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`. Functions that are not exact come from `libm`, so every target rounds them alike.
pub trait Real:
    sealed::Sealed
    + Copy
    + Debug
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Rem<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// 2.
    const TWO: Self;
    /// Distance from 1 to the next larger number.
    const EPSILON: Self;
    /// Smallest positive number of full precision.
    const MIN_POSITIVE: Self;
    /// Positive infinity.
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;

    /// The nearest number.
    #[must_use]
    fn from_f64(value: f64) -> Self;
    /// The nearest number; counts up to 2²⁴ (`f32`) or 2⁵³ (`f64`) are exact.
    #[must_use]
    fn from_count(count: u64) -> Self;
    /// The same number.
    #[must_use]
    fn to_f64(self) -> f64;
    /// Whether it is neither infinite nor NaN.
    #[must_use]
    fn is_finite(self) -> bool;
    /// Whether it is NaN.
    fn is_nan(self) -> bool;
    /// IEEE 754 total order.
    #[must_use]
    fn total_cmp(&self, other: &Self) -> core::cmp::Ordering;
    /// Absolute value.
    #[must_use]
    fn abs(self) -> Self;
    /// Smaller of two; the other one if one is NaN.
    #[must_use]
    fn min(self, other: Self) -> Self;
    /// Larger of two; the other one if one is NaN.
    #[must_use]
    fn max(self, other: Self) -> Self;
    /// Square root.
    #[must_use]
    fn sqrt(self) -> Self;
    /// Natural logarithm.
    #[must_use]
    fn ln(self) -> Self;
    /// e to the power of it, less 1.
    #[must_use]
    fn exp_m1(self) -> Self;
    /// Sine of radians.
    #[must_use]
    fn sin(self) -> Self;
    /// Cosine of radians.
    #[must_use]
    fn cos(self) -> Self;
    /// Angle of the point (`x`, `self`) in radians, in [−π, π].
    #[must_use]
    fn atan2(self, x: Self) -> Self;
}

macro_rules! real {
    ($type:ident: $sqrt:ident $ln:ident $exp_m1:ident $sin:ident $cos:ident $atan2:ident) => {
        impl Real for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const TWO: Self = 2.0;
            const EPSILON: Self = $type::EPSILON;
            const MIN_POSITIVE: Self = $type::MIN_POSITIVE;
            const INFINITY: Self = $type::INFINITY;
            const NAN: Self = $type::NAN;

            #[inline]
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            #[inline]
            fn from_count(count: u64) -> Self {
                count as Self
            }
            #[inline]
            fn to_f64(self) -> f64 {
                self.into()
            }
            #[inline]
            fn is_finite(self) -> bool {
                $type::is_finite(self)
            }
            #[inline]
            fn is_nan(self) -> bool {
                $type::is_nan(self)
            }
            #[inline]
            fn total_cmp(&self, other: &Self) -> core::cmp::Ordering {
                $type::total_cmp(self, other)
            }
            #[inline]
            fn abs(self) -> Self {
                $type::abs(self)
            }
            #[inline]
            fn min(self, other: Self) -> Self {
                $type::min(self, other)
            }
            #[inline]
            fn max(self, other: Self) -> Self {
                $type::max(self, other)
            }
            #[inline]
            fn sqrt(self) -> Self {
                libm::$sqrt(self)
            }
            fn ln(self) -> Self {
                libm::$ln(self)
            }
            fn exp_m1(self) -> Self {
                libm::$exp_m1(self)
            }
            fn sin(self) -> Self {
                libm::$sin(self)
            }
            fn cos(self) -> Self {
                libm::$cos(self)
            }
            fn atan2(self, x: Self) -> Self {
                libm::$atan2(self, x)
            }
        }
    };
}

real!(f32: sqrtf logf expm1f sinf cosf atan2f);
real!(f64: sqrt log expm1 sin cos atan2);
