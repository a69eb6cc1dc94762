//! `eyot replay`: a recording or the journal once more, over a broker or straight into the pipeline.

pub(super) mod direct;
mod dump;
pub(super) mod journal;
mod table;

use std::path::{Path, PathBuf};

use anyhow::ensure;
use eyot_pipeline::Timestamp;
use tokio_util::sync::CancellationToken;

use self::dump::Dump;
use crate::sim::pace::{Due, Speed};
use crate::sim::payload::Topic;
use crate::sim::{Message, Publish};

/// What was recorded: a CSV table as the readings of one device, or MQTT messages.
#[derive(Debug, Clone, clap::Args)]
pub struct RecordingArgs {
    /// The recording: CSV with a header, or with --dump JSON lines
    #[arg(required_unless_present = "journal")]
    pub file: Option<PathBuf>,
    /// The recording is a sequence of messages: JSON lines {`topic`, `payload` or `payload_hex`, `retain`, `at`},
    /// `at` in RFC 3339 or in seconds since 1970
    #[arg(long, conflicts_with_all = ["device", "time", "values", "exclude", "delimiter", "columns", "topic"])]
    pub dump: bool,
    /// Name of the device
    #[arg(long, value_name = "NAME", required_unless_present_any = ["dump", "journal"])]
    pub device: Option<String>,
    /// Column of the event time [default: the first]
    #[arg(long, value_name = "COL")]
    pub time: Option<String>,
    /// Columns to publish [default: all but the time]
    #[arg(
        long,
        value_name = "COL,COL",
        value_delimiter = ',',
        conflicts_with = "exclude"
    )]
    pub values: Vec<String>,
    /// Columns not to publish
    #[arg(long, value_name = "COL,COL", value_delimiter = ',')]
    pub exclude: Vec<String>,
    /// Between two cells [default: ,]
    #[arg(long, value_name = "CHAR")]
    pub delimiter: Option<char>,
    /// TOML file with `time`, `delimiter` and a table `columns` of column = "channel"
    #[arg(long, value_name = "FILE", conflicts_with_all = ["values", "exclude"])]
    pub columns: Option<PathBuf>,
    /// Topic, with {device}
    #[arg(long, value_name = "TOPIC", default_value = "skab/{device}")]
    pub topic: Topic,
}

/// Play what was recorded: over a broker, or straight to records.
///
/// A table is published with its times moved to now. The distances between rows stay as recorded. The first
/// row is moved to now − length · (1 − 1/speed): the recording then ends at the wall clock's time and never runs
/// ahead of it. The offset is in the summary.
///
/// The messages of a dump (`--dump`) are published to their own topics with the distances between their times of
/// arrival. Payloads stay as they are: times inside them are those of the recording. Nothing is published
/// retained. A message without a time follows the one before it at once.
///
/// With `--direct` nothing is published. The messages go through the rules of a configuration and its devices
/// within this process, as fast as they can, and the records come out as JSON lines. It is then always the time of
/// the message at hand, so the same recording gives the same records, byte for byte.
///
/// With `--journal` the readings are those that the agent's journal still has, seen anew under the configuration given: other
/// windows, features, limits or models. The journal is only read, also beside a running agent. Summaries come as revisions
/// above all that the agent has made of the same windows.
#[derive(Debug, Clone, clap::Args)]
pub struct ReplayArgs {
    /// What was recorded.
    #[command(flatten)]
    pub recording: RecordingArgs,
    /// Broker to publish to
    #[arg(long, value_name = "URL", default_value = "mqtt://127.0.0.1:1883")]
    pub broker: String,
    /// Publish nothing: decode, window and score here, and print the records
    #[arg(long, requires = "config", conflicts_with_all = ["broker", "speed", "qos"])]
    pub direct: bool,
    /// Publish nothing: window and score here what the journal has, and print the records
    #[arg(long, requires = "config", conflicts_with_all = ["file", "direct", "dump", "device", "broker", "speed", "qos"])]
    pub journal: bool,
    /// Which part of the journal.
    #[command(flatten)]
    pub span: journal::SpanArgs,
    /// Configuration with the rules, classes and models to use
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Which source of the configuration; needed if there are several
    #[arg(long, value_name = "NAME", requires = "direct")]
    pub source: Option<String>,
    /// File for the records [default: standard output]
    #[arg(long, value_name = "FILE", requires = "config")]
    pub out: Option<PathBuf>,
    /// Recorded seconds a second, or max
    #[arg(long, value_name = "N", default_value = "1")]
    pub speed: Speed,
    /// Quality of service
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub qos: u8,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

impl RecordingArgs {
    /// The messages in the order of their arrival.
    ///
    /// # Errors
    /// When there are none, or nothing says when they arrived.
    pub(super) fn messages(&self) -> anyhow::Result<Vec<Arrived>> {
        if !self.dump {
            return table::messages(self);
        }
        let Dump { messages, timed } = Dump::read(self.file())?;
        ensure!(
            timed > 0,
            "no message of {} says when it arrived, and that is what the time is; add `at` to the lines",
            self.file().display()
        );
        Ok(messages)
    }

    /// The recording's file.
    fn file(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(""))
    }
}

/// A message of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrived {
    /// When it arrived, in recorded time; never before the message before it.
    pub(super) at: Timestamp,
    pub(super) message: Message,
    /// Whether it was one that the broker replayed.
    pub(super) retained: bool,
}

impl Due for Arrived {
    fn due(&self) -> Timestamp {
        self.at
    }
}

/// Runs `eyot replay` to the end of the file or, when it publishes, until `stop` is cancelled; `connect` is
/// called with the broker's URL once the file has been read.
pub async fn run<P: Publish>(
    args: &ReplayArgs,
    connect: impl AsyncFnOnce(&str) -> anyhow::Result<P>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    if args.journal {
        return journal::run(args);
    }
    match (args.direct, args.recording.dump) {
        (true, _) => direct::run(args),
        (false, true) => dump::publish(args, connect, stop).await,
        (false, false) => table::publish(args, connect, stop).await,
    }
}
