//! A publisher, and readings for it.

use std::ops::Range;

use bytes::Bytes;
use eyot::mqtt::{self, Ack, Client, QoS};
use eyot_lab::collector::local_broker;
use tokio::task::JoinHandle;

/// 2026-01-01, in seconds since the epoch: the event time at which everything starts.
pub(crate) const T0: i64 = 1_767_225_600;

/// Second `n` of the test, as records write it.
pub(crate) fn second(n: i64) -> String {
    eyot::clock::rfc3339(eyot_pipeline::Timestamp::from_secs(T0 + n))
}

/// A reading of channel `speed`, `ms` after [`T0`]: topic and payload.
pub(crate) fn reading(device: &str, ms: i64, value: f64) -> (String, String) {
    let ts = T0 * 1_000 + ms;
    (
        format!("plant/{device}/speed"),
        format!(r#"{{"ts": {ts}, "v": {value}}}"#),
    )
}

/// Ten readings for each second of `seconds` about `level`, with a wobble that detectors get used to.
pub(crate) fn waves(device: &str, seconds: Range<i64>, level: f64) -> Vec<(String, String)> {
    (seconds.start * 10..seconds.end * 10)
        .map(|n| {
            let wobble = [0.0, 0.3, -0.2, 0.5, -0.4, 0.1, -0.1][n.unsigned_abs() as usize % 7];
            reading(device, n * 100, level + wobble)
        })
        .collect()
}

/// A connection that publishes.
pub(crate) struct Feeder {
    client: Client,
    task: JoinHandle<()>,
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Feeder {
    pub(crate) fn to(port: u16) -> Self {
        let mut options = mqtt::Options::publisher(local_broker(port, ""), 100);
        options.clean = true;
        options.broker.client_id = format!("feeder-{}", eyot::clock::now().0);
        let (client, mut events) = mqtt::connect(&options).unwrap();
        let task = tokio::spawn(async move {
            loop {
                let polled = events.poll().await;
                polled.expect("the feeder's broker stays");
            }
        });
        Self { client, task }
    }

    /// Hands a message to the broker; the answer comes when it has it.
    pub(crate) async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) -> Ack {
        let payload = Bytes::from(payload.into());
        self.client
            .publish_tracked(topic, QoS::AtLeastOnce, false, payload)
            .await
            .unwrap()
    }

    /// Hands messages to the broker, in order, and waits until it has them all. Returns how many.
    pub(crate) async fn send(&self, messages: &[(String, String)]) -> u64 {
        let mut acks = Vec::with_capacity(messages.len());
        for (topic, payload) in messages {
            acks.push(self.publish(topic, payload.as_bytes()).await);
        }
        for ack in acks {
            ack.await.unwrap();
        }
        messages.len() as u64
    }
}
