//! Configuration: one TOML file in, one validated [`Config`] out, or every fault at its line.
//!
//! The way through: `tree` parses the text and knows where everything stands, `structure` holds it
//! against the JSON Schema of the raw shape in `raw`, and `check` turns the raw shape into the
//! validated one. Each adds to one report of `fault`s. Nothing outside this folder sees the raw
//! shape.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use eyot_decode::Mapping;
use eyot_pipeline::Span;
use eyot_pipeline::config::ClassConfig;
use eyot_pipeline::forward::{Hours, Policy};
use eyot_pipeline::retention::Quotas;
use globset::GlobSet;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

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
    /// `[journal]`
    pub journal: Journal,
    /// `[store]`
    pub store: Store,
    /// `[outbox]`
    pub outbox: Outbox,
    /// `[clock]`
    pub clock: Clock,
    /// `[[source]]`
    pub sources: Vec<Source>,
    /// `[[asset]]`
    pub assets: Vec<Asset>,
    /// `[[class]]`, in order: a device belongs to the first whose patterns match its name.
    pub classes: Vec<Class>,
    /// `[uplink]`; without it records stay in the outbox.
    pub uplink: Option<Uplink>,
    /// `[http]`; `None` when switched off.
    pub http: Option<Http>,
    /// SHA-256 of the text, in hexadecimal: which configuration this is.
    pub hash: String,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        let (name, text) = read(path)?;
        Self::parse(&text, &name, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads and checks no more of a file than what its messages mean: each source's name and mapping.
    ///
    /// # Errors
    /// Everything that is wrong with that part.
    pub fn mappings(path: &Path) -> Result<Vec<(String, Mapping)>, Faults> {
        let (name, text) = read(path)?;
        let base = path.parent().unwrap_or(Path::new(""));
        let mut report = Report::new(&text);
        let tree = Tree::parse(&text, &mut report);
        if !report.is_clean() {
            return Err(report.into_faults(&name));
        }
        let root = tree.root().key("source");
        structure::check_sources(&root, &schema(), &mut report);
        let mappings = match tree.deserialize() {
            Ok(raw) => check::mappings(raw, &root, base, &mut report),
            Err(error) => {
                if report.is_clean() {
                    report.at(error.span().unwrap_or_default(), "", error.message());
                }
                None
            }
        };
        mappings.ok_or_else(|| report.into_faults(&name))
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
            Ok(raw) => check::config(raw, &root, base, hash(text), &mut report),
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

/// SHA-256 of the text, in hexadecimal.
fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().fold(String::new(), |mut text, byte| {
        // A string takes whatever it is given.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A file's name and text.
fn read(path: &Path) -> Result<(String, String), Faults> {
    let name = path.display().to_string();
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => return Err(Faults::unreadable(name, format!("cannot read it: {error}"))),
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(error) => Err(Faults::not_utf8(&name, &error)),
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

/// The journal.
#[derive(Debug, Clone)]
pub struct Journal {
    /// What an acknowledged reading survives.
    pub durability: Durability,
    /// Bytes of all segments together.
    pub max_bytes: u64,
    /// Longest wait of a commit for company.
    pub max_wait: Duration,
}

/// What an acknowledged reading survives.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Nothing: there is no journal.
    Memory,
    /// The end of the process, at any instant.
    Process,
    /// The loss of power as well.
    Power,
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    /// How long a commit waits for company.
    pub commit_interval: Duration,
    /// Bytes of disk held back for when it is full; 0 for none.
    pub headroom: u64,
    /// Bytes that may be written in a day; `None`: as many as there are.
    pub max_written_per_day: Option<u64>,
    /// Bytes that the medium can take; `None`: nobody knows.
    pub flash_endurance: Option<u64>,
}

/// What waits for the uplink.
#[derive(Debug, Clone, Copy)]
pub struct Outbox {
    /// What it may hold, and what goes beyond that.
    pub quotas: Quotas,
    /// Summaries that have waited for longer than this are folded.
    pub fold_after: Span,
}

/// The gateway's own clock.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Whether the gateway has one that runs while it is off.
    pub rtc: bool,
    /// A file that is there once a time server was heard since its start.
    pub synchronised: PathBuf,
    /// How long records wait for it to be set, if their times are by it.
    pub hold_unsynced: Span,
}

/// How old data may be at each stage of its way; `None`: as old as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Freshness {
    /// The newest reading of a batch, once it is admitted.
    pub admit: Option<Span>,
    /// The oldest reading of a window, once that has a score.
    pub score: Option<Span>,
    /// The same, once the window's record is committed.
    pub commit: Option<Span>,
    /// The same, once the upstream has acknowledged the record.
    pub delivery: Option<Span>,
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
    /// With 3.1.1, how many the broker has under way by its own configuration.
    pub broker_in_flight: u16,
    /// Messages a second that are to be expected.
    pub rate: Option<f64>,
    /// Topic under which its broker says how many messages it has dropped.
    pub drops_topic: Option<String>,
    /// Whether its readings go through the journal.
    pub journaled: bool,
    /// What its messages mean.
    pub mapping: Mapping,
    /// Whether a Sparkplug node may be asked for its birth certificate.
    pub rebirth: bool,
    /// What it publishes again and again.
    pub publish: Vec<Publish>,
}

impl Source {
    /// Unacknowledged messages that the broker may have under way.
    pub fn window(&self) -> u16 {
        match self.broker.version {
            MqttVersion::V3 => self.broker_in_flight,
            MqttVersion::V5 => self.receive_maximum,
        }
    }

    /// Messages a second that the broker sends at most if every commit waits as long as it may; `None` if nothing
    /// waits.
    pub fn ceiling(&self, journal: &Journal) -> Option<f64> {
        let waits = self.journaled
            && journal.durability > Durability::Memory
            && !journal.max_wait.is_zero();
        waits.then(|| f64::from(self.window()) / journal.max_wait.as_secs_f64())
    }
}

/// Something to publish again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: String,
    /// How often.
    pub every: Duration,
}

/// Channels of several senders that describe one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its name: it is a device like any other.
    pub name: String,
    /// What belongs to it.
    pub members: Vec<Member>,
}

/// A channel of an asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who sends it.
    pub device: String,
    /// Under which name.
    pub channel: String,
    /// What it is called in the asset.
    pub name: String,
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

/// A class of devices.
#[derive(Debug, Clone)]
pub struct Class {
    /// Device names that belong to it.
    pub devices: GlobSet,
    /// The patterns as written.
    pub patterns: Vec<String>,
    /// How its devices are treated.
    pub pipeline: Arc<ClassConfig>,
    /// How old their data may be: what `[class.freshness]` says, and else `[freshness]`.
    pub freshness: Freshness,
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
    /// Messages under way at once.
    pub in_flight: u16,
    /// First and largest pause between attempts to connect.
    pub backoff: (Duration, Duration),
    /// What to send when.
    pub policy: Policy,
    /// When at all; `None`: at any time.
    pub schedule: Option<Schedule>,
    /// How often the status is published.
    pub heartbeat: Duration,
}

/// Hours of the day at which records are sent.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// Any of these,
    pub hours: Vec<Hours>,
    /// in this time zone.
    pub zone: TimeZone,
}

/// The local page, metrics and health.
#[derive(Debug, Clone)]
pub struct Http {
    /// Address; loopback unless `allow_remote` was set with it.
    pub listen: SocketAddr,
}
