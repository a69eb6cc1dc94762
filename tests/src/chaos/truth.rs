//! What the devices have sent, to the reading, and what of it the broker has acknowledged.
//!
//! The `k`-th reading that a channel sends in a window has the value 2^k. A window's sum (count times mean) is
//! then the set of the readings in it, bit by bit: one that is missing shows, one that was counted twice shows, and
//! so does one that was never sent.

use std::collections::BTreeMap;

/// Length of the windows, in milliseconds.
pub(super) const WINDOW: i64 = 1_000;
/// Readings in a window of a channel, at most: sums stay exact.
pub(super) const BITS: u32 = 24;
/// The value of what must never be in a window.
pub(super) const WRONG: u64 = 1 << 30;

/// A window of a channel of a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) device: String,
    pub(super) channel: String,
    /// Its start, in milliseconds since the epoch.
    pub(super) start: i64,
}

/// Which readings of a window were sent, as bits, and which acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Readings {
    pub(super) sent: u64,
    pub(super) acked: u64,
}

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Count {
    pub(super) sent: u64,
    pub(super) acked: u64,
}

/// What a message is.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// A reading, with its bit.
    Reading(Key, u64),
    /// A reading that has been sent before.
    Again,
    /// One that ends the windows before it. Its own stays open.
    Closer,
    /// Not to be read.
    Malformed,
    /// An hour ahead.
    Ahead,
    /// An hour behind.
    Behind,
}

/// All that was sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Truth {
    pub(super) windows: BTreeMap<Key, Readings>,
    pub(super) again: Count,
    pub(super) closers: Count,
    pub(super) malformed: Count,
    pub(super) ahead: Count,
    pub(super) behind: Count,
    /// Messages given to the broker once more since it had lost the session.
    pub(super) resent: u64,
}

impl Truth {
    /// The next reading of a channel in the window of `time`: its bit. None if there is no room for more.
    pub(super) fn next_bit(&self, key: &Key) -> Option<u64> {
        let sent = self.windows.get(key).map_or(0, |window| window.sent);
        let count = sent.count_ones();
        (count < BITS).then(|| 1 << count)
    }

    pub(super) fn sent(&mut self, what: &What) {
        match what {
            What::Reading(key, bit) => {
                self.windows.entry(key.clone()).or_default().sent |= bit;
            }
            other => {
                if let Some(count) = self.count(other) {
                    count.sent += 1;
                }
            }
        }
    }

    pub(super) fn acked(&mut self, what: &What) {
        match what {
            What::Reading(key, bit) => {
                self.windows.entry(key.clone()).or_default().acked |= bit;
            }
            other => {
                if let Some(count) = self.count(other) {
                    count.acked += 1;
                }
            }
        }
    }

    fn count(&mut self, what: &What) -> Option<&mut Count> {
        match what {
            What::Reading(..) => None,
            What::Again => Some(&mut self.again),
            What::Closer => Some(&mut self.closers),
            What::Malformed => Some(&mut self.malformed),
            What::Ahead => Some(&mut self.ahead),
            What::Behind => Some(&mut self.behind),
        }
    }

    /// Readings for windows that the broker acknowledged, each once.
    pub(super) fn readings_acked(&self) -> u64 {
        let acked = |readings: &Readings| u64::from(readings.acked.count_ones());
        self.windows.values().map(acked).sum()
    }

    /// Messages that the broker acknowledged.
    pub(super) fn messages_acked(&self) -> u64 {
        let counts = [
            self.again,
            self.closers,
            self.malformed,
            self.ahead,
            self.behind,
        ];
        self.readings_acked() + counts.iter().map(|count| count.acked).sum::<u64>()
    }
}

/// Start of the window that holds `ms`.
pub(super) fn window_of(ms: i64) -> i64 {
    ms.div_euclid(WINDOW) * WINDOW
}
