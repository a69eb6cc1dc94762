//! Acknowledging by hand: what was received is acknowledged once it is safe, from whichever thread knows.
//!
//! The crates can do it too, but each of their acknowledgements is a request of its own in the bounded queue and a
//! flush of its own on the socket (0.34, both versions), and one for a packet identifier that the state doesn't know
//! ends the connection. Here they are four bytes appended to a buffer that belongs to one connection; the
//! [`Wire`](super::wire::Wire) writes what has gathered between two packets of the crates. The buffer is bounded
//! by the broker's window, so that there is always room.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// Names one received message on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AckToken {
    pub(super) generation: u32,
    pub(super) pkid: u16,
}

/// Acknowledges what a connection with [`Options::manual_acks`](super::Options::manual_acks) received.
#[derive(Debug, Clone)]
pub struct Acker(Arc<Acks>);

impl Acker {
    pub(super) fn new(acks: Arc<Acks>) -> Self {
        Self(acks)
    }

    /// Acknowledges these messages, in this order: MQTT wants the one in which they arrived. Each token counts
    /// once.
    ///
    /// Never waits, and works on any thread. A token of an earlier connection is passed over: what it
    /// stood for was sent again and has a token of its own by now, and on the new connection its packet identifier
    /// may be another message's. The same holds if the connection is lost before the event loop has written the
    /// acknowledgement.
    pub fn ack(&self, tokens: &[AckToken]) {
        if !tokens.is_empty() {
            self.0.puback(tokens);
        }
    }
}

/// Acknowledgements on their way to the socket.
#[derive(Debug, Default)]
pub(super) struct Acks(Mutex<Outbox>);

#[derive(Debug, Default)]
struct Outbox {
    /// The connection whose packet identifiers are good; none between two connections.
    generation: Option<u32>,
    /// Whole packets.
    packets: Vec<u8>,
    /// The task that polls the connection, if it is waiting for more.
    waker: Option<Waker>,
}

impl Acks {
    /// From here on the tokens of this generation are good.
    pub(super) fn open(&self, generation: u32) {
        let mut outbox = self.lock();
        outbox.packets.clear();
        outbox.generation = Some(generation);
    }

    /// The connection is gone, and what was not written with it.
    pub(super) fn close(&self) {
        *self.lock() = Outbox::default();
    }

    fn puback(&self, tokens: &[AckToken]) {
        const PUBACK: u8 = 0x40;

        let waker = {
            let mut outbox = self.lock();
            let Some(generation) = outbox.generation else {
                return;
            };
            for token in tokens {
                if token.generation == generation {
                    outbox.push(PUBACK, token.pkid);
                }
            }
            outbox.waker.take()
        };
        wake(waker);
    }

    /// Acknowledges a message of `QoS` 2 as received.
    pub(super) fn pubrec(&self, pkid: u16) {
        const PUBREC: u8 = 0x50;

        let waker = {
            let mut outbox = self.lock();
            if outbox.generation.is_none() {
                return;
            }
            outbox.push(PUBREC, pkid);
            outbox.waker.take()
        };
        wake(waker);
    }

    /// Exchanges what has gathered for an empty buffer. If there is nothing, `waker` is woken once there is.
    pub(super) fn take(&self, empty: &mut Vec<u8>, waker: &Waker) {
        let mut outbox = self.lock();
        if outbox.packets.is_empty() {
            match &mut outbox.waker {
                Some(known) => known.clone_from(waker),
                none => *none = Some(waker.clone()),
            }
        } else {
            std::mem::swap(&mut outbox.packets, empty);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    /// In both versions of MQTT, two bytes of content mean success.
    fn push(&mut self, kind: u8, pkid: u16) {
        let [high, low] = pkid.to_be_bytes();
        self.packets.extend_from_slice(&[kind, 2, high, low]);
    }
}

/// Outside the lock: a waker runs code of the runtime.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
