//! How long to wait before the next attempt: exponential backoff with full jitter.
//!
//! The ceiling doubles with each failure up to a limit, and the pause is drawn uniformly from zero
//! to the ceiling. A fleet that lost its broker in the same second therefore comes back spread out,
//! not in waves. The randomness is the caller's, so the same draws give the same pauses.

use core::time::Duration;

/// The state of one series of attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    largest: Duration,
    ceiling: Duration,
}

impl Backoff {
    /// A series whose first pause is at most `first` and whose later ones are never more than `largest`.
    #[must_use]
    pub fn new(first: Duration, largest: Duration) -> Self {
        let first = first.min(largest);
        Self {
            first,
            largest,
            ceiling: first,
        }
    }

    /// A series in which `failures` have happened, the next one included: [`Backoff::next`] gives its pause.
    #[must_use]
    pub fn nth(first: Duration, largest: Duration, failures: u32) -> Self {
        let mut backoff = Self::new(first, largest);
        let doubled = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        backoff.ceiling = backoff.first.saturating_mul(doubled).min(largest);
        backoff
    }

    /// The pause after one more failure. `unit_random` is uniform in `[0, 1)`; what lies outside is clamped.
    #[must_use]
    pub fn next(&mut self, unit_random: f64) -> Duration {
        // NaN compares false, so it becomes zero: `mul_f64` would panic on it.
        let share = if unit_random > 0.0 {
            unit_random.min(1.0)
        } else {
            0.0
        };
        let pause = self.ceiling.mul_f64(share);
        self.ceiling = self.ceiling.saturating_mul(2).min(self.largest);
        pause
    }

    /// Starts over; to be called when an attempt has succeeded.
    pub fn reset(&mut self) {
        self.ceiling = self.first;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: Duration = Duration::from_millis(500);
    const LARGEST: Duration = Duration::from_secs(3);

    #[test]
    fn the_ceiling_doubles_up_to_the_largest() {
        let mut backoff = Backoff::new(FIRST, LARGEST);
        let pauses: Vec<u128> = (0..5).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 3000, 3000]);
    }

    #[test]
    fn the_draw_scales_the_pause() {
        let mut backoff = Backoff::new(FIRST, LARGEST);
        assert_eq!(backoff.next(0.5), FIRST / 2);
        assert_eq!(backoff.next(0.25), FIRST / 2);
        assert_eq!(backoff.next(0.0), Duration::ZERO);
    }

    #[test]
    fn a_success_starts_over() {
        let mut backoff = Backoff::new(FIRST, LARGEST);
        let _ = backoff.next(0.1);
        let _ = backoff.next(0.1);
        backoff.reset();
        assert_eq!(backoff, Backoff::new(FIRST, LARGEST));
    }

    #[test]
    fn a_first_above_the_largest_is_cut() {
        assert_eq!(Backoff::new(LARGEST, FIRST).next(1.0), FIRST);
    }

    proptest! {
        /// Against the closed form, for any draw at all, NaN and infinities among them.
        #[test]
        fn the_nth_pause_is_within_its_ceiling(
            first in 0u64..10_000,
            largest in 0u64..1_000_000,
            draws in prop::collection::vec(any::<f64>(), 1..200),
        ) {
            let mut backoff = Backoff::new(Duration::from_millis(first), Duration::from_millis(largest));
            for (n, draw) in draws.into_iter().enumerate() {
                let ceiling = u128::from(first) << n.min(60);
                let pause = backoff.next(draw);
                prop_assert!(pause.as_millis() <= ceiling.min(u128::from(largest)));
            }
        }
    }
}
