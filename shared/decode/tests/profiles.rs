//! Golden payloads: what each profile that ships, and each example configuration, makes of what devices
//! send.
//!
//! Lines of `profiles/NAME.jsonl` (and `examples/NAME.jsonl`):
//! `{"name", "topic", "payload" | "payload_hex", "retain"?, "at"?, "fresh"?, "expect": [event…]}`.
//! An event is compared by the keys it has; all events have to be there, in any order. A time is RFC 3339
//! (the payload's), `arrival`, `arrival-0.5` (seconds) or `clock 1.5` (the sender's own). With a framing,
//! the payload is a stream, and gives the same however it is cut.
#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use eyot_decode::config::{Channel, Retained, Rule};
use eyot_decode::{
    Decoder, Event, Fate, Frame, Framer, Framing, Mapping, Message, Profile, Reading, Time, Value,
};
use eyot_pipeline::Timestamp;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

/// Gateway time of arrival where a line does not say.
const ARRIVAL: Timestamp = Timestamp::from_secs(1_800_000_000);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    #[serde(default)]
    topic: String,
    payload: Option<String>,
    payload_hex: Option<String>,
    #[serde(default)]
    retain: bool,
    at: Option<String>,
    #[serde(default)]
    fresh: bool,
    expect: Vec<Map<String, Json>>,
}

/// What a configuration has that matters here.
#[derive(Debug, Deserialize)]
struct Configuration {
    source: Vec<Source>,
}

#[derive(Debug, Deserialize)]
struct Source {
    profile: Option<String>,
    base: Option<String>,
    framing: Option<Framing>,
    #[serde(default)]
    ignore: Vec<String>,
    retained: Option<Retained>,
    time_zone: Option<String>,
    #[serde(default)]
    rule: Vec<Rule>,
    #[serde(default)]
    channels: IndexMap<String, Channel>,
}

#[test]
fn profiles() {
    let folder = root().join("config/profiles");
    check_all("tests/profiles", |name| {
        let profile: Profile = read_toml(&folder.join(format!("{name}.toml")));
        profile.mapping(None)
    });
}

#[test]
fn examples() {
    let folder = root().join("docs/decoding-examples");
    check_all("tests/examples", |name| {
        let mut file: Configuration = read_toml(&folder.join(format!("{name}.toml")));
        file.source.remove(0).mapping(&folder)
    });
}

/// Every file of payloads in the folder.
fn check_all(folder: &str, mapping: impl Fn(&str) -> Mapping) {
    let folder = root().join("shared/decode").join(folder);
    let mut faults = Vec::new();
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .collect();
    paths.sort();
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        check(name, &mapping(name), &text, &mut faults);
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn check(file: &str, mapping: &Mapping, text: &str, faults: &mut Vec<String>) {
    let compile = || {
        mapping
            .decoder()
            .map_err(|faults| format!("{file}: {faults:#?}"))
    };
    let mut decoder = match compile() {
        Ok(decoder) => decoder,
        Err(error) => return faults.push(error),
    };
    for (number, text) in text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty())
    {
        let place = format!("{file}.jsonl:{}", number + 1);
        let line: Line = match serde_json::from_str(text) {
            Ok(line) => line,
            Err(error) => return faults.push(format!("{place}: {error}")),
        };
        if line.fresh || mapping.framing.is_some() {
            decoder = compile().unwrap();
        }
        let payload = line.bytes();
        let found = match mapping.framing {
            None => message(&mut decoder, &line, &payload),
            Some(framing) => stream(&mut decoder, framing, &line, &payload),
        };
        compare(&format!("{place} {}", line.name), found, &line, faults);
    }
}

impl Line {
    fn bytes(&self) -> Vec<u8> {
        match (&self.payload, &self.payload_hex) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(hex)) => (0..hex.len() / 2)
                .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
                .collect(),
            _ => panic!("{}: a payload or its hex", self.name),
        }
    }

    fn arrival(&self) -> Timestamp {
        self.at.as_deref().map_or(ARRIVAL, instant)
    }
}

impl Source {
    fn mapping(self, folder: &Path) -> Mapping {
        let mut mapping = Mapping::default();
        let mut rules = self.rule;
        let zone = self.time_zone.as_deref();
        for rule in &mut rules {
            rule.inherit(&self.channels, zone);
        }
        if let Some(name) = &self.profile {
            let mut profile = Profile::named(name).unwrap();
            if let Some(base) = &self.base {
                profile.rebase(base);
            }
            for rule in &mut profile.rule {
                rule.inherit(&self.channels, zone);
            }
            mapping = profile.mapping(zone);
        }
        for file in rules.iter().filter_map(|rule| rule.lookup.as_ref()) {
            let text = fs::read_to_string(folder.join(&file.file)).unwrap();
            mapping.tables.insert(file.file.clone(), text);
        }
        rules.append(&mut mapping.rules);
        mapping.rules = rules;
        mapping.ignore.extend(self.ignore);
        mapping.retained = self.retained.unwrap_or(mapping.retained);
        mapping.framing = self.framing.or(mapping.framing);
        mapping
    }
}

/// The events of one message.
fn message(decoder: &mut Decoder, line: &Line, payload: &[u8]) -> Vec<Json> {
    let mut found = Vec::new();
    let message = Message {
        topic: &line.topic,
        payload,
        retained: line.retain,
        arrival: line.arrival(),
    };
    let result = decoder.message(&message, &mut |event| {
        push(event, message.arrival, &mut found);
    });
    match result.fate {
        Fate::Decoded => {}
        Fate::DeadLetter(detail) => found.push(json!({"kind": "dead_letter", "detail": detail})),
        fate => found.push(json!({"kind": "ignored", "fate": format!("{fate:?}")})),
    }
    found
}

/// The events of a stream, which are the same however it is cut. Frames without any event (a header, say)
/// say nothing here.
fn stream(decoder: &mut Decoder, framing: Framing, line: &Line, bytes: &[u8]) -> Vec<Json> {
    let whole = frames(framing, &[bytes]);
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_eq!(
        frames(framing, &single),
        whole,
        "{} byte by byte",
        line.name
    );
    for at in 1..bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(
            frames(framing, &[head, tail]),
            whole,
            "{} cut at {at}",
            line.name
        );
    }
    let mut found = Vec::new();
    for frame in whole {
        match frame {
            Ok(frame) => found.append(&mut message(decoder, line, &frame)),
            Err(kind) => found.push(json!({"kind": kind})),
        }
    }
    found.retain(|event| event["kind"] != "ignored");
    found
}

/// Frames, or what is wrong with them.
fn frames(framing: Framing, pieces: &[&[u8]]) -> Vec<Result<Vec<u8>, &'static str>> {
    let mut framer = Framer::new(framing, eyot_decode::frame::DEFAULT_LIMIT);
    let mut found = Vec::new();
    let mut sink = |frame: Frame<'_>| {
        found.push(match frame {
            Frame::Good(bytes) => Ok(bytes.to_vec()),
            Frame::Bad { .. } => Err("bad_frame"),
            Frame::Partial(_) => Err("partial_frame"),
        });
    };
    for piece in pieces {
        framer.push(piece, &mut sink);
    }
    framer.finish(&mut sink);
    found
}

fn push(event: Event<'_>, arrival: Timestamp, found: &mut Vec<Json>) {
    let missing = |kind, device, channel, reason: eyot_decode::Reason, path| json!({"kind": kind, "device": device, "channel": channel, "reason": reason.name(), "path": path});
    match event {
        Event::Reading(reading) => found.push(of(&reading, arrival)),
        Event::Block {
            first,
            interval_ns,
            values,
        } => {
            for (i, value) in (0..).zip(values) {
                let time = after(first.time, interval_ns * i);
                let value = Value::F64(*value);
                found.push(of(
                    &Reading {
                        time,
                        value,
                        ..first
                    },
                    arrival,
                ));
            }
        }
        Event::Missing {
            device,
            channel,
            reason,
            path,
        } => found.push(missing("missing", device, channel, reason, path)),
        Event::Rejected {
            device,
            channel,
            reason,
            path,
            detail,
        } => {
            let mut rejected = missing("rejected", device, channel, reason, path);
            rejected["detail"] = detail.into();
            found.push(rejected);
        }
        Event::Liveness { device, online } => {
            found.push(json!({"kind": "liveness", "device": device, "online": online}));
        }
        Event::Request { topic, .. } => found.push(json!({"kind": "request", "topic": topic})),
        Event::Unmapped { .. } => {}
    }
}

fn after(time: Time, ns: i64) -> Time {
    match time {
        Time::Payload(at) => Time::Payload(Timestamp(at.0 + ns)),
        Time::Arrival(at) => Time::Arrival(Timestamp(at.0 + ns)),
        Time::DeviceClock(at) => Time::DeviceClock(at + ns),
    }
}

fn of(reading: &Reading<'_>, arrival: Timestamp) -> Json {
    let value = match reading.value {
        Value::F64(value) => json!(value),
        Value::I64(value) | Value::Enum(value) => json!(value),
        Value::U64(value) => json!(value),
        Value::Bool(value) => json!(value),
    };
    let (from, ms) = match reading.time {
        Time::Payload(at) => ("payload", at.0),
        Time::Arrival(at) => ("arrival", at.0 - arrival.0),
        Time::DeviceClock(at) => ("clock", at),
    };
    json!({
        "kind": "reading",
        "device": reading.device,
        "channel": reading.channel,
        "time": {"from": from, "ns": ms},
        "value": value,
        "unit": reading.unit,
        "quantity": reading.kind.map(|kind| format!("{kind:?}").to_lowercase()),
        "on_change": reading.report == Some(eyot_decode::config::Report::OnChange),
        "sequence": reading.sequence,
        "last_value_only": reading.last_value_only,
        "historical": reading.historical,
    })
}

/// Tells the difference between what was found and what was expected.
fn compare(place: &str, mut found: Vec<Json>, line: &Line, faults: &mut Vec<String>) {
    let mut lacking = Vec::new();
    for expected in &line.expect {
        match found.iter().position(|found| matches(expected, found)) {
            Some(at) => drop(found.remove(at)),
            None => lacking.push(expected),
        }
    }
    if !lacking.is_empty() || !found.is_empty() {
        let list = |events: Vec<String>| {
            let lines: Vec<_> = events
                .iter()
                .map(|event| format!("    {event}\n"))
                .collect();
            lines.concat()
        };
        faults.push(format!(
            "{place}\n  lacking:\n{}  found beyond:\n{}",
            list(
                lacking
                    .iter()
                    .map(|event| json!(event).to_string())
                    .collect()
            ),
            list(found.iter().map(ToString::to_string).collect()),
        ));
    }
}

fn matches(expected: &Map<String, Json>, found: &Json) -> bool {
    let kind = expected
        .get("kind")
        .and_then(Json::as_str)
        .unwrap_or("reading");
    found["kind"] == kind
        && expected
            .iter()
            .filter(|(key, _)| *key != "kind")
            .all(|(key, value)| match key.as_str() {
                "time" => same_time(value.as_str().unwrap(), &found["time"]),
                "value" => same_value(value, &found["value"]),
                key => found[key] == *value,
            })
}

fn same_time(expected: &str, found: &Json) -> bool {
    let seconds = |text: &str| (text.parse::<f64>().unwrap() * 1e9).round() as i64;
    let (from, ns) = if expected == "arrival" {
        ("arrival", 0)
    } else if let Some(earlier) = expected.strip_prefix("arrival") {
        ("arrival", seconds(earlier))
    } else if let Some(clock) = expected.strip_prefix("clock ") {
        ("clock", seconds(clock))
    } else {
        ("payload", instant(expected).0)
    };
    found["from"] == from && (found["ns"].as_i64().unwrap() - ns).abs() < 1_000_000
}

fn same_value(expected: &Json, found: &Json) -> bool {
    match (expected.as_f64(), found.as_f64()) {
        _ if expected == found => true,
        // Whole numbers are compared exactly, but for those that come out of a conversion.
        (Some(a), Some(b)) if found.is_f64() => (a - b).abs() <= 1e-6 * a.abs().max(b.abs()),
        _ => false,
    }
}

fn instant(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().unwrap();
    Timestamp(i64::try_from(time.as_nanosecond()).unwrap())
}

fn read_toml<T: for<'de> Deserialize<'de>>(path: &Path) -> T {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn every_profile_has_payloads() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/profiles");
    let without: BTreeMap<_, _> = Profile::names()
        .map(|name| (name, folder.join(format!("{name}.jsonl"))))
        .filter(|(_, path)| !path.exists())
        .collect();
    assert!(without.is_empty(), "{without:#?}");
}
