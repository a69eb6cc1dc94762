//! One channel of one device: event-time order, duplicates, lateness, tumbling windows.
//!
//! Readings of open windows are kept sorted by time and value until their window closes, and only
//! then folded into features. So a window's features depend on what is in it and never on the order
//! of arrival, and a duplicate is found however late it comes, as long as its window is open.
//! A window closes when the watermark (the newest event time, or the time of its arrival if that is
//! earlier, less `out_of_orderness`) reaches its end, or when the channel falls silent.

use std::cmp::Ordering;

use eyot_signal::{Moments, Summary};

use crate::config::{ChannelConfig, ClassConfig};
use crate::ledger::ReadingFate;
use crate::reading::Reading;
use crate::time::{Span, Timestamp};

pub(crate) use self::saved::SavedChannel;

mod saved;

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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClosedWindow {
    /// Start, inclusive.
    pub start: Timestamp,
    /// End, exclusive.
    pub end: Timestamp,
    /// The features.
    pub features: Summary,
    /// Event time of the oldest reading.
    pub oldest: Timestamp,
    /// Event time of the newest reading.
    pub newest: Timestamp,
}

/// The state of one channel.
#[derive(Debug, Clone, Default)]
pub struct Channel {
    /// Readings of open windows, sorted by time and value.
    samples: Vec<Sample>,
    /// Largest min(event time, arrival) so far.
    frontier: Option<Timestamp>,
    /// What the frontier was before it last moved.
    frontier_before: Option<Timestamp>,
    /// Everything before this has been closed.
    closed_until: Option<Timestamp>,
    /// End of the earliest open window: the one around the first of the samples.
    next_close: Option<Timestamp>,
    /// Gateway time at which a reading was last taken in.
    last_taken: Option<Timestamp>,
}

impl Channel {
    /// Takes a reading in, or says what else became of it. Close windows afterwards, also when it
    /// found no room: it has moved the watermark all the same, or a full channel would stay full.
    ///
    /// # Errors
    /// The fate of a reading that is not taken.
    pub fn take(
        &mut self,
        reading: &Reading,
        now: Timestamp,
        class: &ClassConfig,
        channel: &ChannelConfig,
    ) -> Result<(), ReadingFate> {
        plausible(reading, now, class, channel)?;
        if self.is_late(reading.time, class) {
            return Err(ReadingFate::Late);
        }
        let sample = Sample::new(reading);
        let at = match self.samples.last() {
            Some(last) if last.order(&sample).is_ge() => {
                match self.samples.binary_search_by(|held| held.order(&sample)) {
                    Ok(_) => return Err(ReadingFate::Duplicate),
                    Err(at) => at,
                }
            }
            _ => self.samples.len(),
        };
        let reached = Some(reading.time.min(now));
        if reached > self.frontier {
            self.frontier_before = self.frontier;
            self.frontier = reached;
        }
        if self.samples.len() >= class.max_window_readings {
            return Err(ReadingFate::RejectedWindowFull);
        }
        self.samples.insert(at, sample);
        self.last_taken = Some(now);
        if at == 0 {
            self.next_close = Some(window_end(reading.time, class.window));
        }
        Ok(())
    }

    /// Whether the window around `time` is closed, or has seen the watermark pass without a reading
    /// in it.
    fn is_late(&self, time: Timestamp, class: &ClassConfig) -> bool {
        let watermark = self.watermark(class.out_of_orderness);
        self.closed_until.is_some_and(|end| time < end)
            || watermark.is_some_and(|mark| time < mark && window_end(time, class.window) <= mark)
    }

    /// The watermark; `None` before the first reading.
    pub fn watermark(&self, out_of_orderness: Span) -> Option<Timestamp> {
        Some(self.frontier? - out_of_orderness)
    }

    /// The watermark that the channel has gone on from: where it stood before it last moved; `None`
    /// before it did.
    pub fn watermark_before(&self, out_of_orderness: Span) -> Option<Timestamp> {
        Some(self.frontier_before? - out_of_orderness)
    }

    /// Whether any window is open.
    pub fn has_open_window(&self) -> bool {
        self.next_close.is_some()
    }

    /// Whether the watermark has reached the end of the earliest open window.
    pub fn is_due(&self, out_of_orderness: Span) -> bool {
        match (self.next_close, self.watermark(out_of_orderness)) {
            (Some(end), Some(watermark)) => watermark >= end,
            _ => false,
        }
    }

    /// Closes the earliest open window, whatever the watermark; `None` if there is none.
    pub fn close_earliest(&mut self, window: Span) -> Option<ClosedWindow> {
        let end = self.next_close?;
        let count = self.samples.partition_point(|sample| sample.time < end);
        let (first, rest) = self.samples[..count].split_first()?;
        let start = end - window;
        let seconds = |time: Timestamp| (time - start).as_secs_f64();
        let mut moments = Moments::new(seconds(first.time), first.value);
        for sample in rest {
            moments.push(seconds(sample.time), sample.value);
        }
        let closed = ClosedWindow {
            start,
            end,
            features: moments.summary(),
            oldest: first.time,
            newest: self.samples[count - 1].time,
        };
        self.samples.drain(..count);
        self.closed_until = Some(end);
        self.next_close = self.earliest_end(window);
        Some(closed)
    }

    fn earliest_end(&self, window: Span) -> Option<Timestamp> {
        let first = self.samples.first()?;
        Some(window_end(first.time, window))
    }

    /// Gateway time at which the channel counts as silent, if it has an open window. Late, repeated
    /// and rejected readings do not keep a window open.
    pub fn idle_at(&self, idle_timeout: Span) -> Option<Timestamp> {
        self.next_close?;
        Some(self.last_taken? + idle_timeout)
    }

    /// Readings held in open windows.
    pub fn held(&self) -> usize {
        self.samples.len()
    }
}

fn window_end(time: Timestamp, window: Span) -> Timestamp {
    time.window_start(window) + window
}

/// Whether a reading can be true at all.
fn plausible(
    reading: &Reading,
    now: Timestamp,
    class: &ClassConfig,
    channel: &ChannelConfig,
) -> Result<(), ReadingFate> {
    // The end of its window has to be an instant, too.
    let latest = (now + class.max_future_skew).min(Timestamp::MAX - class.window);
    if !reading.value.is_finite() {
        Err(ReadingFate::RejectedNotFinite)
    } else if reading.value < channel.min.max(-MAX_MAGNITUDE)
        || reading.value > channel.max.min(MAX_MAGNITUDE)
    {
        Err(ReadingFate::RejectedRange)
    } else if reading.time > latest {
        Err(ReadingFate::RejectedFuture)
    } else if reading.time < Timestamp::YEAR_2000 {
        Err(ReadingFate::RejectedPast)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
