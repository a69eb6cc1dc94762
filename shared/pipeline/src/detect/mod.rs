//! The statistical detectors: always on, model or no model.
//!
//! Scoring and learning are separate steps. A window is scored against what was learnt before it;
//! whether it is learnt is decided afterwards, since a fault must not become the new normal.

mod flatline;
mod robust_z;
mod saved;

use eyot_signal::EwmaChart;

use self::flatline::Flatline;
use self::robust_z::RobustZ;
pub(crate) use self::saved::{SavedDetectors, Tuning};
use crate::config::{ChannelConfig, DetectorConfig, EwmaConfig};
use crate::effect::{ChannelSummary, Detector};
use crate::feature::Feature;
use crate::reading::ChannelIndex;

/// Scores are cut here: beyond it the number says nothing more, and stays printable.
pub const MAX_SCORE: f64 = 1e3;

/// What one detector says of one feature of one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finding {
    /// The channel.
    pub channel: ChannelIndex,
    /// The feature.
    pub feature: Feature,
    /// Who says so.
    pub detector: Detector,
    /// Relative to the detector's threshold: 1 and above is anomalous.
    pub score: f64,
    /// What was seen.
    pub value: f64,
    /// What was expected.
    pub expected: f64,
}

/// The detectors of one channel.
#[derive(Debug, Clone)]
pub struct ChannelDetectors {
    resolution: f64,
    robust: Box<[RobustZ]>,
    charts: Box<[(Feature, EwmaChart)]>,
    flatline: Option<Flatline>,
}

impl ChannelDetectors {
    /// Detectors that have learnt nothing yet.
    #[must_use]
    pub fn new(channel: &ChannelConfig, config: &DetectorConfig) -> Self {
        let on = channel.detect;
        let robust = config.robust_z.as_ref().filter(|_| on);
        let ewma = config.ewma.as_ref().filter(|_| on);
        let flatline = config.flatline.as_ref().filter(|_| on);
        Self {
            resolution: channel.resolution,
            robust: robust
                .into_iter()
                .flat_map(|c| c.features.iter().map(|f| RobustZ::new(*f, c)))
                .collect(),
            charts: ewma
                .into_iter()
                .flat_map(|c| c.features.iter().map(move |f| (*f, c)))
                .map(|(f, c)| (f, EwmaChart::new(c.lambda, chart_memory(c))))
                .collect(),
            flatline: flatline.map(|c| Flatline::new(c.min_readings)),
        }
    }

    /// Scores a channel's window, handing what each detector past its warm-up says to `found`.
    /// `scratch` holds as many values as the longest history. `asked` are the features that the class asks
    /// for; one that the window does not have is passed over.
    pub fn score(
        &mut self,
        part: &ChannelSummary,
        config: &DetectorConfig,
        asked: &[Feature],
        scratch: &mut [f64],
        mut found: impl FnMut(Finding),
    ) {
        let channel = part.channel;
        let mut say = |feature, detector, score: f64, value, expected| {
            found(Finding {
                channel,
                feature,
                detector,
                score: score.min(MAX_SCORE),
                value,
                expected,
            });
        };
        if let Some(c) = &config.robust_z {
            for robust in &mut self.robust {
                let Some(value) = part.value(robust.feature, asked) else {
                    continue;
                };
                if let Some(judged) = robust.score(c, value, self.resolution, scratch) {
                    let (score, expected) = (judged.score, judged.expected);
                    say(robust.feature, Detector::RobustZ, score, value, expected);
                }
            }
        }
        if let Some(c) = &config.ewma {
            for (feature, chart) in &mut self.charts {
                let Some(value) = part.value(*feature, asked) else {
                    continue;
                };
                let warm = chart.learnt() as usize >= c.warmup;
                // Until the baseline is warm nobody knows what is far.
                let clip = if warm { c.threshold } else { f64::INFINITY };
                let score = chart.score(value, self.resolution, clip) / c.threshold;
                if warm {
                    say(*feature, Detector::Ewma, score, value, chart.expected());
                }
            }
        }
        if let (Some(c), Some(flatline)) = (&config.flatline, &mut self.flatline)
            && let Some(score) = flatline.score(c, &part.features)
        {
            let usual = flatline.usual_std();
            say(
                Feature::Std,
                Detector::Flatline,
                score,
                part.features.std,
                usual,
            );
        }
    }

    /// Lets every baseline learn the window last scored.
    pub fn learn(&mut self, part: &ChannelSummary, asked: &[Feature]) {
        for robust in &mut self.robust {
            if let Some(value) = part.value(robust.feature, asked) {
                robust.learn(value);
            }
        }
        for (feature, chart) in &mut self.charts {
            if let Some(value) = part.value(*feature, asked) {
                chart.learn(value);
            }
        }
        if let Some(flatline) = &mut self.flatline {
            flatline.learn(&part.features);
        }
    }
}

/// Bytes that the detectors of one channel take beside themselves, at most.
pub(crate) fn bytes(config: &DetectorConfig) -> usize {
    let robust = config.robust_z.as_ref().map_or(0, |robust| {
        let each = robust.history.saturating_mul(size_of::<f32>());
        let each = each.saturating_add(size_of::<RobustZ>());
        each.saturating_mul(robust.features.len())
    });
    let charts = config.ewma.as_ref().map_or(0, |ewma| ewma.features.len());
    robust.saturating_add(charts.saturating_mul(size_of::<(Feature, EwmaChart)>()))
}

fn chart_memory(config: &EwmaConfig) -> u32 {
    u32::try_from(config.memory).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
