//! The device, told of readings and timers in event time.

mod checkpoints;
mod computed;
mod gateway;
mod isolation;
mod kinds;
mod properties;
mod readings;
mod restarts;
mod revisions;
mod scoring;
mod senders;
mod silence;
mod textbook;
mod world;

use self::world::{Behaviour, ORIGIN, World, at, class};
use super::*;
use crate::time::Span;

use ClosedBy::{Idle, Shutdown, Straggler, Watermark};
use ReadingFate::{Duplicate, Late, Processed, RejectedFuture, RejectedPast, RejectedWindowFull};

#[test]
fn a_window_closes_when_the_watermark_reaches_its_end_and_not_before() {
    let mut world = World::new(class());
    world
        .at(20)
        .reading("flow", 1, 1.5)
        .reading("flow", 9.999, 2.5);
    world.reading("flow", 11.999, 3.5).expect_nothing();
    world.reading("flow", 12, 4.5);
    world.expect_window(0, Watermark, &[("flow", 2)]);
    world.expect_nothing();
}

#[test]
fn one_reading_may_close_several_windows() {
    let mut world = World::new(class());
    world
        .at(100)
        .reading("flow", 11.9, 1.0)
        .reading("flow", 1, 1.0);
    world.reading("flow", 95, 1.0);
    world.expect_window(0, Watermark, &[("flow", 1)]);
    world.expect_window(10, Watermark, &[("flow", 1)]);
    world.expect_nothing();
}

#[test]
fn a_window_starts_at_its_first_instant_and_excludes_its_last() {
    let mut world = World::new(class());
    world
        .at(30)
        .reading("flow", 0, 1.0)
        .reading("flow", 10, 2.0);
    world.reading("flow", 22, 3.0);
    world.expect_window(0, Watermark, &[("flow", 1)]);
    world.expect_window(10, Watermark, &[("flow", 1)]);
}

#[test]
fn a_channel_that_the_class_does_not_list_is_like_any_other_once_it_is_known() {
    let mut world = World::new(class());
    world.at(30).channel("vibration");
    world.reading("flow", 1, 1.0).reading("vibration", 2, 5.0);
    world.reading("flow", 12, 1.0).expect_nothing();
    world.reading("vibration", 12, 5.0);
    world.expect_window(0, Watermark, &[("flow", 1), ("vibration", 1)]);
}

#[test]
fn each_channel_has_its_own_watermark() {
    let mut world = World::new(class());
    world.at(30).reading("head", 1, 1.0);
    world.reading("flow", 1, 1.0).reading("flow", 24, 1.0);
    world.expect_nothing();
    // For `flow` the window has been closed long since, for `head` it is open.
    world.meets(Late, "flow", 2, 1.0);
    world.meets(Processed, "head", 2, 1.0);
}

#[test]
fn a_frame_waits_for_the_slower_channel() {
    let mut world = World::new(class());
    world.at(30).reading("head", 5, 1.0);
    world
        .reading("flow", 5, 1.0)
        .reading("flow", 12, 1.0)
        .expect_nothing();
    world.reading("head", 12, 1.0);
    world.expect_window(0, Watermark, &[("flow", 1), ("head", 1)]);
    world.expect_nothing();
}

#[test]
fn a_frame_goes_as_soon_as_the_slower_channel_is_known_to_have_nothing_for_it() {
    let mut world = World::new(class());
    world.at(30).reading("head", 11, 1.0);
    world
        .reading("flow", 5, 1.0)
        .reading("flow", 12, 1.0)
        .expect_nothing();
    // No window of `head` closes here: its watermark passes a window that it has nothing in.
    world.reading("head", 12, 1.0);
    world.expect_window(0, Watermark, &[("flow", 1)]);
}

#[test]
fn a_frame_waits_no_longer_than_the_frame_wait() {
    let mut world = World::new(class());
    world.at(30).reading("head", 5, 1.0);
    world.reading("flow", 5, 1.0).reading("flow", 12, 1.0);
    world.reading("flow", 26.999, 1.0).reading("flow", 29, 1.0);
    world.expect_nothing();
    world.reading("flow", 30, 1.0);
    world.expect_window(0, Watermark, &[("flow", 1)]);
    world.expect_nothing();
}

#[test]
fn after_a_gap_longer_than_the_frame_wait_nobody_is_left_behind() {
    let mut world = World::new(class());
    world
        .at(100)
        .reading("flow", 5, 1.0)
        .reading("head", 5, 1.0);
    world.reading("flow", 60, 1.0).expect_nothing();
    world.reading("head", 60, 1.0);
    world.expect_window(0, Watermark, &[("flow", 1), ("head", 1)]);
    world.expect_nothing();
}

#[test]
fn what_comes_after_its_frame_has_gone_is_recorded_alone_and_nobody_is_asked() {
    let mut world = World::with_model(class(), Behaviour::Echo);
    world.at(30).reading("head", 5, 1.0);
    world
        .reading("flow", 5, 1.0)
        .reading("flow", 27, 1.0)
        .reading("flow", 28, 1.0);
    world.expect_window(0, Watermark, &[("flow", 1)]);
    world.reading("head", 12, 1.0);
    let straggler = world.next_window();
    assert_eq!((straggler.start, straggler.closed_by), (at(0), Straggler));
    assert_eq!(straggler.score, None);
    assert_eq!(straggler.channels.len(), 1);
}

#[test]
fn a_channel_never_heard_is_not_waited_for() {
    let mut world = World::new(class());
    world
        .at(12)
        .reading("power", 5, 1.0)
        .reading("power", 12, 1.0);
    world.expect_window(0, Watermark, &[("power", 1)]);
}

#[test]
fn a_channel_that_fell_silent_is_not_waited_for() {
    let mut world = World::new(class());
    world.at(5).reading("head", 5, 1.0).reading("flow", 5, 1.0);
    world.at(64).reading("flow", 9, 1.0);
    world.at(65).timer().expect_nothing();
    world.at(66).reading("flow", 66, 1.0);
    world.expect_window(0, Watermark, &[("flow", 2), ("head", 1)]);
    world.at(72).reading("flow", 72, 1.0);
    world.expect_window(60, Watermark, &[("flow", 1)]);
}

#[test]
fn an_idle_channel_closes_at_the_time_it_asked_to_be_woken() {
    let mut world = World::new(class());
    assert_eq!(world.device.wake_at(), None, "nothing is open");
    world.at(7).reading("flow", 5, 1.0);
    world.at(9).reading("flow", 6, 1.0);
    assert_eq!(world.device.wake_at(), Some(at(69)));
    world.at(68.999).timer().expect_nothing();
    world.at(69).timer().expect_window(0, Idle, &[("flow", 2)]);
    assert_eq!(world.device.wake_at(), None, "nothing is open");
    world.meets(Processed, "flow", 10, 1.0);
}

#[test]
fn a_frame_is_not_held_up_by_a_slow_channel_for_longer_than_the_idle_timeout() {
    let mut class = class();
    class.frame_wait = Span::from_secs(1_000_000);
    let mut world = World::new(class);
    world.at(10).reading("head", 5, 1.0).reading("flow", 5, 1.0);
    world.at(12).reading("flow", 12, 1.0);
    // `head` is not silent, but it does not get on either.
    world
        .at(60)
        .reading("head", 6, 1.0)
        .reading("flow", 13, 1.0);
    assert_eq!(world.device.wake_at(), Some(at(72)));
    world
        .at(72)
        .timer()
        .expect_window(0, Watermark, &[("flow", 1)]);
}

#[test]
fn late_repeated_and_rejected_readings_do_not_keep_a_window_open() {
    let mut world = World::new(class());
    world
        .at(12)
        .reading("flow", 1, 1.0)
        .reading("flow", 12, 1.0);
    world.expect_window(0, Watermark, &[("flow", 1)]);
    world
        .at(70)
        .meets(Late, "flow", 1, 2.0)
        .meets(Duplicate, "flow", 12, 1.0);
    world.meets(RejectedFuture, "flow", 1e6, 1.0);
    assert_eq!(world.device.wake_at(), Some(at(72)));
    world.at(72).timer().expect_window(10, Idle, &[("flow", 1)]);
}

#[test]
fn late_readings_change_nothing() {
    let feed = |late: bool| {
        let mut world = World::new(class());
        for second in 0..100 {
            let time = f64::from(second);
            world.at(time).reading("flow", time, time.sin());
            if late && second > 40 {
                world.meets(Late, "flow", time - 30.0, 1e3);
            }
        }
        world.stop();
        std::iter::repeat_with(|| world.next_window())
            .take(10)
            .collect::<Vec<_>>()
    };
    assert_eq!(feed(false), feed(true));
}

#[test]
fn a_reading_behind_the_watermark_is_late_even_where_nothing_was_closed() {
    let mut world = World::new(class());
    world.at(100).reading("flow", 95, 1.0);
    world
        .meets(Late, "flow", 5, 1.0)
        .meets(Late, "flow", 89.999, 1.0);
    world.meets(Processed, "flow", 90, 1.0).expect_nothing();
}

#[test]
fn duplicates_are_found_in_order_out_of_order_and_much_later() {
    let mut world = World::new(class());
    world
        .at(11)
        .meets(Processed, "flow", 5, 1.0)
        .meets(Duplicate, "flow", 5, 1.0);
    world
        .meets(Processed, "flow", 7, 1.0)
        .meets(Duplicate, "flow", 5, 1.0);
    for milliseconds in 0..90 {
        world.meets(Processed, "flow", 7.1 + f64::from(milliseconds) * 1e-3, 1.0);
    }
    world.at(60).meets(Duplicate, "flow", 5, 1.0);
    world
        .meets(Processed, "flow", 5, 2.0)
        .meets(Processed, "head", 5, 1.0);
    world
        .stop()
        .expect_window(0, Shutdown, &[("flow", 93), ("head", 1)]);
}

#[test]
fn negative_zero_is_a_duplicate_of_zero() {
    let mut world = World::new(class());
    world
        .at(11)
        .meets(Processed, "flow", 5, 0.0)
        .meets(Duplicate, "flow", 5, -0.0);
    world
        .meets(Processed, "flow", 6, -0.0)
        .meets(Duplicate, "flow", 6, 0.0);
}

#[test]
fn a_full_window_rejects_and_counts() {
    let mut class = class();
    class.max_window_readings = 2;
    let mut world = World::new(class);
    world.at(20).reading("flow", 1, 1.0).reading("flow", 2, 1.0);
    world.meets(RejectedWindowFull, "flow", 3, 1.0);
    world
        .meets(Duplicate, "flow", 2, 1.0)
        .meets(Processed, "head", 3, 1.0);
    world
        .stop()
        .expect_window(0, Shutdown, &[("flow", 2), ("head", 1)]);
}

#[test]
fn a_full_channel_recovers_when_time_goes_on() {
    let mut class = class();
    class.max_window_readings = 2;
    let mut world = World::new(class);
    world.at(20).reading("flow", 1, 1.0).reading("flow", 2, 1.0);
    world
        .meets(RejectedWindowFull, "flow", 11, 1.0)
        .expect_nothing();
    world.meets(RejectedWindowFull, "flow", 12, 1.0);
    world.expect_window(0, Watermark, &[("flow", 2)]);
    world.meets(Processed, "flow", 13, 1.0);
}

#[test]
fn a_sensor_whose_clock_stands_still_is_closed_by_the_gateways_clock() {
    let mut class = class();
    class.max_window_readings = 3;
    let mut world = World::new(class);
    for second in 0..60 {
        world.at(second).reading("flow", 0, f64::from(second));
    }
    assert_eq!(world.device.wake_at(), Some(at(62)));
    world.at(62).timer().expect_window(0, Idle, &[("flow", 3)]);
    world.meets(Late, "flow", 0, 99.0);
}

#[test]
fn a_device_clock_a_year_ahead_disturbs_nothing() {
    const YEAR: f64 = 365.0 * 86_400.0;
    let mut world = World::new(class());
    world.at(5).reading("flow", 5, 1.0);
    world
        .meets(RejectedFuture, "flow", YEAR, 1.0)
        .meets(RejectedFuture, "head", 306, 1.0);
    world
        .at(11.9)
        .meets(Processed, "flow", 11.9, 1.0)
        .expect_nothing();
    world.at(12).reading("flow", 12, 1.0);
    world.expect_window(0, Watermark, &[("flow", 1)]);
    assert_eq!(world.device.status().newest, Some(at(12)));
}

#[test]
fn a_clock_ahead_within_the_skew_does_not_pull_the_watermark_past_the_gateways_time() {
    let mut world = World::new(class());
    world
        .at(5)
        .reading("flow", 5, 1.0)
        .meets(Processed, "flow", 200, 1.0);
    world.meets(Processed, "flow", 6, 1.0).expect_nothing();
    world.at(13).meets(Processed, "flow", 201, 1.0);
    world.expect_window(0, Watermark, &[("flow", 2)]);
}

#[test]
fn a_clock_that_was_never_set_is_rejected() {
    let mut world = World::new(class());
    assert_eq!(world.reading_at("flow", Timestamp(0), 1.0), RejectedPast);
    world.expect_nothing();
}

#[test]
fn the_ends_of_time_do_not_matter() {
    for now in [Timestamp::MIN, Timestamp(0), ORIGIN, Timestamp::MAX] {
        let mut world = World::new(class());
        world.at_time(now);
        for time in [
            Timestamp::MIN,
            Timestamp::MAX,
            now,
            now - Span(1),
            now - Span::from_secs(11),
        ] {
            world.reading_at("flow", time, 1.0);
            world.timer();
        }
        world.stop();
        assert_eq!(world.device.status().held, 0, "at {now:?}");
        assert_eq!(world.device.wake_at(), None, "at {now:?}");
    }
}

#[test]
fn stopping_closes_everything_and_numbers_go_on_from_the_last() {
    let mut world = World::resume(class(), None, 41);
    world
        .at(15)
        .reading("head", 11, 1.0)
        .reading("flow", 5, 1.0)
        .reading("head", 4, 1.0);
    world.reading("flow", 11, 1.0).stop();
    world.expect_window(0, Shutdown, &[("flow", 1), ("head", 1)]);
    world.expect_window(10, Shutdown, &[("flow", 1), ("head", 1)]);
    world.expect_nothing();
    let status = world.device.status();
    assert_eq!((status.held, status.windows), (0, 2));
}
