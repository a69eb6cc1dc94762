//! What a device makes of the gateway's clock: that it is not set, and that it is set or was set anew.
//!
//! Event times by the senders' own clocks stay what they are. Those by the gateway's, of readings that have no time of their
//! own, are on one line only as long as nobody sets it: at a step their windows close, and what comes next begins anew.

use super::Device;
use crate::channel::{Channel, Moment};
use crate::effect::{ClosedBy, Numbered};
use crate::frame::Frame;
use crate::gateway::{ClockStep, EventsBy, GatewayClock, Unset};
use crate::reading::ChannelIndex;
use crate::time::{Span, Timestamp};

impl Device {
    /// Whether the gateway's clock is set.
    pub(super) fn is_set(&self) -> bool {
        self.gateway == GatewayClock::Set
    }

    /// What the device has been told of the gateway's clock.
    #[must_use]
    pub fn gateway(&self) -> GatewayClock {
        self.gateway
    }

    /// What `now` rules out: nothing while the clock is not set.
    pub(super) fn moment(&self, now: Timestamp) -> Moment {
        if self.is_set() {
            Moment::set(now, &self.class)
        } else {
            Moment::unset(now, &self.class)
        }
    }

    /// The gateway's clock is set, to `now`.
    pub(super) fn set_clock(
        &mut self,
        now: Timestamp,
        step: ClockStep,
        effects: &mut Vec<Numbered>,
    ) {
        let ClockStep { by, clock } = step;
        if by == Span::ZERO && clock == self.gateway {
            return;
        }
        self.close_by_gateway(now - by, effects);
        for channel in &mut self.channels {
            channel.step(by);
        }
        self.frames.step(by);
        self.senders.step(by);
        self.silence.step(by);
        self.dirty_since = self.dirty_since.map(|since| since + by);
        self.gateway = clock;
    }

    /// Closes what is open by the gateway's clock as it was, and forgets how far its time had come.
    fn close_by_gateway(&mut self, now: Timestamp, effects: &mut Vec<Numbered>) {
        let by_gateway: Vec<bool> = self.channels.iter().map(Channel::is_by_gateway).collect();
        if !by_gateway.contains(&true) {
            return;
        }
        let by_gateway = |index: usize| by_gateway.get(index).copied().unwrap_or_default();
        let class = std::sync::Arc::clone(&self.class);
        for (grid, config) in self.grids.iter_mut().zip(&class.virtuals) {
            let mut inputs = config.inputs.iter();
            if inputs.any(|input| by_gateway(usize::from(*input))) {
                grid.begin_anew();
            }
        }
        for index in 0..self.channels.len() {
            self.emit_revisions_of(index, now, effects);
        }
        for index in 0..self.channels.len() {
            if by_gateway(index) {
                self.close_all(index, ClosedBy::ClockSet, now, effects);
                self.channels[index].begin_anew(&self.class);
            }
        }
        let is_old = |channel: ChannelIndex| by_gateway(usize::from(channel));
        while self.frames.waits_with(is_old)
            && let Some(frame) = self.frames.take_earliest()
        {
            self.score_frame(frame, now, effects);
        }
        for frame in self.frames.begin_anew(is_old) {
            for part in &frame.channels {
                self.channels[usize::from(part.channel)].give_up(frame.end);
            }
        }
        for watch in &mut self.watches {
            watch.begin_anew();
        }
        let frontiers = self.channels.iter().map(Channel::frontier_before);
        self.ahead = frontiers.max().unwrap_or(Timestamp::MIN);
        if self.channels.iter().all(Channel::is_by_gateway) {
            self.status.newest = None;
        }
    }

    /// Whose event times those of these channels are.
    pub(super) fn events_by(&self, channels: impl IntoIterator<Item = ChannelIndex>) -> EventsBy {
        let (mut gateway, mut senders) = (false, false);
        for index in channels {
            let channel = self.channels.get(usize::from(index));
            let by_gateway = channel.is_some_and(Channel::is_by_gateway);
            gateway |= by_gateway;
            senders |= !by_gateway;
        }
        match (gateway, senders) {
            (true, true) => EventsBy::Both,
            (true, false) => EventsBy::Gateway,
            (false, _) => EventsBy::Senders,
        }
    }

    /// Whose event times those of a frame are.
    pub(super) fn events_of(&self, frame: &Frame) -> EventsBy {
        self.events_by(frame.channels.iter().map(|part| part.channel))
    }

    /// What is to be said of the times of an effect.
    pub(super) fn unset(&self, events: EventsBy) -> Option<Unset> {
        match self.gateway {
            GatewayClock::Set => None,
            GatewayClock::Unset { boot } => Some(Unset { boot, events }),
        }
    }
}
