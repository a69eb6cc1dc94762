//! What becomes of records that are not taken.

use super::*;

fn refused() -> Outcome {
    Outcome::Refused("no".to_owned())
}

#[test]
fn a_refused_record_is_sent_again_later_and_holds_nothing_up() {
    let mut world = World::connected(policy());
    for _ in 0..6 {
        world.append(Lane::Summary, 10);
    }
    world.pump();
    world.settle(1, refused());
    let until = world.pump();
    assert_eq!(world.seqs_on_the_wire(), [1, 3, 4, 5]);
    assert_eq!(
        until,
        Some(world.now + Span::from_millis(50)),
        "half of the first pause"
    );
    world.acknowledge_all();
    world.pass(Span::from_millis(50));
    world.pump();
    assert_eq!(world.seqs_on_the_wire(), [2, 6]);
}

#[test]
fn after_its_tries_a_refused_record_is_given_up_with_the_last_words() {
    let mut world = World::connected(policy());
    world.append(Lane::Summary, 10);
    for attempt in 1..=3 {
        world.pump();
        world.settle(0, Outcome::Refused(format!("no {attempt}")));
        world.pass(Span::from_secs(1));
    }
    world.pump();
    let why = Why::Rejected("no 3".to_owned());
    assert_eq!(world.given_up, [((Lane::Summary, 1), why)].into());
}

#[test]
fn lost_connections_and_busy_upstreams_are_not_the_records_fault() {
    let mut world = World::connected(policy());
    world.append(Lane::Summary, 10);
    for _ in 0..10 {
        world.pump();
        world.settle(0, Outcome::Busy);
        world.pass(Span::from_secs(2));
        world.pump();
        world.disconnect(false);
        world.connect();
        world.pass(Span::from_secs(2));
    }
    world.pump();
    assert_eq!(world.seqs_on_the_wire(), [1]);
}

#[test]
fn a_session_that_was_kept_still_answers() {
    let mut world = World::connected(policy());
    world.append(Lane::Summary, 10);
    world.pump();
    world.disconnect(true);
    world.connect();
    world.pump();
    assert_eq!(
        world.seqs_on_the_wire(),
        [1],
        "the session sends it again, not we"
    );
    world.acknowledge_all();
    assert!(world.outbox.is_empty());
}

#[test]
fn one_poisoned_record_is_found_in_its_batch_and_the_others_arrive() {
    let mut world = World::connected(Policy {
        in_flight: 1,
        ..batches(8)
    });
    for _ in 0..8 {
        world.append(Lane::Summary, 10);
    }
    while !world.outbox.is_empty() {
        if let Some(until) = world.pump()
            && world.wire.is_empty()
        {
            world.now = until;
        }
        while let Some(sent) = world.wire.first() {
            let poisoned = sent.keys.contains(&(Lane::Summary, 5));
            world.settle(
                0,
                if poisoned {
                    refused()
                } else {
                    Outcome::Delivered
                },
            );
        }
    }
    assert_eq!(world.delivered.len(), 7);
    assert_eq!(
        world.given_up.keys().collect::<Vec<_>>(),
        [&(Lane::Summary, 5)]
    );
    assert_eq!(world.refusals[&(Lane::Summary, 5)], 3);
}

#[test]
fn an_upstream_that_takes_nothing_is_left_alone_and_then_tried_with_one() {
    let mut world = World::connected(Policy {
        max_tries: 100,
        ..policy()
    });
    for _ in 0..20 {
        world.append(Lane::Summary, 10);
    }
    world.pump();
    while !world.forwarder.is_broken() {
        world.settle(0, refused());
        world.pump();
    }
    while !world.wire.is_empty() {
        world.settle(0, refused());
    }
    let until = world.pump().unwrap();
    assert!(world.wire.is_empty(), "left alone");
    world.pass(Span::from_secs(5));
    assert!(until <= world.now);
    world.pump();
    assert_eq!(world.wire.len(), 1, "a probe");
    world.settle(0, refused());
    world.pump();
    assert!(world.wire.is_empty(), "left alone again");
    world.pass(Span::from_secs(5));
    world.pump();
    world.settle(0, Outcome::Delivered);
    assert!(!world.forwarder.is_broken());
    world.pump();
    assert_eq!(world.wire.len(), 4);
}

#[test]
fn connections_that_break_under_a_record_open_the_breaker_too() {
    let mut world = World::connected(policy());
    world.append(Lane::Summary, 10);
    for _ in 0..5 {
        world.pump();
        world.disconnect(false);
        world.connect();
    }
    world.pump();
    assert!(world.forwarder.is_broken());
    assert!(world.wire.is_empty());
}

#[test]
fn what_is_added_while_a_fetch_is_under_way_is_not_overlooked() {
    let mut world = World::connected(policy());
    world.slow = true;
    world.pump();
    while let Some((fetch, items)) = world.fetch.take() {
        assert!(items.is_empty());
        if fetch.lane == Lane::Summary {
            world.append(Lane::Summary, 10);
            world.slow = false;
        }
        world.forwarder.fetched(fetch, items, world.now);
        world.pump();
    }
    assert_eq!(world.seqs_on_the_wire(), [1]);
}
