//! Bringing the channels' windows together: one frame per device and window.
//!
//! Channels close their windows each by its own watermark; detectors and models want to see all of
//! them at once. A frame is complete when every channel that was ever heard has passed its end or
//! fallen silent. It does not wait for ever: once a channel has gone on from a watermark `frame_wait` of
//! event time past its end, or `idle_timeout` of gateway time after it began, it goes without the rest. What
//! comes in after its frame has gone becomes a frame of its own, which is recorded but not scored.

use std::collections::VecDeque;

use crate::channel::ClosedWindow;
use crate::effect::{ChannelSummary, ClosedBy};
use crate::reading::ChannelIndex;
use crate::time::Timestamp;

/// The windows of a device's channels over the same stretch of event time.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Start, inclusive.
    pub start: Timestamp,
    /// The channels that had readings, in the order of their index.
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

/// The frames of a device that are not complete yet, earliest first.
#[derive(Debug, Clone, Default)]
pub struct Frames {
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
        match self.open.binary_search_by_key(&window.start, |f| f.start) {
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
}
