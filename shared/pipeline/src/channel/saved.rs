//! A channel as a checkpoint holds it.

use serde::{Deserialize, Serialize};

use super::{Channel, Sample};
use crate::lean;
use crate::time::{Span, Timestamp};

/// The state of a channel, apart from what the window's length makes of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SavedChannel {
    /// Nanoseconds since the sample before, for the first since `earliest`; and the value.
    #[serde(deserialize_with = "lean::collect")]
    samples: Vec<(u64, f64)>,
    /// Time of the first sample; 0 if there is none.
    earliest: Timestamp,
    frontier: Option<Timestamp>,
    frontier_before: Option<Timestamp>,
    closed_until: Option<Timestamp>,
    last_taken: Option<Timestamp>,
}

impl SavedChannel {
    /// Readings held in open windows.
    pub(crate) fn held(&self) -> usize {
        self.samples.len()
    }
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
        SavedChannel {
            samples: samples.collect(),
            earliest,
            frontier: self.frontier,
            frontier_before: self.frontier_before,
            closed_until: self.closed_until,
            last_taken: self.last_taken,
        }
    }

    /// A channel that goes on from `saved` with windows of the length `window`, be it another than
    /// before; `None` if no channel can have been in that state.
    pub(crate) fn resume(saved: &SavedChannel, window: Span) -> Option<Self> {
        let mut samples: Vec<Sample> = Vec::with_capacity(saved.samples.len());
        let mut time = saved.earliest;
        for &(step, value) in &saved.samples {
            time = Timestamp(time.0.checked_add_unsigned(step)?);
            let sample = Sample { time, value };
            let sorted = samples
                .last()
                .is_none_or(|last| last.order(&sample).is_lt());
            // As the channel itself has it: the window's end has to be an instant.
            let possible = Timestamp::YEAR_2000..=Timestamp::MAX - window;
            if !sorted || !value.is_finite() || !possible.contains(&time) {
                return None;
            }
            samples.push(sample);
        }
        let mut channel = Self {
            samples,
            frontier: saved.frontier,
            frontier_before: saved.frontier_before,
            closed_until: saved.closed_until,
            next_close: None,
            last_taken: saved.last_taken,
        };
        channel.next_close = channel.earliest_end(window);
        Some(channel)
    }
}
