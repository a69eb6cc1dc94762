//! What a model is to the pipeline.

use crate::feature::Feature;

/// One input of a model: a window feature of a channel, scaled.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    /// Channel name, as the class has it.
    pub channel: String,
    /// Which feature of its window.
    pub feature: Feature,
    /// Applied before scaling.
    pub transform: Transform,
    /// Subtracted after the transform.
    pub center: f64,
    /// Divided by after centring; positive.
    pub scale: f64,
}

/// A fixed function applied to a feature before scaling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// The feature as it is.
    Identity,
    /// ln(x + offset), for features that spread over magnitudes.
    Log {
        /// Added before the logarithm, so that zero stays finite.
        offset: f64,
    },
}

/// Which model made a score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelId {
    /// Name from the manifest.
    pub name: String,
    /// Version from the manifest.
    pub version: String,
}

/// Why a model gave no score.
#[derive(Debug, thiserror::Error)]
#[error("model inference failed")]
pub struct ScorerError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A reconstructing model (an autoencoder): it returns what it expects its inputs to be, and the
/// pipeline turns the difference into a score and into contributions.
pub trait Scorer: Send + Sync {
    /// Name and version.
    fn id(&self) -> &ModelId;

    /// The inputs, in order. Scaled inputs are clipped to ±[`Scorer::clip`].
    fn inputs(&self) -> &[InputSpec];

    /// Bound of the scaled inputs.
    fn clip(&self) -> f32;

    /// Windows of a device over which its own mean residual is learnt before the model speaks; it is
    /// subtracted from then on, so that a device that differs from the fleet is held against
    /// itself. 0: residuals count from zero, and the model speaks at once.
    fn warmup(&self) -> u32;

    /// Mean squared residual that counts as anomalous (a score of 1).
    fn threshold(&self) -> f32;

    /// Reconstructs `input` into `output`; both have the length of [`Scorer::inputs`].
    ///
    /// # Errors
    /// When the runtime fails; the statistical detectors carry on.
    fn reconstruct(&self, input: &[f32], output: &mut [f32]) -> Result<(), ScorerError>;
}
