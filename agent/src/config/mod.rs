//! Configuration: one TOML file in, one validated [`Config`] out, or every fault at its line.
//!
//! The way through: `tree` parses the text and knows where everything stands, `structure` holds it
//! against the JSON Schema of the raw shape in `raw`, and `check` turns the raw shape into the
//! validated one. Each adds to one report of `fault`s. Nothing outside this folder sees the raw
//! shape.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eyot_pipeline::config::ClassConfig;
use globset::GlobSet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod check;
mod default;
mod estimate;
mod fault;
mod raw;
mod structure;
#[cfg(test)]
mod tests;
mod text;
mod tree;

pub use estimate::Estimate;
pub use fault::{Fault, Faults, Place};
pub use structure::schema;
pub use text::{BrokerUrl, TextError};

use fault::Report;
use tree::Tree;

/// Everything the agent was told.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[agent]`
    pub agent: Agent,
    /// `[limits]`
    pub limits: Limits,
    /// `[store]`
    pub store: Store,
    /// `[[source]]`
    pub sources: Vec<Source>,
    /// `[[class]]`, in order: a device belongs to the first whose patterns match its name.
    pub classes: Vec<Class>,
    /// `[uplink]`; without it records stay in the outbox.
    pub uplink: Option<Uplink>,
    /// `[http]`; `None` when switched off.
    pub http: Option<Http>,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        let name = path.display().to_string();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => return Err(Faults::unreadable(name, format!("cannot read it: {error}"))),
        };
        let base = path.parent().unwrap_or(Path::new(""));
        match String::from_utf8(bytes) {
            Ok(text) => Self::parse(&text, &name, base),
            Err(error) => Err(Faults::not_utf8(&name, &error)),
        }
    }

    /// Checks a text. Relative paths in it start from `base`; `file_name` is for the faults.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str, file_name: &str, base: &Path) -> Result<Self, Faults> {
        let mut report = Report::new(text);
        let tree = Tree::parse(text, &mut report);
        if !report.is_clean() {
            // What is left after a syntax error has gaps that are nobody's fault.
            return Err(report.into_faults(file_name));
        }
        let root = tree.root();
        structure::check(&root, &schema(), &mut report);
        let config = match tree.deserialize() {
            Ok(raw) => check::config(raw, &root, base, &mut report),
            Err(error) => {
                if report.is_clean() {
                    report.at(error.span().unwrap_or_default(), "", error.message());
                }
                None
            }
        };
        config.ok_or_else(|| report.into_faults(file_name))
    }
}

/// The agent itself.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Name in topics and on the page.
    pub name: String,
    /// Folder of the database. Relative paths are relative to the config file.
    pub data_dir: PathBuf,
    /// Worker threads of the runtime; 1 is the cheapest and enough for tens of thousands of readings a second.
    pub workers: usize,
    /// How long an orderly stop may take.
    pub shutdown_timeout: Duration,
}

/// Bounds (invariant 6).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Devices known at once.
    pub devices: usize,
    /// Readings admitted and not yet settled, over all devices.
    pub readings_in_flight: usize,
    /// The same, for one device.
    pub readings_in_flight_per_device: usize,
    /// Restarts of one device within `restart_window` before it is quarantined.
    pub restarts: u32,
    /// See `restarts`.
    pub restart_window: Duration,
    /// Dead letters kept.
    pub dead_letters: usize,
    /// Bytes of a dead letter's payload kept.
    pub dead_letter_bytes: usize,
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    /// How long a commit waits for company.
    pub commit_interval: Duration,
    /// Records kept in the outbox, all lanes together; beyond it the oldest of the least urgent lane go, counted.
    pub max_records: u64,
}

/// A subscription to a broker.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name in the ledger, logs and metrics.
    pub name: String,
    /// Where.
    pub broker: Broker,
    /// Unacknowledged messages the broker may have under way (MQTT 5 Receive Maximum).
    pub receive_maximum: u16,
    /// Whether retained messages that the broker replays on subscribing are taken.
    pub retained: bool,
    /// How topics and payloads become readings; the first rule that matches wins.
    pub rules: Vec<Rule>,
}

/// How to reach an MQTT broker.
#[derive(Debug, Clone)]
pub struct Broker {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Protocol version.
    pub version: MqttVersion,
    /// Client identifier; stable, since the session hangs on it.
    pub client_id: String,
    /// Keep-alive interval.
    pub keep_alive: Duration,
    /// How long the broker is asked to keep the session while we are away.
    pub session_expiry: Duration,
    /// User name and password.
    pub credentials: Option<Credentials>,
    /// TLS, if the URL says `mqtts`.
    pub tls: Option<Tls>,
}

/// MQTT protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MqttVersion {
    /// 3.1.1
    #[serde(rename = "3.1.1")]
    V3,
    /// 5.0
    #[serde(rename = "5")]
    V5,
}

/// A user name and a password that came from a file.
#[derive(Clone)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password. Never printed.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:***", self.username)
    }
}

/// PEM material, read from files when the config is checked.
#[derive(Clone)]
pub struct Tls {
    /// Certificate authorities to trust.
    pub ca: Vec<u8>,
    /// Client certificate chain and key.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tls {{ client: {} }}", self.client.is_some())
    }
}

/// One mapping rule of a source.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Name, unique within the source.
    pub name: String,
    /// Topic template, like `plant/{site}/{device}/{channel}`.
    pub topic: TopicTemplate,
    /// Quality of service to subscribe with: 0 or 1.
    pub qos: u8,
    /// How to read the payload.
    pub decoder: DecoderConfig,
}

/// A parsed topic template: literal levels, `+` levels and `{name}` captures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicTemplate {
    /// As written.
    pub text: String,
    /// Level by level.
    pub levels: Vec<TopicLevel>,
}

/// One level of a topic template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicLevel {
    /// Must be equal.
    Literal(String),
    /// Anything, unused.
    Any,
    /// The device's name, or a part of it when several levels are captured as `{device}`.
    Device,
    /// The channel's name.
    Channel,
    /// Anything, under a name that means nothing to Eyot but documents the topic.
    Named(String),
}

/// How a payload becomes readings.
#[derive(Debug, Clone, PartialEq)]
pub enum DecoderConfig {
    /// The payload is one number; time is arrival.
    Value,
    /// A JSON object.
    Json(JsonConfig),
}

/// JSON by field mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonConfig {
    /// Field holding the event time; without it, time is arrival.
    pub time: Option<FieldPath>,
    /// Unit or form of the time field.
    pub time_format: TimeFormat,
    /// Field holding the device's name, when the topic does not.
    pub device: Option<FieldPath>,
    /// Field holding the channel's name, when neither the topic nor the mapping below does.
    pub channel: Option<FieldPath>,
    /// What is read.
    pub values: ValueMapping,
}

/// Which fields are readings.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueMapping {
    /// One reading, its value in this field.
    One(FieldPath),
    /// Several: channel name and field, each.
    Many(Vec<(String, FieldPath)>),
}

/// A path of object keys, outermost first. Written with dots: `params.temperature`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldPath(pub Vec<String>);

/// How a time field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// RFC 3339 text.
    Rfc3339,
    /// Seconds since the epoch, possibly with a fraction.
    UnixS,
    /// Milliseconds since the epoch.
    UnixMs,
    /// Microseconds since the epoch.
    UnixUs,
    /// Nanoseconds since the epoch.
    UnixNs,
}

/// A class of devices.
#[derive(Debug, Clone)]
pub struct Class {
    /// Device names that belong to it.
    pub devices: GlobSet,
    /// The patterns as written.
    pub patterns: Vec<String>,
    /// How its devices are treated.
    pub pipeline: Arc<ClassConfig>,
    /// Folder of its model.
    pub model: Option<PathBuf>,
}

/// Where records go.
#[derive(Debug, Clone)]
pub struct Uplink {
    /// Where.
    pub broker: Broker,
    /// Topic prefix; records go to `{prefix}/{agent}/{lane}/{device}`.
    pub topic_prefix: String,
    /// Publishes under way at once.
    pub in_flight: u16,
    /// First and largest pause between attempts to connect.
    pub backoff: (Duration, Duration),
}

/// The local page, metrics and health.
#[derive(Debug, Clone)]
pub struct Http {
    /// Address; loopback unless `allow_remote` was set with it.
    pub listen: SocketAddr,
}
