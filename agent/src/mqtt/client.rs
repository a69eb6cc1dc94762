//! The half of a connection that makes requests.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::acks::{Acker, Acks};
use super::{MqttError, PublishError, QoS, SubscribeError, v3, v5};

/// A handle to the request queue of an [`EventLoop`](super::EventLoop).
#[derive(Debug, Clone)]
pub struct Client {
    inner: Inner,
    /// The broker's Maximum Packet Size, as far as it is known.
    max_packet_size: Arc<AtomicU32>,
    acks: Option<Arc<Acks>>,
}

/// The crates' clients.
#[derive(Debug, Clone)]
pub(super) enum Inner {
    V3(rumqttc_v4::AsyncClient),
    V5(rumqttc::AsyncClient),
}

impl From<rumqttc_v4::AsyncClient> for Inner {
    fn from(client: rumqttc_v4::AsyncClient) -> Self {
        Self::V3(client)
    }
}

impl From<rumqttc::AsyncClient> for Inner {
    fn from(client: rumqttc::AsyncClient) -> Self {
        Self::V5(client)
    }
}

impl Client {
    pub(super) fn new(
        inner: Inner,
        max_packet_size: Arc<AtomicU32>,
        acks: Option<Arc<Acks>>,
    ) -> Self {
        Self {
            inner,
            max_packet_size,
            acks,
        }
    }

    /// What acknowledges, if the connection has [`Options::manual_acks`](super::Options::manual_acks).
    #[must_use]
    pub fn acker(&self) -> Option<Acker> {
        self.acks.clone().map(Acker::new)
    }

    /// Queues a subscription; the [`SubAck`] tells whether it stands.
    ///
    /// # Errors
    /// [`MqttError::Filter`] and [`MqttError::Closed`]; nothing was queued then.
    pub async fn subscribe<F>(&self, filters: &[(F, QoS)]) -> Result<SubAck, MqttError>
    where
        F: AsRef<str> + Sync,
    {
        let names = || filters.iter().map(|(f, _)| f.as_ref().to_owned()).collect();
        let queued = match &self.inner {
            Inner::V3(client) => v3::subscribe(client, filters).await.map(SubNotice::V3),
            Inner::V5(client) => v5::subscribe(client, filters).await.map(SubNotice::V5),
        };
        match queued {
            Ok(notice) => Ok(SubAck {
                notice,
                filters: names(),
            }),
            Err(Unqueued::Invalid) => Err(MqttError::Filter { filters: names() }),
            Err(Unqueued::Closed) => Err(MqttError::Closed),
        }
    }

    /// Queues the end of a subscription. A broker that knows of none has nothing against it.
    ///
    /// # Errors
    /// [`MqttError::Filter`] and [`MqttError::Closed`]; nothing was queued then.
    pub async fn unsubscribe(&self, filter: &str) -> Result<(), MqttError> {
        let queued = match &self.inner {
            Inner::V3(client) => client.unsubscribe(filter).await.map_err(Unqueued::from),
            Inner::V5(client) => client.unsubscribe(filter).await.map_err(Unqueued::from),
        };
        queued.map_err(|error| match error {
            Unqueued::Invalid => MqttError::Filter {
                filters: vec![filter.to_owned()],
            },
            Unqueued::Closed => MqttError::Closed,
        })
    }

    /// Queues a message, waiting for room in the queue and nothing else. It is lost if the session ends before it is
    /// sent or, with `QoS` 1, acknowledged.
    ///
    /// # Errors
    /// [`MqttError::Topic`], [`MqttError::TooLarge`] (once connected: the limit is the broker's) and
    /// [`MqttError::Closed`]; nothing was queued then.
    pub async fn publish(
        &self,
        topic: &str,
        qos: QoS,
        retain: bool,
        payload: Bytes,
    ) -> Result<(), MqttError> {
        self.check_size(topic, &payload)?;
        match &self.inner {
            Inner::V3(client) => client
                .publish(topic, payload, v3::publish_options(qos, retain))
                .await
                .map_err(Unqueued::from),
            Inner::V5(client) => client
                .publish(topic, payload, v5::publish_options(qos, retain))
                .await
                .map_err(Unqueued::from),
        }
        .map_err(|error| error.of_topic(topic))
    }

    /// As [`Client::publish`], but the [`Ack`] tells what became of it.
    ///
    /// # Errors
    /// As [`Client::publish`].
    pub async fn publish_tracked(
        &self,
        topic: &str,
        qos: QoS,
        retain: bool,
        payload: Bytes,
    ) -> Result<Ack, MqttError> {
        self.publish_expiring(topic, qos, retain, payload, None)
            .await
    }

    /// As [`Client::publish_tracked`], and the broker deletes the message if it could not deliver it for so long. Brokers
    /// of 3.1.1 keep it.
    ///
    /// # Errors
    /// As [`Client::publish`].
    pub async fn publish_expiring(
        &self,
        topic: &str,
        qos: QoS,
        retain: bool,
        payload: Bytes,
        expiry: Option<Duration>,
    ) -> Result<Ack, MqttError> {
        self.check_size(topic, &payload)?;
        match &self.inner {
            Inner::V3(client) => client
                .publish_tracked(topic, payload, v3::publish_options(qos, retain))
                .await
                .map(PubNotice::V3)
                .map_err(Unqueued::from),
            Inner::V5(client) => client
                .publish_tracked(topic, payload, v5::expiring(qos, retain, expiry))
                .await
                .map(PubNotice::V5)
                .map_err(Unqueued::from),
        }
        .map(Ack)
        .map_err(|error| error.of_topic(topic))
    }

    /// Asks for an orderly end: the event loop sends what is queued, waits for what is unacknowledged, says goodbye to
    /// the broker, and then returns [`MqttError::Closed`]. To bound the wait, stop polling.
    ///
    /// # Errors
    /// [`MqttError::Closed`] if that has already happened.
    pub async fn disconnect(&self) -> Result<(), MqttError> {
        let queued = match &self.inner {
            Inner::V3(client) => client.disconnect().await.is_ok(),
            Inner::V5(client) => client.disconnect().await.is_ok(),
        };
        queued.then_some(()).ok_or(MqttError::Closed)
    }

    /// The crates notice a packet that is too large only while writing it, and then reconnect and write it again,
    /// forever.
    fn check_size(&self, topic: &str, payload: &[u8]) -> Result<(), MqttError> {
        // Fixed header, topic length, packet identifier, property length.
        const OVERHEAD: usize = 5 + 2 + 2 + 1;

        let limit = self.max_packet_size.load(Ordering::Relaxed) as usize;
        let size = OVERHEAD + topic.len() + payload.len();
        if size > limit {
            return Err(MqttError::TooLarge {
                topic: topic.to_owned(),
                size,
                limit,
            });
        }
        Ok(())
    }
}

/// Why a request didn't get into the queue.
pub(super) enum Unqueued {
    /// There is something wrong with it.
    Invalid,
    /// There is no queue any more.
    Closed,
}

impl Unqueued {
    fn of_topic(self, topic: &str) -> MqttError {
        match self {
            Self::Invalid => MqttError::Topic {
                topic: topic.to_owned(),
            },
            Self::Closed => MqttError::Closed,
        }
    }
}

/// What will become of a tracked message.
///
/// Awaiting it ends when the broker acknowledges the message (with `QoS` 0: when it has been sent) or the session is lost.
/// A mere reconnect doesn't end it, as long as the broker kept the session: the message is sent again. Await it
/// anywhere but in the task that polls the event loop.
#[must_use = "without it, use `publish`"]
#[derive(Debug)]
pub struct Ack(PubNotice);

#[derive(Debug)]
enum PubNotice {
    V3(rumqttc_v4::PublishNotice),
    V5(rumqttc::PublishNotice),
}

impl IntoFuture for Ack {
    type Output = Result<(), PublishError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        match self.0 {
            PubNotice::V3(notice) => v3::published(notice).boxed(),
            PubNotice::V5(notice) => v5::published(notice).boxed(),
        }
    }
}

/// What will become of a subscription.
///
/// Awaiting it ends when the broker answers or the session is lost. Await it anywhere but in the task that polls the
/// event loop.
#[must_use = "a refused filter is reported here and nowhere else"]
#[derive(Debug)]
pub struct SubAck {
    notice: SubNotice,
    filters: Vec<String>,
}

#[derive(Debug)]
enum SubNotice {
    V3(rumqttc_v4::SubscribeNotice),
    V5(rumqttc::SubscribeNotice),
}

impl IntoFuture for SubAck {
    type Output = Result<(), SubscribeError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        match self.notice {
            SubNotice::V3(notice) => v3::subscribed(notice, self.filters).boxed(),
            SubNotice::V5(notice) => v5::subscribed(notice, self.filters).boxed(),
        }
    }
}
