//! The half of a connection that is the connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use super::acks::{AckToken, Acks};
use super::client::{self, Client};
use super::error::Fault;
use super::{CONNECT_TIMEOUT, Cause, Connected, Event, LARGEST_PACKET, MqttError, QoS, v3, v5};

/// Connects, reconnects, receives, acknowledges and sends, whenever it is polled.
pub struct EventLoop {
    inner: Inner,
    broker: String,
    generation: u32,
    /// With `manual_acks`.
    acks: Option<Arc<Acks>>,
    /// The broker's Maximum Packet Size, shared with the clients.
    max_packet_size: Arc<AtomicU32>,
}

/// The crates' event loops.
pub(super) enum Inner {
    V3(Box<rumqttc_v4::EventLoop>),
    V5(Box<rumqttc::EventLoop>),
}

impl From<rumqttc_v4::EventLoop> for Inner {
    fn from(event_loop: rumqttc_v4::EventLoop) -> Self {
        Self::V3(Box::new(event_loop))
    }
}

impl From<rumqttc::EventLoop> for Inner {
    fn from(event_loop: rumqttc::EventLoop) -> Self {
        Self::V5(Box::new(event_loop))
    }
}

/// Makes the two halves know each other.
pub(super) fn link(
    client: client::Inner,
    inner: Inner,
    acks: Option<Arc<Acks>>,
    broker: String,
) -> (Client, EventLoop) {
    let max_packet_size = Arc::new(AtomicU32::new(LARGEST_PACKET));
    let client = Client::new(client, Arc::clone(&max_packet_size), acks.clone());
    let event_loop = EventLoop {
        inner,
        broker,
        generation: 0,
        acks,
        max_packet_size,
    };
    (client, event_loop)
}

impl EventLoop {
    /// Waits for the next event, connecting first if need be.
    ///
    /// # Bursts
    /// The crates read up to 128 packets at a time. After each awaited event, take the rest of its burst from
    /// [`EventLoop::buffered`].
    ///
    /// # Cancel safety
    /// None: a dropped future takes progress with it, so neither `now_or_never` nor a branch of `select!` is a
    /// place for it. In the crates (0.34, both versions):
    /// - Until CONNACK, the socket is a local of `EventLoop::poll`: dropping it abandons the attempt.
    /// - `Network::readb` holds the PUBACK that it is about to write, and the results of our own messages, in locals
    ///   across `write().await`, which waits when the socket is full. Dropped there, a PUBACK is never sent (its
    ///   place in the broker's window stays taken until the next connection) and an [`Ack`](super::Ack) fails
    ///   although the message was delivered.
    /// - `handle_ready_requests` has taken a request from the queue and counted it as in flight before that same wait:
    ///   dropped there, it is sent on the next connection only.
    ///
    /// Waiting for input, on the other hand, loses nothing when dropped, nor does dropping the whole event loop lose more
    /// than a closed connection does. To watch for something else beside it, keep one pinned future across the
    /// iterations of the `select!`, or poll in a task of its own.
    ///
    /// # Errors
    /// [`MqttError::Connection`] when there is no connection; polling again makes the next attempt at once, so wait first.
    /// [`MqttError::Closed`] when there will be none: after [`Client::disconnect`], or with all clients dropped and
    /// nothing left to send. What the failed read had buffered is gone with the connection: with `QoS` 1 the broker
    /// sends it again.
    pub async fn poll(&mut self) -> Result<Event, MqttError> {
        loop {
            if let Some(event) = self.buffered() {
                return Ok(event);
            }
            let limit = self.patience();
            let polled = match &mut self.inner {
                Inner::V3(inner) => timeout(limit, inner.poll())
                    .await
                    .map(|result| result.map(v3::event).map_err(v3::fault)),
                Inner::V5(inner) => timeout(limit, inner.poll())
                    .await
                    .map(|result| result.map(v5::event).map_err(v5::fault)),
            };
            match polled {
                Ok(Ok(Some(event))) => return Ok(self.passed(event)),
                Ok(Ok(None)) => {}
                Ok(Err(Some(fault))) => return Err(fault.of(&self.broker)),
                Ok(Err(None)) => return Err(MqttError::Closed),
                Err(_elapsed) => {
                    self.hang_up();
                    return Err(Fault::from(Cause::Stalled).of(&self.broker));
                }
            }
        }
    }

    /// The next event that needs no waiting: what was read together with the one that [`EventLoop::poll`] returned.
    pub fn buffered(&mut self) -> Option<Event> {
        loop {
            let event = match &mut self.inner {
                Inner::V3(inner) => v3::event(inner.state.events.pop_front()?),
                Inner::V5(inner) => v5::event(inner.state.events.pop_front()?),
            };
            if let Some(event) = event {
                return Some(self.passed(event));
            }
        }
    }

    /// How many connections there have been. A packet identifier means something within one of them only.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Takes note of an event on its way out.
    fn passed(&mut self, mut event: Event) -> Event {
        match &mut event {
            Event::Connected(connected) => self.connected(*connected),
            Event::Publish(publish) => match (&self.acks, publish.qos) {
                (None, _) | (_, QoS::AtMostOnce) => {}
                (Some(_), QoS::AtLeastOnce) => {
                    publish.ack = Some(AckToken {
                        generation: self.generation,
                        pkid: publish.pkid,
                    });
                }
                (Some(acks), QoS::ExactlyOnce) => {
                    let due = match &mut self.inner {
                        Inner::V3(inner) => v3::received(inner, publish.pkid),
                        Inner::V5(inner) => v5::received(inner, publish.pkid),
                    };
                    if due {
                        acks.pubrec(publish.pkid);
                    }
                }
            },
        }
        event
    }

    fn connected(&mut self, connected: Connected) {
        self.generation = self.generation.wrapping_add(1);
        if let Some(acks) = &self.acks {
            acks.open(self.generation);
        }
        self.max_packet_size
            .store(connected.max_packet_size, Ordering::Relaxed);
        if let Inner::V5(inner) = &mut self.inner {
            // `v5::BlankSession` has had its one moment.
            inner.options.clear_session_store();
        }
    }

    /// The longest time that one poll of a live connection takes. The crates ping once per keep-alive interval and give
    /// up an interval later, but not while they wait for room in the socket: a peer that vanishes or hangs
    /// then would hold the event loop until TCP gives up, a quarter of an hour later.
    fn patience(&self) -> Duration {
        let keep_alive = match &self.inner {
            Inner::V3(inner) => inner.mqtt_options.keep_alive(),
            Inner::V5(inner) => inner.options.keep_alive(),
        };
        if keep_alive.is_zero() {
            Duration::MAX
        } else {
            (2 * keep_alive).max(2 * CONNECT_TIMEOUT)
        }
    }

    /// Drops the connection; what is unacknowledged is sent again on the next one.
    fn hang_up(&mut self) {
        match &mut self.inner {
            Inner::V3(inner) => inner.clean(),
            Inner::V5(inner) => inner.clean(),
        }
    }
}

impl Drop for EventLoop {
    /// The queue belongs to both halves: without this, what is still in it would neither be sent nor fail for as long as a
    /// client is left.
    fn drop(&mut self) {
        self.hang_up();
    }
}
