//! From readings to features.

use eyot_signal::Moments;

use super::{Channel, ClosedWindow, Sample};
use crate::config::ClassConfig;
use crate::time::{Span, Timestamp};
use crate::window::Grid;

/// Room to compute in, shared by all channels of a device.
#[derive(Debug, Default)]
pub struct Scratch {
    times: Vec<f64>,
    values: Vec<f64>,
}

impl Scratch {
    /// The moments of sorted samples; times count from `origin`. `None` of nothing.
    fn moments(&mut self, samples: &[Sample], origin: Timestamp) -> Option<Moments> {
        self.times.clear();
        self.values.clear();
        let seconds = |sample: &Sample| (sample.time - origin).as_secs_f64();
        self.times.extend(samples.iter().map(seconds));
        self.values
            .extend(samples.iter().map(|sample| sample.value));
        Moments::of(&self.times, &self.values)
    }
}

/// What the readings of a pane come to. Overlapping windows are merged from panes in order of time,
/// so that each reading is folded once, and what a window comes to depends on its contents alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pane {
    /// Start, inclusive.
    pub(super) start: Timestamp,
    /// Event time of the oldest reading.
    pub(super) oldest: Timestamp,
    /// Event time of the newest reading.
    pub(super) newest: Timestamp,
    /// Times count from `start`.
    pub(super) moments: Moments,
}

impl Pane {
    fn of(samples: &[Sample], start: Timestamp, scratch: &mut Scratch) -> Option<Self> {
        Some(Self {
            start,
            oldest: samples.first()?.time,
            newest: samples.last()?.time,
            moments: scratch.moments(samples, start)?,
        })
    }
}

/// Bytes of a pane in memory.
pub(super) const PANE_BYTES: usize = size_of::<Pane>();
/// Bytes of a reading in memory.
pub(super) const SAMPLE_BYTES: usize = size_of::<Sample>();

impl Channel {
    /// Folds samples that were open and lie before `end` into panes.
    pub(super) fn seal(&mut self, end: Timestamp, grid: Grid, scratch: &mut Scratch) {
        let length = grid.pane();
        let upto = self.samples.partition_point(|sample| sample.time < end);
        let mut from = self.open_from;
        while from < upto {
            let start = self.samples[from].time.window_start(length);
            let pane_end = start + length;
            let rest = &self.samples[from..upto];
            let count = rest.partition_point(|sample| sample.time < pane_end);
            self.panes.extend(Pane::of(&rest[..count], start, scratch));
            from += count;
        }
    }

    /// Folds the pane around `time` anew.
    pub(super) fn reseal(&mut self, time: Timestamp, grid: Grid, scratch: &mut Scratch) {
        let start = time.window_start(grid.pane());
        let samples = self.between(start, start + grid.pane());
        let Some(pane) = Pane::of(samples, start, scratch) else {
            return;
        };
        match self.panes.binary_search_by_key(&start, |pane| pane.start) {
            Ok(at) => self.panes[at] = pane,
            Err(at) => self.panes.insert(at, pane),
        }
    }

    /// The window that ends at `end`; `None` if nothing is in it.
    pub(super) fn on_grid(
        &self,
        end: Timestamp,
        grid: Grid,
        class: &ClassConfig,
        scratch: &mut Scratch,
    ) -> Option<ClosedWindow> {
        let start = end - grid.length;
        if !grid.overlaps() {
            return window(self.between(start, end), start, end, class, scratch);
        }
        let from = self.panes.partition_point(|pane| pane.start < start);
        let mut panes = self.panes.range(from..).take_while(|pane| pane.start < end);
        let moved = |pane: &Pane| pane.moments.later_by((pane.start - start).as_secs_f64());
        let first = panes.next()?;
        let (mut moments, mut newest) = (moved(first), first.newest);
        for pane in panes {
            moments.merge(&moved(pane));
            newest = pane.newest;
        }
        Some(ClosedWindow {
            start,
            end,
            features: moments.summary(),
            extra: Vec::new(),
            oldest: first.oldest,
            newest,
        })
    }

    /// Samples in `[start, end)`.
    pub(super) fn between(&self, start: Timestamp, end: Timestamp) -> &[Sample] {
        let upto = self.samples.partition_point(|sample| sample.time < end);
        let before = &self.samples[..upto];
        let from = before.partition_point(|sample| sample.time < start);
        &before[from..]
    }
}

/// A window of these samples; `None` of nothing.
pub(super) fn window(
    samples: &[Sample],
    start: Timestamp,
    end: Timestamp,
    _class: &ClassConfig,
    scratch: &mut Scratch,
) -> Option<ClosedWindow> {
    let (first, last) = (samples.first()?, samples.last()?);
    let moments = scratch.moments(samples, start)?;
    Some(ClosedWindow {
        start,
        end,
        features: moments.summary(),
        extra: Vec::new(),
        oldest: first.time,
        newest: last.time,
    })
}

/// The instant after `time`.
pub(super) fn just_after(time: Timestamp) -> Timestamp {
    time + Span(1)
}
