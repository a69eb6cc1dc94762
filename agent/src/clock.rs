//! The one place that asks what time it is.

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
