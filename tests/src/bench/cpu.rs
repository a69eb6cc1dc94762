//! What a reading costs from broker to verdict: the agent against a bare subscriber of the same MQTT crate on the same
//! kind of runtime, in turn, on the same broker and load.
//!
//! Load: 1,000 devices × 4 channels, 100-byte JSON of one reading each, the readings of a device together,
//! paced at 20,000 messages/s over QoS 0. The agent computes features and runs all detectors and the model.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::load::{self, Load};
use super::{BenchArgs, held, median, mib, quantile, size, value};
use crate::broker::free_port;
use crate::child::{self, Process};
use crate::mosquitto::Mosquitto;

/// Seconds for windows to open and caches to warm before a measurement.
pub(super) const WARM_UP: Duration = Duration::from_secs(12);

/// One measurement of one process.
#[derive(Debug, Clone, Copy, Serialize)]
struct Run {
    /// Messages published while it was measured.
    messages: u64,
    /// CPU time for each of them, user and system, in microseconds.
    cpu_us_per_message: f64,
    rss_mib: f64,
}

/// What a reading costs.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
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
}

/// Measures it.
pub(super) async fn measure(args: &BenchArgs) -> anyhow::Result<Cost> {
    // A queue as long as it takes: what is lost must be lost in the subscriber.
    let broker = Mosquitto::start("max_queued_messages 0\nset_tcp_nodelay true")?;
    let folder = TempDir::with_prefix("eyot-bench-")?;
    let mut figures = Cost {
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
    Ok(figures)
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
    let run = cost_of(&mut process, &load, args.seconds).await?;
    load.stop();
    Ok(run)
}

async fn measure_agent(
    args: &BenchArgs,
    broker: &Mosquitto,
    folder: &Path,
    figures: &mut Cost,
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
    let run = cost_of(&mut process, &load, args.seconds).await?;
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

async fn cost_of(process: &mut Process, load: &Load, seconds: u64) -> anyhow::Result<Run> {
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

impl Cost {
    /// Prints each figure with its limit.
    pub(super) fn print(&self) {
        println!(
            "{} messages/s of {} B, QoS 0, {} devices × {} channels",
            self.rate, self.payload_bytes, self.devices, self.channels
        );
        println!(
            "CPU a reading, agent over bare subscriber   {:.2}   (at most 1.5: {})",
            self.cpu_ratio_median,
            held(self.cpu_ratio_median <= 1.5)
        );
        println!(
            "arrival to verdict, p99                     below {} ms   (under 10: {}), {} verdicts",
            self.verdict_latency_p99_ms,
            held(self.verdict_latency_p99_ms < 10.0),
            self.verdicts
        );
        println!(
            "RSS                                         {:.1} MiB   (under 40 MB: {}), {:.1} MiB before the first device",
            self.rss_mib,
            held(self.rss_mib * 1.048_576 < 40.0),
            self.rss_idle_mib
        );
        println!(
            "memory a device, sample windows excluded    {:.1} KiB   (at most 16: {})",
            self.state_per_device_kib,
            held(self.state_per_device_kib <= 16.0)
        );
        println!(
            "readings lost                               {}",
            self.readings_lost
        );
        println!("{}", self.binary);
    }
}
