//! The manifest of a model.

use std::path::Path;

use eyot_pipeline::feature::Feature;
use eyot_pipeline::scorer::{InputSpec, ModelId, Transform};
use serde::Deserialize;

use super::ModelError;

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

/// One input.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Channel name.
    pub channel: String,
    /// Name of the window feature.
    pub feature: Feature,
    /// With it, ln(feature + offset) is taken before scaling.
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
        let inputs = self.input.len();
        let positive = |x: f32| x.is_finite() && x > 0.0;
        if inputs == 0 {
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
            return Some(format!(
                "scale of {} {} must be a positive number, not {}",
                input.channel, input.feature, input.scale
            ));
        }
        if self.golden.is_empty() {
            return Some("there is no [[golden]] vector, so the model cannot be verified".into());
        }
        self.golden
            .iter()
            .position(|g| g.input.len() != inputs || g.output.len() != inputs)
            .map(|at| format!("golden vector {at} does not have {inputs} inputs and outputs"))
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
                feature: input.feature,
                transform: match input.log_offset {
                    Some(offset) => Transform::Log { offset },
                    None => Transform::Identity,
                },
                center: input.center,
                scale: input.scale,
            })
            .collect()
    }
}
