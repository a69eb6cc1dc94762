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

pub mod angle;
pub mod chart;
pub mod counter;
pub mod cross;
pub mod ewma;
pub mod held;
pub mod higher;
pub mod moments;
pub mod pane;
pub mod quantile;
pub mod real;
pub mod robust;
pub mod rolling;
pub mod shape;
pub mod spectrum;
pub mod sum;

pub use angle::{AngleUnit, Directions, angle_difference};
pub use chart::{ChartState, EwmaChart};
pub use counter::{Count, Counter};
pub use cross::{correlation, magnitude, magnitudes, rms_magnitude};
pub use ewma::{Ewma, TimeEwma};
pub use held::{Gaps, Held};
pub use higher::HigherMoments;
pub use moments::{Moments, Summary};
pub use pane::Pane;
pub use quantile::{MAD_TO_SIGMA, mad, median, quantile};
pub use real::Real;
pub use robust::{ForecastError, History};
pub use rolling::{RollingQuantile, Slot};
pub use shape::{Crossings, autocorrelation, mean_crossings};
pub use spectrum::{Fft, Peak, Spectrum, Uneven, squared_envelope, uniform_rate};
pub use sum::Sum;
