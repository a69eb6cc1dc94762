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
use crate::device::grown;
use crate::effect::{ChannelSummary, ClosedBy};
use crate::lean;
use crate::reading::ChannelIndex;
use crate::time::{Span, Timestamp};

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
    /// A frame of one window.
    pub(crate) fn new(
        channel: ChannelIndex,
        window: ClosedWindow,
        closed_by: ClosedBy,
        now: Timestamp,
    ) -> Self {
        let mut frame = Self {
            start: window.start,
            end: window.end,
            oldest: window.oldest,
            newest: window.newest,
            channels: Vec::new(),
            closed_by,
            begun: now,
        };
        frame.put(channel, window);
        frame
    }

    /// Adds a channel's window, or puts it in place of what the channel had.
    fn put(&mut self, channel: ChannelIndex, window: ClosedWindow) {
        self.oldest = self.oldest.min(window.oldest);
        self.newest = self.newest.max(window.newest);
        let part = ChannelSummary {
            channel,
            features: window.features,
            extra: window.extra,
        };
        match self.channels.binary_search_by_key(&channel, |c| c.channel) {
            Ok(at) => self.channels[at] = part,
            Err(at) => self.channels.insert(at, part),
        }
    }

    fn has(&self, channel: ChannelIndex) -> bool {
        self.channels.iter().any(|part| part.channel == channel)
    }

    fn place(&self) -> (Timestamp, Timestamp) {
        (self.start, self.end)
    }
}

/// A frame that has gone and may come again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gone {
    pub(crate) frame: Frame,
    /// Of the summary that went last.
    pub(crate) revision: u32,
    /// Whether anybody was asked about it.
    pub(crate) scored: bool,
    /// Whether it became a summary: if not, its revisions do not either.
    pub(crate) said: bool,
    /// Number of the alert that it raised and its score then, as long as that has not been corrected.
    pub(crate) raised: Option<(u64, f64)>,
}

/// What becomes of a channel's window.
#[derive(Debug)]
pub(crate) enum Placed {
    /// Its frame is still waiting.
    Waits,
    /// Its frame has gone: this is what it is now.
    Revised(Gone),
    /// Its frame has gone for good: it is alone.
    Alone(Frame),
}

/// The frames of a device that are not complete yet, earliest first. Two may have one start only
/// after the windows' length was changed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Frames {
    #[serde(deserialize_with = "lean::collect")]
    open: VecDeque<Frame>,
    /// Start of the last frame that went.
    gone: Option<Timestamp>,
    /// Frames that have gone and may be revised, in the order in which they went.
    #[serde(deserialize_with = "lean::collect")]
    kept: VecDeque<Gone>,
}

impl Frames {
    /// Frames that wait, and where they have got to.
    pub(crate) fn waiting(open: VecDeque<Frame>, gone: Option<Timestamp>) -> Self {
        let kept = VecDeque::new();
        Self { open, gone, kept }
    }

    /// Puts a channel's closed window into its frame. `again`: it was closed before, and has changed.
    pub(crate) fn add(
        &mut self,
        channel: ChannelIndex,
        window: ClosedWindow,
        closed_by: ClosedBy,
        now: Timestamp,
        again: bool,
    ) -> Placed {
        let place = (window.start, window.end);
        let waiting = self.open.binary_search_by_key(&place, Frame::place);
        if let Ok(at) = waiting {
            self.open[at].put(channel, window);
            if !again {
                self.open[at].closed_by = closed_by;
            }
            return Placed::Waits;
        }
        if let Some(gone) = self.kept_around(channel, place) {
            gone.frame.put(channel, window);
            gone.revision += 1;
            return Placed::Revised(gone.clone());
        }
        match waiting {
            Err(at) if self.gone.is_none_or(|gone| place.0 > gone) => {
                let frame = Frame::new(channel, window, closed_by, now);
                self.open.insert(at, frame);
                Placed::Waits
            }
            _ => Placed::Alone(Frame::new(channel, window, ClosedBy::Straggler, now)),
        }
    }

    /// The frame in that place that has gone: the one that has the channel already, else the one that was
    /// scored.
    fn kept_around(
        &mut self,
        channel: ChannelIndex,
        place: (Timestamp, Timestamp),
    ) -> Option<&mut Gone> {
        let here = |gone: &&mut Gone| gone.frame.place() == place;
        let best = self
            .kept
            .iter_mut()
            .filter(here)
            .max_by_key(|gone| (gone.frame.has(channel), gone.scored))?;
        (best.scored || best.frame.has(channel)).then_some(best)
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

    /// Whether a frame waits with a window of such a channel.
    pub(crate) fn waits_with(&self, is: impl Fn(ChannelIndex) -> bool) -> bool {
        let parts = self.open.iter().flat_map(|frame| &frame.channels);
        parts.into_iter().any(|part| is(part.channel))
    }

    /// What comes next of such channels is by another clock: nothing that has gone came before it, or is revised by it.
    /// Frames with any of them are let go of, and those that came too late: what comes next may be in their place.
    pub(crate) fn begin_anew(&mut self, is: impl Fn(ChannelIndex) -> bool) -> Vec<Frame> {
        self.gone = None;
        let mixed = |gone: &Gone| gone.frame.channels.iter().any(|part| is(part.channel));
        let old = |gone: &Gone| !gone.scored || mixed(gone);
        let (old, kept): (Vec<_>, Vec<_>) = self.kept.drain(..).partition(old);
        self.kept = kept.into();
        old.into_iter().map(|gone| gone.frame).collect()
    }

    /// The gateway's clock shows `by` more from now on.
    pub(crate) fn step(&mut self, by: Span) {
        for frame in &mut self.open {
            frame.begun = frame.begun + by;
        }
    }

    /// Keeps a frame that has gone, for revisions.
    pub(crate) fn keep(&mut self, gone: Gone) {
        self.kept.push_back(gone);
    }

    /// Takes out the frame that has been kept longest, if there are more than `most`, but none with a
    /// window that is about to be revised.
    pub(crate) fn surplus(
        &mut self,
        most: usize,
        is_dirty: impl Fn(ChannelIndex, Timestamp) -> bool,
    ) -> Option<Frame> {
        if self.kept.len() <= most {
            return None;
        }
        let clean = |gone: &Gone| {
            let mut parts = gone.frame.channels.iter();
            !parts.any(|part| is_dirty(part.channel, gone.frame.end))
        };
        let at = self.kept.iter().position(clean)?;
        Some(self.kept.remove(at)?.frame)
    }

    /// The frame was found not to deserve the alert that it raised.
    pub(crate) fn corrected(&mut self, number: u64) {
        for gone in &mut self.kept {
            gone.raised.take_if(|(raised, _)| *raised == number);
        }
    }

    /// Lets go of kept frames of which nobody says that they may be revised.
    pub(crate) fn forget(&mut self, revisable: impl Fn(ChannelIndex, Timestamp) -> bool) {
        self.kept.retain(|gone| {
            let mut parts = gone.frame.channels.iter();
            parts.any(|part| revisable(part.channel, gone.frame.end))
        });
    }

    /// Readings of a channel in the frames that wait.
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
        let places = self.open.iter().map(Frame::place);
        let kept = self.kept.iter().map(|gone| &gone.frame);
        if !places.is_sorted_by(|a, b| a < b) || !self.open.iter().chain(kept).all(increasing) {
            return None;
        }
        let kept = self.kept.iter_mut().map(|gone| &mut gone.frame);
        for frame in self.open.iter_mut().chain(kept) {
            frame.channels.retain_mut(|part| {
                renumber(part.channel)
                    .map(|index| part.channel = index)
                    .is_some()
            });
            frame.channels.sort_by_key(|part| part.channel);
        }
        self.open.retain(|frame| !frame.channels.is_empty());
        self.kept.retain(|gone| !gone.frame.channels.is_empty());
        Some(self)
    }

    /// Forgets what channels have beyond what every window has, but for so many: the class asks for others now, or
    /// its model does.
    pub(crate) fn forget_extra(&mut self, but: usize) {
        let kept = self.kept.iter_mut().map(|gone| &mut gone.frame);
        for frame in self.open.iter_mut().chain(kept) {
            for part in &mut frame.channels {
                part.extra.truncate(but);
            }
        }
    }

    /// Forgets which frames might have been revised: windows are others now.
    pub(crate) fn forget_kept(&mut self) {
        self.kept.clear();
    }
}

/// Bytes of so many frames with all of a device's channels, which have so many features beyond those of every window together.
pub(crate) fn bytes(frames: usize, channels: usize, extra: usize) -> usize {
    frames_of(size_of::<Frame>(), frames, channels, extra)
}

/// The same of frames that may be revised.
pub(crate) fn kept_bytes(frames: usize, channels: usize, extra: usize) -> usize {
    frames_of(size_of::<Gone>(), frames, channels, extra)
}

fn frames_of(frame: usize, frames: usize, channels: usize, extra: usize) -> usize {
    let parts = grown(channels).saturating_mul(size_of::<ChannelSummary>());
    let each = parts.saturating_add(extra.saturating_mul(size_of::<Option<f64>>()));
    grown(frames)
        .saturating_mul(frame)
        .saturating_add(frames.saturating_mul(each))
}
