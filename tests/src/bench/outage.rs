//! What an outage has left behind, drained: a million summaries, one by one and in batches, while alerts that are raised
//! meanwhile go first.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use eyot::clock;
use eyot::mqtt::{self, QoS};
use eyot_pipeline::{Span, Timestamp};
use serde::Serialize;
use tempfile::TempDir;
use tokio::time::{Instant, interval, sleep};

use super::backlog::{Backlog, DEVICES};
use super::{held, value};
use crate::broker::free_port;
use crate::child::{self, Process};
use crate::collector::{Collector, local_broker};
use crate::mosquitto::Mosquitto;

/// Summaries that wait.
const BACKLOG: u64 = 1_000_000;
/// Devices that raise and clear alerts every few seconds.
const LIVE: u32 = 40;
/// Long enough for their detectors to know them.
const WARM_UP: Duration = Duration::from_secs(25);
/// How long they are well, and how long they are not.
const SPELL: Duration = Duration::from_secs(2);
/// How long a drain may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// One drain.
#[derive(Debug, Clone, Copy, Serialize)]
struct Drained {
    /// Records a second.
    rate: f64,
    /// Alerts that were raised and arrived meanwhile.
    alerts: usize,
    /// From the verdict to the broker's other side, 99th percentile and the longest, in milliseconds.
    alert_p99_ms: f64,
    alert_max_ms: f64,
}

/// Both ways to drain a backlog.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Outage {
    single: Drained,
    batched: Drained,
}

/// Measures both.
pub(super) async fn measure() -> anyhow::Result<Outage> {
    let single = drain("").await.context("one by one")?;
    eprintln!("one by one: {single:?}");
    let batched = drain("batch = {}").await.context("in batches")?;
    eprintln!("in batches: {batched:?}");
    Ok(Outage { single, batched })
}

async fn drain(uplink: &str) -> anyhow::Result<Drained> {
    let folder = TempDir::with_prefix("eyot-bench-")?;
    let plant = Mosquitto::start("set_tcp_nodelay true")?;
    let shore = Mosquitto::start("set_tcp_nodelay true")?;
    let page = format!("127.0.0.1:{}", free_port()?);
    let config = folder.path().join("bench.toml");
    std::fs::write(
        &config,
        configuration(plant.port, shore.port, &page, uplink),
    )?;
    let start = || {
        let mut command = Command::new(child::eyot()?);
        command.arg("run").arg("--config").arg(&config);
        Process::start(&mut command, &folder.path().join("agent.log"))
    };
    let stop = Arc::new(AtomicBool::new(false));
    let publishing = tokio::spawn(publish(plant.port, Arc::clone(&stop)));
    let mut process = start()?;
    super::drain::healthy(&page).await?;
    sleep(WARM_UP).await;
    process.terminate();
    process.wait(PATIENCE)?;
    fill(&folder.path().join("data")).await?;
    let alerts = Collector::start(shore.port, "eyot/+/alert/#").await?;
    let _process = start()?;
    let delivered = || {
        let metrics = child::get(&page, "/metrics").map_or_else(|_| String::new(), |got| got.1);
        value(
            &metrics,
            "eyot_lane_records_total{lane=\"summary\",term=\"delivered\"}",
        )
    };
    let deadline = Instant::now() + PATIENCE;
    let mut first = None;
    let (records, took, begun) = loop {
        anyhow::ensure!(Instant::now() < deadline, "the backlog does not drain");
        let now = delivered();
        match first {
            None if now > 0 => first = Some((now, Instant::now(), clock::now())),
            // What is raised once the backlog is gone does not count.
            Some((from, begun, at)) if now >= BACKLOG => break (now - from, begun.elapsed(), at),
            _ => {}
        }
        sleep(Duration::from_millis(50)).await;
    };
    let ended = clock::now();
    sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::Relaxed);
    publishing.abort();
    let mut ages = alerts.look(|collected| {
        let of = |received: &crate::collector::Received| -> Option<(Timestamp, Span)> {
            let scored = received.record["freshness"]["scored_at"].as_str()?;
            let scored: jiff::Timestamp = scored.parse().ok()?;
            let scored = Timestamp(i64::try_from(scored.as_nanosecond()).ok()?);
            Some((scored, received.at - scored))
        };
        let all = collected.of("eyot.alert.v1").filter_map(of);
        let meanwhile = all.filter(|(at, _)| begun <= *at && *at <= ended);
        meanwhile
            .map(|(_, age)| age.0 as f64 / 1e6)
            .collect::<Vec<f64>>()
    });
    ages.sort_by(f64::total_cmp);
    anyhow::ensure!(
        ages.len() >= 20,
        "only {} alerts were raised meanwhile",
        ages.len()
    );
    Ok(Drained {
        rate: records as f64 / took.as_secs_f64(),
        alerts: ages.len(),
        alert_p99_ms: ages[ages.len() * 99 / 100],
        alert_max_ms: ages[ages.len() - 1],
    })
}

fn configuration(plant: u16, shore: u16, page: &str, uplink: &str) -> String {
    format!(
        r#"
[agent]
name = "bench"
data_dir = "data"

[store]
commit_interval = "10ms"

[[source]]
name = "plant"
url = "mqtt://127.0.0.1:{plant}"

[[source.rule]]
name = "reading"
topic = "plant/{{device}}/{{channel}}"
decoder = "value"

[[class]]
name = "live"
devices = ["live-*"]
window = "500ms"
out_of_orderness = "50ms"
channels = {{ v = {{}} }}
verdict = {{ enter_after = 1, exit_after = 1, cooldown = "0s" }}

[[class]]
name = "pump"
devices = ["pump-*"]
window = "10s"
channels = {{ flow = {{}} }}

[uplink]
url = "mqtt://127.0.0.1:{shore}"
backoff_max = "1s"
{uplink}

[http]
listen = "{page}"
"#
    )
}

/// Devices that are well and unwell in turn.
async fn publish(port: u16, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    let options = mqtt::Options::publisher(local_broker(port, "live"), 100);
    let (client, mut events) = mqtt::connect(&options)?;
    let polling = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let begun = Instant::now();
    let mut ticks = interval(Duration::from_millis(50));
    let mut n = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        for device in 0..LIVE {
            n += 1;
            let wave = (n.wrapping_mul(2_654_435_761) >> 7) % 1_000;
            let mut level = 10.0 + wave as f64 / 1_000.0;
            // Not all of them at once.
            let spell =
                begun.elapsed().as_secs_f64() / SPELL.as_secs_f64() + f64::from(device) / 7.0;
            if begun.elapsed() > WARM_UP && spell as u64 % 2 == 1 {
                level += 50.0;
            }
            let topic = format!("plant/live-{device:02}/v");
            let payload = format!("{level:.3}").into();
            client
                .publish(&topic, QoS::AtMostOnce, false, payload)
                .await?;
        }
    }
    polling.abort();
    Ok(())
}

/// Puts a million summaries into the outbox of the agent in `folder`, which is not running, and folds them as a store
/// does with what has waited for long.
async fn fill(folder: &Path) -> anyhow::Result<()> {
    let backlog = Backlog::open(folder, u64::MAX, Span(-1), clock::now).await?;
    for n in 0..BACKLOG / DEVICES {
        backlog.add(n).await?;
    }
    let store = backlog.store;
    store.handle.flush().await?;
    let in_blocks = || async { anyhow::Ok(store.handle.stats().await?.folded) };
    let deadline = Instant::now() + PATIENCE;
    while in_blocks().await? < BACKLOG - 1_024 {
        anyhow::ensure!(Instant::now() < deadline, "the backlog is not folded");
        sleep(Duration::from_millis(50)).await;
    }
    store.thread.shutdown().await?;
    Ok(())
}

impl Outage {
    /// Prints both with their limits.
    pub(super) fn print(&self) {
        let ways = [
            ("one by one", self.single, 20_000.0),
            ("in batches", self.batched, 100_000.0),
        ];
        for (way, drained, limit) in ways {
            println!(
                "a backlog of {BACKLOG} summaries {way}       {:.0}/s   (at least {limit}: {})",
                drained.rate,
                held(drained.rate >= limit)
            );
            println!(
                "  meanwhile {} alerts, verdict to shore      p99 {:.0} ms   (under 100: {}), at most {:.0} ms",
                drained.alerts,
                drained.alert_p99_ms,
                held(drained.alert_p99_ms < 100.0),
                drained.alert_max_ms
            );
        }
    }
}
