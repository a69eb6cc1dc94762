//! A channel as a checkpoint holds it.

use serde::{Deserialize, Serialize};

use super::content::{Pane, Sums};
use super::{Channel, Sample};
use crate::config::{ChannelConfig, ClassConfig};
use crate::device::grown;
use crate::lean;
use crate::time::{Span, Timestamp};

/// The state of a channel, apart from what the windows make of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SavedChannel {
    /// Nanoseconds since the sample before, for the first since `earliest`; and the value.
    #[serde(deserialize_with = "lean::collect")]
    pub(crate) samples: Vec<(u64, f64)>,
    /// Time of the first sample; 0 if there is none.
    pub(crate) earliest: Timestamp,
    pub(crate) frontier: Option<Timestamp>,
    pub(crate) frontier_before: Option<Timestamp>,
    pub(crate) closed_until: Option<Timestamp>,
    pub(crate) last_taken: Option<Timestamp>,
    /// Samples of closed windows.
    pub(crate) open_from: usize,
    pub(crate) forgotten: Option<Timestamp>,
    #[serde(deserialize_with = "lean::collect")]
    pub(crate) panes: Vec<SavedPane>,
    #[serde(deserialize_with = "lean::collect")]
    pub(crate) dirty: Vec<Timestamp>,
}

/// A pane: what its readings come to.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedPane {
    start: Timestamp,
    /// After `start`.
    oldest: Span,
    newest: Span,
    sums: Sums,
}

impl SavedChannel {
    /// Readings held in open windows.
    pub(crate) fn held(&self) -> usize {
        self.samples.len().saturating_sub(self.open_from)
    }

    /// Whether any window holds anything.
    pub(crate) fn has_contents(&self) -> bool {
        !self.samples.is_empty() || !self.panes.is_empty()
    }
}

fn known(time: Timestamp, unknown: Timestamp) -> Option<Timestamp> {
    (time != unknown).then_some(time)
}

impl Channel {
    /// Its state.
    pub(crate) fn save(&self) -> SavedChannel {
        let earliest = self.samples.first().map_or(Timestamp(0), |s| s.time);
        let mut before = earliest;
        let samples = self.samples.iter().map(|sample| {
            let step = sample.time.0.wrapping_sub(before.0) as u64;
            before = sample.time;
            (step, sample.value)
        });
        let pane = |pane: &Pane| SavedPane {
            start: pane.start,
            oldest: pane.oldest - pane.start,
            newest: pane.newest - pane.start,
            sums: pane.sums.clone(),
        };
        SavedChannel {
            samples: samples.collect(),
            earliest,
            frontier: known(self.frontier, Timestamp::MIN),
            frontier_before: known(self.frontier_before, Timestamp::MIN),
            closed_until: known(self.closed_until, Timestamp::MIN),
            last_taken: known(self.last_taken, Timestamp::MIN),
            open_from: self.open_from,
            forgotten: known(self.forgotten, Timestamp::MIN),
            panes: self.panes.iter().map(pane).collect(),
            dirty: self.dirty.clone(),
        }
    }

    /// A channel that goes on from `saved`; `None` if no channel can have been in that state. `same`:
    /// windows are what they were. If not, what is open is cut anew, and the rest is let go of.
    pub(crate) fn resume(
        saved: &SavedChannel,
        config: &ChannelConfig,
        class: &ClassConfig,
        same: bool,
    ) -> Option<Self> {
        let mut samples: Vec<Sample> = Vec::with_capacity(grown(saved.samples.len()));
        let mut time = saved.earliest;
        // As the channel itself has it: the window's end has to be an instant.
        let possible = Timestamp::YEAR_2000..=super::end_of_time(class);
        for &(step, value) in &saved.samples {
            time = Timestamp(time.0.checked_add_unsigned(step)?);
            let sample = Sample { time, value };
            let sorted = samples
                .last()
                .is_none_or(|last| last.order(&sample).is_le());
            if !sorted || !value.is_finite() || !possible.contains(&time) {
                return None;
            }
            samples.push(sample);
        }
        if saved.open_from > samples.len() {
            return None;
        }
        let mut channel = Self {
            samples,
            frontier: saved.frontier.unwrap_or(Timestamp::MIN),
            frontier_before: saved.frontier_before.unwrap_or(Timestamp::MIN),
            last_taken: saved.last_taken.unwrap_or(Timestamp::MIN),
            open_from: saved.open_from,
            closed_until: saved.closed_until.unwrap_or(Timestamp::MIN),
            forgotten: saved.forgotten.unwrap_or(Timestamp::MIN),
            ..Self::new(config)
        };
        if same {
            channel.resume_closed(saved, class)?;
        } else {
            channel.samples.drain(..channel.open_from);
            channel.open_from = 0;
            // Groups of a number are cut between readings of the same instant, too.
            if let Some(first) = channel.samples.first() {
                channel.closed_until = channel.closed_until.min(first.time);
            }
            // Of what was closed nothing can be revised: it was cut otherwise.
            channel.forgotten = channel.closed_until.max(channel.forgotten);
        }
        channel.refresh(class);
        Some(channel)
    }

    /// Takes back what closed windows have left behind.
    fn resume_closed(&mut self, saved: &SavedChannel, class: &ClassConfig) -> Option<()> {
        let closed = self.samples.get(..self.open_from)?;
        let Some(grid) = class.window.grid() else {
            let odd = !saved.panes.is_empty() || !saved.dirty.is_empty();
            return (!odd).then_some(());
        };
        let open = self.samples.get(self.open_from);
        if closed.last().is_some_and(|s| s.time >= self.closed_until)
            || open.is_some_and(|s| s.time < self.closed_until)
        {
            return None;
        }
        let length = grid.pane();
        for pane in &saved.panes {
            let start = pane.start;
            let after = self.panes.back().is_none_or(|last| last.start < start);
            let inside = Span::ZERO <= pane.oldest && pane.oldest <= pane.newest;
            let aligned = start.window_start(length) == start;
            let closed = start >= Timestamp::YEAR_2000 - length && start < self.closed_until;
            if !(after
                && inside
                && aligned
                && closed
                && pane.newest < length
                && pane.sums.fits(class))
            {
                return None;
            }
            self.panes.push_back(Pane {
                start,
                oldest: start + pane.oldest,
                newest: start + pane.newest,
                sums: pane.sums.clone(),
            });
        }
        let ends = saved.dirty.iter().all(|end| {
            *end <= self.closed_until
                && *end >= Timestamp::YEAR_2000
                && grid.end_after(*end - Span(1)) == *end
        });
        if !ends || !saved.dirty.is_sorted_by(|a, b| a < b) {
            return None;
        }
        self.dirty.clone_from(&saved.dirty);
        Some(())
    }
}
