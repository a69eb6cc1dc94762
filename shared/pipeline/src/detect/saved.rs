//! What the detectors have learnt, as a checkpoint holds it.

use eyot_signal::{ChartState, EwmaChart};
use serde::{Deserialize, Serialize};

use super::ChannelDetectors;
use super::flatline::Seen;
use crate::config::DetectorConfig;
use crate::effect::Detector;
use crate::feature::Feature;
use crate::lean;

/// The parameters that give what was learnt its meaning. A detector whose parameters have changed
/// starts afresh; limits are no parameters in this sense, they are applied to what was learnt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tuning {
    /// History and warm-up.
    robust_z: Option<(usize, usize)>,
    /// Weight of the newest window, memory and warm-up.
    ewma: Option<(f64, usize, usize)>,
    /// Readings a window needs, and warm-up.
    flatline: Option<(u64, usize)>,
}

impl Tuning {
    pub(crate) fn of(config: &DetectorConfig) -> Self {
        Self {
            robust_z: config.robust_z.as_ref().map(|c| (c.history, c.warmup)),
            ewma: config.ewma.as_ref().map(|c| (c.lambda, c.memory, c.warmup)),
            flatline: config.flatline.as_ref().map(|c| (c.min_readings, c.warmup)),
        }
    }

    /// The detectors that were on and still are, but tuned otherwise.
    pub(crate) fn changed(&self, now: &Self) -> Vec<Detector> {
        fn differ<T: PartialEq + Copy>(was: Option<T>, is: Option<T>) -> bool {
            was.is_some() && is.is_some() && was != is
        }
        [
            (Detector::RobustZ, differ(self.robust_z, now.robust_z)),
            (Detector::Ewma, differ(self.ewma, now.ewma)),
            (Detector::Flatline, differ(self.flatline, now.flatline)),
        ]
        .into_iter()
        .filter_map(|(detector, changed)| changed.then_some(detector))
        .collect()
    }
}

/// What the detectors of one channel have learnt.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SavedDetectors {
    #[serde(deserialize_with = "lean::collect")]
    robust: Vec<SavedRobustZ>,
    #[serde(deserialize_with = "lean::collect")]
    charts: Vec<(Feature, ChartState)>,
    flatline: Option<Seen>,
}

/// What a robust z-score has learnt of one feature.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SavedRobustZ {
    pub(super) feature: Feature,
    /// Where in the ring of values the next one goes.
    pub(super) next: usize,
    #[serde(deserialize_with = "lean::collect")]
    pub(super) values: Vec<f32>,
    pub(super) errors: u32,
    pub(super) mean_square: f64,
}

impl ChannelDetectors {
    /// What they have learnt.
    pub(crate) fn save(&self) -> SavedDetectors {
        SavedDetectors {
            robust: self.robust.iter().map(super::RobustZ::save).collect(),
            charts: self
                .charts
                .iter()
                .map(|(feature, chart)| (*feature, chart.state()))
                .collect(),
            flatline: self.flatline.as_ref().map(super::Flatline::seen),
        }
    }

    /// Goes on from what was learnt, feature by feature, but not where the parameters `were` others
    /// than they are; `None` if no detectors can have learnt it.
    pub(crate) fn resume(
        &mut self,
        saved: &SavedDetectors,
        were: &Tuning,
        config: &DetectorConfig,
    ) -> Option<()> {
        let are = Tuning::of(config);
        if let Some(c) = &config.robust_z
            && were.robust_z == are.robust_z
        {
            for robust in &mut self.robust {
                let known = saved.robust.iter().find(|s| s.feature == robust.feature);
                if let Some(known) = known {
                    robust.resume(c, known)?;
                }
            }
        }
        if let Some(c) = &config.ewma
            && were.ewma == are.ewma
        {
            for (feature, chart) in &mut self.charts {
                let known = saved.charts.iter().find(|(known, _)| known == feature);
                if let Some((_, state)) = known {
                    *chart = EwmaChart::resume(c.lambda, super::chart_memory(c), *state);
                }
            }
        }
        if let (Some(flatline), Some(seen)) = (&mut self.flatline, saved.flatline)
            && were.flatline == are.flatline
        {
            flatline.resume(seen)?;
        }
        Some(())
    }
}
