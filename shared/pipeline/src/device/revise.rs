//! Windows that are emitted again.
//!
//! A revision is judged by what the detectors know now, and teaches them nothing.

use super::{Device, REVISION_WAIT};
use crate::channel::Channel;
use crate::effect::{ClosedBy, Correction, Effect, Numbered};
use crate::frame::{Gone, Placed};
use crate::reading::ChannelIndex;
use crate::time::Timestamp;

impl Device {
    /// Emits what has changed, once the first change is [`REVISION_WAIT`] ago.
    pub(super) fn emit_revisions(&mut self, now: Timestamp, effects: &mut Vec<Numbered>) {
        if self
            .dirty_since
            .is_none_or(|since| now < since + REVISION_WAIT)
        {
            return;
        }
        for index in 0..self.channels.len() {
            self.emit_revisions_of(index, now, effects);
        }
        self.dirty_since = None;
    }

    /// Emits what has changed on one channel.
    pub(super) fn emit_revisions_of(
        &mut self,
        index: usize,
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) {
        while let Some(window) = self.channels[index].next_revision(&self.class, &mut self.scratch)
        {
            let channel = index as ChannelIndex;
            match self
                .frames
                .add(channel, window, ClosedBy::Watermark, now, true)
            {
                Placed::Waits => {}
                Placed::Revised(gone) => self.emit_revision(gone, now, effects),
                Placed::Alone(frame) => self.emit_alone(frame, now, effects),
            }
        }
        if self.dirty_since.is_some() && !self.channels.iter().any(Channel::is_dirty) {
            self.dirty_since = None;
        }
    }

    /// Emits what a frame that has gone is now.
    pub(super) fn emit_revision(
        &mut self,
        gone: Gone,
        now: Timestamp,
        effects: &mut Vec<Numbered>,
    ) {
        let Gone {
            frame,
            revision,
            scored,
            said,
            raised,
        } = gone;
        if !said {
            return;
        }
        let (start, end, oldest) = (frame.start, frame.end, frame.oldest);
        let score = scored.then(|| self.rescore(&frame));
        let events = self.events_of(&frame);
        self.emit_window(frame, revision, score.clone(), now, effects);
        let contradicts = |fused: f64| fused < 1.0;
        if let (Some((alert, was)), Some(score)) = (raised, score)
            && score.fused.is_some_and(contradicts)
        {
            self.frames.corrected(alert);
            let correction = Correction {
                alert,
                start,
                end,
                revision,
                was,
                score,
                oldest,
                decided_at: now,
            };
            self.emit(Effect::Correction(Box::new(correction)), events, effects);
        }
    }
}
