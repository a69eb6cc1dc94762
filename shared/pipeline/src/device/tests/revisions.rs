//! Late readings, and what becomes of the windows that they belong to.

use super::super::*;
use super::world::{World, at, class};
use crate::effect::AlertState;
use crate::window::{LatePolicy, WindowSpec};
use ReadingFate::{Duplicate, Late, Processed};

/// Windows of 10 s that accept readings until the watermark is 30 s past their end, two windows back.
fn revising() -> ClassConfig {
    let mut class = class();
    class.late = LatePolicy::Revise { windows: 2 };
    class.allowed_lateness = Span::from_secs(30);
    class
}

/// The next effect is a revision of the window that starts there.
#[track_caller]
fn expect_revision(world: &mut World, start: i32, revision: u32, channels: &[(u16, u64)]) {
    let window = world.next_window();
    let counts: Vec<_> = window
        .channels
        .iter()
        .map(|part| (part.channel, part.features.count))
        .collect();
    assert_eq!((window.start, window.revision), (at(start), revision));
    assert_eq!(counts, channels);
}

#[test]
fn a_revision_has_all_channels_and_the_next_number() {
    let mut world = World::new(revising());
    world.at(13).reading("flow", 1, 1.0).reading("head", 2, 1.0);
    world.reading("flow", 12, 1.0).reading("head", 12, 1.0);
    assert_eq!(world.next_window().revision, 0);
    world
        .meets(Processed, "flow", 3, 1.0)
        .meets(Processed, "head", 4, 1.0)
        .meets(Duplicate, "flow", 1, 1.0)
        .expect_nothing();
    world.at(14).timer();
    expect_revision(&mut world, 0, 1, &[(0, 2), (1, 1)]);
    expect_revision(&mut world, 0, 2, &[(0, 2), (1, 2)]);
    world.expect_nothing();
}

#[test]
fn revisions_leave_before_the_next_window_of_their_channel() {
    let mut world = World::new(revising());
    world
        .at(13)
        .reading("flow", 1, 1.0)
        .reading("flow", 12, 1.0);
    world.next_window();
    world
        .reading("flow", 3, 1.0)
        .reading("flow", 4, 1.0)
        .expect_nothing();
    world.at(23).reading("flow", 22, 1.0);
    expect_revision(&mut world, 0, 1, &[(0, 3)]);
    assert_eq!(world.next_window().start, at(10));
}

#[test]
fn a_channel_that_was_missing_is_added() {
    let mut world = World::new(revising());
    world
        .at(13)
        .reading("flow", 1, 1.0)
        .reading("flow", 12, 1.0);
    world.next_window();
    world
        .reading("head", 5, 1.0)
        .at(20)
        .reading("head", 12, 1.0);
    expect_revision(&mut world, 0, 1, &[(0, 1), (1, 1)]);
}

#[test]
fn beyond_the_windows_that_are_kept_there_is_the_side_output() {
    let mut world = World::new(revising());
    world.at(60).reading("flow", 1, 1.0);
    for second in [12, 22, 32] {
        world.reading("flow", second, 1.0);
        world.next_window();
    }
    world
        .meets(Processed, "flow", 11, 1.0)
        .meets(Late, "flow", 9, 2.5);
    let Some(Effect::Late(late)) = world.pop() else {
        panic!("a late reading");
    };
    assert_eq!((late.channel, late.time, late.value), (0, at(9), 2.5));
    assert_eq!((late.start, late.end), (at(0), at(10)));
    assert_eq!((late.behind, late.arrived), (Span::from_secs(21), at(60)));
}

#[test]
fn beyond_the_allowed_lateness_there_is_the_side_output() {
    let mut class = revising();
    class.allowed_lateness = Span::from_secs(5);
    let mut world = World::new(class);
    world
        .at(60)
        .reading("flow", 1, 1.0)
        .reading("flow", 12, 1.0);
    world.next_window();
    world
        .reading("flow", 16.9, 1.0)
        .meets(Processed, "flow", 9, 1.0);
    world.reading("flow", 17, 1.0).meets(Late, "flow", 8, 1.0);
    assert!(matches!(world.pop(), Some(Effect::Late(_))));
}

#[test]
fn the_side_output_has_what_would_only_be_counted() {
    let late = |policy| {
        let mut class = class();
        class.late = policy;
        let mut world = World::new(class);
        world
            .at(60)
            .reading("flow", 12, 1.0)
            .meets(Late, "flow", 9, 1.0);
        world.pop().is_some()
    };
    assert!(!late(LatePolicy::Drop));
    assert!(late(LatePolicy::SideOutput));
}

#[test]
fn a_window_between_that_was_empty_is_emitted_alone_once_it_is_not() {
    let mut world = World::new(revising());
    world
        .at(60)
        .reading("flow", 1, 1.0)
        .reading("flow", 25, 1.0);
    world.next_window();
    world.reading("flow", 35, 1.0);
    world.next_window();
    world.meets(Processed, "flow", 15, 1.0).at(61).timer();
    expect_revision(&mut world, 10, 0, &[(0, 1)]);
    world.meets(Processed, "flow", 16, 1.0).at(62).timer();
    expect_revision(&mut world, 10, 1, &[(0, 2)]);
}

/// A device with an alert that three low readings of window 9 have raised.
fn alarmed() -> World {
    let mut class = revising();
    class.verdict.enter_after = 1;
    let mut world = World::new(class);
    for number in 0..8 {
        world.window("flow", number, 10.0);
    }
    world.at(85).reading("flow", 85, 30.0);
    world.at(93).reading("flow", 93, 10.0);
    while let Some(effect) = world.pop() {
        if let Effect::Alert(alert) = effect {
            assert_eq!((alert.state, alert.time), (AlertState::Raised, at(90)));
            return world;
        }
    }
    panic!("no alert");
}

#[test]
fn a_revision_that_contradicts_an_alert_names_it_once_and_the_episode_goes_on() {
    let mut world = alarmed();
    // Mean of 30 and -10 is what it always was.
    world.meets(Processed, "flow", 86, -10.0).at(94).timer();
    let revised = world.next_window();
    assert_eq!((revised.revision, revised.verdict), (1, Verdict::Anomalous));
    let Some(Effect::Correction(correction)) = world.pop() else {
        panic!("a correction");
    };
    assert_eq!(correction.alert, 10, "after nine summaries");
    assert_eq!((correction.start, correction.end), (at(80), at(90)));
    assert_eq!((correction.revision, correction.decided_at), (1, at(94)));
    assert!(correction.was >= 1.0 && correction.score.fused.unwrap() < 1.0);
    world.meets(Processed, "flow", 87, 10.0).at(95).timer();
    assert_eq!(world.next_window().revision, 2);
    world.expect_nothing();
}

#[test]
fn a_revision_that_still_deserves_its_alert_corrects_nothing() {
    let mut world = alarmed();
    world.meets(Processed, "flow", 86, 29.0).at(94).timer();
    assert_eq!(world.next_window().revision, 1);
    world.expect_nothing();
}

#[test]
fn a_revision_teaches_the_detectors_nothing() {
    let run = |late: bool| {
        let mut world = World::new(revising());
        for number in 0..8 {
            world.window("flow", number, 10.0);
            if late && number == 6 {
                world.reading("flow", 51, 1e5).at(68).timer();
                while world.pop().is_some() {}
            }
        }
        while world.pop().is_some() {}
        world.window("flow", 8, 10.1).stop();
        world.next_window();
        world.next_score().fused
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn invariant_6_channels_that_fall_silent_one_by_one_keep_no_frame_each() {
    let mut class = class();
    class.channels = (0..40)
        .map(|n| super::world::channel(&n.to_string()))
        .collect();
    let mut world = World::new(class);
    for window in 0..40 {
        let start = f64::from(window) * 10.0;
        for channel in window..40 {
            world
                .at(start + 1.0)
                .reading(&channel.to_string(), start + 1.0, 1.0);
        }
    }
    // Those that are silent are closed by it, and their watermarks stand still.
    world.at(1000).timer();
    while world.pop().is_some() {}
    for (channel, fate) in [("0", Late), ("30", Late), ("35", Processed)] {
        let time = channel.parse::<f64>().unwrap() * 10.0 + 2.0;
        world.meets(fate, channel, time, 1.0);
    }
}

#[test]
fn overlapping_windows_take_a_late_reading_in_all_or_none() {
    let mut class = revising();
    class.window = WindowSpec::Hopping {
        length: Span::from_secs(20),
        hop: Span::from_secs(10),
    };
    class.late = LatePolicy::Drop;
    let mut world = World::new(class.clone());
    world
        .at(60)
        .reading("flow", 5, 1.0)
        .reading("flow", 12, 1.0);
    assert_eq!(world.next_window().start, at(-10));
    // The window that begins at 0 is still open, and does not take it either.
    world.meets(Late, "flow", 6, 1.0);
    class.late = LatePolicy::Revise { windows: 2 };
    let mut world = World::new(class);
    world
        .at(60)
        .reading("flow", 5, 1.0)
        .reading("flow", 12, 1.0);
    world.next_window();
    world.meets(Processed, "flow", 6, 1.0).at(61).timer();
    expect_revision(&mut world, -10, 1, &[(0, 2)]);
    world.reading("flow", 22, 1.0);
    expect_revision(&mut world, 0, 0, &[(0, 3)]);
}

#[test]
fn a_window_that_became_no_summary_is_not_revised_into_one() {
    let mut class = revising();
    class.emit = crate::window::Emit::OnChange;
    let mut world = World::new(class);
    for number in 0..8 {
        world.window("flow", number, 10.0);
    }
    while world.pop().is_some() {}
    world
        .meets(Processed, "flow", 61, 10.0)
        .at(80)
        .timer()
        .expect_nothing();
}

#[test]
fn a_window_closed_by_silence_is_revised_by_what_comes_in_time() {
    let mut world = World::new(class());
    world.at(7).reading("flow", 5, 1.0);
    world
        .at(67)
        .timer()
        .expect_window(0, ClosedBy::Idle, &[("flow", 1)]);
    world
        .at(68)
        .meets(Processed, "flow", 6, 3.0)
        .expect_nothing();
    world
        .meets(Duplicate, "flow", 5, 1.0)
        .meets(Processed, "flow", 7, 2.0);
    assert_eq!(world.device.wake_at(), Some(at(69)));
    world.at(69).timer();
    let revised = world.next_window();
    assert_eq!((revised.start, revised.revision), (at(0), 1));
    assert_eq!(revised.channels[0].features.count, 3);
    assert_eq!(revised.closed_by, ClosedBy::Idle, "as before");
    world.at(70).reading("flow", 14, 1.0);
    world.meets(Late, "flow", 8, 1.0).expect_nothing();
}
