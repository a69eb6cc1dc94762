//! Events in print: for people, or as one JSON object a line.

use std::fmt::Write;

use eyot_decode::{Event, Fate, Reading, Time, Value};
use eyot_pipeline::{Span, Timestamp};
use serde_json::{Map, json};

use crate::cli::say;
use crate::clock::rfc3339;

/// Prints what messages come to.
pub(super) struct Show {
    json: bool,
    /// Something came out.
    some: bool,
    /// Something became a dead letter.
    bad: bool,
}

impl Show {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            some: false,
            bad: false,
        }
    }

    /// Whether something came out and nothing became a dead letter.
    pub(super) fn good(&self) -> bool {
        self.some && !self.bad
    }

    /// For the events of one message.
    pub(super) fn message(&mut self) -> Events<'_> {
        Events {
            show: self,
            lines: Vec::new(),
        }
    }

    /// A frame with a fault.
    pub(super) fn bad_frame(&mut self, bytes: &[u8], why: &str) {
        let detail = format!("{why}: {}", shortened(bytes));
        self.message().end("", &Fate::DeadLetter(detail));
    }

    /// What came before the first whole frame.
    pub(super) fn partial_frame(&mut self, bytes: &[u8]) {
        let mut events = self.message();
        events.line(
            Line::new("ignored")
                .with("reason", "partial_frame")
                .with("detail", shortened(bytes)),
        );
        events.print("");
    }
}

/// One line of output.
struct Line(Map<String, serde_json::Value>);

impl Line {
    fn new(kind: &str) -> Self {
        Self(Map::new()).with("kind", kind)
    }

    fn with(mut self, key: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// For people.
    fn text(&self) -> String {
        let field = |key: &str| match self.0.get(key) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
            None => String::new(),
        };
        let mut text = format!("{:<11}", field("kind"));
        if field("kind") == "reading" {
            let time = format!("{} ({})", field("time"), field("time_from"));
            let _ = write!(
                text,
                " {:<24} {:<28} {} {}  {time}",
                field("device"),
                field("channel"),
                field("value"),
                field("unit")
            );
        } else {
            for key in [
                "reason", "device", "channel", "path", "online", "detail", "topic",
            ] {
                let value = field(key);
                if !value.is_empty() {
                    let _ = write!(text, " {key}={value}");
                }
            }
        }
        let _ = write!(text, "  [{}]", field("rule"));
        text
    }
}

/// The events of one message. The rule is known at the end.
pub(super) struct Events<'s> {
    show: &'s mut Show,
    lines: Vec<Line>,
}

impl Events<'_> {
    pub(super) fn event(&mut self, event: &Event<'_>) {
        let line = match event {
            Event::Reading(reading) => of_reading(reading, reading.value, Span::ZERO),
            Event::Block {
                first,
                interval_ns,
                values,
            } => {
                for (i, value) in (0..).zip(*values) {
                    let since = Span(interval_ns.saturating_mul(i));
                    self.line(of_reading(first, Value::F64(*value), since));
                }
                return;
            }
            Event::Missing {
                device,
                channel,
                reason,
                path,
            } => Line::new("missing")
                .with("device", *device)
                .with("channel", *channel)
                .with("reason", reason.name())
                .with("path", *path),
            Event::Rejected {
                device,
                channel,
                reason,
                path,
                detail,
            } => Line::new("rejected")
                .with("device", *device)
                .with("channel", *channel)
                .with("reason", reason.name())
                .with("path", *path)
                .with("detail", *detail),
            Event::Unmapped { path } => Line::new("ignored")
                .with("reason", "unmapped")
                .with("path", *path),
            Event::Liveness { device, online } => Line::new("liveness")
                .with("device", *device)
                .with("online", *online),
            Event::Request { topic, .. } => Line::new("request").with("topic", *topic),
        };
        self.line(line);
    }

    fn line(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// The message as a whole; prints everything.
    pub(super) fn end(mut self, rule: &str, fate: &Fate) {
        let ignored = |reason: &str| Some(Line::new("ignored").with("reason", reason));
        let line = match fate {
            Fate::Decoded => {
                self.show.some = true;
                None
            }
            Fate::DeadLetter(why) => {
                self.show.bad = true;
                Some(Line::new("dead_letter").with("reason", why.as_str()))
            }
            Fate::IgnoredByConfig => ignored("config"),
            Fate::IgnoredNoRule => ignored("no_rule"),
            Fate::IgnoredUnmapped => ignored("unmapped"),
            Fate::IgnoredRetained => ignored("retained"),
            Fate::IgnoredEmpty => ignored("empty"),
        };
        if let Some(line) = line {
            self.line(line.with("path", ""));
        }
        self.print(rule);
    }

    fn print(self, rule: &str) {
        for line in self.lines {
            let line = line.with("rule", rule);
            if self.show.json {
                say(serde_json::Value::Object(line.0));
            } else {
                say(line.text());
            }
        }
    }
}

fn of_reading(reading: &Reading<'_>, value: Value, since: Span) -> Line {
    let (time, from) = match reading.time {
        Time::Payload(time) => (rfc3339(time + since), "payload"),
        Time::Arrival(time) => (rfc3339(time + since), "arrival"),
        Time::DeviceClock(ns) => (device_clock(Timestamp(ns) + since), "device"),
    };
    let mut line = Line::new("reading")
        .with("device", reading.device)
        .with("channel", reading.channel)
        .with("time", time)
        .with("time_from", from)
        .with("value", number(value))
        .with("unit", reading.unit);
    if let Some(sequence) = reading.sequence {
        line = line.with("sequence", sequence);
    }
    if reading.last_value_only {
        line = line.with("last_value_only", true);
    }
    if reading.historical {
        line = line.with("historical", true);
    }
    line
}

/// Milliseconds of a clock that began at an unknown instant.
fn device_clock(at: Timestamp) -> String {
    let (ms, below) = (at.0.div_euclid(1_000_000), at.0.rem_euclid(1_000_000));
    if below == 0 {
        format!("device-clock {ms} ms")
    } else {
        format!("device-clock {} ms", at.0 as f64 / 1e6)
    }
}

fn number(value: Value) -> serde_json::Value {
    match value {
        Value::F64(value) => json!(value),
        Value::I64(value) | Value::Enum(value) => json!(value),
        Value::U64(value) => json!(value),
        Value::Bool(value) => json!(u8::from(value)),
    }
}

fn shortened(bytes: &[u8]) -> String {
    const LIMIT: usize = 60;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LIMIT)]);
    let more = if bytes.len() > LIMIT { "…" } else { "" };
    format!("{text:?}{more}")
}
