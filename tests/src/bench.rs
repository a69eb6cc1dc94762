//! The end-to-end benchmark: the agent against a bare subscriber of the same MQTT crate on the same kind
//! of runtime, in turn, on the same broker and load.
//!
//! Load: 1,000 devices × 4 channels, 100-byte JSON of one reading each, the readings of a device together,
//! paced at 20,000 messages/s over QoS 0. The agent computes features and runs all detectors and the model.

mod decode;
mod drain;
mod durable;
mod load;
mod size;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use eyot::mqtt::{self, Event, QoS};
use serde::Serialize;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::broker::free_port;
use crate::child::{self, Process};
use crate::collector::local_broker;
use crate::mosquitto::Mosquitto;
pub use drain::bare as drain;
use load::Load;

/// How the benchmark is run.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArgs {
    /// Write the figures to this file as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Rounds; each measures the bare subscriber and the agent once
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// Messages a second
    #[arg(long, default_value_t = 20_000)]
    pub rate: u32,
    /// Measure durability alone
    #[arg(long)]
    pub durability: bool,
}

/// Seconds for windows to open and caches to warm before a measurement.
const WARM_UP: Duration = Duration::from_secs(12);

/// One measurement of one process.
#[derive(Debug, Clone, Copy, Serialize)]
struct Run {
    /// Messages published while it was measured.
    messages: u64,
    /// CPU time for each of them, user and system, in microseconds.
    cpu_us_per_message: f64,
    rss_mib: f64,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
struct Figures {
    rate: u32,
    devices: u32,
    channels: u32,
    payload_bytes: usize,
    bare: Vec<Run>,
    agent: Vec<Run>,
    /// Agent over bare, round by round.
    cpu_ratios: Vec<f64>,
    cpu_ratio_median: f64,
    rss_mib: f64,
    /// The same agent before the first device.
    rss_idle_mib: f64,
    /// Resident memory per device beyond the idle agent, sample windows excluded.
    state_per_device_kib: f64,
    verdict_latency_p99_ms: f64,
    verdicts: u64,
    readings_lost: u64,
    binary: size::Binary,
    decoding: decode::Decoding,
    durable: Option<durable::Durable>,
    machine: String,
}

/// Runs the benchmark and prints its figures.
///
/// # Errors
/// When mosquitto or a release build is missing, or a part fails.
pub async fn run(args: &BenchArgs) -> anyhow::Result<bool> {
    anyhow::ensure!(
        !cfg!(debug_assertions),
        "figures of an unoptimised build mean nothing; use scripts/bench"
    );
    if args.durability {
        let durable = durable::measure(args.rounds).await?;
        durable.print(held);
        return write_json(args, &durable).map(|()| true);
    }
    // A queue as long as it takes: what is lost must be lost in the subscriber.
    let broker = Mosquitto::start("max_queued_messages 0\nset_tcp_nodelay true")?;
    let folder = TempDir::with_prefix("eyot-bench-")?;
    let mut figures = Figures {
        rate: args.rate,
        devices: load::DEVICES,
        channels: load::CHANNELS.len() as u32,
        payload_bytes: load::PAYLOAD,
        bare: Vec::new(),
        agent: Vec::new(),
        cpu_ratios: Vec::new(),
        cpu_ratio_median: 0.0,
        rss_mib: 0.0,
        rss_idle_mib: 0.0,
        state_per_device_kib: 0.0,
        verdict_latency_p99_ms: 0.0,
        verdicts: 0,
        readings_lost: 0,
        binary: size::of_binary(&child::eyot()?)?,
        decoding: decode::measure(),
        durable: None,
        machine: machine(),
    };
    for round in 0..args.rounds {
        let bare = measure_bare(args, &broker).await?;
        let agent = measure_agent(
            args,
            &broker,
            &folder.path().join(format!("{round}")),
            &mut figures,
        )
        .await?;
        let ratio = agent.cpu_us_per_message / bare.cpu_us_per_message;
        eprintln!(
            "round {round}: bare {:.2} µs, agent {:.2} µs a message, ratio {ratio:.2}",
            bare.cpu_us_per_message, agent.cpu_us_per_message
        );
        figures.bare.push(bare);
        figures.agent.push(agent);
        figures.cpu_ratios.push(ratio);
    }
    figures.cpu_ratio_median = median(&figures.cpu_ratios);
    figures.rss_mib = median(
        &figures
            .agent
            .iter()
            .map(|run| run.rss_mib)
            .collect::<Vec<_>>(),
    );
    let per_device = (figures.rss_mib - figures.rss_idle_mib) * 1024.0 / f64::from(load::DEVICES);
    figures.state_per_device_kib = per_device - load::window_kib(args.rate);
    figures.durable = Some(durable::measure(args.rounds).await?);
    print(&figures);
    write_json(args, &figures).map(|()| true)
}

fn write_json(args: &BenchArgs, figures: &impl Serialize) -> anyhow::Result<()> {
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(figures)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn held(ok: bool) -> &'static str {
    if ok { "held" } else { "MISSED" }
}

/// Subscribes and counts, on a runtime of one thread like the agent's, until it is killed.
///
/// # Errors
/// When the options are not valid; never in practice.
pub async fn bare(port: u16, qos: u8) -> anyhow::Result<bool> {
    let options = mqtt::Options::subscriber(local_broker(port, "bare"), 1_000);
    let (client, mut events) = mqtt::connect(&options)?;
    let qos = QoS::try_from(qos).unwrap_or(QoS::AtMostOnce);
    let mut count = 0_u64;
    loop {
        match events.poll().await {
            Ok(Event::Publish(publish)) => count += u64::from(!publish.payload.is_empty()),
            Ok(Event::Connected(_)) => {
                let client = client.clone();
                tokio::spawn(async move { client.subscribe(&[("plant/#", qos)]).await });
            }
            Err(error) => {
                eprintln!("{count} messages, then {error}");
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn measure_bare(args: &BenchArgs, broker: &Mosquitto) -> anyhow::Result<Run> {
    let port = broker.port.to_string();
    let mut process = Process::start(
        Command::new(std::env::current_exe()?).args(["bare", "--port", &port]),
        Path::new("/dev/null"),
    )?;
    sleep(Duration::from_millis(500)).await;
    let load = Load::start(broker.port, args.rate, 0, load::DEVICES);
    sleep(Duration::from_secs(3)).await;
    let run = measure(&mut process, &load, args.seconds).await?;
    load.stop();
    Ok(run)
}

async fn measure_agent(
    args: &BenchArgs,
    broker: &Mosquitto,
    folder: &Path,
    figures: &mut Figures,
) -> anyhow::Result<Run> {
    std::fs::create_dir_all(folder)?;
    let page = format!("127.0.0.1:{}", free_port()?);
    let config = folder.join("bench.toml");
    std::fs::write(&config, load::configuration(broker.port, &page, 0)?)?;
    let mut process = Process::start(
        Command::new(child::eyot()?)
            .arg("run")
            .arg("--config")
            .arg(&config),
        &folder.join("agent.log"),
    )?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !child::get(&page, "/healthz").is_ok_and(|(status, _)| status == 200) {
        anyhow::ensure!(
            Instant::now() < deadline,
            "the agent did not become healthy"
        );
        sleep(Duration::from_millis(50)).await;
    }
    sleep(Duration::from_secs(1)).await;
    figures.rss_idle_mib = mib(child::cost(process.pid())?.rss);
    let load = Load::start(broker.port, args.rate, 0, load::DEVICES);
    sleep(WARM_UP).await;
    let run = measure(&mut process, &load, args.seconds).await?;
    load.stop();
    // Whatever is still under way.
    sleep(Duration::from_secs(1)).await;
    let (_, metrics) = child::get(&page, "/metrics")?;
    figures.verdict_latency_p99_ms = quantile(&metrics, "eyot_verdict_latency_seconds", 0.99)
        .context("no verdict latency in the metrics")?
        * 1e3;
    figures.verdicts += value(&metrics, "eyot_verdict_latency_seconds_count");
    let received = value(&metrics, "eyot_readings_received_total{source=\"plant\"}");
    figures.readings_lost += load.sent().saturating_sub(received);
    Ok(run)
}

async fn measure(process: &mut Process, load: &Load, seconds: u64) -> anyhow::Result<Run> {
    let before = (child::cost(process.pid())?, load.sent());
    sleep(Duration::from_secs(seconds)).await;
    let after = (child::cost(process.pid())?, load.sent());
    anyhow::ensure!(process.ended().is_none(), "the measured process has ended");
    let messages = after.1 - before.1;
    Ok(Run {
        messages,
        cpu_us_per_message: (after.0.cpu - before.0.cpu) * 1e6 / messages as f64,
        rss_mib: mib(after.0.rss),
    })
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The value of a sample, by its name and labels.
fn value(metrics: &str, sample: &str) -> u64 {
    metrics
        .lines()
        .find_map(|line| line.strip_prefix(sample)?.trim().parse::<f64>().ok())
        .map_or(0, |value| value as u64)
}

/// A quantile of a histogram, as the upper bound of the bucket that holds it.
fn quantile(metrics: &str, name: &str, q: f64) -> Option<f64> {
    let count = value(metrics, &format!("{name}_count")) as f64;
    let prefix = format!("{name}_bucket{{le=\"");
    metrics.lines().find_map(|line| {
        let (bound, rest) = line.strip_prefix(&prefix)?.split_once('"')?;
        let below: f64 = rest.trim_start_matches('}').trim().parse().ok()?;
        (below >= q * count).then(|| bound.parse().unwrap_or(f64::INFINITY))
    })
}

fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |rest| rest.trim_start_matches(['\t', ':', ' ']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cores} cores")
}

fn print(figures: &Figures) {
    println!(
        "{}; {} messages/s of {} B, QoS 0, {} devices × {} channels",
        figures.machine, figures.rate, figures.payload_bytes, figures.devices, figures.channels
    );
    println!(
        "CPU a reading, agent over bare subscriber   {:.2}   (at most 1.5: {})",
        figures.cpu_ratio_median,
        held(figures.cpu_ratio_median <= 1.5)
    );
    println!(
        "arrival to verdict, p99                     below {} ms   (under 10: {}), {} verdicts",
        figures.verdict_latency_p99_ms,
        held(figures.verdict_latency_p99_ms < 10.0),
        figures.verdicts
    );
    println!(
        "RSS                                         {:.1} MiB   (under 40 MB: {}), {:.1} MiB before the first device",
        figures.rss_mib,
        held(figures.rss_mib * 1.048_576 < 40.0),
        figures.rss_idle_mib
    );
    println!(
        "memory a device, sample windows excluded    {:.1} KiB   (at most 16: {})",
        figures.state_per_device_kib,
        held(figures.state_per_device_kib <= 16.0)
    );
    println!(
        "readings lost                               {}",
        figures.readings_lost
    );
    println!("{}", figures.binary);
    for (what, figure, limit) in figures.decoding.against_limits() {
        let verdict = held(figure <= limit);
        println!("{what:<44}{figure:.2}   (at most {limit}: {verdict})");
    }
    if let Some(durable) = &figures.durable {
        durable.print(held);
    }
}
