//! What there is to say about readings beyond channel, time and value: whose they are, the number of their message, what
//! their time comes from.

use std::collections::HashMap;

use eyot_decode::Time;
use eyot_pipeline::reading::{Clock, Origin, Sender};
use eyot_pipeline::{Span, Timestamp};

/// How often a device is told what it should know: it may have started afresh.
const AGAIN: Span = Span::from_secs(600);

/// What a message says about its readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Voice {
    number: Option<u32>,
    clock: Clock,
    sender: Sender,
}

impl Voice {
    /// As the decoder has it. Numbers are kept in 32 bits: longer ones go around there.
    pub(crate) fn of(reading: &eyot_decode::Reading<'_>) -> Self {
        let modulus = reading.sender.modulus;
        let number = reading.sequence.map(|number| match modulus {
            Some(modulus) if modulus > 0 => (number % modulus) as u32,
            _ => number as u32,
        });
        let (clock, around) = match reading.time {
            Time::Payload(_) => (Clock::Sender, None),
            Time::Arrival(_) => (Clock::Arrival, None),
            Time::DeviceClock(_) => (Clock::SinceBoot, reading.sender.around_ns),
        };
        Self {
            number,
            clock,
            sender: Sender {
                sender: 0,
                boot: reading.sender.boot_id.map(checksum),
                modulus: modulus.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
                around: around.map(Span),
            },
        }
    }

    fn is_plain(&self) -> bool {
        self.number.is_none() && self.clock != Clock::SinceBoot
    }
}

/// FNV-1a: the same on every machine and in every release, since the journal keeps it.
fn checksum(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    text.bytes().fold(0x811c_9dc5, step)
}

/// Who was heard of late.
#[derive(Debug, Default)]
pub(crate) struct Voices {
    /// Counts messages.
    message: u64,
    /// By device and sender.
    heard: HashMap<(u32, u8), Heard>,
}

#[derive(Debug)]
struct Heard {
    /// What its device was told of it, and when.
    told: Option<(Sender, Timestamp)>,
    /// The message that it was last in, and the number of its reading.
    last: (u64, Option<u32>),
}

impl Voices {
    /// Another message begins.
    pub(crate) fn next_message(&mut self) {
        self.message += 1;
    }

    /// Nobody was told anything, as far as is known.
    pub(crate) fn tell_again(&mut self) {
        for heard in self.heard.values_mut() {
            heard.told = None;
        }
    }

    /// What a reading for a device has of its own, and what the device is to be told before it. `sender` is which of
    /// the device's senders it is of.
    pub(crate) fn hear(
        &mut self,
        device: u32,
        sender: u8,
        voice: &Voice,
        now: Timestamp,
    ) -> (Origin, Option<Sender>) {
        if voice.is_plain() {
            return (Origin::default().with_clock(voice.clock), None);
        }
        let heard = self.heard.entry((device, sender)).or_insert(Heard {
            told: None,
            last: (0, None),
        });
        let facts = Sender {
            sender,
            ..voice.sender
        };
        let nothing = Sender {
            sender,
            ..Sender::default()
        };
        let tell = match heard.told {
            None => facts != nothing,
            Some((was, at)) => was != facts || (now - at > AGAIN && facts != nothing),
        };
        if tell {
            heard.told = Some((facts, now));
        }
        let this = (self.message, voice.number);
        let leads = std::mem::replace(&mut heard.last, this) != this;
        let mut origin = Origin::default()
            .with_sender(sender)
            .with_clock(voice.clock);
        if let Some(number) = voice.number {
            origin = origin.with_number(number);
        }
        if leads {
            origin = origin.leading();
        }
        (origin, tell.then_some(facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(number: u32, boot: Option<&str>) -> Voice {
        Voice {
            number: Some(number),
            clock: Clock::Sender,
            sender: Sender {
                boot: boot.map(checksum),
                ..Sender::default()
            },
        }
    }

    #[test]
    fn the_first_reading_of_each_message_leads() {
        let (mut voices, now) = (Voices::default(), Timestamp(0));
        let mut leads = |next: bool, device, number| {
            if next {
                voices.next_message();
            }
            voices.hear(device, 0, &voice(number, None), now).0.leads()
        };
        assert!(leads(true, 0, 7));
        assert!(!leads(false, 0, 7));
        assert!(leads(false, 1, 7), "another device");
        assert!(leads(false, 0, 8), "several numbers in one");
        assert!(leads(true, 0, 8), "again");
    }

    #[test]
    fn a_device_is_told_what_is_new_and_now_and_then_what_is_not() {
        let mut voices = Voices::default();
        let mut told = |boot, second| {
            let now = Timestamp::from_secs(second);
            voices.hear(0, 2, &voice(0, boot), now).1.is_some()
        };
        assert!(!told(None, 0), "nothing to tell");
        assert!(told(Some("a"), 1));
        assert!(!told(Some("a"), 2));
        assert!(told(Some("b"), 3));
        assert!(told(Some("b"), 604));
    }

    #[test]
    fn a_boot_id_has_the_same_checksum_for_ever() {
        // A published value of FNV-1a.
        assert_eq!(checksum("a"), 0xe40c_292c);
    }
}
