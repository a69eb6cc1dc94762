//! From readings to features.

use eyot_signal::Moments;
use serde::{Deserialize, Serialize};

use super::values::Room;
use super::{Channel, ClosedWindow, Sample};
use crate::config::{ChannelKind, ClassConfig};
use crate::feature::{Feature, GAP_FACTOR};
use crate::time::{Span, Timestamp};
use crate::window::{Grid, Report};

/// Room to compute in, shared by all channels of a device.
#[derive(Debug, Default)]
pub struct Scratch {
    times: Vec<f64>,
    values: Vec<f64>,
    room: Room,
}

/// What of readings merges: all of it, or what every window has alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Sums {
    Basic(Moments),
    Full(Box<eyot_signal::Pane>),
}

impl Sums {
    fn moments(&self) -> &Moments {
        match self {
            Self::Basic(moments) => moments,
            Self::Full(pane) => pane.moments(),
        }
    }

    fn later_by(&self, seconds: f64) -> Self {
        match self {
            Self::Basic(moments) => Self::Basic(moments.later_by(seconds)),
            Self::Full(pane) => Self::Full(Box::new(pane.later_by(seconds))),
        }
    }

    /// Panes of a channel are all of one sort.
    fn merge(&mut self, later: &Self) {
        match (self, later) {
            (Self::Basic(sums), later) => sums.merge(later.moments()),
            (Self::Full(sums), Self::Full(later)) => sums.merge(later),
            (Self::Full(_), Self::Basic(_)) => {}
        }
    }

    pub(super) fn fits(&self, class: &ClassConfig) -> bool {
        matches!(self, Self::Full(_)) == wants_all(class)
    }
}

/// Whether the class asks for features that merge, beyond those that every window has.
pub(super) fn wants_all(class: &ClassConfig) -> bool {
    class.features.iter().any(|feature| !feature.needs_values())
}

impl Scratch {
    fn fill(&mut self, samples: &[Sample], origin: Timestamp) {
        // Exactly, since this room is kept for as long as the device is.
        self.times.clear();
        self.times.reserve_exact(samples.len());
        self.values.clear();
        self.values.reserve_exact(samples.len());
        let seconds = |sample: &Sample| (sample.time - origin).as_secs_f64();
        self.times.extend(samples.iter().map(seconds));
        self.values
            .extend(samples.iter().map(|sample| sample.value));
    }

    /// What sorted samples come to; times count from `origin`. `None` of nothing.
    fn sums(&mut self, samples: &[Sample], origin: Timestamp, class: &ClassConfig) -> Option<Sums> {
        self.fill(samples, origin);
        Some(if wants_all(class) {
            let limit = gap_limit(class).unwrap_or(f64::INFINITY);
            let pane = eyot_signal::Pane::of(limit, &self.times, &self.values)?;
            Sums::Full(Box::new(pane))
        } else {
            Sums::Basic(Moments::of(&self.times, &self.values)?)
        })
    }

    /// The features that the class asks for, of the values at hand and what they come to.
    fn extra(
        &mut self,
        sums: &Sums,
        length: Span,
        kind: ChannelKind,
        class: &ClassConfig,
    ) -> Vec<Option<f64>> {
        let Self {
            times,
            values,
            room,
        } = self;
        let features = class.features.iter();
        features
            .map(|feature| {
                let value = if feature.needs_values() {
                    room.feature(*feature, kind, times, values)
                } else {
                    of_sums(*feature, sums, length.as_secs_f64(), class)
                };
                value.filter(|value| value.is_finite())
            })
            .collect()
    }
}

/// Seconds beyond which an interval is a gap.
fn gap_limit(class: &ClassConfig) -> Option<f64> {
    match class.report {
        Report::Periodic { every } => Some(every.as_secs_f64() * GAP_FACTOR),
        Report::OnChange => None,
    }
}

fn of_sums(feature: Feature, sums: &Sums, seconds: f64, class: &ClassConfig) -> Option<f64> {
    let moments = sums.moments();
    let basic = moments.summary();
    let Sums::Full(all) = sums else {
        return feature.of(&basic);
    };
    match feature {
        Feature::First => Some(basic.first),
        Feature::Sum => Some(basic.mean * basic.count as f64),
        Feature::Variance => moments.variance(),
        Feature::Range => Some(basic.range()),
        Feature::Peak => Some(basic.peak()),
        Feature::CrestFactor => basic.crest_factor(),
        Feature::Skewness => all.higher().skewness(),
        Feature::Kurtosis => all.higher().kurtosis(),
        Feature::RateOfChange => moments.rate_of_change(),
        Feature::ZeroCrossings => Some(all.zero_crossings() as f64),
        Feature::TimeWeightedMean => all.held().mean_until(seconds),
        Feature::GapRatio => {
            gap_limit(class)?;
            all.gaps().ratio(0.0, seconds)
        }
        other => other.of(&basic),
    }
}

/// What the readings of a pane come to. Overlapping windows are merged from panes in order of time,
/// so that each reading is folded once, and what a window comes to depends on its contents alone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pane {
    /// Start, inclusive.
    pub(super) start: Timestamp,
    /// Event time of the oldest reading.
    pub(super) oldest: Timestamp,
    /// Event time of the newest reading.
    pub(super) newest: Timestamp,
    /// Times count from `start`.
    pub(super) sums: Sums,
}

impl Pane {
    fn of(
        samples: &[Sample],
        start: Timestamp,
        class: &ClassConfig,
        scratch: &mut Scratch,
    ) -> Option<Self> {
        Some(Self {
            start,
            oldest: samples.first()?.time,
            newest: samples.last()?.time,
            sums: scratch.sums(samples, start, class)?,
        })
    }
}

impl Channel {
    /// Folds samples that were open and lie before `end` into panes.
    pub(super) fn seal(
        &mut self,
        end: Timestamp,
        grid: Grid,
        class: &ClassConfig,
        scratch: &mut Scratch,
    ) {
        let length = grid.pane();
        let upto = self.samples.partition_point(|sample| sample.time < end);
        let mut from = self.open_from;
        while from < upto {
            let start = self.samples[from].time.window_start(length);
            let pane_end = start + length;
            let rest = &self.samples[from..upto];
            let count = rest.partition_point(|sample| sample.time < pane_end);
            self.panes
                .extend(Pane::of(&rest[..count], start, class, scratch));
            from += count;
        }
    }

    /// Folds the pane around `time` anew.
    pub(super) fn reseal(
        &mut self,
        time: Timestamp,
        grid: Grid,
        class: &ClassConfig,
        scratch: &mut Scratch,
    ) {
        let start = time.window_start(grid.pane());
        let samples = self.between(start, start + grid.pane());
        let Some(pane) = Pane::of(samples, start, class, scratch) else {
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
            let samples = self.between(start, end);
            return self.window(samples, start, end, class, scratch);
        }
        let from = self.panes.partition_point(|pane| pane.start < start);
        let mut panes = self.panes.range(from..).take_while(|pane| pane.start < end);
        let moved = |pane: &Pane| pane.sums.later_by((pane.start - start).as_secs_f64());
        let first = panes.next()?;
        let (mut sums, mut newest) = (moved(first), first.newest);
        for pane in panes {
            sums.merge(&moved(pane));
            newest = pane.newest;
        }
        let samples = if self.needs_values(class) {
            self.between(start, end)
        } else {
            &[]
        };
        if class.needs_values() {
            scratch.fill(samples, start);
        }
        Some(ClosedWindow {
            start,
            end,
            features: sums.moments().summary(),
            extra: self.extra(&sums, samples, (start, end), class, scratch),
            oldest: first.oldest,
            newest,
        })
    }

    /// A window of these samples; `None` of nothing.
    pub(super) fn window(
        &self,
        samples: &[Sample],
        start: Timestamp,
        end: Timestamp,
        class: &ClassConfig,
        scratch: &mut Scratch,
    ) -> Option<ClosedWindow> {
        let (first, last) = (samples.first()?, samples.last()?);
        let sums = scratch.sums(samples, start, class)?;
        Some(ClosedWindow {
            start,
            end,
            features: sums.moments().summary(),
            extra: self.extra(&sums, samples, (start, end), class, scratch),
            oldest: first.time,
            newest: last.time,
        })
    }

    /// What a window has beyond what every one has, of what is in `scratch`.
    fn extra(
        &self,
        sums: &Sums,
        samples: &[Sample],
        (start, end): (Timestamp, Timestamp),
        class: &ClassConfig,
        scratch: &mut Scratch,
    ) -> Vec<Option<f64>> {
        let mut extra = scratch.extra(sums, end - start, self.kind, class);
        if let Some(raster) = self.raster {
            let reading = |sample: &Sample| (sample.time, sample.value);
            extra.extend(raster.values(samples, reading, start, end));
        }
        extra
    }

    /// Whether anything comes from all values of a window at once.
    pub(super) fn needs_values(&self, class: &ClassConfig) -> bool {
        self.raster.is_some() || class.needs_values()
    }

    /// Samples in `[start, end)`.
    pub(super) fn between(&self, start: Timestamp, end: Timestamp) -> &[Sample] {
        let upto = self.samples.partition_point(|sample| sample.time < end);
        let before = &self.samples[..upto];
        let from = before.partition_point(|sample| sample.time < start);
        &before[from..]
    }
}

/// The instant after `time`.
pub(super) fn just_after(time: Timestamp) -> Timestamp {
    time + Span(1)
}
