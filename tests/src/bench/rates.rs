//! The highest rate at which neither the broker nor the subscriber drops a message of QoS 0: a bare subscriber's and the
//! agent's, without a journal, on steps that both climb until one is too high.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::flood::Flood;
use super::{held, load, value};
use crate::broker::free_port;
use crate::child::{self, Process};
use crate::mosquitto::Mosquitto;

/// Devices of four channels each.
const DEVICES: [u32; 2] = [1_000, 10_000];
/// The first step, in messages a second, and how much higher each next one is.
const FIRST: f64 = 30_000.0;
const STEP: f64 = 1.15;
/// How long a step lasts: all windows close once in it.
const LASTS: Duration = Duration::from_secs(11);
/// What is not there after this long without progress does not come any more.
const SILENCE: Duration = Duration::from_secs(2);
/// A publisher that gets rid of less than this part of what it should is held up by the broker: the line is full.
const LINE: f64 = 0.97;

/// The highest rates, in messages a second.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Rates {
    devices: u32,
    bare: f64,
    agent: f64,
}

/// Measures both with few and with many devices.
pub(super) async fn measure() -> anyhow::Result<Vec<Rates>> {
    let mut rates = Vec::new();
    for devices in DEVICES {
        let bare = bare(devices).await?;
        let agent = agent(devices).await?;
        rates.push(Rates {
            devices,
            bare,
            agent,
        });
    }
    Ok(rates)
}

async fn bare(devices: u32) -> anyhow::Result<f64> {
    let broker = broker()?;
    let log = tempfile::NamedTempFile::new()?;
    let port = broker.port.to_string();
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare", "--port", &port]);
    let _process = Process::start(&mut command, log.path())?;
    sleep(Duration::from_millis(500)).await;
    climb("bare", &broker, devices, || {
        let text = std::fs::read_to_string(log.path()).unwrap_or_default();
        let last = text.lines().rev().find_map(|line| line.parse().ok());
        (last.unwrap_or(0), 0)
    })
    .await
}

async fn agent(devices: u32) -> anyhow::Result<f64> {
    let broker = broker()?;
    let folder = TempDir::with_prefix("eyot-bench-")?;
    let page = format!("127.0.0.1:{}", free_port()?);
    let _process = start(folder.path(), &broker, &page)?;
    super::drain::healthy(&page).await?;
    climb("agent", &broker, devices, || {
        let metrics = child::get(&page, "/metrics").map_or_else(|_| String::new(), |got| got.1);
        let received = value(&metrics, "eyot_messages_received_total{source=\"plant\"}");
        (received, dropped(&metrics))
    })
    .await
}

fn broker() -> anyhow::Result<Mosquitto> {
    Mosquitto::start("set_tcp_nodelay true")
}

fn start(folder: &Path, broker: &Mosquitto, page: &str) -> anyhow::Result<Process> {
    let config = folder.join("bench.toml");
    let text = load::configuration(broker.port, page, 0)?;
    let text = text.replace("name = \"plant\"", "name = \"plant\"\njournal = false");
    std::fs::write(&config, text)?;
    let mut command = Command::new(child::eyot()?);
    command.arg("run").arg("--config").arg(&config);
    Process::start(&mut command, &folder.join("agent.log"))
}

/// Readings that the agent took and gave up.
fn dropped(metrics: &str) -> u64 {
    metrics
        .lines()
        .filter(|line| {
            line.starts_with("eyot_readings_total{") && line.contains("fate=\"dropped\"")
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum::<f64>() as u64
}

/// Goes up step by step until something is dropped or the broker takes no more, and says which rate was the highest that
/// went well. `count` says what has been received and dropped, ever.
async fn climb(
    who: &str,
    broker: &Mosquitto,
    devices: u32,
    count: impl Fn() -> (u64, u64),
) -> anyhow::Result<f64> {
    let (mut rate, mut highest) = (FIRST, 0.0);
    let mut warm = false;
    loop {
        let before = count();
        let flood = Flood::start(broker.port, rate as u32, devices)?;
        let begun = Instant::now();
        sleep(LASTS).await;
        let took = begun.elapsed().as_secs_f64();
        let reached = flood.sent() as f64 / took;
        let sent = flood.stop()?;
        let (mut after, mut changed) = (count(), Instant::now());
        while after.0 - before.0 < sent && changed.elapsed() < SILENCE {
            sleep(Duration::from_millis(100)).await;
            let now = count();
            if now != after {
                (after, changed) = (now, Instant::now());
            }
        }
        let lost = sent.saturating_sub(after.0 - before.0);
        let dropped = after.1 - before.1;
        eprintln!(
            "{who}, {devices} devices: {rate:.0}/s asked, {reached:.0}/s sent, {lost} lost by the broker, {dropped} dropped"
        );
        if !warm {
            // Devices are found and files made in the first step, which counts for nothing: it is done again.
            warm = true;
            continue;
        }
        if lost + dropped > 0 {
            return Ok(highest);
        }
        highest = reached;
        if reached < LINE * rate {
            return Ok(highest);
        }
        rate *= STEP;
    }
}

impl Rates {
    /// Prints them with their limit.
    pub(super) fn print(&self) {
        let ratio = self.agent / self.bare;
        println!(
            "{:>6} devices, rate without a drop, over bare  {ratio:.2}   (at least 0.8: {}), {:.0}/s and {:.0}/s",
            self.devices,
            held(ratio >= 0.8),
            self.agent,
            self.bare
        );
    }
}
