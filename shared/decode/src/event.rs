//! What goes into a decoder and what comes out of it.

use eyot_pipeline::Timestamp;

use crate::config::{Kind, Report};

/// A message as it came: one MQTT publish, or one frame of a serial line.
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    /// Its topic; `""` on a serial line.
    pub topic: &'m str,
    /// Its bytes.
    pub payload: &'m [u8],
    /// Whether the broker replays it.
    pub retained: bool,
    /// Gateway time of its arrival.
    pub arrival: Timestamp,
}

/// When a value was true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// The payload says so.
    Payload(Timestamp),
    /// The payload says nothing (or nothing that can be: see `before_2000`), so it is the arrival's.
    Arrival(Timestamp),
    /// The sender's own clock, which began at some unknown instant; nanoseconds.
    DeviceClock(i64),
}

/// A value as exactly as it was sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A number with a fraction, or one that was scaled or converted.
    F64(f64),
    /// A whole number.
    I64(i64),
    /// A whole number beyond `i64::MAX`.
    U64(u64),
    /// A truth value.
    Bool(bool),
    /// A word's number in the channel's table.
    Enum(i64),
}

impl Value {
    /// As a number; beyond 2^53 to the nearest that a double can hold.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::F64(value) => value,
            Self::I64(value) | Self::Enum(value) => value as f64,
            Self::U64(value) => value as f64,
            Self::Bool(value) => f64::from(u8::from(value)),
        }
    }
}

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading<'a> {
    /// Device.
    pub device: &'a str,
    /// Channel.
    pub channel: &'a str,
    /// When.
    pub time: Time,
    /// What.
    pub value: Value,
    /// In which unit; `""` for none, `bool` for a truth value that has no other.
    pub unit: &'a str,
    /// What kind of quantity it is, if the configuration says so.
    pub kind: Option<Kind>,
    /// How the sender reports it, if the configuration says so.
    pub report: Option<Report>,
    /// The sender's sequence number.
    pub sequence: Option<u64>,
    /// What the sender is, as far as its numbers and its clock need to know.
    pub sender: Sender<'a>,
    /// An identity that is the same in every copy of the message.
    pub message_id: Option<&'a str>,
    /// Whether it is a retained message that is only good as the last known value.
    pub last_value_only: bool,
    /// Whether the sender says that it is not live but from its own buffer.
    pub historical: bool,
}

/// What a sender is: what its sequence numbers and its clock mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sender<'a> {
    /// Its sequence numbers begin again at 0 after so many.
    pub modulus: Option<u64>,
    /// What tells its present run from the one before.
    pub boot_id: Option<&'a str>,
    /// [`Time::DeviceClock`] is 0 again after so many nanoseconds.
    pub around_ns: Option<i64>,
}

/// What a message comes to, piece by piece.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// A reading.
    Reading(Reading<'a>),
    /// Equally spaced readings of one channel: `values[i]` at `time` + i × `interval_ns`.
    Block {
        /// The first of them.
        first: Reading<'a>,
        /// Nanoseconds between two.
        interval_ns: i64,
        /// All of them.
        values: &'a [f64],
    },
    /// The place was there and said that there is no value.
    Missing {
        /// Device.
        device: &'a str,
        /// Channel.
        channel: &'a str,
        /// Why.
        reason: Reason,
        /// Where in the payload.
        path: &'a str,
    },
    /// The place was there and what stands in it cannot be a value.
    Rejected {
        /// Device, as far as it is known.
        device: &'a str,
        /// Channel, as far as it is known.
        channel: &'a str,
        /// Why.
        reason: Reason,
        /// Where in the payload.
        path: &'a str,
        /// In words, for people.
        detail: &'a str,
    },
    /// A field that nothing maps.
    Unmapped {
        /// Where in the payload.
        path: &'a str,
    },
    /// The device, or everything behind the sender if `channel`s are not the matter, came or went.
    Liveness {
        /// Device.
        device: &'a str,
        /// Whether it is there.
        online: bool,
    },
    /// The decoder asks for this to be published to the source (a Sparkplug rebirth request). Whether
    /// that happens is the configuration's decision.
    Request {
        /// Topic.
        topic: &'a str,
        /// Payload.
        payload: &'a [u8],
    },
}

/// Why there is no reading where there could have been one. The names are those of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// `null`, an empty text or array, or a null flag.
    Null,
    /// Not a number, or infinite.
    Nan,
    /// A word that says so, like `unavailable`.
    Unavailable,
    /// A value that the channel's `missing` lists.
    Sentinel,
    /// The sender's quality field says that the value is not good.
    Quality,
    /// Not a value of the kind expected.
    Value,
    /// A time that cannot be read.
    Time,
    /// A time before 2000, where the configuration does not re-stamp those.
    Before2000,
    /// A unit that does not convert to the channel's.
    Unit,
    /// No name for the device or the channel.
    Name,
}

impl Reason {
    /// As in the ledger, metrics and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Nan => "nan",
            Self::Unavailable => "unavailable",
            Self::Sentinel => "sentinel",
            Self::Quality => "quality",
            Self::Value => "value",
            Self::Time => "time",
            Self::Before2000 => "before_2000",
            Self::Unit => "unit",
            Self::Name => "name",
        }
    }
}

/// What became of a message as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Something came out of it: readings, missing or rejected ones, liveness.
    Decoded,
    /// The source's `ignore` lists its topic, or its rule says `ignore`.
    IgnoredByConfig,
    /// No rule takes its topic.
    IgnoredNoRule,
    /// No field of it is mapped, or nothing passed `where`.
    IgnoredUnmapped,
    /// A retained message that the configuration does not take.
    IgnoredRetained,
    /// An empty payload, which deletes a retained message and says nothing else.
    IgnoredEmpty,
    /// It is not what the rule says it is; in words, for people.
    DeadLetter(String),
}

/// What became of a message and by which rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageResult {
    /// Position of the rule that took it.
    pub rule: Option<usize>,
    /// Its fate.
    pub fate: Fate,
}
