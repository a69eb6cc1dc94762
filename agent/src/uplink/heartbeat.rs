//! The agent's retained status upstream, and its last will.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::time::{Duration, Instant};

use crate::config;
use crate::mqtt::{QoS, Will};

/// The schema of the record.
const SCHEMA: &str = "eyot.status.v1";
/// How often health is looked at for changes.
const LOOK: Duration = Duration::from_secs(1);

/// What the agent says of itself. Cheap, and never blocks.
pub trait Report: Send + Sync {
    /// Its health in short: a change of this is published at once.
    fn health(&self) -> Value;
    /// The body of the record, all but `schema`, `agent` and `online`.
    fn status(&self) -> Map<String, Value>;
}

/// When to publish what.
pub(super) struct Heartbeat {
    /// `{prefix}/{agent}/status`
    pub(super) topic: String,
    agent: Arc<str>,
    every: Duration,
    report: Arc<dyn Report>,
    /// As published last.
    health: Value,
    /// When it is published, whatever its health.
    due: Instant,
    /// When health is looked at.
    look: Instant,
}

impl Heartbeat {
    pub(super) fn new(uplink: &config::Uplink, agent: &Arc<str>, report: Arc<dyn Report>) -> Self {
        let now = Instant::now();
        Self {
            topic: format!("{}/{agent}/status", uplink.topic_prefix),
            agent: Arc::clone(agent),
            every: uplink.heartbeat,
            report,
            health: Value::Null,
            due: now,
            look: now,
        }
    }

    /// What the broker says when the agent is gone without a word.
    pub(super) fn will(&self) -> Will {
        Will {
            topic: self.topic.clone(),
            payload: self.offline("connection_lost"),
            qos: QoS::AtLeastOnce,
            retain: true,
        }
    }

    /// What the agent says last.
    pub(super) fn farewell(&self) -> Bytes {
        self.offline("stopped")
    }

    /// A new connection: the broker may have told everybody that the agent is gone.
    pub(super) fn renew(&mut self, now: Instant) {
        self.due = now;
    }

    /// When there may be something to publish.
    pub(super) fn next(&self) -> Instant {
        self.due.min(self.look)
    }

    /// What to publish now, if anything.
    pub(super) fn beat(&mut self, now: Instant) -> Option<Bytes> {
        if now < self.next() {
            return None;
        }
        self.look = now + LOOK;
        let health = self.report.health();
        if now < self.due && health == self.health {
            return None;
        }
        self.due = now + self.every;
        self.health = health;
        let mut status = self.report.status();
        status.extend(self.head(true));
        Some(Value::Object(status).to_string().into())
    }

    fn offline(&self, reason: &str) -> Bytes {
        let mut status = self.head(false);
        status.insert("reason".to_owned(), reason.into());
        Value::Object(status).to_string().into()
    }

    fn head(&self, online: bool) -> Map<String, Value> {
        let head = json!({ "schema": SCHEMA, "agent": &*self.agent, "online": online });
        match head {
            Value::Object(head) => head,
            _ => Map::new(),
        }
    }
}
