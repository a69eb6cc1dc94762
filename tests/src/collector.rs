//! The shore: subscribes to what an agent sends up and keeps it, each record once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eyot::clock;
use eyot::config::{Broker, MqttVersion};
use eyot::error::chain;
use eyot::mqtt::{self, Event, MqttError, QoS};
use eyot_pipeline::Timestamp;
use serde_json::Value;
use tokio::task::JoinHandle;

/// A record as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its topic.
    pub topic: String,
    /// When.
    pub at: Timestamp,
    /// What.
    pub record: Value,
}

/// What has arrived.
#[derive(Debug, Default)]
pub struct Collected {
    ids: HashSet<String>,
    /// Each record once, in the order of arrival.
    pub records: Vec<Received>,
    /// Records that came again.
    pub repeated: u64,
    /// What was no record.
    pub rubbish: Vec<String>,
}

impl Collected {
    /// Records of a schema, like `eyot.alert.v1`.
    pub fn of<'a>(&'a self, schema: &'a str) -> impl Iterator<Item = &'a Received> {
        self.records
            .iter()
            .filter(move |received| received.record["schema"] == schema)
    }

    fn take(&mut self, topic: &[u8], payload: &[u8]) {
        let topic = String::from_utf8_lossy(topic).into_owned();
        if topic.ends_with("/status") {
            // The agent's heartbeat, which has no identity.
            return;
        }
        let record: Value = match serde_json::from_slice(payload) {
            Ok(record) => record,
            Err(error) => return self.rubbish.push(format!("{topic}: {error}")),
        };
        let Some(id) = record["id"].as_str() else {
            return self.rubbish.push(format!("{topic}: a record without id"));
        };
        if !self.ids.insert(id.to_owned()) {
            self.repeated += 1;
            return;
        }
        self.records.push(Received {
            topic,
            at: clock::now(),
            record,
        });
    }
}

/// A subscriber that keeps what it gets.
pub struct Collector {
    collected: Arc<Mutex<Collected>>,
    task: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Collector {
    /// Subscribes to `filter` at a broker on loopback and returns once it is subscribed.
    ///
    /// # Errors
    /// When the broker cannot be reached within ten seconds.
    pub async fn start(port: u16, filter: &str) -> anyhow::Result<Self> {
        let broker = local_broker(port, &format!("collector-{}", clock::now().0));
        let mut options = mqtt::Options::subscriber(broker, 1_000);
        options.clean = true;
        let (client, mut events) = mqtt::connect(&options)?;
        let collected = Arc::new(Mutex::new(Collected::default()));
        let keep = Arc::clone(&collected);
        let (subscribed, mut ready) = tokio::sync::watch::channel(false);
        let filter = filter.to_owned();
        let task = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Publish(publish)) => {
                        lock(&keep).take(&publish.topic, &publish.payload);
                    }
                    Ok(Event::Connected(_)) => {
                        let (client, filter, subscribed) =
                            (client.clone(), filter.clone(), subscribed.clone());
                        tokio::spawn(async move {
                            if let Ok(ack) = client.subscribe(&[(filter, QoS::AtLeastOnce)]).await
                                && ack.await.is_ok()
                            {
                                subscribed.send_replace(true);
                            }
                        });
                    }
                    Err(MqttError::Closed) => return,
                    Err(error) => {
                        tracing::debug!(error = chain(&error), "collector is not connected");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                }
            }
        });
        let wait = ready.wait_for(|ready| *ready);
        anyhow::ensure!(
            tokio::time::timeout(Duration::from_secs(10), wait)
                .await
                .is_ok(),
            "the collector could not subscribe at port {port}"
        );
        Ok(Self { collected, task })
    }

    /// Looks at what has arrived.
    pub fn look<T>(&self, look: impl FnOnce(&Collected) -> T) -> T {
        look(&lock(&self.collected))
    }

    /// Waits until `done` holds.
    ///
    /// # Errors
    /// When it does not within `limit`; says what was waited for and how much has arrived.
    pub async fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        mut done: impl FnMut(&Collected) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + limit;
        while !self.look(&mut done) {
            anyhow::ensure!(
                tokio::time::Instant::now() < deadline,
                "waited {limit:?} for {what}; {} records have arrived",
                self.look(|collected| collected.records.len())
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

fn lock(collected: &Mutex<Collected>) -> MutexGuard<'_, Collected> {
    collected.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A broker on loopback without credentials.
pub fn local_broker(port: u16, client_id: &str) -> Broker {
    Broker {
        host: "127.0.0.1".into(),
        port,
        version: MqttVersion::V5,
        client_id: client_id.into(),
        keep_alive: Duration::from_secs(30),
        session_expiry: Duration::ZERO,
        credentials: None,
        tls: None,
    }
}
