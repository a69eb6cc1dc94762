//! How long commits are put off so that less is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// No commit is put off for longer than this.
const LONGEST: Duration = Duration::from_mins(1);
/// What is stretched where a commit would not wait at all.
const LEAST: Duration = Duration::from_millis(20);

/// A factor for the waits of commits, shared between whoever decides it and whoever waits. 1 from the start.
#[derive(Debug, Clone)]
pub struct Pace(Arc<AtomicU64>);

impl Default for Pace {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(1.0_f64.to_bits())))
    }
}

impl Pace {
    /// Makes waits `factor` times as long as configured, 1 at least.
    pub fn set(&self, factor: f64) {
        self.0.store(factor.max(1.0).to_bits(), Ordering::Relaxed);
    }

    /// How many times as long as configured waits are.
    pub fn factor(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// How long something waits that waits for `configured` otherwise; A minute at most, unless that is more.
    pub fn stretch(&self, configured: Duration) -> Duration {
        let factor = self.factor();
        if factor <= 1.0 {
            return configured;
        }
        let stretched = configured.max(LEAST).mul_f64(factor);
        stretched.min(LONGEST).max(configured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_stretched_up_to_a_minute_and_never_shortened() {
        let pace = Pace::default();
        let second = Duration::from_secs(1);
        let waits =
            |pace: &Pace| [Duration::ZERO, second, 90 * second].map(|wait| pace.stretch(wait));
        assert_eq!(waits(&pace), [Duration::ZERO, second, 90 * second]);
        pace.set(0.5);
        assert_eq!(waits(&pace), [Duration::ZERO, second, 90 * second]);
        pace.set(10.0);
        assert_eq!(waits(&pace), [second / 5, 10 * second, 90 * second]);
        pace.set(600.0);
        assert_eq!(waits(&pace), [12 * second, LONGEST, 90 * second]);
    }
}
