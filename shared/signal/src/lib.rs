//! Rolling statistics and window features.
//!
//! `no_std` and without allocation: everything works over storage that the caller lends, so the
//! gateway and the microcontroller run the same code and get the same numbers.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(
    test,
    allow(clippy::float_cmp, reason = "what is exact is tested for being exact"),
    allow(
        clippy::unreadable_literal,
        reason = "golden numbers stand as they were printed"
    )
)]

pub mod chart;
pub mod higher;
pub mod moments;
pub mod real;
pub mod robust;
pub mod sum;

pub use chart::{ChartState, EwmaChart};
pub use higher::HigherMoments;
pub use moments::{Moments, Summary};
pub use real::Real;
pub use robust::{ForecastError, History};
pub use sum::Sum;
