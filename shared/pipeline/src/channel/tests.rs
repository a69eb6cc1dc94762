//! A channel against a sorted set that is filtered anew each time.

use crate::config::SkewConfig;
use crate::reading::Origin;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::config::{DetectorConfig, VerdictConfig};
use crate::time::Span;
use crate::window::{Emit, Report};

const WINDOW: Span = Span(10);
const OUT_OF_ORDERNESS: Span = Span(4);
const ROOM: usize = 12;
/// Times in these tests are nanoseconds after it.
const ORIGIN: Timestamp = Timestamp::from_secs(1_800_000_000);

fn class() -> (ClassConfig, ChannelConfig) {
    let class = ClassConfig {
        name: "pump".into(),
        channels: Vec::new(),
        virtuals: Vec::new(),
        unlisted: None,
        window: WindowSpec::Tumbling { length: WINDOW },
        features: Vec::new(),
        out_of_orderness: OUT_OF_ORDERNESS,
        allowed_lateness: Span::ZERO,
        late: LatePolicy::Drop,
        emit: Emit::Every,
        report: Report::OnChange,
        frame_wait: WINDOW,
        idle_timeout: Span(30),
        max_future_skew: Span(5),
        skew: SkewConfig::default(),
        max_window_readings: ROOM,
        detectors: DetectorConfig {
            robust_z: None,
            ewma: None,
            flatline: None,
            relearn_after: 0,
        },
        verdict: VerdictConfig {
            enter_after: 1,
            exit_below: 1.0,
            exit_after: 1,
            cooldown: Span::ZERO,
            contributions: 0,
        },
    };
    let channel = ChannelConfig {
        name: "flow".into(),
        unit: None,
        kind: crate::config::ChannelKind::Gauge,
        calibration: Vec::new(),
        min: -100.0,
        max: 100.0,
        resolution: 0.0,
        detect: true,
        raster: None,
    };
    (class, channel)
}

fn at(offset: i64) -> Timestamp {
    ORIGIN + Span(offset)
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A reading of this time and value.
    Take(i64, i32),
    /// Everything that is due.
    CloseDue,
    /// One window, due or not, as on idling.
    CloseOne,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..60_i64, -2..3_i32).prop_map(|(time, value)| Step::Take(time, value)),
        3 => Just(Step::CloseDue),
        1 => Just(Step::CloseOne),
    ]
}

/// What a channel means: the distinct readings, an instant before which all is closed, and how far back
/// what was closed early may be revised.
#[derive(Default)]
struct Naive {
    /// By time and value, with the window's number.
    held: BTreeMap<(i64, i32), i64>,
    newest: Option<i64>,
    closed: i64,
    /// Windows up to this end are not revised any more.
    forgotten: i64,
}

impl Naive {
    fn mark(&self) -> i64 {
        self.newest.map_or(i64::MIN, |t| t - OUT_OF_ORDERNESS.0)
    }

    /// Windows before this number are over.
    fn over(&self) -> i64 {
        self.mark().div_euclid(WINDOW.0).max(self.closed)
    }

    fn is_revisable(&self, number: i64) -> bool {
        (number + 1) * WINDOW.0 > self.mark().max(self.forgotten)
    }

    fn forget(&mut self, until: i64) {
        self.forgotten = self.forgotten.max(until);
        let (closed, until) = (self.closed, self.forgotten);
        self.held
            .retain(|_, number| *number >= closed || (*number + 1) * WINDOW.0 > until);
    }

    fn take(&mut self, time: i64, value: i32) -> Result<Taken, ReadingFate> {
        let number = time.div_euclid(WINDOW.0);
        if number < self.over() && !self.is_revisable(number) {
            return Err(ReadingFate::Late);
        }
        if self.held.len() == ROOM {
            self.forget(self.closed * WINDOW.0);
            if number < self.closed {
                return Err(ReadingFate::Late);
            }
        }
        if self.held.contains_key(&(time, value)) {
            return Err(ReadingFate::Duplicate);
        }
        self.newest = self.newest.max(Some(time));
        if self.held.len() == ROOM {
            return Err(ReadingFate::RejectedWindowFull);
        }
        self.held.insert((time, value), number);
        Ok(if number < self.closed {
            Taken::Revises
        } else {
            Taken::Open
        })
    }

    fn is_due(&self) -> bool {
        let open = self.held.values().filter(|number| **number >= self.closed);
        open.min().is_some_and(|number| *number < self.over())
    }

    /// (start, count, first value, last value) of a window.
    fn window(&self, number: i64) -> Option<(i64, u64, i32, i32)> {
        let inside = || self.held.iter().filter(|(_, n)| **n == number);
        let (first, last) = (inside().next()?.0, inside().next_back()?.0);
        Some((number * WINDOW.0, inside().count() as u64, first.1, last.1))
    }

    /// The earliest window that is open.
    fn close(&mut self) -> Option<(i64, u64, i32, i32)> {
        let open = self.held.values().filter(|number| **number >= self.closed);
        let number = *open.min()?;
        let window = self.window(number);
        self.closed = number + 1;
        self.forget(self.mark());
        window
    }
}

fn told(window: Option<ClosedWindow>) -> Option<(i64, u64, i32, i32)> {
    let window = window?;
    let features = window.features;
    let start = (window.start - ORIGIN).0;
    Some((
        start,
        features.count,
        features.first as i32,
        features.last as i32,
    ))
}

proptest! {
    #[test]
    fn a_channel_is_a_sorted_set_with_windows(steps in prop::collection::vec(step(), 0..120)) {
        let (class, config) = class();
        let (mut channel, mut naive) = (Channel::new(&config), Naive::default());
        let scratch = &mut Scratch::default();
        for step in steps {
            match step {
                Step::Take(time, value) => {
                    let reading = Reading { time: at(time), value: f64::from(value), channel: 0, origin: Origin::default() };
                    let none = FrameBound::NONE;
                    let moment = Moment { latest: at(1000), ..Moment::set(at(1000), &class) };
                    let taken = if channel.append(&reading, &moment, &none) {
                        Ok(Taken::Open)
                    } else {
                        channel.take(&reading, &moment, &class, scratch)
                    };
                    prop_assert_eq!(taken, naive.take(time, value));
                    let revised = told(channel.next_revision(&class, scratch));
                    let number = time.div_euclid(WINDOW.0);
                    let expected = if taken == Ok(Taken::Revises) { naive.window(number) } else { None };
                    prop_assert_eq!(revised, expected);
                }
                Step::CloseDue => {
                    while channel.is_due(&class) {
                        prop_assert!(naive.is_due());
                        prop_assert_eq!(told(channel.close_earliest(&class, scratch)), naive.close());
                    }
                    prop_assert!(!naive.is_due());
                }
                Step::CloseOne => {
                    prop_assert_eq!(told(channel.close_earliest(&class, scratch)), naive.close());
                }
            }
            prop_assert_eq!(channel.kept(), naive.held.len());
            let open = naive.held.values().filter(|number| **number >= naive.closed).count();
            prop_assert_eq!(channel.held(), open);
        }
    }
}

/// Offers a reading at the origin's own time and says what became of it.
fn offer(time: Timestamp, value: f64, now: Timestamp) -> Result<(), ReadingFate> {
    let (class, config) = class();
    let reading = Reading {
        time,
        value,
        channel: 0,
        origin: Origin::default(),
    };
    Channel::new(&config)
        .take(
            &reading,
            &Moment::set(now, &class),
            &class,
            &mut Scratch::default(),
        )
        .map(|_| ())
}

#[test]
fn values_outside_the_plausible_are_rejected_and_its_ends_are_not() {
    for value in [-100.0, 100.0, 0.0] {
        assert_eq!(offer(at(0), value, at(0)), Ok(()), "{value}");
    }
    for value in [-100.1, 100.1, 1e300] {
        assert_eq!(
            offer(at(0), value, at(0)),
            Err(ReadingFate::RejectedRange),
            "{value}"
        );
    }
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            offer(at(0), value, at(0)),
            Err(ReadingFate::RejectedNotFinite),
            "{value}"
        );
    }
}

#[test]
fn times_outside_the_plausible_are_rejected_and_its_ends_are_not() {
    let nanosecond = Span(1);
    let year_2000 = Timestamp::YEAR_2000;
    // A century before the last instant that there is, whatever the windows.
    let end = end_of_time(&class().0);
    assert_eq!(Timestamp::MAX - end, Span::from_secs(36_525 * 86_400));
    for (time, now, expected) in [
        (at(5), at(0), Ok(())),
        (at(6), at(0), Err(ReadingFate::RejectedFuture)),
        (year_2000, at(0), Ok(())),
        (
            year_2000 - nanosecond,
            at(0),
            Err(ReadingFate::RejectedPast),
        ),
        (Timestamp::MIN, at(0), Err(ReadingFate::RejectedPast)),
        (end, Timestamp::MAX, Ok(())),
        (
            end + nanosecond,
            Timestamp::MAX,
            Err(ReadingFate::RejectedFuture),
        ),
    ] {
        assert_eq!(offer(time, 1.0, now), expected, "{time:?} at {now:?}");
    }
}

#[test]
fn a_value_too_large_to_square_is_rejected_even_without_limits() {
    let (class, mut config) = class();
    (config.min, config.max) = (f64::NEG_INFINITY, f64::INFINITY);
    let (mut channel, scratch) = (Channel::new(&config), &mut Scratch::default());
    let mut take = |time, value| {
        let reading = Reading {
            time: at(time),
            value,
            channel: 0,
            origin: Origin::default(),
        };
        channel
            .take(&reading, &Moment::set(at(100), &class), &class, scratch)
            .map(|_| ())
    };
    assert_eq!(take(0, 1e100), Ok(()));
    assert_eq!(take(1, -1e100), Ok(()));
    assert_eq!(take(2, 1.1e100), Err(ReadingFate::RejectedRange));
    assert_eq!(take(2, -f64::MAX), Err(ReadingFate::RejectedRange));
    let features = channel.close_earliest(&class, scratch).unwrap().features;
    for feature in crate::feature::Feature::BASIC {
        assert!(feature.of(&features).unwrap().is_finite(), "{feature}");
    }
}

#[test]
fn negative_zero_is_zero_and_leaves_no_trace() {
    let (class, config) = class();
    let reading = |value| Reading {
        time: at(0),
        value,
        channel: 0,
        origin: Origin::default(),
    };
    for order in [[0.0, -0.0], [-0.0, 0.0]] {
        let (mut channel, scratch) = (Channel::new(&config), &mut Scratch::default());
        let mut take = |value| {
            channel
                .take(
                    &reading(value),
                    &Moment::set(at(0), &class),
                    &class,
                    scratch,
                )
                .map(|_| ())
        };
        let fates = order.map(&mut take);
        assert_eq!(fates, [Ok(()), Err(ReadingFate::Duplicate)]);
        let last = channel
            .close_earliest(&class, scratch)
            .unwrap()
            .features
            .last;
        assert!(last.is_sign_positive(), "{order:?}");
    }
}
