//! What ops shows: plain data behind one narrow trait.

use std::collections::BTreeMap;

use eyot_pipeline::device::TimeCounts;
use eyot_pipeline::effect::{DegradedReason, Verdict};
use eyot_pipeline::ledger::{Lane, LaneBook, SourceBook};
use eyot_pipeline::{Span, Timestamp};
use serde::Serialize;

use super::metrics::Stage;

/// What ops shows. Implemented by the agent; cheap, never blocks.
///
/// Each answer is a snapshot: a book is read at one instant, so that its equations hold.
pub trait View: Send + Sync + 'static {
    /// The agent as a whole.
    fn overview(&self) -> Overview;
    /// Every device known, in any order.
    fn devices(&self) -> Vec<DeviceView>;
}

/// The agent as a whole.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// Name of the agent.
    pub agent: String,
    /// Version of the program.
    pub version: &'static str,
    /// Gateway time at which it started.
    #[serde(serialize_with = "json::time")]
    pub started_at: Timestamp,
    /// Gateway time of this snapshot.
    #[serde(serialize_with = "json::time")]
    pub now: Timestamp,
    /// Starting, running or stopping.
    pub phase: Phase,
    /// In the order of the config.
    pub sources: Vec<SourceView>,
    /// `None` when the config has none.
    pub uplink: Option<Link>,
    /// Most urgent first.
    pub lanes: Vec<LaneView>,
    /// The journal; `None` when the config has none.
    pub journal: Option<JournalStatusView>,
    /// The database.
    pub store: StoreView,
    /// How much is written; `None` where the system does not say.
    pub wear: Option<WearView>,
    /// Times of which nobody knows what was lost.
    pub gaps: GapsView,
    /// The gateway's own clock.
    pub clock: ClockView,
    /// How old data was within the last minute, by class and stage.
    pub freshness: Vec<FreshnessView>,
    /// How many devices are in which state.
    pub devices: DeviceCounts,
    /// The bounds from the config that the numbers here are held against.
    pub limits: Limits,
    /// Whatever else is wrong, a sentence each: a model that failed its self-test, say. Every one of
    /// them makes the agent degraded.
    pub faults: Vec<String>,
}

/// The gateway's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClockView {
    /// Whether it is set, as far as anyone knows.
    pub set: bool,
    /// How often it was set since the agent started.
    pub steps: u64,
    /// Records that wait for it to be set.
    pub records_held: u64,
}

impl Overview {
    /// Readings admitted and not yet settled, over all sources.
    pub fn readings_in_flight(&self) -> u64 {
        let books = self.sources.iter().map(|source| &source.book);
        books.map(|book| book.readings_in_flight).sum()
    }

    /// Records waiting in the outbox, over all lanes.
    pub fn records_buffered(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.book.buffered).sum()
    }
}

/// How old data of a class was at a stage of its way, and may be.
#[derive(Debug, Clone, Serialize)]
pub struct FreshnessView {
    /// Of which class.
    pub class: String,
    /// At which stage.
    pub stage: Stage,
    /// The oldest within the last minute; `None` if nothing came by.
    #[serde(rename = "recent_max_seconds", serialize_with = "json::maybe_seconds")]
    pub recent_max: Option<Span>,
    /// Whose that was.
    pub device: Option<String>,
    /// What `[class.freshness]` or `[freshness]` allows.
    #[serde(rename = "limit_seconds", serialize_with = "json::maybe_seconds")]
    pub limit: Option<Span>,
}

/// Where the agent is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The store is not open, a model not loaded or a source not started yet.
    Starting,
    /// At work.
    Running,
    /// Asked to stop.
    Stopping,
}

impl Phase {
    /// The name used in JSON and on the page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
        }
    }
}

/// A connection to a broker.
#[derive(Debug, Clone, Serialize)]
pub struct Link {
    /// URL of the broker, without credentials.
    pub broker: String,
    /// Whether the session stands right now.
    pub connected: bool,
    /// Why it last failed; kept after it came back.
    pub last_error: Option<String>,
}

/// One source.
#[derive(Debug, Clone, Serialize)]
pub struct SourceView {
    /// Name in the ledger, logs and metrics.
    pub name: String,
    /// Its connection.
    pub link: Link,
    /// Its books.
    #[serde(flatten, serialize_with = "json::book")]
    pub book: SourceBook,
    /// What its broker has dropped, if it was asked.
    pub broker_dropped: Option<BrokerDroppedView>,
    /// Paths of fields that no rule maps, as they were met since the agent started.
    pub unmapped: Vec<Box<str>>,
}

/// Messages that a broker has dropped, for all of its clients.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct BrokerDroppedView {
    /// How many since it was first asked.
    pub total: u64,
    /// When that last rose since the agent started.
    #[serde(serialize_with = "json::maybe_time")]
    pub rose_at: Option<Timestamp>,
}

/// One lane of the outbox.
#[derive(Debug, Clone, Serialize)]
pub struct LaneView {
    /// Which.
    pub lane: Lane,
    /// Bytes that its records take up.
    pub bytes: u64,
    /// What `evicted` is made of, by reason.
    pub evictions: BTreeMap<String, u64>,
    /// Its books.
    #[serde(flatten)]
    pub book: LaneBook,
}

/// The database.
#[derive(Debug, Clone, Serialize)]
pub struct StoreView {
    /// What is wrong with it; `None` when nothing is.
    pub degraded: Option<String>,
    /// Size of its files.
    pub db_bytes: u64,
    /// Dead letters kept.
    pub dead_letters: u64,
    /// Dead letters that had to go, since there were too many.
    pub dead_letters_evicted: u64,
    /// Dead letters that were dropped by hand.
    pub dead_letters_dropped: u64,
    /// Dead letters that were published again.
    pub dead_letters_replayed: u64,
}

/// The journal since the agent started.
#[derive(Debug, Clone, Default, Serialize)]
pub struct JournalStatusView {
    /// Size of its segments.
    pub bytes: u64,
    /// What they may have.
    pub max_bytes: u64,
    /// Entries committed.
    pub entries: u64,
    /// Readings in them.
    pub readings: u64,
    /// Bytes written for them.
    pub written_bytes: u64,
    /// Commits that took them.
    pub commits: u64,
    /// Why it cannot commit at present; `None` while it can.
    pub failing: Option<String>,
    /// Whether there is no room for readings.
    pub full: bool,
}

/// What the process has written since it started, to the device below its files.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WearView {
    /// Bytes that went to storage.
    pub written_bytes: u64,
    /// Bytes handed to the system in all, sockets included.
    pub call_bytes: u64,
    /// Bytes a day at the rate of the last hours; `None` in the first minute.
    pub bytes_per_day: Option<u64>,
    /// Seconds that this rate was measured over.
    pub measured_s: u64,
    /// What may be written in a day; `None` without a budget.
    pub budget_per_day: Option<u64>,
    /// How many times as long as configured commits wait to keep to it.
    pub pace: f64,
    /// Whether not even the longest waits keep to it.
    pub beyond_budget: bool,
    /// Days until the medium has taken what it can, at this rate; `None` if either is unknown.
    pub lifetime_days: Option<f64>,
}

/// Times of which nobody knows what was lost: after a stop without warning, for sources that may lose something then.
#[derive(Debug, Clone, Default, Serialize)]
pub struct GapsView {
    /// How many there were, ever.
    pub count: u64,
    /// The last one.
    pub last: Option<GapView>,
}

/// A time of which nobody knows what a source lost.
#[derive(Debug, Clone, Serialize)]
pub struct GapView {
    /// Name of the source.
    pub source: String,
    /// When it began at the earliest.
    #[serde(serialize_with = "json::time")]
    pub since: Timestamp,
    /// When it ended.
    #[serde(serialize_with = "json::time")]
    pub until: Timestamp,
    /// How many messages were lost at most; `None` if nothing says.
    pub at_most: Option<u64>,
}

/// How many devices are in which state.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct DeviceCounts {
    /// At work.
    pub running: u64,
    /// Failed, about to run again.
    pub restarting: u64,
    /// Failed too often.
    pub quarantined: u64,
    /// Restarts of any device since the agent started.
    pub restarts: u64,
    /// Of all of them, those that have to catch up with the journal.
    pub behind: u64,
    /// What happened to the numbers and clocks of all their senders.
    pub time: TimeView,
}

impl DeviceCounts {
    /// Devices known.
    pub fn total(self) -> u64 {
        self.running + self.restarting + self.quarantined
    }
}

/// Bounds from the config.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Limits {
    /// Devices known at once.
    pub devices: u64,
    /// Readings admitted and not yet settled, over all devices.
    pub readings_in_flight: u64,
    /// Records in the outbox, all lanes together.
    pub records: u64,
    /// Dead letters kept.
    pub dead_letters: u64,
}

/// What happened to the numbers and clocks of senders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TimeView {
    /// Sequence numbers that were passed over.
    pub missed: u64,
    /// Those of them that came after all.
    pub filled: u64,
    /// Counters that were started again.
    pub restarts: u64,
    /// Senders that were started again, by their boot id or their clock.
    pub reboots: u64,
    /// Clocks that went around.
    pub wraps: u64,
    /// Readings from the future that were given the time of their arrival.
    pub restamped_future: u64,
    /// Readings from too long ago that were given it.
    pub restamped_past: u64,
}

impl TimeView {
    /// Numbers that have not come.
    pub fn missing(self) -> u64 {
        TimeCounts::from(self).missing()
    }

    /// Adds what happened elsewhere.
    pub fn add(&mut self, counts: TimeCounts) {
        self.missed += counts.missed;
        self.filled += counts.filled;
        self.restarts += counts.restarts;
        self.reboots += counts.reboots;
        self.wraps += counts.wraps;
        self.restamped_future += counts.restamped_future;
        self.restamped_past += counts.restamped_past;
    }

    /// Every count and its name.
    pub fn named(self) -> [(&'static str, u64); 7] {
        TimeCounts::from(self).named()
    }
}

impl From<TimeView> for TimeCounts {
    fn from(view: TimeView) -> Self {
        Self {
            missed: view.missed,
            filled: view.filled,
            restarts: view.restarts,
            reboots: view.reboots,
            wraps: view.wraps,
            restamped_future: view.restamped_future,
            restamped_past: view.restamped_past,
        }
    }
}

impl From<TimeCounts> for TimeView {
    fn from(counts: TimeCounts) -> Self {
        Self {
            missed: counts.missed,
            filled: counts.filled,
            restarts: counts.restarts,
            reboots: counts.reboots,
            wraps: counts.wraps,
            restamped_future: counts.restamped_future,
            restamped_past: counts.restamped_past,
        }
    }
}

/// One device.
#[derive(Debug, Clone, Serialize)]
pub struct DeviceView {
    /// Its name. It may come from a topic, so it may be any text at all.
    pub name: String,
    /// Name of its class.
    pub class: String,
    /// Whether its actor is at work.
    pub state: DeviceState,
    /// Event time of its newest reading.
    #[serde(serialize_with = "json::maybe_time")]
    pub last_event_time: Option<Timestamp>,
    /// Gateway time at which its newest reading arrived.
    #[serde(serialize_with = "json::maybe_time")]
    pub last_seen: Option<Timestamp>,
    /// How old its newest reading may be; `None` when the config states no limit.
    #[serde(
        rename = "freshness_limit_seconds",
        serialize_with = "json::maybe_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub freshness_limit: Option<Span>,
    /// What the agent thinks of it.
    #[serde(serialize_with = "json::verdict")]
    pub verdict: Verdict,
    /// Fused score of its last window; 1 and above is anomalous.
    pub last_score: Option<f64>,
    /// Why its model had no part in that score.
    #[serde(serialize_with = "json::degraded")]
    pub model_degraded: Option<DegradedReason>,
    /// Windows scored.
    pub windows: u64,
    /// Alerts raised.
    pub alerts: u64,
    /// Readings that took part in a window.
    pub processed: u64,
    /// Readings whose window was closed already.
    pub late: u64,
    /// Readings seen before.
    pub duplicate: u64,
    /// Readings rejected, whatever the reason.
    pub rejected: u64,
    /// What happened to the numbers and clocks of its senders, as of its last record.
    pub time: TimeView,
    /// Restarts of its actor since the agent started.
    pub restarts: u64,
    /// Whether it has to catch up with the journal.
    pub behind: bool,
    /// Whether it is there, as its last will or availability topic said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
}

/// Whether a device's actor is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// At work.
    Running,
    /// Failed, about to run again.
    Restarting,
    /// Failed too often: its readings are rejected until the agent is restarted.
    Quarantined,
}

impl DeviceState {
    /// The name used in metrics, JSON and on the page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Quarantined => "quarantined",
        }
    }
}

/// How the core's types look in JSON.
mod json {
    #![expect(
        clippy::ref_option,
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes fields by reference"
    )]

    use eyot_pipeline::effect::{DegradedReason, Verdict};
    use eyot_pipeline::ledger::SourceBook;
    use eyot_pipeline::{Span, Timestamp};
    use serde::{Serialize, Serializer};

    use crate::ops::equation::Equation;
    use crate::ops::format::Rfc3339;

    pub(super) fn time<S: Serializer>(time: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Rfc3339(*time))
    }

    pub(super) fn maybe_time<S: Serializer>(
        time: &Option<Timestamp>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| Rfc3339(time).to_string()).serialize(to)
    }

    pub(super) fn maybe_seconds<S: Serializer>(
        span: &Option<Span>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        span.map(Span::as_secs_f64).serialize(to)
    }

    pub(super) fn verdict<S: Serializer>(verdict: &Verdict, to: S) -> Result<S::Ok, S::Error> {
        verdict.name().serialize(to)
    }

    pub(super) fn degraded<S: Serializer>(
        reason: &Option<DegradedReason>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        reason.map(DegradedReason::name).serialize(to)
    }

    pub(super) fn book<S: Serializer>(book: &SourceBook, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Book {
            messages: Equation,
            readings: Equation,
            unmapped_fields: u64,
        }
        let book = Book {
            messages: Equation::messages(book),
            readings: Equation::readings(book),
            unmapped_fields: book.unmapped_fields,
        };
        book.serialize(to)
    }
}
