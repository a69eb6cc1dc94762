//! The gateway's own clock: what it is worth, and what follows when it is set.
//!
//! Many gateways have no clock that runs while they are off. After a start they show some time or other until they hear
//! from a time server. The agent does not wait for that: it counts on from the latest time that it knows, says so in what it
//! records, and tells each device when the clock is set. All of that is policy and here; who reads the clocks is the shell.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// A difference from which on the clock was set; below it, it was adjusted, and the gateway's time follows.
pub const STEP: Span = Span::from_secs(1);
/// How much the gateway's time may be held back at one look, where it is ahead: it never goes back.
const HOLD_BACK: Span = Span::from_millis(2);

/// What the gateway's clock is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum GatewayClock {
    /// It is set, as far as anyone knows.
    #[default]
    Set,
    /// It is not: times are counted from a guess.
    Unset {
        /// This start of the gateway, by its boot id.
        boot: u128,
    },
}

/// The gateway's clock is set, or is another one than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClockStep {
    /// How much more it shows from now on.
    pub by: Span,
    /// What it is worth from now on.
    pub clock: GatewayClock,
}

/// Whose clock event times are by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventsBy {
    /// The gateway's, as with readings that have no time of their own.
    Gateway,
    /// The senders'.
    Senders,
    /// Some of the one and some of the other.
    Both,
}

/// What an effect's times are worth that was made while the gateway's clock was not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unset {
    /// The gateway's start.
    pub boot: u128,
    /// Whose its event times are. Those of the gateway are by the clock that was not set in any case.
    pub events: EventsBy,
}

/// What the shell reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// The wall clock.
    pub wall: Timestamp,
    /// Time since the gateway was started, asleep or not.
    pub up: Span,
    /// Whether the system says that a time server was heard since then.
    pub synchronised: bool,
}

/// When the wall clock is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Belief {
    /// Whether the gateway has a clock that runs while it is off, so that no time server has to be heard first.
    pub rtc: bool,
    /// No true time is earlier.
    pub earliest: Timestamp,
}

impl Belief {
    fn holds(self, reads: Reads) -> bool {
        reads.wall >= self.earliest && (self.rtc || reads.synchronised)
    }
}

/// The gateway's time: `base` more than the time since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// See above.
    pub base: Timestamp,
    /// What it is worth.
    pub clock: GatewayClock,
}

impl Line {
    /// Where it begins. A clock that is not believed counts on from what it was earlier in this start of the gateway,
    /// `base`, or from the latest time that any earlier run has recorded, `last`.
    #[must_use]
    pub fn begin(
        belief: Belief,
        boot: u128,
        reads: Reads,
        base: Option<Timestamp>,
        last: Option<Timestamp>,
    ) -> Self {
        if belief.holds(reads) {
            return Self {
                base: reads.wall - reads.up,
                clock: GatewayClock::Set,
            };
        }
        let guess = last.map_or(reads.wall, |last| reads.wall.max(last));
        Self {
            base: base.unwrap_or(guess.max(belief.earliest) - reads.up),
            clock: GatewayClock::Unset { boot },
        }
    }

    /// The time, so long after the gateway's start.
    #[must_use]
    pub fn at(self, up: Span) -> Timestamp {
        self.base + up
    }

    /// Looks at the clocks. A small difference is followed, and the line is the one to go on with; a step is to be told to
    /// everyone first, and then taken by [`Line::stepped`].
    ///
    /// # Errors
    /// The step.
    pub fn look(self, belief: Belief, reads: Reads) -> Result<Self, ClockStep> {
        let off = reads.wall - self.at(reads.up);
        match self.clock {
            GatewayClock::Unset { .. } if belief.holds(reads) => Err(ClockStep {
                by: off,
                clock: GatewayClock::Set,
            }),
            GatewayClock::Unset { .. } => Ok(self),
            GatewayClock::Set if off >= STEP || off.0 <= -STEP.0 => Err(ClockStep {
                by: off,
                clock: GatewayClock::Set,
            }),
            GatewayClock::Set => Ok(Self {
                base: self.base + Span(off.0.max(-HOLD_BACK.0)),
                ..self
            }),
        }
    }

    /// The line after a step.
    #[must_use]
    pub fn stepped(self, step: ClockStep) -> Self {
        Self {
            base: self.base + step.by,
            clock: step.clock,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BELIEF: Belief = Belief {
        rtc: false,
        earliest: Timestamp::from_secs(1_700_000_000),
    };
    const TRUE: i64 = 1_800_000_000;

    fn reads(wall: i64, up: i64, synchronised: bool) -> Reads {
        Reads {
            wall: Timestamp::from_secs(wall),
            up: Span::from_secs(up),
            synchronised,
        }
    }

    fn begin(reads: Reads, last: Option<i64>) -> Line {
        Line::begin(BELIEF, 7, reads, None, last.map(Timestamp::from_secs))
    }

    #[test]
    fn a_clock_that_was_not_synchronised_counts_on_from_the_latest_time_known() {
        let line = begin(reads(30, 20, false), Some(TRUE));
        assert_eq!(line.clock, GatewayClock::Unset { boot: 7 });
        assert_eq!(line.at(Span::from_secs(25)).0, (TRUE + 5) * 1_000_000_000);
        // Saved at the last stop by the system, and later than anything here.
        let line = begin(reads(TRUE + 60, 20, false), Some(TRUE));
        assert_eq!(line.at(Span::from_secs(20)).0, (TRUE + 60) * 1_000_000_000);
        // Another run in the same start of the gateway: the same line.
        let base = Some(line.base);
        let again = Line::begin(BELIEF, 7, reads(31, 21, false), base, None);
        assert_eq!(again, line);
        // Nothing is known: no time before the first true one.
        let line = begin(reads(30, 20, false), None);
        assert_eq!(line.at(Span::from_secs(20)), BELIEF.earliest);
    }

    #[test]
    fn with_a_clock_that_runs_on_only_what_cannot_be_is_not_believed() {
        let belief = Belief {
            rtc: true,
            ..BELIEF
        };
        let line = Line::begin(belief, 7, reads(TRUE, 20, false), None, None);
        assert_eq!(line.clock, GatewayClock::Set);
        let line = Line::begin(belief, 7, reads(30, 20, true), None, None);
        assert_eq!(line.clock, GatewayClock::Unset { boot: 7 });
        let step = line.look(belief, reads(TRUE, 21, false)).unwrap_err();
        assert_eq!(step.clock, GatewayClock::Set);
        let now = line.stepped(step).at(Span::from_secs(21));
        assert_eq!(now, Timestamp::from_secs(TRUE));
    }

    #[test]
    fn hearing_a_time_server_is_a_step_however_small() {
        let line = begin(reads(TRUE, 20, false), None);
        assert_eq!(line.look(BELIEF, reads(TRUE + 9, 21, false)), Ok(line));
        let step = line.look(BELIEF, reads(TRUE + 1, 21, true)).unwrap_err();
        let expected = ClockStep {
            by: Span::ZERO,
            clock: GatewayClock::Set,
        };
        assert_eq!(step, expected);
    }

    #[test]
    fn small_differences_are_followed_and_time_never_goes_back() {
        let mut line = begin(reads(TRUE, 0, true), None);
        let (mut wall, mut last) = (TRUE * 1_000_000_000, Timestamp::MIN);
        // 900 ms ahead at once, then 900 ms behind, in looks of 200 ms.
        for look in 1..2_000_i64 {
            wall += 200_000_000;
            wall += if look == 10 { 900_000_000 } else { 0 };
            wall -= if look == 20 { 900_000_000 } else { 0 };
            let up = Span::from_millis(200 * look);
            let seen = Reads {
                wall: Timestamp(wall),
                up,
                synchronised: true,
            };
            line = line.look(BELIEF, seen).unwrap();
            assert!(line.at(up) > last);
            last = line.at(up);
        }
        assert_eq!(last, Timestamp(wall));
    }

    #[test]
    fn larger_ones_are_steps_in_either_direction() {
        let line = begin(reads(TRUE, 0, true), None);
        for by in [-3_600, -1, 1, 3_600] {
            let seen = reads(TRUE + 10 + by, 10, true);
            let step = line.look(BELIEF, seen).unwrap_err();
            assert_eq!(step.by, Span::from_secs(by));
            let line = line.stepped(step);
            assert_eq!(line.look(BELIEF, seen), Ok(line));
        }
    }
}
