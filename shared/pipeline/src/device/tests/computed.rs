//! Channels that are computed from others, and values that are taken for others.

use std::sync::Arc;

use proptest::prelude::*;

use super::world::{World, at, channel, class};
use super::*;
use crate::grid::{Align, Expression, Formula, VirtualConfig};
use crate::reading::Origin;
use crate::window::LatePolicy;

use ClosedBy::{Idle, Watermark};
use ReadingFate::{Duplicate, Processed, RejectedRange};

/// The usual class with `lift = head - flow` every second.
fn computing() -> ClassConfig {
    let mut class = class();
    class.channels.truncate(2);
    class.channels.push(channel("lift"));
    let expression = Expression::parse("head - flow").unwrap();
    let named = |name: &String| class.channel_index(name).unwrap();
    class.virtuals = vec![VirtualConfig {
        channel: 2,
        inputs: expression.channels().iter().map(named).collect(),
        formula: Formula::Expression(expression),
        every: Span::from_secs(1),
        align: Align::Last,
        max_age: Span::from_secs(3),
    }];
    class
}

#[test]
fn a_computed_channel_has_windows_like_any_other() {
    let mut world = World::new(computing());
    for second in 0..20 {
        world.at(second).reading("flow", second, 1.0);
        world.reading("head", f64::from(second) + 0.5, 3.0);
    }
    world.expect_window(0, Watermark, &[("flow", 10), ("head", 10), ("lift", 9)]);
    // From the first instant at which both were known: head came half a second after flow.
}

#[test]
fn where_an_input_is_too_old_there_is_nothing() {
    let mut world = World::new(computing());
    for second in 0..40 {
        world.at(second).reading("flow", second, 1.0);
        if second < 5 {
            world.reading("head", second, 3.0);
        }
    }
    world.at(100).timer();
    let mut lifts = 0;
    while let Some(effect) = world.pop() {
        let Effect::Window(window) = effect else {
            continue;
        };
        let lift = window.channels.iter().find(|part| part.channel == 2);
        lifts += lift.map_or(0, |part| part.features.count);
    }
    assert_eq!(
        lifts, 8,
        "until the last value of head is three seconds old"
    );
}

#[test]
fn silence_of_all_closes_what_is_computed_as_well() {
    let mut world = World::new(computing());
    world.at(5).reading("flow", 5, 1.0).reading("head", 5, 3.0);
    world.at(64.9).timer().expect_nothing();
    world.at(65).timer();
    // At 5, and at 6, 7 and 8, as long as nothing is older than three seconds.
    world.expect_window(0, Idle, &[("flow", 1), ("head", 1), ("lift", 4)]);
}

#[test]
fn a_value_is_what_it_is_calibrated_to_before_anyone_looks_at_it() {
    let mut class = class();
    // 2x² - 1
    class.channels[0].calibration = vec![-1.0, 0.0, 2.0];
    class.channels[0].max = 17.0;
    class.late = LatePolicy::SideOutput;
    let mut world = World::new(class);
    world.at(30).meets(Processed, "flow", 1, 3.0);
    world.meets(RejectedRange, "flow", 2, 4.0);
    world.meets(Duplicate, "flow", 1, -3.0);
    world.meets(Processed, "flow", 12, 1.0);
    let window = world.next_window();
    assert_eq!(
        window.channels[0].features.last.to_bits(),
        17.0_f64.to_bits()
    );
    world.meets(ReadingFate::Late, "flow", 2, 2.0);
    let Some(Effect::Late(late)) = world.pop() else {
        panic!("it is late")
    };
    assert_eq!(late.value.to_bits(), 7.0_f64.to_bits());
}

/// What a device says of readings that come in such batches, with restarts behind some of them.
fn run(batches: &[(Timestamp, Vec<Reading>, bool)]) -> Vec<String> {
    let class = Arc::new(computing());
    let mut device = Device::new(Arc::clone(&class), None, 0);
    let (mut tally, mut effects, mut said) = (Tally::default(), Vec::new(), Vec::new());
    for (now, readings, restarts) in batches {
        let now = *now;
        device.handle(Input::Readings { now, readings }, &mut tally, &mut effects);
        said.extend(effects.drain(..).map(|effect| format!("{effect:?}")));
        if *restarts {
            let mut bytes = Vec::new();
            device.checkpoint(&mut bytes);
            device = Device::restore(Arc::clone(&class), None, &bytes)
                .unwrap()
                .device;
        }
    }
    device.handle(Input::Stop { now: at(1_000) }, &mut tally, &mut effects);
    said.extend(effects.drain(..).map(|effect| format!("{effect:?}")));
    said
}

proptest! {
    /// Whatever comes together and wherever it is started again, the same comes out.
    #[test]
    fn what_is_computed_does_not_depend_on_batches_and_restarts(
        steps in prop::collection::vec((0..3_000_i64, 0..2_u16, 0..50_i32, 0..1_900_i64), 1..120),
        cuts in prop::collection::vec((any::<bool>(), any::<bool>()), 120),
    ) {
        let mut now = at(0);
        let mut single = Vec::new();
        for (pause, channel, value, late) in steps {
            now = now + Span::from_millis(pause);
            let time = now - Span::from_millis(late);
            let (value, origin) = (f64::from(value), Origin::default());
            single.push(Reading { time, value, channel, origin });
        }
        // All at one time, so that only the cuts differ.
        let all = vec![(now, single.clone(), false)];
        let mut batches: Vec<(Timestamp, Vec<Reading>, bool)> = vec![(now, Vec::new(), false)];
        for (reading, (cut, restarts)) in single.into_iter().zip(cuts) {
            batches.last_mut().unwrap().1.push(reading);
            if cut {
                batches.last_mut().unwrap().2 = restarts;
                batches.push((now, Vec::new(), false));
            }
        }
        prop_assert_eq!(run(&all), run(&batches));
    }
}
