//! Messages that the broker sends again although the journal has them: their acknowledgement got lost, with the
//! connection or with the agent.
//!
//! Readings with a time of their own are recognised by the device's state machine. For those that get the time of their arrival
//! there is only the delivery: a message that is marked as repeated, with the packet identifier and the content of one of
//! the last that were journaled.

use std::collections::VecDeque;

use eyot_journal::Delivery;

/// CRC-32C of topic and payload.
static CRC: crc::Crc<u32, crc::Table<16>> =
    crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);

/// What a message is recognised by.
pub(super) fn delivery(packet: u16, topic: &[u8], payload: &[u8]) -> Delivery {
    let mut digest = CRC.digest();
    digest.update(&(topic.len() as u64).to_le_bytes());
    digest.update(topic);
    digest.update(payload);
    Delivery {
        packet,
        content: digest.finalize(),
    }
}

/// The deliveries of a source that may still be unacknowledged, newest last.
#[derive(Debug, Clone, Default)]
pub struct Recent {
    deliveries: VecDeque<Delivery>,
    /// As many as the broker may have under way, twice: what is older was acknowledged, and its packet
    /// identifier may be another message's by now.
    room: usize,
}

impl Recent {
    /// For a broker with `window` messages under way.
    pub fn new(window: u16) -> Self {
        Self {
            deliveries: VecDeque::new(),
            room: 2 * usize::from(window),
        }
    }

    /// The journal has it.
    pub fn push(&mut self, delivery: Delivery) {
        if self.deliveries.len() >= self.room {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back(delivery);
    }

    /// Whether the journal has it, as one of the last.
    pub(super) fn contains(&self, delivery: Delivery) -> bool {
        self.deliveries.contains(&delivery)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_are_remembered() {
        let mut recent = Recent::new(2);
        for packet in 1..=5 {
            recent.push(delivery(packet, b"t", b"21.5"));
        }
        assert!(!recent.contains(delivery(1, b"t", b"21.5")));
        assert!(recent.contains(delivery(2, b"t", b"21.5")));
        assert!(recent.contains(delivery(5, b"t", b"21.5")));
        assert!(!recent.contains(delivery(5, b"t", b"21.6")));
        assert!(!recent.contains(delivery(5, b"t2", b"1.5")));
    }
}
