//! The features of a window, by name. The maths is `eyot-signal`'s.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use eyot_signal::Summary;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::config::ChannelKind;

/// A feature of one channel over one window. Units are the channel's unless stated. Text formats have its name,
/// binary ones its place in this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(remote = "Self")]
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
    /// Value of the earliest reading.
    First,
    /// Sum of the values.
    Sum,
    /// Sample variance, unit²; none for a single reading.
    Variance,
    /// Largest value less smallest.
    Range,
    /// Largest absolute value.
    Peak,
    /// Peak over root mean square (no unit); none if all values are 0.
    CrestFactor,
    /// Third standardised moment (no unit); none for fewer than three readings or equal ones.
    Skewness,
    /// Fourth standardised moment less 3 (no unit); none for fewer than four readings or equal ones.
    Kurtosis,
    /// From the first value to the last, unit per second; none when all readings share one time.
    RateOfChange,
    /// Changes of sign (no unit).
    ZeroCrossings,
    /// Each value counted for as long as it lasted, the last one to the window's end.
    TimeWeightedMean,
    /// Share of the window in which readings were missing: further apart than
    /// [`GAP_FACTOR`] times what a device that reports periodically promises (no unit). None for others.
    GapRatio,
    /// Middle value.
    Median,
    /// So many percent of the values lie below, 0 to 100: `p05`, `p95`.
    Quantile(u8),
    /// Median of the absolute deviations from the median, unscaled.
    Mad,
    /// Crossings of the mean (no unit).
    MeanCrossings,
    /// Autocorrelation at a lag of so many readings, 1 and up (no unit); none where it is not defined.
    Autocorrelation(u16),
    /// How far a counter has risen, resets included.
    Increase,
    /// The same per second, from the first reading to the last; none when all share one time.
    Rate,
    /// How often a counter began at 0 again (no unit).
    Resets,
    /// Mean direction of angles, in [0, 1 turn); none where directions cancel out.
    CircularMean,
    /// 0 if all directions are one, 1 if they cancel out (no unit).
    CircularDispersion,
    /// Strongest frequency, Hz. As with all that comes from the spectrum: none of fewer than 8 readings, of readings
    /// that are not evenly spaced, and of a constant.
    DominantFrequency,
    /// Mean frequency weighted by power, Hz.
    SpectralCentroid,
    /// 0 of a tone, 1 of white noise (no unit).
    SpectralEntropy,
    /// Power from a frequency, included, to another, excluded, unit²; both in thousandths of 1 Hz. A constant has 0.
    BandEnergy {
        /// From here on.
        low: u32,
        /// Up to here; more than `low`.
        high: u32,
    },
    /// Spread of angles, as the standard deviation of a normal distribution wrapped around the circle; none where
    /// directions cancel out.
    CircularStd,
    /// Exponentially weighted mean of the window's readings, from the first on; the weight of the newest one in
    /// thousandths, 1 to 1000.
    Ewma(u16),
    /// Strongest frequency of the squared envelope of a band, Hz: how often something strikes that rings there, as the
    /// balls of a worn bearing do. The band as in [`Feature::BandEnergy`].
    EnvelopeFrequency {
        /// From here on.
        low: u32,
        /// Up to here; more than `low`.
        high: u32,
    },
    /// Power of the fluctuations of the squared envelope of a band, unit⁴.
    EnvelopeEnergy {
        /// From here on.
        low: u32,
        /// Up to here; more than `low`.
        high: u32,
    },
    /// A single reading, as models see it that take the readings themselves: stands in what they contribute to a score, and no
    /// class can ask for it.
    Reading,
}

/// How many times longer than promised an interval is a gap.
pub const GAP_FACTOR: f64 = 2.0;

impl Feature {
    /// Those that every window has, in the order in which records list them.
    pub const BASIC: [Self; 9] = [
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

    /// Those that a class may ask for beyond them, an example of each that has a number in it.
    pub const EXTRA: [Self; 30] = [
        Self::First,
        Self::Sum,
        Self::Variance,
        Self::Range,
        Self::Peak,
        Self::CrestFactor,
        Self::Skewness,
        Self::Kurtosis,
        Self::RateOfChange,
        Self::ZeroCrossings,
        Self::TimeWeightedMean,
        Self::GapRatio,
        Self::Median,
        Self::Quantile(95),
        Self::Mad,
        Self::MeanCrossings,
        Self::Autocorrelation(1),
        Self::Increase,
        Self::Rate,
        Self::Resets,
        Self::CircularMean,
        Self::CircularDispersion,
        Self::DominantFrequency,
        Self::SpectralCentroid,
        Self::SpectralEntropy,
        Self::BandEnergy {
            low: 500,
            high: 2_000,
        },
        Self::CircularStd,
        Self::Ewma(200),
        Self::EnvelopeFrequency {
            low: 500,
            high: 2_000,
        },
        Self::EnvelopeEnergy {
            low: 500,
            high: 2_000,
        },
    ];

    /// The name used in configurations, records and manifests.
    #[must_use]
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Count => "count",
            Self::Mean => "mean",
            Self::Std => "std",
            Self::DetrendedStd => "detrended_std",
            Self::Min => "min",
            Self::Max => "max",
            Self::Rms => "rms",
            Self::Slope => "slope",
            Self::Last => "last",
            Self::First => "first",
            Self::Sum => "sum",
            Self::Variance => "variance",
            Self::Range => "range",
            Self::Peak => "peak",
            Self::CrestFactor => "crest_factor",
            Self::Skewness => "skewness",
            Self::Kurtosis => "kurtosis",
            Self::RateOfChange => "rate_of_change",
            Self::ZeroCrossings => "zero_crossings",
            Self::TimeWeightedMean => "time_weighted_mean",
            Self::GapRatio => "gap_ratio",
            Self::Median => "median",
            Self::Quantile(percent) => return Cow::Owned(format!("p{percent:02}")),
            Self::Mad => "mad",
            Self::MeanCrossings => "mean_crossings",
            Self::Autocorrelation(lag) => return Cow::Owned(format!("autocorrelation_{lag}")),
            Self::Increase => "increase",
            Self::Rate => "rate",
            Self::Resets => "resets",
            Self::CircularMean => "circular_mean",
            Self::CircularDispersion => "circular_dispersion",
            Self::DominantFrequency => "dominant_frequency",
            Self::SpectralCentroid => "spectral_centroid",
            Self::SpectralEntropy => "spectral_entropy",
            Self::BandEnergy { low, high } => return of_band(BAND_ENERGY, low, high),
            Self::CircularStd => "circular_std",
            Self::Ewma(weight) => {
                return Cow::Owned(format!("ewma_{}", f64::from(weight) / 1e3));
            }
            Self::EnvelopeFrequency { low, high } => {
                return of_band(ENVELOPE_FREQUENCY, low, high);
            }
            Self::EnvelopeEnergy { low, high } => return of_band(ENVELOPE_ENERGY, low, high),
            Self::Reading => "reading",
        })
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
            _ => return None,
        })
    }

    /// Whether it comes from all values at once, so that they are kept until no window needs them.
    #[must_use]
    pub const fn needs_values(self) -> bool {
        matches!(
            self,
            Self::Median
                | Self::Quantile(_)
                | Self::Mad
                | Self::MeanCrossings
                | Self::Autocorrelation(_)
                | Self::Increase
                | Self::Rate
                | Self::Resets
                | Self::CircularMean
                | Self::CircularDispersion
                | Self::DominantFrequency
                | Self::SpectralCentroid
                | Self::SpectralEntropy
                | Self::BandEnergy { .. }
                | Self::CircularStd
                | Self::Ewma(_)
                | Self::EnvelopeFrequency { .. }
                | Self::EnvelopeEnergy { .. }
        )
    }

    /// Whether it comes from a spectrum.
    pub(crate) const fn is_spectral(self) -> bool {
        matches!(
            self,
            Self::DominantFrequency
                | Self::SpectralCentroid
                | Self::SpectralEntropy
                | Self::BandEnergy { .. }
        ) || self.is_of_envelope()
    }

    /// Whether it comes from the spectrum of an envelope.
    pub(crate) const fn is_of_envelope(self) -> bool {
        matches!(
            self,
            Self::EnvelopeFrequency { .. } | Self::EnvelopeEnergy { .. }
        )
    }

    /// Whether it means anything for channels of a kind.
    #[must_use]
    pub const fn is_of(self, kind: ChannelKind) -> bool {
        match self {
            Self::Increase | Self::Rate | Self::Resets => {
                matches!(kind, ChannelKind::Counter { .. })
            }
            Self::CircularMean | Self::CircularDispersion | Self::CircularStd => {
                matches!(kind, ChannelKind::Degrees | ChannelKind::Radians)
            }
            _ => true,
        }
    }

    /// Whether its name has numbers in it.
    #[must_use]
    pub const fn is_numbered(self) -> bool {
        matches!(
            self,
            Self::Quantile(_)
                | Self::Autocorrelation(_)
                | Self::Ewma(_)
                | Self::BandEnergy { .. }
                | Self::EnvelopeFrequency { .. }
                | Self::EnvelopeEnergy { .. }
        )
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// The text names no feature.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a feature; there are {list}, p00 to p100, autocorrelation_1 and up, ewma_0.001 to ewma_1, and band_energy_0.5_2, envelope_frequency_0.5_2, \
     envelope_energy_0.5_2 and the like, in Hz",
    list = listed()
)]
pub struct UnknownFeature(String);

fn listed() -> String {
    let plain = |feature: &Feature| !feature.is_numbered();
    let all = Feature::BASIC.into_iter().chain(Feature::EXTRA);
    let names: Vec<_> = all.filter(plain).map(Feature::name).collect();
    names.join(", ")
}

const BAND_ENERGY: &str = "band_energy_";
const ENVELOPE_FREQUENCY: &str = "envelope_frequency_";
const ENVELOPE_ENERGY: &str = "envelope_energy_";

fn of_band(prefix: &str, low: u32, high: u32) -> Cow<'static, str> {
    let hertz = |milli: u32| f64::from(milli) / 1e3;
    Cow::Owned(format!("{prefix}{}_{}", hertz(low), hertz(high)))
}

/// The band that a text may name after that. What it is rounded to is found out by its own name.
fn band(text: &str, prefix: &str) -> Option<(u32, u32)> {
    let (low, high) = text.strip_prefix(prefix)?.split_once('_')?;
    let milli = |hertz: &str| {
        let hertz: f64 = hertz.parse().ok()?;
        let milli = (hertz * 1e3).round();
        (0.0..=f64::from(u32::MAX))
            .contains(&milli)
            .then_some(milli as u32)
    };
    let (low, high) = (milli(low)?, milli(high)?);
    (low < high).then_some((low, high))
}

/// The weight that a text may name.
fn weight(text: &str) -> Option<u16> {
    let weight: f64 = text.strip_prefix("ewma_")?.parse().ok()?;
    let milli = (weight * 1e3).round();
    (1.0..=1e3).contains(&milli).then_some(milli as u16)
}

impl FromStr for Feature {
    type Err = UnknownFeature;

    fn from_str(text: &str) -> Result<Self, UnknownFeature> {
        let percent = text.strip_prefix('p').filter(|digits| digits.len() >= 2);
        let percent = percent.and_then(|digits| digits.parse().ok());
        let lag = text.strip_prefix("autocorrelation_");
        let lag = lag.and_then(|digits| digits.parse().ok());
        let numbered = percent
            .filter(|percent| *percent <= 100)
            .map(Self::Quantile)
            .or(lag.filter(|lag| *lag > 0).map(Self::Autocorrelation))
            .or_else(|| weight(text).map(Self::Ewma))
            .or_else(|| band(text, BAND_ENERGY).map(|(low, high)| Self::BandEnergy { low, high }))
            .or_else(|| {
                let band = band(text, ENVELOPE_FREQUENCY);
                band.map(|(low, high)| Self::EnvelopeFrequency { low, high })
            })
            .or_else(|| {
                let band = band(text, ENVELOPE_ENERGY);
                band.map(|(low, high)| Self::EnvelopeEnergy { low, high })
            });
        Self::BASIC
            .into_iter()
            .chain(Self::EXTRA)
            .chain(numbered)
            .find(|feature| feature.name() == text)
            .ok_or_else(|| UnknownFeature(text.to_owned()))
    }
}

impl Serialize for Feature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&self.name())
        } else {
            Self::serialize(self, serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Feature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let name = Cow::<str>::deserialize(deserializer)?;
            name.parse().map_err(serde::de::Error::custom)
        } else {
            Self::deserialize(deserializer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_is_found_by_its_name_in_text_and_by_its_place_in_bytes() {
        let numbered = [0, 5, 100].map(Feature::Quantile);
        let all = Feature::BASIC.into_iter().chain(Feature::EXTRA);
        let widest = Feature::BandEnergy {
            low: 0,
            high: u32::MAX,
        };
        let numbered = numbered.into_iter();
        for feature in all
            .chain(numbered)
            .chain([Feature::Autocorrelation(300), widest])
        {
            let name = feature.name();
            assert_eq!(name.parse::<Feature>().unwrap(), feature);
            let json = serde_json::to_string(&feature).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<Feature>(&json).unwrap(), feature);
            let bytes = postcard::to_stdvec(&feature).unwrap();
            assert_eq!(postcard::from_bytes::<Feature>(&bytes).unwrap(), feature);
        }
        assert_eq!(
            postcard::to_stdvec(&Feature::Last).unwrap(),
            [8],
            "as in version 1"
        );
    }

    #[test]
    fn names_are_written_in_one_way() {
        for text in [
            "p5",
            "p101",
            "p005",
            "p",
            "autocorrelation_0",
            "autocorrelation_01",
            "band_energy_2_1",
            "band_energy_1_1",
            "band_energy_1.0_2",
            "band_energy_0.0001_2",
            "band_energy_nan_2",
            "band_energy_1_4294968",
            "envelope_frequency_2_1",
            "envelope_energy_1.0_2",
            "ewma_0",
            "ewma_1.1",
            "ewma_0.20",
            "ewma_0.0001",
            "Mean",
            "",
        ] {
            let error = text.parse::<Feature>().unwrap_err().to_string();
            assert!(error.contains("mean, std"), "{error}");
        }
    }
}
