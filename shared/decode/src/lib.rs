//! From the bytes that devices send to readings, by configuration alone.
//!
//! Every format, whatever it looks like on the wire, is first read into one flat tree, a [`Doc`].
//! Everything that is specific to a user's devices (names, times, units, what a value means) is then
//! done by one mapping, described by [`config::Rule`] and compiled into a [`Decoder`]. A rule that looks only
//! at known places of a JSON text gets a [`Doc`] that holds no others.
//!
//! Pure: no clock, no I/O. The time of arrival is an argument, and what a decoder wants to be sent
//! (a Sparkplug rebirth request) comes out as an [`Event`].

mod bare;
mod checksum;
pub mod config;
mod decoder;
mod doc;
mod event;
mod fault;
mod format;
mod formats;
pub mod frame;
mod glob;
mod influx;
mod json;
mod lookup;
mod mapping;
mod path;
mod profile;
mod rule;
mod samples;
mod scope;
mod senml;
mod sparkplug;
mod template;
#[cfg(test)]
mod testing;
mod text;
mod time;
mod topic;
mod unit;
mod value;

pub use decoder::Decoder;
pub use doc::{Doc, DocError, Item, Items, Scalar};
pub use event::{Event, Fate, Message, MessageResult, Reading, Reason, Sender, Time, Value};
pub use fault::Fault;
pub use frame::{Frame, FrameError, Framer, Framing};
pub use mapping::Mapping;
pub use profile::{Profile, profiles};
pub use unit::{Conversion, conversion};
