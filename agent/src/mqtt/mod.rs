//! The one place that knows the MQTT crates: a connection that is the same for 3.1.1 and 5.
//!
//! [`connect`] gives two halves. The [`EventLoop`] *is* the connection: it does nothing unless it is
//! polled, so give it a task of its own and never publish from there, since a full request queue
//! would then wait for itself. The [`Client`] is a handle to its request queue, cheap to clone.
//!
//! What arrives is acknowledged on receipt, or, with [`Options::manual_acks`], by an [`Acker`] once it is safe.
//!
//! Sessions are kept by the broker (stable client id, no clean start) and never by us: what must
//! survive a restart waits in the outbox until its [`Ack`].

mod acks;
mod client;
mod error;
mod event_loop;
mod v3;
mod v5;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use self::acks::Acks;
pub use self::acks::{AckToken, Acker};
pub use self::client::{Ack, Client, SubAck};
pub use self::error::{Cause, MqttError, PublishError, Refusal, SubscribeError};
pub use self::event_loop::EventLoop;
use crate::config::{Broker, MqttVersion};

/// Longest time for name resolution, TCP, TLS and CONNACK together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The crates' cap on packets handled between two looks at the socket: the largest burst of events.
const READ_BATCH: usize = 128;

/// Requests written before one flush.
const REQUEST_BATCH: usize = 64;

/// The largest packet that MQTT can express, in bytes.
const LARGEST_PACKET: u32 = 268_435_455 + 5;

/// How to connect, beyond where.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where, and as whom.
    pub broker: Broker,
    /// Whether to discard the session that the broker may have kept.
    pub clean: bool,
    /// Unacknowledged messages that the broker may have under way to us, at least 1. Only MQTT 5 can say so.
    pub receive_maximum: u16,
    /// Unacknowledged messages that we may have under way to the broker, at least 1; MQTT 5 brokers may allow fewer.
    /// The crates allocate for all of them up front, 240 bytes each.
    pub in_flight: u16,
    /// Requests that queue before [`Client::publish`] waits.
    pub request_capacity: usize,
    /// Largest packet to accept, in bytes. A larger one ends the connection.
    pub max_packet_size: u32,
    /// Whether a message of `QoS` 1 stays unacknowledged until an [`Acker`] is given its [`AckToken`]. The broker's window
    /// (`receive_maximum`; on 3.1.1 whatever it is configured to, 20 by default in mosquitto) then bounds what arrives in
    /// between. Messages of `QoS` 2 are acknowledged on receipt all the same.
    pub manual_acks: bool,
    /// What the broker publishes when the connection ends without a goodbye.
    pub will: Option<Will>,
}

/// A message for when we are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Topic.
    pub topic: String,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service towards the broker's subscribers.
    pub qos: QoS,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
}

impl Options {
    /// For receiving, with a kept session.
    #[must_use]
    pub fn subscriber(broker: Broker, receive_maximum: u16) -> Self {
        Self {
            broker,
            clean: false,
            receive_maximum,
            in_flight: 16,
            request_capacity: 16,
            max_packet_size: 1 << 20,
            manual_acks: false,
            will: None,
        }
    }

    /// For receiving what is acknowledged by hand, with a kept session.
    #[must_use]
    pub fn journaled_subscriber(broker: Broker, receive_maximum: u16) -> Self {
        Self {
            manual_acks: true,
            ..Self::subscriber(broker, receive_maximum)
        }
    }

    /// For sending, with a kept session.
    #[must_use]
    pub fn publisher(broker: Broker, in_flight: u16) -> Self {
        Self {
            broker,
            clean: false,
            receive_maximum: 16,
            in_flight,
            request_capacity: usize::from(in_flight),
            max_packet_size: 1 << 20,
            manual_acks: false,
            will: None,
        }
    }
}

/// Prepares a connection. Nothing happens on the network before the event loop is polled.
///
/// # Errors
/// [`MqttError::Options`] when 3.1.1 is asked to keep a session for an empty client id, [`MqttError::Topic`] when there can
/// be no will with such a topic.
pub fn connect(options: &Options) -> Result<(Client, EventLoop), MqttError> {
    if let Some(Will { topic, .. }) = &options.will
        && (topic.is_empty() || topic.contains(['+', '#', '\0']))
    {
        return Err(MqttError::Topic {
            topic: topic.clone(),
        });
    }
    let acks = options.manual_acks.then(Arc::<Acks>::default);
    let (client, event_loop) = match options.broker.version {
        MqttVersion::V3 => v3::connect(options, acks.as_ref()).map(|(c, l)| (c.into(), l.into())),
        MqttVersion::V5 => v5::connect(options, acks.as_ref()).map(|(c, l)| (c.into(), l.into())),
    }
    .map_err(|reason| MqttError::Options {
        broker: address(&options.broker),
        reason,
    })?;
    Ok(event_loop::link(
        client,
        event_loop,
        acks,
        address(&options.broker),
    ))
}

fn address(broker: &Broker) -> String {
    format!("{}:{}", broker.host, broker.port)
}

/// Quality of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum QoS {
    /// 0: may be lost.
    AtMostOnce,
    /// 1: acknowledged, may be repeated.
    AtLeastOnce,
    /// 2: never asked for here, but an old subscription of the session may still have it.
    ExactlyOnce,
}

impl TryFrom<u8> for QoS {
    type Error = u8;

    /// From its number, which is given back when it is none of 0, 1 and 2.
    fn try_from(level: u8) -> Result<Self, u8> {
        match level {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            other => Err(other),
        }
    }
}

/// What happened on the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A connection was made, the first or another one.
    Connected(Connected),
    /// A message arrived. It has been acknowledged already unless it has a token for that.
    Publish(Publish),
}

/// The broker's side of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connected {
    /// Whether the broker kept the session, and with it the subscriptions and what is unacknowledged. If not, subscribe
    /// again; every [`Ack`] still open has failed.
    pub session_present: bool,
    /// Unacknowledged messages that the broker will take. 3.1.1 brokers don't say: [`u16::MAX`].
    pub receive_maximum: u16,
    /// Largest packet that the broker will take, in bytes. 3.1.1 brokers don't say: the largest there is.
    pub max_packet_size: u32,
}

/// A message as it arrived. Cloning it copies no payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Topic. Nobody has checked that it is UTF-8.
    pub topic: Bytes,
    /// Payload.
    pub payload: Bytes,
    /// Quality of service of this delivery.
    pub qos: QoS,
    /// Sent because of the subscription, from what the broker retains.
    pub retain: bool,
    /// May have been delivered before.
    pub dup: bool,
    /// Packet identifier, unique among what is unacknowledged on one connection; 0 with `QoS` 0.
    pub pkid: u16,
    /// What acknowledges it: with [`Options::manual_acks`] and `QoS` 1, and never otherwise.
    pub ack: Option<AckToken>,
}
