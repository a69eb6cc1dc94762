//! A record whose times were by a clock that was not set, once it is known how far off that was.

use eyot_pipeline::{Span, Timestamp};
use serde_json::{Map, Value};

use super::merge::time;
use crate::clock::rfc3339;

/// The times of each record, as paths of keys.
const TIMES: [&[&str]; 11] = [
    &["window", "start"],
    &["window", "end"],
    &["freshness", "scored_at"],
    &["freshness", "oldest"],
    &["time"],
    &["since"],
    &["start"],
    &["end"],
    &["arrived"],
    &["decided_at"],
    &["last_heard"],
];

/// The record with all its times `by` later, which it says; `None` if it is none of those whose times are all by the
/// gateway's clock.
pub fn moved(body: &[u8], by: Span) -> Option<Vec<u8>> {
    let mut record: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let clock = record.get_mut("clock")?.as_object_mut()?;
    if clock.get("unset")? != "all" {
        return None;
    }
    clock.remove("unset");
    clock.insert("moved_ms".into(), by.as_millis().into());
    for path in TIMES {
        let (last, parents) = path.split_last()?;
        let parent = parents.iter().try_fold(&mut record, |object, key| {
            object.get_mut(*key)?.as_object_mut()
        });
        if let Some(place) = parent.and_then(|parent| parent.get_mut(*last))
            && let Some(Timestamp(at)) = time(place)
        {
            *place = rfc3339(Timestamp(at) + by).into();
        }
    }
    serde_json::to_vec(&record).ok()
}
