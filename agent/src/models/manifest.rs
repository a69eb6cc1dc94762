//! The manifest of a model.

use std::path::Path;

use eyot_pipeline::Span;
use eyot_pipeline::feature::Feature;
use eyot_pipeline::grid::Align;
use eyot_pipeline::raster::Raster;
use eyot_pipeline::scorer::{InputSpec, ModelId, Transform, View};
use serde::Deserialize;

use super::ModelError;

/// Numbers that a network takes at most.
const MOST_NUMBERS: usize = 65_536;
/// A day: what is older says nothing of an instant.
pub const MAX_AGE_S: f64 = 86_400.0;

/// `manifest.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name of the model.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is; there is one kind so far.
    pub kind: Kind,
    /// SHA-256 of `model.onnx`, in lower-case hex.
    pub sha256: String,
    /// Scaled inputs are clipped to ± this.
    pub clip: f32,
    /// Mean squared residual that counts as anomalous.
    pub threshold: f32,
    /// Windows over which a device's own mean residual is learnt before the model speaks; 0: none.
    pub warmup: u32,
    /// Largest absolute difference of a golden output.
    pub tolerance: f32,
    /// How the threshold was found and what the model was trained on, for people.
    pub provenance: Provenance,
    /// For a model of readings: at which instants of a window it wants them.
    pub readings: Option<Readings>,
    /// The inputs, in the network's order.
    pub input: Vec<Input>,
    /// Scaled inputs with the outputs they must give.
    pub golden: Vec<Golden>,
}

/// Kinds of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Reconstructs its input; the residual is the score.
    Autoencoder,
}

/// Where a model comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// What it was trained on.
    pub training_data: String,
    /// SHA-256 of the training features, in lower-case hex.
    pub training_sha256: String,
    /// How the threshold was calibrated.
    pub calibration: String,
}

/// At which instants of a window a model wants readings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Readings {
    /// How many, evenly spaced from the window's start on.
    pub points: u16,
    /// What a channel has between its readings.
    pub align: Align,
    /// How far away, in seconds, the readings may be that this comes from.
    pub max_age_s: f64,
}

/// One input.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Channel name.
    pub channel: String,
    /// Name of the window feature; none in a model of readings.
    pub feature: Option<Feature>,
    /// With it, ln(x + offset) is taken before scaling.
    pub log_offset: Option<f64>,
    /// Subtracted.
    pub center: f64,
    /// Divided by.
    pub scale: f64,
}

/// A golden vector.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Scaled and clipped inputs.
    pub input: Vec<f32>,
    /// The network's outputs.
    pub output: Vec<f32>,
}

impl Manifest {
    /// Reads and checks a manifest.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(path).map_err(|source| ModelError::Read {
            path: path.to_owned(),
            source,
        })?;
        let manifest: Self = toml::from_str(&text).map_err(|source| ModelError::Manifest {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        match manifest.fault() {
            None => Ok(manifest),
            Some(what) => Err(ModelError::Inconsistent {
                path: path.to_owned(),
                what,
            }),
        }
    }

    fn fault(&self) -> Option<String> {
        let positive = |x: f32| x.is_finite() && x > 0.0;
        if self.input.is_empty() {
            return Some("there is no [[input]]".into());
        }
        if !positive(self.clip) || !positive(self.threshold) || !positive(self.tolerance) {
            return Some("clip, threshold and tolerance must be positive numbers".into());
        }
        if let Some(input) = self
            .input
            .iter()
            .find(|i| !(i.scale.is_finite() && i.scale > 0.0))
        {
            let feature = input.feature.map_or_else(String::new, |f| format!(" {f}"));
            return Some(format!(
                "scale of {}{feature} must be a positive number, not {}",
                input.channel, input.scale
            ));
        }
        if let Some(fault) = self.readings_fault() {
            return Some(fault);
        }
        if self.golden.is_empty() {
            return Some("there is no [[golden]] vector, so the model cannot be verified".into());
        }
        let width = self.width();
        self.golden
            .iter()
            .position(|g| g.input.len() != width || g.output.len() != width)
            .map(|at| format!("golden vector {at} does not have {width} inputs and outputs"))
    }

    fn readings_fault(&self) -> Option<String> {
        let Some(readings) = &self.readings else {
            let without = self.input.iter().find(|input| input.feature.is_none());
            return without.map(|input| {
                format!(
                    "the input of {} has no `feature`, and there is no [readings] for a model of readings",
                    input.channel
                )
            });
        };
        if readings.points == 0 || self.width() > MOST_NUMBERS {
            return Some(format!(
                "readings.points must be from 1 to {} for {} inputs, not {}",
                (MOST_NUMBERS / self.input.len()).min(usize::from(u16::MAX)),
                self.input.len(),
                readings.points
            ));
        }
        if !(0.0..=MAX_AGE_S).contains(&readings.max_age_s) {
            return Some(format!(
                "readings.max_age_s must be a number of seconds up to {MAX_AGE_S}, not {}",
                readings.max_age_s
            ));
        }
        let with = self.input.iter().find(|input| input.feature.is_some());
        with.map(|input| {
            format!(
                "the input of {} has a `feature`, and [readings] says that the model takes readings; leave one of them out",
                input.channel
            )
        })
    }

    /// How many numbers the network takes.
    fn width(&self) -> usize {
        let points = self.readings.as_ref().map_or(1, |readings| readings.points);
        self.input.len() * usize::from(points)
    }

    /// The shape of the network's tensor, in and out.
    pub fn shape(&self) -> Vec<usize> {
        let points = self.readings.iter().map(|r| usize::from(r.points));
        [1, self.input.len()].into_iter().chain(points).collect()
    }

    /// Name and version.
    pub fn id(&self) -> ModelId {
        ModelId {
            name: self.name.clone(),
            version: self.version.clone(),
        }
    }

    /// The inputs as the pipeline wants them.
    pub fn inputs(&self) -> Vec<InputSpec> {
        self.input
            .iter()
            .map(|input| InputSpec {
                channel: input.channel.clone(),
                view: self.view(input),
                transform: match input.log_offset {
                    Some(offset) => Transform::Log { offset },
                    None => Transform::Identity,
                },
                center: input.center,
                scale: input.scale,
            })
            .collect()
    }

    fn view(&self, input: &Input) -> View {
        match (&self.readings, input.feature) {
            (Some(readings), _) => View::Readings(Raster {
                points: readings.points,
                align: readings.align,
                max_age: Span((readings.max_age_s * 1e9) as i64),
            }),
            // A manifest without either was not loaded.
            (None, feature) => View::Feature(feature.unwrap_or(Feature::Mean)),
        }
    }
}
