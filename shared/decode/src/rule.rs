//! A rule, compiled: what is done with the messages that it takes.

mod block;
mod channels;
mod check;
mod clock;
mod compile;
mod condition;
mod context;
mod emit;
mod fields;
mod keys;
mod leaves;
mod parts;
mod run;
mod sampling;
mod select;
mod straight;
#[cfg(test)]
mod tests;
mod unmapped;
mod what;

use regex::{CaptureLocations, Regex};

use crate::config::{Before2000, Charset, Format, Retained, Unknown};
use crate::json::Selection;
use crate::lookup::Table;
use crate::path::Path;
use crate::samples::Joiner;
use crate::template::Template;

use channels::Channels;
use clock::Clock;
pub(crate) use compile::{Files, compile};
use condition::{Condition, Liveness, Quality};
use leaves::Leaves;
pub(crate) use run::{Buffers, Facts, Outcome, Run};
use sampling::Sampling;

/// A rule: what does not change while messages pass, and what does.
#[derive(Debug)]
pub(crate) struct Rule {
    pub plan: Plan,
    pub state: State,
}

/// What a rule remembers from message to message.
#[derive(Debug)]
pub(crate) struct State {
    /// Streams of samples.
    joiner: Joiner,
    /// Room for the groups of every regular expression of `capture`.
    locations: Vec<CaptureLocations>,
}

/// What a rule says.
#[derive(Debug)]
pub(crate) struct Plan {
    pub name: String,
    pub format: Format,
    pub charset: Charset,
    pub retained: Retained,
    pub unknown: Unknown,
    what: What,
    /// The first that leads anywhere; none: the whole.
    each: Vec<Path>,
    captures: Vec<Capture>,
    conditions: Vec<Condition>,
    /// What has to be there, as it was written and as a path.
    required: Vec<(Box<str>, Path)>,
    device: Template,
    /// Of channels that have no fixed name.
    channel: Template,
    lookup: Option<Lookup>,
    clocks: Vec<Clock>,
    before_2000: Before2000,
    samples: Option<Sampling>,
    unit: Option<Template>,
    quality: Option<Quality>,
    sequence: Option<Path>,
    modulus: Option<u64>,
    boot_id: Option<Path>,
    message_id: Option<Path>,
    historical: Option<Path>,
    channels: Channels,
    /// It says nothing about values but their device and time.
    is_simple: bool,
    /// See [`Plan::straight`].
    is_straight: bool,
    /// Something but the channel's name differs from value to value of one element.
    relative: bool,
    /// What says something about values and is none itself.
    fields: Vec<Path>,
    /// The places of a JSON text that it looks at, if it looks at nothing else.
    pub selection: Option<Selection>,
}

/// What a message says.
#[derive(Debug)]
enum What {
    /// Nothing that matters.
    Ignore,
    /// Whether the device is there.
    Liveness(Liveness),
    /// Values in known places.
    Fields(Vec<Field>),
    /// Values wherever they are.
    Leaves(Leaves),
}

/// A value in a known place.
#[derive(Debug)]
struct Field {
    path: Path,
    /// Its name in `values`; `""` for `value`.
    name: Box<str>,
    /// The channel's name and the position of what is known of it, unless the name differs from
    /// message to message.
    channel: Option<(Box<str>, usize)>,
}

/// A regular expression over a text; its named groups are captures.
#[derive(Debug)]
struct Capture {
    from: Template,
    regex: Regex,
    /// The named groups, by their number in the regular expression.
    groups: Vec<usize>,
}

#[derive(Debug)]
struct Lookup {
    table: Table,
    key: Template,
    optional: bool,
}

impl Plan {
    /// Whether its messages are to be passed over.
    pub(crate) fn ignores(&self) -> bool {
        matches!(self.what, What::Ignore)
    }

    /// Whether it is about devices coming and going.
    pub(crate) fn is_liveness(&self) -> bool {
        matches!(self.what, What::Liveness(_))
    }
}
