//! Rolling statistics and window features.
//!
//! `no_std` and without allocation: everything works over storage that the caller lends, so the
//! gateway and the microcontroller run the same code and get the same numbers.
#![cfg_attr(not(test), no_std)]

pub mod chart;
pub mod moments;
pub mod robust;

pub use chart::{ChartState, EwmaChart};
pub use moments::{Moments, Summary};
pub use robust::{ForecastError, History};
