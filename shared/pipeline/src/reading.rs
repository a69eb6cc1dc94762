//! What a source hands to a device.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// Position of a channel in its device class's list.
pub type ChannelIndex = u16;

/// One measured value of one channel of one device. 24 bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Event time: when it was measured, by the sender's clock or, failing that, when it arrived. With
    /// [`Clock::SinceBoot`] what the sender's clock showed, in nanoseconds.
    pub time: Timestamp,
    /// The value, in the channel's unit.
    pub value: f64,
    /// Which of the class's channels it belongs to.
    pub channel: ChannelIndex,
    /// What its message says about it beyond that.
    pub origin: Origin,
}

/// What a time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// The sender's clock, or nobody cares.
    #[default]
    Sender,
    /// It is when the message arrived, and says nothing about how old that is.
    Arrival,
    /// The sender's clock, which counts from its start.
    SinceBoot,
}

/// Where a reading comes from: the sender, the number of its message, what its time means. Most have nothing to say
/// here, and cost nothing. 6 bytes, in what would otherwise be padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Origin {
    /// The number, in halves: the whole would need to be aligned.
    high: u16,
    low: u16,
    sender: u8,
    bits: u8,
}

impl Origin {
    const CLOCK: u8 = 3;
    const NUMBERED: u8 = 4;
    const LEADS: u8 = 8;

    /// As [`Origin::bits`] gave them; `None` if those cannot be.
    #[must_use]
    pub const fn from_parts(bits: u8, sender: u8, number: u32) -> Option<Self> {
        let known = Self::CLOCK | Self::NUMBERED | Self::LEADS;
        if bits & !known != 0 || bits & Self::CLOCK == 3 {
            return None;
        }
        let number = if bits & Self::NUMBERED == 0 {
            0
        } else {
            number
        };
        Some(Self {
            high: (number >> 16) as u16,
            low: number as u16,
            sender,
            bits,
        })
    }

    /// Everything but sender and number, for the journal.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.bits
    }

    /// The same, the first of a message.
    #[must_use]
    pub const fn leading(mut self) -> Self {
        self.bits |= Self::LEADS;
        self
    }

    /// The same, not the first of its message.
    #[must_use]
    pub const fn following(mut self) -> Self {
        self.bits &= !Self::LEADS;
        self
    }

    /// The same, of a message with this number.
    #[must_use]
    pub const fn with_number(mut self, number: u32) -> Self {
        self.bits |= Self::NUMBERED;
        self.high = (number >> 16) as u16;
        self.low = number as u16;
        self
    }

    /// The same, with a time of that kind.
    #[must_use]
    pub const fn with_clock(mut self, clock: Clock) -> Self {
        let clock = match clock {
            Clock::Sender => 0,
            Clock::Arrival => 1,
            Clock::SinceBoot => 2,
        };
        self.bits = self.bits & !Self::CLOCK | clock;
        self
    }

    /// The same, of that sender.
    #[must_use]
    pub const fn with_sender(mut self, sender: u8) -> Self {
        self.sender = sender;
        self
    }

    /// Whether there is nothing to look at.
    #[must_use]
    #[inline]
    pub const fn is_plain(self) -> bool {
        self.bits & (Self::NUMBERED | 2) == 0
    }

    /// Whether its time is by the gateway's clock, since it has none of its own.
    #[must_use]
    #[inline]
    pub const fn is_by_gateway(self) -> bool {
        self.bits & Self::CLOCK != 0
    }

    /// The sequence number of its message, below the sender's modulus.
    #[must_use]
    pub const fn number(self) -> Option<u32> {
        if self.bits & Self::NUMBERED == 0 {
            return None;
        }
        Some((self.high as u32) << 16 | self.low as u32)
    }

    /// Whether it is the first of its message, of those of this device. The others follow it.
    #[must_use]
    pub const fn leads(self) -> bool {
        self.bits & Self::LEADS != 0
    }

    /// What its time comes from.
    #[must_use]
    pub const fn clock(self) -> Clock {
        match self.bits & Self::CLOCK {
            1 => Clock::Arrival,
            2 => Clock::SinceBoot,
            _ => Clock::Sender,
        }
    }

    /// Which sender it is of: 0 is the device itself, others are parts of an asset.
    #[must_use]
    pub const fn sender(self) -> u8 {
        self.sender
    }
}

/// What there is to know about a sender before its numbers and counts mean anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sender {
    /// Which one, see [`Origin::sender`].
    pub sender: u8,
    /// What it says about its present run: another one after each start. A checksum of it does.
    pub boot: Option<u32>,
    /// Its numbers begin again at 0 after so many; 0: after 2³².
    pub modulus: u32,
    /// Its clock shows 0 again after this long; `None`: never.
    pub around: Option<Span>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_24_bytes() {
        assert_eq!(size_of::<Reading>(), 24);
    }

    #[test]
    fn what_goes_in_comes_out() {
        let plain = Origin::default();
        assert!(plain.is_plain() && plain.number().is_none() && !plain.leads());
        let clocks = [Clock::Sender, Clock::Arrival, Clock::SinceBoot];
        for (clock, number) in clocks.into_iter().zip([0, 0x1234_5678, u32::MAX]) {
            let origin = plain.with_sender(7).with_clock(clock);
            assert_eq!(origin.is_plain(), clock != Clock::SinceBoot);
            let origin = origin.with_number(number).leading();
            assert_eq!((origin.clock(), origin.number()), (clock, Some(number)));
            assert!(origin.leads() && !origin.is_plain());
            assert_eq!(origin.sender(), 7);
            assert_eq!(Origin::from_parts(origin.bits(), 7, number), Some(origin));
        }
        assert_eq!(Origin::from_parts(3, 0, 0), None);
        assert_eq!(Origin::from_parts(16, 0, 0), None);
    }
}
