//! Chaos: a real plant and a real shore around an agent, everything that can go wrong going wrong, and then the
//! accounts. What every device sent and the plant's broker acknowledged is known to the reading; what was collected
//! is compared with it, and so are the agent's books. docs/durability.md says what a run proves.

mod books;
mod devices;
mod dice;
mod inject;
mod judge;
mod outcome;
mod rig;
pub mod schedule;
mod shore;
mod truth;
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use tempfile::TempDir;
use tokio::task::block_in_place;
use tokio::time::{Instant, sleep};

use self::devices::Devices;
use self::inject::{AgentLane, IngestLane, UpstreamLane};
use self::judge::Evidence;
use self::outcome::Outcome;
use self::rig::{Agent, Disk, Shore, Variant};
use self::schedule::{Budget, Fault, Kind, Lane};
use self::watch::Watch;
use crate::broker::free_port;
use crate::link::Link;

/// How a run is made.
#[derive(Debug, Clone, clap::Args)]
pub struct ChaosArgs {
    /// How long faults go on
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    pub seconds: u64,
    /// Everything random follows from it
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Write the outcome to this file too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Devices
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub devices: u32,
    /// Durability of the agent's journal: memory fails, as it should [default: process or power, by the seed]
    #[arg(long, value_parser = ["memory", "process", "power"])]
    pub durability: Option<String>,
    /// Faults of these kinds only [default: all, but a damaged database only with every fourth seed, a damaged journal with every eighth]
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    pub only: Vec<Kind>,
    /// Print the schedule and end
    #[arg(long)]
    pub plan: bool,
    /// Keep the folder of a run that passed, too
    #[arg(long)]
    pub keep: bool,
}

/// How long everything may take to settle once the faults are over.
const SETTLE: Duration = Duration::from_mins(2);

/// Makes a run; false if there was any difference that no fault explains.
///
/// # Errors
/// When a part does not start, does not stop, or does not get done in time.
pub async fn run(args: &ChaosArgs) -> anyhow::Result<bool> {
    let folder = TempDir::with_prefix("eyot-chaos-")?;
    let path = folder.path().to_owned();
    let mut outcome = Outcome {
        seed: args.seed,
        seconds: args.seconds,
        ..Outcome::default()
    };
    let disk = disk(&path, &mut outcome);
    let kinds = kinds(args, disk.is_some());
    let plan = schedule::plan(args.seed, args.seconds, &kinds);
    if args.plan {
        explain(&plan);
        return Ok(true);
    }
    let interrupted = async {
        tokio::signal::ctrl_c().await?;
        anyhow::bail!("interrupted")
    };
    let made = tokio::select! {
        made = make(args, &path, disk, plan, &mut outcome) => made,
        interrupted = interrupted => interrupted,
    };
    if let Err(error) = made {
        let why = eyot::error::chain(error.as_ref());
        outcome.complaints.insert(0, why);
    }
    let passed = outcome.complaints.is_empty();
    outcome.result = if passed { "passed" } else { "failed" };
    outcome.explain();
    if !passed || args.keep {
        let kept = folder.keep();
        if !passed {
            tails(&kept);
        }
        eprintln!("logs and files are in {}", kept.display());
    }
    let json = serde_json::to_string(&outcome)?;
    if let Some(file) = &args.json {
        fs::write(file, format!("{json}\n"))
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    println!("{json}");
    Ok(passed)
}

/// The disk that can be filled, where there can be one.
fn disk(folder: &Path, outcome: &mut Outcome) -> Option<Disk> {
    match Disk::mount(folder.join("disk")) {
        Ok(disk) => Some(disk),
        Err(error) => {
            let why = format!("no file system can be mounted here: {error}");
            for kind in [Kind::DiskFull, Kind::DiskFullKill] {
                outcome.skipped.insert(kind.name(), why.clone());
            }
            None
        }
    }
}

fn kinds(args: &ChaosArgs, disk: bool) -> Vec<Kind> {
    // A run with a damaged database or journal can be judged less strictly, so most runs go without.
    let damaged = |kind: &Kind| match kind {
        Kind::CorruptDatabase => args.seed.is_multiple_of(4),
        Kind::CorruptJournal => args.seed % 8 == 6,
        _ => true,
    };
    let all = Kind::value_variants().iter().copied();
    all.filter(|kind| disk || !matches!(kind, Kind::DiskFull | Kind::DiskFullKill))
        .filter(|kind| match &args.only[..] {
            [] => damaged(kind),
            only => only.contains(kind),
        })
        .collect()
}

fn explain(plan: &[Fault]) {
    for fault in plan {
        let cost = match fault.kind.budget() {
            Budget::Nothing => "may cost nothing".to_owned(),
            Budget::Itself(name) => format!("itself is {name}, and nothing else"),
            Budget::Undelivered => "may cost what had not left the agent".to_owned(),
        };
        println!("{fault}: {cost}");
    }
}

/// Everything that runs, in the order in which it is stopped when this is dropped.
struct Plant {
    devices: Devices,
    agent: AgentLane,
    ingest: IngestLane,
    upstream: UpstreamLane,
}

async fn make(
    args: &ChaosArgs,
    folder: &Path,
    disk: Option<Disk>,
    plan: Vec<Fault>,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    for fault in &plan {
        *outcome.faults.entry(fault.kind.name()).or_default() += 1;
    }
    let mut variant = Variant::of(args.seed);
    if let Some(durability) = &args.durability {
        variant.durability.clone_from(durability);
    }
    outcome.version = variant.version;
    outcome.durability.clone_from(&variant.durability);
    let plant = build(args, folder, disk, &variant).await?;
    let (page, database) = (
        plant.agent.agent.page.clone(),
        plant.upstream.shore.database.clone(),
    );
    let (watch, looking) = Watch::start(page, database, args.devices)?;
    let result = under_watch(args, plant, plan, &watch, outcome).await;
    let seen = watch.stop();
    join(looking);
    outcome.worst_catch_up_s = seen.worst_catch_up.as_secs_f64();
    outcome.books_checked = seen.looks;
    outcome.complaints.extend(seen.unbalanced);
    result
}

fn join(thread: JoinHandle<()>) {
    let _ = block_in_place(|| thread.join());
}

async fn build(
    args: &ChaosArgs,
    folder: &Path,
    disk: Option<Disk>,
    variant: &Variant,
) -> anyhow::Result<Plant> {
    let ingest_broker = rig::broker(&folder.join("plant"))?;
    let upstream_broker = rig::broker(&folder.join("upstream"))?;
    let ingest = IngestLane {
        link: Link::to(ingest_broker.port).await?,
        devices: Link::to(ingest_broker.port).await?,
        broker: ingest_broker,
    };
    let mut upstream = UpstreamLane {
        link: Link::to(upstream_broker.port).await?,
        shore: Shore::new(folder, upstream_broker.port),
        broker: upstream_broker,
    };
    upstream.shore.start()?;
    rig::subscribed(&folder.join("upstream"), "eyot/").await?;
    let page = format!("127.0.0.1:{}", free_port()?);
    let data = disk
        .as_ref()
        .map_or_else(|| folder.join("data"), |disk| disk.path.join("data"));
    let ports = (ingest.link.port, upstream.link.port);
    let mut agent = Agent::new(folder, page, data, ports, variant)?;
    block_in_place(|| agent.start())?;
    // What is published before anybody has subscribed is nobody's.
    rig::subscribed(&folder.join("plant"), "plant/").await?;
    let devices = Devices::start(args.seed, args.devices, ingest.devices.port)?;
    Ok(Plant {
        devices,
        agent: AgentLane {
            agent,
            disk,
            corruptions: Vec::new(),
        },
        ingest,
        upstream,
    })
}

async fn under_watch(
    args: &ChaosArgs,
    plant: Plant,
    plan: Vec<Fault>,
    watch: &Arc<Watch>,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    // Before that the broker and the devices repeat nothing.
    let repeats = plan.iter().any(|fault| fault.kind.lane() != Lane::Devices);
    let mut plant = trouble(args, plant, plan, watch).await?;
    outcome.restarts = plant.agent.agent.starts - 1;
    let settled = settle(&mut plant).await;
    let truth = plant.devices.truth();
    outcome.messages_acknowledged = truth.messages_acked();
    outcome.readings_acknowledged = truth.readings_acked();
    outcome.duplicates_sent = truth.again.acked;
    outcome.ahead_sent = truth.ahead.acked;
    outcome.behind_sent = truth.behind.acked;
    outcome.malformed_sent = truth.malformed.acked;
    if let Err(error) = &settled {
        outcome.complaints.push(eyot::error::chain(error.as_ref()));
    }
    let stopped = block_in_place(|| {
        let books = plant.agent.agent.books()?;
        plant.agent.agent.stop()?;
        plant.upstream.shore.stop()?;
        Ok::<_, anyhow::Error>(books)
    });
    let books = stopped?;
    let collected = shore::read(&plant.upstream.shore.database)?;
    outcome.records = collected.records;
    outcome.alerts = collected.alerts;
    outcome.duplicates_upstream = collected.repeated;
    let verdict = judge::judge(&Evidence {
        truth: &truth,
        collected: &collected,
        books: &books,
        corruptions: &plant.agent.corruptions,
        repeats: repeats || truth.resent > 0,
    });
    outcome.readings_collected = verdict.collected;
    outcome.readings_accounted = verdict.accounted;
    outcome.messages_repeated = verdict.repeated_messages;
    outcome.complaints.extend(verdict.complaints);
    let panics = plant.agent.agent.logged("panicked");
    outcome.complaints.extend(panics.into_iter().take(3));
    Ok(())
}

/// The faults, all lanes at once.
async fn trouble(
    args: &ChaosArgs,
    plant: Plant,
    plan: Vec<Fault>,
    watch: &Arc<Watch>,
) -> anyhow::Result<Plant> {
    let start = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let mut lanes: BTreeMap<u8, Vec<Fault>> = BTreeMap::new();
    for fault in plan {
        lanes
            .entry(fault.kind.lane() as u8)
            .or_default()
            .push(fault);
    }
    let mut of = |lane: Lane| lanes.remove(&(lane as u8)).unwrap_or_default();
    let around = || (start, Arc::clone(watch), Arc::clone(&stop));
    let agent = tokio::spawn(inject::run(plant.agent, of(Lane::Agent), around()));
    let ingest = tokio::spawn(inject::run(plant.ingest, of(Lane::Ingest), around()));
    let upstream = tokio::spawn(inject::run(plant.upstream, of(Lane::Upstream), around()));
    let devices = tokio::spawn(inject::run(plant.devices, of(Lane::Devices), around()));
    let end = start + Duration::from_secs(args.seconds);
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(100)).await;
    }
    // Every wait within a lane has an end, so the lanes have one.
    let (agent, ingest, upstream, devices) = tokio::join!(agent, ingest, upstream, devices);
    Ok(Plant {
        agent: agent??,
        ingest: ingest??,
        upstream: upstream??,
        devices: devices??,
    })
}

/// The plant falls silent, and everything that is under way arrives.
async fn settle(plant: &mut Plant) -> anyhow::Result<()> {
    plant.devices.finish(SETTLE).await?;
    let sent = plant.devices.truth().messages_acked();
    let deadline = Instant::now() + SETTLE;
    let mut quiet = 0;
    // What is settled may be so between two bursts: it has to stay so.
    while quiet < 10 {
        sleep(Duration::from_millis(100)).await;
        plant.agent.agent.check()?;
        plant.upstream.shore.check()?;
        let books = block_in_place(|| plant.agent.agent.books());
        let records = shore::records(&plant.upstream.shore.database).unwrap_or(0);
        let settled = books.as_ref().is_ok_and(|books| {
            let all = books.messages.total >= sent || !plant.agent.corruptions.is_empty();
            all && books.settled() && records >= books.delivered
        });
        quiet = if settled { quiet + 1 } else { 0 };
        anyhow::ensure!(
            Instant::now() < deadline,
            "not everything has arrived {SETTLE:?} after the end: {sent} messages acknowledged, {records} records \
             collected, the books: {books:?}"
        );
    }
    Ok(())
}

/// The ends of the latest logs.
fn tails(folder: &Path) {
    let mut logs: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    let of = |kind: &str| {
        let named = |path: &&PathBuf| path.to_string_lossy().contains(kind);
        logs.iter().rev().find(named)
    };
    for log in [of("/agent-"), of("/collect-")].into_iter().flatten() {
        let text = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        eprintln!("the end of {}:", log.display());
        for line in &lines[lines.len().saturating_sub(15)..] {
            eprintln!("  {line}");
        }
    }
}
