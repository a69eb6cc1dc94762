//! From scores to a verdict: hysteresis, so that one odd window is no alert and one normal window
//! no all-clear, and a cooldown, so that a flapping device does not ring without end.

use serde::{Deserialize, Serialize};

use crate::config::VerdictConfig;
use crate::effect::Verdict;
use crate::time::Timestamp;

/// An open episode.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Effect number of the alert that raised it.
    pub number: u64,
    /// Start of its first anomalous window.
    pub since: Timestamp,
    /// Largest fused score so far.
    pub peak: f64,
}

/// What a scored window changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// Nothing.
    None,
    /// An episode begins; give it a number with [`VerdictState::open`].
    Raise {
        /// Start of its first anomalous window.
        since: Timestamp,
        /// Largest fused score so far.
        peak: f64,
    },
    /// The open episode ends.
    Clear(Episode),
}

/// The memory behind a device's verdict.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct VerdictState {
    spoke: bool,
    anomalous: u32,
    normal: u32,
    since: Timestamp,
    peak: f64,
    episode: Option<Episode>,
    quiet_until: Option<Timestamp>,
}

impl VerdictState {
    /// What comes next is by another clock, and no longer too soon.
    pub(crate) fn end_cooldown(&mut self) {
        self.quiet_until = None;
    }

    /// Takes in a window that ended at `end`. `fused` is `None` while no detector speaks.
    pub fn observe(
        &mut self,
        config: &VerdictConfig,
        start: Timestamp,
        end: Timestamp,
        fused: Option<f64>,
    ) -> Change {
        let Some(fused) = fused else {
            return Change::None;
        };
        self.spoke = true;
        if fused >= 1.0 {
            if self.anomalous == 0 {
                self.since = start;
                self.peak = 0.0;
            }
            self.anomalous = self.anomalous.saturating_add(1);
            self.peak = self.peak.max(fused);
        } else {
            self.anomalous = 0;
        }
        self.normal = if fused < config.exit_below {
            self.normal.saturating_add(1)
        } else {
            0
        };
        match &mut self.episode {
            Some(episode) => {
                episode.peak = episode.peak.max(fused);
                if self.normal < config.exit_after {
                    return Change::None;
                }
                let ended = *episode;
                self.episode = None;
                self.quiet_until = Some(end + config.cooldown);
                Change::Clear(ended)
            }
            None if self.anomalous >= config.enter_after
                && self.quiet_until.is_none_or(|until| end >= until) =>
            {
                Change::Raise {
                    since: self.since,
                    peak: self.peak,
                }
            }
            None => Change::None,
        }
    }

    /// Opens the episode that [`Change::Raise`] announced.
    pub fn open(&mut self, episode: Episode) {
        self.episode = Some(episode);
    }

    /// The verdict as it stands.
    pub fn verdict(&self) -> Verdict {
        match (self.spoke, self.episode) {
            (_, Some(_)) => Verdict::Anomalous,
            (true, None) => Verdict::Normal,
            (false, None) => Verdict::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    const CONFIG: VerdictConfig = VerdictConfig {
        enter_after: 2,
        exit_below: 0.5,
        exit_after: 2,
        cooldown: Span::from_secs(30),
        contributions: 5,
    };

    /// Runs fused scores of 10 s windows through and writes what happened to each:
    /// `.` nothing, `R` raised, `C` cleared.
    fn check(scores: &[f64], expected: &str) {
        let mut state = VerdictState::default();
        let mut seen = String::new();
        for (i, &score) in (0..).zip(scores) {
            let start = Timestamp::from_secs(i * 10);
            match state.observe(&CONFIG, start, start + Span::from_secs(10), Some(score)) {
                Change::None => seen.push('.'),
                Change::Raise { since, peak } => {
                    state.open(Episode {
                        number: 1,
                        since,
                        peak,
                    });
                    seen.push('R');
                }
                Change::Clear(_) => seen.push('C'),
            }
        }
        assert_eq!(seen, expected, "{scores:?}");
    }

    #[test]
    fn one_odd_window_is_no_alert() {
        check(&[0.1, 9.0, 0.1, 9.0, 0.1], ".....");
    }

    #[test]
    fn an_alert_is_raised_once_and_cleared_after_enough_normal_windows() {
        check(&[0.1, 2.0, 2.0, 2.0, 0.1, 2.0, 0.1, 0.1, 0.1], "..R....C.");
    }

    #[test]
    fn between_the_two_limits_nothing_changes() {
        check(&[2.0, 2.0, 0.7, 0.7, 0.7, 0.4, 0.7, 0.4, 0.4], ".R......C");
    }

    #[test]
    fn after_a_clear_it_stays_quiet_for_the_cooldown() {
        check(&[2.0, 2.0, 0.1, 0.1, 2.0, 2.0, 2.0, 2.0], ".R.C..R.");
    }

    #[test]
    fn silence_of_all_detectors_is_unknown_not_normal() {
        let mut state = VerdictState::default();
        let at = Timestamp::from_secs(0);
        assert_eq!(state.observe(&CONFIG, at, at, None), Change::None);
        assert_eq!(state.verdict(), Verdict::Unknown);
    }
}
