//! The state machine of one device.
//!
//! Readings and timer firings go in with the gateway's time, numbered effects come out. Nothing else
//! goes in or out, so a device can be replayed, moved and tested without its surroundings.

use std::sync::Arc;

use crate::channel::Channel;
use crate::config::{ChannelConfig, ClassConfig};
use crate::detect::{ChannelDetectors, Finding};
use crate::effect::{
    Alert, AlertState, ClosedBy, DegradedReason, Effect, ModelScore, Numbered, Score, Verdict,
    WindowSummary,
};
use crate::frame::{Frame, Frames};
use crate::ledger::ReadingFate;
use crate::model::{Baseline, Model};
use crate::reading::{ChannelIndex, Reading};
use crate::score;
use crate::time::Timestamp;
use crate::verdict::{Change, Episode, VerdictState};

pub use self::checkpoint::{Reset, RestoreError, Restored};

mod checkpoint;

/// What a device is told.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The device has a further channel, which gets the next index.
    Channel {
        /// What it is like.
        config: &'a Arc<ChannelConfig>,
    },
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
    /// The agent stops: what is open is closed, so that nothing is forgotten.
    Stop {
        /// Gateway time.
        now: Timestamp,
    },
}

/// What became of the readings of one input, as (fate, count) with counts above 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(Vec<(ReadingFate, u64)>);

impl Tally {
    fn add(&mut self, fate: ReadingFate) {
        self.count(fate, 1);
    }

    /// Counts `n` readings that met `fate`.
    pub fn count(&mut self, fate: ReadingFate, n: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == fate) {
            Some((_, count)) => *count += n,
            None if n > 0 => self.0.push((fate, n)),
            None => {}
        }
    }

    /// The fates and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (ReadingFate, u64)> {
        self.0.iter().copied()
    }

    /// Readings that met `fate`.
    #[must_use]
    pub fn get(&self, fate: ReadingFate) -> u64 {
        self.iter()
            .filter(|(f, _)| *f == fate)
            .map(|(_, n)| n)
            .sum()
    }

    /// Readings in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, n)| n).sum()
    }

    /// Forgets everything, keeping the room.
    pub fn clear(&mut self) {
        self.0.clear();
    }
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
    verdict: VerdictState,
    /// Consecutive windows not learnt because the device looked anomalous.
    unlearnt: u32,
    next_effect: u64,
    status: Status,
}

impl Device {
    /// A device that starts afresh. `last_effect` is the number of the last effect that was ever
    /// committed for it, 0 if none.
    #[must_use]
    pub fn new(class: Arc<ClassConfig>, model: Option<Model>, last_effect: u64) -> Self {
        let detectors = class
            .channels
            .iter()
            .map(|channel| ChannelDetectors::new(channel, &class.detectors))
            .collect();
        Self {
            unlisted: Vec::new(),
            channels: vec![Channel::default(); class.channels.len()],
            detectors,
            frames: Frames::default(),
            verdict: VerdictState::default(),
            unlearnt: 0,
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
            Input::Readings { now, readings } => {
                for reading in readings {
                    tally.add(self.take(reading, now, effects));
                }
            }
            Input::Timer { now } => {
                self.close_idle(now, effects);
                self.complete_frames(now, false, effects);
            }
            Input::Stop { now } => {
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
        idle.chain(frame).min()
    }

    /// How the device stands.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            verdict: self.verdict.verdict(),
            held: self.held(),
            ..self.status.clone()
        }
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
        self.channels.push(Channel::default());
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

    /// Readings held in open windows.
    #[must_use]
    pub fn held(&self) -> usize {
        self.channels.iter().map(Channel::held).sum()
    }

    fn take(
        &mut self,
        reading: &Reading,
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) -> ReadingFate {
        let index = usize::from(reading.channel);
        let listed = self.class.channels.len();
        let config = match index.checked_sub(listed) {
            None => self.class.channels.get(index),
            Some(beyond) => self.unlisted.get(beyond).map(Arc::as_ref),
        };
        let (Some(channel), Some(config)) = (self.channels.get_mut(index), config) else {
            debug_assert!(
                false,
                "source and device disagree about the class's channels"
            );
            return ReadingFate::RejectedValue;
        };
        let fate = match channel.take(reading, now, &self.class, config) {
            Ok(()) => {
                self.status.newest = self.status.newest.max(Some(reading.time));
                ReadingFate::Processed
            }
            Err(fate @ ReadingFate::RejectedWindowFull) => fate,
            Err(fate) => return fate,
        };
        while self.channels[index].is_due(self.class.out_of_orderness) {
            self.close(index, ClosedBy::Watermark, now, effects);
        }
        self.complete_frames(now, false, effects);
        fate
    }

    fn close(
        &mut self,
        index: usize,
        closed_by: ClosedBy,
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) {
        if let Some(window) = self.channels[index].close_earliest(self.class.window)
            && let Some(straggler) = self
                .frames
                .add(index as ChannelIndex, window, closed_by, now)
        {
            self.emit_window(straggler, None, now, effects);
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
            if !all && !self.is_complete(frame, now) {
                break;
            }
            if let Some(frame) = self.frames.take_earliest() {
                self.score_frame(frame, now, effects);
            }
        }
    }

    /// Whether a frame need not wait any longer.
    fn is_complete(&self, frame: &Frame, now: Timestamp) -> bool {
        let end = frame.end;
        let slack = self.class.out_of_orderness;
        // A channel without an open window has fallen silent or was never heard: nobody waits for it.
        let mut awaited = self
            .channels
            .iter()
            .filter(|channel| channel.has_open_window())
            .filter_map(|channel| channel.watermark(slack));
        // A channel that has jumped is not ahead of the others yet: after a gap they all jump, one
        // after the other. It is once it goes on from there.
        let mut gone_on = self
            .channels
            .iter()
            .filter_map(|channel| channel.watermark_before(slack));
        awaited.all(|mark| mark >= end)
            || gone_on.any(|mark| mark >= end + self.class.frame_wait)
            || now >= frame.begun + self.class.idle_timeout
    }

    fn score_frame(&mut self, frame: Frame, now: Timestamp, effects: &mut Vec<Numbered>) {
        let score = self.score(&frame);
        self.status.score = score.fused;
        self.status.degraded = match &score.model {
            ModelScore::Degraded { reason, .. } => Some(*reason),
            ModelScore::None | ModelScore::Scored { .. } => None,
        };
        let end = frame.end;
        let change = self
            .verdict
            .observe(&self.class.verdict, frame.start, end, score.fused);
        // The summary comes first: whoever reads the alert can look its window up.
        let alert_number = self.next_effect + 1;
        let alert = match change {
            Change::None => None,
            Change::Raise { since, peak } => {
                self.status.alerts += 1;
                let episode = Episode {
                    number: alert_number,
                    since,
                    peak,
                };
                self.verdict.open(episode);
                Some((AlertState::Raised, episode))
            }
            Change::Clear(episode) => Some((AlertState::Cleared, episode)),
        };
        self.learn(&frame, score.fused.is_some_and(|fused| fused >= 1.0));
        let oldest = frame.oldest;
        self.emit_window(frame, Some(score.clone()), now, effects);
        if let Some((state, episode)) = alert {
            self.emit(
                Effect::Alert(Box::new(Alert {
                    state,
                    episode: episode.number,
                    time: end,
                    since: episode.since,
                    decided_at: now,
                    oldest,
                    score,
                    peak: episode.peak,
                })),
                effects,
            );
        }
    }

    /// Asks every detector about a frame.
    fn score(&mut self, frame: &Frame) -> Score {
        let config = &self.class.detectors;
        let mut findings: Vec<Finding> = Vec::new();
        let mut scratch = vec![0.0; config.robust_z.as_ref().map_or(0, |c| c.history)];
        for part in &frame.channels {
            self.detectors[usize::from(part.channel)].score(
                part.channel,
                config,
                &part.features,
                &mut scratch,
                |finding| findings.push(finding),
            );
        }
        let model = match &mut self.model {
            Some((model, baseline)) => {
                model.score(frame, baseline, |finding| findings.push(finding))
            }
            None => ModelScore::None,
        };
        score::fuse(&findings, model, self.class.verdict.contributions)
    }

    /// Lets the baselines learn a frame, unless it looks anomalous: a fault must not become the new
    /// normal. What lasts longer than `relearn_after` windows is the new normal all the same.
    fn learn(&mut self, frame: &Frame, odd: bool) {
        if odd || self.verdict.verdict() == Verdict::Anomalous {
            self.unlearnt = self.unlearnt.saturating_add(1);
            if self.unlearnt <= self.class.detectors.relearn_after {
                return;
            }
        } else {
            self.unlearnt = 0;
        }
        for part in &frame.channels {
            self.detectors[usize::from(part.channel)].learn(&part.features);
        }
        if let Some((model, baseline)) = &mut self.model {
            model.learn(baseline);
        }
    }

    fn emit_window(
        &mut self,
        frame: Frame,
        score: Option<Score>,
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) {
        self.status.windows += 1;
        let summary = WindowSummary {
            start: frame.start,
            end: frame.end,
            closed_by: frame.closed_by,
            channels: frame.channels,
            scored_at: now,
            oldest: frame.oldest,
            newest: frame.newest,
            score,
            verdict: self.verdict.verdict(),
        };
        self.emit(Effect::Window(Box::new(summary)), effects);
    }

    fn emit(&mut self, effect: Effect, effects: &mut Vec<Numbered>) {
        effects.push(Numbered {
            number: self.next_effect,
            effect,
        });
        self.next_effect += 1;
    }
}

#[cfg(test)]
mod tests;
