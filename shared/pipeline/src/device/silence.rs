//! Devices that report periodically, and have not.

use serde::{Deserialize, Serialize};

use super::Device;
use crate::effect::{AlertState, Effect, Numbered, Stale};
use crate::gateway::EventsBy;
use crate::time::{Span, Timestamp};
use crate::window::{Report, STALE_AFTER};

/// When the device was last heard, and what was said about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Silence {
    /// Gateway time.
    last_heard: Option<Timestamp>,
    /// Number of the effect that said that it is stale, as long as it is, and how often it should report.
    raised: Option<(u64, Span)>,
}

impl Silence {
    /// The gateway's clock shows `by` more from now on.
    pub(super) fn step(&mut self, by: Span) {
        self.last_heard = self.last_heard.map(|heard| heard + by);
    }

    /// Gateway time at which the device counts as stale, if it does not already.
    pub(super) fn stale_at(&self, report: Report) -> Option<Timestamp> {
        match report {
            Report::Periodic { every } if self.raised.is_none() => {
                Some(self.last_heard? + every.times(STALE_AFTER))
            }
            Report::Periodic { .. } | Report::OnChange => None,
        }
    }
}

impl Device {
    /// The device has sent something, whatever became of it.
    pub(super) fn hear(&mut self, now: Timestamp, effects: &mut Vec<Numbered>) {
        let before = self.silence.last_heard.replace(now);
        if let Some((episode, every)) = self.silence.raised.take() {
            let stale = Stale {
                state: AlertState::Cleared,
                episode,
                last_heard: before.unwrap_or(now),
                every,
                decided_at: now,
            };
            self.emit(Effect::Stale(Box::new(stale)), EventsBy::Gateway, effects);
        }
    }

    /// Says so, once, if the device has been silent for too long.
    pub(super) fn listen(&mut self, now: Timestamp, effects: &mut Vec<Numbered>) {
        let due = self.silence.stale_at(self.class.report);
        let (Report::Periodic { every }, Some(last_heard)) =
            (self.class.report, self.silence.last_heard)
        else {
            return;
        };
        if due.is_some_and(|due| now >= due) {
            let episode = self.next_effect;
            self.silence.raised = Some((episode, every));
            let stale = Stale {
                state: AlertState::Raised,
                episode,
                last_heard,
                every,
                decided_at: now,
            };
            self.emit(Effect::Stale(Box::new(stale)), EventsBy::Gateway, effects);
        }
    }
}
