//! Clocks that count from the sender's start, mapped to the gateway's time.
//!
//! A microcontroller knows how many milliseconds it has been running, often in 32 bits, which go around after 49.7
//! days. With each message the gateway learns one upper bound of the moment at which the count was 0: arrival less
//! count, which is too late by however long the message was on its way. The least of them is the best (the minimum
//! filter of NTP's clock selection, RFC 5905 §10). It is taken over the last 10 to 20 minutes of the sender's time or the
//! gateway's, whichever passes faster, so that a crystal that is off by 50 ppm is followed to within 60 ms, and a
//! count that was never true is forgotten.
//!
//! The count tells when the sender has started again: it is then no longer than the time since the sender was heard
//! last, or further than a day from what it should be. Any other count that goes back belongs to a message from before,
//! sent late. Not to be told from
//! a restart is one from the very first moments of the same run: senders that keep messages back should
//! send a boot id, and then only that counts.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// The least delay is sought over one to two of these, in the sender's time.
const BUCKET: i64 = 600_000_000_000;
/// How much later than it was measured a message may come and still fit the run of the clock.
const SLACK: i64 = 2_000_000_000;
/// A count that is further off than this is of another run: nothing is kept back for so long.
const FAR: i64 = 86_400_000_000_000;

/// What a count says about its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// It goes on.
    On,
    /// It has been started again, or is heard for the first time.
    Started,
}

/// One sender's clock. 72 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootClock {
    /// Nanoseconds after which the count is 0 again; `i64::MAX`: never.
    around: i64,
    state: Option<State>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Longest count so far, with the times around.
    newest: i64,
    /// When it arrived.
    heard: Timestamp,
    /// Least arrival less count, in the bucket before this one and in this one.
    zero: [i64; 2],
    /// Where the bucket ends, in the sender's time and in the gateway's.
    bucket_ends: i64,
    bucket_until: Timestamp,
}

impl BootClock {
    /// A clock that was never heard. Its count is 0 again after `around`, if ever.
    #[must_use]
    pub fn new(around: Option<Span>) -> Self {
        Self {
            around: around.map_or(i64::MAX, |around| around.0.max(1)),
            state: None,
        }
    }

    /// The sender says that it has started again.
    pub fn restart(&mut self) {
        self.state = None;
    }

    /// The gateway's clock was set: from now on it shows `by` more.
    pub fn step(&mut self, by: Span) {
        if let Some(state) = &mut self.state {
            state.heard = state.heard + by;
            state.bucket_until = state.bucket_until + by;
            for zero in &mut state.zero {
                *zero = zero.saturating_add(by.0);
            }
        }
    }

    /// When a message was measured that arrived at `now` with this count: [`BootClock::hear`], and then
    /// [`BootClock::at`].
    pub fn map(&mut self, count: Span, now: Timestamp, boot_ids: bool) -> (Timestamp, Run) {
        let run = self.hear(count, now, boot_ids);
        (self.at(count).unwrap_or(now), run)
    }

    /// A message arrived at `now` with this count, the longest in it. `boot_ids`: the sender says when it starts
    /// again, by [`BootClock::restart`], and nothing else is taken for it.
    pub fn hear(&mut self, count: Span, now: Timestamp, boot_ids: bool) -> Run {
        let (count, around) = (self.shown(count).max(0), self.around);
        let Some(state) = &mut self.state else {
            self.state = Some(State::begin(count, now));
            return Run::Started;
        };
        let expected = state.expected(now);
        let unwrapped = nearest(count, around, expected);
        let goes_back = unwrapped < state.newest;
        let too_far = unwrapped > expected.saturating_add(SLACK);
        let fits_a_start = count <= state.since(now).saturating_add(SLACK);
        let far = unwrapped < state.newest.saturating_sub(FAR)
            || unwrapped > expected.saturating_add(FAR);
        if !boot_ids && (far || (fits_a_start && (goes_back || too_far))) {
            self.state = Some(State::begin(count, now));
            return Run::Started;
        }
        state.take(unwrapped, now);
        Run::On
    }

    /// When it was measured that the sender's clock showed this count, by what was heard; `None` if nothing was.
    #[must_use]
    pub fn at(&self, count: Span) -> Option<Timestamp> {
        let state = self.state.as_ref()?;
        let unwrapped = nearest(self.shown(count), self.around, state.newest);
        Some(state.at(unwrapped))
    }

    /// Whether a clock that goes around after this can have got here. What is read from elsewhere is not trusted.
    pub(crate) fn is_sound(&self, around: Option<Span>) -> bool {
        self.around == Self::new(around).around
            && self.state.as_ref().is_none_or(|state| state.newest >= 0)
    }

    /// How often the clock has gone around since it was started.
    #[must_use]
    pub fn times_around(&self) -> u64 {
        let newest = self.state.as_ref().map_or(0, |state| state.newest);
        (newest / self.around).max(0).cast_unsigned()
    }

    /// As the clock shows it: one that is said to go around may be sent by a longer counter, too.
    fn shown(&self, count: Span) -> i64 {
        match self.around {
            i64::MAX => count.0,
            around => count.0.rem_euclid(around),
        }
    }
}

impl State {
    fn begin(count: i64, now: Timestamp) -> Self {
        let zero = now.0.saturating_sub(count);
        Self {
            newest: count,
            heard: now,
            zero: [zero; 2],
            bucket_ends: count.saturating_add(BUCKET),
            bucket_until: now + Span(BUCKET),
        }
    }

    /// How long ago the longest count arrived.
    fn since(&self, now: Timestamp) -> i64 {
        (now - self.heard).0.max(0)
    }

    /// What the clock shows at `now`, at most: the longest count may have been on its way for a while.
    fn expected(&self, now: Timestamp) -> i64 {
        self.newest.saturating_add(self.since(now))
    }

    fn take(&mut self, count: i64, now: Timestamp) {
        let zero = now.0.saturating_sub(count);
        if count >= self.bucket_ends || now >= self.bucket_until {
            // After a long silence, what was known is too old to count.
            let silent = count >= self.bucket_ends.saturating_add(BUCKET)
                || now >= self.bucket_until + Span(BUCKET);
            self.zero = [if silent { zero } else { self.zero[1] }, zero];
            self.bucket_ends = count.saturating_add(BUCKET);
            self.bucket_until = now + Span(BUCKET);
        }
        self.zero[1] = self.zero[1].min(zero);
        if count >= self.newest {
            self.newest = count;
            self.heard = self.heard.max(now);
        }
    }

    fn at(&self, count: i64) -> Timestamp {
        Timestamp(self.zero[0].min(self.zero[1]).saturating_add(count))
    }
}

/// The count with as many times around as bring it nearest to what is expected.
fn nearest(count: i64, around: i64, expected: i64) -> i64 {
    if around == i64::MAX {
        return count;
    }
    let times = (expected.saturating_sub(count).saturating_add(around / 2)).div_euclid(around);
    count.saturating_add(times.saturating_mul(around))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2^32 milliseconds, 49.7 days.
    const U32_MS: Span = Span::from_millis(1 << 32);

    fn now(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + ms)
    }

    fn count(ms: i64) -> Span {
        Span::from_millis(ms.rem_euclid(1 << 32))
    }

    #[test]
    fn the_least_delay_counts() {
        let mut clock = BootClock::new(None);
        assert_eq!(clock.map(count(1_000), now(80), false).1, Run::Started);
        // 20 ms on its way instead of 80, and then 500: each is mapped by the best known.
        assert_eq!(
            clock.map(count(2_000), now(1_020), false),
            (now(1_020), Run::On)
        );
        assert_eq!(
            clock.map(count(3_000), now(2_500), false),
            (now(2_020), Run::On)
        );
    }

    #[test]
    fn a_clock_of_32_bits_goes_around() {
        let mut clock = BootClock::new(Some(U32_MS));
        let start = (1 << 32) - 5_000;
        for second in 0..20 {
            let at = second * 1_000;
            let (time, run) = clock.map(count(start + at), now(at), false);
            assert_eq!(time, now(at), "second {second}");
            assert_eq!(run == Run::On, second > 0, "second {second}");
        }
    }

    #[test]
    fn a_message_from_before_the_turn_that_comes_after_it_is_old_not_new() {
        let mut clock = BootClock::new(Some(U32_MS));
        let start = (1 << 32) - 60_000;
        clock.map(count(start), now(0), false);
        clock.map(count(start + 70_000), now(70_000), false);
        let (time, run) = clock.map(count(start + 50_000), now(70_100), false);
        assert_eq!((time, run), (now(50_000), Run::On));
    }

    #[test]
    fn a_reboot_starts_the_mapping_anew() {
        let mut clock = BootClock::new(Some(U32_MS));
        for second in 0..100 {
            clock.map(count(second * 1_000), now(second * 1_000), false);
        }
        // Ten seconds of silence, in which it started.
        let (time, run) = clock.map(count(3_000), now(109_000), false);
        assert_eq!((time, run), (now(109_000), Run::Started));
        let (time, run) = clock.map(count(4_000), now(110_000), false);
        assert_eq!((time, run), (now(110_000), Run::On));
    }

    #[test]
    fn what_was_kept_back_is_old() {
        let mut clock = BootClock::new(None);
        clock.map(count(0), now(0), false);
        clock.map(count(600_000), now(600_000), false);
        let (time, run) = clock.map(count(590_000), now(601_000), false);
        assert_eq!((time, run), (now(590_000), Run::On));
    }

    #[test]
    fn with_boot_ids_only_they_count() {
        let mut clock = BootClock::new(None);
        clock.map(count(0), now(0), true);
        clock.map(count(600_000), now(600_000), true);
        // One of the first messages, from a buffer.
        let (time, run) = clock.map(count(1_000), now(601_000), true);
        assert_eq!((time, run), (now(1_000), Run::On));
        clock.restart();
        assert_eq!(clock.map(count(1_000), now(700_000), true).1, Run::Started);
    }

    #[test]
    fn a_crystal_that_is_off_is_followed() {
        let mut clock = BootClock::new(None);
        // 50 ppm slow for a day: 4.3 seconds in the end.
        for second in 0..86_400 {
            let counted = Span(second * 1_000_000_000 / 1_000_000 * 999_950);
            let at = now(second * 1_000);
            let (time, _) = clock.map(counted, at, false);
            assert!(
                (at - time).0 <= 60_000_000,
                "second {second}: {}",
                at - time
            );
        }
    }

    #[test]
    fn a_step_of_the_gateways_clock_is_no_delay() {
        let mut clock = BootClock::new(None);
        clock.map(count(0), now(0), false);
        clock.step(Span::from_secs(3_600));
        let (time, run) = clock.map(count(1_000), now(3_601_000), false);
        assert_eq!((time, run), (now(3_601_000), Run::On));
    }

    #[test]
    fn the_samples_of_a_first_message_keep_their_distances() {
        let mut clock = BootClock::new(Some(U32_MS));
        assert_eq!(clock.hear(count(10_000), now(0), false), Run::Started);
        assert_eq!(clock.at(count(0)), Some(now(-10_000)));
        assert_eq!(clock.at(count(9_000)), Some(now(-1_000)));
    }

    #[test]
    fn a_count_that_was_never_true_is_forgotten() {
        let mut clock = BootClock::new(Some(U32_MS));
        clock.map(count(1_000_000), now(0), false);
        // Off by weeks: another run, and back again.
        assert_eq!(clock.map(count(1 << 31), now(1_000), false).1, Run::Started);
        let (time, run) = clock.map(count(1_002_000), now(2_000), false);
        assert_eq!((time, run), (now(2_000), Run::Started));
        // Off by an hour: for at most 20 minutes all seems an hour old.
        clock.map(count(4_602_000), now(2_500), false);
        let mut late = 0;
        for second in 3..3_000 {
            let (time, _) = clock.map(
                count(1_000_000 + second * 1_000),
                now(second * 1_000),
                false,
            );
            late = if time == now(second * 1_000) {
                late
            } else {
                second
            };
        }
        assert!(late < 1_203, "{late}");
    }

    proptest! {
        /// However it is delayed, time goes forward by the count and never lies in the future.
        #[test]
        fn mapped_times_are_past_and_no_further_off_than_the_delay(
            start in prop_oneof![Just(0_i64), (1_i64 << 32) - 100_000..1 << 32],
            steps in proptest::collection::vec((1_i64..5_000, 0_i64..1_500), 1..200),
        ) {
            let mut clock = BootClock::new(Some(U32_MS));
            let mut at = 0;
            let mut least = i64::MAX;
            let mut arrived = 0;
            for (step, delay) in steps {
                at += step;
                arrived = arrived.max(at + delay);
                least = least.min(arrived - at);
                let (time, _) = clock.map(count(start + at), now(arrived), false);
                prop_assert!(time <= now(arrived));
                prop_assert!(time >= now(at));
                prop_assert!(time <= now(at + least), "{} {}", time.0, now(at + least).0);
            }
        }
    }
}
