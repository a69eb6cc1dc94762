//! What a model is to the pipeline.

use crate::feature::Feature;
use crate::raster::Raster;

/// One input of a model: what it sees of a channel's window, scaled.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    /// Channel name, as the class has it.
    pub channel: String,
    /// What of its window.
    pub view: View,
    /// Applied before scaling.
    pub transform: Transform,
    /// Subtracted after the transform.
    pub center: f64,
    /// Divided by after centring; positive.
    pub scale: f64,
}

/// What a model sees of a channel's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// One of its features.
    Feature(Feature),
    /// Its readings.
    Readings(Raster),
}

impl View {
    /// How many numbers that is.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Self::Feature(_) => 1,
            Self::Readings(raster) => usize::from(raster.points),
        }
    }
}

/// A fixed function applied to a value before scaling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// The value as it is.
    Identity,
    /// ln(x + offset), for values that spread over magnitudes.
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

    /// Reconstructs `input` into `output`; both have all numbers of the first of [`Scorer::inputs`], then those of the next.
    ///
    /// # Errors
    /// When the runtime fails; the statistical detectors carry on.
    fn reconstruct(&self, input: &[f32], output: &mut [f32]) -> Result<(), ScorerError>;
}
