//! How devices of one class are treated. Values here are already validated by the shell.

use crate::feature::Feature;
use crate::grid::VirtualConfig;
use crate::raster::Raster;
use crate::reading::ChannelIndex;
use crate::time::Span;
use crate::window::{Emit, LatePolicy, Report, WindowSpec};

/// Everything a device of this class needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassConfig {
    /// Name of the class.
    pub name: String,
    /// The channels, in the order of their [`crate::reading::ChannelIndex`].
    pub channels: Vec<ChannelConfig>,
    /// Those of the channels that are computed from others. No reading comes for them.
    pub virtuals: Vec<VirtualConfig>,
    /// How channels are treated that the list does not name; `None`: they are passed over.
    pub unlisted: Option<UnlistedConfig>,
    /// How event time is cut into windows.
    pub window: WindowSpec,
    /// Features of each window beyond those that every window has.
    pub features: Vec<Feature>,
    /// How far behind the newest reading of a channel the others may come and still be in time.
    pub out_of_orderness: Span,
    /// How far the watermark may be past the end of a closed window that still accepts readings. Of
    /// no effect unless `late` is [`LatePolicy::Revise`].
    pub allowed_lateness: Span,
    /// What becomes of readings that come after their window has closed.
    pub late: LatePolicy,
    /// Which windows become summaries.
    pub emit: Emit,
    /// Whether silence of the whole device means something.
    pub report: Report,
    /// How long, in event time, a finished channel waits for the slower ones before the device's
    /// window is scored without them.
    pub frame_wait: Span,
    /// Silence, in gateway time, after which a channel's open windows close by themselves.
    pub idle_timeout: Span,
    /// Readings stamped further ahead of the gateway's clock than this are not believed.
    pub max_future_skew: Span,
    /// What becomes of times that are not believed, and which else are not.
    pub skew: SkewConfig,
    /// Upper bound of readings held per channel, in open windows and in closed ones that may still
    /// be revised or that later windows need.
    pub max_window_readings: usize,
    /// Statistical detectors.
    pub detectors: DetectorConfig,
    /// When scores become a verdict.
    pub verdict: VerdictConfig,
}

impl ClassConfig {
    /// The index of a channel by its name.
    #[must_use]
    pub fn channel_index(&self, name: &str) -> Option<ChannelIndex> {
        let at = self
            .channels
            .iter()
            .position(|channel| channel.name == name)?;
        ChannelIndex::try_from(at).ok()
    }

    /// Whether a channel is computed, so that no readings come for it.
    #[must_use]
    pub fn is_virtual(&self, index: ChannelIndex) -> bool {
        self.virtuals.iter().any(|config| config.channel == index)
    }
}

impl ClassConfig {
    /// Whether any feature comes from all values of a window at once.
    pub(crate) fn needs_values(&self) -> bool {
        self.features.iter().any(|feature| feature.needs_values())
    }

    /// Windows that a detector remembers, at most.
    pub(crate) fn longest_history(&self) -> usize {
        self.detectors.robust_z.as_ref().map_or(0, |c| c.history)
    }
}

/// Times that are not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SkewConfig {
    /// What becomes of readings stamped further ahead than `max_future_skew`.
    pub future: OutOfSkew,
    /// Readings stamped further behind the gateway's clock than this are not believed; `None`: however old, they are.
    pub max_past: Option<Span>,
    /// What becomes of them.
    pub past: OutOfSkew,
}

/// What becomes of a reading whose time is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutOfSkew {
    /// It is rejected.
    #[default]
    Reject,
    /// It counts as measured when it arrived. What came with it keeps its distance in time.
    Restamp,
}

/// Channels that a device turns out to have.
#[derive(Debug, Clone, PartialEq)]
pub struct UnlistedConfig {
    /// What each of them is like, but for its name and unit.
    pub channel: ChannelConfig,
    /// How many a device may have, the listed ones not counted.
    pub max: usize,
}

/// One channel of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelConfig {
    /// Name, as in topics and records.
    pub name: String,
    /// Unit, for people.
    pub unit: Option<String>,
    /// What its values are.
    pub kind: ChannelKind,
    /// What a value x is taken for: the sum of the coefficients, each times x to the power of its place. Empty: x.
    pub calibration: Vec<f64>,
    /// Smallest plausible value, inclusive; what lies below is rejected.
    pub min: f64,
    /// Largest plausible value, inclusive; what lies above is rejected.
    pub max: f64,
    /// Smallest change that means anything, in the channel's unit. The detectors never take a
    /// smaller spread for real, so a channel that hardly moves does not alarm on its last digit.
    pub resolution: f64,
    /// Whether the statistical detectors watch this channel.
    pub detect: bool,
    /// What the class's model wants of its readings themselves; see [`crate::model::give_readings`].
    pub raster: Option<Raster>,
}

/// What the values of a channel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChannelKind {
    /// Something that goes up and down.
    #[default]
    Gauge,
    /// Something that only rises, but for resets.
    Counter {
        /// What it goes around at, to begin at 0 again; `None`: it does not.
        modulus: Option<u64>,
    },
    /// Angles in degrees.
    Degrees,
    /// Angles in radians.
    Radians,
}

/// The statistical detectors of a class; `None` switches one off.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorConfig {
    /// Robust z-score against the recent past.
    pub robust_z: Option<RobustZConfig>,
    /// EWMA control chart.
    pub ewma: Option<EwmaConfig>,
    /// Channels that stop moving.
    pub flatline: Option<FlatlineConfig>,
    /// Windows after which baselines learn again although the device looks anomalous, so that a
    /// new normal is accepted in the end.
    pub relearn_after: u32,
}

/// |x − median| / σ over the last `history` windows (Iglewicz and Hoaglin, 1993), where σ is no less
/// than the root mean square of such differences while all was well.
#[derive(Debug, Clone, PartialEq)]
pub struct RobustZConfig {
    /// Window features it watches on every channel.
    pub features: Vec<Feature>,
    /// Score at which a window counts as anomalous.
    pub threshold: f64,
    /// Windows remembered.
    pub history: usize,
    /// Windows seen before it speaks.
    pub warmup: usize,
}

/// EWMA control chart (Roberts, 1959): z ← λx + (1 − λ)z against limits of L·σ·√(λ/(2 − λ)), with x
/// winsorised at L·σ from the baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct EwmaConfig {
    /// Window features it watches on every channel.
    pub features: Vec<Feature>,
    /// Weight of the newest window, in (0, 1].
    pub lambda: f64,
    /// Control limit L in standard deviations of the statistic.
    pub threshold: f64,
    /// Windows that form the baseline before it speaks.
    pub warmup: usize,
    /// Windows after which the baseline starts to forget.
    pub memory: usize,
}

/// A channel whose readings are all equal, window after window, although it used to move: the
/// commonest way for a sensor to fail without a word.
#[derive(Debug, Clone, PartialEq)]
pub struct FlatlineConfig {
    /// Consecutive flat windows that count as anomalous.
    pub windows: u32,
    /// Readings a window needs to be judged at all; at least 2.
    pub min_readings: u64,
    /// Windows seen before it speaks. It stays silent on channels that were flat in more than a
    /// tenth of them.
    pub warmup: usize,
}

/// Hysteresis and cooldown of the verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictConfig {
    /// Consecutive windows at or above 1 that raise an alert.
    pub enter_after: u32,
    /// Fused score below which a window counts as normal again, in (0, 1].
    pub exit_below: f64,
    /// Consecutive normal windows that clear the alert.
    pub exit_after: u32,
    /// After a cleared alert, how long in event time no new one is raised.
    pub cooldown: Span,
    /// Contributions listed in an alert, at most.
    pub contributions: usize,
}
