//! What a device wants done. The shell gives these their identity, stores and forwards them.

use eyot_signal::Summary;
use serde::{Deserialize, Serialize};

use crate::feature::Feature;
use crate::gateway::Unset;
use crate::lean;
use crate::reading::ChannelIndex;
use crate::scorer::ModelId;
use crate::time::{Span, Timestamp};

/// An effect with its place in the device's dense numbering: n is followed by n + 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// The device's effect number.
    pub number: u64,
    /// What to do.
    pub effect: Effect,
    /// There if the gateway's clock was not set: what its times are worth.
    pub unset: Option<Unset>,
}

/// What a device's state machine returns.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A window is complete and scored.
    Window(Box<WindowSummary>),
    /// The verdict changed in a way someone should hear of.
    Alert(Box<Alert>),
    /// A revision takes back what an alert was raised for.
    Correction(Box<Correction>),
    /// A reading came after all windows that it belongs to, and is in none of them.
    Late(Box<LateReading>),
    /// The device has fallen silent, or is heard again.
    Stale(Box<Stale>),
}

/// One scored window of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowSummary {
    /// Start of the window, inclusive.
    pub start: Timestamp,
    /// End of the window, exclusive.
    pub end: Timestamp,
    /// 0 when it is first emitted, then one more each time; the last one counts.
    pub revision: u32,
    /// What ended it.
    pub closed_by: ClosedBy,
    /// Features of every channel that had readings in it.
    pub channels: Vec<ChannelSummary>,
    /// Gateway time at which it was scored, or recorded without a score.
    pub scored_at: Timestamp,
    /// Event time of the oldest reading in it.
    pub oldest: Timestamp,
    /// Event time of the newest reading in it.
    pub newest: Timestamp,
    /// The scores and what came of them; `None` for a straggler, of which nobody was asked.
    pub score: Option<Score>,
    /// The device's verdict after this window.
    pub verdict: Verdict,
}

impl WindowSummary {
    /// Age of the oldest reading that the score was made of, at scoring.
    #[must_use]
    pub fn age_of_oldest(&self) -> Span {
        self.scored_at - self.oldest
    }
}

/// What ended a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClosedBy {
    /// Every channel's watermark passed its end, or the frame wait ran out.
    Watermark,
    /// A channel fell silent for the idle timeout.
    Idle,
    /// The agent was asked to stop.
    Shutdown,
    /// It closed after the device's window had been scored without it, and was not scored.
    Straggler,
    /// The gateway's clock was set, by which its times were.
    ClockSet,
}

impl ClosedBy {
    /// The name used in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Watermark => "watermark",
            Self::Idle => "idle",
            Self::Shutdown => "shutdown",
            Self::ClockSet => "clock_set",
            Self::Straggler => "straggler",
        }
    }
}

/// A channel's part of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelSummary {
    /// Which channel.
    pub channel: ChannelIndex,
    /// The features that every window has.
    pub features: Summary,
    /// Those that the class asks for beyond them, in its order; `None` where one is not defined. Behind them the readings as the
    /// channel's [`crate::raster::Raster`] has them, if it has one.
    #[serde(deserialize_with = "lean::collect")]
    pub extra: Vec<Option<f64>>,
}

impl ChannelSummary {
    /// The value of a feature; `None` if the window does not have it. `asked` are the features
    /// that the class asks for.
    #[must_use]
    pub fn value(&self, feature: Feature, asked: &[Feature]) -> Option<f64> {
        feature.of(&self.features).or_else(|| {
            let at = asked.iter().position(|known| *known == feature)?;
            *self.extra.get(at)?
        })
    }
}

/// The scores of one window. Each is relative to its threshold: 1 and above is anomalous.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The larger of the two parts below; `None` if neither spoke.
    pub fused: Option<f64>,
    /// The statistical detectors' largest score, once one is past its warm-up.
    pub statistical: Option<f64>,
    /// The model's score, or why there is none.
    pub model: ModelScore,
    /// What the fused score is made of, largest first; shares add up to 1 or the list is empty.
    pub contributions: Vec<Contribution>,
}

impl Score {
    /// Whether the window counts as anomalous.
    #[must_use]
    pub fn is_odd(&self) -> bool {
        self.fused.is_some_and(|fused| fused >= 1.0)
    }
}

/// A model's part in a score.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelScore {
    /// The class has no model.
    None,
    /// It spoke.
    Scored {
        /// Which model.
        model: ModelId,
        /// Mean squared residual over threshold.
        score: f64,
    },
    /// It could not: the statistical detectors carry on alone.
    Degraded {
        /// Which model.
        model: ModelId,
        /// Why.
        reason: DegradedReason,
    },
}

/// Why a model gave no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DegradedReason {
    /// A channel that it needs had no readings in the window.
    MissingInput,
    /// The device's own residual is still being learnt.
    WarmingUp,
    /// The runtime returned an error.
    InferenceFailed,
    /// The output was not a finite number.
    NotFinite,
}

impl DegradedReason {
    /// The name used in records and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MissingInput => "missing_input",
            Self::WarmingUp => "warming_up",
            Self::InferenceFailed => "inference_failed",
            Self::NotFinite => "not_finite",
        }
    }
}

/// How much one feature of one channel speaks for an anomaly.
#[derive(Debug, Clone, PartialEq)]
pub struct Contribution {
    /// The channel.
    pub channel: ChannelIndex,
    /// The feature.
    pub feature: Feature,
    /// The loudest detector on it.
    pub detector: Detector,
    /// That detector's score, relative to its threshold.
    pub score: f64,
    /// Part of the whole, in [0, 1].
    pub share: f64,
    /// What was seen.
    pub value: f64,
    /// What was expected.
    pub expected: f64,
}

/// Who said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detector {
    /// Robust z-score.
    RobustZ,
    /// EWMA control chart.
    Ewma,
    /// A channel that has stopped moving.
    Flatline,
    /// The model.
    Model,
}

impl Detector {
    /// The name used in configurations and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RobustZ => "robust_z",
            Self::Ewma => "ewma",
            Self::Flatline => "flatline",
            Self::Model => "model",
        }
    }
}

/// What the agent thinks of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Verdict {
    /// No detector is past its warm-up.
    #[default]
    Unknown,
    /// Nothing unusual.
    Normal,
    /// An alert is open.
    Anomalous,
}

impl Verdict {
    /// The name used in records and on the page.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Normal => "normal",
            Self::Anomalous => "anomalous",
        }
    }
}

/// A change of verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Raised or cleared.
    pub state: AlertState,
    /// Effect number of the alert that this one clears; its own when raised.
    pub episode: u64,
    /// End of the window that decided it: the alert's event time.
    pub time: Timestamp,
    /// Start of the first anomalous window of the episode.
    pub since: Timestamp,
    /// Gateway time at which it was decided.
    pub decided_at: Timestamp,
    /// Event time of the oldest reading in the deciding window.
    pub oldest: Timestamp,
    /// Score of the deciding window.
    pub score: Score,
    /// Largest fused score of the episode so far.
    pub peak: f64,
}

/// An alert that would not have been raised had all readings of its window been there in time. The
/// episode goes on: detectors and verdict stay as they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Correction {
    /// Effect number of the alert.
    pub alert: u64,
    /// Start of the window that raised it, inclusive.
    pub start: Timestamp,
    /// End of that window, exclusive.
    pub end: Timestamp,
    /// The window's revision that contradicts the alert.
    pub revision: u32,
    /// Fused score when the alert was raised: 1 or more.
    pub was: f64,
    /// Score of the revised window; its fused score is below 1.
    pub score: Score,
    /// Event time of the oldest reading in it.
    pub oldest: Timestamp,
    /// Gateway time.
    pub decided_at: Timestamp,
}

/// A reading that came too late.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LateReading {
    /// Its channel.
    pub channel: ChannelIndex,
    /// Its event time.
    pub time: Timestamp,
    /// Its value.
    pub value: f64,
    /// How far behind its channel's watermark it is; 0 if its window was closed before the
    /// watermark came there.
    pub behind: Span,
    /// Start of the first window that it would have been in, inclusive; for sessions, counts and
    /// sliding windows its own time.
    pub start: Timestamp,
    /// End of that window, exclusive.
    pub end: Timestamp,
    /// Gateway time at which it came.
    pub arrived: Timestamp,
}

/// A device that reports periodically has not, or does so again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale {
    /// Raised or cleared.
    pub state: AlertState,
    /// Effect number of the one that was raised; its own when raised.
    pub episode: u64,
    /// Gateway time at which it was last heard, before the silence.
    pub last_heard: Timestamp,
    /// How often it should report.
    pub every: Span,
    /// Gateway time.
    pub decided_at: Timestamp,
}

/// Whether an alert opens or closes an episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertState {
    /// The device has become anomalous.
    Raised,
    /// It is normal again.
    Cleared,
}

impl AlertState {
    /// The name used in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Cleared => "cleared",
        }
    }
}
