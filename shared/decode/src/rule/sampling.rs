//! Samples at equal distances in time.

use crate::config::{self, TimeOf};
use crate::path::Path;
use crate::scope::Scope;
use crate::{Item, Scalar, Time};

/// How far samples are from each other, and which of them the time belongs to.
#[derive(Debug)]
pub(super) struct Sampling {
    pub interval: Interval,
    pub time_of: TimeOf,
}

/// Time between two samples.
#[derive(Debug)]
pub(super) enum Interval {
    /// Nanoseconds.
    Fixed(i64),
    /// The payload says how long it is, in a unit of so many seconds.
    From(Path, f64),
    /// The payload says how many there are in a second.
    Rate(Path),
}

impl Sampling {
    /// Nanoseconds between two samples.
    ///
    /// # Errors
    /// In words, if the payload says none that can be.
    pub(super) fn interval(&self, scope: &Scope<'_, '_>) -> Result<i64, String> {
        let number = |path: &Path| match path.get(scope).map(number) {
            None => Err("the interval between samples is not there".to_owned()),
            Some(None) => Err("the interval between samples is not a number".to_owned()),
            Some(Some(number)) => Ok(number),
        };
        let seconds = match &self.interval {
            Interval::Fixed(nanos) => return Ok(*nanos),
            Interval::From(path, unit) => number(path)? * unit,
            Interval::Rate(path) => 1.0 / number(path)?,
        };
        nanos(seconds).ok_or_else(|| format!("{seconds} s between samples cannot be"))
    }

    /// The place in time of the first of `n` samples, if the one that the time belongs to is at `time`.
    pub(super) fn first(&self, time: i64, interval: i64, n: usize) -> i64 {
        match self.time_of {
            TimeOf::First => time,
            TimeOf::Last => time.saturating_sub(span(interval, n.saturating_sub(1))),
        }
    }

    /// The path in it.
    pub(super) fn path(&self) -> Option<&Path> {
        match &self.interval {
            Interval::Fixed(_) => None,
            Interval::From(path, _) | Interval::Rate(path) => Some(path),
        }
    }
}

/// `n` intervals, in nanoseconds.
pub(super) fn span(interval: i64, n: usize) -> i64 {
    interval.saturating_mul(i64::try_from(n).unwrap_or(i64::MAX))
}

/// A time, changed.
pub(super) fn map_time(time: Time, change: impl FnOnce(i64) -> i64) -> Time {
    use eyot_pipeline::Timestamp;
    match time {
        Time::Payload(at) => Time::Payload(Timestamp(change(at.0))),
        Time::Arrival(at) => Time::Arrival(Timestamp(change(at.0))),
        Time::DeviceClock(at) => Time::DeviceClock(change(at)),
    }
}

/// An interval as it is written.
///
/// # Errors
/// In words, if it is none, together with the key at fault.
pub(super) fn fixed(spec: &config::Samples) -> Option<Result<i64, (&'static str, String)>> {
    if let Some(text) = &spec.interval {
        let fault = || {
            (
                "interval",
                format!("`{text}` is no interval; write it like `10ms`, `2500us` or `1.5s`"),
            )
        };
        return Some(parse(text).ok_or_else(fault));
    }
    let rate = spec.rate?;
    let fault = || ("rate", format!("{rate} samples a second cannot be"));
    Some(nanos(1.0 / rate).ok_or_else(fault))
}

fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic())?);
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" | "μs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    nanos(number.trim().parse::<f64>().ok()? * seconds)
}

/// Whole nanoseconds, at least one.
fn nanos(seconds: f64) -> Option<i64> {
    let nanos = (seconds * 1e9).round();
    (nanos >= 1.0 && nanos < i64::MAX as f64).then_some(nanos as i64)
}

/// A field as a number.
pub(super) fn number(item: Item<'_>) -> Option<f64> {
    match item.scalar()? {
        Scalar::Int(value) => Some(value as f64),
        Scalar::Uint(value) => Some(value as f64),
        Scalar::Float(value) => Some(value),
        Scalar::Text(text) => text.trim().parse().ok(),
        Scalar::Bool(_) | Scalar::Null => None,
    }
}
