//! The one place that asks what time it is, and the one way to write it.

use std::time::{SystemTime, UNIX_EPOCH};

use eyot_pipeline::Timestamp;

/// Wall-clock time, UTC.
pub fn now() -> Timestamp {
    let nanoseconds = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX),
    };
    Timestamp(nanoseconds)
}

/// RFC 3339 in UTC, with as many decimals as it needs: the one way to write an instant.
pub fn rfc3339(time: Timestamp) -> String {
    // i64 nanoseconds lie well within what jiff can write.
    jiff::Timestamp::from_nanosecond(time.0.into())
        .map_or_else(|_| time.0.to_string(), |t| t.to_string())
}
