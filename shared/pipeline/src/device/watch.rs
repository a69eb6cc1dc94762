//! What is remembered from window to window about a verdict, its learning and its summaries.

use serde::{Deserialize, Serialize};

use crate::effect::Verdict;
use crate::time::Timestamp;
use crate::verdict::VerdictState;
use crate::window::Emit;

/// The memory behind one sequence of windows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Watch {
    pub(super) verdict: VerdictState,
    /// Consecutive windows not learnt because they looked anomalous.
    pub(super) unlearnt: u32,
    /// What the last summary said.
    said: Option<Said>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Said {
    end: Timestamp,
    odd: bool,
    verdict: Verdict,
}

impl Watch {
    /// One that has said nothing yet.
    pub(super) fn new(verdict: VerdictState, unlearnt: u32) -> Self {
        Self {
            verdict,
            unlearnt,
            said: None,
        }
    }

    /// What comes next is by another clock: nothing is so long ago, or yet to come.
    pub(super) fn begin_anew(&mut self) {
        self.said = None;
        self.verdict.end_cooldown();
    }

    /// Whether a window becomes a summary, which is remembered. `odd`: it counts as anomalous.
    pub(super) fn says(&mut self, emit: Emit, end: Timestamp, odd: bool, alert: bool) -> bool {
        let now = Said {
            end,
            odd,
            verdict: self.verdict.verdict(),
        };
        let says = alert
            || self.said.is_none_or(|said| match emit {
                Emit::Every => true,
                Emit::OnChange => (said.odd, said.verdict) != (now.odd, now.verdict),
                Emit::Interval(span) => end >= said.end + span,
            });
        if says {
            self.said = Some(now);
        }
        says
    }
}
