//! What several tests need.

use eyot_pipeline::Timestamp;
use proptest::prelude::*;

use crate::format::{Input, Read};
use crate::json::Json;
use crate::scope::{Scope, Standing};
use crate::topic::Captures;
use crate::{Decoder, Doc, Event, Fault, Message, Reading, Time, config};

/// Reads JSON and stands at its root.
pub(crate) fn with_scope(json: &str, topic: &[&str], check: impl Fn(&Scope<'_, '_>)) {
    let mut doc = Doc::new();
    let input = Input {
        topic: "",
        bytes: json.as_bytes(),
        text: Some(json),
        arrival: Timestamp(0),
    };
    let text = Json::default()
        .read(input, &mut doc, &mut Vec::new())
        .unwrap();
    let topic = Captures::new(topic);
    let at = Standing {
        around: vec![0],
        ..Standing::default()
    };
    let root = doc.root(text).unwrap();
    check(&Scope {
        root,
        topic: &topic,
        at: &at,
    });
}

/// Gateway time of arrival in tests.
const ARRIVAL: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The one lookup table of tests.
fn table(file: &str) -> Result<String, String> {
    match file {
        "ids.csv" => Ok(
            "id,device,channel,unit,scale\n7,pump,flow,L,0.1\n8,,level,,\n20,,temp,°F,0.1\n".into(),
        ),
        _ => Err("no such file".into()),
    }
}

fn compile(rules: &[&str], ignore: &[&str]) -> Result<Decoder, Vec<Fault>> {
    let rules: Vec<config::Rule> = rules
        .iter()
        .map(|rule| serde_json::from_str(rule).unwrap())
        .collect();
    let ignore: Vec<_> = ignore.iter().map(ToString::to_string).collect();
    Decoder::compile(&rules, &ignore, config::Retained::OwnTime, &mut table)
}

/// A decoder of rules in JSON.
pub(crate) fn decoder(rules: &[&str], ignore: &[&str]) -> Decoder {
    compile(rules, ignore).unwrap()
}

/// Faults of rules, as text.
pub(crate) fn faults(rules: &[&str]) -> Vec<String> {
    let text = |fault: Fault| {
        let help = fault
            .help
            .map(|help| format!(" ({help})"))
            .unwrap_or_default();
        format!(
            "{} {}: {}{help}",
            fault.rule,
            fault.keys.join("."),
            fault.message
        )
    };
    let found = compile(rules, &[]).err().unwrap_or_default();
    found.into_iter().map(text).collect()
}

/// What a message comes to, as text; the last line is its fate.
pub(crate) fn message(
    decoder: &mut Decoder,
    topic: &str,
    payload: &str,
    retained: bool,
) -> Vec<String> {
    let message = Message {
        topic,
        payload: payload.as_bytes(),
        retained,
        arrival: ARRIVAL,
    };
    let mut lines = Vec::new();
    let result = decoder.message(&message, &mut |event| lines.push(line(event)));
    let rule = result
        .rule
        .map_or("no rule".to_owned(), |rule| format!("rule {rule}"));
    lines.push(format!("{rule} {:?}", result.fate));
    lines
}

/// What a message of one rule comes to.
pub(crate) fn decode(rule: &str, topic: &str, payload: &str) -> Vec<String> {
    message(&mut decoder(&[rule], &[]), topic, payload, false)
}

fn line(event: Event<'_>) -> String {
    match event {
        Event::Reading(reading) => {
            let Reading {
                device,
                channel,
                value,
                unit,
                ..
            } = reading;
            let mut line = format!("{device} {channel} {value:?} {}", time(reading.time));
            for text in [unit, reading.message_id.unwrap_or_default()] {
                if !text.is_empty() && text != "bool" {
                    line.extend([" ", text]);
                }
            }
            if let Some(sequence) = reading.sequence {
                line.extend([" #", &sequence.to_string()]);
            }
            for (flag, word) in [
                (reading.last_value_only, " last"),
                (reading.historical, " historical"),
            ] {
                line += if flag { word } else { "" };
            }
            line
        }
        Event::Block {
            first,
            interval_ns,
            values,
        } => {
            format!(
                "{} {} {values:?} {} +{interval_ns}",
                first.device,
                first.channel,
                time(first.time)
            )
        }
        Event::Missing {
            device,
            channel,
            reason,
            path,
        } => format!("missing {device} {channel} {} {path}", reason.name()),
        Event::Rejected {
            device,
            channel,
            reason,
            path,
            detail,
        } => {
            format!(
                "rejected {device} {channel} {} {path}: {detail}",
                reason.name()
            )
        }
        Event::Unmapped { path } => format!("unmapped {path}"),
        Event::Liveness { device, online } => format!("liveness {device} {online}"),
        Event::Request { topic, .. } => format!("request {topic}"),
    }
}

/// Seconds, with what is beyond them in nanoseconds.
fn time(time: Time) -> String {
    let text = |nanos: i64| {
        let (s, ns) = (
            nanos.div_euclid(1_000_000_000),
            nanos.rem_euclid(1_000_000_000),
        );
        if ns == 0 {
            s.to_string()
        } else {
            format!("{s}.{ns:09}").trim_end_matches('0').to_owned()
        }
    };
    match time {
        Time::Payload(at) => text(at.0),
        Time::Arrival(at) if at == ARRIVAL => "Arrival".into(),
        Time::Arrival(at) => format!("Arrival{:+}", (at.0 - ARRIVAL.0) / 1_000_000),
        Time::DeviceClock(at) => format!("clock {}", text(at)),
    }
}

/// JSON of all kinds, with few keys, so that some meet.
pub(crate) fn json() -> impl Strategy<Value = String> {
    let space = || prop::sample::select(vec!["", "", "", " ", "\n\t"]);
    let number = prop_oneof![
        "-?(0|[1-9][0-9]{0,3})",
        "-?(0|[1-9][0-9]{0,20})",
        "-?(0|[1-9][0-9]{0,2})\\.[0-9]{1,3}",
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
        "17672256[0-9]{5}",
    ];
    let text = prop_oneof![
        "\"[a-z0-9 V.°]{0,12}\"",
        "\"([a-z]|\\\\[\"\\\\/bfnrt]|\\\\u00[0-9a-f]{2}|\\\\ud83d\\\\ude0[0-9a-f]){0,6}\"",
        Just("\"2026-01-01T00:00:00Z\"".to_owned()),
        Just("\"21.5 V\"".to_owned()),
        Just("\"unavailable\"".to_owned()),
    ];
    let word = prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned);
    let leaf = prop_oneof![4 => number.clone(), 2 => text, 2 => word];
    let numbers =
        prop::collection::vec(number, 0..6).prop_map(|all| format!("[{}]", all.join(",")));
    let key = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "t",
        "q",
        "u",
        "n",
        "e",
        "x.y",
        "",
        "\\u0061",
        "longer than eight",
    ]);
    let leaf = prop_oneof![5 => leaf, 1 => numbers];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        let element = (space(), inner.clone(), space()).prop_map(|(a, b, c)| format!("{a}{b}{c}"));
        let entry = (space(), key.clone(), space(), inner, space())
            .prop_map(|(a, key, b, value, c)| format!("{a}\"{key}\"{b}:{value}{c}"));
        prop_oneof![
            1 => prop::collection::vec(element, 0..4).prop_map(|all| format!("[{}]", all.join(","))),
            4 => prop::collection::vec(entry, 0..8).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}
