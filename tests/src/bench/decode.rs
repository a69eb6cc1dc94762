//! What mapping costs beside plain parsing, and what finding a rule costs.

use std::hint::black_box;
use std::time::Instant;

use eyot_decode::{Decoder, Message, config};
use eyot_pipeline::Timestamp;
use serde::{Deserialize, Serialize};

/// What decoding costs.
#[derive(Debug, Serialize)]
pub(super) struct Decoding {
    /// Mapping a JSON reading of 100 bytes over parsing it into a struct that borrows from it.
    reading: Compared,
    /// Mapping 1,000 samples over parsing their numbers.
    samples: Compared,
    /// Nanoseconds to find the rule of a known topic among 1,000.
    known_topic_ns: f64,
    /// The same for a topic seen for the first time, remembering it included.
    new_topic_ns: f64,
}

/// One thing over another, measured in turn.
#[derive(Debug, Clone, Copy, Serialize)]
struct Compared {
    mapped_ns: f64,
    parsed_ns: f64,
    ratio: f64,
}

/// Measures all of it.
pub(super) fn measure() -> Decoding {
    let (known_topic_ns, new_topic_ns) = topics();
    Decoding {
        reading: scalar(),
        samples: samples(),
        known_topic_ns,
        new_topic_ns,
    }
}

impl Decoding {
    /// Each figure with its limit: what, figure, limit.
    pub(super) fn against_limits(&self) -> [(&'static str, f64, f64); 4] {
        [
            (
                "mapping a 100-byte reading over parsing it",
                self.reading.ratio,
                1.5,
            ),
            (
                "mapping 1,000 samples over parsing them",
                self.samples.ratio,
                1.3,
            ),
            (
                "a known topic among 1,000 rules, ns",
                self.known_topic_ns,
                100.0,
            ),
            (
                "a new topic among 1,000 rules, ns",
                self.new_topic_ns,
                1_000.0,
            ),
        ]
    }
}

/// A message of 100 bytes against a struct that borrows from it.
fn scalar() -> Compared {
    #[derive(Deserialize)]
    struct Plain<'a> {
        ts: i64,
        v: f64,
        pad: &'a str,
    }
    let pad = "p".repeat(62);
    let payload = format!(r#"{{"ts":1767225600123,"v":-4.5,"pad":"{pad}"}}"#);
    let plain = || {
        let plain: Plain<'_> = serde_json::from_slice(black_box(payload.as_bytes()))
            .expect("the payload is what the struct says");
        black_box((plain.ts, plain.v, plain.pad));
    };
    let rule = r#"{"name":"r","topic":"plant/{device}/{channel}","value":"v","time":"ts","time_format":"unix_ms"}"#;
    let mapped = mapping(rule, "plant/pump1/level", &payload);
    compare(mapped, plain)
}

/// An array of 1,000 samples against a vector of numbers that is used again.
fn samples() -> Compared {
    let numbers: Vec<String> = (0..1000)
        .map(|i| format!("{:.3}", f64::from(i * 7 % 100) / 8.0))
        .collect();
    let array = format!("[{}]", numbers.join(","));
    let payload = format!(r#"{{"x":{array}}}"#);
    let mut numbers = Vec::new();
    let plain = || {
        let mut reader = serde_json::Deserializer::from_slice(black_box(array.as_bytes()));
        Vec::<f64>::deserialize_in_place(&mut reader, &mut numbers)
            .expect("the array holds numbers");
        black_box(&numbers);
    };
    let rule = r#"{"name":"r","topic":"t/{device}","channel":"c","value":"x","samples":{"interval":"1ms"}}"#;
    let mapped = mapping(rule, "t/d", &payload);
    compare(mapped, plain)
}

/// Finding one of 1,000 rules, for topics that are known and for new ones.
fn topics() -> (f64, f64) {
    let rules: Vec<_> = (0..1000)
        .map(|i| {
            rule(&format!(
                r#"{{"name":"{i}","topic":"site{}/+/line{i}/{{device}}/#","ignore":true}}"#,
                i % 10
            ))
        })
        .collect();
    let mut decoder = compile(&rules);
    let mut find = |topic: &str| {
        let message = Message {
            topic,
            payload: b"x",
            retained: false,
            arrival: Timestamp(0),
        };
        black_box(decoder.message(&message, &mut |_| {}));
    };
    let known = median((0..ROUNDS).map(|_| round(&mut || find("site7/hall/line997/pump/state"))));
    let fresh: Vec<_> = (0..90_000)
        .map(|i| format!("site{}/hall/line{}/pump{i}/state", i % 10, i % 1000))
        .collect();
    let start = Instant::now();
    for topic in &fresh {
        find(topic);
    }
    let new = start.elapsed().as_nanos() as f64 / fresh.len() as f64;
    (known, new)
}

fn rule(json: &str) -> config::Rule {
    serde_json::from_str(json).expect("the rules here are valid")
}

fn compile(rules: &[config::Rule]) -> Decoder {
    let no_file = &mut |_: &str| Err(String::new());
    Decoder::compile(rules, &[], config::Retained::OwnTime, no_file)
        .expect("the rules here are valid")
}

/// Maps a message, with everything told that the agent asks for.
fn mapping<'p>(json: &str, topic: &'p str, payload: &'p str) -> impl FnMut() + 'p {
    let mut decoder = compile(&[rule(json)]);
    decoder.report_unmapped(true);
    move || {
        let payload = black_box(payload.as_bytes());
        let message = Message {
            topic,
            payload,
            retained: false,
            arrival: Timestamp(1_800_000_000_000_000_000),
        };
        // Not moved: a copy of the event is not the mapping's.
        decoder.message(&message, &mut |event| {
            black_box(&event);
        });
    }
}

/// Rounds of every measurement.
const ROUNDS: usize = 101;

/// Measures both in turn, since others use the machine too.
fn compare(mut mapped: impl FnMut(), mut plain: impl FnMut()) -> Compared {
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| (round(&mut mapped), round(&mut plain)))
        .collect();
    Compared {
        mapped_ns: median(rounds.iter().map(|(mapped, _)| *mapped)),
        parsed_ns: median(rounds.iter().map(|(_, plain)| *plain)),
        ratio: median(rounds.iter().map(|(mapped, plain)| mapped / plain)),
    }
}

/// Nanoseconds that something takes, in one round of some milliseconds.
fn round(work: &mut impl FnMut()) -> f64 {
    let (start, mut n) = (Instant::now(), 0_u32);
    while start.elapsed().as_millis() < 4 {
        (0..50).for_each(|_| work());
        n += 50;
    }
    start.elapsed().as_nanos() as f64 / f64::from(n)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
