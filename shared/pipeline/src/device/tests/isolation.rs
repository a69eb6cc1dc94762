//! Devices with bad clocks beside good ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::*;
use super::checkpoints::quick_class;
use super::world::{ORIGIN, at};
use crate::config::{ClassConfig, OutOfSkew};
use crate::effect::Effect;
use crate::reading::{Clock, Origin, Sender};
use crate::time::Span;

const DEVICES: usize = 100;
/// Clocks a year ahead, started every 10 s near the end of 32 bits, and 50 000 readings a second.
const BAD: [usize; 3] = [17, 42, 99];

/// What one device is told at a second, in its order.
fn told(device: usize, bad: bool, second: i64) -> Vec<(Timestamp, Vec<Reading>)> {
    let now = ORIGIN + Span::from_secs(second) + Span::from_millis(device.cast_signed() as i64);
    let value = 10.0 + ((device.cast_signed() as i64 * 31 + second * 7) % 13) as f64 / 10.0;
    let reading = |time, i: usize| Reading {
        time,
        value: value + i as f64 / 1e3,
        channel: (i % 2) as ChannelIndex,
        origin: Origin::default(),
    };
    let plain = |time: Timestamp| vec![(now, vec![reading(time, 0), reading(time, 1)])];
    match BAD
        .iter()
        .position(|other| *other == device)
        .filter(|_| bad)
    {
        Some(0) => plain(now + Span::from_secs(365 * 86_400)),
        Some(1) => {
            // It is 3 s before its turn at first; then it starts again every 10 s.
            let ms = if second < 10 {
                (1_i64 << 32) - 3_000 + second * 1_000
            } else {
                second % 10 * 1_000
            };
            let count = Timestamp((ms % (1 << 32)) * 1_000_000);
            let clock = Origin::default().with_clock(Clock::SinceBoot);
            let with = |i, origin| Reading {
                origin,
                ..reading(count, i)
            };
            vec![(now, vec![with(0, clock.leading()), with(1, clock)])]
        }
        Some(_) => {
            let block = |from: i64| {
                let at = |i: i64| now - Span(20_000 * (50_000 - from - i));
                let readings = (0..10_000).map(|i| reading(at(i), 2 * i as usize));
                (now, readings.collect())
            };
            (0..5).map(|n| block(n * 10_000)).collect()
        }
        None => plain(now - Span::from_millis(second % 5 * 40)),
    }
}

/// Everything that comes out of each device, by name, and its last checkpoint; and how it stands.
fn run(class: &ClassConfig, with_bad: bool) -> BTreeMap<usize, (String, Vec<u8>, Status)> {
    let class = Arc::new(class.clone());
    let out = (0..DEVICES).filter(|device| with_bad || !BAD.contains(device));
    let device = |_| {
        (
            Device::new(Arc::clone(&class), None, 0),
            Tally::default(),
            Vec::new(),
        )
    };
    let mut devices: BTreeMap<_, _> = out.map(|number| (number, device(number))).collect();
    for second in 0..60 {
        for (number, (device, tally, effects)) in &mut devices {
            if second == 0 && *number == BAD[1] {
                let sender = Sender {
                    around: Some(Span::from_millis(1 << 32)),
                    ..Sender::default()
                };
                device.handle(Input::Sender(sender), tally, effects);
            }
            for (now, readings) in told(*number, with_bad, second) {
                let readings = &readings;
                device.handle(Input::Readings { now, readings }, tally, effects);
            }
        }
    }
    let seen =
        |(number, (mut device, mut tally, mut effects)): (usize, (Device, Tally, Vec<_>))| {
            let mut bytes = Vec::new();
            device.checkpoint(&mut bytes);
            let status = device.status();
            device.handle(Input::Stop { now: at(61) }, &mut tally, &mut effects);
            (number, (format!("{tally:?} {effects:?}"), bytes, status))
        };
    devices.into_iter().map(seen).collect()
}

#[test]
fn invariant_5_bad_clocks_and_a_flood_change_nothing_of_others() {
    let mut class = quick_class();
    class.max_window_readings = 2_000;
    for future in [OutOfSkew::Reject, OutOfSkew::Restamp] {
        class.skew.future = future;
        let (with, without) = (run(&class, true), run(&class, false));
        assert_eq!(without.len(), DEVICES - BAD.len());
        for (number, (effects, bytes, _)) in &without {
            assert_eq!((effects, bytes), (&with[number].0, &with[number].1));
        }
        // Each of the three goes on as well as it can, too.
        let ahead = &with[&BAD[0]].2;
        let windows = match future {
            OutOfSkew::Reject => 0,
            OutOfSkew::Restamp => 58,
        };
        assert!(ahead.windows >= windows && ahead.newest <= Some(at(61)));
        let reboots = &with[&BAD[1]];
        let time = reboots.2.time;
        assert_eq!((time.reboots, time.wraps), (5, 1));
        assert!(
            reboots.0.starts_with("Tally([(Processed, 120)])"),
            "{:.60}",
            reboots.0
        );
        assert!(reboots.2.windows >= 55);
    }
}

/// A time that is within bounds but wrong closes nothing that is not over.
#[test]
fn invariant_5_a_clock_ahead_closes_no_window_of_its_own_early() {
    let class = quick_class();
    let mut device = Device::new(Arc::new(class), None, 0);
    let (mut tally, mut effects) = (Tally::default(), Vec::new());
    let mut take = |second: f64, time: f64| {
        let readings = &[Reading {
            time: at(time),
            value: 10.0,
            channel: 0,
            origin: Origin::default(),
        }];
        let now = at(second);
        device.handle(Input::Readings { now, readings }, &mut tally, &mut effects);
    };
    take(0.1, 0.1);
    take(0.2, 250.0);
    take(0.3, 0.3);
    take(0.9, 0.9);
    take(2.0, 2.0);
    assert_eq!(tally.get(ReadingFate::Processed), 5);
    let Effect::Window(window) = &effects[0].effect else {
        panic!("a window, not {effects:?}");
    };
    assert_eq!(window.channels[0].features.count, 3);
}
