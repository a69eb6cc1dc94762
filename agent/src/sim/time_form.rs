//! The ways in which recordings write time.

use eyot_pipeline::Timestamp;

/// How the time column is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeForm {
    /// RFC 3339, with an offset from UTC.
    Rfc3339,
    /// `2026-03-09 10:14:33`, taken as UTC.
    CivilUtc,
    /// Seconds since the epoch, possibly with a fraction.
    UnixS,
    /// Milliseconds since the epoch.
    UnixMs,
}

impl TimeForm {
    /// The form that `text` is written in. Numbers from 100,000,000,000 are milliseconds (from March 1973),
    /// smaller ones seconds (until the year 5138).
    pub fn detect(text: &str) -> Option<Self> {
        let number: Option<f64> = text.parse().ok();
        let likely = match number {
            Some(number) if number.abs() >= 1e11 => Self::UnixMs,
            Some(_) => Self::UnixS,
            None if text.parse::<jiff::Timestamp>().is_ok() => Self::Rfc3339,
            None => Self::CivilUtc,
        };
        likely.parse(text).map(|_| likely)
    }

    /// `text` as an instant, if it is one in this form; fractions are good to a microsecond.
    pub fn parse(self, text: &str) -> Option<Timestamp> {
        let from_micros = |micros: f64| {
            // Beyond this, 64-bit nanoseconds end.
            (micros.abs() < 9.2e15).then(|| Timestamp(micros.round() as i64 * 1_000))
        };
        let from_jiff =
            |time: jiff::Timestamp| i64::try_from(time.as_nanosecond()).ok().map(Timestamp);
        match self {
            Self::Rfc3339 => text.parse().ok().and_then(from_jiff),
            Self::CivilUtc => text
                .parse::<jiff::civil::DateTime>()
                .ok()
                .and_then(|civil| civil.to_zoned(jiff::tz::TimeZone::UTC).ok())
                .and_then(|zoned| from_jiff(zoned.timestamp())),
            Self::UnixS => text.parse::<f64>().ok().and_then(|s| from_micros(s * 1e6)),
            Self::UnixMs => text
                .parse::<f64>()
                .ok()
                .and_then(|ms| from_micros(ms * 1e3)),
        }
    }

    /// For people.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Rfc3339 => "RFC 3339",
            Self::CivilUtc => "date and time without an offset, taken as UTC",
            Self::UnixS => "seconds since the epoch",
            Self::UnixMs => "milliseconds since the epoch",
        }
    }
}
