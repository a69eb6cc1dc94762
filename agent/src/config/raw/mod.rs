//! The configuration as written: the shape of the TOML file, for serde and for the JSON Schema.
//!
//! The comments here are the schema's descriptions, so they speak to whoever writes the file.
//! Unknown keys are forbidden in the schema, and [`super::structure`] reports them; serde itself
//! passes over them, so that one misspelt key does not hide what else is wrong with the file.

use eyot_pipeline::retention;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Durability, default};

mod class;
mod source;
mod uplink;

pub(super) use class::{
    Align, Calibration, Channel, Class, Detectors, Kind, Late, OnChange, Report, Skewed, Unlisted,
    Virtual, Window, WindowKind,
};
pub(super) use source::Source;
pub(super) use uplink::Uplink;

/// Configuration of Eyot: what to listen to, how to judge it and where to send the results.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields, title = "Eyot")]
pub(super) struct Config {
    /// The agent itself.
    pub agent: Agent,
    /// Bounds on everything that could grow.
    #[serde(default = "default::table::<Limits>")]
    pub limits: Limits,
    /// The journal, which has readings before they are acknowledged.
    #[serde(default = "default::table::<Journal>")]
    pub journal: Journal,
    /// The database.
    #[serde(default = "default::table::<Store>")]
    pub store: Store,
    /// What waits for the uplink, and what becomes of it when that takes too long.
    #[serde(default = "default::table::<Outbox>")]
    pub outbox: Outbox,
    /// The gateway's own clock.
    #[serde(default = "default::table::<Clock>")]
    pub clock: Clock,
    /// How old data may be.
    #[serde(default = "default::table::<Freshness>")]
    pub freshness: Freshness,
    /// Where readings come from; at least one.
    #[serde(default)]
    pub source: Vec<Source>,
    /// Machines whose channels come from several senders.
    #[serde(default)]
    pub asset: Vec<Asset>,
    /// Classes of devices. A device belongs to the first whose patterns match its name. Default: one
    /// class, `any`, of all devices and whatever channels they have.
    #[serde(default)]
    pub class: Vec<Class>,
    /// The broker to send records to. Without it records stay in the database.
    pub uplink: Option<Uplink>,
    /// The local page, metrics and health.
    #[serde(default = "default::table::<Http>")]
    pub http: Http,
}

/// Channels of several senders that join into one device, for features, models and alerts. Order, clock
/// and watermark stay those of each channel.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Asset {
    /// Name of the device that they become.
    pub name: String,
    /// Its channels.
    pub channels: Vec<Member>,
}

/// A channel of an asset.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Member {
    /// Device that sends it.
    pub device: String,
    /// Its channel there.
    pub channel: String,
    /// What it is called in the asset. Default: as there.
    #[serde(rename = "as")]
    pub name: Option<String>,
}

/// The part of the file that says what messages mean.
#[derive(Debug, Deserialize)]
pub(super) struct Sources {
    #[serde(default)]
    pub source: Vec<Source>,
}

/// A length of time: a whole number and one of the units ms, s, m, h and d.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(example = "10s", extend("pattern" = "^[0-9]+(ms|s|m|h|d)$"))]
pub(super) struct Period(pub String);

impl From<&str> for Period {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// A number of bytes: a whole number and one of the units B, KiB, MiB, GiB and TiB.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(example = "64MiB", extend("pattern" = "^[0-9]+(B|KiB|MiB|GiB|TiB)$"))]
pub(super) struct Size(pub String);

impl From<&str> for Size {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The gateway's own clock: readings without a time of their own are stamped by it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Clock {
    /// Whether the gateway has a clock that runs while it is off. Without one its time is not believed before a time
    /// server was heard.
    #[serde(default = "default::on")]
    pub rtc: bool,
    /// File that is there once a time server was heard since the gateway was started.
    #[serde(default = "default::synchronised")]
    pub synchronised: String,
    /// How long records wait for the clock to be set, if their times are by it; alerts do not wait.
    #[serde(default = "default::hold_unsynced")]
    pub hold_unsynced: Period,
}

/// How old data may be at each stage of its way, by event time. Beyond it the agent is not healthy.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Freshness {
    /// The newest reading of a batch, once it is admitted.
    pub admit: Option<Period>,
    /// The oldest reading of a window, once that has a score.
    pub score: Option<Period>,
    /// The same, once the window's record is committed.
    pub commit: Option<Period>,
    /// The same, once the upstream has acknowledged the record.
    pub delivery: Option<Period>,
}

/// The agent itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Agent {
    /// Name in topics and on the page. Default: the host name, or `eyot` if there is none.
    pub name: Option<String>,
    /// Folder of the database; made if it is missing. Relative to the configuration file.
    pub data_dir: String,
    /// Worker threads of the runtime. One is the cheapest, and enough for tens of thousands of
    /// readings a second.
    #[serde(default = "default::workers")]
    #[schemars(range(min = 1, max = 1024))]
    pub workers: usize,
    /// How long an orderly stop may take.
    #[serde(default = "default::shutdown_timeout")]
    pub shutdown_timeout: Period,
}

/// Bounds on everything that could grow.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Limits {
    /// Devices known at once.
    #[serde(default = "default::devices")]
    #[schemars(range(min = 1))]
    pub devices: usize,
    /// Readings admitted and not yet settled, over all devices.
    #[serde(default = "default::readings_in_flight")]
    #[schemars(range(min = 1))]
    pub readings_in_flight: usize,
    /// The same for one device; at most `readings_in_flight`.
    #[serde(default = "default::readings_in_flight_per_device")]
    #[schemars(range(min = 1))]
    pub readings_in_flight_per_device: usize,
    /// Restarts of one device within `restart_window` before it is quarantined.
    #[serde(default = "default::restarts")]
    #[schemars(range(min = 1))]
    pub restarts: u32,
    /// See `restarts`.
    #[serde(default = "default::restart_window")]
    pub restart_window: Period,
    /// Dead letters kept.
    #[serde(default = "default::dead_letters")]
    #[schemars(range(min = 1))]
    pub dead_letters: usize,
    /// Bytes kept of a dead letter's payload.
    #[serde(default = "default::dead_letter_bytes")]
    #[schemars(range(min = 1))]
    pub dead_letter_bytes: usize,
}

/// The journal: what sources bring is written there, then acknowledged, then handed to the devices.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Journal {
    /// What an acknowledged reading survives: nothing (`memory`: there is no journal), the end of the process
    /// (`process`) or the loss of power as well (`power`: every commit is synced).
    #[serde(default = "default::durability")]
    pub durability: Durability,
    /// Room on the disk. Beyond it readings are dropped, counted.
    #[serde(default = "default::journal_max_bytes")]
    pub max_bytes: Size,
    /// How long a commit waits for company at most. It waits only where syncing takes long itself.
    #[serde(default = "default::journal_max_wait")]
    pub max_wait: Period,
}

/// The database.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Store {
    /// How long a commit waits for company; `0s` commits at once.
    #[serde(default = "default::commit_interval")]
    pub commit_interval: Period,
    /// Room on the disk that is held back, so that a full disk still lets records leave; `0B` for none:
    /// then everything waits until there is room.
    #[serde(default = "default::headroom")]
    pub headroom: Size,
    /// Bytes that the agent may write to storage in a day. When it would be more, commits wait longer, up to a minute;
    /// those with an alert do not. Default: no limit.
    pub max_written_per_day: Option<Size>,
    /// Bytes that the medium can take before it is worn out, for an estimate of how long it lasts. Default: not known.
    pub flash_endurance: Option<Size>,
}

/// What waits for the uplink, and what becomes of it when that takes too long. Each record that is given
/// up is counted, and told to the upstream in a loss record.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Outbox {
    /// Records kept.
    #[serde(default = "default::max_records")]
    #[schemars(range(min = 1))]
    pub max_records: u64,
    /// Bytes that they may take up.
    #[serde(default = "default::max_bytes")]
    pub max_bytes: Size,
    /// How long a record waits at most, from its commit. Default: for ever.
    pub max_age: Option<Period>,
    /// What happens when the outbox is full. `downsample` merges older summaries of a device into coarser
    /// ones, and gives up the oldest only where that is not enough; `drop_oldest` and `drop_newest` give
    /// records up. Alerts always go last.
    #[serde(default = "default::when_full")]
    pub when_full: WhenFull,
    /// Summaries that have waited for longer than this are folded: a twentieth of the size, numbers in
    /// single precision and times to the millisecond.
    #[serde(default = "default::fold_after")]
    pub fold_after: Period,
}

/// What goes when the outbox is full.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum WhenFull {
    Downsample,
    DropOldest,
    DropNewest,
}

impl From<WhenFull> for retention::WhenFull {
    fn from(when_full: WhenFull) -> Self {
        match when_full {
            WhenFull::Downsample => Self::Downsample,
            WhenFull::DropOldest => Self::DropOldest,
            WhenFull::DropNewest => Self::DropNewest,
        }
    }
}

/// The local page, metrics and health.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Http {
    /// Whether it is served at all.
    #[serde(default = "default::on")]
    pub enabled: bool,
    /// Address and port to listen on.
    #[serde(default = "default::listen")]
    pub listen: String,
    /// Whether `listen` may be reachable from other machines. The page has no login.
    #[serde(default)]
    pub allow_remote: bool,
}
