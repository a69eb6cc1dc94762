//! The mapping as it is written in a configuration file.
//!
//! The comments here are the JSON Schema's descriptions, so they speak to whoever writes the file.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

/// How some messages become readings. The first rule whose topic matches takes a message.
///
/// *Paths* are keys joined by dots, `params.temperature`; a key that holds a dot, a space or a bracket
/// is quoted, `"PM2.5".value`; `[0]` and `[-1]` are elements of an array. `.` is the element itself, and
/// `$` begins at the root. Any other path is looked up in the element that `each` has arrived at and,
/// if it is not there, in what is around it.
///
/// *Templates* are text with `{names}`: captures of the topic, of `each` and of `capture`, or paths into
/// the payload. `{a|b}` is the first of them that is there and not empty, `{a|'text'}` the text if there is
/// none, and `{a|''}` then nothing; `{a?'text'}` is the text if `a` is there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Rule {
    /// Name, unique within the source.
    pub name: String,
    /// Topics it takes: levels, `+`, a last `#`, and captures: `{device}` is one level, `{channel...}` one
    /// or more, `{id:[0-9]+}` a part of a level or a whole one by regular expression. Not on a serial line.
    pub topic: Option<String>,
    /// Quality of service to subscribe with: 0 or 1. Default: 1.
    pub qos: Option<u8>,
    /// Payload format. Default: `json`.
    #[serde(default)]
    pub decoder: Format,
    /// Encoding of text that is not UTF-8. Default: `utf8`.
    #[serde(default)]
    pub charset: Charset,
    /// Options of formats that are separated by characters.
    pub separated: Option<Separated>,
    /// Keys of texts that are JSON of their own, and keys to read what is in them under:
    /// `{ objectJSON = "object" }`.
    #[serde(default)]
    pub embedded: IndexMap<String, String>,
    /// Take the topic's messages and do nothing with them.
    #[serde(default)]
    pub ignore: bool,
    /// Path with `*` (every element or entry) and `{name}` (the same, and its key or index is captured):
    /// everything below is done for each of what it leads to. In brackets, `[*]` and `[{name}]`, it is
    /// elements of an array only. Of several paths the first that leads anywhere counts. Default: once,
    /// for the whole.
    pub each: Option<OneOrMany<String>>,
    /// Conditions; what does not meet all of them is passed over.
    #[serde(default, rename = "where")]
    pub conditions: Vec<Condition>,
    /// Paths that have to be there (and not `null`) in what passes `where`; the message is a dead letter if
    /// one is not.
    #[serde(default)]
    pub required: Vec<String>,
    /// Further captures, from parts of texts.
    #[serde(default)]
    pub capture: Vec<Capture>,
    /// Template of the device's name. Default: `{device}`.
    pub device: Option<String>,
    /// Template of the channel's name. Default: `{channel}` with `value`, otherwise `{path}`: a leaf's path,
    /// or the name in `values`.
    pub channel: Option<String>,
    /// Names, units and scales from a table.
    pub lookup: Option<Lookup>,
    /// Where the event time is; the first of several that is there. Default: time is arrival.
    pub time: Option<OneOrMany<TimeAt>>,
    /// How times are written, where they don't say themselves. Default: `iso8601`, and `unix` for numbers.
    pub time_format: Option<String>,
    /// IANA zone of times that name none. Default: UTC.
    pub time_zone: Option<String>,
    /// What a time before 2000 means. Default: `restamp`.
    #[serde(default)]
    pub before_2000: Before2000,
    /// Path of the value, when there is one reading. One of `value`, `values` and `leaves`.
    pub value: Option<String>,
    /// Channel name and path of each value.
    #[serde(default)]
    pub values: IndexMap<String, String>,
    /// Every number and truth value is a reading; further text where `channels` says how to read it.
    pub leaves: Option<Leaves>,
    /// The elements of `each` or of the value's array are samples at equal distances in time.
    pub samples: Option<Samples>,
    /// Template of the unit that values come in, like `{TempUnit}`.
    pub unit: Option<String>,
    /// Field that says whether the value is good.
    pub quality: Option<Quality>,
    /// The sender's sequence number.
    pub sequence: Option<Sequence>,
    /// Path of what is another one after each start of the sender, and the same in between: a number or a text.
    pub boot_id: Option<String>,
    /// Path of an identity that is the same in every copy of a message.
    pub message_id: Option<String>,
    /// Path of a truth value: the sender says that it is not live but from its own buffer.
    pub historical: Option<String>,
    /// The message says whether the device is there, and no values.
    pub liveness: Option<Liveness>,
    /// What to do with fields that nothing maps. Default: `ignore`.
    #[serde(default)]
    pub unknown: Unknown,
    /// What to do with messages that the broker replays. Default: `own_time`.
    pub retained: Option<Retained>,
    /// What is known of channels, by their name or a pattern with `*`; the first that matches counts.
    #[serde(default)]
    pub channels: IndexMap<String, Channel>,
}

/// One, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    // In front, since a list could also pass for the fields of a table in their order.
    /// Several.
    Many(Vec<T>),
    /// One.
    One(T),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Payload format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON.
    #[default]
    Json,
    /// One bare value: a number or a word. Its path is `.`.
    Value,
    /// JSON if it begins as an object, an array or a text in quotes; one bare value otherwise.
    JsonOrValue,
    /// SenML (RFC 8428) in JSON, resolved: an array of `{n, u, v | vb | vs | vd, s, t}`.
    SenmlJson,
    /// The same in CBOR.
    SenmlCbor,
    /// InfluxDB line protocol: an array of `{measurement, tags, fields, time}`, time in nanoseconds.
    Influx,
    /// Sparkplug B: `{timestamp, seq, metrics: [{name, value, type, unit, timestamp, historical}]}`.
    Sparkplug,
    /// Separated columns: an array of rows, by the names of the header or by `c1`, `c2`, …
    Csv,
    /// `key=value` pairs: one object.
    KeyValue,
    /// NMEA 0183: an array of sentences `{talker, type, …}` with latitude and longitude in degrees.
    Nmea,
    /// P1 telegram of a smart meter: an object by OBIS code.
    Dsmr,
    /// VE.Direct text block: one object.
    VeDirect,
    /// SDI-12 response: `{address, values}`.
    Sdi12,
}

/// Encoding of text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Charset {
    /// UTF-8.
    #[default]
    Utf8,
    /// Latin-1; bytes that are UTF-8 already stay so.
    Latin1,
}

/// Options of `csv` and `key_value`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Separated {
    /// Between two columns or pairs. Default: `,` in `csv`; comma, semicolon or white space in `key_value`.
    pub separator: Option<String>,
    /// Between key and value. Default: `=`, or else `:`.
    pub assign: Option<String>,
    /// Names of the columns. Default: from the header, which is a row without any number.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The decimal sign is a comma.
    #[serde(default)]
    pub decimal_comma: bool,
    /// Lines that begin with this are passed over.
    pub comment: Option<String>,
}

/// A condition on a field.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Condition {
    /// Template of what is looked at; `{path}` within braces as everywhere.
    pub of: String,
    /// It is one of these.
    #[serde(default)]
    pub is: Vec<Literal>,
    /// It is none of these.
    #[serde(default)]
    pub is_not: Vec<Literal>,
    /// It matches this regular expression.
    pub matches: Option<String>,
}

/// A value to compare with.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Literal {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
}

/// Captures from parts of a text.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Capture {
    /// Template of the text.
    pub from: String,
    /// Regular expression with named groups, `(?<device>[^.]+)`. What it does not match is passed over.
    pub regex: String,
}

/// Names, units and scales from a CSV file with the columns `id` and, as needed, `device`, `channel`,
/// `unit` and `scale`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Lookup {
    /// The file; relative to the configuration's folder.
    pub file: String,
    /// Template of the `id` to look up.
    pub key: String,
    /// What is not in the table is a reading under its own names, and not passed over.
    #[serde(default)]
    pub optional: bool,
}

/// Where an event time is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TimeAt {
    /// A path.
    Path(String),
    /// In detail.
    Detail(TimeDetail),
}

/// Where an event time is, in detail.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TimeDetail {
    /// Path of the time. In it, `@` stands for the path of the value itself: `metadata.@.timestamp`.
    pub path: Option<String>,
    /// Template of the time, if it is a capture or split over several fields: `{date} {clock}`.
    pub text: Option<String>,
    /// `iso8601`, `unix_s`, `unix_ms`, `unix_us`, `unix_ns`, `unix` (s, ms, µs or ns by its size), `uptime_s`,
    /// `uptime_ms`, `uptime_us` or `uptime_ns` (the sender's own clock), `dsmr` (`YYMMDDhhmmssX` of a smart
    /// meter; zone by default Europe/Amsterdam), or a pattern like `%d/%m/%Y %H:%M:%S`.
    pub format: Option<String>,
    /// IANA zone, if the time names none; also of `unix_…` that counts local time.
    pub zone: Option<String>,
    /// The number counts seconds of local time since 1970, not of UTC.
    #[serde(default)]
    pub local_epoch: bool,
    /// Path of a number that is added to the time, where there is one: an element's distance from the
    /// beginning of its packet.
    pub add: Option<String>,
    /// Unit of that number, like `ms`. Default: `s`.
    pub add_unit: Option<String>,
}

/// What a time before 2000 means: a clock that was never set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Before2000 {
    /// The reading gets the time of its arrival.
    #[default]
    Restamp,
    /// The reading is rejected.
    Reject,
}

/// Every number and truth value below the element is a reading; its channel is its path.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Leaves {
    /// Path to begin at, and what channel names begin after. Default: the element.
    pub below: Option<String>,
    /// Patterns of channel names to take; none: all.
    #[serde(default)]
    pub include: Vec<String>,
    /// Patterns of channel names to leave out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// New names by old ones or patterns; `*` in the new name is what the first `*` of the old one stood for.
    #[serde(default)]
    pub rename: IndexMap<String, String>,
    /// Between the keys of a path. Default: `.`, and keys that hold one are quoted.
    pub join: Option<String>,
    /// Which text is a reading too. Default: `channels`.
    #[serde(default)]
    pub text: LeafText,
}

/// Which text among leaves is a reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeafText {
    /// That of channels which say how to read it.
    #[default]
    Channels,
    /// The same, and whatever else reads as a number (or as `nan`) or as a word of its channel's table; other text is
    /// passed over.
    Readable,
}

/// Samples at equal distances in time.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Samples {
    /// Time between two, like `10ms` or `2500us`. One of `interval`, `rate`, `interval_from`, `rate_from`.
    pub interval: Option<String>,
    /// Samples a second.
    pub rate: Option<f64>,
    /// Path of the time between two.
    pub interval_from: Option<String>,
    /// Unit of what `interval_from` leads to, like `ms`. Default: `s`.
    pub interval_unit: Option<String>,
    /// Path of the samples a second.
    pub rate_from: Option<String>,
    /// Which sample the time belongs to. Default: `last`.
    #[serde(default)]
    pub time_of: TimeOf,
}

/// Which sample a time belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeOf {
    /// The first.
    First,
    /// The last.
    #[default]
    Last,
}

/// A field that says whether a value is good.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Quality {
    /// Path of the field; the first of several that is there.
    pub path: OneOrMany<String>,
    /// What it says when the value is good. Without it, and with `bad` empty: `true`, `GOOD`, `good`, `A`,
    /// and OPC codes from 192 to 219, or 0 for OPC UA.
    #[serde(default)]
    pub good: Vec<Literal>,
    /// What it says when the value is not good.
    #[serde(default)]
    pub bad: Vec<Literal>,
}

/// The sender's sequence number.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Sequence {
    /// Path of the number.
    pub path: String,
    /// It starts again at 0 after this many.
    pub modulus: Option<u64>,
}

/// The message says whether the device is there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Liveness {
    /// Path of what it says; a payload that is one bare value is what it says by itself. Default: the whole
    /// payload.
    pub path: Option<String>,
    /// What it says when the device is there; without case.
    #[serde(default)]
    pub online: Vec<Literal>,
    /// What it says when the device is gone; without case.
    #[serde(default)]
    pub offline: Vec<Literal>,
    /// What every message means, whatever it says (a death certificate has nothing to say).
    pub always: Option<bool>,
}

/// What to do with fields that nothing maps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// Count them, and list each path once.
    #[default]
    Ignore,
    /// The same, and make numbers and truth values readings under their path.
    Record,
    /// The message becomes a dead letter; its readings count all the same.
    DeadLetter,
}

/// What to do with messages that the broker replays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retained {
    /// Take them as if they were new.
    Accept,
    /// Take those that carry their own time.
    #[default]
    OwnTime,
    /// Take them as the last known value, which no window counts.
    LastValue,
    /// Pass them over.
    Skip,
}

/// What is known of a channel.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Channel {
    /// Unit that its values end up in; converted where they come in another one.
    pub unit: Option<String>,
    /// Unit that its values come in, unless the payload says; also a template, `°{TempUnit}`.
    pub from: Option<String>,
    /// Factor, before `offset` and before units are converted.
    pub scale: Option<f64>,
    /// What is added after `scale`.
    pub offset: Option<f64>,
    /// What kind of quantity it is.
    pub kind: Option<Kind>,
    /// Words and what they stand for.
    #[serde(default)]
    pub table: IndexMap<String, Literal>,
    /// The words of `table` are compared without case.
    #[serde(default)]
    pub any_case: bool,
    /// Values that mean that there is none, like 85 or `--`.
    #[serde(default)]
    pub missing: Vec<Literal>,
    /// How the number is written. Default: `number`.
    #[serde(default)]
    pub format: Number,
    /// How the sender reports it.
    pub report: Option<Report>,
    /// Pass it over.
    #[serde(default)]
    pub ignore: bool,
}

/// How a number is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Number {
    /// As a number; in a text strictly, but for a unit behind it (`21.5 °C`).
    #[default]
    Number,
    /// Text in base 16, with or without `0x`.
    Hex,
    /// With a comma as decimal sign and dots between thousands.
    DecimalComma,
    /// Two 16-bit words that are one single-precision number, the high word first.
    F32Words,
    /// The same, the low word first.
    F32WordsSwapped,
    /// Two 16-bit words that are one whole number, the high word first.
    U32Words,
    /// The same, the low word first.
    U32WordsSwapped,
    /// A 16-bit word that is a signed number.
    I16Word,
}

/// What kind of quantity a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only grows, but for resets.
    Counter,
    /// One of a few.
    State,
    /// Degrees, where 360 is 0.
    Angle,
}

/// How a sender reports a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Again and again: silence means that something is wrong.
    Periodic,
    /// When it changes: silence means nothing.
    OnChange,
}
