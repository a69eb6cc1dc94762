//! What payloads look like.

use std::collections::BTreeMap;

use serde_json::Value;

/// A kind of payload that a rule can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A bare number.
    Number,
    /// A JSON object with numbers or truth values in it.
    Object,
    /// A JSON array of such objects.
    Array,
}

/// Where an object says when it was true.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time {
    pub(super) key: String,
    /// As in a rule's `time_format`.
    pub(super) format: &'static str,
    /// Whether it says how far it is from UTC, or counts from 1970.
    pub(super) zoned: bool,
}

/// The `time_format` of a rule that names none.
pub(super) const DEFAULT_FORMAT: &str = "iso8601";

/// Keys that times stand under, in any case, the likeliest first.
const TIME_KEYS: [&str; 5] = ["ts", "timestamp", "time", "datetime", "date"];

impl Kind {
    pub(super) fn of(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?.trim();
        if text.parse().is_ok_and(f64::is_finite) {
            return Some(Self::Number);
        }
        match serde_json::from_str(text).ok()? {
            object @ Value::Object(_) => has_value(&object).then_some(Self::Object),
            Value::Array(items) => {
                let objects = items.iter().all(Value::is_object);
                (objects && items.iter().any(has_value)).then_some(Self::Array)
            }
            _ => None,
        }
    }
}

/// Whether a number or a truth value stands anywhere below.
fn has_value(value: &Value) -> bool {
    match value {
        Value::Number(_) | Value::Bool(_) => true,
        Value::Array(items) => items.iter().any(has_value),
        Value::Object(fields) => fields.values().any(has_value),
        Value::Null | Value::String(_) => false,
    }
}

/// Where at least half of `payloads` say when they were true.
pub(super) fn time<'p>(kind: Kind, payloads: impl Iterator<Item = &'p [u8]>) -> Option<Time> {
    if kind == Kind::Number {
        return None;
    }
    let (mut all, mut found) = (0, BTreeMap::<Time, usize>::new());
    for payload in payloads {
        all += 1;
        if let Ok(value) = serde_json::from_slice(payload)
            && let Some(time) = time_of(&value)
        {
            *found.entry(time).or_default() += 1;
        }
    }
    let (time, count) = found.into_iter().max_by_key(|(_, count)| *count)?;
    (count * 2 >= all).then_some(time)
}

/// Where an object, or the first of an array, says when it was true.
fn time_of(value: &Value) -> Option<Time> {
    let fields = value.get(0).unwrap_or(value).as_object()?;
    TIME_KEYS.iter().find_map(|name| {
        let mut same = fields
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        same.find_map(|(key, value)| {
            let (format, zoned) = format(value)?;
            Some(Time {
                key: key.clone(),
                format,
                zoned,
            })
        })
    })
}

/// How a time is written, and whether it names its zone; `None` if it is none. Numbers below 1e9 (2001) are more
/// likely to be an uptime.
fn format(value: &Value) -> Option<(&'static str, bool)> {
    match value {
        Value::Number(number) => match number.as_f64()? {
            1e9..1e11 => Some(("unix_s", true)),
            1e11..1e14 => Some(("unix_ms", true)),
            1e14..1e17 => Some(("unix_us", true)),
            1e17..1e20 => Some(("unix_ns", true)),
            _ => None,
        },
        Value::String(text) => {
            let zoned = text.parse::<jiff::Timestamp>().is_ok();
            // A day alone is no time of a reading.
            let civil = || text.len() > 10 && text.parse::<jiff::civil::DateTime>().is_ok();
            (zoned || civil()).then_some((DEFAULT_FORMAT, zoned))
        }
        _ => None,
    }
}
