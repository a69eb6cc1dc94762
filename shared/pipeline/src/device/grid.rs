//! The channels that a device computes from its others.

use std::sync::Arc;

use super::Device;
use crate::channel::Channel;
use crate::effect::Numbered;
use crate::grid::Progress;
use crate::reading::{Clock, Origin, Reading};
use crate::time::Timestamp;

impl Device {
    /// Readings have been taken in: computes what they settle.
    pub(super) fn compute(
        &mut self,
        readings: &[Reading],
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) {
        if self.grids.is_empty() {
            return;
        }
        for reading in readings {
            self.hand_on(reading, now, effects);
        }
    }

    /// A reading has been taken in.
    pub(super) fn hand_on(
        &mut self,
        reading: &Reading,
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) {
        let value = self.channels[usize::from(reading.channel)]
            .calibrated(reading)
            .value;
        let class = Arc::clone(&self.class);
        for (at, config) in class.virtuals.iter().enumerate() {
            let input = config
                .inputs
                .iter()
                .position(|input| *input == reading.channel);
            if let Some(input) = input {
                self.grids[at].put(input, reading.time, value + 0.0);
                self.compute_grid(at, now, effects, |channel| channel.mark(&class));
            }
        }
    }

    /// Computes what nobody waits for any longer, since the inputs that it would wait for are silent.
    pub(super) fn compute_silent(&mut self, now: Timestamp, effects: &mut Vec<Numbered>) {
        let class = Arc::clone(&self.class);
        for at in 0..self.grids.len() {
            self.compute_grid(at, now, effects, |channel| {
                if channel.is_silent(now, class.idle_timeout) {
                    Timestamp::MAX
                } else {
                    channel.mark(&class)
                }
            });
        }
    }

    /// Computes what is left, before everything closes.
    pub(super) fn compute_rest(&mut self, now: Timestamp, effects: &mut Vec<Numbered>) {
        for at in 0..self.grids.len() {
            self.compute_grid(at, now, effects, |_| Timestamp::MAX);
        }
    }

    fn compute_grid(
        &mut self,
        at: usize,
        now: Timestamp,
        effects: &mut Vec<Numbered>,
        mark: impl Fn(&Channel) -> Timestamp,
    ) {
        let class = Arc::clone(&self.class);
        let config = &class.virtuals[at];
        let mut values = Vec::new();
        loop {
            let channels = &self.channels;
            let progress = |input: usize| {
                let channel = channels.get(usize::from(config.inputs[input]));
                Progress {
                    mark: channel.map_or(Timestamp::MAX, &mark),
                }
            };
            let Some((time, value)) = self.grids[at].take(config, progress, &mut values) else {
                return;
            };
            let mut inputs = config.inputs.iter();
            let by_gateway = inputs.any(|input| {
                let channel = self.channels.get(usize::from(*input));
                channel.is_some_and(Channel::is_by_gateway)
            });
            let clock = if by_gateway {
                Clock::Arrival
            } else {
                Clock::Sender
            };
            let reading = Reading {
                time,
                value,
                channel: config.channel,
                origin: Origin::default().with_clock(clock),
            };
            let heard = config.inputs.iter().filter_map(|input| {
                let channel = self.channels.get(usize::from(*input))?;
                Some(channel.last_taken())
            });
            let heard = heard.max().unwrap_or(now);
            // It is no reading that came, so that nothing is counted.
            let _ = self.take(&reading, now, effects);
            // Nor does it break the silence of those that it is made of.
            if let Some(channel) = self.channels.get_mut(usize::from(config.channel)) {
                channel.was_taken_at(heard);
            }
        }
    }
}
