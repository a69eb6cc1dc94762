//! `eyot status`: how a running agent is doing, or how one that does not run was left.
#![expect(clippy::print_stderr, reason = "a command speaks to its terminal")]

mod fetch;
mod stored;
mod table;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use self::table::Table;
use crate::config::Config;
use crate::error::chain;
use crate::store;

/// Where the page is unless something else is said.
const DEFAULT: &str = "http://127.0.0.1:9484";
/// Exit code of an agent that runs and is not well.
const DEGRADED: u8 = 1;
/// Exit code where no agent answers.
const NOT_REACHABLE: u8 = 2;

/// What `eyot status` is told.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Configuration file: its page is asked, and its database is read if no agent runs
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    config: Option<PathBuf>,
    /// Page of the agent; <http://127.0.0.1:9484> if neither is given
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Asks and prints. Exit code 0: healthy; 1: degraded; 2: no agent answers.
pub fn run(args: &StatusArgs) -> ExitCode {
    match status(args) {
        Ok((status, code)) => {
            if args.json {
                super::say(status);
            } else {
                super::say(Table(&status));
            }
            ExitCode::from(code)
        }
        Err(error) => {
            eprintln!("error: {}", chain(error.as_ref()));
            ExitCode::from(NOT_REACHABLE)
        }
    }
}

fn status(args: &StatusArgs) -> anyhow::Result<(Value, u8)> {
    let Some(path) = &args.config else {
        return ask(args.url.as_deref().unwrap_or(DEFAULT), None);
    };
    let config = Config::load(path).map_err(|faults| anyhow::anyhow!("{faults}"))?;
    let page = config.http.as_ref().map(|http| {
        let mut address = http.listen;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("http://{address}")
    });
    let unanswered = match page {
        Some(url) => match ask(&url, Some(&config.agent.name)) {
            Ok(answer) => return Ok(answer),
            Err(error) => chain(error.as_ref()),
        },
        None => "it has no page: [http] enabled = false".to_owned(),
    };
    let running = store::is_in_use(&config.agent.data_dir)?;
    let mut status = stored::read(&config)?;
    status["running"] = json!(running);
    if running {
        status["unanswered"] = json!(unanswered);
    }
    Ok((status, NOT_REACHABLE))
}

/// What the page at `url` says, if it is that of the agent that was meant.
fn ask(url: &str, agent: Option<&str>) -> anyhow::Result<(Value, u8)> {
    let mut status: Value = fetch::json(url, "/api/overview.json")?;
    let name = status["agent"].as_str().unwrap_or_default();
    if let Some(meant) = agent.filter(|meant| *meant != name) {
        anyhow::bail!("{url} is the page of agent `{name}`, not of `{meant}`");
    }
    let code = match status["health"]["status"].as_str() {
        Some("healthy") => 0,
        _ => DEGRADED,
    };
    status["running"] = json!(true);
    status["url"] = json!(url);
    Ok((status, code))
}
