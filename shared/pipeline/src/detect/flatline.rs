//! A sensor that has stopped moving.

use eyot_signal::Summary;
use serde::{Deserialize, Serialize};

use crate::config::FlatlineConfig;

/// Counts flat windows, and how usual they are on this channel.
#[derive(Debug, Clone)]
pub(super) struct Flatline {
    min_readings: u64,
    seen: Seen,
}

/// What a [`Flatline`] has seen, apart from its parameters.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    run: u32,
    learnt: u32,
    learnt_flat: u32,
    mean_std: f64,
}

/// Windows learnt at which the counts are halved.
const MEMORY: u32 = 4096;

fn is_flat(window: &Summary) -> bool {
    window.min >= window.max
}

impl Flatline {
    /// Has seen nothing yet. Windows of fewer readings are never judged, nor learnt from: a single
    /// reading is always flat.
    pub(super) fn new(min_readings: u64) -> Self {
        Self {
            min_readings,
            seen: Seen::default(),
        }
    }

    /// What it has seen.
    pub(super) fn seen(&self) -> Seen {
        self.seen
    }

    /// Goes on from what another has seen; `None` if none can have seen it.
    pub(super) fn resume(&mut self, seen: Seen) -> Option<()> {
        (seen.learnt < MEMORY && seen.learnt_flat <= seen.learnt).then(|| self.seen = seen)
    }

    /// Length of the present run of flat windows over the configured one; `None` during the
    /// warm-up, on channels that are often flat, and for windows with too few readings.
    pub(super) fn score(&mut self, config: &FlatlineConfig, window: &Summary) -> Option<f64> {
        if window.count < self.min_readings {
            return None;
        }
        let seen = &mut self.seen;
        seen.run = if is_flat(window) {
            seen.run.saturating_add(1)
        } else {
            0
        };
        let usual = seen.learnt_flat.saturating_mul(10) > seen.learnt;
        if usual || (seen.learnt as usize) < config.warmup {
            return None;
        }
        Some(f64::from(seen.run) / f64::from(config.windows))
    }

    /// Mean standard deviation of the windows learnt: what a sensor that moves shows here.
    pub(super) fn usual_std(&self) -> f64 {
        self.seen.mean_std
    }

    /// Learns whether being flat is usual here. Halves its counts now and then, so that it forgets.
    pub(super) fn learn(&mut self, window: &Summary) {
        if window.count < self.min_readings {
            return;
        }
        let seen = &mut self.seen;
        seen.learnt += 1;
        seen.learnt_flat += u32::from(is_flat(window));
        seen.mean_std += (window.std - seen.mean_std) / f64::from(seen.learnt);
        if seen.learnt == MEMORY {
            seen.learnt /= 2;
            seen.learnt_flat /= 2;
        }
    }
}
