//! The shore: what `eyot collect` is made of, with everything in memory and open to look at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eyot::clock;
use eyot::collect::{Arrived, CollectError, Listen, Memory, Outcome, Progress, Sink, listen};
use eyot::config::{Broker, MqttVersion};
use eyot::error::chain;
use eyot_pipeline::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

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
    /// Each record once, in the order of arrival.
    pub records: Vec<Received>,
    /// Records that came again.
    pub repeated: u64,
    /// What was no record.
    pub rubbish: Vec<String>,
    /// The latest status of every agent, by its name, as JSON.
    pub status: HashMap<String, String>,
    /// Numbers missing between the first and the last of each device.
    pub missing: u64,
}

impl Collected {
    /// Records of a schema, like `eyot.alert.v1`.
    pub fn of<'a>(&'a self, schema: &'a str) -> impl Iterator<Item = &'a Received> {
        self.records
            .iter()
            .filter(move |received| received.record["schema"] == schema)
    }
}

/// Knows what is new, and puts it where it is looked at.
struct Shown {
    memory: Memory,
    collected: Arc<Mutex<Collected>>,
}

impl Sink for Shown {
    fn commit(&mut self, burst: &[Arrived]) -> Result<Outcome, CollectError> {
        let outcome = self.memory.commit(burst)?;
        let mut collected = lock(&self.collected);
        for (message, record) in self.memory.records.drain(..) {
            collected.records.push(Received {
                topic: String::from_utf8_lossy(&message.topic).into_owned(),
                at: message.at,
                // It was JSON a moment ago.
                record: serde_json::from_str(&record.body).unwrap_or_default(),
            });
        }
        collected.rubbish.append(&mut self.memory.rubbish);
        collected.repeated = self.memory.repeated;
        collected.status.clone_from(&self.memory.status);
        collected.missing = self.memory.missing()?;
        Ok(outcome)
    }

    fn missing(&self) -> Result<u64, CollectError> {
        self.memory.missing()
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
    /// Subscribes to `filter` at a broker on loopback and returns once it is subscribed. What the filter begins with
    /// is the topic prefix of the agents.
    ///
    /// # Errors
    /// When the broker cannot be reached within ten seconds.
    pub async fn start(port: u16, filter: &str) -> anyhow::Result<Self> {
        let from = Listen {
            broker: local_broker(port, &format!("collector-{}", clock::now().0)),
            clean: true,
            filters: vec![filter.to_owned()],
            idle: None,
        };
        let collected = Arc::new(Mutex::new(Collected::default()));
        let sink = Shown {
            memory: Memory::new(filter.trim_end_matches(['/', '#', '+'])),
            collected: Arc::clone(&collected),
        };
        let (progress, mut ready) = watch::channel(Progress::default());
        let task = tokio::spawn(async move {
            if let Err(error) = listen(from, sink, progress, &CancellationToken::new()).await {
                tracing::warn!(error = chain(&error), "collector has ended");
            }
        });
        let collector = Self { collected, task };
        let wait = ready.wait_for(|progress| progress.subscribed);
        anyhow::ensure!(
            matches!(
                tokio::time::timeout(Duration::from_secs(10), wait).await,
                Ok(Ok(_))
            ),
            "the collector could not subscribe at port {port}"
        );
        Ok(collector)
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
