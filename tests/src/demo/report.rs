//! What a person sees of the demo.

use std::path::Path;
use std::process::ExitStatus;

use serde_json::Value;
use tokio::signal;

use super::judge::Outcome;
use crate::child::Process;
use crate::collector::Collector;

/// Says what came of it; the last line is the outcome as JSON.
pub(super) fn explain(outcome: &Outcome, stopped: ExitStatus, log: &Path) {
    if !stopped.success() {
        let log = std::fs::read_to_string(log).unwrap_or_default();
        eprintln!("the agent stopped with {stopped}; its log:\n{log}");
    }
    match serde_json::to_string(outcome) {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("the outcome cannot be written: {error}"),
    }
}

/// Shows alerts as they arrive, until Ctrl-C or the end of the agent.
pub(super) async fn watch(
    collector: &Collector,
    page: &str,
    agent: &mut Process,
) -> anyhow::Result<()> {
    println!("page: http://{page}/   (Ctrl-C ends the demo)");
    println!(
        "five simulated minutes are caught up with first; faults begin after about ten seconds\n"
    );
    let mut shown = 0;
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(250));
    loop {
        tokio::select! {
            _ = signal::ctrl_c() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = tick.tick() => {}
        }
        let lines: Vec<String> = collector.look(|collected| {
            let lines = collected.records[shown..]
                .iter()
                .filter(|received| received.record["schema"] == "eyot.alert.v1")
                .map(|received| line(&received.record))
                .collect();
            shown = collected.records.len();
            lines
        });
        for line in lines {
            println!("{line}");
        }
        if let Some(status) = agent.ended() {
            anyhow::bail!("the agent has ended: {status}");
        }
    }
}

fn line(alert: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let why: Vec<String> = alert["contributions"]
        .as_array()
        .into_iter()
        .flatten()
        .take(2)
        .map(|part| {
            format!(
                "{} {} {:.3} instead of {:.3} ({}, {:.0} %)",
                text(&part["channel"]),
                text(&part["feature"]),
                part["value"].as_f64().unwrap_or(f64::NAN),
                part["expected"].as_f64().unwrap_or(f64::NAN),
                text(&part["detector"]),
                100.0 * part["share"].as_f64().unwrap_or(0.0),
            )
        })
        .collect();
    format!(
        "{}  {:8}  {}  score {:.1}  {}",
        text(&alert["time"]),
        text(&alert["state"]),
        text(&alert["device"]),
        alert["score"]["fused"].as_f64().unwrap_or(f64::NAN),
        why.join("; ")
    )
}
