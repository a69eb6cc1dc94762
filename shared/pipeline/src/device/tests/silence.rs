//! Devices that say nothing, and summaries that are not said.

use super::super::*;
use super::world::{World, at, class};
use crate::effect::{AlertState, Stale};
use crate::window::{Emit, Report, WindowSpec};

fn stale(world: &mut World) -> Stale {
    match world.pop() {
        Some(Effect::Stale(stale)) => *stale,
        other => panic!("a stale device, not {other:?}"),
    }
}

#[test]
fn a_device_that_should_report_is_stale_after_three_reports_missed_and_says_so_once() {
    let mut class = class();
    class.report = Report::Periodic {
        every: Span::from_secs(100),
    };
    let mut world = World::new(class.clone());
    assert_eq!(world.device.wake_at(), None, "never heard");
    world.at(5).reading("flow", 5, 1.0);
    world.at(65).timer().next_window();
    world
        .at(70)
        .meets(ReadingFate::RejectedPast, "flow", -1e9, 1.0);
    assert_eq!(
        world.device.wake_at(),
        Some(at(370)),
        "anything counts as heard"
    );
    world.at(369).timer().expect_nothing();
    world.at(370).timer();
    let raised = stale(&mut world);
    assert_eq!((raised.state, raised.episode), (AlertState::Raised, 2));
    assert_eq!((raised.last_heard, raised.decided_at), (at(70), at(370)));
    assert_eq!(world.device.wake_at(), None);
    assert_eq!(world.restart(class, None), []);
    world.at(900).timer().expect_nothing();
    world.at(1000).reading("flow", 1000, 1.0);
    let cleared = stale(&mut world);
    assert_eq!((cleared.state, cleared.episode), (AlertState::Cleared, 2));
    assert_eq!((cleared.last_heard, cleared.decided_at), (at(70), at(1000)));
}

#[test]
fn a_device_that_reports_on_change_may_be_silent() {
    let mut world = World::new(class());
    world.at(5).reading("flow", 5, 1.0);
    world.at(65).timer().next_window();
    assert_eq!(world.device.wake_at(), None);
    world.at(1e6).timer().expect_nothing();
}

/// What comes out of windows of which number 8 and 9 are odd, as [`World::signs`] writes it.
fn signs(emit: Emit) -> String {
    let mut class = class();
    class.emit = emit;
    let mut world = World::new(class);
    for number in 0..14 {
        let odd = number == 8 || number == 9;
        world.window("flow", number, if odd { 20.0 } else { 10.0 });
    }
    world.stop().signs()
}

#[test]
fn summaries_on_change_are_those_that_say_something_new() {
    assert_eq!(signs(Emit::Every), ".........!R!.C..");
    // The first, the first judged, the first odd one, and the alerts'; the first that is normal again.
    assert_eq!(signs(Emit::OnChange), "...!R!.C");
}

#[test]
fn summaries_at_intervals_are_that_far_apart_but_for_alerts() {
    let interval = Emit::Interval(Span::from_secs(30));
    assert_eq!(signs(interval), "...!R.C");
}

#[test]
fn sliding_windows_are_judged_at_each_reading_on_each_channel() {
    let mut class = class();
    class.window = WindowSpec::Sliding {
        length: Span::from_secs(3),
    };
    class.emit = Emit::OnChange;
    let mut world = World::new(class);
    for second in 0..40 {
        let odd = f64::from(u8::from((20..24).contains(&second))) * 50.0;
        world.at(second).reading("flow", second, 10.0 + odd);
        world.reading("head", second, 3.0);
    }
    let mut said = String::new();
    let mut alerts = Vec::new();
    while let Some(effect) = world.pop() {
        match effect {
            Effect::Window(window) => {
                assert_eq!(window.channels.len(), 1, "each channel alone");
                said.push(if window.channels[0].channel == 0 {
                    'f'
                } else {
                    'h'
                });
            }
            Effect::Alert(alert) => alerts.push((alert.state, (alert.time - at(0)).0)),
            other => panic!("{other:?}"),
        }
    }
    // The second odd window raises it: those that end at 20 and 21, to the nanosecond behind them.
    assert_eq!(alerts[0], (AlertState::Raised, 21_000_000_001));
    assert_eq!(alerts[1].0, AlertState::Cleared);
    assert_eq!(
        said.matches('h').count(),
        2,
        "the first, and the first that is judged: {said}"
    );
}
