//! Times that are numbers: since 1970, or since the sender started.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use crate::Scalar;

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolution {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl Resolution {
    /// As formats name it, `ms` in `unix_ms`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "s" => Self::Seconds,
            "ms" => Self::Millis,
            "us" => Self::Micros,
            "ns" => Self::Nanos,
            _ => return None,
        })
    }

    /// Of a time since 1970 of that size. What is below 10^11 is seconds (until the year 5138); a thousand
    /// times that is milliseconds, which in turn begin in March 1973; and so on.
    fn of_size(number: f64) -> Self {
        match number.abs() {
            size if size < 1e11 => Self::Seconds,
            size if size < 1e14 => Self::Millis,
            size if size < 1e17 => Self::Micros,
            _ => Self::Nanos,
        }
    }

    const fn nanoseconds(self) -> i64 {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
            Self::Nanos => 1,
        }
    }
}

/// A number as nanoseconds; whole numbers and decimal texts exactly, floats to the microsecond, which is
/// what a double holds of seconds since 1970. Without a resolution it is guessed from the size. `None` if
/// it is no number or too large.
pub(super) fn nanoseconds(value: Scalar<'_>, resolution: Option<Resolution>) -> Option<i64> {
    let resolution = |number: f64| resolution.unwrap_or_else(|| Resolution::of_size(number));
    match value {
        Scalar::Int(number) => number.checked_mul(resolution(number as f64).nanoseconds()),
        Scalar::Float(number) => float(number, resolution(number)),
        Scalar::Text(text) => {
            let text = text.trim();
            match Decimal::parse(text) {
                Some(decimal) => decimal.nanoseconds(resolution(decimal.whole as f64)),
                None if has_exponent(text) => {
                    let number = text.parse().ok()?;
                    float(number, resolution(number))
                }
                None => None,
            }
        }
        // A whole number beyond `i64::MAX` is too large even in nanoseconds.
        Scalar::Null | Scalar::Bool(_) | Scalar::Uint(_) => None,
    }
}

/// What a clock shows that is so many nanoseconds from 1970.
pub(super) fn civil(nanoseconds: i64) -> Option<DateTime> {
    let timestamp = Timestamp::from_nanosecond(nanoseconds.into()).ok()?;
    Some(Offset::UTC.to_datetime(timestamp))
}

fn float(number: f64, resolution: Resolution) -> Option<i64> {
    let micros = (number * resolution.nanoseconds() as f64 / 1e3).round();
    // Within it, the cast and the product are exact enough not to saturate or overflow.
    (micros.abs() < 9.2e15).then(|| micros as i64 * 1000)
}

fn has_exponent(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'))
        && text
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'))
}

/// A decimal number as it is written.
struct Decimal<'a> {
    negative: bool,
    whole: i64,
    fraction: &'a [u8],
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        Some(Self {
            negative: text.starts_with('-'),
            whole: whole.parse().ok()?,
            fraction: fraction.as_bytes(),
        })
    }

    fn nanoseconds(&self, resolution: Resolution) -> Option<i64> {
        let mut digit = resolution.nanoseconds();
        let mut result = self.whole.checked_mul(digit)?;
        // Digits below a nanosecond add nothing.
        for b in self.fraction {
            digit /= 10;
            result = result.checked_add(i64::from(b - b'0') * digit)?;
        }
        Some(if self.negative { -result } else { result })
    }
}
