//! Inference with tract, behind the pipeline's [`Scorer`].
//!
//! One plan at one fixed batch size of 1: a batch chosen by load would change results by load.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eyot_pipeline::scorer::{InputSpec, ModelId, Scorer, ScorerError};
use tract_onnx::prelude::*;

/// The network could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// tract rejects the file.
    #[error("cannot load network {path}")]
    Load {
        /// The file.
        path: PathBuf,
        /// tract's own words.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// An autoencoder: a tensor in, its reconstruction out.
pub struct Autoencoder {
    /// Of the tensor.
    shape: Vec<usize>,
    id: ModelId,
    inputs: Vec<InputSpec>,
    clip: f32,
    threshold: f32,
    warmup: u32,
    plan: Arc<TypedRunnableModel>,
}

impl Autoencoder {
    /// Loads an ONNX file that takes and gives one tensor of f32 of that shape, which has all numbers of `inputs`.
    pub fn load(
        path: &Path,
        shape: Vec<usize>,
        id: ModelId,
        inputs: Vec<InputSpec>,
        clip: f32,
        threshold: f32,
        warmup: u32,
    ) -> Result<Self, InferError> {
        let plan = tract_onnx::onnx()
            .model_for_path(path)
            .and_then(|model| model.with_input_fact(0, f32::fact(&shape).into()))
            .and_then(|model| model.with_output_fact(0, f32::fact(&shape).into()))
            .and_then(InferenceModelExt::into_optimized)
            .and_then(IntoRunnable::into_runnable)
            .map_err(|error| InferError::Load {
                path: path.to_owned(),
                source: error.into_boxed_dyn_error(),
            })?;
        Ok(Self {
            shape,
            id,
            inputs,
            clip,
            threshold,
            warmup,
            plan,
        })
    }

    fn run(&self, input: &[f32], output: &mut [f32]) -> TractResult<()> {
        let tensor = Tensor::from_shape(&self.shape, input)?;
        let result = self.plan.run(tvec!(tensor.into()))?;
        let view = result[0].to_plain_array_view::<f32>()?;
        for (to, from) in output.iter_mut().zip(view.iter()) {
            *to = *from;
        }
        Ok(())
    }
}

impl Scorer for Autoencoder {
    fn id(&self) -> &ModelId {
        &self.id
    }

    fn inputs(&self) -> &[InputSpec] {
        &self.inputs
    }

    fn clip(&self) -> f32 {
        self.clip
    }

    fn threshold(&self) -> f32 {
        self.threshold
    }

    fn warmup(&self) -> u32 {
        self.warmup
    }

    fn reconstruct(&self, input: &[f32], output: &mut [f32]) -> Result<(), ScorerError> {
        self.run(input, output)
            .map_err(|error| ScorerError(error.into_boxed_dyn_error()))
    }
}
