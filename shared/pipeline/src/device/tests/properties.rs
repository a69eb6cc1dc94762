//! What holds for any readings in any order.

use crate::reading::{Clock, Origin};
use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::*;
use super::checkpoints::any_windows;
use super::world::{ORIGIN, at, class};
use crate::feature::Feature;
use crate::time::Span;
use crate::window::WindowSpec;

pub(super) const OUT_OF_ORDERNESS_MS: i64 = 300;
const WINDOW_MS: i64 = 1000;

/// Short windows, so that many close; nothing is cut off by waiting.
pub(super) fn fast_class() -> ClassConfig {
    ClassConfig {
        window: WindowSpec::Tumbling {
            length: Span::from_millis(WINDOW_MS),
        },
        out_of_orderness: Span::from_millis(OUT_OF_ORDERNESS_MS),
        frame_wait: Span::from_secs(86_400),
        idle_timeout: Span::from_secs(86_400),
        max_window_readings: 10_000,
        ..class()
    }
}

fn ms(offset: i64) -> Timestamp {
    ORIGIN + Span::from_millis(offset)
}

/// A reading on its way: when it arrives relative to its own time, and when once more, if it does.
#[derive(Debug, Clone, Copy)]
struct Sent {
    reading: Reading,
    delay: i64,
    again: Option<i64>,
}

/// Readings of three channels over half a minute. Some share their time, some their value, and a
/// few are so far out that alerts come and go.
pub(super) fn readings() -> impl Strategy<Value = Vec<Reading>> {
    let value = prop_oneof![
        6 => 9.9..10.1_f64,
        1 => prop_oneof![Just(0.0), Just(-0.0), Just(10.0)],
        1 => -1e5..1e5_f64,
    ];
    let reading =
        (0..3_u16, 0..3000_i64, value).prop_map(|(channel, centiseconds, value)| Reading {
            time: ms(centiseconds * 10),
            value,
            channel,
            origin: Origin::default(),
        });
    prop::collection::vec(reading, 1..250)
}

/// The same readings on a way of their own: delayed by no more than may be, some of them twice.
fn way(readings: Vec<Reading>) -> impl Strategy<Value = Vec<Vec<Reading>>> {
    way_within(readings, OUT_OF_ORDERNESS_MS)
}

/// The same with delays of so many milliseconds at most.
pub(super) fn way_within(
    readings: Vec<Reading>,
    longest: i64,
) -> impl Strategy<Value = Vec<Vec<Reading>>> {
    let n = readings.len();
    let delays = prop::collection::vec(0..=longest, n);
    let again = prop::collection::vec(prop::option::weighted(0.3, 0..5000_i64), n);
    let batches = prop::collection::vec(1..20_usize, 1..20);
    (delays, again, batches).prop_map(move |(delays, again, batches)| {
        let sent = readings
            .iter()
            .zip(&delays)
            .zip(&again)
            .map(|((r, d), a)| Sent {
                reading: *r,
                delay: *d,
                again: *a,
            });
        let mut arrivals: Vec<(Timestamp, Reading)> = sent
            .flat_map(|s| {
                let first = s.reading.time + Span::from_millis(s.delay);
                let second = s
                    .again
                    .map(|later| (first + Span::from_millis(later), s.reading));
                std::iter::once((first, s.reading)).chain(second)
            })
            .collect();
        arrivals.sort_by_key(|(arrival, _)| *arrival);
        let mut left = arrivals.into_iter().map(|(_, reading)| reading).peekable();
        let mut sizes = batches.iter().cycle();
        let mut cut = Vec::new();
        while left.peek().is_some() {
            let size = sizes.next().map_or(1, |n| *n);
            cut.push(left.by_ref().take(size).collect());
        }
        cut
    })
}

/// Feeds the batches to a new device, from `start` on, and stops it. Every reading has one fate.
fn run(batches: &[Vec<Reading>], start: Timestamp) -> (Vec<Effect>, Tally) {
    let mut device = Device::new(Arc::new(fast_class()), None, 0);
    let (mut tally, mut effects, mut sent) = (Tally::default(), Vec::new(), 0);
    let mut now = start;
    for readings in batches {
        now = now + Span::from_millis(7);
        device.handle(Input::Readings { now, readings }, &mut tally, &mut effects);
        sent += readings.len() as u64;
        assert_eq!(tally.total(), sent);
    }
    device.handle(Input::Stop { now }, &mut tally, &mut effects);
    let numbers = effects.iter().map(|e| e.number);
    assert!(numbers.eq(1..=effects.len() as u64), "numbers are dense");
    (effects.into_iter().map(|e| e.effect).collect(), tally)
}

/// Without what the gateway's clock says, as text: floats to the last bit.
fn timeless(effects: Vec<Effect>) -> Vec<String> {
    effects
        .into_iter()
        .map(|mut effect| {
            match &mut effect {
                Effect::Window(window) => window.scored_at = ORIGIN,
                Effect::Alert(alert) => alert.decided_at = ORIGIN,
                other => panic!("neither: {other:?}"),
            }
            format!("{effect:?}")
        })
        .collect()
}

/// (time in seconds, value) of the distinct readings, by window and channel, sorted.
fn contents(readings: &[Reading]) -> BTreeMap<(i64, ChannelIndex), Vec<(f64, f64)>> {
    let mut sorted: Vec<_> = readings
        .iter()
        .map(|r| (r.channel, (r.time - ORIGIN).as_millis(), r.value + 0.0))
        .collect();
    sorted.sort_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
    sorted.dedup();
    let mut contents = BTreeMap::<_, Vec<_>>::new();
    for (channel, time, value) in sorted {
        let window = contents
            .entry((time / WINDOW_MS * WINDOW_MS, channel))
            .or_default();
        window.push((time as f64 / 1e3, value));
    }
    contents
}

/// A feature by its definition.
pub(super) fn naive(feature: Feature, window: &[(f64, f64)]) -> f64 {
    let n = window.len() as f64;
    let values = || window.iter().map(|w| w.1);
    let mean = values().sum::<f64>() / n;
    let mean_time = window.iter().map(|w| w.0).sum::<f64>() / n;
    match feature {
        Feature::Count => n,
        Feature::Mean => mean,
        Feature::Std if window.len() == 1 => 0.0,
        Feature::Std => (values().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt(),
        Feature::DetrendedStd if window.len() < 3 => 0.0,
        Feature::DetrendedStd => {
            let slope = naive(Feature::Slope, window);
            let residual = |w: &(f64, f64)| w.1 - mean - slope * (w.0 - mean_time);
            (window.iter().map(|w| residual(w).powi(2)).sum::<f64>() / (n - 2.0)).sqrt()
        }
        Feature::Min => values().fold(f64::INFINITY, f64::min),
        Feature::Max => values().fold(f64::NEG_INFINITY, f64::max),
        Feature::Rms => (values().map(|v| v * v).sum::<f64>() / n).sqrt(),
        Feature::Slope => {
            let spread: f64 = window.iter().map(|w| (w.0 - mean_time).powi(2)).sum();
            let joint: f64 = window
                .iter()
                .map(|w| (w.0 - mean_time) * (w.1 - mean))
                .sum();
            // All at one time, but for the rounding of the mean.
            if spread < 1e-12 { 0.0 } else { joint / spread }
        }
        Feature::Last => window[window.len() - 1].1,
        other => unreachable!("{other} is none that every window has"),
    }
}

pub(super) fn assert_close(feature: Feature, got: f64, window: &[(f64, f64)]) {
    let want = naive(feature, window);
    let largest = window.iter().map(|w| w.1.abs()).fold(0.0, f64::max);
    let conditioning = match feature {
        // A slope divides by time differences of 10 ms and up.
        Feature::Slope => largest / 0.01,
        // The root of a difference of sums: half of the digits remain where a line explains it all.
        Feature::DetrendedStd => largest * 100.0,
        _ => largest,
    };
    let bound = 1e-9 * want.abs().max(conditioning);
    assert!(
        (got - want).abs() <= bound,
        "{feature}: {got}, not {want}, of {window:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn invariant_3_same_readings_same_effects_whatever_the_way(
        (one, other) in readings().prop_flat_map(|r| (way(r.clone()), way(r))),
    ) {
        let (effects, _) = run(&one, at(1000));
        let (others, _) = run(&other, at(5000));
        prop_assert_eq!(timeless(effects), timeless(others));
    }

    #[test]
    fn invariant_4_batch_equals_stream(
        (readings, batches) in readings().prop_flat_map(|r| (Just(r.clone()), way(r))),
    ) {
        let (effects, tally) = run(&batches, at(1000));
        let mut expected = contents(&readings);
        let distinct: usize = expected.values().map(Vec::len).sum();
        prop_assert_eq!(tally.get(ReadingFate::Processed), distinct as u64);

        let mut before = None;
        for effect in effects {
            let Effect::Window(frame) = effect else { continue };
            prop_assert!(before < Some(frame.start), "earliest first, each once");
            before = Some(frame.start);
            for part in &frame.channels {
                let key = ((frame.start - ORIGIN).as_millis(), part.channel);
                let window = expected.remove(&key).unwrap();
                for feature in Feature::BASIC {
                    assert_close(feature, feature.of(&part.features).unwrap(), &window);
                }
            }
        }
        prop_assert!(expected.is_empty(), "missing: {:?}", expected);
    }
}

/// Anything at all, with a liking for the plausible and for the extremes.
fn any_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (0..100_000_i64).prop_map(ms),
        1 => any::<i64>().prop_map(Timestamp),
        1 => prop::sample::select(vec![i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX])
            .prop_map(Timestamp),
    ]
}

fn any_reading() -> impl Strategy<Value = Reading> {
    let value = prop_oneof![
        3 => -1e6..1e6_f64,
        1 => prop::num::f64::ANY,
        1 => prop::sample::select(vec![0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, 1e100, -1e100]),
    ];
    let clock = prop::sample::select(vec![Clock::Sender, Clock::Sender, Clock::Arrival]);
    (0..3_u16, any_time(), value, clock).prop_map(|(channel, time, value, clock)| Reading {
        time,
        value,
        channel,
        origin: Origin::default().with_clock(clock),
    })
}

#[derive(Debug, Clone)]
pub(super) enum Told {
    Readings(Timestamp, Vec<Reading>),
    Timer(Timestamp),
    /// At the time that the device asked for.
    Wake,
    Clock(Timestamp, ClockStep),
    Stop(Timestamp),
}

fn any_step() -> impl Strategy<Value = ClockStep> {
    let by = prop_oneof![
        2 => (-20_000..20_000_i64).prop_map(Span::from_millis),
        1 => any::<i64>().prop_map(Span),
    ];
    let clock = prop_oneof![
        2 => Just(GatewayClock::Set),
        1 => (0..3_u128).prop_map(|boot| GatewayClock::Unset { boot }),
    ];
    (by, clock).prop_map(|(by, clock)| ClockStep { by, clock })
}

pub(super) fn any_input() -> impl Strategy<Value = Told> {
    prop_oneof![
        8 => (any_time(), prop::collection::vec(any_reading(), 0..20))
            .prop_map(|(now, readings)| Told::Readings(now, readings)),
        2 => any_time().prop_map(Told::Timer),
        2 => Just(Told::Wake),
        1 => (any_time(), any_step()).prop_map(|(now, step)| Told::Clock(now, step)),
        1 => any_time().prop_map(Told::Stop),
    ]
}

/// Any limits on values, so that the absurd ones get as far as they can.
fn tolerant_class() -> ClassConfig {
    let mut class = class();
    for channel in &mut class.channels {
        (channel.min, channel.max) = (f64::NEG_INFINITY, f64::INFINITY);
    }
    class.max_window_readings = 20;
    class
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_panics_nothing_is_lost_and_time_goes_on(
        inputs in prop::collection::vec(any_input(), 1..60),
        (window, late) in any_windows(),
    ) {
        let class = ClassConfig { window, late, allowed_lateness: Span::from_secs(2), ..tolerant_class() };
        let mut device = Device::new(Arc::new(class), None, 0);
        let (mut tally, mut effects, mut sent) = (Tally::default(), Vec::new(), 0);
        let stop = Told::Stop(ORIGIN);
        for told in inputs.iter().chain([&stop]) {
            let input = match (told, device.wake_at()) {
                (Told::Readings(now, readings), _) => {
                    sent += readings.len() as u64;
                    Input::Readings { now: *now, readings }
                }
                (Told::Timer(now), _) => Input::Timer { now: *now },
                (Told::Wake, Some(now)) => Input::Timer { now },
                (Told::Clock(now, step), _) => Input::Clock { now: *now, step: *step },
                (Told::Stop(now), _) => Input::Stop { now: *now },
                (Told::Wake, None) => continue,
            };
            device.handle(input, &mut tally, &mut effects);
            prop_assert_eq!(tally.total(), sent, "one fate for each reading");
            prop_assert!(device.status().held <= 3 * 20);
            if let Input::Timer { now } = input {
                prop_assert!(device.wake_at().is_none_or(|next| next > now), "a timer gets on");
            }
        }

        prop_assert!(effects.iter().map(|e| e.number).eq(1..=effects.len() as u64));
        // A revision takes the place of what it revises. Once the gateway's clock is set back, the same stretch of time
        // comes again, with windows of its own.
        let mut counted: BTreeMap<_, Vec<(u32, BTreeMap<_, _>)>> = BTreeMap::new();
        for effect in effects {
            let Effect::Window(summary) = effect.effect else { continue };
            let fused = summary.score.and_then(|score| score.fused);
            prop_assert!(fused.is_none_or(|fused| (0.0..=1e3).contains(&fused)));
            let parts: BTreeMap<_, _> = summary.channels.iter().map(|part| (part.channel, part.features.count)).collect();
            let said = counted.entry((summary.start, summary.end)).or_default();
            let revised = |(revision, of): &(u32, BTreeMap<u16, u64>)| {
                Some(*revision) == summary.revision.checked_sub(1) && of.keys().all(|channel| parts.contains_key(channel))
            };
            if let Some(at) = said.iter().rposition(revised) {
                said.remove(at);
            }
            said.push((summary.revision, parts));
            for part in &summary.channels {
                for feature in Feature::BASIC {
                    prop_assert!(feature.of(&part.features).unwrap().is_finite(), "{:?}", part);
                }
            }
        }
        let counted: u64 = counted.values().flatten().flat_map(|(_, parts)| parts.values()).sum();
        if let WindowSpec::Tumbling { .. } | WindowSpec::Session { .. } = window {
            prop_assert_eq!(counted, tally.get(ReadingFate::Processed), "each is in one window");
        }
    }
}
