//! Kinds of windows, and the grid that some of them stand on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// How event time is cut into windows. All are half-open, `[start, end)`, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowSpec {
    /// One after the other, aligned to the epoch.
    Tumbling {
        /// Length, positive.
        length: Span,
    },
    /// Starting every `hop`, aligned to the epoch.
    Hopping {
        /// Length, positive.
        length: Span,
        /// From start to start; positive, no longer than `length`.
        hop: Span,
    },
    /// For each instant t with a reading, `(t − length, t]`.
    Sliding {
        /// Length, positive.
        length: Span,
    },
    /// Readings less than `gap` apart; ends `gap` after the last of them.
    Session {
        /// Silence that ends a session, positive.
        gap: Span,
        /// A session is cut here, even without silence; positive.
        max_length: Span,
    },
    /// So many readings, in the order of their event time.
    Count {
        /// Readings in a window, positive.
        size: usize,
    },
}

/// What becomes of a reading that comes after its window has closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LatePolicy {
    /// Counted.
    Drop,
    /// Counted, and handed out as an effect of its own.
    SideOutput,
    /// Closed windows accept readings for [`crate::config::ClassConfig::allowed_lateness`] and are
    /// emitted again; what comes later still is treated as [`LatePolicy::SideOutput`].
    Revise {
        /// How many windows back, at most.
        windows: u32,
    },
}

/// Which of the scored windows become summaries. Alerts always leave, after the summary of the window
/// that decided them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emit {
    /// Each.
    Every,
    /// Those that change the verdict, or whether a window counts as anomalous; and the first.
    OnChange,
    /// The first to end at least so long after the one before.
    Interval(Span),
}

/// Whether silence means that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// The device sends at least once in `every`: it is stale after [`STALE_AFTER`] times that.
    Periodic {
        /// Positive.
        every: Span,
    },
    /// The device sends when there is something to say.
    OnChange,
}

/// Missed reports that make a device stale.
pub const STALE_AFTER: i64 = 3;

/// Windows that stand on a grid of the epoch's: ends are at multiples of `hop` plus `length`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) length: Span,
    pub(crate) hop: Span,
}

impl WindowSpec {
    /// The grid, if the windows stand on one. Only then do the channels of a device have windows in
    /// common.
    pub(crate) const fn grid(self) -> Option<Grid> {
        match self {
            Self::Tumbling { length } => Some(Grid {
                length,
                hop: length,
            }),
            Self::Hopping { length, hop } => Some(Grid { length, hop }),
            Self::Sliding { .. } | Self::Session { .. } | Self::Count { .. } => None,
        }
    }

    /// Whether all channels of a device have the same windows, so that they are judged together.
    #[must_use]
    pub const fn is_aligned(self) -> bool {
        self.grid().is_some()
    }

    /// From one window to the next, where that is fixed.
    #[must_use]
    pub const fn period(self) -> Option<Span> {
        match self.grid() {
            Some(grid) => Some(grid.hop),
            None => None,
        }
    }

    /// How long windows are that lie on a grid; `None` for others, whose length depends on the readings.
    #[must_use]
    pub const fn length(self) -> Option<Span> {
        match self.grid() {
            Some(grid) => Some(grid.length),
            None => None,
        }
    }

    /// By how much a window may end after a reading in it.
    pub(crate) const fn reach(self) -> Span {
        match self {
            Self::Tumbling { length } | Self::Hopping { length, .. } => length,
            Self::Session { gap, .. } => gap,
            Self::Sliding { .. } | Self::Count { .. } => Span(1),
        }
    }

    /// Panes that a channel keeps, at most; 0 for windows that are made of readings alone.
    #[must_use]
    pub fn panes(self) -> usize {
        match self {
            Self::Hopping { length, hop } if hop < length => {
                usize::try_from(length.0 / gcd(length.0, hop.0)).unwrap_or(usize::MAX)
            }
            _ => 0,
        }
    }
}

impl Grid {
    /// Length of the panes that all windows are made of.
    pub(crate) const fn pane(self) -> Span {
        Span(gcd(self.length.0, self.hop.0))
    }

    /// Whether windows overlap, and so are merged from panes.
    pub(crate) const fn overlaps(self) -> bool {
        self.hop.0 < self.length.0
    }

    /// End of the first window that ends after `time`: no window that contains `time` ends earlier.
    pub(crate) fn end_after(self, time: Timestamp) -> Timestamp {
        let phase = self.length.0 % self.hop.0;
        let since = (time.0.saturating_sub(phase)).rem_euclid(self.hop.0);
        Timestamp(time.0.saturating_sub(since)) + self.hop
    }
}

const fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl fmt::Display for WindowSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tumbling { length } => write!(f, "{length} long"),
            Self::Hopping { length, hop } => write!(f, "{length} long, one every {hop}"),
            Self::Sliding { length } => write!(f, "the {length} up to each reading"),
            Self::Session { gap, max_length } => {
                write!(
                    f,
                    "sessions with gaps of less than {gap}, cut at {max_length}"
                )
            }
            Self::Count { size } => write!(f, "{size} readings each"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hopping(length: i64, hop: i64) -> WindowSpec {
        WindowSpec::Hopping {
            length: Span(length),
            hop: Span(hop),
        }
    }

    #[test]
    fn the_first_window_to_end_after_an_instant_is_found_by_trying() {
        for (length, hop) in [(10, 10), (10, 5), (10, 4), (9, 2), (7, 7), (6, 5)] {
            let grid = hopping(length, hop).grid().unwrap();
            for time in -30..30 {
                let tried = (-20..40).map(|k| k * hop + length).find(|end| *end > time);
                assert_eq!(
                    Some(grid.end_after(Timestamp(time)).0),
                    tried,
                    "{time} in {length}/{hop}"
                );
            }
        }
    }

    #[test]
    fn panes_are_as_long_as_they_can_be() {
        assert_eq!(hopping(80, 10).panes(), 8);
        assert_eq!(hopping(10, 4).panes(), 5);
        assert_eq!(hopping(10, 10).panes(), 0, "nothing to merge");
        assert_eq!(WindowSpec::Count { size: 5 }.panes(), 0);
    }
}
