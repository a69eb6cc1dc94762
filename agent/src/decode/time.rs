//! Event time from a field.

use eyot_pipeline::Timestamp;

use super::Scalar;
use crate::config::TimeFormat;

/// The event time in a field of the given format; `None` if it cannot be read as one.
pub fn event_time(scalar: &Scalar<'_>, format: TimeFormat) -> Option<Timestamp> {
    match (scalar, format) {
        (Scalar::Text(text), TimeFormat::Rfc3339) => {
            let time: jiff::Timestamp = text.parse().ok()?;
            i64::try_from(time.as_nanosecond()).ok().map(Timestamp)
        }
        (Scalar::Int(n), _) => n.checked_mul(nanoseconds(format)?).map(Timestamp),
        (Scalar::Float(x), _) => {
            // Rounded to 1 µs: a double resolves today's time to about 0.2 µs, and what lies below
            // is its rounding and not the sender's clock.
            let unit = nanoseconds(format)?;
            let whole = x.trunc();
            if !whole.is_finite() || whole.abs() >= 9.2e18 {
                return None;
            }
            let fraction = ((x - whole) * unit as f64 / 1e3).round() as i64 * 1_000;
            (whole as i64)
                .checked_mul(unit)?
                .checked_add(fraction)
                .map(Timestamp)
        }
        _ => None,
    }
}

fn nanoseconds(format: TimeFormat) -> Option<i64> {
    match format {
        TimeFormat::Rfc3339 => None,
        TimeFormat::UnixS => Some(1_000_000_000),
        TimeFormat::UnixMs => Some(1_000_000),
        TimeFormat::UnixUs => Some(1_000),
        TimeFormat::UnixNs => Some(1),
    }
}
