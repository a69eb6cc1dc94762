//! Who goes first, and when nobody goes.

use super::*;

#[test]
fn an_alert_overtakes_the_summaries_that_wait() {
    let mut world = World::connected(policy());
    for _ in 0..10 {
        world.append(Lane::Summary, 10);
    }
    world.pump();
    let alert = world.append(Lane::Alert, 10);
    world.settle(0, Outcome::Delivered);
    world.pump();
    assert_eq!(world.wire.last().map(|sent| sent.keys[0].1), Some(alert));
}

#[test]
fn after_an_outage_the_newest_goes_out_between_the_backlog() {
    let mut world = World::new(Policy {
        in_flight: 8,
        ..policy()
    });
    for _ in 0..100 {
        world.append(Lane::Summary, 10);
    }
    world.connect();
    world.forwarder.allow(false);
    world.pump();
    for _ in 0..100 {
        world.append(Lane::Summary, 10);
    }
    world.forwarder.allow(true);
    world.pump();
    let mut seqs = world.seqs_on_the_wire();
    seqs.sort_unstable();
    assert_eq!(seqs, [1, 2, 101, 102, 103, 104, 105, 106]);
}

#[test]
fn live_data_that_cannot_keep_up_becomes_backlog() {
    let mut world = World::connected(Policy {
        in_flight: 1,
        horizon: Span::from_secs(10),
        ..policy()
    });
    world.pump();
    for _ in 0..20 {
        for _ in 0..50 {
            world.append(Lane::Summary, 10);
        }
        world.pump();
        world.settle(0, Outcome::Delivered);
        world.pass(Span::from_secs(1));
    }
    let newest = world.newest;
    for _ in 0..50 {
        world.append(Lane::Summary, 10);
    }
    world.first.clear();
    for _ in 0..40 {
        world.pump();
        world.acknowledge_all();
    }
    let late = newest - 500;
    assert!(
        world.first.iter().any(|(_, seq)| *seq > late),
        "only old ones: {:?}",
        world.first
    );
}

#[test]
fn a_large_record_goes_alone() {
    let mut world = World::connected(policy());
    world.append(Lane::Summary, 10);
    world.append(Lane::Summary, 5_000);
    world.append(Lane::Summary, 10);
    world.pump();
    assert_eq!(world.seqs_on_the_wire(), [1]);
    world.acknowledge_all();
    world.pump();
    assert_eq!(world.seqs_on_the_wire(), [2]);
    world.acknowledge_all();
    world.pump();
    assert_eq!(world.seqs_on_the_wire(), [3]);
}

#[test]
fn outside_the_hours_only_alerts_go_unless_they_have_to_wait_too() {
    for any_time in [true, false] {
        let mut world = World::connected(Policy {
            alerts_any_time: any_time,
            ..policy()
        });
        world.forwarder.allow(false);
        world.append(Lane::Summary, 10);
        let alert = world.append(Lane::Alert, 10);
        world.pump();
        let expected: &[i64] = if any_time { &[alert] } else { &[] };
        assert_eq!(world.seqs_on_the_wire(), expected);
        world.forwarder.allow(true);
        world.pump();
        assert_eq!(world.wire.len(), 2);
    }
}

#[test]
fn a_batch_waits_for_company_and_no_longer() {
    let mut world = World::connected(batches(3));
    world.pump();
    world.append(Lane::Summary, 10);
    let until = world.pump();
    assert_eq!(until, Some(world.now + Span::from_secs(1)));
    assert!(world.wire.is_empty());
    world.append(Lane::Summary, 10);
    world.append(Lane::Summary, 10);
    world.append(Lane::Summary, 10);
    world.pump();
    assert_eq!(world.seqs_on_the_wire(), [1, 2, 3], "it is full");
    world.pass(Span::from_secs(1));
    world.pump();
    assert_eq!(world.seqs_on_the_wire(), [1, 2, 3, 4], "it has waited");
}

#[test]
fn alerts_do_not_wait_for_company() {
    let mut world = World::connected(batches(3));
    world.append(Lane::Alert, 10);
    world.append(Lane::Alert, 10);
    world.pump();
    assert_eq!(world.wire.len(), 2);
}

#[test]
fn what_is_too_old_is_given_up_except_alerts() {
    let mut world = World::new(Policy {
        expire_after: Some(Span::from_secs(60)),
        ..policy()
    });
    world.append(Lane::Summary, 10);
    world.append(Lane::Alert, 10);
    world.pass(Span::from_secs(61));
    world.append(Lane::Summary, 10);
    world.connect();
    world.pump();
    assert_eq!(world.given_up, [((Lane::Summary, 1), Why::Expired)].into());
    assert_eq!(world.seqs_on_the_wire(), [2, 3]);
}

#[test]
fn a_night_ends_the_next_morning() {
    let at = |hour, minute| DayTime::new(hour, minute).unwrap();
    let night = Hours {
        from: at(22, 0),
        to: at(6, 0),
    };
    let day = Hours {
        from: at(9, 30),
        to: at(24, 0),
    };
    for (hours, time, within) in [
        (night, at(22, 0), true),
        (night, at(5, 59), true),
        (night, at(6, 0), false),
        (night, at(21, 59), false),
        (day, at(9, 29), false),
        (day, at(23, 59), true),
    ] {
        assert_eq!(hours.contains(time), within, "{hours} {time}");
    }
    assert_eq!(DayTime::new(24, 1), None);
    assert_eq!(DayTime::new(9, 60), None);
}

/// A fetch that takes long looks like live data that has piled up, even if there is none.
#[test]
fn a_slow_fetch_of_nothing_is_no_backlog_and_is_not_asked_about_for_ever() {
    let mut world = World::connected(policy());
    world.pump();
    world.slow = true;
    world.forwarder.replenished();
    world.pump();
    world.pass(Span::from_secs(61));
    world.pump();
    world.answer();
    world.append(Lane::Summary, 10);
    world.slow = false;
    world.pump();
    assert_eq!(world.seqs_on_the_wire(), [1]);
}
