//! Bringing the channels' windows together: one frame per device and window.
//!
//! Channels close their windows each by its own watermark; detectors and models want to see all of
//! them at once. A frame is complete when every channel that was ever heard has passed its end or
//! fallen silent. It does not wait for ever: once a channel has gone on from a watermark `frame_wait` of
//! event time past its end, or `idle_timeout` of gateway time after it began, it goes without the rest. What
//! comes in after its frame has gone becomes a frame of its own, which is recorded but not scored.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::channel::ClosedWindow;
use crate::effect::{ChannelSummary, ClosedBy};
use crate::lean;
use crate::reading::ChannelIndex;
use crate::time::Timestamp;

/// The windows of a device's channels over the same stretch of event time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Start, inclusive.
    pub start: Timestamp,
    /// End, exclusive.
    pub end: Timestamp,
    /// The channels that had readings, in the order of their index.
    #[serde(deserialize_with = "lean::collect")]
    pub channels: Vec<ChannelSummary>,
    /// What closed the last of them.
    pub closed_by: ClosedBy,
    /// Event time of the oldest reading.
    pub oldest: Timestamp,
    /// Event time of the newest reading.
    pub newest: Timestamp,
    /// Gateway time at which the first of its windows closed.
    pub begun: Timestamp,
}

impl Frame {
    fn new(
        channel: ChannelIndex,
        window: ClosedWindow,
        closed_by: ClosedBy,
        now: Timestamp,
    ) -> Self {
        Self {
            start: window.start,
            end: window.end,
            oldest: window.oldest,
            newest: window.newest,
            channels: vec![ChannelSummary {
                channel,
                features: window.features,
            }],
            closed_by,
            begun: now,
        }
    }

    fn add(&mut self, channel: ChannelIndex, window: ClosedWindow, closed_by: ClosedBy) {
        let at = self.channels.partition_point(|c| c.channel < channel);
        self.channels.insert(
            at,
            ChannelSummary {
                channel,
                features: window.features,
            },
        );
        self.oldest = self.oldest.min(window.oldest);
        self.newest = self.newest.max(window.newest);
        self.closed_by = closed_by;
    }
}

/// The frames of a device that are not complete yet, earliest first. Two may have one start only
/// after the windows' length was changed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Frames {
    #[serde(deserialize_with = "lean::collect")]
    open: VecDeque<Frame>,
    /// Start of the last frame that went.
    gone: Option<Timestamp>,
}

impl Frames {
    /// Puts a channel's closed window into its frame. If that frame has gone already, the window
    /// comes back as a frame of its own.
    pub fn add(
        &mut self,
        channel: ChannelIndex,
        window: ClosedWindow,
        closed_by: ClosedBy,
        now: Timestamp,
    ) -> Option<Frame> {
        if self.gone.is_some_and(|gone| window.start <= gone) {
            return Some(Frame::new(channel, window, ClosedBy::Straggler, now));
        }
        let place = (window.start, window.end);
        match self.open.binary_search_by_key(&place, |f| (f.start, f.end)) {
            Ok(at) => self.open[at].add(channel, window, closed_by),
            Err(at) => self
                .open
                .insert(at, Frame::new(channel, window, closed_by, now)),
        }
        None
    }

    /// The earliest open frame.
    pub fn earliest(&self) -> Option<&Frame> {
        self.open.front()
    }

    /// Takes the earliest open frame out.
    pub fn take_earliest(&mut self) -> Option<Frame> {
        let frame = self.open.pop_front()?;
        self.gone = Some(frame.start);
        Some(frame)
    }

    /// Readings of a channel in the frames.
    pub(crate) fn readings_of(&self, channel: usize) -> u64 {
        let parts = self.open.iter().flat_map(|frame| &frame.channels);
        parts
            .filter(|part| usize::from(part.channel) == channel)
            .fold(0, |sum, part| sum.saturating_add(part.features.count))
    }

    /// Frames from a checkpoint, with the channel that `renumber` finds for each in them; what it
    /// finds none for is left out. `None` if no frames can have been in that state.
    pub(crate) fn renumbered(
        mut self,
        renumber: impl Fn(ChannelIndex) -> Option<ChannelIndex>,
    ) -> Option<Self> {
        let increasing = |f: &Frame| f.channels.is_sorted_by(|a, b| a.channel < b.channel);
        let places = self.open.iter().map(|f| (f.start, f.end));
        if !places.is_sorted_by(|a, b| a < b) || !self.open.iter().all(increasing) {
            return None;
        }
        for frame in &mut self.open {
            frame.channels.retain_mut(|part| {
                renumber(part.channel)
                    .map(|index| part.channel = index)
                    .is_some()
            });
            frame.channels.sort_by_key(|part| part.channel);
        }
        self.open.retain(|frame| !frame.channels.is_empty());
        Some(self)
    }
}
