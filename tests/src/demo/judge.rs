//! The outcome of the demo against the simulator's ground truth.

use std::ops::Range;
use std::time::Duration;

use anyhow::Context;
use eyot::clock;
use eyot_pipeline::{Span, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::child;
use crate::collector::Collector;

/// A fault has to be found this soon after it began, in event time.
const FIND_WITHIN: Span = Span::from_secs(30);
/// How long to wait for everything to be settled.
const SETTLE: Duration = Duration::from_secs(20);

/// Longer than the class's idle timeout: after this much silence no window is open any more.
const IDLE: Span = Span::from_secs(12);

/// What the demo came to: the last line of `--once`.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// Readings the agent received.
    readings: u64,
    /// Alerts raised that reached the shore.
    alerts: u64,
    /// Records that the shore received, each once.
    delivered: u64,
    faults_injected: usize,
    /// Faults whose own device raised an alert within 30 s of event time.
    faults_found: usize,
    /// Alerts raised on devices that had nothing.
    false_episodes: usize,
    ledger_balanced: bool,
    /// Of the scores made from live readings: age of the oldest reading, at the score.
    freshness_p99_ms: i64,
    /// The same while the simulated past was caught up with.
    freshness_backlog_p99_ms: i64,
    /// From a fault's start to its alert, in event time.
    median_delay_s: f64,
    device_minutes: f64,
    /// Which faults, and when they were found.
    faults: Vec<Finding>,
    /// What the books say.
    ledger: Value,
    /// Why it failed, if it did.
    complaints: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Finding {
    device: String,
    kind: String,
    found_after_s: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct Truth {
    start: jiff::Timestamp,
    end: jiff::Timestamp,
    devices: u32,
    faults: Vec<TruthFault>,
}

#[derive(Debug, Deserialize)]
struct TruthFault {
    device: String,
    kind: String,
    start: jiff::Timestamp,
}

#[derive(Debug, Deserialize)]
struct Sent {
    messages: u64,
}

impl Outcome {
    pub(super) fn passed(&self) -> bool {
        self.complaints.is_empty()
    }
}

/// Waits until everything is settled, and judges. The simulator was `live` in that span of gateway time:
/// it had caught up with the present and not yet ended.
pub(super) async fn judge(
    folder: &TempDir,
    collector: &Collector,
    page: &str,
    live: Range<Timestamp>,
) -> anyhow::Result<Outcome> {
    let truth: Truth =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("truth.json"))?)?;
    let sent = child::last_json::<Sent>(&folder.path().join("sim.log"))?;
    let overview = settled(page, collector, live.end).await?;

    let mut complaints = Vec::new();
    let source = &overview["sources"][0];
    let received = source["messages"]["total"].as_u64().unwrap_or(0);
    if received < sent.messages {
        complaints.push(format!(
            "{} messages were sent and {received} received",
            sent.messages
        ));
    }
    let balanced = balanced(&overview, &mut complaints);
    let lanes = overview["lanes"].as_array().cloned().unwrap_or_default();
    let enqueued: u64 = lanes
        .iter()
        .filter_map(|lane| lane["enqueued"].as_u64())
        .sum();
    let delivered = collector.look(|collected| collected.records.len() as u64);
    if delivered != enqueued {
        complaints.push(format!(
            "{enqueued} records were made and {delivered} arrived"
        ));
    }

    let alerts = raised(collector);
    let faults: Vec<Finding> = truth
        .faults
        .iter()
        .map(|fault| find(fault, &alerts))
        .collect();
    let found = faults
        .iter()
        .filter(|fault| fault.found_after_s.is_some())
        .count();
    let is_false = |alert: &&Raised| {
        !truth
            .faults
            .iter()
            .any(|fault| fault.device == alert.device && alert.time >= time(fault.start))
    };
    let false_episodes = alerts.iter().filter(is_false).count();
    let minutes = (time(truth.end) - time(truth.start)).as_secs_f64() / 60.0;
    let device_minutes = minutes * f64::from(truth.devices);
    if found < faults.len() {
        complaints.push(format!(
            "{} of {} faults were not found in time",
            faults.len() - found,
            faults.len()
        ));
    }
    if false_episodes as f64 > device_minutes / 100.0 {
        complaints.push(format!(
            "{false_episodes} false episodes in {device_minutes:.0} device-minutes"
        ));
    }
    let mut delays: Vec<f64> = faults
        .iter()
        .filter_map(|fault| fault.found_after_s)
        .collect();
    let (present, past) = ages(collector, &live);
    Ok(Outcome {
        readings: source["readings"]["total"].as_u64().unwrap_or(0),
        alerts: alerts.len() as u64,
        delivered,
        faults_injected: faults.len(),
        faults_found: found,
        false_episodes,
        ledger_balanced: balanced,
        freshness_p99_ms: present,
        freshness_backlog_p99_ms: past,
        median_delay_s: quantile(&mut delays, 0.5).unwrap_or(0.0),
        device_minutes,
        faults,
        ledger: serde_json::json!({"source": source, "lanes": lanes}),
        complaints,
    })
}

/// Waits until nothing is in flight, nothing is buffered and no window is open any more.
async fn settled(page: &str, collector: &Collector, ended: Timestamp) -> anyhow::Result<Value> {
    let deadline = Instant::now() + SETTLE;
    let mut before = (Value::Null, 0);
    loop {
        let (_, body) = child::get(page, "/api/overview.json")?;
        let overview: Value = serde_json::from_str(&body).context("the overview is no JSON")?;

        let lanes = overview["lanes"].as_array().cloned().unwrap_or_default();
        let buffered: u64 = lanes
            .iter()
            .filter_map(|lane| lane["buffered"].as_u64())
            .sum();
        let now = (
            serde_json::json!([overview["sources"], lanes]),
            collector.look(|collected| collected.records.len()),
        );
        let quiet = in_flight(&overview["sources"][0]["readings"]) == Some(0)
            && buffered == 0
            && now == before;
        if quiet && clock::now() - ended > IDLE {
            return Ok(overview);
        }
        if Instant::now() > deadline {
            return Ok(overview);
        }
        before = now;
        sleep(Duration::from_millis(1_500)).await;
    }
}

/// The term `in_flight` of an equation.
fn in_flight(equation: &Value) -> Option<u64> {
    let terms = equation["terms"].as_array()?;
    terms.iter().find(|term| term["name"] == "in_flight")?["count"].as_u64()
}

fn balanced(overview: &Value, complaints: &mut Vec<String>) -> bool {
    let source = &overview["sources"][0];
    let mut wrong = Vec::new();
    for side in ["messages", "readings"] {
        if source[side]["difference"].as_i64() != Some(0) || in_flight(&source[side]) != Some(0) {
            wrong.push(format!("{side}: {}", source[side]));
        }
    }
    for lane in overview["lanes"].as_array().into_iter().flatten() {
        let term = |name: &str| lane[name].as_u64().unwrap_or(0);
        if term("enqueued") != term("delivered") + term("buffered") + term("evicted") {
            wrong.push(format!("lane {lane}"));
        }
    }
    let balanced = wrong.is_empty();
    complaints.extend(
        wrong
            .into_iter()
            .map(|what| format!("the books do not balance: {what}")),
    );
    balanced
}

struct Raised {
    device: String,
    time: Timestamp,
}

fn raised(collector: &Collector) -> Vec<Raised> {
    collector.look(|collected| {
        collected
            .of("eyot.alert.v1")
            .filter(|received| received.record["state"] == "raised")
            .filter_map(|received| {
                Some(Raised {
                    device: received.record["device"].as_str()?.to_owned(),
                    time: time(received.record["time"].as_str()?.parse().ok()?),
                })
            })
            .collect()
    })
}

fn find(fault: &TruthFault, alerts: &[Raised]) -> Finding {
    let start = time(fault.start);
    let delay = alerts
        .iter()
        .filter(|alert| alert.device == fault.device && alert.time >= start)
        .map(|alert| alert.time - start)
        .min()
        .filter(|delay| *delay <= FIND_WITHIN);
    Finding {
        device: fault.device.clone(),
        kind: fault.kind.clone(),
        found_after_s: delay.map(Span::as_secs_f64),
    }
}

/// 99th percentiles of the age of the oldest reading at the score: of windows that lie in the live part of
/// the run, and of those in the simulated past. Scores after the simulator's end are about devices that
/// have fallen silent, and are left out.
fn ages(collector: &Collector, live: &Range<Timestamp>) -> (i64, i64) {
    let (mut present, mut past) = (Vec::new(), Vec::new());
    collector.look(|collected| {
        for received in collected.of("eyot.summary.v1") {
            let freshness = &received.record["freshness"];
            let at = |key: &str| freshness[key].as_str()?.parse().ok().map(time);
            let (Some(oldest), Some(scored)) = (at("oldest"), at("scored_at")) else {
                continue;
            };
            let age = (scored - oldest).as_millis() as f64;
            if oldest < live.start {
                past.push(age);
            } else if scored <= live.end {
                present.push(age);
            }
        }
    });
    let p99 = |mut ages: Vec<f64>| quantile(&mut ages, 0.99).unwrap_or(0.0) as i64;
    (p99(present), p99(past))
}

fn quantile(values: &mut [f64], q: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    values.get((q * last as f64).round() as usize).copied()
}

fn time(at: jiff::Timestamp) -> Timestamp {
    Timestamp(i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX))
}
