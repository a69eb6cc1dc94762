//! The features of a window, by name. The maths is `eyot-signal`'s.

use std::fmt;
use std::str::FromStr;

use eyot_signal::Summary;
use serde::{Deserialize, Serialize};

/// A feature of one channel over one window. Units are the channel's unless stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Number of readings (no unit).
    Count,
    /// Arithmetic mean.
    Mean,
    /// Sample standard deviation, n − 1 in the denominator; 0 for a single reading.
    Std,
    /// Standard deviation about the least-squares line, n − 2 in the denominator: the spread that a
    /// steady rise or fall does not explain; 0 for fewer than three readings.
    DetrendedStd,
    /// Smallest value.
    Min,
    /// Largest value.
    Max,
    /// Root of the mean square.
    Rms,
    /// Least-squares slope over time, unit per second; 0 when all readings share one time.
    Slope,
    /// Value of the latest reading.
    Last,
}

impl Feature {
    /// Every feature, in the order in which records list them.
    pub const ALL: [Self; 9] = [
        Self::Count,
        Self::Mean,
        Self::Std,
        Self::DetrendedStd,
        Self::Min,
        Self::Max,
        Self::Rms,
        Self::Slope,
        Self::Last,
    ];

    /// The name used in configurations, records and manifests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Mean => "mean",
            Self::Std => "std",
            Self::DetrendedStd => "detrended_std",
            Self::Min => "min",
            Self::Max => "max",
            Self::Rms => "rms",
            Self::Slope => "slope",
            Self::Last => "last",
        }
    }

    /// This feature of a summarised window; `None` if it is none that every window has.
    #[must_use]
    pub fn of(self, window: &Summary) -> Option<f64> {
        Some(match self {
            Self::Count => window.count as f64,
            Self::Mean => window.mean,
            Self::Std => window.std,
            Self::DetrendedStd => window.detrended_std,
            Self::Min => window.min,
            Self::Max => window.max,
            Self::Rms => window.rms,
            Self::Slope => window.slope,
            Self::Last => window.last,
        })
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no feature.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a feature; there are count, mean, std, detrended_std, min, max, rms, slope and last"
)]
pub struct UnknownFeature(String);

impl FromStr for Feature {
    type Err = UnknownFeature;

    fn from_str(text: &str) -> Result<Self, UnknownFeature> {
        Self::ALL
            .into_iter()
            .find(|feature| feature.name() == text)
            .ok_or_else(|| UnknownFeature(text.to_owned()))
    }
}
