//! A gateway whose clock is not set, and one whose clock is set anew.

use super::world::{ORIGIN, World, at, class};
use super::*;
use crate::gateway::{ClockStep, EventsBy, GatewayClock, Unset};
use crate::reading::{Clock, Origin};
use crate::window::{Emit, LatePolicy, Report};

use ClosedBy::{ClockSet, Watermark};
use ReadingFate::{Late, Processed, RejectedFuture, RejectedOld};

const BOOT: u128 = 0x1234;
const UNSET: GatewayClock = GatewayClock::Unset { boot: BOOT };

const fn marked(events: EventsBy) -> Unset {
    Unset { boot: BOOT, events }
}

impl World {
    /// The gateway's clock shows `by` seconds more from now on, and is worth this.
    fn clock(&mut self, by: i32, clock: GatewayClock) -> &mut Self {
        let by = Span::from_secs(by.into());
        let now = self.now() + by;
        let step = ClockStep { by, clock };
        self.at_time(now).handle(Input::Clock { now, step })
    }

    /// A reading without a time of its own arrives.
    #[track_caller]
    fn arrives(&mut self, seconds: impl Into<f64>, name: &str, value: f64) -> &mut Self {
        let time = at(seconds);
        let origin = Origin::default().with_clock(Clock::Arrival);
        let fate = self.at_time(time).told(name, time, value, origin);
        assert_eq!(fate, Processed);
        self
    }
}

#[test]
fn while_the_clock_is_not_set_senders_with_their_own_are_not_affected() {
    let mut world = World::new(class());
    world.clock(0, UNSET);
    // Two years ahead of what the gateway believes.
    let late = 63_072_000.0;
    world.meets(Processed, "flow", late + 1.0, 5.0);
    world.meets(Processed, "flow", late + 8.0, 5.0);
    world.meets(Processed, "flow", late + 12.0, 5.0);
    world.expect_window(63_072_000, Watermark, &[("flow", 2)]);
    assert_eq!(world.unset(), Some(marked(EventsBy::Senders)));
    world.meets(Late, "flow", late + 2.0, 5.0);
    // Once it is set, its bounds hold again.
    world.clock(63_072_000, GatewayClock::Set);
    world.meets(RejectedFuture, "flow", late + 3_600.0, 5.0);
    world.meets(Processed, "flow", late + 13.0, 5.0);
    world.expect_nothing();
}

#[test]
fn what_is_too_old_is_not_known_while_the_clock_is_not_set() {
    let mut class = class();
    class.skew.max_past = Some(Span::from_secs(60));
    let mut world = World::new(class);
    world.at(1000).clock(0, UNSET);
    world.meets(Processed, "flow", 1, 5.0);
    world.clock(0, GatewayClock::Set);
    world.meets(RejectedOld, "flow", 2, 5.0);
}

#[test]
fn windows_by_the_gateways_clock_end_when_it_is_set_and_begin_anew() {
    for by in [86_400, -86_400, 3] {
        let mut world = World::new(class());
        world.clock(0, UNSET);
        world.arrives(1, "flow", 1.0).arrives(9, "flow", 2.0);
        world.arrives(12, "flow", 3.0);
        world.expect_window(0, Watermark, &[("flow", 2)]);
        assert_eq!(world.unset(), Some(marked(EventsBy::Gateway)));
        world.arrives(13, "flow", 3.5);
        world.clock(by, GatewayClock::Set);
        world.expect_window(10, ClockSet, &[("flow", 2)]);
        assert_eq!(world.unset(), Some(marked(EventsBy::Gateway)), "{by}");
        let from = f64::from(by) + 13.0;
        world.arrives(from + 1.0, "flow", 4.0);
        world.arrives(from + 60.0, "flow", 5.0);
        let summary = world.next_window();
        assert_eq!(
            (summary.channels[0].features.count, summary.closed_by),
            (1, Watermark)
        );
        assert_eq!((summary.oldest, world.unset()), (at(from + 1.0), None));
        world.expect_nothing();
    }
}

#[test]
fn a_clock_that_is_set_anew_moves_nothing_of_senders_with_their_own() {
    let mut world = World::new(class());
    world.at(5).meets(Processed, "flow", 1, 1.0);
    world.arrives(6, "head", 1.0);
    world.clock(-3_600, GatewayClock::Set);
    world.clock(3_600, GatewayClock::Set);
    world.expect_window(0, ClockSet, &[("head", 1)]);
    world.at(12).meets(Processed, "flow", 2, 1.0);
    world.meets(Processed, "flow", 12, 1.0);
    world.expect_window(0, Watermark, &[("flow", 2)]);
    world.expect_nothing();
}

#[test]
fn a_step_is_no_silence() {
    let every = Span::from_secs(30);
    let report = Report::Periodic { every };
    let mut world = World::new(ClassConfig { report, ..class() });
    world.at(5).meets(Processed, "flow", 1, 1.0);
    let wake = world.device.wake_at().unwrap();
    world.clock(86_400, GatewayClock::Set);
    let day = Span::from_secs(86_400);
    assert_eq!(world.device.wake_at(), Some(wake + day));
    world.timer().expect_nothing();
}

#[test]
fn neither_summaries_nor_alerts_wait_for_the_time_to_come_again() {
    let hour = Span::from_secs(3_600);
    let mut class = class();
    class.emit = Emit::Interval(hour);
    class.verdict.cooldown = hour;
    let mut world = World::new(class);
    world.arrives(1, "flow", 1.0).arrives(12, "flow", 1.0);
    world.expect_window(0, Watermark, &[("flow", 1)]);
    world.clock(-7_200, GatewayClock::Set);
    world.arrives(-7_180, "flow", 1.0);
    world.arrives(-7_100, "flow", 1.0);
    assert_eq!(world.next_window().start, at(-7_180));
}

#[test]
fn what_was_by_the_old_clock_is_not_revised_by_the_new_one() {
    let late = LatePolicy::Revise { windows: 3 };
    let allowed_lateness = Span::from_secs(60);
    let mut world = World::new(ClassConfig {
        allowed_lateness,
        late,
        ..class()
    });
    world.arrives(1, "flow", 1.0).arrives(12, "flow", 1.0);
    world.expect_window(0, Watermark, &[("flow", 1)]);
    world.clock(-12, GatewayClock::Set);
    world.expect_window(10, ClockSet, &[("flow", 1)]);
    world.arrives(1, "flow", 7.0).arrives(12, "flow", 7.0);
    // The same stretch of time once more, by another clock: another window, not a revision.
    let again = world.next_window();
    assert_eq!((again.start, again.revision), (at(0), 0));
    assert_eq!(again.channels[0].features.mean.to_bits(), 7.0_f64.to_bits());
}

#[test]
fn another_start_of_the_gateway_is_another_line_of_time() {
    let mut world = World::new(class());
    world.clock(0, UNSET).arrives(1, "flow", 1.0);
    world.clock(0, GatewayClock::Unset { boot: 5 });
    world.expect_window(0, ClockSet, &[("flow", 1)]);
    assert_eq!(world.unset(), Some(marked(EventsBy::Gateway)));
    world
        .clock(0, GatewayClock::Unset { boot: 5 })
        .expect_nothing();
}

#[test]
fn a_checkpoint_knows_whose_times_are_whose() {
    for restart in [false, true] {
        let mut world = World::new(class());
        world.clock(0, UNSET);
        world.at(5).meets(Processed, "head", 1, 1.0);
        world.arrives(6, "flow", 1.0);
        if restart {
            assert_eq!(world.restart(class(), None), []);
        }
        assert_eq!(world.device.gateway(), UNSET);
        world.clock(60, GatewayClock::Set);
        world.expect_window(0, ClockSet, &[("flow", 1)]);
        world.expect_nothing();
    }
}

#[test]
fn a_clock_since_boot_goes_on_by_the_new_time() {
    let mut world = World::new(class());
    let origin = Origin::default().with_clock(Clock::SinceBoot).leading();
    let count = |seconds: i64| Timestamp(seconds * 1_000_000_000);
    world.at(100).told("flow", count(50), 1.0, origin);
    world.clock(1_000, GatewayClock::Set);
    world.expect_window(100, ClockSet, &[("flow", 1)]);
    world.at(1_110).told("flow", count(60), 1.0, origin);
    world.at(1_170).told("flow", count(120), 1.0, origin);
    assert_eq!(world.next_window().oldest, ORIGIN + Span::from_secs(1_110));
}
