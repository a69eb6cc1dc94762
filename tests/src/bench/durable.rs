//! What it costs that nothing acknowledged is lost: messages of `QoS` 1 through the journal, bytes written for each
//! reading, and how soon an agent is back that has a journal to read.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::drain::{Drain, Queue, healthy};
use super::load::{self, Load};
use super::{held, value};
use crate::broker::free_port;
use crate::child::{self, Process};
use crate::mosquitto::Mosquitto;

/// Messages in a queue that is taken over.
const QUEUE: u64 = 150_000;
/// The same where every sync takes [`SLOW_SYNC`].
const SLOW_QUEUE: u64 = 20_000;
/// A slow disk.
pub(super) const SLOW_SYNC: Duration = Duration::from_millis(10);
/// What mosquitto has under way to a subscriber unless told otherwise.
const DEFAULT_WINDOW: u16 = 20;
/// What it may have under way to one that can take it.
const WIDE_WINDOW: u16 = 1_000;
/// Readings a second at which bytes are counted, and devices that send them.
const RATES: [(u32, u32); 4] = [(10, 1), (100, 5), (1_000, 50), (30_000, 1_000)];
/// How long bytes are counted.
const COUNTED: Duration = Duration::from_secs(40);
/// Readings in the journal of an agent that is started again.
const TAIL: u64 = 1_000_000;

/// Everything about durability.
#[derive(Debug, Serialize)]
pub(super) struct Durable {
    /// A bare subscriber and the agent, in turn.
    process: Vec<(Drain, Drain)>,
    power: Drain,
    /// A bare subscriber that messages come to while it is there: the line.
    line: Drain,
    slow_sync_default_window: Drain,
    slow_sync_wide_window: Drain,
    bytes: Vec<Bytes>,
    restart: Restart,
}

/// Bytes written for each reading.
#[derive(Debug, Clone, Copy, Serialize)]
struct Bytes {
    rate: u32,
    readings: u64,
    journal: f64,
    /// All calls that write, as the kernel counts them.
    wchar: f64,
    /// What went to the device.
    to_device: f64,
}

/// An agent that is started after `kill -9`.
#[derive(Debug, Clone, Copy, Serialize)]
struct Restart {
    readings: u64,
    ready_ms: f64,
    /// Until everything is worked off.
    caught_up_ms: f64,
}

/// Measures all of it.
pub(super) async fn measure(rounds: u32) -> anyhow::Result<Durable> {
    let folder = TempDir::with_prefix("eyot-bench-")?;
    let at = |name: &str| folder.path().join(name);
    let eyot = || {
        let mut command = Command::new(child::eyot()?);
        command.arg("run");
        anyhow::Ok(command)
    };
    let slow = || {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["agent", "--slow-sync", "10"]);
        anyhow::Ok(command)
    };
    let mut process = Vec::new();
    for round in 0..rounds {
        let bare = Queue::new(QUEUE, DEFAULT_WINDOW)?.by_bare().await?;
        let queue = Queue::new(QUEUE, DEFAULT_WINDOW)?;
        let folder = at(&format!("process-{round}"));
        let agent = queue.by_agent(&folder, ("5", ""), eyot).await?;
        eprintln!("QoS 1, round {round}: bare {bare:?}, agent {agent:?}");
        process.push((bare, agent));
    }
    let power = "durability = \"power\"";
    let queue = Queue::new(QUEUE, WIDE_WINDOW)?;
    let synced = queue.by_agent(&at("power"), ("5", power), eyot).await?;
    let queue = Queue::new(SLOW_QUEUE, DEFAULT_WINDOW)?.live();
    // Only a broker of 3.1.1 keeps to its own window: with 5 the agent says how much it takes.
    let slow_default = queue
        .by_agent(&at("slow-default"), ("3.1.1", power), slow)
        .await?;
    let line = Queue::new(QUEUE, WIDE_WINDOW)?.live().by_bare().await?;
    let queue = Queue::new(QUEUE, WIDE_WINDOW)?.live();
    let slow_wide = queue.by_agent(&at("slow-wide"), ("5", power), slow).await?;
    eprintln!(
        "power {synced:?}, line {line:?}, syncs of 10 ms: window 20 {slow_default:?}, 1000 {slow_wide:?}"
    );
    let mut bytes = Vec::new();
    for (rate, devices) in RATES {
        let counted = count_bytes(&at(&format!("bytes-{rate}")), rate, devices).await?;
        eprintln!("{counted:?}");
        bytes.push(counted);
    }
    Ok(Durable {
        process,
        power: synced,
        line,
        slow_sync_default_window: slow_default,
        slow_sync_wide_window: slow_wide,
        bytes,
        restart: restart(&at("restart")).await?,
    })
}

/// An agent with a page, on a broker of its own.
struct Running {
    process: Process,
    page: String,
    broker: Mosquitto,
}

impl Running {
    async fn start(folder: &Path, qos: u8) -> anyhow::Result<Self> {
        let broker = Mosquitto::start("max_queued_messages 0\nset_tcp_nodelay true")?;
        std::fs::create_dir_all(folder)?;
        let page = format!("127.0.0.1:{}", free_port()?);
        std::fs::write(
            folder.join("bench.toml"),
            load::configuration(broker.port, &page, qos)?,
        )?;
        let running = Self {
            process: run(folder)?,
            page,
            broker,
        };
        healthy(&running.page).await?;
        Ok(running)
    }

    fn processed(&self) -> u64 {
        let metrics = child::get(&self.page, "/metrics").map(|(_, text)| text);
        let sample = "eyot_readings_total{source=\"plant\",fate=\"processed\",reason=\"\"}";
        metrics.map_or(0, |text| value(&text, sample))
    }
}

fn run(folder: &Path) -> anyhow::Result<Process> {
    let mut command = Command::new(child::eyot()?);
    command
        .args(["run", "--config"])
        .arg(folder.join("bench.toml"));
    Process::start(&mut command, &folder.join("agent.log"))
}

async fn count_bytes(folder: &Path, rate: u32, devices: u32) -> anyhow::Result<Bytes> {
    let running = Running::start(folder, 1).await?;
    let load = Load::start(running.broker.port, rate, 1, devices);
    sleep(super::cpu::WARM_UP).await;
    let now = || {
        anyhow::Ok((
            written(running.process.pid())?,
            journal(folder)?,
            load.sent(),
        ))
    };
    let before = now()?;
    sleep(COUNTED).await;
    let after = now()?;
    load.stop();
    let readings = after.2 - before.2;
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / readings as f64;
    Ok(Bytes {
        rate,
        readings,
        journal: each(before.1, after.1),
        wchar: each(before.0.0, after.0.0),
        to_device: each(before.0.1, after.0.1),
    })
}

/// `wchar` and `write_bytes` of a process.
fn written(pid: u32) -> anyhow::Result<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
    };
    Ok((field("wchar:"), field("write_bytes:")))
}

/// Bytes of the journal's files.
fn journal(folder: &Path) -> anyhow::Result<u64> {
    let files = std::fs::read_dir(folder.join("data/journal"))?;
    let sizes = files.map(|file| Ok(file?.metadata()?.len()));
    sizes.sum::<std::io::Result<u64>>().map_err(Into::into)
}

async fn restart(folder: &Path) -> anyhow::Result<Restart> {
    let mut running = Running::start(folder, 0).await?;
    let load = Load::start(running.broker.port, 30_000, 0, load::DEVICES);
    while running.processed() < TAIL {
        sleep(Duration::from_millis(200)).await;
    }
    load.stop();
    sleep(Duration::from_secs(2)).await;
    let processed = running.processed();
    running.process.signal("-KILL");
    running.process.wait(Duration::from_secs(10))?;
    let begun = Instant::now();
    running.process = run(folder)?;
    while !child::get(&running.page, "/readyz").is_ok_and(|(status, _)| status == 200) {
        sleep(Duration::from_millis(5)).await;
    }
    let ready = begun.elapsed();
    while running.processed() < processed {
        anyhow::ensure!(
            begun.elapsed() < Duration::from_mins(1),
            "the agent has not caught up: {} of {processed}",
            running.processed()
        );
        sleep(Duration::from_millis(20)).await;
    }
    Ok(Restart {
        readings: processed,
        ready_ms: ready.as_secs_f64() * 1e3,
        caught_up_ms: begun.elapsed().as_secs_f64() * 1e3,
    })
}

impl Durable {
    /// Prints each figure with its limit.
    pub(super) fn print(&self) {
        let ratio = |of: fn(&Drain) -> f64| {
            let ratios: Vec<f64> = self.process.iter().map(|(b, a)| of(a) / of(b)).collect();
            super::median(&ratios)
        };
        let (rate, cpu) = (ratio(|d| d.rate), ratio(|d| d.cpu_us));
        println!(
            "QoS 1 through the journal, rate over bare   {rate:.2}   (at least 0.9: {})",
            held(rate >= 0.9)
        );
        println!(
            "the same, CPU a reading over bare           {cpu:.2}   (at most 2.0: {})",
            held(cpu <= 2.0)
        );
        println!(
            "QoS 1 with every commit synced              {:.0}/s   (at least 20,000: {})",
            self.power.rate,
            held(self.power.rate >= 20_000.0)
        );
        for (window, drain) in [
            (DEFAULT_WINDOW, self.slow_sync_default_window),
            (WIDE_WINDOW, self.slow_sync_wide_window),
        ] {
            let ceiling = self
                .line
                .rate
                .min(f64::from(window) / SLOW_SYNC.as_secs_f64());
            let part = drain.rate / ceiling;
            println!(
                "syncs of 10 ms, {window:>4} under way, of {ceiling:>6.0}/s  {part:.2}   (at least 0.8: {})",
                held(part >= 0.8)
            );
        }
        for bytes in &self.bytes {
            let bound = bytes.rate < 100 || (bytes.journal <= 20.0 && bytes.wchar <= 40.0);
            println!(
                "bytes written a reading at {:>6}/s         journal {:.1}, all {:.1}, to the device {:.1}   (at most 20 and 40 from 100/s: {})",
                bytes.rate,
                bytes.journal,
                bytes.wchar,
                bytes.to_device,
                held(bound)
            );
        }
        println!(
            "start with {} readings to replay       ready in {:.0} ms   (under 2,000: {}), caught up in {:.0} ms",
            self.restart.readings,
            self.restart.ready_ms,
            held(self.restart.ready_ms < 2_000.0),
            self.restart.caught_up_ms
        );
    }
}
