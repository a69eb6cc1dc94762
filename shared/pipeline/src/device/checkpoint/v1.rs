//! Version 1 of the format: tumbling windows only, nothing revised. It is read, and no longer written.

use std::collections::VecDeque;

use eyot_signal::Summary;
use serde::Deserialize;

use super::{SavedModel, Unlisted};
use crate::channel::SavedChannel;
use crate::detect::{SavedDetectors, Tuning};
use crate::device::silence::Silence;
use crate::device::watch::Watch;
use crate::effect::{ChannelSummary, ClosedBy, DegradedReason};
use crate::frame::{Frame, Frames};
use crate::lean;
use crate::reading::ChannelIndex;
use crate::time::{Span, Timestamp};
use crate::verdict::VerdictState;
use crate::window::WindowSpec;

pub(super) const VERSION: u8 = 1;

#[derive(Deserialize)]
pub(super) struct Saved {
    next_effect: u64,
    window: Span,
    tuning: Tuning,
    #[serde(deserialize_with = "lean::collect")]
    channels: Vec<Part>,
    frames: WaitingFrames,
    verdict: VerdictState,
    unlearnt: u32,
    model: Option<SavedModel>,
    newest: Option<Timestamp>,
    score: Option<f64>,
    windows: u64,
    alerts: u64,
    degraded: Option<DegradedReason>,
}

#[derive(Deserialize)]
struct Part {
    name: String,
    unlisted: Option<Unlisted>,
    state: OpenChannel,
    detectors: SavedDetectors,
}

#[derive(Deserialize)]
struct OpenChannel {
    #[serde(deserialize_with = "lean::collect")]
    samples: Vec<(u64, f64)>,
    earliest: Timestamp,
    frontier: Option<Timestamp>,
    frontier_before: Option<Timestamp>,
    closed_until: Option<Timestamp>,
    last_taken: Option<Timestamp>,
}

#[derive(Deserialize)]
struct WaitingFrames {
    #[serde(deserialize_with = "lean::collect")]
    open: VecDeque<WaitingFrame>,
    gone: Option<Timestamp>,
}

#[derive(Deserialize)]
struct WaitingFrame {
    start: Timestamp,
    end: Timestamp,
    #[serde(deserialize_with = "lean::collect")]
    channels: Vec<Window>,
    closed_by: ClosedBy,
    oldest: Timestamp,
    newest: Timestamp,
    begun: Timestamp,
}

#[derive(Deserialize)]
struct Window {
    channel: ChannelIndex,
    features: Summary,
}

impl From<Saved> for super::Saved {
    fn from(old: Saved) -> Self {
        let part = |part: Part| super::SavedPart {
            name: part.name,
            unlisted: part.unlisted,
            state: part.state.into(),
            detectors: part.detectors,
        };
        Self {
            next_effect: old.next_effect,
            window: WindowSpec::Tumbling { length: old.window },
            features: Vec::new(),
            tuning: old.tuning,
            channels: old.channels.into_iter().map(part).collect(),
            frames: old.frames.into(),
            watches: vec![Watch::new(old.verdict, old.unlearnt)],
            silence: Silence::default(),
            dirty_since: None,
            model: old.model,
            newest: old.newest,
            score: old.score,
            windows: old.windows,
            alerts: old.alerts,
            degraded: old.degraded,
        }
    }
}

impl From<OpenChannel> for SavedChannel {
    fn from(old: OpenChannel) -> Self {
        Self {
            samples: old.samples,
            earliest: old.earliest,
            frontier: old.frontier,
            frontier_before: old.frontier_before,
            closed_until: old.closed_until,
            last_taken: old.last_taken,
            // The readings of what was closed are gone.
            forgotten: old.closed_until,
            ..Self::default()
        }
    }
}

impl From<WaitingFrames> for Frames {
    fn from(old: WaitingFrames) -> Self {
        let window = |window: Window| ChannelSummary {
            channel: window.channel,
            features: window.features,
            extra: Vec::new(),
        };
        let frame = |frame: WaitingFrame| Frame {
            start: frame.start,
            end: frame.end,
            channels: frame.channels.into_iter().map(window).collect(),
            closed_by: frame.closed_by,
            oldest: frame.oldest,
            newest: frame.newest,
            begun: frame.begun,
        };
        Self::waiting(old.open.into_iter().map(frame).collect(), old.gone)
    }
}
