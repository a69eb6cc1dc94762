//! Sequence numbers of a sender: what is missing, what comes again, and when the counter has started anew.
//!
//! Numbers are compared around the sender's modulus. A number that is ahead of the newest by more than one leaves a
//! gap, which a late one fills. A number that is not ahead is an old message, or the first ones of a counter that
//! was started again: a reboot must never look like a flood of repetitions. Three things tell them apart:
//!
//! - it lies further back than [`WINDOW`] numbers, or further ahead than anyone misses ([`FAR`]): started again;
//! - it was measured later than everything so far, by a clock of its own: started again, since what is old is old
//!   by its time, too;
//! - its time is that of its arrival, which says nothing about age: started again if it is 0 or 1, else an old one.
//!
//! The newest number once more is never a start: the channels of a device may share a number. Callers that know of one
//! channel alone tell by [`Sequence::newest`].
//!
//! What this cannot decide: a sender without a clock whose first message after a start is repeated by the broker is
//! taken for one that starts twice. A boot id, if it sends one, decides before all this: see [`Sequence::restart`].

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

const WORDS: usize = 16;
/// How many numbers back the old is told from the repeated.
pub const WINDOW: u64 = 64 * WORDS as u64;
/// A counter that is this far ahead has begun somewhere else: nobody would have missed so much.
pub const FAR: u64 = 1_000_000;

/// What a number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The next one, or the first, or one that leaves a gap of `missed` numbers.
    Ahead {
        /// Numbers passed over.
        missed: u64,
    },
    /// One that was missed.
    Filled,
    /// It lies before the first that was seen, and was never missed.
    Early,
    /// It was seen before.
    Seen,
    /// The counter has been started again.
    Restarted,
}

/// The numbers of one counter that were seen of late. 168 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// The counter goes from 0 to this, and then from 0 again; `u64::MAX`: not in this world.
    last: u64,
    newest: Option<u64>,
    newest_time: Timestamp,
    /// Numbers from the first one that was seen on to the newest, or `WINDOW` if they are more.
    since: u64,
    /// Bit i of word w: `newest − (64w + i)` was seen.
    seen: [u64; WORDS],
}

impl Sequence {
    /// Nothing was seen. The counter goes around after `modulus` numbers, if it does.
    #[must_use]
    pub fn new(modulus: Option<u64>) -> Self {
        Self {
            last: modulus.map_or(u64::MAX, |modulus| modulus.max(1) - 1),
            newest: None,
            newest_time: Timestamp::MIN,
            since: 0,
            seen: [0; WORDS],
        }
    }

    /// The number furthest ahead, since the counter was started last.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Forgets what was seen: the sender says that it has started again.
    pub fn restart(&mut self) {
        self.newest = None;
        self.newest_time = Timestamp::MIN;
        self.since = 0;
        self.seen = [0; WORDS];
    }

    /// Whether a counter of that modulus can have got here. What is read from elsewhere is not trusted.
    pub(crate) fn is_sound(&self, modulus: u64) -> bool {
        self.last == modulus.max(1) - 1 && self.is_sound_at_all()
    }

    /// The same, whatever the modulus is.
    pub(crate) fn is_sound_at_all(&self) -> bool {
        self.newest.is_none_or(|newest| newest <= self.last) && self.since <= WINDOW
    }

    /// Takes the number of a message in. `time` is when it was measured, `own_clock` whether the sender says so, or
    /// only its arrival does. A time should not lie in the future: later ones would all seem old.
    pub fn take(&mut self, number: u64, time: Timestamp, own_clock: bool) -> Verdict {
        let number = number.min(self.last);
        let Some(newest) = self.newest else {
            self.begin(number, time);
            return Verdict::Ahead { missed: 0 };
        };
        let ahead = self.distance(newest, number);
        let back = self.distance(number, newest);
        if ahead != 0 && ahead <= back && ahead < FAR {
            self.advance(ahead);
            self.since = (self.since + ahead).min(WINDOW);
            self.newest = Some(number);
            self.newest_time = self.newest_time.max(time);
            return Verdict::Ahead { missed: ahead - 1 };
        }
        let fresh = if own_clock {
            time > self.newest_time
        } else {
            number <= 1
        };
        if back >= self.window() || (fresh && back > 0) {
            self.restart();
            self.begin(number, time);
            return Verdict::Restarted;
        }
        let (word, bit) = ((back / 64) as usize, 1 << (back % 64));
        let seen = self.seen[word] & bit != 0;
        self.seen[word] |= bit;
        match seen {
            true => Verdict::Seen,
            false if back > self.since => Verdict::Early,
            false => Verdict::Filled,
        }
    }

    fn begin(&mut self, number: u64, time: Timestamp) {
        self.newest = Some(number);
        self.newest_time = time;
        self.seen[0] = 1;
    }

    /// Steps from `from` on to `to`.
    fn distance(&self, from: u64, to: u64) -> u64 {
        if to >= from {
            to - from
        } else {
            (self.last - from).saturating_add(to).saturating_add(1)
        }
    }

    /// A small counter has gone around before so many numbers have passed.
    fn window(&self) -> u64 {
        WINDOW.min(self.last / 2 + 1)
    }

    fn advance(&mut self, steps: u64) {
        if steps >= WINDOW {
            self.seen = [0; WORDS];
        } else {
            let (words, bits) = ((steps / 64) as usize, (steps % 64) as u32);
            for to in (0..WORDS).rev() {
                let high = to.checked_sub(words).map_or(0, |from| self.seen[from]);
                let low = to.checked_sub(words + 1).map_or(0, |from| self.seen[from]);
                self.seen[to] = match bits {
                    0 => high,
                    bits => high << bits | low >> (64 - bits),
                };
            }
        }
        self.seen[0] |= 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    /// Takes numbers a second apart, by the sender's clock.
    fn verdicts(modulus: Option<u64>, numbers: &[(u64, i64)]) -> Vec<Verdict> {
        let mut sequence = Sequence::new(modulus);
        let take = |&(number, second)| sequence.take(number, at(second), true);
        numbers.iter().map(take).collect()
    }

    const NEXT: Verdict = Verdict::Ahead { missed: 0 };

    #[test]
    fn a_gap_is_counted_and_filled_and_a_repetition_is_seen() {
        let got = verdicts(None, &[(7, 0), (8, 1), (11, 4), (9, 2), (9, 2), (11, 4)]);
        let gap = Verdict::Ahead { missed: 2 };
        let (filled, seen) = (Verdict::Filled, Verdict::Seen);
        assert_eq!(got, [NEXT, NEXT, gap, filled, seen, seen]);
    }

    #[test]
    fn a_counter_goes_around_its_modulus() {
        let got = verdicts(Some(256), &[(254, 0), (255, 1), (0, 2), (2, 4), (1, 3)]);
        let gap = Verdict::Ahead { missed: 1 };
        assert_eq!(got, [NEXT, NEXT, NEXT, gap, Verdict::Filled]);
    }

    #[test]
    fn a_counter_goes_around_at_the_end_of_u64() {
        let got = verdicts(None, &[(u64::MAX - 1, 0), (u64::MAX, 1), (0, 2), (1, 3)]);
        assert_eq!(got, [NEXT; 4]);
    }

    #[test]
    fn a_reboot_is_not_a_flood_of_repetitions() {
        let boots: Vec<_> = (0_u64..50).map(|n| (n, n.cast_signed())).collect();
        let again = boots.iter().map(|&(n, second)| (n, second + 100));
        let all: Vec<_> = boots.iter().copied().chain(again).collect();
        let got = verdicts(None, &all);
        assert_eq!(got[50], Verdict::Restarted);
        assert!(got[51..].iter().all(|verdict| *verdict == NEXT));
    }

    #[test]
    fn without_a_clock_a_start_shows_by_its_low_number() {
        let mut sequence = Sequence::new(None);
        let mut take = |number, second| sequence.take(number, at(second), false);
        assert_eq!(take(40, 0), NEXT);
        assert_eq!(take(42, 1), Verdict::Ahead { missed: 1 });
        assert_eq!(take(41, 2), Verdict::Filled, "late, though it came last");
        assert_eq!(take(42, 3), Verdict::Seen);
        assert_eq!(take(0, 4), Verdict::Restarted);
        assert_eq!(take(1, 5), NEXT);
    }

    #[test]
    fn channels_that_share_a_number_start_nothing() {
        let got = verdicts(None, &[(0, 0), (0, 1), (1, 2), (1, 3)]);
        assert_eq!(got, [NEXT, Verdict::Seen, NEXT, Verdict::Seen]);
    }

    #[test]
    fn what_lies_before_the_first_was_not_missed() {
        let got = verdicts(None, &[(9, 9), (8, 8), (12, 12), (10, 10), (7, 7), (7, 7)]);
        let gap = Verdict::Ahead { missed: 2 };
        let (early, filled) = (Verdict::Early, Verdict::Filled);
        assert_eq!(got, [NEXT, early, gap, filled, early, Verdict::Seen]);
    }

    #[test]
    fn a_jump_far_ahead_is_a_start() {
        let got = verdicts(Some(1 << 32), &[(7, 0), (7 + FAR, 1), (8 + FAR, 2)]);
        assert_eq!(got, [NEXT, Verdict::Restarted, NEXT]);
    }

    #[test]
    fn a_jump_far_back_is_a_start() {
        let got = verdicts(None, &[(5_000, 10), (5_000 - WINDOW, 5)]);
        assert_eq!(got[1], Verdict::Restarted);
    }

    #[test]
    fn a_new_boot_id_forgets_everything() {
        let mut sequence = Sequence::new(None);
        for number in 0..10 {
            sequence.take(number, at(0), true);
        }
        sequence.restart();
        assert_eq!(sequence.take(5, at(0), true), NEXT);
    }

    proptest! {
        /// Against a set of everything seen: shuffled within the window, each number is new once.
        #[test]
        fn every_number_is_new_once(
            start in prop_oneof![Just(0_u64), Just(60_000), any::<u64>()],
            modulus in prop_oneof![Just(None), Just(Some(65_536_u64)), Just(Some(4_096))],
            order in proptest::collection::vec((0_u64..300, 0_u64..40), 1..400),
        ) {
            let reduce = |n: u64| modulus.map_or(n, |modulus| n % modulus);
            let mut sequence = Sequence::new(modulus);
            sequence.take(reduce(start), at(0), true);
            let mut known = std::collections::BTreeSet::from([0_u64]);
            let mut missing = 0_u64;
            let mut newest = 0_u64;
            for (number, ahead) in order {
                let number = (newest + ahead).saturating_sub(number);
                if newest - number.min(newest) >= 500 {
                    continue;
                }
                let verdict = sequence.take(reduce(start.wrapping_add(number)), at(number.cast_signed()), true);
                match verdict {
                    Verdict::Ahead { missed } => {
                        prop_assert!(number > newest);
                        prop_assert_eq!(missed, number - newest - 1);
                        missing += missed;
                        newest = number;
                    }
                    Verdict::Filled => missing -= 1,
                    Verdict::Seen => prop_assert!(known.contains(&number)),
                    Verdict::Early | Verdict::Restarted => {
                        prop_assert!(false, "{verdict:?}: {number} behind {newest}");
                    }
                }
                prop_assert_eq!(verdict == Verdict::Seen, !known.insert(number));
            }
            prop_assert_eq!(missing, newest + 1 - known.len() as u64);
        }
    }
}
