use proptest::prelude::*;

use super::*;

const MS: i64 = 1_000_000;

/// A stream of packets of 100 samples, 10 ms apart.
struct World(Joiner);

impl World {
    fn new() -> Self {
        Self(Joiner::default())
    }

    /// The first sample of a packet that says `ms`, in ms.
    fn packet(&mut self, ms: i64) -> f64 {
        let first = self.0.first("d", "c", Timestamp(ms * MS), 10 * MS, 100);
        first.0 as f64 / MS as f64
    }
}

#[track_caller]
fn check(packets: &[i64], expected: &[f64]) {
    let mut world = World::new();
    let got: Vec<f64> = packets.iter().map(|&ms| world.packet(ms)).collect();
    assert_eq!(got, expected);
}

#[test]
fn packets_join_and_are_pulled_gently() {
    check(&[5000, 6000, 7000], &[5000.0, 6000.0, 7000.0]);
    check(&[5000, 6016, 7000], &[5000.0, 6001.0, 7000.9375]);
    check(&[5000, 5984], &[5000.0, 5999.0]);
    // By a quarter of the interval at most.
    check(&[5000, 6400, 7400], &[5000.0, 6002.5, 7005.0]);
}

#[test]
fn a_gap_and_a_jump_back_start_again() {
    check(&[5000, 6501, 7501], &[5000.0, 6501.0, 7501.0]);
    check(&[5000, 5499, 6499], &[5000.0, 5499.0, 6499.0]);
    check(&[5000, 1000, 2000], &[5000.0, 1000.0, 2000.0]);
}

#[test]
fn a_repeated_packet_is_where_it_was() {
    check(&[5000, 6016, 6016, 6016], &[5000.0, 6001.0, 6001.0, 6001.0]);
}

#[test]
fn streams_are_apart() {
    let mut joiner = Joiner::default();
    let mut at = |device, channel, ms| joiner.first(device, channel, Timestamp(ms * MS), MS, 10).0;
    assert_eq!(at("a", "x", 0), 0);
    assert_eq!(at("a", "y", 4), 4 * MS);
    assert_eq!(at("b", "x", 4), 4 * MS);
    assert_eq!(at("a", "x", 12), 10 * MS + MS / 8);
}

#[test]
fn a_pace_that_is_off_is_followed() {
    let mut world = World::new();
    // Every packet is 2 ms late against the configured 1 s: 0.2 %.
    let mut last = 0.0;
    for i in 0..1000 {
        last = world.packet(i * 1002);
    }
    let behind = 999.0 * 1002.0 - last;
    assert!((0.0..=32.0).contains(&behind), "{behind} ms behind");
}

#[test]
fn jitter_is_averaged_away() {
    let mut world = World::new();
    let mut seed = 7_u64;
    for i in 0..1000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let jitter = i64::from((seed >> 33) as u32) % 200;
        let first = world.packet(i * 1000 + jitter);
        if i > 100 {
            let error = first - (i * 1000 + 100) as f64;
            assert!(error.abs() < 50.0, "{error} ms off at {i}");
        }
    }
}

#[test]
fn memory_is_bounded() {
    let mut joiner = Joiner::default();
    for i in 0..=MAX_STREAMS {
        joiner.first("d", &i.to_string(), Timestamp(0), 1, 1);
    }
    assert_eq!(joiner.streams, 1);
    let kept: usize = joiner.devices.values().map(HashMap::len).sum();
    assert_eq!(kept, 1);
}

proptest! {
    #[test]
    fn seams_are_a_restart_or_close_to_an_interval(
        steps in prop::collection::vec((-3000..3000_i64, 1..50_u32), 1..50),
    ) {
        let mut joiner = Joiner::default();
        let (interval, mut anchored, mut before) = (40, 0, None::<(i64, i64)>);
        for (jitter, n) in steps {
            anchored += i64::from(n) * interval + jitter / 4;
            let first = joiner.first("d", "c", Timestamp(anchored), interval, n as usize).0;
            if let Some((last, repeated)) = before && repeated != anchored && first != anchored {
                prop_assert!((first - last - interval).abs() <= interval / 4);
            }
            before = Some((first + (i64::from(n) - 1) * interval, anchored));
        }
    }

    #[test]
    fn nothing_panics(packets: Vec<(i64, i64, usize)>) {
        let mut joiner = Joiner::default();
        for (anchored, interval, n) in packets {
            joiner.first("d", "c", Timestamp(anchored), interval, n);
        }
    }
}
