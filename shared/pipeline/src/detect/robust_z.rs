//! One feature of one channel against its own recent past.

use eyot_signal::{ForecastError, History};

use super::saved::SavedRobustZ;
use crate::config::RobustZConfig;
use crate::feature::Feature;

/// Histories after which the measured error starts to forget.
const ERROR_MEMORY: usize = 6;

/// What a score was made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judgement {
    /// Relative to the threshold.
    pub(super) score: f64,
    /// The median of the history.
    pub(super) expected: f64,
}

/// Robust z-score of one feature.
///
/// The median of the last windows is a forecast of the next, and how far a series lies from it while
/// all is well is more than the spread of the history whenever the series wanders: neighbouring
/// windows are alike, so a short history shows only part of where the series goes. So the errors of the
/// forecasts are measured as well, over a longer time, and the larger of the two is sigma.
#[derive(Debug, Clone)]
pub(super) struct RobustZ {
    pub(super) feature: Feature,
    history: History<Box<[f32]>>,
    error: ForecastError,
    /// By how much the forecast of the window last scored was off; not a number if there was none.
    latest: f64,
}

impl RobustZ {
    /// Has seen nothing yet.
    pub(super) fn new(feature: Feature, config: &RobustZConfig) -> Self {
        Self {
            feature,
            history: History::new(vec![0.0_f32; config.history].into_boxed_slice()),
            error: ForecastError::new(error_memory(config)),
            latest: f64::NAN,
        }
    }

    /// What it has learnt. The latest error is not part of it: it goes from scoring a window to
    /// learning it, and nothing comes in between.
    pub(super) fn save(&self) -> SavedRobustZ {
        SavedRobustZ {
            feature: self.feature,
            next: self.history.next(),
            values: self.history.values().to_vec(),
            errors: self.error.count(),
            mean_square: self.error.mean_square(),
        }
    }

    /// Goes on from what another of the same feature and parameters has learnt; `None` if none can
    /// have learnt it.
    pub(super) fn resume(&mut self, config: &RobustZConfig, saved: &SavedRobustZ) -> Option<()> {
        let storage = vec![0.0_f32; config.history].into_boxed_slice();
        self.history = History::resume(storage, &saved.values, saved.next)?;
        self.error = ForecastError::resume(error_memory(config), saved.errors, saved.mean_square);
        Some(())
    }

    /// Judges a value; `None` during the warm-up. `scratch` holds as many values as the history.
    ///
    /// An error beyond the limit counts as the limit, so that what is learnt although it is far
    /// out, because it has lasted, widens the limits step by step and does not blind the detector.
    pub(super) fn score(
        &mut self,
        config: &RobustZConfig,
        value: f64,
        resolution: f64,
        scratch: &mut [f64],
    ) -> Option<Judgement> {
        self.latest = f64::NAN;
        // Medians of a few values are no forecast worth measuring.
        if self.history.len() < config.warmup / 2 {
            return None;
        }
        let robust = self.history.robust(scratch)?.at_least(self.error.sigma());
        let limit = config.threshold * robust.floored_sigma(resolution);
        self.latest = (value - robust.median).clamp(-limit, limit);
        (self.history.len() >= config.warmup).then(|| Judgement {
            score: robust.z(value, resolution) / config.threshold,
            expected: robust.median,
        })
    }

    /// Learns the value last scored.
    pub(super) fn learn(&mut self, value: f64) {
        self.history.push(value);
        self.error.push(self.latest);
    }
}

fn error_memory(config: &RobustZConfig) -> u32 {
    u32::try_from(config.history.saturating_mul(ERROR_MEMORY)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RobustZConfig {
        RobustZConfig {
            features: vec![Feature::Mean],
            threshold: 3.0,
            history: 60,
            warmup: 20,
        }
    }

    /// A series that wanders: each value is near the one before it (autocorrelation 0.995).
    fn wandering() -> impl Iterator<Item = f64> {
        let (mut state, mut value) = (1_u64, 0.0);
        std::iter::repeat_with(move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let noise = (state >> 33) as f64 / f64::from(1_u32 << 31) - 0.5;
            value = 0.995 * value + noise;
            value
        })
    }

    #[test]
    fn a_series_that_wanders_stays_within_limits_that_its_short_history_alone_would_not_give() {
        let (config, mut scratch) = (config(), [0.0; 60]);
        let mut robust = RobustZ::new(Feature::Mean, &config);
        let mut history = History::new([0.0_f32; 60]);
        let (mut over, mut over_alone) = (0, 0);
        for value in wandering().take(20_000) {
            let judged = robust.score(&config, value, 0.0, &mut scratch);
            over += u32::from(judged.is_some_and(|judged| judged.score >= 1.0));
            let alone = history.robust(&mut scratch);
            over_alone += u32::from(alone.is_some_and(|alone| alone.z(value, 0.0) >= 3.0));
            robust.learn(value);
            history.push(value);
        }
        assert!(
            over_alone > 20 && over < over_alone / 10,
            "{over} of {over_alone}"
        );
    }

    #[test]
    fn what_is_learnt_although_it_is_far_out_does_not_blind_it() {
        let (config, mut scratch) = (config(), [0.0; 60]);
        let mut robust = RobustZ::new(Feature::Mean, &config);
        for (i, value) in wandering().take(500).enumerate() {
            let value = if i == 400 { 1e9 } else { value };
            robust.score(&config, value, 0.0, &mut scratch);
            robust.learn(value);
        }
        let judged = robust.score(&config, 40.0, 0.0, &mut scratch).unwrap();
        assert!(judged.score > 1.0, "{judged:?}");
    }
}
