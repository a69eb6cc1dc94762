//! `eyot-lab`: the demo, the benchmarks and the training data.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command speaks to its terminal"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use eyot::config::Config;
use eyot::error::chain;
use eyot::sim::FleetConfig;
use eyot_lab::{bench, chaos, demo, evaluate, features, skab};
use eyot_pipeline::{Span, Timestamp};

/// What the demo, the benchmarks and the training of the demo's model need around an agent.
#[derive(Debug, Parser)]
#[command(name = "eyot-lab", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run an agent on simulated pumps with faults
    Demo(demo::DemoArgs),
    /// Do to an agent and its surroundings all that can go wrong, and compare what arrives with what was sent
    Chaos(chaos::ChaosArgs),
    /// Measure the agent against a bare subscriber
    Bench(bench::BenchArgs),
    /// Count messages and do nothing else: what the benchmark measures against
    Bare {
        /// Port of the broker on loopback
        #[arg(long)]
        port: u16,
        /// Quality of service
        #[arg(long, default_value_t = 0)]
        qos: u8,
    },
    /// Put readings through the state machine of a device: what instructions are counted of
    Windows {
        /// Which of the cases
        case: usize,
        /// How many readings
        readings: usize,
    },
    /// Take over a queue of QoS 1 and say how fast: what the benchmark measures against
    Drain {
        /// Port of the broker on loopback
        #[arg(long)]
        port: u16,
        /// Messages in the queue
        #[arg(long)]
        messages: u64,
    },
    /// Run an agent on a slow disk
    Agent {
        /// Its configuration
        #[arg(long)]
        config: PathBuf,
        /// Milliseconds that every sync of its journal takes longer
        #[arg(long)]
        slow_sync: u64,
    },
    /// Replay recordings of a real rig through an agent and judge its alerts by their labels
    Skab(skab::SkabArgs),
    /// Judge detection on simulated fleets, quickly and always with the same result
    Evaluate {
        /// Configuration with a class for them
        #[arg(long, default_value = "config/pump.toml")]
        config: PathBuf,
        /// Devices
        #[arg(long, default_value_t = 100)]
        devices: u32,
        /// Devices that become faulty
        #[arg(long, default_value_t = 20)]
        faults: u32,
        /// Seeds to try, from 1
        #[arg(long, default_value_t = 5)]
        seeds: u64,
        /// Simulated seconds
        #[arg(long, default_value_t = 310)]
        seconds: i64,
        /// Statistical detectors only
        #[arg(long)]
        without_model: bool,
    },
    /// Write window features of simulated pumps as CSV to standard output
    Features {
        /// Configuration with a class for them
        #[arg(long, default_value = "config/pump.toml")]
        config: PathBuf,
        /// Devices
        #[arg(long, default_value_t = 200)]
        devices: u32,
        /// Simulated seconds
        #[arg(long, default_value_t = 1_800)]
        seconds: i64,
        /// Everything random follows from it
        #[arg(long, default_value_t = 7)]
        seed: u64,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(args) => runtime(demo::run(&args)),
        Command::Chaos(args) => threads(chaos::run(&args)),
        Command::Bench(args) => runtime(bench::run(&args)),
        Command::Skab(args) => runtime(skab::run(&args)),
        Command::Bare { port, qos } => runtime(bench::bare(port, qos)),
        Command::Windows { case, readings } => bench::windows(case, readings),
        Command::Drain { port, messages } => runtime(bench::drain(port, messages)),
        Command::Agent { config, slow_sync } => runtime(slow_agent(config, slow_sync)),
        Command::Evaluate {
            config,
            devices,
            faults,
            seeds,
            seconds,
            without_model,
        } => (1..=seeds).try_fold(true, |_, seed| {
            let config = Config::load(&config)?;
            let trial = evaluate::Trial {
                seed,
                devices,
                faults,
                length: Span::from_secs(seconds),
                faults_after: Span::from_secs(200),
                with_model: !without_model,
            };
            println!(
                "seed {seed}\n{}\n",
                evaluate::evaluate(&config, &trial)?.explain(&config)
            );
            Ok(true)
        }),
        Command::Features {
            config,
            devices,
            seconds,
            seed,
        } => write_features(&config, devices, seconds, seed).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// With threads, where some work waits for processes.
fn threads(task: impl Future<Output = anyhow::Result<bool>>) -> anyhow::Result<bool> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(task)
}

fn runtime(task: impl Future<Output = anyhow::Result<bool>>) -> anyhow::Result<bool> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(task)
}

/// An agent whose journal is on a slow disk, until it is told to stop.
async fn slow_agent(config: PathBuf, slow_sync: u64) -> anyhow::Result<bool> {
    let config = Config::load(&config)?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let slow = std::time::Duration::from_millis(slow_sync);
    let agent = eyot::app::Builder::new(config)
        .slow_sync(slow)
        .start()
        .await?;
    terminate.recv().await;
    agent.stop().await?;
    Ok(true)
}

fn write_features(
    config: &std::path::Path,
    devices: u32,
    seconds: i64,
    seed: u64,
) -> anyhow::Result<()> {
    let config = Config::load(config)?;
    // Any time will do, as long as it is always the same.
    let start = Timestamp::from_secs(1_767_225_600);
    let fleet = FleetConfig::new(seed, devices, start, Span::from_secs(seconds));
    features::write(&config, &fleet, std::io::stdout().lock())
}
