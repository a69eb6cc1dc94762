//! When a failed device is started again, and when it is left alone.

use std::collections::VecDeque;

use crate::time::{Span, Timestamp};

/// How much failing is tolerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Restarts within `window`; one more failure quarantines.
    pub restarts: u32,
    /// The window.
    pub window: Span,
    /// Pause before the first restart; it doubles with every further one in the window.
    pub first_pause: Span,
}

/// What to do with a device that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Start it again after this pause.
    Restart(Span),
    /// Leave it alone and report it.
    Quarantine,
}

/// The recent failures of one device.
#[derive(Debug, Clone, Default)]
pub struct Failures(VecDeque<Timestamp>);

impl Failures {
    /// Notes a failure at `now` and decides.
    pub fn decide(&mut self, policy: &RestartPolicy, now: Timestamp) -> Decision {
        while self.0.front().is_some_and(|at| now - *at >= policy.window) {
            self.0.pop_front();
        }
        self.0.push_back(now);
        let failures = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        if failures > policy.restarts {
            return Decision::Quarantine;
        }
        let doublings = (failures - 1).min(16);
        Decision::Restart(policy.first_pause.times(1 << doublings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RestartPolicy = RestartPolicy {
        restarts: 3,
        window: Span::from_secs(60),
        first_pause: Span::from_millis(100),
    };

    fn check(at: &[i64], expected: &[Decision]) {
        let mut failures = Failures::default();
        let got: Vec<_> = at
            .iter()
            .map(|s| failures.decide(&POLICY, Timestamp::from_secs(*s)))
            .collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn restarts_are_bounded_within_the_window() {
        let restart = |ms| Decision::Restart(Span::from_millis(ms));
        check(
            &[0, 1, 2, 3],
            &[
                restart(100),
                restart(200),
                restart(400),
                Decision::Quarantine,
            ],
        );
    }

    #[test]
    fn old_failures_are_forgiven() {
        let restart = |ms| Decision::Restart(Span::from_millis(ms));
        check(
            &[0, 1, 2, 70, 71],
            &[
                restart(100),
                restart(200),
                restart(400),
                restart(100),
                restart(200),
            ],
        );
    }
}
