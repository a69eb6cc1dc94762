//! The commands of `eyot`. Only here is anything printed.

pub mod check;
pub mod collect;
pub mod decode;
pub mod discover;
pub mod dlq;
pub mod export;
mod login;
mod publisher;
pub mod replay;
pub mod run;
pub mod sim;
pub mod status;
#[cfg(test)]
mod tests;
mod text;

use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

pub use self::publisher::BrokerPublisher;
use crate::error::chain;
use crate::ops::log::{self, LogFormat};

/// An edge agent for sensor telemetry: features, anomaly scores and alerts on the gateway.
#[derive(Debug, Parser)]
#[command(name = "eyot", version, about)]
struct Arguments {
    /// Form of the log on standard error; `EYOT_LOG` says what is logged
    #[arg(long, value_enum, default_value_t, global = true)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent
    Run {
        /// Configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration and say what it means
    Check {
        /// Configuration file
        file: PathBuf,
    },
    /// Say how an agent is doing, or how it was left: exit code 0 healthy, 1 degraded, 2 not reachable
    Status(status::StatusArgs),
    /// Messages that could not be decoded: look at them, publish them again, drop them
    Dlq(Box<dlq::DlqArgs>),
    /// Print the readings of a message or a recording, or why there are none
    Decode(Box<decode::DecodeArgs>),
    /// Listen to a broker and propose a configuration
    Discover(Box<discover::DiscoverArgs>),
    // Described where its arguments are, at length.
    Collect(Box<collect::CollectArgs>),
    // The same.
    Export(Box<export::ExportArgs>),
    /// Print the JSON Schema of the configuration file
    Schema,
    /// Simulate a fleet of pumps
    Sim(Box<sim::SimArgs>),
    // The same.
    Replay(Box<replay::ReplayArgs>),
}

/// The program: reads its arguments and does what they say.
#[expect(clippy::print_stderr, reason = "a command speaks to its terminal")]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(error) = log::init(arguments.log_format) {
        eprintln!("{}", chain(&error));
        return ExitCode::FAILURE;
    }
    let result = match arguments.command {
        Command::Run { config } => return run::run(&config),
        Command::Check { file } => return check::run(&file),
        Command::Status(args) => return status::run(&args),
        Command::Dlq(args) => {
            let mut complete = true;
            let done = publishing(async |stop| {
                complete = dlq::run(&args, &stop).await?;
                Ok(())
            });
            if done.is_ok() && !complete {
                return ExitCode::FAILURE;
            }
            done
        }
        Command::Decode(args) => return decode::run(&args),
        Command::Discover(args) => discover::run(&args),
        Command::Collect(args) => collect::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Schema => report_schema(),
        Command::Sim(args) => {
            publishing(async |stop| sim::run(&args, BrokerPublisher::connect, &stop).await)
        }
        Command::Replay(args) => {
            publishing(async |stop| replay::run(&args, BrokerPublisher::connect, &stop).await)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Runs a publishing command until it is through or interrupted.
fn publishing(
    command: impl AsyncFnOnce(CancellationToken) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let interrupted = stop.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                interrupted.cancel();
            }
        });
        command(stop).await
    })
}

/// Prints a line to standard output. That nobody reads it any more, as behind `| head`, is no failure.
#[expect(
    clippy::print_stderr,
    clippy::exit,
    reason = "a command speaks to its terminal, and has nothing left to do without one"
)]
fn say(line: impl Display) {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to standard output: {error}");
            std::process::exit(1)
        }
        _ => {}
    }
}

/// Prints the schema to standard output.
fn report_schema() -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(&crate::config::schema())?);
    Ok(())
}

/// Prints the outcome of a command to standard output: for people, or as one line of JSON.
fn report(outcome: &(impl Serialize + Display), json: bool) -> anyhow::Result<()> {
    say(render(outcome, json)?);
    Ok(())
}

/// The outcome of a command: for people, or as one line of JSON.
fn render(outcome: &(impl Serialize + Display), json: bool) -> anyhow::Result<String> {
    if json {
        serde_json::to_string(outcome).context("cannot write the summary as JSON")
    } else {
        Ok(outcome.to_string())
    }
}
