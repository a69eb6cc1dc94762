//! Recordings of a real water circulation rig (the Skoltech Anomaly Benchmark, SKAB), replayed through
//! mosquitto into an agent, and its alerts held against the recordings' labels.
//!
//! The data set is not part of this project; its folder is an argument. The agent runs the
//! statistical detectors with their defaults and never sees the labels.

mod judge;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::broker::free_port;
use crate::child::{self, Process};
use crate::collector::Collector;
use crate::demo;
use crate::mosquitto::Mosquitto;
use judge::{Outcome, Recorded};

/// How the recordings are replayed.
#[derive(Debug, Clone, clap::Args)]
pub struct SkabArgs {
    /// The data set: a folder that holds `anomaly-free`, `valve1` and so on, or `data` with these
    pub folder: PathBuf,
    /// Recordings, by their path without `.csv`
    #[arg(long, value_delimiter = ',', value_name = "RUN,RUN", default_values_t = RUNS.map(str::to_owned))]
    pub runs: Vec<String>,
    /// Recorded seconds a second
    #[arg(long, default_value_t = 60)]
    pub speed: u32,
    /// The configuration to start from; its brokers, folder and page are replaced
    #[arg(long, default_value = "config/skab.toml")]
    pub config: PathBuf,
}

/// Normal running, both valves, and faults of several other kinds.
const RUNS: [&str; 8] = [
    "anomaly-free/anomaly-free",
    "valve1/0",
    "valve1/6",
    "valve2/0",
    "other/1",
    "other/5",
    "other/9",
    "other/13",
];

/// Time for what has been sent to come out at the other end.
const SETTLE: Duration = Duration::from_secs(20);

/// What `eyot replay` says at its end.
#[derive(Debug, Deserialize)]
struct Sent {
    rows: u64,
    readings: u64,
    offset_ms: i64,
}

/// Replays and prints a table; false if readings are missing from the summaries.
///
/// # Errors
/// When mosquitto or the data is missing, or a part fails.
pub async fn run(args: &SkabArgs) -> anyhow::Result<bool> {
    let data = match args.folder.join("data") {
        data if data.is_dir() => data,
        _ => args.folder.clone(),
    };
    let recorded = args
        .runs
        .iter()
        .map(|run| Recorded::read(run, &data.join(format!("{run}.csv"))))
        .collect::<anyhow::Result<Vec<_>>>()?;

    let folder = TempDir::with_prefix("eyot-skab-")?;
    let ingest = Mosquitto::start("max_queued_messages 0")?;
    let upstream = Mosquitto::start("max_queued_messages 0")?;
    let page = format!("127.0.0.1:{}", free_port()?);
    let config = folder.path().join("skab.toml");
    let text = demo::configuration(&args.config, (ingest.port, upstream.port), &page)?;
    std::fs::write(&config, text)?;
    let collector = Collector::start(upstream.port, "eyot/#").await?;
    let log = folder.path().join("agent.log");
    let mut agent = Process::start(
        Command::new(child::eyot()?)
            .arg("run")
            .arg("--config")
            .arg(&config),
        &log,
    )?;
    demo::ready(&mut agent, &page, &log).await?;

    let sent = replay(args, &recorded, ingest.port, folder.path()).await?;
    received(&page, sent.iter().map(|sent| sent.rows).sum())
        .await
        .with_context(|| {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            format!("the agent, which said:\n{log}")
        })?;
    // Stopping closes the last windows and sends them up.
    agent.terminate();
    demo::wait_for_end(&mut agent, SETTLE).await?;
    let readings: u64 = sent.iter().map(|sent| sent.readings).sum();
    let arrived = collector
        .wait_until("the summaries of all readings", SETTLE, |collected| {
            judge::summarised(collected, None) >= readings
        })
        .await;

    let outcomes: Vec<Outcome> = recorded
        .iter()
        .zip(&sent)
        .map(|(recorded, sent)| collector.look(|c| Outcome::judge(recorded, sent, c)))
        .collect();
    judge::print(&outcomes);
    if let Err(error) = arrived {
        eprintln!("readings are missing from the summaries: {error}");
        return Ok(false);
    }
    Ok(true)
}

/// Replays all recordings at once, each as a device of its own.
async fn replay(
    args: &SkabArgs,
    recorded: &[Recorded],
    port: u16,
    folder: &Path,
) -> anyhow::Result<Vec<Sent>> {
    let mut running = Vec::new();
    for recorded in recorded {
        let log = folder.join(format!("{}.log", recorded.device));
        let mut command = Command::new(child::eyot()?);
        command
            .arg("replay")
            .arg(&recorded.file)
            .args(["--delimiter", ";"])
            .args(["--broker", &format!("mqtt://127.0.0.1:{port}")])
            .args(["--device", &recorded.device])
            .args(["--speed", &args.speed.to_string()])
            .arg("--json");
        if recorded.labelled {
            command.args(["--exclude", &judge::LABELS.join(",")]);
        }
        running.push((Process::start(&mut command, &log)?, log, recorded));
    }
    let mut sent = Vec::new();
    for (mut process, log, recorded) in running {
        let takes = recorded.length.as_secs_f64() / f64::from(args.speed);
        let limit = Duration::from_secs_f64(takes) + Duration::from_mins(1);
        demo::wait_for_end(&mut process, limit)
            .await
            .with_context(|| {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                format!("replaying {}:\n{log}", recorded.run)
            })?;
        sent.push(child::last_json(&log)?);
    }
    Ok(sent)
}

/// Waits until the agent has received so many messages.
async fn received(page: &str, messages: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + SETTLE;
    loop {
        let (_, body) = child::get(page, "/api/overview.json")?;
        let overview: serde_json::Value =
            serde_json::from_str(&body).context("the overview is no JSON")?;
        let total = overview["sources"][0]["messages"]["total"].as_u64();
        if total >= Some(messages) {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "{messages} messages were sent and {} received",
            total.unwrap_or(0)
        );
        sleep(Duration::from_millis(100)).await;
    }
}
