//! Event times, however they are written.
//!
//! Local times are read through their zone. In autumn an hour happens twice, and the earlier of the
//! two is meant (summer time still holds); in spring an hour is left out, and a clock that shows it
//! anyway is taken to run on in winter time.

mod epoch;
mod iso;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use eyot_pipeline::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};

use crate::Scalar;
use epoch::Resolution;

/// When something was, by the clock that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Instant {
    /// UTC.
    Utc(Timestamp),
    /// The sender's own clock, which began at some unknown instant; nanoseconds.
    DeviceClock(i64),
}

/// Reads times that are written in one way.
#[derive(Debug)]
pub(crate) struct TimeReader {
    format: Format,
    /// Zone of times that name none.
    zone: TimeZone,
}

#[derive(Debug)]
enum Format {
    /// Text is ISO 8601, a number, also in a text, is [`Format::Unix`] of any resolution: nobody has said anything.
    Any,
    Iso8601,
    /// Since 1970; without a resolution it is guessed from the size.
    Unix(Option<Resolution>),
    /// Since 1970 on a clock that shows local time.
    Local(Option<Resolution>),
    Uptime(Resolution),
    Dsmr,
    Pattern(String),
}

impl TimeReader {
    /// Checks how times are written and makes their reader.
    ///
    /// # Errors
    /// In words: a format or zone that does not exist, a pattern that does not give a date, `local_epoch`
    /// where nothing counts from 1970.
    pub(crate) fn compile(
        format: Option<&str>,
        zone: Option<&str>,
        local_epoch: bool,
    ) -> Result<Self, String> {
        let format = match format {
            None if local_epoch => Format::Unix(None),
            None => Format::Any,
            Some(format) => Format::parse(format)?,
        };
        let zone = match (zone, &format) {
            (Some(name), _) => TimeZone::get(name).map_err(|_| {
                format!("`{name}` is not an IANA time zone; they look like `Europe/Berlin`")
            })?,
            (None, Format::Dsmr) => TimeZone::get("Europe/Amsterdam").unwrap_or(TimeZone::UTC),
            (None, _) => TimeZone::UTC,
        };
        let format = match format {
            Format::Unix(resolution) if local_epoch => Format::Local(resolution),
            _ if local_epoch => {
                return Err(
                    "`local_epoch` is for `unix`, `unix_s`, `unix_ms`, `unix_us` and `unix_ns`"
                        .into(),
                );
            }
            format => format,
        };
        Ok(Self { format, zone })
    }

    /// After how many nanoseconds a sender's own clock shows 0 again, if it is one that does. Milliseconds and
    /// microseconds are nearly always counted in 32 bits; a longer count is the same, but for the times around.
    pub(crate) fn around_ns(&self) -> Option<i64> {
        match self.format {
            Format::Uptime(Resolution::Millis) => Some(1_000_000 << 32),
            Format::Uptime(Resolution::Micros) => Some(1_000 << 32),
            _ => None,
        }
    }

    /// Reads a time.
    ///
    /// # Errors
    /// In words: what it is and how it should have been written.
    pub(crate) fn read(&self, value: Scalar<'_>) -> Result<Instant, Cow<'static, str>> {
        let nanoseconds = match &self.format {
            Format::Any => match value {
                Scalar::Text(text) => self.iso(text).or_else(|| counted(value)),
                number => epoch::nanoseconds(number, None),
            },
            Format::Iso8601 => match value {
                Scalar::Text(text) => self.iso(text),
                _ => None,
            },
            Format::Unix(resolution) => epoch::nanoseconds(value, *resolution),
            Format::Local(resolution) => epoch::nanoseconds(value, *resolution)
                .and_then(|local| self.local(epoch::civil(local)?)),
            Format::Uptime(resolution) => {
                return epoch::nanoseconds(value, Some(*resolution))
                    .map(Instant::DeviceClock)
                    .ok_or_else(|| self.unreadable(value));
            }
            Format::Dsmr => match value {
                Scalar::Text(text) => self.dsmr(text.trim()),
                _ => None,
            },
            Format::Pattern(pattern) => self.pattern(pattern, value),
        };
        nanoseconds
            .map(|ns| Instant::Utc(Timestamp(ns)))
            .ok_or_else(|| self.unreadable(value))
    }

    fn iso(&self, text: &str) -> Option<i64> {
        let (civil, offset) = iso::parse(text.trim())?;
        match offset {
            Some(offset) => at_offset(civil, offset),
            None => self.local(civil),
        }
    }

    /// `YYMMDDhhmmssX`, where X is S in summer and W in winter (the TST format of the P1 companion
    /// standard, DSMR 5.0.2).
    fn dsmr(&self, text: &str) -> Option<i64> {
        let (digits, season) = text.split_at_checked(12)?;
        let mut pairs = [0_i8; 6];
        for (pair, digits) in pairs.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *pair = iso::number(digits)? as i8;
        }
        let [year, month, day, hour, minute, second] = pairs;
        // As POSIX has it for two digits; meters say 700101 for a time that they don't know.
        let century = if year >= 69 { 1900 } else { 2000 };
        let year = century + i16::from(year);
        let civil = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
        if season.is_empty() {
            return self.local(civil);
        }
        // The two offsets of the year, whichever hemisphere it is; summer's is the greater.
        let offset_in = |month| {
            let noon = DateTime::new(year, month, 1, 12, 0, 0, 0).ok()?;
            let noon = Offset::UTC.to_timestamp(noon).ok()?;
            Some(self.zone.to_offset(noon))
        };
        let (january, july) = (offset_in(1)?, offset_in(7)?);
        match season {
            "S" => at_offset(civil, january.max(july)),
            "W" => at_offset(civil, january.min(july)),
            _ => None,
        }
    }

    fn pattern(&self, pattern: &str, value: Scalar<'_>) -> Option<i64> {
        let time = match value {
            Scalar::Text(text) => BrokenDownTime::parse(pattern, text.trim()),
            // `20240305120211` is a number wherever it has no quotes around it.
            Scalar::Int(digits) => BrokenDownTime::parse(pattern, digits.to_string()),
            _ => return None,
        }
        .ok()?;
        if let Ok(timestamp) = time.to_timestamp() {
            return i64::try_from(timestamp.as_nanosecond()).ok();
        }
        self.local(time.to_datetime().ok()?)
    }

    /// A local time in the reader's zone.
    fn local(&self, civil: DateTime) -> Option<i64> {
        let timestamp = self.zone.to_ambiguous_timestamp(civil).compatible().ok()?;
        i64::try_from(timestamp.as_nanosecond()).ok()
    }

    fn unreadable(&self, value: Scalar<'_>) -> Cow<'static, str> {
        let what = match value {
            Scalar::Null => "null".to_owned(),
            Scalar::Bool(value) => value.to_string(),
            Scalar::Int(value) => value.to_string(),
            Scalar::Uint(value) => value.to_string(),
            Scalar::Float(value) => value.to_string(),
            Scalar::Text(text) => format!("`{}`", text.chars().take(40).collect::<String>()),
        };
        let expected = match &self.format {
            Format::Any => "an ISO 8601 time or a number of seconds since 1970",
            Format::Iso8601 => "an ISO 8601 time like `2024-03-05T12:02:11Z`",
            Format::Unix(_) | Format::Local(_) => "a number that counts from 1970",
            Format::Uptime(_) => "a number that counts from the start of the sender",
            Format::Dsmr => "a time of a P1 telegram like `240305130211W`",
            Format::Pattern(pattern) => {
                return format!("{what} is not a time in the pattern `{pattern}`").into();
            }
        };
        format!("{what} is not {expected}, or not between the years 1678 and 2262").into()
    }
}

impl Format {
    fn parse(format: &str) -> Result<Self, String> {
        let (kind, resolution) = format.split_once('_').unwrap_or((format, ""));
        Ok(match (kind, Resolution::named(resolution)) {
            ("unix", Some(resolution)) => Self::Unix(Some(resolution)),
            ("uptime", Some(resolution)) => Self::Uptime(resolution),
            _ if format == "iso8601" => Self::Iso8601,
            _ if format == "unix" => Self::Unix(None),
            _ if format == "dsmr" => Self::Dsmr,
            _ if format.contains('%') => {
                check_pattern(format)?;
                Self::Pattern(format.to_owned())
            }
            _ => {
                return Err(format!(
                    "`{format}` is not a way to write times; there are `iso8601`, `unix`, `unix_s`, `unix_ms`, \
                     `unix_us`, `unix_ns`, `uptime_s`, `uptime_ms`, `uptime_us`, `uptime_ns`, `dsmr` and \
                     patterns like `%d/%m/%Y %H:%M:%S`"
                ));
            }
        })
    }
}

/// A pattern is sound if what it writes can be read by it again and gives a date.
fn check_pattern(pattern: &str) -> Result<(), String> {
    let fault = |error: jiff::Error| format!("the pattern `{pattern}` can't be read: {error}");
    let sample = DateTime::constant(2024, 3, 5, 12, 2, 11, 0)
        .to_zoned(TimeZone::UTC)
        .map_err(fault)?;
    let text = BrokenDownTime::from(&sample)
        .to_string(pattern)
        .map_err(fault)?;
    let time = BrokenDownTime::parse(pattern, &text).map_err(fault)?;
    if time.to_timestamp().is_err() {
        time.to_datetime().map_err(|_| {
            format!("the pattern `{pattern}` does not give a date; join fields with `text`")
        })?;
    }
    Ok(())
}

/// A number in a text of which nobody said that it counts from 1970. It is taken to do so only if that is
/// a time after 1999: other digits may be anything.
fn counted(text: Scalar<'_>) -> Option<i64> {
    epoch::nanoseconds(text, None).filter(|ns| *ns >= Timestamp::YEAR_2000.0)
}

fn at_offset(civil: DateTime, offset: Offset) -> Option<i64> {
    let timestamp = offset.to_timestamp(civil).ok()?;
    i64::try_from(timestamp.as_nanosecond()).ok()
}
