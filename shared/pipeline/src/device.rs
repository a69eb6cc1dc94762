//! The state machine of one device.
//!
//! Readings and timer firings go in with the gateway's time, numbered effects come out. Nothing else
//! goes in or out, so a device can be replayed, moved and tested without its surroundings.

use std::sync::Arc;

use crate::channel::{Channel, Scratch};
use crate::config::{ChannelConfig, ClassConfig};
use crate::detect::ChannelDetectors;
use crate::effect::{ClosedBy, DegradedReason, Effect, Numbered, Verdict};
use crate::frame::{Frame, Frames, Placed};
use crate::gateway::{ClockStep, EventsBy, GatewayClock};
use crate::grid::Grid;
use crate::ledger::ReadingFate;
use crate::model::{Baseline, Model};
use crate::reading::{ChannelIndex, Reading, Sender};
use crate::time::{Span, Timestamp};

use self::senders::Senders;
use self::silence::Silence;
use self::watch::Watch;

pub use self::checkpoint::{Reset, RestoreError, Restored};
pub use self::memory::Memory;
pub(crate) use self::memory::grown;
pub use self::senders::TimeCounts;
pub use self::tally::Tally;

mod checkpoint;
mod gateway;
mod grid;
mod intake;
mod memory;
mod revise;
mod scoring;
mod senders;
mod silence;
mod tally;
mod watch;

/// How long, in gateway time, a revision waits for more readings of its kind. The next window of its
/// channel ends the wait as well.
pub const REVISION_WAIT: Span = Span::from_secs(1);

/// What a device is told.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The device has a further channel, which gets the next index.
    Channel {
        /// What it is like.
        config: &'a Arc<ChannelConfig>,
    },
    /// What one of its senders is; said before the first of its readings to which it matters, and again whenever it
    /// changes. What is known already changes nothing.
    Sender(Sender),
    /// Readings arrived.
    Readings {
        /// Gateway time of their arrival.
        now: Timestamp,
        /// In the order in which they came.
        readings: &'a [Reading],
    },
    /// The time that [`Device::wake_at`] asked for has come.
    Timer {
        /// Gateway time.
        now: Timestamp,
    },
    /// The gateway's clock is set, or is another one than the device knows of. What is known already changes nothing.
    Clock {
        /// Gateway time, by the clock as it is from now on.
        now: Timestamp,
        /// How it differs from before.
        step: ClockStep,
    },
    /// The agent stops: what is open is closed, so that nothing is forgotten.
    Stop {
        /// Gateway time.
        now: Timestamp,
    },
}

/// A device as others may see it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Status {
    /// Newest event time seen.
    pub newest: Option<Timestamp>,
    /// The verdict.
    pub verdict: Verdict,
    /// Fused score of the last scored window.
    pub score: Option<f64>,
    /// Windows completed.
    pub windows: u64,
    /// Alerts raised.
    pub alerts: u64,
    /// Readings held in open windows.
    pub held: usize,
    /// Why the model gave no score for the last window.
    pub degraded: Option<DegradedReason>,
    /// What happened to numbers and clocks.
    pub time: TimeCounts,
}

/// One device.
#[derive(Debug)]
pub struct Device {
    class: Arc<ClassConfig>,
    model: Option<(Model, Baseline)>,
    /// Channels beyond those that the class lists.
    unlisted: Vec<Arc<ChannelConfig>>,
    channels: Vec<Channel>,
    detectors: Vec<ChannelDetectors>,
    frames: Frames,
    /// One for the device where channels have their windows in common, else one for each channel.
    watches: Vec<Watch>,
    silence: Silence,
    senders: Senders,
    gateway: GatewayClock,
    /// One for each channel that is computed.
    grids: Vec<Grid>,
    /// Gateway time at which the first closed window changed of those that are still to be emitted again.
    dirty_since: Option<Timestamp>,
    /// The furthest that any channel has gone on from.
    ahead: Timestamp,
    /// A channel that the earliest frame waits for, as far as anyone has looked.
    awaited: usize,
    scratch: Scratch,
    next_effect: u64,
    status: Status,
}

impl Device {
    /// A device that starts afresh. `last_effect` is the number of the last effect that was ever
    /// committed for it, 0 if none.
    #[must_use]
    pub fn new(class: Arc<ClassConfig>, model: Option<Model>, last_effect: u64) -> Self {
        let watches = if class.window.is_aligned() {
            1
        } else {
            class.channels.len()
        };
        let listed = class.channels.iter();
        Self {
            unlisted: Vec::new(),
            channels: listed.clone().map(Channel::new).collect(),
            detectors: listed
                .map(|channel| ChannelDetectors::new(channel, &class.detectors))
                .collect(),
            frames: Frames::default(),
            watches: vec![Watch::default(); watches],
            silence: Silence::default(),
            senders: Senders::default(),
            gateway: GatewayClock::default(),
            grids: class.virtuals.iter().map(Grid::new).collect(),
            dirty_since: None,
            ahead: Timestamp::MIN,
            awaited: 0,
            scratch: Scratch::default(),
            next_effect: last_effect + 1,
            status: Status::default(),
            model: model.map(|model| (model, Baseline::default())),
            class,
        }
    }

    /// Takes an input in. Effects are appended to `effects`, what became of the readings to `tally`.
    pub fn handle(&mut self, input: Input<'_>, tally: &mut Tally, effects: &mut Vec<Numbered>) {
        match input {
            Input::Channel { config } => self.add_channel(config),
            Input::Sender(told) => self.senders.learn(told),
            Input::Readings { now, readings } => {
                self.emit_revisions(now, effects);
                if !readings.is_empty() {
                    self.hear(now, effects);
                }
                let mut left = readings;
                loop {
                    let run = self.take_run(left, now);
                    tally.count(ReadingFate::Processed, run as u64);
                    self.compute(&left[..run], now, effects);
                    left = &left[run..];
                    if left.is_empty() {
                        break;
                    }
                    tally.add(self.take_first(left, now, effects));
                    left = &left[1..];
                }
            }
            Input::Timer { now } => {
                self.emit_revisions(now, effects);
                self.compute_silent(now, effects);
                self.close_idle(now, effects);
                self.complete_frames(now, false, effects);
                self.listen(now, effects);
            }
            Input::Clock { now, step } => self.set_clock(now, step, effects),
            Input::Stop { now } => {
                self.compute_rest(now, effects);
                self.dirty_since = self.dirty_since.map(|_| Timestamp::MIN);
                self.emit_revisions(now, effects);
                for index in 0..self.channels.len() {
                    self.close_all(index, ClosedBy::Shutdown, now, effects);
                }
                self.complete_frames(now, true, effects);
            }
        }
    }

    /// The gateway time at which the device wants an [`Input::Timer`], if nothing comes before.
    #[must_use]
    pub fn wake_at(&self) -> Option<Timestamp> {
        let idle = self
            .channels
            .iter()
            .filter_map(|channel| channel.idle_at(self.class.idle_timeout));
        let frame = self
            .frames
            .earliest()
            .map(|frame| frame.begun + self.class.idle_timeout);
        let revision = self.dirty_since.map(|since| since + REVISION_WAIT);
        let stale = self.silence.stale_at(self.class.report);
        idle.chain(frame).chain(revision).chain(stale).min()
    }

    /// How the device stands.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            verdict: self.verdict(),
            held: self.held(),
            time: self.senders.counts,
            ..self.status.clone()
        }
    }

    /// Newest event time seen.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.status.newest
    }

    /// Its class.
    #[must_use]
    pub fn class(&self) -> &ClassConfig {
        &self.class
    }

    /// The channel of that index.
    #[must_use]
    pub fn channel(&self, index: ChannelIndex) -> Option<&ChannelConfig> {
        let index = usize::from(index);
        let listed = self.class.channels.len();
        match index.checked_sub(listed) {
            None => self.class.channels.get(index),
            Some(beyond) => self.unlisted.get(beyond).map(Arc::as_ref),
        }
    }

    /// The channels that its class does not list, in the order of their index, which goes on from
    /// the listed ones'.
    #[must_use]
    pub fn unlisted(&self) -> &[Arc<ChannelConfig>] {
        &self.unlisted
    }

    /// How many channels it has.
    #[must_use]
    pub fn channel_count(&self) -> usize {
        self.channels.len()
    }

    fn add_channel(&mut self, config: &Arc<ChannelConfig>) {
        let detectors = ChannelDetectors::new(config, &self.class.detectors);
        self.detectors.push(detectors);
        self.channels.push(Channel::new(config));
        if !self.class.window.is_aligned() {
            self.watches.push(Watch::default());
        }
        self.unlisted.push(Arc::clone(config));
    }

    /// The number that the next effect gets.
    #[must_use]
    pub fn next_effect(&self) -> u64 {
        self.next_effect
    }

    /// Numbers effects from `next` on, unless the device is further already. For numbers that were
    /// given away and are not to be given again.
    pub fn skip_effects_to(&mut self, next: u64) {
        self.next_effect = self.next_effect.max(next);
    }

    /// Numbers effects from `next` on, wherever the device is: for one that has gone through other inputs again than
    /// those that its effects are of.
    pub fn number_effects_from(&mut self, next: u64) {
        self.next_effect = next;
    }

    /// Forgets windows that end by `told_until`, and keeps what was learnt: for a device whose state is older than its last
    /// effects, when nothing brings again what came in between. What those windows had to say is said.
    pub fn forget_windows(&mut self, told_until: Timestamp) {
        for channel in &mut self.channels {
            channel.forget_until(told_until, &self.class);
        }
        self.frames = Frames::default();
        self.dirty_since = None;
        self.ahead = Timestamp::MIN;
        self.awaited = 0;
    }

    /// Readings held in open windows.
    #[must_use]
    pub fn held(&self) -> usize {
        self.channels.iter().map(Channel::held).sum()
    }

    fn close(
        &mut self,
        index: usize,
        closed_by: ClosedBy,
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) {
        // What has changed goes out before its readings are let go of.
        self.emit_revisions_of(index, now, effects);
        let channel = index as ChannelIndex;
        let closed = self.channels[index].close_earliest(&self.class, &mut self.scratch);
        let Some(window) = closed else {
            return;
        };
        if !self.class.window.is_aligned() {
            let frame = Frame::new(channel, window, closed_by, now);
            return self.score_frame(frame, now, effects);
        }
        match self.frames.add(channel, window, closed_by, now, false) {
            Placed::Waits => {}
            Placed::Revised(gone) => self.emit_revision(gone, now, effects),
            Placed::Alone(frame) => self.emit_alone(frame, now, effects),
        }
    }

    fn close_all(
        &mut self,
        index: usize,
        closed_by: ClosedBy,
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) {
        while self.channels[index].has_open_window() {
            self.close(index, closed_by, now, effects);
        }
    }

    fn close_idle(&mut self, now: Timestamp, effects: &mut Vec<Numbered>) {
        for index in 0..self.channels.len() {
            let idle_at = self.channels[index].idle_at(self.class.idle_timeout);
            if idle_at.is_some_and(|at| now >= at) {
                self.close_all(index, ClosedBy::Idle, now, effects);
            }
        }
    }

    fn complete_frames(&mut self, now: Timestamp, all: bool, effects: &mut Vec<Numbered>) {
        while let Some(frame) = self.frames.earliest() {
            let (end, begun) = (frame.end, frame.begun);
            if !all && !self.is_complete(end, begun, now) {
                break;
            }
            if let Some(frame) = self.frames.take_earliest() {
                self.score_frame(frame, now, effects);
            }
        }
    }

    /// Whether a frame need not wait any longer. A channel that has jumped is not ahead of the others yet:
    /// after a gap they all jump, one after the other. It is once it goes on from there.
    fn is_complete(&mut self, end: Timestamp, begun: Timestamp, now: Timestamp) -> bool {
        let ahead = self.ahead - self.class.out_of_orderness;
        now >= begun + self.class.idle_timeout
            || ahead >= end + self.class.frame_wait
            || !self.waits_for_any(end)
    }

    /// Whether any channel has a window to close and has not passed `end`. One without has fallen silent
    /// or was never heard. Looks first where it stopped last time: channels pass in turn.
    fn waits_for_any(&mut self, end: Timestamp) -> bool {
        let from = self.awaited.min(self.channels.len());
        let (before, after) = self.channels.split_at(from);
        let waits = |channel: &Channel| channel.may_close(end) && channel.mark(&self.class) < end;
        let found = match after.iter().position(waits) {
            Some(at) => Some(from + at),
            None => before.iter().position(waits),
        };
        self.awaited = found.unwrap_or(0);
        found.is_some()
    }

    /// What the device is, judged by all its windows.
    fn verdict(&self) -> Verdict {
        let verdicts = || self.watches.iter().map(|watch| watch.verdict.verdict());
        [Verdict::Anomalous, Verdict::Normal]
            .into_iter()
            .find(|verdict| verdicts().any(|other| other == *verdict))
            .unwrap_or_default()
    }

    /// `events`: whose its event times are.
    fn emit(&mut self, effect: Effect, events: EventsBy, effects: &mut Vec<Numbered>) {
        effects.push(Numbered {
            number: self.next_effect,
            effect,
            unset: self.unset(events),
        });
        self.next_effect += 1;
    }
}

#[cfg(test)]
mod tests;
