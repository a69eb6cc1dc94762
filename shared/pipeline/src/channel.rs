//! One channel of one device: event-time order, duplicates, lateness, windows.
//!
//! Readings are kept sorted by time and value until no window needs them any more, and folded into
//! features when a window closes. So a window's features depend on what is in it and never on the
//! order of arrival, and a duplicate is found however late it comes, as long as its window is open.
//! A window closes when the watermark (the newest event time, or the time of its arrival if that is
//! earlier, less `out_of_orderness`) reaches its end, or when the channel falls silent.
//!
//! ```text
//! samples   ──────────────┬──────────────────────
//!   in closed windows,    │ open: in no closed
//!   needed once more      │ window yet
//!                    open_from
//! ```

use std::cmp::Ordering;
use std::collections::VecDeque;

use eyot_signal::Summary;

use self::content::Pane;
pub(crate) use self::content::Scratch;
pub(crate) use self::memory::{panes_bytes, readings_bytes, room_bytes};
pub(crate) use self::saved::SavedChannel;
use crate::config::{ChannelConfig, ChannelKind, ClassConfig};
use crate::ledger::ReadingFate;
use crate::raster::Raster;
use crate::reading::Reading;
use crate::time::{Span, Timestamp};
use crate::window::{LatePolicy, WindowSpec};

mod close;
mod content;
mod memory;
mod revise;
mod saved;
mod values;

/// Values further from zero are rejected: their squares leave no room for a sum, and features
/// would stop being numbers.
const MAX_MAGNITUDE: f64 = 1e100;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Sample {
    time: Timestamp,
    value: f64,
}

impl Sample {
    fn new(reading: &Reading) -> Self {
        Self {
            time: reading.time,
            // Turns -0.0 into 0.0: they are one value to a sender, so they have to be one here.
            value: reading.value + 0.0,
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        self.time
            .cmp(&other.time)
            .then(self.value.total_cmp(&other.value))
    }
}

/// The features of a channel over one closed window.
#[derive(Debug, Clone, PartialEq)]
pub struct ClosedWindow {
    /// Start, inclusive.
    pub start: Timestamp,
    /// End, exclusive.
    pub end: Timestamp,
    /// The features that every window has.
    pub features: Summary,
    /// Those that the class asks for beyond them, in its order, and behind them what the channel's raster has.
    pub extra: Vec<Option<f64>>,
    /// Event time of the oldest reading.
    pub oldest: Timestamp,
    /// Event time of the newest reading.
    pub newest: Timestamp,
}

/// What a reading that was taken in has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It waits for its windows to close.
    Open,
    /// It belongs to windows that had closed, which are to be emitted again.
    Revises,
}

/// The gateway's time, and what it rules out.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// The latest plausible event time.
    pub latest: Timestamp,
    /// No event time moves a watermark beyond this.
    pub reach: Timestamp,
}

impl Moment {
    /// By a clock that is set: event times may be a little ahead of it, and watermarks may not.
    #[must_use]
    pub fn set(now: Timestamp, class: &ClassConfig) -> Self {
        Self {
            now,
            latest: latest(now, class),
            reach: now,
        }
    }

    /// By a clock that is not, and rules nothing out.
    #[must_use]
    pub fn unset(now: Timestamp, class: &ClassConfig) -> Self {
        let latest = end_of_time(class);
        Self {
            now,
            latest,
            reach: latest,
        }
    }
}

/// Up to where the device's earliest frame cares about a channel's frontier.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameBound {
    /// A channel that gets here is not waited for any more.
    pub(crate) passed: Timestamp,
    /// A channel that goes on from here makes the frame go.
    pub(crate) ahead: Timestamp,
}

impl FrameBound {
    /// There is no frame.
    pub(crate) const NONE: Self = Self {
        passed: Timestamp::MAX,
        ahead: Timestamp::MAX,
    };
}

/// The state of one channel. What each reading touches comes first.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Sorted by time and value.
    samples: Vec<Sample>,
    /// Largest min(event time, arrival) so far; the earliest instant if there was none.
    frontier: Timestamp,
    /// What the frontier was before it last moved.
    frontier_before: Timestamp,
    /// As long as the frontier stays below it, nothing closes.
    limit: Timestamp,
    /// Readings that may be appended without another look.
    room: usize,
    /// Plausible values.
    low: f64,
    high: f64,
    kind: ChannelKind,
    /// See [`ChannelConfig::calibration`].
    calibration: Box<[f64]>,
    /// Whether the last reading that was taken in has no time of its own, but the gateway's.
    by_gateway: bool,
    /// Gateway time at which a reading was last taken in.
    last_taken: Timestamp,
    /// Samples before this place are in closed windows.
    open_from: usize,
    /// Everything before this has been closed; the earliest instant if nothing was.
    closed_until: Timestamp,
    /// End of the earliest window that is to be closed, or an instant before it; the last instant if
    /// there is none.
    next_close: Timestamp,
    /// Windows that end here or before are no longer revised.
    forgotten: Timestamp,
    /// What overlapping windows are merged from, in order of time: all before `closed_until`.
    panes: VecDeque<Pane>,
    /// Ends of closed windows whose contents have changed since they were emitted, sorted.
    dirty: Vec<Timestamp>,
    /// See [`ChannelConfig::raster`].
    raster: Option<Raster>,
}

impl Channel {
    /// Nothing has come yet.
    #[must_use]
    pub fn new(config: &ChannelConfig) -> Self {
        Self {
            samples: Vec::new(),
            frontier: Timestamp::MIN,
            frontier_before: Timestamp::MIN,
            limit: Timestamp::MIN,
            room: 0,
            low: config.min.max(-MAX_MAGNITUDE),
            high: config.max.min(MAX_MAGNITUDE),
            kind: config.kind,
            calibration: config.calibration.as_slice().into(),
            by_gateway: false,
            last_taken: Timestamp::MIN,
            open_from: 0,
            closed_until: Timestamp::MIN,
            next_close: Timestamp::MAX,
            forgotten: Timestamp::MIN,
            panes: VecDeque::new(),
            dirty: Vec::new(),
            raster: config.raster,
        }
    }

    /// Takes a reading that is the newest of its channel and closes nothing: the way of nearly all. False if it needs
    /// a closer look.
    #[inline]
    pub(crate) fn append(
        &mut self,
        reading: &Reading,
        moment: &Moment,
        frame: &FrameBound,
    ) -> bool {
        let reading = &self.calibrated(reading);
        let reached = reading.time.min(moment.reach);
        let plausible = reading.value >= self.low
            && reading.value <= self.high
            && reading.time <= moment.latest;
        let stirs_frame = (reached >= frame.passed && self.frontier < frame.passed)
            || (reached > self.frontier && self.frontier >= frame.ahead);
        let newest = self
            .samples
            .last()
            .is_some_and(|last| last.time < reading.time);
        if !(plausible && newest && reached < self.limit && self.room > 0) || stirs_frame {
            return false;
        }
        self.samples.push(Sample::new(reading));
        self.room -= 1;
        self.last_taken = moment.now;
        self.by_gateway = reading.origin.is_by_gateway();
        self.advance(reached);
        true
    }

    #[inline]
    fn advance(&mut self, reached: Timestamp) {
        if reached > self.frontier {
            self.frontier_before = self.frontier;
            self.frontier = reached;
        }
    }

    /// Takes a reading in, or says what else became of it. Close windows afterwards, also when it
    /// found no room: it has moved the watermark all the same, or a full channel would stay full.
    ///
    /// # Errors
    /// The fate of a reading that is not taken.
    pub fn take(
        &mut self,
        reading: &Reading,
        moment: &Moment,
        class: &ClassConfig,
        scratch: &mut Scratch,
    ) -> Result<Taken, ReadingFate> {
        let reading = &self.calibrated(reading);
        self.plausible(reading, moment)?;
        if self.is_late(reading.time, class) && !self.accepts(reading.time, class) {
            return Err(ReadingFate::Late);
        }
        if self.samples.len() >= class.max_window_readings {
            // What is only there to be revised gives way.
            self.forget_closed(class);
            if reading.time < self.closed_until && !self.accepts(reading.time, class) {
                return Err(ReadingFate::Late);
            }
        }
        let sample = Sample::new(reading);
        let at = match self.place(&sample) {
            Err(at) => at,
            // Messages with different numbers may say the same.
            Ok(at) if reading.origin.number().is_some() => at,
            Ok(_) => return Err(ReadingFate::Duplicate),
        };
        self.advance(reading.time.min(moment.reach));
        self.by_gateway = reading.origin.is_by_gateway();
        if self.samples.len() >= class.max_window_readings {
            return Err(ReadingFate::RejectedWindowFull);
        }
        Ok(self.insert(at, &sample, moment.now, class, scratch))
    }

    /// A reading with the value that it is taken for.
    #[inline]
    pub(crate) fn calibrated(&self, reading: &Reading) -> Reading {
        let Some((last, others)) = self.calibration.split_last() else {
            return *reading;
        };
        // Horner's rule.
        let horner = |sum: f64, coefficient: &f64| sum * reading.value + coefficient;
        Reading {
            value: others.iter().rev().fold(*last, horner),
            ..*reading
        }
    }

    /// Where a sample is, or else where it belongs.
    fn place(&self, sample: &Sample) -> Result<usize, usize> {
        match self.samples.last() {
            Some(last) if last.order(sample).is_ge() => {
                self.samples.binary_search_by(|held| held.order(sample))
            }
            _ => Err(self.samples.len()),
        }
    }

    fn insert(
        &mut self,
        at: usize,
        sample: &Sample,
        now: Timestamp,
        class: &ClassConfig,
        scratch: &mut Scratch,
    ) -> Taken {
        self.samples.insert(at, *sample);
        self.last_taken = now;
        if sample.time < self.closed_until && class.window.is_aligned() {
            self.open_from += 1;
            self.touch(sample.time, class, scratch);
            // Windows that were empty may no longer be.
            self.refresh(class);
            return Taken::Revises;
        }
        self.refresh_after(at, class);
        Taken::Open
    }

    /// Whether the first window to contain `time` is closed, or has seen the watermark pass without a
    /// reading in it.
    fn is_late(&self, time: Timestamp, class: &ClassConfig) -> bool {
        if time < self.closed_until {
            return true;
        }
        let mark = self.mark(class);
        if time >= mark {
            return false;
        }
        match class.window {
            WindowSpec::Tumbling { .. } | WindowSpec::Hopping { .. } => class
                .window
                .grid()
                .is_some_and(|grid| grid.end_after(time) <= mark),
            WindowSpec::Sliding { .. } => true,
            WindowSpec::Session { gap, .. } => time + gap <= mark && !self.joins(time, gap),
            WindowSpec::Count { .. } => false,
        }
    }

    /// Whether an open session takes a reading of this time in.
    fn joins(&self, time: Timestamp, gap: crate::time::Span) -> bool {
        let open = &self.samples[self.open_from..];
        let at = open.partition_point(|sample| sample.time < time);
        let before = at.checked_sub(1).map(|before| time - open[before].time);
        let after = open.get(at).map(|after| after.time - time);
        before
            .into_iter()
            .chain(after)
            .any(|distance| distance < gap)
    }

    /// The watermark; the earliest instant before the first reading.
    pub(crate) fn mark(&self, class: &ClassConfig) -> Timestamp {
        self.frontier - class.out_of_orderness
    }

    /// The furthest that the channel has gone on from; the earliest instant if it has not.
    pub(crate) fn frontier_before(&self) -> Timestamp {
        self.frontier_before
    }

    /// Whether any reading is in no closed window yet.
    pub fn has_open_window(&self) -> bool {
        self.open_from < self.samples.len()
    }

    /// Whether a window that ends by `end` may be yet to close: any with readings that are in no closed window yet or, of
    /// overlapping ones, one with readings that are.
    pub(crate) fn may_close(&self, end: Timestamp) -> bool {
        self.has_open_window() || (self.next_close <= end && self.closed_until < end)
    }

    /// Gateway time at which the channel counts as silent, if it has an open window. Late, repeated
    /// and rejected readings do not keep a window open.
    pub fn idle_at(&self, idle_timeout: crate::time::Span) -> Option<Timestamp> {
        self.has_open_window()
            .then(|| self.last_taken + idle_timeout)
    }

    /// Whether its event times are by the gateway's clock.
    pub(crate) fn is_by_gateway(&self) -> bool {
        self.by_gateway
    }

    /// As a checkpoint has it.
    pub(crate) fn set_by_gateway(&mut self, by_gateway: bool) {
        self.by_gateway = by_gateway;
    }

    /// The gateway's clock shows `by` more from now on.
    pub(crate) fn step(&mut self, by: Span) {
        if self.last_taken != Timestamp::MIN {
            self.last_taken = self.last_taken + by;
        }
    }

    /// Forgets all readings, and how far time had come: what comes next is by another clock.
    pub(crate) fn begin_anew(&mut self, class: &ClassConfig) {
        self.samples.clear();
        self.panes.clear();
        self.dirty.clear();
        self.open_from = 0;
        self.frontier = Timestamp::MIN;
        self.frontier_before = Timestamp::MIN;
        self.closed_until = Timestamp::MIN;
        self.forgotten = Timestamp::MIN;
        self.refresh(class);
    }

    /// Gateway time at which a reading was last taken in.
    pub(crate) fn last_taken(&self) -> Timestamp {
        self.last_taken
    }

    /// It counts as silent since then.
    pub(crate) fn was_taken_at(&mut self, now: Timestamp) {
        self.last_taken = now;
    }

    /// Whether nothing has been taken in for so long, or ever.
    pub(crate) fn is_silent(&self, now: Timestamp, idle_timeout: Span) -> bool {
        self.last_taken == Timestamp::MIN || now >= self.last_taken + idle_timeout
    }

    /// Closes windows that end by `until` without a word. Windows that overlap later lose what they have of them.
    pub(crate) fn forget_until(&mut self, until: Timestamp, class: &ClassConfig) {
        self.closed_until = self.closed_until.max(until);
        let kept = self.closed_until;
        let gone = self.samples.partition_point(|sample| sample.time < kept);
        self.samples.drain(..gone);
        self.open_from = 0;
        self.forgotten = self.forgotten.max(kept);
        self.panes.clear();
        self.dirty.clear();
        self.refresh(class);
    }

    /// Readings held in open windows.
    pub fn held(&self) -> usize {
        self.samples.len() - self.open_from
    }

    /// Readings held in all.
    pub fn kept(&self) -> usize {
        self.samples.len()
    }

    /// Whether a reading can be true at all.
    fn plausible(&self, reading: &Reading, moment: &Moment) -> Result<(), ReadingFate> {
        if !reading.value.is_finite() {
            Err(ReadingFate::RejectedNotFinite)
        } else if reading.value < self.low || reading.value > self.high {
            Err(ReadingFate::RejectedRange)
        } else if reading.time > moment.latest {
            Err(ReadingFate::RejectedFuture)
        } else if reading.time < Timestamp::YEAR_2000 {
            Err(ReadingFate::RejectedPast)
        } else {
            Ok(())
        }
    }
}

/// The latest plausible time. The end of its window has to be an instant, too.
pub(crate) fn latest(now: Timestamp, class: &ClassConfig) -> Timestamp {
    (now + class.max_future_skew).min(end_of_time(class))
}

/// No reading is later, so that the end of each of its windows is an instant: the year 2162. The same for all windows of
/// less than a century, so that a device may go on with others.
pub(crate) fn end_of_time(class: &ClassConfig) -> Timestamp {
    const CENTURY: Span = Span::from_secs(36_525 * 86_400);
    Timestamp::MAX - class.window.reach().max(CENTURY)
}

/// Whether closed windows may accept readings after the watermark has passed them.
const fn revises(class: &ClassConfig) -> bool {
    matches!(class.late, LatePolicy::Revise { .. })
}

#[cfg(test)]
mod tests;
