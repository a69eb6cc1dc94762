//! Messages in, records out.

use std::path::Path;

use eyot_pipeline::ledger::ReadingFate;

use super::*;
use crate::record::Encoder;

const CONFIG: &str = r#"
[agent]
name = "gw"
data_dir = "data"

[[source]]
name = "plant"
url = "mqtt://broker"

[[source.rule]]
name = "reading"
topic = "plant/{device}/{channel}"
decoder = "value"

[[source.rule]]
name = "block"
topic = "block/{device}"
channel = "flow"
value = "v"
samples = { interval = "1ms" }

[[source.rule]]
name = "last"
topic = "last/{device}/{channel}"
decoder = "value"
retained = "last_value"

[[asset]]
name = "pump-1"
channels = [{ device = "logger", channel = "in3", as = "flow" }]

[[class]]
name = "pump"
devices = ["pump-*"]
window = "10s"
out_of_orderness = "2s"
idle_timeout = "1m"
channels = { flow = { unit = "m", max = 1000 } }
"#;

fn lines(config: &Config) -> Lines<Vec<u8>> {
    Lines::new(Encoder::new(&config.agent.name, &NOBODY), Vec::new())
}

/// A run and what it has written.
struct Bench {
    direct: Direct<Lines<Vec<u8>>>,
    at: i64,
}

impl Bench {
    fn new() -> Self {
        let config = Config::parse(CONFIG, "eyot.toml", Path::new("")).unwrap();
        Self {
            direct: Direct::new(&config, &config.sources[0], lines(&config)).unwrap(),
            at: 0,
        }
    }

    /// From now on messages arrive so many seconds after the start.
    fn at(&mut self, seconds: i64) -> &mut Self {
        self.at = seconds;
        self
    }

    /// A message.
    fn message(&mut self, topic: &str, payload: &str) -> &mut Self {
        let message = Message {
            topic,
            payload: payload.as_bytes(),
            retained: topic.starts_with("last/"),
            arrival: time(self.at),
        };
        self.direct.message(&message).unwrap();
        self
    }

    /// Bare numbers on `plant/{device}/flow`.
    fn flow(&mut self, device: &str, value: i64) -> &mut Self {
        self.message(&format!("plant/{device}/flow"), &value.to_string())
    }

    /// Ends the run; the records as they were written.
    fn finish(self) -> (Outcome, Vec<u8>) {
        let (outcome, mut lines) = self.direct.finish().unwrap();
        assert!(outcome.book.balanced());
        (outcome, std::mem::take(lines.out()))
    }

    /// The records so far.
    fn records(&mut self) -> Vec<serde_json::Value> {
        records(self.direct.run.devices.output().out())
    }
}

fn records(out: &[u8]) -> Vec<serde_json::Value> {
    let lines = out.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_secs(1_767_225_600 + seconds)
}

#[test]
fn a_window_becomes_a_record_at_the_time_of_the_message_that_closes_it() {
    let mut bench = Bench::new();
    for second in 0..14 {
        bench.at(second).flow("pump-1", second);
    }
    let records = bench.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(records[0]["device"], "pump-1");
    assert_eq!(records[0]["channels"]["flow"]["count"], 10);
    assert_eq!(records[0]["channels"]["flow"]["mean"], 4.5);
    assert_eq!(records[0]["freshness"]["scored_at"], "2026-01-01T00:00:12Z");
    assert_eq!(
        records[0]["id"],
        "00000000-0000-0000-0000-000000000000/0/pump-1/1"
    );
    let (outcome, _) = bench.finish();
    assert_eq!(outcome.book.readings_with(ReadingFate::Processed), 14);
}

#[test]
fn timers_fire_when_they_were_asked_for_and_not_when_the_next_message_comes() {
    let mut bench = Bench::new();
    bench.at(0).flow("pump-1", 1);
    bench.at(3).flow("pump-2", 1);
    bench.at(3_600).flow("pump-3", 1);
    let records = bench.records();
    let scored: Vec<_> = records
        .iter()
        .map(|record| {
            let scored_at = record["freshness"]["scored_at"].as_str().unwrap();
            (record["device"].as_str().unwrap(), scored_at)
        })
        .collect();
    let expected = [
        ("pump-1", "2026-01-01T00:01:00Z"),
        ("pump-2", "2026-01-01T00:01:03Z"),
    ];
    assert_eq!(scored, expected);
}

#[test]
fn the_end_closes_what_is_open_and_time_does_not_go_back() {
    let mut bench = Bench::new();
    bench.at(5).flow("pump-1", 1);
    bench.at(2).flow("pump-1", 2);
    let (outcome, out) = bench.finish();
    let records = records(&out);
    assert_eq!(records[0]["window"]["closed_by"], "shutdown");
    assert_eq!(records[0]["freshness"]["scored_at"], "2026-01-01T00:00:05Z");
    assert_eq!(outcome.book.readings_with(ReadingFate::Processed), 2);
}

#[test]
fn everything_is_counted() {
    let mut bench = Bench::new();
    bench
        .message("plant/logger/in3", "1")
        .message("plant/logger/in4", "1")
        .message("plant/pump-1/noise", "1")
        .message("block/pump-1", r#"{"v":null}"#)
        .message("block/pump-1", r#"{"v":[1,2,3]}"#)
        .message("block/pump-1", "{")
        .message("last/pump-1/flow", "1")
        .message("elsewhere", "1");
    let (outcome, _) = bench.finish();
    let book = &outcome.book;
    let messages: Vec<_> = MessageFate::ALL
        .iter()
        .map(|fate| (*fate, book.messages_with(*fate)))
        .filter(|(_, n)| *n > 0)
        .collect();
    let expected = [
        (MessageFate::Decoded, 3),
        (MessageFate::IgnoredNoRule, 1),
        (MessageFate::IgnoredNoClass, 1),
        (MessageFate::IgnoredUnmapped, 1),
        (MessageFate::IgnoredRetained, 1),
        (MessageFate::DeadLetteredPayload, 1),
    ];
    assert_eq!(messages, expected);
    // One of them came from the logger: it is a channel of the pump.
    assert_eq!(book.readings_with(ReadingFate::Processed), 4);
    assert_eq!(book.readings_with(ReadingFate::MissingNull), 1);
    assert_eq!((book.unmapped_fields, outcome.devices), (1, 1));
    assert_eq!(outcome.letters[0].topic, "block/pump-1");
    assert!(outcome.letters[0].detail.starts_with("rule block: "));
}

#[test]
fn the_same_messages_give_the_same_bytes() {
    let run = || {
        let mut bench = Bench::new();
        for i in 0..2_000 {
            bench
                .at(i / 2)
                .flow(&format!("pump-{}", i % 7), i * 37 % 101);
        }
        bench.finish()
    };
    let first = run();
    assert!(first.1.len() > 10_000);
    assert!(first == run());
}
