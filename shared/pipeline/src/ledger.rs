//! The books: what became of every message, reading and record (invariant 2).
//!
//! For every source
//! `messages = decoded + ignored + dead_lettered + dropped + in_flight` and
//! `readings = processed + late + duplicate + missing + rejected + dropped + in_flight`;
//! for every lane `enqueued = delivered + buffered + evicted`. The left sides are counted on
//! their own, never computed from the right, so that a reading that vanishes shows.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

macro_rules! fates {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => ($term:literal, $reason:literal),)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every fate, in the order of its index.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The fate of that term and reason; `None` if this version knows none.
            #[must_use]
            pub fn named(term: &str, reason: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|fate| fate.term() == term && fate.reason() == reason)
            }

            /// The term of the equation it belongs to.
            #[must_use]
            pub const fn term(self) -> &'static str {
                match self { $(Self::$variant => $term,)* }
            }

            /// The reason within the term; empty where the term says it all.
            #[must_use]
            pub const fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason,)* }
            }
        }
    };
}

fates! {
    /// What became of a message.
    MessageFate {
        /// At least one reading, or at least an understood absence of one, came out of it.
        Decoded => ("decoded", ""),
        /// No rule of the source matches its topic.
        IgnoredNoRule => ("ignored", "no_rule"),
        /// Its device belongs to no class.
        IgnoredNoClass => ("ignored", "no_class"),
        /// None of its fields are mapped.
        IgnoredUnmapped => ("ignored", "unmapped"),
        /// A retained message, replayed by the broker and not asked for.
        IgnoredRetained => ("ignored", "retained"),
        /// The configuration says to pass its topic over.
        IgnoredByConfig => ("ignored", "config"),
        /// An empty payload, which deletes a retained message and says nothing else.
        IgnoredEmpty => ("ignored", "empty"),
        /// The broker sent it again, since it never learnt that it was received.
        IgnoredRedelivered => ("ignored", "redelivered"),
        /// The payload could not be decoded.
        DeadLetteredPayload => ("dead_lettered", "payload"),
        /// The topic could not be decoded.
        DeadLetteredTopic => ("dead_lettered", "topic"),
        /// In flight when the agent last stopped without warning.
        DroppedUncleanStop => ("dropped", "unclean_stop"),
    }
}

fates! {
    /// What became of a reading.
    ReadingFate {
        /// It took part in a window.
        Processed => ("processed", ""),
        /// Its window was closed already.
        Late => ("late", ""),
        /// It was seen before: its channel and its message's number, or without one, its event time and value.
        Duplicate => ("duplicate", ""),
        /// The field was there and said that there is no value.
        MissingNull => ("missing", "null"),
        /// The field said NaN or infinity.
        MissingNan => ("missing", "nan"),
        /// The field said so in a word, like `unavailable`.
        MissingUnavailable => ("missing", "unavailable"),
        /// The field held a value that stands for none.
        MissingSentinel => ("missing", "sentinel"),
        /// The sender says that the value is not good.
        MissingQuality => ("missing", "quality"),
        /// The field could not be read as a value.
        RejectedValue => ("rejected", "value"),
        /// The time field could not be read.
        RejectedTime => ("rejected", "time"),
        /// Its unit does not convert to the channel's.
        RejectedUnit => ("rejected", "unit"),
        /// Nothing says which device or channel it is of.
        RejectedName => ("rejected", "name"),
        /// Not a finite number.
        RejectedNotFinite => ("rejected", "not_finite"),
        /// Outside the channel's `min` and `max`, or too large to compute with (beyond ±1e100).
        RejectedRange => ("rejected", "range"),
        /// Stamped too far ahead of the gateway's clock.
        RejectedFuture => ("rejected", "future"),
        /// Stamped before the year 2000.
        RejectedPast => ("rejected", "before_2000"),
        /// Stamped further behind the gateway's clock than the class believes.
        RejectedOld => ("rejected", "past"),
        /// The channel's open windows hold as many readings as they may.
        RejectedWindowFull => ("rejected", "window_full"),
        /// The device limit is reached.
        RejectedDeviceLimit => ("rejected", "device_limit"),
        /// The device is quarantined after failing too often.
        RejectedQuarantined => ("rejected", "quarantined"),
        /// No permit left among all devices together.
        DroppedOverload => ("dropped", "overload"),
        /// No permit left for this device.
        DroppedDeviceOverload => ("dropped", "device_overload"),
        /// The journal was full.
        DroppedJournalFull => ("dropped", "journal_full"),
        /// It was in a part of the journal that could not be read any more.
        DroppedCorrupt => ("dropped", "corrupt"),
        /// The journal had it for a device or a channel that the configuration no longer has.
        DroppedConfigChanged => ("dropped", "config_changed"),
        /// The agent was stopping.
        DroppedShutdown => ("dropped", "shutdown"),
        /// The device failed before it was through with it.
        DroppedDeviceFailed => ("dropped", "device_failed"),
        /// In flight when the agent last stopped without warning.
        DroppedUncleanStop => ("dropped", "unclean_stop"),
    }
}

/// The books of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceBook {
    /// Messages received.
    pub messages: u64,
    /// Messages received and not yet settled.
    pub messages_in_flight: u64,
    message_fates: [u64; MessageFate::COUNT],
    /// Readings found in messages.
    pub readings: u64,
    /// Readings admitted and not yet settled.
    pub readings_in_flight: u64,
    reading_fates: [u64; ReadingFate::COUNT],
    /// Fields that no rule maps. They are no readings; they are counted so that one can look.
    pub unmapped_fields: u64,
}

impl Default for SourceBook {
    fn default() -> Self {
        Self {
            messages: 0,
            messages_in_flight: 0,
            message_fates: [0; MessageFate::COUNT],
            readings: 0,
            readings_in_flight: 0,
            reading_fates: [0; ReadingFate::COUNT],
            unmapped_fields: 0,
        }
    }
}

impl SourceBook {
    /// `n` messages came in.
    pub fn receive_messages(&mut self, n: u64) {
        self.messages += n;
        self.messages_in_flight += n;
    }

    /// `n` messages in flight met their fate.
    ///
    /// # Panics
    /// If fewer are in flight: that would be a bug in the books themselves.
    pub fn settle_messages(&mut self, fate: MessageFate, n: u64) {
        self.messages_in_flight = take(self.messages_in_flight, n, "messages");
        self.message_fates[fate as usize] += n;
    }

    /// `n` readings were found in a message.
    pub fn receive_readings(&mut self, n: u64) {
        self.readings += n;
        self.readings_in_flight += n;
    }

    /// `n` readings in flight met their fate.
    ///
    /// # Panics
    /// If fewer are in flight: that would be a bug in the books themselves.
    pub fn settle_readings(&mut self, fate: ReadingFate, n: u64) {
        self.readings_in_flight = take(self.readings_in_flight, n, "readings");
        self.reading_fates[fate as usize] += n;
    }

    /// Messages that met `fate`.
    #[must_use]
    pub fn messages_with(&self, fate: MessageFate) -> u64 {
        self.message_fates[fate as usize]
    }

    /// Readings that met `fate`.
    #[must_use]
    pub fn readings_with(&self, fate: ReadingFate) -> u64 {
        self.reading_fates[fate as usize]
    }

    /// Puts a stored count back, at start.
    pub fn restore_messages(&mut self, fate: MessageFate, n: u64) {
        self.message_fates[fate as usize] = n;
    }

    /// Puts a stored count back, at start.
    pub fn restore_readings(&mut self, fate: ReadingFate, n: u64) {
        self.reading_fates[fate as usize] = n;
    }

    /// Takes `n` readings' fate back: they are in flight again, since what came of them was lost.
    ///
    /// # Panics
    /// If fewer met it: that would be a bug in the books themselves.
    pub fn unsettle_readings(&mut self, fate: ReadingFate, n: u64) {
        let met = &mut self.reading_fates[fate as usize];
        *met = take(*met, n, "readings");
        self.readings_in_flight += n;
    }

    /// After an unclean stop nothing is in flight any more: what was, is lost, and says so.
    pub fn close_unclean_stop(&mut self) {
        self.settle_messages(MessageFate::DroppedUncleanStop, self.messages_in_flight);
        self.settle_readings(ReadingFate::DroppedUncleanStop, self.readings_in_flight);
    }

    /// What messages came to, fates with counts above 0.
    pub fn message_fates(&self) -> impl Iterator<Item = (MessageFate, u64)> {
        counted(MessageFate::ALL, &self.message_fates)
    }

    /// What became of readings, fates with counts above 0.
    pub fn reading_fates(&self) -> impl Iterator<Item = (ReadingFate, u64)> {
        counted(ReadingFate::ALL, &self.reading_fates)
    }

    /// Whether nothing was ever entered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether both equations hold.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.messages == self.messages_in_flight + self.message_fates.iter().sum::<u64>()
            && self.readings == self.readings_in_flight + self.reading_fates.iter().sum::<u64>()
    }
}

impl AddAssign<&Self> for SourceBook {
    /// Enters what another book holds as well.
    fn add_assign(&mut self, other: &Self) {
        self.messages += other.messages;
        self.messages_in_flight += other.messages_in_flight;
        self.readings += other.readings;
        self.readings_in_flight += other.readings_in_flight;
        self.unmapped_fields += other.unmapped_fields;
        for (mine, theirs) in self.message_fates.iter_mut().zip(other.message_fates) {
            *mine += theirs;
        }
        for (mine, theirs) in self.reading_fates.iter_mut().zip(other.reading_fates) {
            *mine += theirs;
        }
    }
}

fn counted<F: Copy>(fates: &[F], counts: &[u64]) -> impl Iterator<Item = (F, u64)> {
    let pairs = fates.iter().copied().zip(counts.iter().copied());
    pairs.filter(|(_, n)| *n > 0)
}

fn take(in_flight: u64, n: u64, what: &str) -> u64 {
    in_flight
        .checked_sub(n)
        .unwrap_or_else(|| panic!("settled {n} {what} with only {in_flight} in flight"))
}

/// The books of one lane of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LaneBook {
    /// Records committed to the outbox.
    pub enqueued: u64,
    /// Records that the upstream acknowledged.
    pub delivered: u64,
    /// Records waiting.
    pub buffered: u64,
    /// Records given up, with a reason on record.
    pub evicted: u64,
}

impl LaneBook {
    /// Whether the equation holds.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.enqueued == self.delivered + self.buffered + self.evicted
    }
}

/// A lane of the outbox, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Alerts.
    Alert,
    /// What was given up in any lane.
    Loss,
    /// Window summaries.
    Summary,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Self; 3] = [Self::Alert, Self::Loss, Self::Summary];

    /// The name used in the store, topics and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Loss => "loss",
            Self::Summary => "summary",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invariant_2_the_books_balance_at_every_step() {
        let mut book = SourceBook::default();
        book.receive_messages(1);
        assert!(book.balanced());
        book.receive_readings(3);
        assert!(book.balanced());
        book.settle_readings(ReadingFate::Processed, 2);
        book.settle_messages(MessageFate::Decoded, 1);
        assert!(book.balanced());
        assert_eq!(book.readings_in_flight, 1);
        book.readings += 1;
        assert!(!book.balanced(), "a reading that nobody settles must show");
    }

    #[test]
    #[should_panic(expected = "settled 2 readings with only 1 in flight")]
    fn settling_twice_is_caught() {
        let mut book = SourceBook::default();
        book.receive_readings(1);
        book.settle_readings(ReadingFate::Processed, 2);
    }

    #[test]
    fn an_unclean_stop_becomes_a_counted_loss() {
        let mut book = SourceBook::default();
        book.receive_messages(1);
        book.receive_readings(5);
        book.close_unclean_stop();
        assert!(book.balanced());
        assert_eq!(book.readings_in_flight, 0);
        assert_eq!(book.readings_with(ReadingFate::DroppedUncleanStop), 5);
    }
}
