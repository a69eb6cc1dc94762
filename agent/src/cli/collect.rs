//! `eyot collect`: what agents send up, each record once.
#![expect(clippy::print_stderr, reason = "a command speaks to its terminal")]

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use eyot_pipeline::Span;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::login::Login;
use super::report;
use crate::collect::{
    Database, Latest, Listen, ParquetFolder, Progress, Report, Rotation, Sink, listen,
};
use crate::config::{Broker, MqttVersion};
use crate::sim::parse_span;

/// How long the broker is asked to keep what comes while we are away.
const SESSION: Duration = Duration::from_hours(7 * 24);
/// How often progress is told: on a terminal, where it is one line, and elsewhere.
const TOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Collect what agents send up into SQLite or Parquet, each record once.
///
/// Records are recognised by their id, so what comes again is counted and not kept again, and gaps in the
/// numbers of a device show. A message is acknowledged to the broker once it is on the disk: what a crash or a
/// full disk keeps from it comes again. The broker keeps the session for a week while nobody collects.
#[derive(Debug, clap::Args)]
pub struct CollectArgs {
    /// Broker to collect from: <mqtt://host[:port]> or <mqtts://host[:port]>
    #[arg(long, value_name = "URL", required_unless_present = "report")]
    broker: Option<String>,
    /// Database to collect into; made if it is not there
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "parquet",
        conflicts_with = "parquet"
    )]
    sqlite: Option<PathBuf>,
    /// Folder to collect into, as Parquet files; made if it is not there
    #[arg(long, value_name = "DIR")]
    parquet: Option<PathBuf>,
    /// What agents begin their topics with
    #[arg(long, value_name = "TOPIC", default_value = "eyot")]
    topic_prefix: String,
    /// Collect from these agents only, by their names [default: all]
    #[arg(long, value_name = "NAME", num_args = 1..)]
    agent: Vec<String>,
    /// Keep a table `latest` too: the latest record of every agent, device and schema
    #[arg(long, conflicts_with = "parquet")]
    latest: bool,
    /// A Parquet file is complete with so many records
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    rotate_records: u32,
    /// Or so long after its first one
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_span)]
    rotate_after: Span,
    /// Client id; the session hangs on it [default: one of the database's own]
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Version of MQTT
    #[arg(long, value_name = "VERSION", default_value = "5", value_parser = parse_version)]
    mqtt: MqttVersion,
    #[command(flatten)]
    login: Login,
    /// Stop once no record has come for so long
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    exit_when_idle: Option<Span>,
    /// Collect nothing: say what has been collected, and what is missing
    #[arg(long, conflicts_with_all = ["broker", "exit_when_idle"])]
    report: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

fn parse_version(text: &str) -> Result<MqttVersion, String> {
    match text {
        "5" => Ok(MqttVersion::V5),
        "3.1.1" => Ok(MqttVersion::V3),
        _ => Err("there are 5 and 3.1.1".to_owned()),
    }
}

fn duration(span: Span) -> Duration {
    Duration::from_nanos(span.0.unsigned_abs())
}

/// Collects until it is interrupted or idle, and reports.
///
/// # Errors
/// When the broker does not allow it, or there is nowhere to collect into.
pub fn run(args: &CollectArgs) -> anyhow::Result<()> {
    let path = match (&args.sqlite, &args.parquet) {
        (Some(file), _) => file.clone(),
        (None, Some(dir)) => dir.join(ParquetFolder::DATABASE),
        (None, None) => anyhow::bail!("there is nowhere to collect into"),
    };
    if !args.report {
        let url = args.broker.as_deref().context("there is no broker")?;
        let broker = Broker {
            session_expiry: SESSION,
            version: args.mqtt,
            ..args.login.broker(url)?
        };
        if let Some(dir) = &args.parquet {
            let rotation = Rotation {
                records: args.rotate_records.into(),
                after: duration(args.rotate_after),
            };
            let folder = ParquetFolder::open(dir, &args.topic_prefix, rotation)?;
            let client_id = folder.client_id()?;
            collect(args, broker, folder, client_id)?;
        } else {
            let latest = if args.latest {
                Latest::Table
            } else {
                Latest::AsItIs
            };
            let database = Database::open(&path, &args.topic_prefix, latest)?;
            let client_id = database.client_id()?;
            collect(args, broker, database, client_id)?;
        }
    }
    let outcome = Report::read(&path)?;
    report(&outcome, args.json)
}

fn collect(
    args: &CollectArgs,
    broker: Broker,
    sink: impl Sink,
    client_id: String,
) -> anyhow::Result<()> {
    let prefix = &args.topic_prefix;
    let filters = if args.agent.is_empty() {
        vec![format!("{prefix}/+/#")]
    } else {
        let agents = args.agent.iter();
        agents.map(|agent| format!("{prefix}/{agent}/#")).collect()
    };
    let from = Listen {
        broker: Broker {
            client_id: args.client_id.clone().unwrap_or(client_id),
            ..broker
        },
        clean: false,
        filters,
        idle: args.exit_when_idle.map(duration),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stopping = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stopping.cancel();
        });
        let (sender, progress) = watch::channel(Progress::default());
        let telling = tokio::spawn(tell(progress));
        let result = listen(from, sink, sender, &stop).await;
        // It ends with the sender.
        let _ = telling.await;
        Ok(result?)
    })
}

/// Tells how far it is, until nobody knows any more.
async fn tell(mut progress: watch::Receiver<Progress>) {
    let terminal = io::stderr().is_terminal();
    let mut ticks = interval(if terminal { TOLD.0 } else { TOLD.1 });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    let mut before = 0;
    loop {
        let ended = tokio::select! {
            _ = ticks.tick() => false,
            () = ended(&mut progress) => true,
        };
        let now = progress.borrow_and_update().clone();
        let rate = (now.outcome.records - before) / ticks.period().as_secs().max(1);
        before = now.outcome.records;
        let line = line(&now, (!ended).then_some(rate));
        if terminal {
            // Over the last one, and the rest of it.
            let _ = write!(io::stderr(), "\r{line}\x1b[K");
        } else {
            eprintln!("{line}");
        }
        if ended {
            if terminal {
                eprintln!();
            }
            return;
        }
    }
}

async fn ended(progress: &mut watch::Receiver<Progress>) {
    while progress.changed().await.is_ok() {}
}

fn line(progress: &Progress, rate: Option<u64>) -> String {
    use std::fmt::Write as _;

    let Progress {
        subscribed,
        outcome,
        missing,
        trouble,
    } = progress;
    let mut line = format!("{} records", outcome.records);
    if let Some(rate) = rate {
        let _ = write!(line, " ({rate}/s)");
    }
    let _ = write!(
        line,
        ", {} came again, {missing} missing, {} not records",
        outcome.repeated, outcome.rubbish
    );
    match (trouble, subscribed, rate) {
        (Some(trouble), ..) => {
            let _ = write!(line, "; cannot commit: {trouble}");
        }
        (None, false, Some(_)) => line.push_str("; not connected"),
        _ => {}
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::Outcome;

    #[test]
    fn progress_is_one_line() {
        let mut progress = Progress {
            subscribed: true,
            outcome: Outcome {
                records: 1_000,
                repeated: 3,
                rubbish: 1,
            },
            missing: 2,
            trouble: None,
        };
        assert_eq!(
            line(&progress, Some(50)),
            "1000 records (50/s), 3 came again, 2 missing, 1 not records"
        );
        progress.trouble = Some("database or disk is full".to_owned());
        assert!(line(&progress, Some(0)).ends_with("; cannot commit: database or disk is full"));
    }
}
