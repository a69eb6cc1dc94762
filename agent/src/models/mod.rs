//! Models on disk: a folder with `model.onnx` and `manifest.toml`.
//!
//! A model is used only after its file has the hash that the manifest states, its golden inputs
//! give the golden outputs on this machine, and its inputs exist in the class it is for.

mod manifest;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eyot_pipeline::scorer::Scorer;
use sha2::{Digest, Sha256};

use crate::infer::{Autoencoder, InferError};
pub use manifest::{MAX_AGE_S, Manifest};

/// Why a model is not used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file of the folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest is not valid.
    #[error("{path} is not a valid manifest")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// The manifest contradicts itself.
    #[error("{path}: {what}")]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The network is not the one that the manifest describes.
    #[error(
        "{path} has sha256 {actual}, but its manifest says {expected}: the file was changed or \
         damaged after it was packed; pack the model again or restore the file"
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// From the manifest.
        expected: String,
        /// From the file.
        actual: String,
    },
    /// The network does not load.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The network computes something else here than where it was packed.
    #[error(
        "model {path}: golden vector {index} differs by {difference} where {tolerance} is allowed; \
         this machine computes the model differently from the one that packed it"
    )]
    Golden {
        /// The folder.
        path: PathBuf,
        /// Which one, from 0.
        index: usize,
        /// Largest absolute difference of an output.
        difference: f32,
        /// What the manifest allows.
        tolerance: f32,
    },
    /// The network failed on a golden input.
    #[error("model {path}: inference failed on golden vector {index}")]
    GoldenFailed {
        /// The folder.
        path: PathBuf,
        /// Which one, from 0.
        index: usize,
        /// tract's own words.
        source: eyot_pipeline::scorer::ScorerError,
    },
}

/// Loads and verifies the model in `folder`.
pub fn load(folder: &Path) -> Result<Arc<dyn Scorer>, ModelError> {
    let manifest = Manifest::load(&folder.join("manifest.toml"))?;
    let network = folder.join("model.onnx");
    verify_hash(&network, &manifest.sha256)?;
    let scorer = Autoencoder::load(
        &network,
        manifest.shape(),
        manifest.id(),
        manifest.inputs(),
        manifest.clip,
        manifest.threshold,
        manifest.warmup,
    )?;
    verify_golden(folder, &manifest, &scorer)?;
    Ok(Arc::new(scorer))
}

fn verify_hash(path: &Path, expected: &str) -> Result<(), ModelError> {
    let bytes = std::fs::read(path).map_err(|source| ModelError::Read {
        path: path.to_owned(),
        source,
    })?;
    let mut actual = String::with_capacity(64);
    for byte in Sha256::digest(&bytes) {
        let _ = write!(actual, "{byte:02x}");
    }
    if actual == expected {
        return Ok(());
    }
    Err(ModelError::Hash {
        path: path.to_owned(),
        expected: expected.to_owned(),
        actual,
    })
}

fn verify_golden(
    folder: &Path,
    manifest: &Manifest,
    scorer: &dyn Scorer,
) -> Result<(), ModelError> {
    let mut output = vec![0.0; manifest.shape().iter().product()];
    for (index, golden) in manifest.golden.iter().enumerate() {
        scorer
            .reconstruct(&golden.input, &mut output)
            .map_err(|source| ModelError::GoldenFailed {
                path: folder.to_owned(),
                index,
                source,
            })?;
        let differences = output
            .iter()
            .zip(&golden.output)
            .map(|(a, b)| (a - b).abs());
        // In this order a NaN is the largest of all.
        let difference = differences.max_by(f32::total_cmp).unwrap_or(f32::NAN);
        if difference.is_nan() || difference > manifest.tolerance {
            return Err(ModelError::Golden {
                path: folder.to_owned(),
                index,
                difference,
                tolerance: manifest.tolerance,
            });
        }
    }
    Ok(())
}
