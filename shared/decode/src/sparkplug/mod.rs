//! Sparkplug B (Eclipse Sparkplug 3.0.0).
//!
//! The root is an object:
//!
//! | message | keys |
//! |---|---|
//! | birth, data | `timestamp`, `seq`, `uuid`, `metrics`; `unresolved`: how many metrics have an alias that no birth explains |
//! | death | `death: true`, `timestamp`, `seq`, `bdSeq` |
//! | death of an earlier connection | `stale: true` |
//! | command, state of a host | none |
//!
//! A metric is `{name, alias, type, unit, value, timestamp, historical, transient, quality, control}`:
//! name, type and unit also where only the birth gave them, times in milliseconds since 1970, `control`
//! for those that steer the session and measure nothing. `value` is null for a metric that is null, and
//! absent for data sets, templates and bytes.
//!
//! A gap in the sequence, data without a birth or an unknown alias make a [`Request`] for a rebirth.

mod datatype;
mod metric;
mod node;
mod proto;
#[cfg(test)]
mod tests;
mod topic;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use eyot_pipeline::Timestamp;
use prost::Message;

use datatype::Datatype;
use node::Node;
use proto::{Metric, Payload, Value};
use topic::{Kind, Topic};

use crate::format::{FormatError, Input, Read, Request};
use crate::{Doc, Scalar};

/// The most edge nodes that are remembered.
const MAX_NODES: usize = 10_000;

/// Reads Sparkplug B, and remembers what births said.
#[derive(Debug, Default)]
pub(crate) struct Sparkplug {
    /// By `group/node`; those that are dead are not in it.
    nodes: HashMap<String, Node>,
}

impl Sparkplug {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Pushes what a message says. Gives back whether its edge node has to be asked for a rebirth.
    fn take(
        &mut self,
        topic: &Topic<'_>,
        payload: &Payload,
        now: Timestamp,
        doc: &mut Doc,
    ) -> Result<bool, FormatError> {
        let is_of_node = topic.device.is_empty();
        if is_of_node && topic.kind == Kind::Death {
            self.take_node_death(topic, payload, doc);
            return Ok(false);
        }
        let node = self.node(topic)?;
        let mut is_lost = false;
        if is_of_node && topic.kind == Kind::Birth {
            node.restart(payload.seq, payload.bd_seq());
        } else {
            is_lost = !node.is_next(payload.seq);
        }
        match topic.kind {
            Kind::Birth => {
                node.learn(topic.device, &payload.metrics);
                metric::push_all(doc, payload, node.metrics(topic.device))?;
            }
            Kind::Data => {
                let known = node.metrics(topic.device);
                is_lost |= known.is_none();
                let unresolved = metric::push_all(doc, payload, known)?;
                is_lost |= unresolved > 0;
            }
            Kind::Death => {
                node.forget(topic.device);
                push_death(doc, payload);
            }
        }
        Ok(is_lost && node.may_ask(now))
    }

    fn node(&mut self, topic: &Topic<'_>) -> Result<&mut Node, FormatError> {
        let is_full = self.nodes.len() >= MAX_NODES;
        match self.nodes.entry(topic.of_node()) {
            Entry::Vacant(_) if is_full => Err(FormatError(format!(
                "the edge node `{}` is one more than the {MAX_NODES} that can be remembered; \
                 narrow the rule's topics",
                topic.of_node()
            ))),
            entry => Ok(entry.or_default()),
        }
    }

    /// A broker sends the will of a lost connection late, maybe after the node is back.
    fn take_node_death(&mut self, topic: &Topic<'_>, payload: &Payload, doc: &mut Doc) {
        let key = topic.of_node();
        let node = self.nodes.get(&key);
        if node.is_some_and(|node| node.is_stale(payload.bd_seq())) {
            doc.push("stale", Scalar::Bool(true));
            return;
        }
        self.nodes.remove(&key);
        push_death(doc, payload);
    }
}

impl Read for Sparkplug {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        requests: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        doc.begin("")?;
        doc.open_object("")?;
        if let Some(topic) = Topic::parse(input.topic)? {
            let payload = Payload::decode(input.bytes)
                .map_err(|error| FormatError(format!("not a Sparkplug B payload: {error}")))?;
            if self.take(&topic, &payload, input.arrival, doc)? {
                requests.push(rebirth(&topic, input.arrival));
            }
        }
        doc.close();
        Ok("")
    }
}

fn push_death(doc: &mut Doc, payload: &Payload) {
    doc.push("death", Scalar::Bool(true));
    metric::push_number(doc, "timestamp", payload.timestamp);
    metric::push_number(doc, "seq", payload.seq);
    metric::push_number(doc, "bdSeq", payload.bd_seq());
}

/// Asks an edge node to send all its births again.
fn rebirth(topic: &Topic<'_>, now: Timestamp) -> Request {
    let timestamp = u64::try_from(now.0 / 1_000_000).ok();
    let metric = Metric {
        name: Some("Node Control/Rebirth".into()),
        timestamp,
        datatype: Some(Datatype::BOOLEAN.0),
        value: Some(Value::Boolean(true)),
        ..Metric::default()
    };
    let payload = Payload {
        timestamp,
        metrics: vec![metric],
        ..Payload::default()
    };
    Request {
        topic: topic.of_commands(),
        payload: payload.encode_to_vec(),
    }
}
