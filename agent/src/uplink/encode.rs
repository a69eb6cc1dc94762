//! From records to messages: topics and payloads.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use eyot_pipeline::forward::Parcel;
use eyot_pipeline::ledger::Lane;

/// Topics that are remembered before all are forgotten; more devices than that cost a little time.
const TOPICS: usize = 16_384;
/// Strength of compression: what zstd calls fast.
const LEVEL: i32 = 1;

/// A record as the forwarder carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Name of the device.
    pub(super) device: String,
    /// The encoded record.
    pub(super) body: Bytes,
}

/// A message to be published.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: Arc<str>,
    pub(super) payload: Bytes,
}

/// Writes messages.
pub(super) struct Encoder {
    /// `{prefix}/{agent}`
    base: String,
    single: HashMap<String, [Option<Arc<str>>; Lane::ALL.len()]>,
    batch: [Arc<str>; Lane::ALL.len()],
    compressor: zstd::bulk::Compressor<'static>,
    lines: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(prefix: &str, agent: &str) -> std::io::Result<Self> {
        let base = format!("{prefix}/{agent}");
        Ok(Self {
            single: HashMap::new(),
            batch: Lane::ALL.map(|lane| format!("{base}/batch/{}", lane.name()).into()),
            compressor: zstd::bulk::Compressor::new(LEVEL)?,
            lines: Vec::new(),
            base,
        })
    }

    /// One record as it is, to `{prefix}/{agent}/{lane}/{device}`; or a batch as one zstd frame of lines, to
    /// `{prefix}/{agent}/batch/{lane}`.
    pub(super) fn message(&mut self, parcel: &Parcel<Row>) -> std::io::Result<Message> {
        if let [item] = &parcel.items[..]
            && !parcel.batch
        {
            return Ok(Message {
                topic: self.topic(parcel.lane, &item.record.device),
                payload: item.record.body.clone(),
            });
        }
        self.lines.clear();
        for item in &parcel.items {
            if !self.lines.is_empty() {
                self.lines.push(b'\n');
            }
            self.lines.extend_from_slice(&item.record.body);
        }
        Ok(Message {
            topic: Arc::clone(&self.batch[parcel.lane as usize]),
            payload: self.compressor.compress(&self.lines)?.into(),
        })
    }

    /// The topic of a single record, with what MQTT reserves made harmless.
    pub(super) fn topic(&mut self, lane: Lane, device: &str) -> Arc<str> {
        let known = self
            .single
            .get(device)
            .and_then(|of| of[lane as usize].as_ref());
        if let Some(topic) = known {
            return Arc::clone(topic);
        }
        let harmless = device.replace(['+', '#', '\0'], "_");
        let topic: Arc<str> = format!("{}/{}/{harmless}", self.base, lane.name()).into();
        if self.single.len() >= TOPICS {
            self.single.clear();
        }
        let of = self.single.entry(device.to_owned()).or_default();
        of[lane as usize] = Some(Arc::clone(&topic));
        topic
    }
}
