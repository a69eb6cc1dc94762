//! The demo: an embedded broker, an agent as a process of its own, simulated pumps with faults, and a
//! shore that collects. `--once` judges the outcome against the simulator's ground truth.

mod judge;
mod report;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use eyot::clock;
use eyot::sim::fleet::device_name;
use eyot_pipeline::Span;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::broker::{EmbeddedBroker, free_port};
use crate::child::{self, Process};
use crate::collector::Collector;

/// How the demo is run.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// Run for about 45 seconds, judge, print the outcome as JSON and end
    #[arg(long)]
    pub once: bool,
    /// Devices
    #[arg(long, default_value_t = 100)]
    pub devices: u32,
    /// Devices that become faulty
    #[arg(long, default_value_t = 10)]
    pub faults: u32,
    /// Everything random follows from it
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Simulated seconds a second while catching up with the present
    #[arg(long, default_value_t = 20)]
    pub speed: u32,
    /// The configuration to start from; its broker, folder and page are replaced
    #[arg(long, default_value = "config/pump.toml")]
    pub config: PathBuf,
    /// Address of the page; without --once always the same, so that it can be bookmarked
    #[arg(long)]
    pub page: Option<String>,
}

/// Simulated seconds that lie in the past when the demo starts.
const PAST: u32 = 300;
/// Further simulated seconds with `--once`: they pass while the past is caught up with, and live after that.
const PRESENT: u32 = 28;
/// No fault begins before the statistics have seen this much, in simulated seconds.
const FAULTS_AFTER: u32 = 200;

/// Runs the demo; false if it was judged and failed.
///
/// # Errors
/// When a part does not start, or does not get done in time.
pub async fn run(args: &DemoArgs) -> anyhow::Result<bool> {
    let folder = TempDir::with_prefix("eyot-demo-")?;
    let broker = EmbeddedBroker::start(None)?;
    let page = match (&args.page, args.once) {
        (Some(page), _) => page.clone(),
        (None, true) => format!("127.0.0.1:{}", free_port()?),
        (None, false) => "127.0.0.1:9484".to_owned(),
    };
    let config = folder.path().join("demo.toml");
    let ports = (broker.port, broker.port);
    std::fs::write(&config, configuration(&args.config, ports, &page)?)?;

    let collector = Collector::start(broker.port, "eyot/#").await?;
    let log = folder.path().join("agent.log");
    let mut agent = Process::start(
        Command::new(child::eyot()?)
            .arg("run")
            .arg("--config")
            .arg(&config),
        &log,
    )?;
    ready(&mut agent, &page, &log).await?;

    let truth = folder.path().join("truth.json");
    let caught_up = clock::now() + catching_up(args.speed);
    let mut sim = simulator(args, broker.port, &truth, folder.path())?;
    if args.once {
        let limit = Duration::from_mins(2);
        wait_for_end(&mut sim, limit)
            .await
            .context("the simulator")?;
        let live = caught_up..clock::now();
        let verdict = judge::judge(&folder, &collector, &page, live).await?;
        agent.terminate();
        let stopped = agent.wait(Duration::from_secs(20))?;
        let passed = verdict.passed() && stopped.success();
        report::explain(&verdict, stopped, &log);
        return Ok(passed);
    }
    report::watch(&collector, &page, &mut agent).await?;
    sim.terminate();
    agent.terminate();
    agent.wait(Duration::from_secs(20))?;
    Ok(true)
}

/// An example configuration, moved to these brokers (of the sources and of the uplink), to a folder
/// beside itself and to this page.
pub(crate) fn configuration(
    example: &Path,
    (sources, uplink): (u16, u16),
    page: &str,
) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(example).with_context(|| {
        format!(
            "cannot read {}; run this in the project's folder",
            example.display()
        )
    })?;
    let mut config: toml::Table = text.parse()?;
    let string = |text: &str| toml::Value::String(text.to_owned());
    let url = |port: u16| toml::Value::String(format!("mqtt://127.0.0.1:{port}"));
    let base = example.parent().unwrap_or(Path::new(".")).canonicalize()?;
    for source in config["source"].as_array_mut().into_iter().flatten() {
        source["url"] = url(sources);
    }
    for class in config["class"].as_array_mut().into_iter().flatten() {
        if let Some(model) = class.get("model").and_then(toml::Value::as_str) {
            class["model"] = string(&base.join(model).to_string_lossy());
        }
    }
    config["agent"]["data_dir"] = string("data");
    config["uplink"]["url"] = url(uplink);
    let http = toml::Table::from_iter([("listen".to_owned(), string(page))]);
    config.insert("http".into(), toml::Value::Table(http));
    Ok(toml::to_string(&config)?)
}

/// Waits until the agent behind `page` is healthy.
pub(crate) async fn ready(agent: &mut Process, page: &str, log: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let connected = child::get(page, "/healthz").is_ok_and(|(status, _)| status == 200);
        if connected {
            return Ok(());
        }
        if agent.ended().is_some() || Instant::now() > deadline {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            anyhow::bail!("the agent did not become healthy:\n{log}");
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn simulator(args: &DemoArgs, port: u16, truth: &Path, folder: &Path) -> anyhow::Result<Process> {
    let seconds = if args.once { PAST + PRESENT } else { 24 * 3600 };
    let mut command = Command::new(child::eyot()?);
    command
        .arg("sim")
        .args(["--broker", &format!("mqtt://127.0.0.1:{port}")])
        .args(["--devices", &args.devices.to_string()])
        .args(["--seed", &args.seed.to_string()])
        .args(["--duration", &format!("{seconds}s")])
        .args(["--start-in-past", &format!("{PAST}s")])
        .args(["--speed", &args.speed.to_string()])
        .arg("--truth")
        .arg(truth)
        .arg("--json");
    if args.once {
        command
            .args(["--faults", &args.faults.to_string()])
            .args(["--fault-after", &format!("{FAULTS_AFTER}s")]);
    } else {
        command.args(["--faults", &faults_without_end(args.devices)]);
    }
    Process::start(&mut command, &folder.join("sim.log"))
}

/// How long it takes to catch up with the present, which moves on meanwhile.
fn catching_up(speed: u32) -> Span {
    Span::from_millis(i64::from(PAST) * 1_000 / i64::from(speed.saturating_sub(1).max(1)))
}

/// Faults that come and go for hours, one every half minute, the first of them soon.
fn faults_without_end(devices: u32) -> String {
    let kinds = [
        "bearing_wear",
        "spikes:flow",
        "blocked_valve",
        "stuck_sensor:current",
        "offset:pressure",
    ];
    let fault = |(n, kind): (u32, &str)| {
        // Seven is coprime to most fleets, so that every pump gets its turn.
        let device = device_name(n * 7 % devices);
        format!("{device}:{kind}@{}s+90s", FAULTS_AFTER + 30 * n)
    };
    let faults: Vec<String> = (0..500).zip(kinds.into_iter().cycle()).map(fault).collect();
    faults.join(",")
}

/// Waits without blocking the collector, which lives on this thread.
pub(crate) async fn wait_for_end(process: &mut Process, limit: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = process.ended() {
            anyhow::ensure!(status.success(), "ended with {status}");
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "did not end within {limit:?}");
        sleep(Duration::from_millis(50)).await;
    }
}
