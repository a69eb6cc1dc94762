//! A model bound to a class: which of the class's channels feed which input, and what the
//! difference between input and reconstruction says.

use std::iter::repeat_n;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::ClassConfig;
use crate::detect::{Finding, MAX_SCORE};
use crate::effect::{DegradedReason, Detector, ModelScore};
use crate::feature::Feature;
use crate::frame::Frame;
use crate::lean;
use crate::reading::ChannelIndex;
use crate::scorer::{InputSpec, ModelId, Scorer, Transform, View};
use crate::window::WindowSpec;

/// The model cannot judge devices of the class.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It asks for a channel that the class does not have.
    #[error(
        "model `{model}` needs channel `{channel}`, which class `{class}` does not have; its channels are {}",
        .channels.join(", ")
    )]
    Channel {
        /// Name of the model.
        model: String,
        /// Name of the class.
        class: String,
        /// What it asks for.
        channel: String,
        /// What there is.
        channels: Vec<String>,
    },
    /// It asks for a feature that the class does not compute.
    #[error(
        "model `{model}` needs feature `{feature}`, which class `{class}` does not list in `features`"
    )]
    Feature {
        /// Name of the model.
        model: String,
        /// Name of the class.
        class: String,
        /// What it asks for.
        feature: Feature,
    },
    /// It asks for several channels, whose windows have nothing in common.
    #[error(
        "model `{model}` needs several channels at once, and windows of class `{class}` ({window}) are of one channel each"
    )]
    Apart {
        /// Name of the model.
        model: String,
        /// Name of the class.
        class: String,
        /// Its windows.
        window: WindowSpec,
    },
}

/// The channels of the class that a model's inputs come from.
///
/// # Errors
/// When the class lacks a channel or a feature, or has windows of one channel each for a model of
/// several.
pub fn resolve(
    model: &str,
    inputs: &[InputSpec],
    class: &ClassConfig,
) -> Result<Vec<ChannelIndex>, BindError> {
    let model = || model.to_owned();
    let mut channels = Vec::new();
    for input in inputs {
        let channel = class
            .channel_index(&input.channel)
            .ok_or_else(|| BindError::Channel {
                model: model(),
                class: class.name.clone(),
                channel: input.channel.clone(),
                channels: class.channels.iter().map(|c| c.name.clone()).collect(),
            })?;
        if let View::Feature(feature) = input.view
            && !Feature::BASIC.contains(&feature)
            && !class.features.contains(&feature)
        {
            return Err(BindError::Feature {
                model: model(),
                class: class.name.clone(),
                feature,
            });
        }
        channels.push(channel);
    }
    if !class.window.is_aligned() && channels.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(BindError::Apart {
            model: model(),
            class: class.name.clone(),
            window: class.window,
        });
    }
    Ok(channels)
}

/// Lets the channels of a class have what a model with these inputs sees of their readings, where it wants them themselves. The
/// class is copied only then.
pub fn give_readings(inputs: &[InputSpec], class: &mut Arc<ClassConfig>) {
    for input in inputs {
        if let View::Readings(raster) = input.view
            && let Some(channel) = class.channel_index(&input.channel)
        {
            Arc::make_mut(class).channels[usize::from(channel)].raster = Some(raster);
        }
    }
}

/// A scorer whose inputs are resolved to the channels of one class. Shared by all its devices.
#[derive(Clone)]
pub struct Model {
    scorer: Arc<dyn Scorer>,
    channels: Arc<[ChannelIndex]>,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("id", self.scorer.id())
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Resolves the scorer's inputs.
    ///
    /// # Errors
    /// When the class lacks a channel or a feature, or has windows of one channel each for a model of
    /// several. It has been through [`give_readings`].
    pub fn bind(scorer: Arc<dyn Scorer>, class: &ClassConfig) -> Result<Self, BindError> {
        let channels = resolve(&scorer.id().name, scorer.inputs(), class)?.into();
        Ok(Self { scorer, channels })
    }

    /// Name and version.
    #[must_use]
    pub fn id(&self) -> &ModelId {
        self.scorer.id()
    }

    /// How many numbers it takes.
    fn width(&self) -> usize {
        let inputs = self.scorer.inputs().iter();
        inputs.map(|input| input.view.width()).sum()
    }

    /// Whether it can go on from `baseline`, as far as the number of its inputs tells.
    pub(crate) fn accepts(&self, baseline: &Baseline) -> bool {
        let learnt = baseline.mean.len();
        learnt
            == if baseline.learnt == 0 {
                0
            } else {
                self.width()
            }
    }

    /// Scores a frame against what `baseline` has learnt. `asked` are the features that the class asks for. Hands the part of every input in the
    /// score to `found`.
    pub fn score(
        &self,
        frame: &Frame,
        asked: &[Feature],
        baseline: &mut Baseline,
        found: impl FnMut(Finding),
    ) -> ModelScore {
        let model = self.scorer.id().clone();
        baseline.latest.clear();
        match self.try_score(frame, asked, baseline, found) {
            Ok(score) => ModelScore::Scored { model, score },
            Err(reason) => ModelScore::Degraded { model, reason },
        }
    }

    fn try_score(
        &self,
        frame: &Frame,
        asked: &[Feature],
        baseline: &mut Baseline,
        mut found: impl FnMut(Finding),
    ) -> Result<f64, DegradedReason> {
        let specs = self.scorer.inputs();
        let values = self
            .values(frame, asked)
            .ok_or(DegradedReason::MissingInput)?;
        let clip = self.scorer.clip();
        // Which of the inputs each number is of.
        let of: Vec<usize> = (0..)
            .zip(specs)
            .flat_map(|(at, spec)| repeat_n(at, spec.view.width()))
            .collect();
        let scaled =
            |(at, value): (&usize, &f64)| (specs[*at].scaled(*value) as f32).clamp(-clip, clip);
        let input: Vec<f32> = of.iter().zip(&values).map(scaled).collect();
        let mut output = vec![0.0; input.len()];
        self.scorer
            .reconstruct(&input, &mut output)
            .map_err(|_| DegradedReason::InferenceFailed)?;
        if output.iter().any(|y| !y.is_finite()) {
            return Err(DegradedReason::NotFinite);
        }
        baseline
            .latest
            .extend(input.iter().zip(&output).map(|(x, y)| x - y));
        if baseline.learnt < self.scorer.warmup() {
            return Err(DegradedReason::WarmingUp);
        }
        let expected: Vec<f64> = output
            .iter()
            .enumerate()
            .map(|(i, y)| f64::from(*y) + baseline.bias(i))
            .collect();
        let squares: Vec<f64> = input
            .iter()
            .zip(&expected)
            .map(|(x, y)| (f64::from(*x) - y).powi(2))
            .collect();
        let total: f64 = squares.iter().sum();
        let mean = total / squares.len() as f64;
        // A square root, so that the score grows with the distance as the other detectors' do.
        let score = (mean / f64::from(self.scorer.threshold())).sqrt();
        if !score.is_finite() {
            return Err(DegradedReason::NotFinite);
        }
        let score = score.min(MAX_SCORE);
        let mut from = 0;
        for (spec, channel) in specs.iter().zip(self.channels.iter()) {
            let all = from..from + spec.view.width();
            from = all.end;
            let part: f64 = squares[all.clone()].iter().sum();
            // Of readings, the one that is furthest from what was expected speaks for all.
            let worst = all.max_by(|a, b| squares[*a].total_cmp(&squares[*b]));
            let Some(worst) = worst else { continue };
            found(Finding {
                channel: *channel,
                feature: match spec.view {
                    View::Feature(feature) => feature,
                    View::Readings(_) => Feature::Reading,
                },
                detector: Detector::Model,
                score: if total > 0.0 {
                    score * part / total
                } else {
                    0.0
                },
                value: values[worst],
                expected: spec.unscaled(expected[worst]),
            });
        }
        Ok(score)
    }

    /// What it sees of a frame, before scaling: all of the first input, then of the next. `None` if anything is missing.
    fn values(&self, frame: &Frame, asked: &[Feature]) -> Option<Vec<f64>> {
        let mut values = Vec::with_capacity(self.width());
        for (spec, channel) in self.scorer.inputs().iter().zip(self.channels.iter()) {
            let part = frame.channels.iter().find(|c| c.channel == *channel)?;
            match spec.view {
                View::Feature(feature) => values.push(part.value(feature, asked)?),
                View::Readings(raster) => {
                    let readings = part.extra.get(asked.len()..)?;
                    if readings.len() != usize::from(raster.points) {
                        return None;
                    }
                    for reading in readings {
                        values.push((*reading)?);
                    }
                }
            }
        }
        Some(values)
    }

    /// Lets `baseline` learn the residual of the window last scored.
    pub fn learn(&self, baseline: &mut Baseline) {
        if self.scorer.warmup() == 0 || baseline.latest.is_empty() {
            return;
        }
        baseline.learnt = baseline.learnt.saturating_add(1);
        baseline.mean.resize(baseline.latest.len(), 0.0);
        let weight = 1.0 / baseline.learnt.min(BASELINE_MEMORY) as f32;
        for (mean, residual) in baseline.mean.iter_mut().zip(&baseline.latest) {
            *mean += weight * (residual - *mean);
        }
    }
}

/// Windows after which a device's mean residual starts to forget.
const BASELINE_MEMORY: u32 = 720;

/// What a model has learnt of one device: how it differs from the fleet that the model was trained on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Baseline {
    /// Windows learnt.
    learnt: u32,
    /// Mean residual by input.
    #[serde(deserialize_with = "lean::collect")]
    mean: Vec<f32>,
    /// Residuals of the window last scored. They go from scoring a window to learning it, and nothing
    /// comes in between.
    #[serde(skip)]
    latest: Vec<f32>,
}

impl Baseline {
    fn bias(&self, input: usize) -> f64 {
        self.mean.get(input).copied().map_or(0.0, f64::from)
    }
}

impl InputSpec {
    /// A value as the model sees it, before clipping.
    #[must_use]
    pub fn scaled(&self, value: f64) -> f64 {
        let transformed = match self.transform {
            Transform::Identity => value,
            Transform::Log { offset } => libm::log(value + offset),
        };
        (transformed - self.center) / self.scale
    }

    /// The inverse of [`InputSpec::scaled`].
    #[must_use]
    pub fn unscaled(&self, input: f64) -> f64 {
        let transformed = input * self.scale + self.center;
        match self.transform {
            Transform::Identity => transformed,
            Transform::Log { offset } => libm::exp(transformed) - offset,
        }
    }
}
