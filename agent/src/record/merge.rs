//! Two summaries of a device become one, coarser one, when the outbox has no room for both.
//!
//! What is kept is what the merged record would hold if it had been computed over all the readings: counts,
//! extremes, means, deviations and root mean squares merge exactly (Chan, Golub and `LeVeque`, 1979). Slope and
//! the deviation about it do not, since they need times that a record does not have, and are left out; so are the
//! features that a class asks for. Windows of a channel that overlap are not merged: a reading in both would count twice.

use eyot_pipeline::Timestamp;
use serde_json::{Map, Value};

use crate::clock::rfc3339;

/// The summary that stands for `older` and `newer` under the identity of `newer`; `None` if they are
/// not two summaries of one device in one class, or may have readings in common.
pub fn merge(older: &[u8], newer: &[u8]) -> Option<Vec<u8>> {
    let [older, newer] = [older, newer].map(|body| serde_json::from_slice::<Value>(body).ok());
    let (older, newer) = (older?, newer?);
    for key in ["schema", "agent", "device", "class"] {
        if older[key] != newer[key] {
            return None;
        }
    }
    if newer["schema"] != "eyot.summary.v1" {
        return None;
    }
    if older.get("clock").or(newer.get("clock")).is_some() {
        // Their times may be on different lines.
        return None;
    }
    let mut merged = Map::new();
    for key in ["schema", "id", "agent", "device", "class"] {
        merged.insert(key.into(), newer[key].clone());
    }
    if let Some(trace) = newer.get("trace_id") {
        merged.insert("trace_id".into(), trace.clone());
    }
    let (a, b) = (&older["window"], &newer["window"]);
    if !(a["revision"].is_null() && b["revision"].is_null()) {
        // It has readings that another summary has as well.
        return None;
    }
    let [a_start, a_end, b_start, b_end] =
        [&a["start"], &a["end"], &b["start"], &b["end"]].map(time);
    let (a_start, a_end, b_start, b_end) = (a_start?, a_end?, b_start?, b_end?);
    let overlap = a_start < b_end && b_start < a_end;
    if overlap && have_a_channel_in_common(&older["channels"], &newer["channels"]) {
        return None;
    }
    let mut window = Map::new();
    window.insert("start".into(), rfc3339(a_start.min(b_start)).into());
    window.insert("end".into(), rfc3339(a_end.max(b_end)).into());
    window.insert("closed_by".into(), b["closed_by"].clone());
    merged.insert("window".into(), window.into());
    let channels = channels(&older["channels"], &newer["channels"], b_start >= a_end)?;
    merged.insert("channels".into(), channels.into());
    if let Some(score) = worse_score(&older["score"], &newer["score"]) {
        merged.insert("score".into(), score.clone());
    }
    merged.insert(
        "verdict".into(),
        worse_verdict(&older["verdict"], &newer["verdict"]).clone(),
    );
    let freshness = freshness(&older["freshness"], &newer["freshness"])?;
    merged.insert("freshness".into(), freshness.into());
    let windows = |record: &Value| record["merged"].as_u64().unwrap_or(1);
    merged.insert("merged".into(), (windows(&older) + windows(&newer)).into());
    let mut numbers = Map::new();
    numbers.insert("from".into(), first_number(&older)?.into());
    numbers.insert("to".into(), number(&newer)?.into());
    merged.insert("merges".into(), numbers.into());
    if let Some(precision) = newer.get("precision").or(older.get("precision")) {
        merged.insert("precision".into(), precision.clone());
    }
    serde_json::to_vec(&merged).ok()
}

/// The effect number that an id ends in.
fn number(record: &Value) -> Option<u64> {
    record["id"].as_str()?.rsplit('/').next()?.parse().ok()
}

/// The lowest effect number that a record stands for.
fn first_number(record: &Value) -> Option<u64> {
    record["merges"]["from"].as_u64().or_else(|| number(record))
}

pub(super) fn time(value: &Value) -> Option<Timestamp> {
    let time: jiff::Timestamp = value.as_str()?.parse().ok()?;
    i64::try_from(time.as_nanosecond()).ok().map(Timestamp)
}

fn have_a_channel_in_common(a: &Value, b: &Value) -> bool {
    let names = a.as_object().into_iter().flat_map(Map::keys);
    names.into_iter().any(|name| b.get(name).is_some())
}

/// `in_order` if no reading of the one may be later than one of the other.
fn channels(older: &Value, newer: &Value, in_order: bool) -> Option<Map<String, Value>> {
    let (older, newer) = (older.as_object()?, newer.as_object()?);
    let mut merged = Map::new();
    for (name, channel) in older {
        let channel = match newer.get(name) {
            Some(newer) => both(channel, newer, in_order)?,
            None => one(channel)?,
        };
        merged.insert(name.clone(), channel.into());
    }
    for (name, channel) in newer {
        if !older.contains_key(name) {
            merged.insert(name.clone(), one(channel)?.into());
        }
    }
    Some(merged)
}

/// A channel that only one of them has: without what merging leaves out, so that all are alike.
fn one(channel: &Value) -> Option<Map<String, Value>> {
    let mut kept = channel.as_object()?.clone();
    kept.retain(|key, _| KEPT.contains(&key.as_str()));
    Some(kept)
}

const KEPT: [&str; 8] = ["unit", "count", "mean", "std", "min", "max", "rms", "last"];

fn both(older: &Value, newer: &Value, in_order: bool) -> Option<Map<String, Value>> {
    if older.get("unit") != newer.get("unit") {
        return None;
    }
    let pair = |key: &str| Some((older[key].as_f64()?, newer[key].as_f64()?));
    let counts = (older["count"].as_u64()?, newer["count"].as_u64()?);
    let (a, b) = (counts.0 as f64, counts.1 as f64);
    let n = a + b;
    let mut merged = Map::new();
    if let Some(unit) = newer.get("unit") {
        merged.insert("unit".into(), unit.clone());
    }
    merged.insert("count".into(), (counts.0 + counts.1).into());
    let mut put = |key: &str, value: f64| merged.insert(key.into(), value.into());
    let means = pair("mean")?;
    let apart = means.1 - means.0;
    put("mean", means.0 + apart * (b / n));
    let stds = pair("std")?;
    let squares = stds.0 * stds.0 * (a - 1.0) + stds.1 * stds.1 * (b - 1.0);
    put(
        "std",
        ((squares + apart * apart * (a * b / n)) / (n - 1.0)).sqrt(),
    );
    let (low, high) = (pair("min")?, pair("max")?);
    put("min", low.0.min(low.1));
    put("max", high.0.max(high.1));
    let rms = pair("rms")?;
    put("rms", ((rms.0 * rms.0 * a + rms.1 * rms.1 * b) / n).sqrt());
    if in_order && let Some(last) = newer["last"].as_f64() {
        put("last", last);
    }
    Some(merged)
}

/// The one with the larger fused score; what has none is the lesser.
fn worse_score<'a>(older: &'a Value, newer: &'a Value) -> Option<&'a Value> {
    let fused = |score: &Value| score["fused"].as_f64();
    let worse = if fused(older) > fused(newer) || newer.is_null() {
        older
    } else {
        newer
    };
    (!worse.is_null()).then_some(worse)
}

fn worse_verdict<'a>(older: &'a Value, newer: &'a Value) -> &'a Value {
    let rank = |verdict: &Value| match verdict.as_str() {
        Some("anomalous") => 2,
        Some("normal") => 1,
        _ => 0,
    };
    if rank(older) > rank(newer) {
        older
    } else {
        newer
    }
}

fn freshness(older: &Value, newer: &Value) -> Option<Map<String, Value>> {
    let scored_at = time(&older["scored_at"])?.max(time(&newer["scored_at"])?);
    let oldest = time(&older["oldest"])?.min(time(&newer["oldest"])?);
    let mut merged = Map::new();
    merged.insert("scored_at".into(), rfc3339(scored_at).into());
    merged.insert("oldest".into(), rfc3339(oldest).into());
    let age = (scored_at - oldest).as_millis();
    merged.insert("age_of_oldest_ms".into(), age.into());
    Some(merged)
}
