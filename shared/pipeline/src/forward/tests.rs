//! The forwarder against an outbox and an upstream that are plain sets.

use proptest::prelude::*;

use super::*;

const LIMIT: usize = 4;

/// What happens to a sink. Numbers pick one of what is under way.
#[derive(Debug, Clone, Copy)]
enum Step {
    Append(Lane),
    /// Sends as much as the forwarder wants to.
    Pump,
    Acknowledge(usize),
    Fail(usize),
    /// An acknowledgement from nowhere.
    AcknowledgeStray(Lane, i64),
}

fn step() -> impl Strategy<Value = Step> {
    let lane = || prop::sample::select(Lane::ALL.to_vec());
    prop_oneof![
        3 => lane().prop_map(Step::Append),
        2 => Just(Step::Pump),
        2 => any::<usize>().prop_map(Step::Acknowledge),
        1 => any::<usize>().prop_map(Step::Fail),
        1 => (lane(), 0..40_i64).prop_map(|(lane, seq)| Step::AcknowledgeStray(lane, seq)),
    ]
}

/// The world around a forwarder.
struct World {
    forwarder: Forwarder,
    appended: i64,
    outbox: BTreeSet<Position>,
    /// Sent, and neither acknowledged nor failed, oldest sending first.
    wire: Vec<Position>,
    delivered: i64,
}

impl World {
    fn new() -> Self {
        Self {
            forwarder: Forwarder::new(LIMIT),
            appended: 0,
            outbox: BTreeSet::new(),
            wire: Vec::new(),
            delivered: 0,
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Append(lane) => {
                self.appended += 1;
                let seq = self.appended;
                self.outbox.insert(Position { lane, seq });
                self.forwarder.replenished();
            }
            Step::Pump => self.pump(),
            Step::Acknowledge(_) | Step::Fail(_) if self.wire.is_empty() => {}
            Step::Acknowledge(i) => {
                let position = self.wire.remove(i % self.wire.len());
                assert!(
                    self.forwarder.acknowledged(position),
                    "{position:?} is under way"
                );
                assert!(
                    self.outbox.remove(&position),
                    "{position:?} is deleted once"
                );
                self.delivered += 1;
            }
            Step::Fail(i) => {
                let position = self.wire.remove(i % self.wire.len());
                self.forwarder.failed(position);
            }
            Step::AcknowledgeStray(lane, seq) => {
                let position = Position { lane, seq };
                if !self.wire.contains(&position) {
                    assert!(
                        !self.forwarder.acknowledged(position),
                        "{position:?} is stale"
                    );
                }
            }
        }
        assert_eq!(self.forwarder.in_flight(), self.wire.len());
        assert!(self.wire.len() <= LIMIT);
    }

    fn pump(&mut self) {
        while let Some(fetch) = self.forwarder.wants() {
            let alert_waits = self
                .outbox
                .iter()
                .any(|p| p.lane == Lane::Alert && !self.wire.contains(p));
            assert!(fetch.lane == Lane::Alert || !alert_waits, "alerts go first");
            let seqs: Vec<i64> = self
                .outbox
                .iter()
                .filter(|p| p.lane == fetch.lane && p.seq > fetch.after)
                .map(|p| p.seq)
                .take(fetch.limit)
                .collect();
            for &seq in &seqs {
                let position = Position {
                    lane: fetch.lane,
                    seq,
                };
                assert!(
                    !self.wire.contains(&position),
                    "{position:?} is sent twice at once"
                );
                self.wire.push(position);
            }
            self.forwarder.sending(fetch, &seqs);
        }
    }

    /// From now on the upstream takes everything.
    fn recover(&mut self) {
        for _ in 0..=self.appended {
            self.run(Step::Pump);
            while !self.wire.is_empty() {
                self.run(Step::Acknowledge(0));
            }
        }
    }
}

proptest! {
    #[test]
    fn every_record_is_delivered_and_none_is_under_way_twice(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut world = World::new();
        for step in steps {
            world.run(step);
        }
        world.recover();
        prop_assert!(world.outbox.is_empty(), "never delivered: {:?}", world.outbox);
        prop_assert_eq!(world.delivered, world.appended);
    }
}

#[test]
fn a_failed_record_is_sent_again_and_those_after_it_are_not() {
    let mut world = World::new();
    for _ in 0..3 {
        world.run(Step::Append(Lane::Summary));
    }
    world.run(Step::Pump);
    world.run(Step::Fail(1));
    assert_eq!(
        world.forwarder.wants(),
        None,
        "the third is still under way"
    );
    world.run(Step::Acknowledge(1));
    world.run(Step::Pump);
    let seqs: Vec<_> = world.wire.iter().map(|p| p.seq).collect();
    assert_eq!(seqs, [1, 2]);
}

#[test]
fn an_alert_overtakes_the_summaries_that_wait() {
    let mut world = World::new();
    for _ in 0..2 * LIMIT {
        world.run(Step::Append(Lane::Summary));
    }
    world.run(Step::Pump);
    world.run(Step::Append(Lane::Alert));
    world.run(Step::Acknowledge(0));
    world.run(Step::Pump);
    assert_eq!(world.wire.last().map(|p| p.lane), Some(Lane::Alert));
}
