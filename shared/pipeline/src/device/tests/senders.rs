//! Numbers, clocks and times that are not believed.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::*;
use super::checkpoints::{checkpoint, restore};
use super::world::{ORIGIN, at, class};
use crate::config::{ClassConfig, OutOfSkew};
use crate::effect::{Effect, WindowSummary};
use crate::reading::{Clock, Origin, Sender};
use crate::time::Span;

/// 2³² milliseconds.
const U32_MS: Span = Span::from_millis(1 << 32);

/// A device with all that came out of it.
struct Run {
    device: Device,
    tally: Tally,
    effects: Vec<Numbered>,
}

impl Run {
    fn new(class: ClassConfig) -> Self {
        Self {
            device: Device::new(Arc::new(class), None, 0),
            tally: Tally::default(),
            effects: Vec::new(),
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.device
            .handle(input, &mut self.tally, &mut self.effects);
    }

    fn sender(&mut self, sender: Sender) {
        self.handle(Input::Sender(sender));
    }

    fn take(&mut self, now: Timestamp, readings: &[Reading]) {
        self.handle(Input::Readings { now, readings });
    }

    /// What became of them, one after the other.
    #[track_caller]
    fn fates(&mut self, now: f64, readings: &[Reading]) -> Vec<ReadingFate> {
        let fate = |i: usize| {
            let mut other = self.device_again();
            let mut tally = [Tally::default(), Tally::default()];
            for (n, tally) in [i, i + 1].into_iter().zip(&mut tally) {
                let mut device = std::mem::replace(&mut other, self.device_again());
                let readings = &readings[..n];
                let input = Input::Readings {
                    now: at(now),
                    readings,
                };
                device.handle(input, tally, &mut Vec::new());
            }
            let mut more = tally[1].iter().filter(|(f, n)| tally[0].get(*f) < *n);
            more.next().unwrap().0
        };
        let fates = (0..readings.len()).map(fate).collect();
        self.take(at(now), readings);
        fates
    }

    fn device_again(&self) -> Device {
        restore(self.device.class(), None, &checkpoint(&self.device)).device
    }

    fn windows(&self) -> impl Iterator<Item = &WindowSummary> {
        self.effects.iter().filter_map(|e| match &e.effect {
            Effect::Window(window) => Some(&**window),
            _ => None,
        })
    }

    fn counts(&self) -> TimeCounts {
        self.device.status().time
    }
}

fn reading(channel: u16, seconds: f64, value: f64) -> Reading {
    Reading {
        time: at(seconds),
        value,
        channel,
        origin: Origin::default(),
    }
}

/// The only reading of a message.
fn numbered(number: u32, channel: u16, seconds: f64) -> Reading {
    Reading {
        origin: Origin::default().with_number(number).leading(),
        ..reading(channel, seconds, seconds)
    }
}

/// Of a message without a number, by a clock that counts milliseconds.
fn counted(ms: i64) -> Reading {
    Reading {
        time: Timestamp(ms.rem_euclid(1 << 32) * 1_000_000),
        value: 1.0,
        channel: 0,
        origin: Origin::default().with_clock(Clock::SinceBoot).leading(),
    }
}

const OK: ReadingFate = ReadingFate::Processed;
const TWICE: ReadingFate = ReadingFate::Duplicate;

#[test]
fn a_number_that_comes_again_is_a_duplicate_whatever_its_time() {
    let mut run = Run::new(class());
    let of = |number, seconds| Reading {
        origin: Origin::default()
            .with_number(number)
            .with_clock(Clock::Arrival)
            .leading(),
        ..reading(0, seconds, 5.0)
    };
    let readings = [of(7, 1.0), of(8, 1.0), of(8, 1.5), of(7, 1.6), of(11, 1.7)];
    assert_eq!(run.fates(2.0, &readings), [OK, OK, TWICE, TWICE, OK]);
    assert_eq!((run.counts().missed, run.counts().missing()), (2, 2));
    assert_eq!(run.fates(2.0, &[of(10, 1.8), of(10, 1.9)]), [OK, TWICE]);
    assert_eq!(run.counts().missing(), 1);
    // Also when its window is closed.
    run.take(at(20), &[of(12, 20.0)]);
    assert_eq!(
        run.fates(21.0, &[of(9, 1.0), of(7, 1.0)]),
        [ReadingFate::Late, TWICE]
    );
    assert_eq!(run.counts().missing(), 0);
}

#[test]
fn what_one_message_says_is_of_one_number() {
    let mut run = Run::new(class());
    let message = |number, seconds: f64| {
        let first = numbered(number, 0, seconds);
        let follows = Origin::default().with_number(number);
        let rest = [(0, 0.1), (1, 0.0), (1, 0.1)].map(|(channel, later)| Reading {
            origin: follows,
            ..reading(channel, seconds + later, 1.0)
        });
        [&[first], &rest[..]].concat()
    };
    assert_eq!(run.fates(1.0, &message(4, 1.0)), [OK; 4]);
    assert_eq!(run.fates(1.1, &message(4, 1.0)), [TWICE; 4]);
    assert_eq!(run.fates(2.0, &message(5, 2.0)), [OK; 4]);
    // A channel whose readings were lost on the way, once.
    assert_eq!(run.fates(2.1, &[numbered(5, 2, 2.0)]), [OK]);
    assert_eq!(run.counts(), TimeCounts::default());
}

#[test]
fn a_counter_that_starts_again_makes_no_duplicates() {
    let mut run = Run::new(class());
    for start in [0.0, 100.0, 200.0] {
        for number in 0..50_u32 {
            let second = start + f64::from(number);
            assert_eq!(run.fates(second, &[numbered(number, 0, second)]), [OK]);
        }
    }
    assert_eq!(
        run.counts(),
        TimeCounts {
            restarts: 2,
            ..TimeCounts::default()
        }
    );
    // Where it had stopped.
    assert_eq!(run.fates(300.0, &[numbered(49, 0, 300.0)]), [OK]);
    assert_eq!(run.counts().restarts, 3);
}

#[test]
fn a_time_ahead_does_not_make_what_follows_old() {
    let mut run = Run::new(class());
    run.take(at(1), &[numbered(90, 0, 1.0), numbered(91, 0, 3e7)]);
    run.take(at(2), &[numbered(92, 0, 2.0)]);
    assert_eq!(
        run.fates(3.0, &[numbered(0, 0, 3.0), numbered(1, 0, 3.1)]),
        [OK; 2]
    );
    assert_eq!(run.counts().restarts, 1);
}

#[test]
fn a_clock_that_is_a_little_ahead_makes_no_starts() {
    let mut run = Run::new(class());
    run.take(at(1), &[numbered(5, 0, 1.5), numbered(6, 0, 1.6)]);
    let again = [numbered(6, 0, 1.6), numbered(5, 0, 1.5)];
    assert_eq!(run.fates(3.0, &again), [TWICE; 2]);
    assert_eq!(run.counts(), TimeCounts::default());
}

#[test]
fn a_boot_id_says_when_it_starts_and_the_last_one_is_still_known() {
    let mut run = Run::new(class());
    let boot = |id| Sender {
        boot: Some(id),
        ..Sender::default()
    };
    run.sender(boot(1));
    run.take(at(1), &[numbered(5, 0, 1.0), numbered(6, 0, 1.1)]);
    run.sender(boot(1));
    assert_eq!(run.fates(1.2, &[numbered(6, 0, 1.1)]), [TWICE]);
    run.sender(boot(2));
    // Older by its time, and the same number: of another run.
    assert_eq!(
        run.fates(2.0, &[numbered(6, 0, 0.9), numbered(6, 0, 0.9)]),
        [OK, TWICE]
    );
    run.sender(boot(1));
    assert_eq!(run.fates(2.1, &[numbered(8, 0, 1.3)]), [OK]);
    run.sender(boot(2));
    assert_eq!(run.fates(2.2, &[numbered(7, 0, 2.1)]), [OK]);
    let counts = TimeCounts {
        reboots: 1,
        missed: 1,
        ..TimeCounts::default()
    };
    assert_eq!(run.counts(), counts);
}

#[test]
fn a_counter_of_a_byte_goes_around() {
    let mut run = Run::new(class());
    run.sender(Sender {
        modulus: 256,
        ..Sender::default()
    });
    let readings: Vec<_> = (250..520)
        .map(|n| numbered(n % 256, 0, f64::from(n)))
        .collect();
    for reading in readings {
        let second = (reading.time - ORIGIN).as_secs_f64();
        assert_eq!(run.fates(second, &[reading]), [OK]);
    }
    assert_eq!(run.counts(), TimeCounts::default());
}

#[test]
fn senders_of_an_asset_are_told_apart() {
    let mut run = Run::new(class());
    let of = |sender, number, channel, seconds| {
        let mut reading = numbered(number, channel, seconds);
        reading.origin = reading.origin.with_sender(sender);
        reading
    };
    for n in 0..20_u32 {
        let second = f64::from(n);
        let readings = [of(1, n, 0, second), of(2, 9_000 - 2 * n, 1, second)];
        assert_eq!(run.fates(second, &readings), [OK; 2]);
    }
    // The second counts backwards.
    assert_eq!(
        run.counts(),
        TimeCounts {
            restarts: 19,
            ..TimeCounts::default()
        }
    );
}

#[test]
fn a_clock_of_32_bits_is_mapped_through_its_turn_and_a_reboot() {
    let mut run = Run::new(class());
    run.sender(Sender {
        around: Some(U32_MS),
        ..Sender::default()
    });
    let start = (1_i64 << 32) - 30_000;
    for second in 0..60 {
        run.take(at(second), &[counted(start + i64::from(second) * 1_000)]);
    }
    // It has been off for 20 s.
    for second in 80..140 {
        run.take(at(second), &[counted(i64::from(second - 80) * 1_000 + 700)]);
    }
    assert_eq!(run.tally.get(OK), 120);
    let counts = TimeCounts {
        wraps: 1,
        reboots: 1,
        ..TimeCounts::default()
    };
    assert_eq!(run.counts(), counts);
    let full: Vec<_> = run
        .windows()
        .map(|w| w.channels[0].features.count)
        .collect();
    assert_eq!(full, [10; 11]);
}

#[test]
fn samples_of_a_first_message_lie_as_far_apart_as_they_were_measured() {
    let mut run = Run::new(class());
    let samples: Vec<_> = (0..8_000_i64)
        .step_by(100)
        .map(|ms| {
            let mut sample = counted(ms);
            if ms > 0 {
                sample.origin = Origin::default().with_clock(Clock::SinceBoot);
            }
            sample
        })
        .collect();
    run.take(at(9), &samples);
    run.handle(Input::Stop { now: at(9) });
    let window = run.windows().next().unwrap();
    assert_eq!((window.oldest, window.newest), (at(1.1), at(9)));
    assert_eq!(window.channels[0].features.count, 80);
}

#[test]
fn times_that_are_not_believed_are_rejected_or_replaced_and_counted() {
    let mut class = class();
    class.skew.max_past = Some(Span::from_secs(3_600));
    let mut run = Run::new(class.clone());
    let odd = [
        reading(0, 3e7, 1.0),
        reading(0, -3_700.0, 2.0),
        reading(0, 5.0, 3.0),
    ];
    let (future, past) = (ReadingFate::RejectedFuture, ReadingFate::RejectedOld);
    assert_eq!(run.fates(5.0, &odd), [future, past, OK]);
    assert_eq!(run.counts(), TimeCounts::default());

    class.skew.future = OutOfSkew::Restamp;
    class.skew.past = OutOfSkew::Restamp;
    let mut run = Run::new(class);
    assert_eq!(run.fates(4.0, &odd[..2]), [OK; 2]);
    // A block of a year ahead keeps its distances.
    let block: Vec<_> = (0..50)
        .map(|i| reading(1, 3e7 + f64::from(i) * 0.01, 7.0))
        .collect();
    assert_eq!(run.fates(5.0, &block), [OK; 50]);
    let counts = TimeCounts {
        restamped_future: 51,
        restamped_past: 1,
        ..TimeCounts::default()
    };
    assert_eq!(run.counts(), counts);
    assert!(run.device.status().newest < Some(at(6)));
    let mut year_1999 = reading(0, 0.0, 1.0);
    year_1999.time = Timestamp::from_secs(915_148_800);
    assert_eq!(run.fates(5.1, &[year_1999]), [ReadingFate::RejectedPast]);
}

/// What may come: what the sender is, or a message of one to three readings.
#[derive(Debug, Clone)]
enum Told {
    Sender(Sender),
    Message(Vec<Reading>),
}

fn any_told() -> impl Strategy<Value = Told> {
    let modulus = prop::sample::select(vec![0, 1, 5, 256]);
    let around = prop::sample::select(vec![None, Some(U32_MS), Some(Span(0)), Some(Span(7))]);
    let sender = (0..3_u8, prop::option::of(0..3_u32), modulus, around);
    let sender = sender.prop_map(|(sender, boot, modulus, around)| {
        Told::Sender(Sender {
            sender,
            boot,
            modulus,
            around,
        })
    });
    let number = prop_oneof![4 => 0..12_u32, 1 => any::<u32>()];
    let time = prop_oneof![
        8 => -3_000..3_000_i64,
        1 => Just((1_i64 << 32) - 5),
        1 => any::<i64>(),
    ];
    let message = (
        0..3_u8,
        0..16_u8,
        number,
        prop::collection::vec((0..3_u16, time), 1..4),
    );
    let message = message.prop_map(|(sender, bits, number, readings)| {
        let origin = Origin::from_parts(bits & 7, sender, number).unwrap_or_default();
        let since_boot = origin.clock() == Clock::SinceBoot;
        let readings = readings
            .into_iter()
            .enumerate()
            .map(|(i, (channel, ms))| Reading {
                time: if since_boot {
                    Timestamp(ms.saturating_mul(1_000_000))
                } else {
                    ORIGIN + Span(ms.saturating_mul(1_000_000))
                },
                value: 1.0,
                channel,
                origin: if i == 0 { origin.leading() } else { origin },
            });
        Told::Message(readings.collect())
    });
    prop_oneof![1 => sender, 6 => message]
}

fn tell(device: &mut Device, now: Timestamp, told: &Told) -> String {
    let (mut tally, mut effects) = (Tally::default(), Vec::new());
    let input = match told {
        Told::Sender(sender) => Input::Sender(*sender),
        Told::Message(readings) => Input::Readings { now, readings },
    };
    device.handle(input, &mut tally, &mut effects);
    format!("{tally:?} {effects:?} {:?}", device.status())
}

proptest! {
    /// Invariant 3: wherever it is written down and read back, it goes on as it would have.
    #[test]
    fn invariant_3_senders_outlive_a_restart_at_any_place(
        restamps: bool,
        told in prop::collection::vec((0..3_000_i64, any_told()), 1..60),
        restarts in prop::collection::vec(any::<bool>(), 60),
    ) {
        let mut class = class();
        class.skew.max_past = Some(Span::from_secs(20));
        if restamps {
            class.skew.future = OutOfSkew::Restamp;
            class.skew.past = OutOfSkew::Restamp;
        }
        let mut straight = Device::new(Arc::new(class.clone()), None, 0);
        let mut restarted = Device::new(Arc::new(class.clone()), None, 0);
        let mut now = ORIGIN;
        for ((pause, told), restart) in told.iter().zip(restarts) {
            now = now + Span::from_millis(*pause);
            if restart {
                restarted = restore(&class, None, &checkpoint(&restarted)).device;
            }
            prop_assert_eq!(tell(&mut straight, now, told), tell(&mut restarted, now, told));
        }
        prop_assert_eq!(checkpoint(&straight), checkpoint(&restarted));
    }

    /// Against a set of everything seen: each number of each channel counts once, in whatever order.
    #[test]
    fn duplicates_are_those_of_a_plain_set(
        start in prop_oneof![Just(0_u32), Just(u32::MAX - 100), any::<u32>()],
        order in prop::collection::vec((0..200_u32, 0..3_u16), 1..300),
    ) {
        let mut class = class();
        class.out_of_orderness = Span::from_secs(1_000);
        class.max_window_readings = 1_000;
        let mut run = Run::new(class);
        run.take(at(1_000), &[numbered(start, 0, 0.0)]);
        let mut known = std::collections::BTreeSet::from([(0, 0)]);
        for (n, channel) in order {
            run.take(at(1_000), &[numbered(start.wrapping_add(n), channel, f64::from(n))]);
            known.insert((channel, n));
        }
        prop_assert_eq!(run.tally.get(OK), known.len() as u64);
        let mut numbers: Vec<_> = known.iter().map(|(_, n)| *n).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let missing = u64::from(*numbers.last().unwrap()) + 1 - numbers.len() as u64;
        prop_assert_eq!(run.counts().missing(), missing);
        prop_assert_eq!(run.counts().restarts, 0);
    }
}
