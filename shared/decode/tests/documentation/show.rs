//! Events in print, as `eyot decode` prints them, but for widths.

use eyot_decode::{Decoder, Event, Fate, Message, Reading, Time, Value};
use eyot_pipeline::{Span, Timestamp};
use serde_json::{Map, json};

/// When messages arrive; the page says `now`.
pub(crate) const ARRIVAL: Timestamp = Timestamp::from_secs(1_900_000_000);

/// Collects what messages come to.
pub(crate) struct Show {
    json: bool,
    pub(crate) lines: Vec<String>,
}

type Line = Map<String, serde_json::Value>;

impl Show {
    pub(crate) fn new(json: bool) -> Self {
        let lines = Vec::new();
        Self { json, lines }
    }

    pub(crate) fn message(&mut self, decoder: &mut Decoder, message: &Message<'_>) {
        let mut lines = Vec::new();
        let result = decoder.message(message, &mut |event| add(&event, &mut lines));
        let ignored = |reason: &str| Some(line("ignored", &[("reason", reason)]));
        lines.extend(match &result.fate {
            Fate::Decoded => None,
            Fate::DeadLetter(why) => Some(line("dead_letter", &[("reason", why)])),
            Fate::IgnoredByConfig => ignored("config"),
            Fate::IgnoredNoRule => ignored("no_rule"),
            Fate::IgnoredUnmapped => ignored("unmapped"),
            Fate::IgnoredRetained => ignored("retained"),
            Fate::IgnoredEmpty => ignored("empty"),
        });
        let rule = result.rule.map_or("", |rule| decoder.rule_name(rule));
        self.print(lines, rule);
    }

    pub(crate) fn bad_frame(&mut self, bytes: &[u8], why: &str) {
        let reason = format!("{why}: {}", shortened(bytes));
        self.print(vec![line("dead_letter", &[("reason", &reason)])], "");
    }

    pub(crate) fn partial_frame(&mut self, bytes: &[u8]) {
        let detail = shortened(bytes);
        let fields = [("reason", "partial_frame"), ("detail", &detail)];
        self.print(vec![line("ignored", &fields)], "");
    }

    fn print(&mut self, lines: Vec<Line>, rule: &str) {
        for mut line in lines {
            line.insert("rule".into(), rule.into());
            let line = if self.json {
                serde_json::Value::Object(line).to_string()
            } else {
                text(&line)
            };
            let words: Vec<_> = line.split_whitespace().collect();
            self.lines.push(words.join(" "));
        }
    }
}

fn line(kind: &str, fields: &[(&str, &str)]) -> Line {
    let mut line = Line::new();
    line.insert("kind".into(), kind.into());
    line.extend(
        fields
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).into())),
    );
    line
}

fn text(line: &Line) -> String {
    let field = |key: &str| match line.get(key) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let rest = if field("kind") == "reading" {
        let keys = ["device", "channel", "value", "unit", "time"].map(field);
        format!("{} ({})", keys.join(" "), field("time_from"))
    } else {
        let keys = [
            "reason", "device", "channel", "path", "online", "detail", "topic",
        ];
        let filled = keys
            .iter()
            .map(|key| (key, field(key)))
            .filter(|(_, value)| !value.is_empty());
        let filled: Vec<_> = filled
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        filled.join(" ")
    };
    format!("{} {rest} [{}]", field("kind"), field("rule"))
}

fn add(event: &Event<'_>, lines: &mut Vec<Line>) {
    lines.push(match event {
        Event::Reading(reading) => of_reading(reading, reading.value, Span::ZERO),
        Event::Block {
            first,
            interval_ns,
            values,
        } => {
            let mut since = Span::ZERO;
            for value in *values {
                lines.push(of_reading(first, Value::F64(*value), since));
                since = Span(since.0 + interval_ns);
            }
            return;
        }
        Event::Missing {
            device,
            channel,
            reason,
            path,
        } => line(
            "missing",
            &[
                ("device", device),
                ("channel", channel),
                ("reason", reason.name()),
                ("path", path),
            ],
        ),
        Event::Rejected {
            device,
            channel,
            reason,
            path,
            detail,
        } => line(
            "rejected",
            &[
                ("device", device),
                ("channel", channel),
                ("reason", reason.name()),
                ("path", path),
                ("detail", detail),
            ],
        ),
        Event::Unmapped { path } => line("ignored", &[("reason", "unmapped"), ("path", path)]),
        Event::Liveness { device, online } => {
            let mut line = line("liveness", &[("device", device)]);
            line.insert("online".into(), (*online).into());
            line
        }
        Event::Request { topic, .. } => line("request", &[("topic", topic)]),
    });
}

fn of_reading(reading: &Reading<'_>, value: Value, since: Span) -> Line {
    let (time, from) = match reading.time {
        Time::Payload(time) => (rfc3339(time + since), "payload"),
        Time::Arrival(time) if time + since == ARRIVAL => ("now".into(), "arrival"),
        Time::Arrival(time) => (rfc3339(time + since), "arrival"),
        Time::DeviceClock(ns) => {
            let ms = (Timestamp(ns) + since).0 as f64 / 1e6;
            (format!("device-clock {ms} ms"), "device")
        }
    };
    let mut line = line(
        "reading",
        &[
            ("device", reading.device),
            ("channel", reading.channel),
            ("time", &time),
            ("time_from", from),
            ("unit", reading.unit),
        ],
    );
    let value = match value {
        Value::F64(value) => json!(value),
        Value::I64(value) | Value::Enum(value) => json!(value),
        Value::U64(value) => json!(value),
        Value::Bool(value) => json!(u8::from(value)),
    };
    line.insert("value".into(), value);
    if let Some(sequence) = reading.sequence {
        line.insert("sequence".into(), sequence.into());
    }
    for (key, flag) in [
        ("last_value_only", reading.last_value_only),
        ("historical", reading.historical),
    ] {
        if flag {
            line.insert(key.into(), true.into());
        }
    }
    line
}

fn rfc3339(time: Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(time.0.into())
        .map_or_else(|error| error.to_string(), |time| time.to_string())
}

fn shortened(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
    let more = if bytes.len() > 60 { "…" } else { "" };
    format!("{text:?}{more}")
}
