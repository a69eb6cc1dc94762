//! Readings on their way into their channels.

use super::Device;
use crate::channel::{FrameBound, Taken};
use crate::effect::{ClosedBy, Effect, LateReading, Numbered};
use crate::ledger::ReadingFate;
use crate::reading::{Clock, Origin, Reading};
use crate::time::{Span, Timestamp};
use crate::window::LatePolicy;

impl Device {
    /// Takes as many readings as close nothing and need no closer look, and says how many.
    pub(super) fn take_run(&mut self, readings: &[Reading], now: Timestamp) -> usize {
        let bound = match self.frames.earliest() {
            None => FrameBound::NONE,
            Some(frame) if now >= frame.begun + self.class.idle_timeout => return 0,
            Some(frame) => {
                let passed = frame.end + self.class.out_of_orderness;
                FrameBound {
                    passed,
                    ahead: passed + self.class.frame_wait,
                }
            }
        };
        let moment = self.moment(now);
        let earliest = match self.class.skew.max_past {
            Some(most) if self.is_set() => now - most,
            _ => Timestamp::MIN,
        };
        let (mut taken, mut newest, mut ahead) = (0, Timestamp::MIN, self.ahead);
        // Where channels are computed from others, each reading may make some of theirs.
        let most = if self.grids.is_empty() { usize::MAX } else { 1 };
        for reading in readings.iter().take(most) {
            if !reading.origin.is_plain() || reading.time < earliest {
                break;
            }
            let Some(channel) = self.channels.get_mut(usize::from(reading.channel)) else {
                break;
            };
            if !channel.append(reading, &moment, &bound) {
                break;
            }
            taken += 1;
            newest = newest.max(reading.time);
            ahead = ahead.max(channel.frontier_before());
        }
        if taken > 0 {
            self.status.newest = self.status.newest.max(Some(newest));
            self.ahead = ahead;
        }
        taken
    }

    /// Takes the first of `readings`, and says what became of it.
    pub(super) fn take_first(
        &mut self,
        readings: &[Reading],
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) -> ReadingFate {
        let reading = match self.place_in_time(readings, now) {
            Ok(reading) => reading,
            Err(fate) => return fate,
        };
        if reading != readings[0] || !reading.origin.is_plain() {
            let clock = match reading.origin.clock() {
                Clock::Sender => Clock::Sender,
                Clock::Arrival | Clock::SinceBoot => Clock::Arrival,
            };
            let plain = Reading {
                origin: Origin::default().with_clock(clock),
                ..reading
            };
            if self.take_run(&[plain], now) == 1 {
                return ReadingFate::Processed;
            }
        }
        self.take(&reading, now, effects)
    }

    /// Takes a reading whose time is the gateway's, with all that follows from it, and says what became of it.
    pub(super) fn take(
        &mut self,
        reading: &Reading,
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) -> ReadingFate {
        let index = usize::from(reading.channel);
        let moment = self.moment(now);
        let Some(channel) = self.channels.get_mut(index) else {
            debug_assert!(
                false,
                "source and device disagree about the class's channels"
            );
            return ReadingFate::RejectedValue;
        };
        let fate = match channel.take(reading, &moment, &self.class, &mut self.scratch) {
            Ok(taken) => {
                self.status.newest = self.status.newest.max(Some(reading.time));
                if taken == Taken::Revises {
                    self.dirty_since = self.dirty_since.or(Some(now));
                }
                ReadingFate::Processed
            }
            Err(fate @ ReadingFate::RejectedWindowFull) => fate,
            Err(fate) => {
                if fate == ReadingFate::Late && self.class.late != LatePolicy::Drop {
                    self.emit_late(reading, now, effects);
                }
                return fate;
            }
        };
        self.ahead = self.ahead.max(self.channels[index].frontier_before());
        if !self.grids.is_empty() {
            self.hand_on(reading, now, effects);
        }
        while self.channels[index].is_due(&self.class) {
            self.close(index, ClosedBy::Watermark, now, effects);
        }
        self.complete_frames(now, false, effects);
        fate
    }

    fn emit_late(&mut self, reading: &Reading, now: Timestamp, effects: &mut Vec<Numbered>) {
        let mark = self.channels[usize::from(reading.channel)].mark(&self.class);
        let (start, end) = match self.class.window.grid() {
            Some(grid) => {
                let end = grid.end_after(reading.time);
                (end - grid.length, end)
            }
            None => (reading.time, reading.time + Span(1)),
        };
        let reading = &self.channels[usize::from(reading.channel)].calibrated(reading);
        let late = LateReading {
            channel: reading.channel,
            time: reading.time,
            value: reading.value,
            behind: (mark - reading.time).max(Span::ZERO),
            start,
            end,
            arrived: now,
        };
        let events = self.events_by([reading.channel]);
        self.emit(Effect::Late(Box::new(late)), events, effects);
    }
}
