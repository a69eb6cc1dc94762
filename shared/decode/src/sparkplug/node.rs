//! What has to be remembered of an edge node: births say once what data then leaves out.

use std::collections::HashMap;

use eyot_pipeline::{Span, Timestamp};
use indexmap::IndexMap;

use super::datatype::Datatype;
use super::proto::Metric;

/// The most metrics, and devices, that are remembered of a node.
pub(super) const MAX_METRICS: usize = 100_000;
/// Time between two requests for a rebirth that stays unanswered.
const ASK_EVERY: Span = Span::from_secs(60);

/// What a birth said of a metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Definition {
    pub datatype: Datatype,
    pub unit: Option<Box<str>>,
}

/// The metrics of an edge node itself, or of one of its devices.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    by_name: IndexMap<Box<str>, Definition>,
    aliases: HashMap<u64, usize>,
}

impl Metrics {
    /// What the birth called this metric and said of it.
    pub(super) fn find(&self, metric: &Metric) -> Option<(&str, &Definition)> {
        let found = match metric.own_name() {
            Some(name) => self.by_name.get_key_value(name),
            None => self.by_name.get_index(*self.aliases.get(&metric.alias?)?),
        };
        found.map(|(name, definition)| (name.as_ref(), definition))
    }

    fn learn(&mut self, metric: &Metric) {
        let Some(name) = metric.own_name() else {
            return;
        };
        let definition = Definition {
            datatype: Datatype(metric.datatype.unwrap_or_default()),
            unit: metric.unit().map(Into::into),
        };
        let (index, _) = self.by_name.insert_full(name.into(), definition);
        if let Some(alias) = metric.alias {
            self.aliases.insert(alias, index);
        }
    }
}

/// An edge node.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// By device; `""` for the node itself, which is there after its birth.
    devices: HashMap<Box<str>, Metrics>,
    /// Of the last message, if it has come without a gap since the birth.
    seq: Option<u8>,
    /// Which connection it was born on.
    bd_seq: Option<u64>,
    asked: Option<Timestamp>,
}

impl Node {
    /// It begins anew, and its devices with it.
    pub(super) fn restart(&mut self, seq: Option<u64>, bd_seq: Option<u64>) {
        *self = Self {
            seq: in_range(seq),
            bd_seq,
            ..Self::default()
        };
    }

    /// Takes a device's birth, or the node's own. What is beyond [`MAX_METRICS`] is not remembered.
    pub(super) fn learn(&mut self, device: &str, metrics: &[Metric]) {
        self.devices.remove(device);
        let used: usize = self.devices.values().map(|m| 1 + m.by_name.len()).sum();
        let Some(room) = MAX_METRICS.checked_sub(used + 1) else {
            return;
        };
        let learnt = self.devices.entry(device.into()).or_default();
        metrics.iter().take(room).for_each(|m| learnt.learn(m));
    }

    pub(super) fn forget(&mut self, device: &str) {
        self.devices.remove(device);
    }

    /// The metrics of a device; `None` before its birth.
    pub(super) fn metrics(&self, device: &str) -> Option<&Metrics> {
        self.devices.get(device)
    }

    /// Whether a message is the next after the last; the numbers go round from 255 to 0.
    pub(super) fn is_next(&mut self, seq: Option<u64>) -> bool {
        let expected = self.seq.map(|last| last.wrapping_add(1));
        let seq = in_range(seq);
        let is_next = seq.is_some() && seq == expected;
        if self.devices.contains_key("") {
            self.seq = seq;
        }
        is_next
    }

    /// Whether a death certificate is of an earlier connection than the last birth.
    pub(super) fn is_stale(&self, bd_seq: Option<u64>) -> bool {
        matches!((self.bd_seq, bd_seq), (Some(birth), Some(death)) if birth != death)
    }

    /// Whether to ask for a rebirth now, rather than wait for the answer to the last request.
    pub(super) fn may_ask(&mut self, now: Timestamp) -> bool {
        let may = self.asked.is_none_or(|asked| now - asked >= ASK_EVERY);
        if may {
            self.asked = Some(now);
        }
        may
    }
}

/// A sequence number; some encoders leave a 0 out.
fn in_range(seq: Option<u64>) -> Option<u8> {
    u8::try_from(seq.unwrap_or(0)).ok()
}
