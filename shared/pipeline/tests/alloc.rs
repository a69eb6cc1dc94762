//! What a device costs in memory, counted by the allocator.

use eyot_pipeline::config::SkewConfig;
use eyot_pipeline::reading::Origin;
use std::sync::Arc;

use eyot_pipeline::config::{
    ChannelConfig, ChannelKind, ClassConfig, DetectorConfig, EwmaConfig, FlatlineConfig,
    RobustZConfig, VerdictConfig,
};
use eyot_pipeline::device::Tally;
use eyot_pipeline::feature::Feature;
use eyot_pipeline::window::{Emit, LatePolicy, Report, WindowSpec};
use eyot_pipeline::{Device, Effect, Input, Reading, Span, Timestamp, channel};

/// A running device's state with its histories of 60 windows and a handful of readings. Together
/// with the 8 to 10 kB of its actor it stays under 16 KiB.
const DEVICE_BYTES: usize = 16 * 1024 - 10_000;

const ORIGIN: Timestamp = Timestamp::from_secs(1_800_000_000);
const CHANNELS: u16 = 4;
/// Readings of a channel in a window of 10 s.
const PER_WINDOW: i64 = 100;

fn class() -> ClassConfig {
    let channel = |name: &str| ChannelConfig {
        name: name.into(),
        unit: None,
        kind: ChannelKind::Gauge,
        calibration: Vec::new(),
        min: f64::NEG_INFINITY,
        max: f64::INFINITY,
        resolution: 0.0,
        detect: true,
    };
    ClassConfig {
        name: "pump".into(),
        channels: ["flow", "head", "power", "speed"].map(channel).to_vec(),
        virtuals: Vec::new(),
        unlisted: None,
        window: WindowSpec::Tumbling {
            length: Span::from_secs(10),
        },
        features: Vec::new(),
        out_of_orderness: Span::from_secs(2),
        allowed_lateness: Span::ZERO,
        late: LatePolicy::Drop,
        emit: Emit::Every,
        report: Report::OnChange,
        frame_wait: Span::from_secs(10),
        idle_timeout: Span::from_secs(60),
        max_future_skew: Span::from_secs(300),
        skew: SkewConfig::default(),
        max_window_readings: 10_000,
        detectors: DetectorConfig {
            robust_z: Some(RobustZConfig {
                features: vec![Feature::Mean, Feature::Std],
                threshold: 8.0,
                history: 60,
                warmup: 20,
            }),
            ewma: Some(EwmaConfig {
                features: vec![Feature::Mean],
                lambda: 0.2,
                threshold: 5.0,
                warmup: 30,
                memory: 360,
            }),
            flatline: Some(FlatlineConfig {
                windows: 3,
                min_readings: 3,
                warmup: 10,
            }),
            relearn_after: 360,
        },
        verdict: VerdictConfig {
            enter_after: 3,
            exit_below: 0.7,
            exit_after: 3,
            cooldown: Span::ZERO,
            contributions: 5,
        },
    }
}

/// The `i`th reading of every channel, with every fifth pair of readings swapped and every seventh
/// reading sent twice.
fn readings(i: i64) -> Vec<Reading> {
    let i = if i % 10 < 2 { i ^ 1 } else { i };
    let times = if i % 7 == 0 { 2 } else { 1 };
    let reading = |channel| Reading {
        time: ORIGIN + Span::from_millis(i * 10_000 / PER_WINDOW),
        value: (i as f64).sin(),
        channel,
        origin: Origin::default(),
    };
    (0..CHANNELS)
        .map(reading)
        .flat_map(|r| vec![r; times])
        .collect()
}

#[test]
fn invariant_6_no_allocation_for_a_reading_between_window_closes() {
    let length = Span::from_secs(10);
    for window in [
        WindowSpec::Tumbling { length },
        WindowSpec::Hopping {
            length,
            hop: Span::from_secs(5),
        },
        WindowSpec::Session {
            gap: Span::from_secs(5),
            max_length: length,
        },
        WindowSpec::Count { size: 100 },
    ] {
        check_allocations(window);
    }
}

fn check_allocations(window: WindowSpec) {
    let class = ClassConfig { window, ..class() };
    let mut device = Device::new(Arc::new(class), None, 0);
    let (mut tally, mut effects) = (Tally::default(), Vec::new());
    let mut measured = 0;
    for i in 0..20 * PER_WINDOW {
        let readings = readings(i);
        let now = ORIGIN + Span::from_secs(i);
        let allocations = allocation_counter::measure(|| {
            tally.clear();
            device.handle(
                Input::Readings {
                    now,
                    readings: &readings,
                },
                &mut tally,
                &mut effects,
            );
        });
        let warm = i > 3 * PER_WINDOW;
        if warm && effects.is_empty() {
            assert_eq!(allocations.count_total, 0, "at reading {i}, {window}");
            measured += 1;
        }
        effects.clear();
    }
    assert!(
        measured > 16 * PER_WINDOW,
        "only {measured} readings closed nothing, {window}"
    );
}

#[test]
fn invariant_6_a_device_fits_its_share() {
    let class = Arc::new(class());
    let (mut tally, mut effects) = (Tally::default(), Vec::with_capacity(16));
    let mut device = None;
    let heap = allocation_counter::measure(|| {
        let device = device.insert(Device::new(Arc::clone(&class), None, 0));
        // A reading every five seconds, so that what is measured is the device and not the readings.
        for i in (0..100 * PER_WINDOW).step_by(PER_WINDOW as usize / 2) {
            let now = ORIGIN + Span::from_secs(i);
            let readings = readings(i);
            device.handle(
                Input::Readings {
                    now,
                    readings: &readings,
                },
                &mut tally,
                &mut effects,
            );
            effects.clear();
        }
    });
    let bytes = heap.bytes_current as usize + size_of::<Device>();
    assert!(bytes <= DEVICE_BYTES, "{bytes} B");
}

#[test]
fn invariant_6_a_checkpoint_that_claims_much_takes_no_room_for_it() {
    let class = Arc::new(class());
    let mut bytes = Vec::new();
    Device::new(Arc::clone(&class), None, 0).checkpoint(&mut bytes);
    // What any device takes that is read back.
    let restore = |bytes: &[u8]| {
        allocation_counter::measure(|| {
            let _ = std::hint::black_box(Device::restore(Arc::clone(&class), None, bytes));
        })
    };
    let honest = restore(&bytes);
    for at in 1..bytes.len() {
        // A length of four billion at any place where there may be one.
        let claim = [
            &bytes[..at],
            &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
            &bytes[at + 1..],
        ]
        .concat();
        let hostile = restore(&claim);
        assert!(
            hostile.bytes_max <= 2 * honest.bytes_max,
            "{} B at {at}, not {} B",
            hostile.bytes_max,
            honest.bytes_max
        );
    }
}

#[test]
fn invariant_6_windows_of_weeks_take_what_is_stated() {
    for (days, panes) in [(7, 168), (30, 720)] {
        for features in [vec![], vec![Feature::Kurtosis, Feature::TimeWeightedMean]] {
            let hour = Span::from_secs(3600);
            let mut class = class();
            class.channels.truncate(1);
            class.detectors.robust_z = None;
            class.detectors.ewma = None;
            class.detectors.flatline = None;
            class.max_window_readings = 2048;
            class.window = WindowSpec::Hopping {
                length: hour.times(24 * days),
                hop: hour,
            };
            class.features = features;
            assert_eq!(class.window.panes(), panes);
            let stated = channel::memory(&class);
            let mut device = None;
            let class = Arc::new(class);
            let (mut tally, mut effects) = (Tally::default(), Vec::new());
            let mut widest = 0;
            let heap = allocation_counter::measure(|| {
                let device = device.insert(Device::new(Arc::clone(&class), None, 0));
                for minute in 0..60 * 24 * (days + 1) {
                    let reading = Reading {
                        time: ORIGIN + Span::from_secs(60 * minute),
                        value: (minute as f64).sin(),
                        channel: 0,
                        origin: Origin::default(),
                    };
                    let now = reading.time;
                    let readings = &[reading];
                    device.handle(Input::Readings { now, readings }, &mut tally, &mut effects);
                    for numbered in effects.drain(..) {
                        let Effect::Window(window) = numbered.effect else {
                            panic!("no detector, and an alert");
                        };
                        widest = widest.max(window.channels[0].features.count);
                    }
                }
            });
            assert_eq!(widest, 60 * 24 * days as u64, "all readings of {days} days");
            // Vectors that grow are up to twice as large as what is in them.
            let bytes = heap.bytes_current as usize;
            assert!(bytes <= 2 * stated + 4096, "{bytes} B, not {stated} B");
            let mut checkpoint = Vec::new();
            device.unwrap().checkpoint(&mut checkpoint);
            assert!(checkpoint.len() <= 330 * panes, "{} B", checkpoint.len());
        }
    }
}
