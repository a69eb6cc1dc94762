//! The pure core of Eyot.
//!
//! Everything here is synchronous and deterministic: no clock, no I/O, no randomness, no threads.
//! `now` is an argument, results are returned as [`effect::Effect`]s, and the shell (the `eyot`
//! agent) carries them out. The same inputs therefore give the same outputs, in a test, in a
//! replay and on a gateway.
//!
//! The way through, in reading order: [`reading`] → [`device`] (which owns [`channel`] ordering and
//! windows, [`detect`]ors and the [`verdict`]) → [`effect`]. Beside it stand the policies that the
//! shell asks: [`ledger`], [`restart`], [`forward`], [`retention`] and [`wear`].

pub mod backoff;
pub mod boot_clock;
pub mod channel;
pub mod config;
pub mod detect;
pub mod device;
pub mod effect;
pub mod feature;
pub mod forward;
pub mod frame;
pub mod gateway;
pub mod grid;
mod lean;
pub mod ledger;
pub mod model;
pub mod raster;
pub mod reading;
pub mod restart;
pub mod retention;
pub mod score;
pub mod scorer;
pub mod sequence;
pub mod time;
pub mod verdict;
pub mod wear;
pub mod window;

pub use device::{Device, Input};
pub use effect::{Effect, Numbered};
pub use gateway::{ClockStep, GatewayClock};
pub use reading::Reading;
pub use time::{Span, Timestamp};
