//! Benchmarks, each against a yardstick in the same run, on the same broker and load, in turn.

mod backlog;
mod cpu;
mod decode;
mod drain;
mod durable;
mod flood;
mod load;
mod outage;
mod rates;
mod size;
mod week;
mod windows;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use eyot::mqtt::{self, Event, QoS};
use serde::Serialize;
use tokio::time::sleep;

use crate::collector::local_broker;
pub use drain::bare as drain;
pub use windows::run_case as windows;

/// How the benchmark is run.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArgs {
    /// Write the figures to this file as JSON
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Rounds; each measures the yardstick and the agent once
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 20)]
    pub seconds: u64,
    /// Messages a second
    #[arg(long, default_value_t = 20_000)]
    pub rate: u32,
    /// Measure these parts only
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    pub only: Vec<Part>,
}

/// What there is to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// What a reading costs from broker to verdict, and the memory of devices
    Cpu,
    /// Mapping messages
    Decoding,
    /// Windows and features alone
    Windows,
    /// The journal: rates, bytes, restarts
    Durability,
    /// The highest rate at which nothing is dropped
    Rates,
    /// Draining what an outage has left behind
    Outage,
    /// How long an outage may last; takes a while, and only if it is asked for
    Week,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
struct Figures {
    machine: String,
    #[serde(flatten)]
    cpu: Option<cpu::Cost>,
    decoding: Option<decode::Decoding>,
    windows: Option<windows::Windows>,
    durable: Option<durable::Durable>,
    rates: Option<Vec<rates::Rates>>,
    outage: Option<outage::Outage>,
    week: Option<week::Week>,
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
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let mut figures = Figures {
        machine: machine(),
        cpu: None,
        decoding: None,
        windows: None,
        durable: None,
        rates: None,
        outage: None,
        week: None,
    };
    println!("{}", figures.machine);
    if wanted(Part::Decoding) {
        let decoding = figures.decoding.insert(decode::measure());
        for (what, figure, limit) in decoding.against_limits() {
            let verdict = held(figure <= limit);
            println!("{what:<44}{figure:.2}   (at most {limit}: {verdict})");
        }
    }
    if wanted(Part::Windows) {
        figures.windows.insert(windows::measure()?).print();
    }
    if wanted(Part::Cpu) {
        figures.cpu.insert(cpu::measure(args).await?).print();
    }
    if wanted(Part::Durability) {
        let durable = durable::measure(args.rounds).await?;
        figures.durable.insert(durable).print();
    }
    if wanted(Part::Rates) {
        let rates = figures.rates.insert(rates::measure().await?);
        rates.iter().for_each(rates::Rates::print);
    }
    if wanted(Part::Outage) {
        figures.outage.insert(outage::measure().await?).print();
    }
    if args.only.contains(&Part::Week) {
        figures.week.insert(week::measure().await?).print();
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&figures)?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(true)
}

fn held(ok: bool) -> &'static str {
    if ok { "held" } else { "MISSED" }
}

/// Subscribes and counts, on a runtime of one thread like the agent's, until it is killed. Prints the count now and then.
///
/// # Errors
/// When the options are not valid; never in practice.
pub async fn bare(port: u16, qos: u8) -> anyhow::Result<bool> {
    let options = mqtt::Options::subscriber(local_broker(port, "bare"), 1_000);
    let (client, mut events) = mqtt::connect(&options)?;
    let qos = QoS::try_from(qos).unwrap_or(QoS::AtMostOnce);
    let count = Arc::new(AtomicU64::new(0));
    let telling = Arc::clone(&count);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(200));
        loop {
            ticks.tick().await;
            println!("{}", telling.load(Ordering::Relaxed));
        }
    });
    loop {
        match events.poll().await {
            Ok(Event::Publish(publish)) => {
                count.fetch_add(u64::from(!publish.payload.is_empty()), Ordering::Relaxed);
            }
            Ok(Event::Connected(_)) => {
                let client = client.clone();
                tokio::spawn(async move { client.subscribe(&[("plant/#", qos)]).await });
            }
            Err(error) => {
                eprintln!("{} messages, then {error}", count.load(Ordering::Relaxed));
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
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
