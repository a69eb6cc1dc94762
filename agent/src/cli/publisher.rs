//! Publishing to a broker, for `eyot sim`, `eyot replay` and `eyot dlq`.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Broker, BrokerUrl, MqttVersion};
use crate::error::chain;
use crate::mqtt::{self, Ack, Client, Event, MqttError, PublishError, QoS};
use crate::sim::Publish;

/// Unacknowledged messages at most.
const IN_FLIGHT: u16 = 1_000;
/// How long to try before giving up on a broker that was never reached.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a message could not be published.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be handed over.
    #[error(transparent)]
    Hand(#[from] MqttError),
    /// The broker did not take it.
    #[error(transparent)]
    Taken(#[from] PublishError),
}

/// A connection that publishes.
pub struct BrokerPublisher {
    client: Client,
    polling: JoinHandle<()>,
    /// Acknowledgements to come, oldest first.
    acks: VecDeque<Ack>,
}

impl BrokerPublisher {
    /// Connects to `url`, `mqtt://host[:port]`.
    ///
    /// # Errors
    /// When the URL is none, or the broker cannot be reached within ten seconds.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        let url: BrokerUrl = url.parse()?;
        anyhow::ensure!(
            !url.tls,
            "mqtts:// is for `eyot run`; simulate on a local broker"
        );
        let broker = Broker {
            host: url.host,
            port: url.port,
            version: MqttVersion::V5,
            client_id: format!("eyot-sim-{}", uuid::Uuid::new_v4().simple()),
            keep_alive: Duration::from_secs(30),
            session_expiry: Duration::ZERO,
            credentials: None,
            tls: None,
        };
        Self::to(broker).await
    }

    /// Connects to a broker, with a session that ends with the connection.
    ///
    /// # Errors
    /// When it cannot be reached within ten seconds.
    pub async fn to(mut broker: Broker) -> anyhow::Result<Self> {
        broker.session_expiry = Duration::ZERO;
        let mut options = mqtt::Options::publisher(broker, IN_FLIGHT);
        options.clean = true;
        let (client, mut events) = mqtt::connect(&options)?;
        let (state, mut connected) = watch::channel((false, String::new()));
        let polling = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Connected(_)) => {
                        state.send_replace((true, String::new()));
                    }
                    Ok(Event::Publish(_)) => {}
                    Err(MqttError::Closed) => return,
                    Err(error) => {
                        tracing::debug!(error = chain(&error), "not connected");
                        state.send_modify(|(_, why)| *why = chain(&error));
                        tokio::time::sleep(Duration::from_millis(300)).await;
                    }
                }
            }
        });
        let reached = connected.wait_for(|(connected, _)| *connected);
        if tokio::time::timeout(PATIENCE, reached).await.is_err() {
            polling.abort();
            anyhow::bail!("no broker there: {}", connected.borrow().1);
        }
        Ok(Self {
            client,
            polling,
            acks: VecDeque::new(),
        })
    }

    /// Waits until the broker has everything that was published.
    ///
    /// # Errors
    /// When it does not take something.
    pub async fn settle(&mut self) -> Result<(), Error> {
        while let Some(ack) = self.acks.pop_front() {
            ack.await?;
        }
        Ok(())
    }
}

impl Publish for BrokerPublisher {
    type Error = Error;

    async fn publish(&mut self, topic: &str, qos: u8, payload: Vec<u8>) -> Result<(), Error> {
        let payload = Bytes::from(payload);
        if qos == 0 {
            self.client
                .publish(topic, QoS::AtMostOnce, false, payload)
                .await?;
            return Ok(());
        }
        if self.acks.len() >= usize::from(IN_FLIGHT)
            && let Some(oldest) = self.acks.pop_front()
        {
            oldest.await?;
        }
        let ack = self
            .client
            .publish_tracked(topic, QoS::AtLeastOnce, false, payload)
            .await?;
        self.acks.push_back(ack);
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), Error> {
        self.settle().await?;
        // The farewell goes out behind everything else.
        self.client.disconnect().await?;
        let _ = (&mut self.polling).await;
        Ok(())
    }
}
