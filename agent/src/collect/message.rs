//! From a message to records, by the topics and forms that docs/records.md describes.
//!
//! Nothing that a sender can write is a fault here: what is no record is [`Content::Rubbish`].

use std::io::{BufRead, BufReader, Read};

use bytes::Bytes;
use eyot_pipeline::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::id::{RecordId, is_number};

/// Largest record, in bytes: what is larger is no record.
pub(super) const LARGEST_RECORD: usize = 1 << 20;
/// Largest batch once it is decompressed, in bytes.
const LARGEST_BATCH: u64 = 64 << 20;
/// Largest window of a batch's compression, as a power of two: the memory that it costs to read it.
const WINDOW_LOG: u32 = 23;

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Topic.
    pub topic: Bytes,
    /// Payload.
    pub payload: Bytes,
    /// When, by this machine's clock.
    pub at: Timestamp,
}

/// One thing that a message holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A record.
    Record(Record),
    /// What an agent says about itself.
    Status {
        /// Name of the agent.
        agent: String,
        /// JSON; none if it has been taken back.
        body: Option<String>,
    },
    /// Nothing of the kind.
    Rubbish(Rubbish),
}

/// A record as far as a collector has to know it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its identity.
    pub id: RecordId,
    /// Like `eyot.summary.v1`.
    pub schema: String,
    /// Like `summary`.
    pub kind: String,
    /// The agent's name.
    pub agent: Option<String>,
    /// Start of the event time that it is about.
    pub start: Option<Timestamp>,
    /// End of the event time that it is about.
    pub end: Option<Timestamp>,
    /// The JSON as it came.
    pub body: String,
    /// Which records will never come, by a loss record.
    pub lost: Vec<Lost>,
}

/// Records that an agent announces as lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Whose; of the announcing agent.
    pub device: String,
    /// Of which store epoch, if not of the announcement's own.
    pub epoch: Option<u32>,
    /// Which.
    pub which: Which,
    /// Why.
    pub reason: String,
}

/// Which records are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// From this number to that, both inclusive.
    Range(u64, u64),
    /// So many, of unknown numbers.
    Count(u64),
}

/// What is no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rubbish {
    /// In short.
    pub reason: Reason,
    /// In detail, for people.
    pub detail: String,
}

/// Why something is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The payload is not JSON.
    NotJson,
    /// It is JSON, but lacks what every record has.
    NotARecord,
    /// A batch that cannot be decompressed to its end.
    BrokenBatch,
    /// A record or a batch beyond the limits.
    TooLarge,
}

impl Reason {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotARecord => "not_a_record",
            Self::BrokenBatch => "broken_batch",
            Self::TooLarge => "too_large",
        }
    }

    fn with(self, detail: impl Into<String>) -> Content {
        Content::Rubbish(Rubbish {
            reason: self,
            detail: detail.into(),
        })
    }
}

/// Takes a message apart. `prefix` is what agents begin their topics with. A batch is read one record after the
/// other, so that no more than one is in memory; `each` ends it early with an error.
pub fn read<E>(
    prefix: &str,
    message: &Arrived,
    mut each: impl FnMut(Content) -> Result<(), E>,
) -> Result<(), E> {
    let topic = String::from_utf8_lossy(&message.topic);
    let below = topic
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|rest| rest.split_once('/'));
    match below {
        Some((agent, "status")) => each(status(agent, &message.payload)),
        Some((_, lane)) if lane.starts_with("batch/") => batch(&message.payload, each),
        _ => each(record(&message.payload)),
    }
}

fn status(agent: &str, payload: &[u8]) -> Content {
    let agent = agent.to_owned();
    // An empty retained message is how MQTT takes one back.
    if payload.is_empty() {
        return Content::Status { agent, body: None };
    }
    match std::str::from_utf8(payload) {
        Ok(text) => match serde_json::from_str(text) {
            Ok(Value::Object(_)) => Content::Status {
                agent,
                body: Some(text.to_owned()),
            },
            Ok(_) => Reason::NotARecord.with("a status that is no object"),
            Err(error) => Reason::NotJson.with(error.to_string()),
        },
        Err(error) => Reason::NotJson.with(error.to_string()),
    }
}

/// One zstd frame of records, one a line.
fn batch<E>(payload: &[u8], mut each: impl FnMut(Content) -> Result<(), E>) -> Result<(), E> {
    let broken = |error: std::io::Error| Reason::BrokenBatch.with(error.to_string());
    let mut decoder = match zstd::stream::read::Decoder::with_buffer(payload) {
        Ok(decoder) => decoder,
        Err(error) => return each(broken(error)),
    };
    if let Err(error) = decoder.window_log_max(WINDOW_LOG) {
        return each(broken(error));
    }
    // One byte more than allowed tells a batch that is too large from one that just fits.
    let mut lines = BufReader::new(decoder.take(LARGEST_BATCH + 1));
    let mut line = Vec::new();
    let mut total = 0;
    loop {
        line.clear();
        let mut limited = (&mut lines).take(LARGEST_RECORD as u64 + 1);
        let read = match limited.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) => return each(broken(error)),
        };
        total += read as u64;
        if total > LARGEST_BATCH {
            let detail = format!("a batch of more than {LARGEST_BATCH} bytes");
            return each(Reason::TooLarge.with(detail));
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > LARGEST_RECORD {
            match lines.skip_until(b'\n') {
                Ok(skipped) => total += skipped as u64,
                Err(error) => return each(broken(error)),
            }
        }
        if !line.is_empty() {
            each(record(&line))?;
        }
    }
}

/// What every record has, and where the kinds of records keep their times.
#[derive(Deserialize)]
struct Head {
    id: Option<Value>,
    schema: Option<Value>,
    agent: Option<Value>,
    window: Option<Value>,
    time: Option<Value>,
    from: Option<Value>,
    to: Option<Value>,
    start: Option<Value>,
    end: Option<Value>,
    last_heard: Option<Value>,
    decided_at: Option<Value>,
    reason: Option<Value>,
    records: Option<Value>,
    unlisted: Option<Value>,
    merges: Option<Value>,
}

fn record(payload: &[u8]) -> Content {
    if payload.len() > LARGEST_RECORD {
        let detail = format!("a record of more than {LARGEST_RECORD} bytes");
        return Reason::TooLarge.with(detail);
    }
    let text = match std::str::from_utf8(payload) {
        Ok(text) => text,
        Err(error) => return Reason::NotJson.with(error.to_string()),
    };
    let head: Head = match serde_json::from_str(text) {
        Ok(head) => head,
        Err(error) if error.is_data() => return Reason::NotARecord.with(error.to_string()),
        Err(error) => return Reason::NotJson.with(error.to_string()),
    };
    let Some(id) = head.id.as_ref().and_then(Value::as_str) else {
        return Reason::NotARecord.with("a record without id");
    };
    let Some(id) = RecordId::parse(id) else {
        return Reason::NotARecord.with(format!("an id of another form: {id}"));
    };
    let Some(schema) = head.schema.as_ref().and_then(Value::as_str) else {
        return Reason::NotARecord.with("a record without schema");
    };
    let kind = schema
        .strip_prefix("eyot.")
        .and_then(|rest| rest.split('.').next())
        .unwrap_or(schema);
    let window = |key: &str| head.window.as_ref().and_then(|window| window.get(key));
    let time = head.time.as_ref();
    // A reading that came too late has both its own time and the window that it missed.
    let from = time.or(head.start.as_ref()).or(head.last_heard.as_ref());
    let until = time.or(head.end.as_ref()).or(head.decided_at.as_ref());
    let lost = lost(&head, kind, &id);
    Content::Record(Record {
        id,
        schema: schema.to_owned(),
        kind: kind.to_owned(),
        agent: head
            .agent
            .as_ref()
            .and_then(Value::as_str)
            .map(str::to_owned),
        start: instant(window("start").or(head.from.as_ref()).or(from)),
        end: instant(window("end").or(head.to.as_ref()).or(until)),
        body: text.to_owned(),
        lost,
    })
}

/// What will not come, by this record: what a loss record announces, and what a merged record stands for.
fn lost(head: &Head, kind: &str, id: &RecordId) -> Vec<Lost> {
    let own = |which, reason: &str| Lost {
        device: id.stream.device.clone(),
        epoch: None,
        which,
        reason: reason.to_owned(),
    };
    if kind != "loss" {
        let merges = head.merges.as_ref().and_then(which);
        return merges
            .map(|which| own(which, "merged"))
            .into_iter()
            .collect();
    }
    let whole = head.reason.as_ref().and_then(Value::as_str);
    let whole = whole.unwrap_or("unknown");
    let entries = head.records.as_ref().and_then(Value::as_array);
    let listed = entries.into_iter().flatten().filter_map(|entry| {
        let reason = entry.get("reason").and_then(Value::as_str);
        let epoch = entry.get("epoch").and_then(Value::as_u64);
        Some(Lost {
            device: entry.get("device")?.as_str()?.to_owned(),
            epoch: epoch.and_then(|epoch| epoch.try_into().ok()),
            which: which(entry)?,
            reason: reason.unwrap_or(whole).to_owned(),
        })
    });
    let unlisted = head.unlisted.as_ref().and_then(Value::as_u64);
    let unlisted = unlisted.filter(|count| is_number(*count));
    let unlisted = unlisted.map(|count| own(Which::Count(count), whole));
    listed.chain(unlisted).collect()
}

/// `from` and `to`, or `count`.
fn which(entry: &Value) -> Option<Which> {
    let number = |key: &str| {
        let number = entry.get(key).and_then(Value::as_u64);
        number.filter(|number| is_number(*number))
    };
    match (number("from"), number("to")) {
        (Some(from), Some(to)) => (from <= to).then_some(Which::Range(from, to)),
        _ => number("count").map(Which::Count),
    }
}

fn instant(value: Option<&Value>) -> Option<Timestamp> {
    let time: jiff::Timestamp = value?.as_str()?.parse().ok()?;
    time.as_nanosecond().try_into().ok().map(Timestamp)
}

#[cfg(test)]
mod tests;
