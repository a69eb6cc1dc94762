//! What one entry says, going in.

use eyot_pipeline::ledger::{MessageFate, ReadingFate};
use eyot_pipeline::reading::{ChannelIndex, Sender};
use eyot_pipeline::{ClockStep, Reading, Timestamp};

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod origin;
pub(crate) mod source;

/// Number of an entry: dense from 1, never used twice.
pub type Position = u64;

/// What belongs together: one burst of one source, or firings of timers.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// Gateway time at which it was admitted. It is kept to the microsecond, see [`admission`].
    pub admitted: Timestamp,
    /// What the burst means for the books, if it is one.
    pub source: Option<SourcePart<'a>>,
    /// What the devices are told, in this order.
    pub inputs: &'a [DeviceInput<'a>],
}

/// The time of admission as an entry keeps it: whole microseconds. What is told to a device at once has to
/// carry this one, so that it is the same when the journal is read.
#[must_use]
pub const fn admission(now: Timestamp) -> Timestamp {
    Timestamp(now.0.div_euclid(1_000) * 1_000)
}

/// What a burst means for the books of its source.
#[derive(Debug, Clone, Copy)]
pub struct SourcePart<'a> {
    /// The source's name.
    pub name: &'a str,
    /// Messages received, by what became of them.
    pub messages: &'a [(MessageFate, u64)],
    /// Readings that are not among the inputs, by what became of them.
    pub settled: &'a [(ReadingFate, u64)],
    /// Fields that no rule maps.
    pub unmapped: u64,
    /// Messages that could not be decoded.
    pub letters: &'a [Letter<'a>],
    /// Messages that nothing but their delivery tells apart: they have no time of their own.
    pub deliveries: &'a [Delivery],
}

/// What a message is recognised by if the broker sends it again, since it never learnt that it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Its packet identifier.
    pub packet: u16,
    /// A checksum of what it says.
    pub content: u32,
}

/// A dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Reason in the books.
    pub reason: &'a str,
    /// What exactly was wrong.
    pub detail: &'a str,
    /// The first bytes of the payload.
    pub payload: &'a [u8],
    /// Bytes of the whole payload.
    pub payload_len: u64,
}

/// What one device is told.
#[derive(Clone, Copy)]
pub enum DeviceInput<'a> {
    /// Readings arrived.
    Readings {
        /// The device's index at run time: small, dense, and of the same device as long as the journal is
        /// open.
        key: u32,
        /// Asked when the device or one of its channels comes up first in a segment.
        names: &'a dyn DeviceNames,
        /// In the order in which they came.
        readings: &'a [Reading],
        /// What the device is told of its senders meanwhile.
        told: &'a [Told],
    },
    /// Its timer fired.
    Timer {
        /// As above.
        key: u32,
        /// As above.
        names: &'a dyn DeviceNames,
    },
}

/// What a device is told beside readings, before the reading of that place among those of the same input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Place of the reading; as many as there are readings: behind all.
    pub before: u32,
    /// What it is told.
    pub what: Telling,
}

/// What a device may be told beside readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// What a sender is.
    Sender(Sender),
    /// What the gateway's clock is worth, and by how much it was set.
    Clock(ClockStep),
}

/// The names behind a key and its channel indices. They do not change as long as the journal is open.
pub trait DeviceNames {
    /// The device's name.
    fn device(&self) -> &str;
    /// Calls `with` once, with the channel's name and unit.
    fn channel(&self, index: ChannelIndex, with: &mut dyn FnMut(&str, Option<&str>));
}

/// Bits of the flags of a body.
pub(crate) mod flag {
    /// Definitions follow.
    pub(super) const DEFINITIONS: u8 = 1;
    /// There is a source.
    pub(super) const SOURCE: u8 = 2;
    /// Every message of the source was decoded and gave exactly one of the readings, and that is all.
    pub(super) const PLAIN: u8 = 4;
    /// There is one input, of readings, to the end of the body.
    pub(super) const ONE: u8 = 8;
    /// It has one reading.
    pub(super) const SINGLE: u8 = 16;
    /// The source has deliveries.
    pub(super) const DELIVERIES: u8 = 32;
    /// The entry before it was committed together with it.
    pub(crate) const FOLLOWS: u8 = 64;
    /// Before the runs of each input stands what their readings have beyond channel, time and value (`origin`).
    pub(super) const ORIGINS: u8 = 0x80;
}
