//! A sensor that has stopped moving.

use eyot_signal::Summary;

use crate::config::FlatlineConfig;

/// Counts flat windows, and how usual they are on this channel.
#[derive(Debug, Clone)]
pub(super) struct Flatline {
    min_readings: u64,
    run: u32,
    learnt: u32,
    learnt_flat: u32,
    mean_std: f64,
}

fn is_flat(window: &Summary) -> bool {
    window.min >= window.max
}

impl Flatline {
    /// Has seen nothing yet. Windows of fewer readings are never judged, nor learnt from: a single
    /// reading is always flat.
    pub(super) fn new(min_readings: u64) -> Self {
        Self {
            min_readings,
            run: 0,
            learnt: 0,
            learnt_flat: 0,
            mean_std: 0.0,
        }
    }

    /// Length of the present run of flat windows over the configured one; `None` during the
    /// warm-up, on channels that are often flat, and for windows with too few readings.
    pub(super) fn score(&mut self, config: &FlatlineConfig, window: &Summary) -> Option<f64> {
        if window.count < self.min_readings {
            return None;
        }
        self.run = if is_flat(window) {
            self.run.saturating_add(1)
        } else {
            0
        };
        let usual = self.learnt_flat.saturating_mul(10) > self.learnt;
        if usual || (self.learnt as usize) < config.warmup {
            return None;
        }
        Some(f64::from(self.run) / f64::from(config.windows))
    }

    /// Mean standard deviation of the windows learnt: what a sensor that moves shows here.
    pub(super) fn usual_std(&self) -> f64 {
        self.mean_std
    }

    /// Learns whether being flat is usual here. Halves its counts now and then, so that it forgets.
    pub(super) fn learn(&mut self, window: &Summary) {
        if window.count < self.min_readings {
            return;
        }
        self.learnt += 1;
        self.learnt_flat += u32::from(is_flat(window));
        self.mean_std += (window.std - self.mean_std) / f64::from(self.learnt);
        if self.learnt == 4096 {
            self.learnt /= 2;
            self.learnt_flat /= 2;
        }
    }
}
