//! From the bytes that devices send to readings, by configuration alone.
//!
//! Every format, whatever it looks like on the wire, is first read into one flat tree, a [`Doc`].
//! Everything that is specific to a user's devices (names, times, units, what a value means) is then
//! done by one mapping, described by [`config::Rule`] and compiled into a [`Decoder`].
//!
//! Pure: no clock, no I/O. The time of arrival is an argument, and what a decoder wants to be sent
//! (a Sparkplug rebirth request) comes out as an [`Event`].

pub mod config;
mod doc;
mod event;

pub use doc::{Doc, DocError, Item, Items, Scalar};
pub use event::{Event, Fate, Message, MessageResult, Reading, Reason, Time, Value};
