//! Whatever happens, in whatever order.

use proptest::prelude::*;

use super::*;

/// What happens to a sink. Numbers pick one of what is under way.
#[derive(Debug, Clone, Copy)]
enum Step {
    Append(Lane, usize),
    Pump,
    /// Fetches are answered late from now on, or at once.
    Slow(bool),
    Answer,
    Acknowledge(usize),
    Refuse(usize),
    Busy(usize),
    TooLarge(usize),
    Disconnect(bool),
    Connect,
    Pass(i64),
    Allow(bool),
    /// The oldest record that is not under way leaves the outbox behind the forwarder's back.
    Evict,
    /// An acknowledgement from nowhere.
    Stray(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let lane = prop_oneof![Just(Lane::Alert), Just(Lane::Summary)];
    prop_oneof![
        8 => (lane, 1..700_usize).prop_map(|(lane, bytes)| Step::Append(lane, bytes)),
        6 => Just(Step::Pump),
        1 => any::<bool>().prop_map(Step::Slow),
        3 => Just(Step::Answer),
        5 => any::<usize>().prop_map(Step::Acknowledge),
        2 => any::<usize>().prop_map(Step::Refuse),
        1 => any::<usize>().prop_map(Step::Busy),
        1 => any::<usize>().prop_map(Step::TooLarge),
        1 => any::<bool>().prop_map(Step::Disconnect),
        2 => Just(Step::Connect),
        3 => (1..2_000_i64).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Allow),
        1 => Just(Step::Evict),
        1 => (1_000_000..2_000_000_u64).prop_map(Step::Stray),
    ]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let batch = prop::option::of((1..6_usize, 1..900_usize));
    let rate = prop::option::of(50..5_000_u64);
    (
        1..6_usize,
        1..1_500_usize,
        0.0..=1.0,
        1..5_u32,
        1..6_u32,
        batch,
        rate,
        1..120_i64,
    )
        .prop_map(
            |(in_flight, bytes, share, max_tries, breaker_failures, batch, rate, horizon)| Policy {
                in_flight,
                bytes_in_flight: bytes,
                backlog_share: share,
                horizon: Span::from_secs(horizon),
                max_tries,
                breaker_failures,
                max_bytes_per_second: rate,
                batch: batch.map(|(records, bytes)| BatchPolicy {
                    records,
                    bytes,
                    wait: Span::from_millis(700),
                }),
                ..policy()
            },
        )
}

impl World {
    fn run(&mut self, step: Step) {
        let picked = |pick: usize, world: &Self| pick % world.wire.len().max(1);
        match step {
            Step::Append(lane, bytes) => {
                self.append(lane, bytes);
            }
            Step::Pump => {
                self.pump();
            }
            Step::Slow(slow) => self.slow = slow,
            Step::Answer => self.answer(),
            Step::Acknowledge(_) | Step::Refuse(_) | Step::Busy(_) | Step::TooLarge(_)
                if self.wire.is_empty() => {}
            Step::Acknowledge(pick) => self.settle(picked(pick, self), Outcome::Delivered),
            Step::Refuse(pick) => {
                self.settle(picked(pick, self), Outcome::Refused("no".to_owned()));
            }
            Step::Busy(pick) => self.settle(picked(pick, self), Outcome::Busy),
            Step::TooLarge(pick) => {
                self.settle(picked(pick, self), Outcome::TooLarge("no".to_owned()));
            }
            Step::Disconnect(session) => self.disconnect(session),
            Step::Connect => self.connect(),
            Step::Pass(ms) => self.pass(Span::from_millis(ms)),
            Step::Allow(allowed) => self.forwarder.allow(allowed),
            Step::Evict => {
                let on_wire: Vec<Key> = self.wire.iter().flat_map(|s| s.keys.clone()).collect();
                let oldest = self
                    .outbox
                    .keys()
                    .find(|key| !on_wire.contains(key))
                    .copied();
                if let Some(key) = oldest {
                    self.outbox.remove(&key);
                }
            }
            Step::Stray(id) => {
                let back = self
                    .forwarder
                    .settled(id, Outcome::Delivered, self.now, 0.5);
                assert_eq!(back, None, "nobody sent it");
            }
        }
    }

    /// From now on everything works; a driver that looks again when it is told to.
    fn recover(&mut self) {
        self.slow = false;
        self.answer();
        self.forwarder.allow(true);
        self.connect();
        for _ in 0..10_000 {
            let until = self.pump();
            if self.wire.is_empty() {
                match until {
                    Some(until) => self.now = until,
                    None => return,
                }
            }
            self.acknowledge_all();
        }
        panic!("it does not come to rest: {:?}", self.forwarder);
    }
}

proptest! {
    #[test]
    fn every_record_is_delivered_or_given_up_after_its_tries_and_nothing_is_under_way_twice(
        policy in any_policy(),
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let max_tries = policy.max_tries;
        let mut world = World::new(policy);
        for step in steps {
            world.run(step);
        }
        world.recover();
        prop_assert!(world.outbox.is_empty(), "never sent: {:?}", world.outbox);
        for (key, why) in &world.given_up {
            prop_assert!(matches!(why, Why::Rejected(_)), "{key:?}: {why:?}");
            prop_assert_eq!(world.refusals[key], max_tries);
        }
    }

    #[test]
    fn while_both_wait_the_backlog_gets_its_share_of_the_bytes(
        share in 0.05..0.95_f64,
        sizes in prop::collection::vec(1..200_usize, 400),
        in_flight in 1..20_usize,
    ) {
        let mut world = World::new(Policy {
            in_flight,
            bytes_in_flight: 100_000,
            backlog_share: share,
            ..policy()
        });
        let (old, new) = sizes.split_at(200);
        for bytes in old {
            world.append(Lane::Summary, *bytes);
        }
        world.connect();
        world.forwarder.allow(false);
        world.pump();
        for bytes in new {
            world.append(Lane::Summary, *bytes);
        }
        world.forwarder.allow(true);
        let mut sent = [0_usize; 2];
        let mut left = [old.len(), new.len()];
        'both: loop {
            world.pump();
            for (_, seq) in std::mem::take(&mut world.first) {
                let live = usize::from(seq > 200);
                sent[live] += sizes[seq as usize - 1];
                left[live] -= 1;
                if left.contains(&0) {
                    break 'both;
                }
            }
            world.acknowledge_all();
        }
        let all = (sent[0] + sent[1]) as f64;
        let off = (sent[0] as f64 - share * all).abs();
        prop_assert!(off <= 400.0, "{} of {all} bytes were backlog", sent[0]);
    }

    #[test]
    fn in_no_stretch_of_time_more_is_sent_than_the_rate_and_the_burst_allow(
        rate in 10..2_000_u64,
        sizes in prop::collection::vec((1..900_usize, any::<bool>()), 1..80),
        batch in any::<bool>(),
    ) {
        let form = if batch { batches(3) } else { policy() };
        let mut world = World::connected(Policy {
            max_bytes_per_second: Some(rate),
            ..form
        });
        for (bytes, alert) in sizes {
            world.append(if alert { Lane::Alert } else { Lane::Summary }, bytes);
        }
        let mut log: Vec<(Timestamp, usize)> = Vec::new();
        loop {
            let until = world.pump();
            log.extend(world.wire.iter().map(|sent| (world.now, sent.bytes)));
            let idle = world.wire.is_empty();
            world.acknowledge_all();
            match until {
                Some(until) => world.now = until,
                None if idle => break,
                None => {}
            }
        }
        prop_assert!(world.outbox.is_empty());
        for (i, (from, _)) in log.iter().enumerate() {
            let mut bytes = 0;
            for (to, more) in &log[i..] {
                bytes += more;
                // A second's worth to begin with, another that alerts may owe, and the last parcel.
                let allowed = (*to - *from).as_secs_f64() * rate as f64 + 2.0 * rate as f64 + 900.0;
                prop_assert!(bytes as f64 <= allowed + 1e-3, "{bytes} bytes, {allowed} allowed");
            }
        }
    }
}
