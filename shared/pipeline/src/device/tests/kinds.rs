//! Windows of every kind against a plain computation over the distinct readings, sorted.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::*;
use super::checkpoints::{checkpoint, restore};
use super::properties::{OUT_OF_ORDERNESS_MS, assert_close, fast_class, readings, way_within};
use super::textbook;
use super::world::{ORIGIN, World, at};
use crate::effect::WindowSummary;
use crate::feature::Feature;
use crate::grid::Align;
use crate::raster::Raster;
use crate::window::{LatePolicy, Report, WindowSpec};

/// (time in nanoseconds after the origin, value), sorted.
type Contents = Vec<(i64, f64)>;
/// By channel, start and end.
type Windows = BTreeMap<(ChannelIndex, i64, i64), Contents>;

const MS: i64 = 1_000_000;

/// What a model might want of readings.
const RASTER: Raster = Raster {
    points: 7,
    align: Align::Linear,
    max_age: Span(400 * MS),
};

fn millis(n: i64) -> Span {
    Span::from_millis(n)
}

/// Distinct readings of each channel, sorted.
fn distinct(readings: &[Reading]) -> BTreeMap<ChannelIndex, Contents> {
    let mut channels = BTreeMap::<_, Contents>::new();
    for reading in readings {
        let time = (reading.time - ORIGIN).0;
        let channel = channels.entry(reading.channel).or_default();
        channel.push((time, reading.value + 0.0));
    }
    for contents in channels.values_mut() {
        contents.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        contents.dedup();
    }
    channels
}

/// What a window with these readings has at the instants of [`RASTER`].
fn naive_raster(start: i64, end: i64, contents: &Contents) -> Vec<Option<f64>> {
    let points = i64::from(RASTER.points);
    let near = |at: i64, time: i64| (at - time).abs() <= RASTER.max_age.0;
    (0..points)
        .map(|point| {
            let at = start + (end - start) * point / points;
            let before = contents.iter().rfind(|(time, _)| *time <= at);
            let after = contents.iter().find(|(time, _)| *time > at);
            match (before, after) {
                (Some(&(from, one)), Some(&(to, other))) => {
                    let part = (at - from) as f64 / (to - from) as f64;
                    let exact = from == at;
                    (near(at, from) && (exact || near(at, to))).then_some(if exact {
                        one
                    } else {
                        one + (other - one) * part
                    })
                }
                (one, other) => {
                    let (time, value) = *one.or(other)?;
                    near(at, time).then_some(value)
                }
            }
        })
        .collect()
}

/// All windows of a channel that are closed once the device has stopped.
fn windows(spec: WindowSpec, contents: &Contents) -> Vec<(i64, i64, Contents)> {
    let inside = |start: i64, end: i64| -> Contents {
        let within = |c: &&(i64, f64)| start <= c.0 && c.0 < end;
        contents.iter().filter(within).copied().collect()
    };
    let last = contents[contents.len() - 1].0;
    match spec {
        WindowSpec::Tumbling { length } => windows(
            WindowSpec::Hopping {
                length,
                hop: length,
            },
            contents,
        ),
        WindowSpec::Hopping { length, hop } => {
            let mut found = Vec::new();
            // The origin is at a multiple of all lengths here.
            let mut start = -length.0 / hop.0 * hop.0;
            loop {
                let end = start + length.0;
                found.push((start, end, inside(start, end)));
                // What still holds something after that has not ended.
                if end > last {
                    break found;
                }
                start += hop.0;
            }
        }
        WindowSpec::Sliding { length } => {
            let mut times: Vec<i64> = contents.iter().map(|c| c.0).collect();
            times.dedup();
            let window = |t: i64| (t - length.0 + 1, t + 1, inside(t - length.0 + 1, t + 1));
            times.into_iter().map(window).collect()
        }
        WindowSpec::Session { gap, max_length } => {
            let mut found: Vec<Contents> = Vec::new();
            for &(time, value) in contents {
                match found.last_mut() {
                    Some(session)
                        if time - session[session.len() - 1].0 < gap.0
                            && time - session[0].0 < max_length.0 =>
                    {
                        session.push((time, value));
                    }
                    _ => found.push(vec![(time, value)]),
                }
            }
            let ends = |session: Contents| {
                let (first, last) = (session[0].0, session[session.len() - 1].0);
                (first, (last + gap.0).min(first + max_length.0), session)
            };
            found.into_iter().map(ends).collect()
        }
        WindowSpec::Count { size } => {
            let group =
                |group: &[(i64, f64)]| (group[0].0, group[group.len() - 1].0 + 1, group.to_vec());
            contents.chunks(size).map(group).collect()
        }
    }
}

fn batch(spec: WindowSpec, readings: &[Reading]) -> Windows {
    let mut all = Windows::new();
    for (channel, contents) in distinct(readings) {
        for (start, end, contents) in windows(spec, &contents) {
            if !contents.is_empty() {
                all.insert((channel, start, end), contents);
            }
        }
    }
    all
}

/// Feeds the batches to a device that restarts before those of the numbers in `restarts`, and stops it.
fn stream(
    class: &ClassConfig,
    batches: &[Vec<Reading>],
    restarts: &[usize],
) -> (Vec<Effect>, Tally) {
    let mut device = Device::new(Arc::new(class.clone()), None, 0);
    let (mut tally, mut effects) = (Tally::default(), Vec::new());
    let mut now = at(1000);
    for (number, readings) in batches.iter().enumerate() {
        now = now + millis(7);
        if restarts.contains(&number) {
            let restored = restore(class, None, &checkpoint(&device));
            assert_eq!(restored.reset, []);
            device = restored.device;
        }
        device.handle(Input::Readings { now, readings }, &mut tally, &mut effects);
    }
    device.handle(Input::Stop { now }, &mut tally, &mut effects);
    assert_eq!(device.held(), 0);
    let numbers = effects.iter().map(|e| e.number);
    assert!(numbers.eq(1..=effects.len() as u64), "numbers are dense");
    (effects.into_iter().map(|e| e.effect).collect(), tally)
}

/// Holds each window as it was last said against what is in it.
fn compare(effects: Vec<Effect>, mut expected: Windows, asked: &[Feature]) {
    let mut last = BTreeMap::<_, WindowSummary>::new();
    for effect in effects {
        let Effect::Window(window) = effect else {
            continue;
        };
        let mut channels: Vec<_> = window.channels.iter().map(|part| part.channel).collect();
        channels.dedup();
        for channel in channels {
            let place = (channel, (window.start - ORIGIN).0, (window.end - ORIGIN).0);
            let before = last.insert(place, (*window).clone());
            assert!(
                before.is_none_or(|before| window.revision > before.revision),
                "again without a new revision: {window:?}"
            );
        }
    }
    for ((channel, start, end), window) in last {
        let contents = expected
            .remove(&(channel, start, end))
            .unwrap_or_else(|| panic!("nothing is in {start}..{end} of {channel}"));
        let part = window
            .channels
            .iter()
            .find(|part| part.channel == channel)
            .unwrap();
        let seen = naive_raster(start, end, &contents);
        assert_eq!(part.extra[asked.len()..], seen, "of {contents:?}");
        let seconds = |&(time, value): &(i64, f64)| ((time - start) as f64 / 1e9, value);
        let contents: Vec<_> = contents.iter().map(seconds).collect();
        for feature in Feature::BASIC {
            assert_close(feature, feature.of(&part.features).unwrap(), &contents);
        }
        // What lies on the mean itself hangs on the mean's last bit.
        // Spectra are compared where they are computed: readings here are hardly ever evenly spaced.
        let compared = |feature: &&Feature| {
            !matches!(
                feature,
                Feature::MeanCrossings
                    | Feature::DominantFrequency
                    | Feature::SpectralCentroid
                    | Feature::SpectralEntropy
                    | Feature::BandEnergy { .. }
                    | Feature::EnvelopeFrequency { .. }
                    | Feature::EnvelopeEnergy { .. }
            )
        };
        for feature in asked.iter().filter(compared) {
            let got = part.value(*feature, asked);
            let want = textbook::extra(*feature, &contents, (end - start) as f64 / 1e9);
            let near = match (got, want) {
                (Some(got), Some(want)) => {
                    let largest = contents.iter().map(|c| c.1.abs()).fold(1.0, f64::max);
                    let scale = match feature {
                        Feature::Variance => largest * largest,
                        Feature::RateOfChange => largest / 0.01,
                        _ => largest,
                    };
                    (got - want).abs() <= 1e-9 * want.abs().max(scale)
                }
                (got, want) => got == want,
            };
            assert!(near, "{feature}: {got:?}, not {want:?}, of {contents:?}");
        }
    }
    assert!(expected.is_empty(), "missing: {expected:?}");
}

/// Readings, their ways, and where to restart.
fn case(longest: i64) -> impl Strategy<Value = (Vec<Reading>, Vec<Vec<Reading>>, Vec<usize>)> {
    let restarts = prop::collection::vec(0..40_usize, 0..4);
    (readings(), restarts).prop_flat_map(move |(readings, restarts)| {
        (
            Just(readings.clone()),
            way_within(readings, longest),
            Just(restarts),
        )
    })
}

fn class(window: WindowSpec) -> ClassConfig {
    let mut class = ClassConfig {
        window,
        features: Feature::EXTRA.to_vec(),
        report: Report::Periodic { every: millis(103) },
        ..fast_class()
    };
    for channel in &mut class.channels {
        channel.raster = Some(RASTER);
    }
    class
}

fn check(spec: WindowSpec, case: (Vec<Reading>, Vec<Vec<Reading>>, Vec<usize>)) {
    let (readings, batches, restarts) = case;
    let (effects, tally) = stream(&class(spec), &batches, &restarts);
    let distinct: usize = distinct(&readings).values().map(Vec::len).sum();
    assert_eq!(tally.get(ReadingFate::Processed), distinct as u64);
    compare(effects, batch(spec, &readings), &Feature::EXTRA);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn invariant_4_batch_equals_stream_tumbling(length in 1..3000_i64, case in case(OUT_OF_ORDERNESS_MS)) {
        // The origin is at a multiple of these alone.
        let length = [10, 50, 250, 1000, 3000][(length % 5) as usize];
        check(WindowSpec::Tumbling { length: millis(length) }, case);
    }

    #[test]
    fn invariant_4_batch_equals_stream_hopping(
        (length, hop) in prop::sample::select(vec![(800, 100), (1000, 400), (3000, 1000), (600, 500), (500, 500)]),
        case in case(OUT_OF_ORDERNESS_MS),
    ) {
        check(WindowSpec::Hopping { length: millis(length), hop: millis(hop) }, case);
    }

    #[test]
    fn invariant_4_batch_equals_stream_sliding(length in 1..3000_i64, case in case(OUT_OF_ORDERNESS_MS)) {
        check(WindowSpec::Sliding { length: millis(length) }, case);
    }

    #[test]
    fn invariant_4_batch_equals_stream_session(
        gap in 1..2000_i64, max_length in 1..9000_i64, case in case(OUT_OF_ORDERNESS_MS),
    ) {
        check(WindowSpec::Session { gap: millis(gap), max_length: millis(max_length) }, case);
    }

    #[test]
    fn invariant_4_batch_equals_stream_count(size in 3..20_usize, case in case(OUT_OF_ORDERNESS_MS)) {
        check(WindowSpec::Count { size }, case);
    }

    #[test]
    fn invariant_4_batch_equals_stream_when_late_readings_revise(
        (length, hop) in prop::sample::select(vec![(1000, 1000), (800, 100), (1000, 400)]),
        features in prop::sample::select(vec![0, 12, 17, 26]),
        case in case(OUT_OF_ORDERNESS_MS + 2500),
    ) {
        let mut class = class(WindowSpec::Hopping { length: millis(length), hop: millis(hop) });
        class.late = LatePolicy::Revise { windows: 1000 };
        class.allowed_lateness = millis(2500);
        class.features.truncate(features);
        let (readings, batches, restarts) = case;
        let (effects, tally) = stream(&class, &batches, &restarts);
        let distinct: usize = distinct(&readings).values().map(Vec::len).sum();
        prop_assert_eq!(tally.get(ReadingFate::Processed), distinct as u64);
        compare(effects, batch(class.window, &readings), &class.features);
    }

    #[test]
    fn invariant_3_a_restart_changes_nothing_for_any_kind(
        spec in prop::sample::select(vec![
            WindowSpec::Hopping { length: Span(800 * MS), hop: Span(100 * MS) },
            WindowSpec::Sliding { length: Span(700 * MS) },
            WindowSpec::Session { gap: Span(300 * MS), max_length: Span(2000 * MS) },
            WindowSpec::Count { size: 7 },
        ]),
        revise in any::<bool>(),
        case in case(OUT_OF_ORDERNESS_MS + 1000),
    ) {
        let mut class = class(spec);
        class.max_window_readings = 60;
        if revise {
            class.late = LatePolicy::Revise { windows: 4 };
            class.allowed_lateness = millis(900);
        }
        let (_, batches, restarts) = case;
        let whole = stream(&class, &batches, &[]);
        prop_assert_eq!(format!("{:?}", whole), format!("{:?}", stream(&class, &batches, &restarts)));
    }
}

#[test]
fn overlapping_windows_after_a_silence_are_one_frame_of_all_channels() {
    let (length, hop) = (Span::from_secs(30), Span::from_secs(10));
    let mut world = World::new(ClassConfig {
        window: WindowSpec::Hopping { length, hop },
        ..super::world::class()
    });
    world.at(5).reading("flow", 5, 1.0).reading("head", 5, 2.0);
    world.at(66).timer();
    let idle = world.next_window();
    assert_eq!((idle.start, idle.channels.len()), (at(-20), 2));
    world.expect_nothing();
    // The windows that still hold them close with the first reading of each channel after the silence.
    world.at(100).reading("flow", 100, 1.0).expect_nothing();
    world.reading("head", 100, 2.0);
    for start in [-10, 0] {
        let window = world.next_window();
        assert_eq!((window.start, window.channels.len()), (at(start), 2));
        assert_ne!(window.closed_by, ClosedBy::Straggler);
    }
    world.expect_nothing();
}
