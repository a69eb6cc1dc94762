//! What a device costs in memory, counted by the allocator.

use std::sync::Arc;

use eyot_pipeline::config::{
    ChannelConfig, ChannelKind, ClassConfig, DetectorConfig, EwmaConfig, FlatlineConfig,
    RobustZConfig, SkewConfig, VerdictConfig,
};
use eyot_pipeline::device::{Memory, Tally};
use eyot_pipeline::feature::Feature;
use eyot_pipeline::grid::{Align, Formula, VirtualConfig};
use eyot_pipeline::model::{Model, give_readings};
use eyot_pipeline::raster::Raster;
use eyot_pipeline::reading::{Origin, Sender};
use eyot_pipeline::scorer::{InputSpec, ModelId, Scorer, ScorerError, Transform, View};
use eyot_pipeline::window::{Emit, LatePolicy, Report, WindowSpec};
use eyot_pipeline::{Device, Input, Reading, Span, Timestamp};

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
        raster: None,
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

/// Something that makes a device as large as it can become.
struct Case {
    name: &'static str,
    class: ClassConfig,
    /// Points of the model's raster on each channel; 0: no model.
    points: u16,
    senders: u8,
    /// Time between the readings of a channel, and how many there are.
    step: Span,
    count: i64,
    /// Whether the first channel stops after a few.
    stops: bool,
    /// Which part of what is stated is taken at least.
    part: f64,
}

/// A model that returns what it is given.
struct Echo(ModelId, Vec<InputSpec>);

impl Scorer for Echo {
    fn id(&self) -> &ModelId {
        &self.0
    }

    fn inputs(&self) -> &[InputSpec] {
        &self.1
    }

    fn clip(&self) -> f32 {
        10.0
    }

    fn warmup(&self) -> u32 {
        10
    }

    fn threshold(&self) -> f32 {
        1.0
    }

    fn reconstruct(&self, input: &[f32], output: &mut [f32]) -> Result<(), ScorerError> {
        output.copy_from_slice(input);
        Ok(())
    }
}

fn echo(class: &ClassConfig, points: u16) -> Echo {
    let raster = Raster {
        points,
        align: Align::Nearest,
        max_age: Span::from_secs(60),
    };
    let input = |channel: &ChannelConfig| InputSpec {
        channel: channel.name.clone(),
        view: View::Readings(raster),
        transform: Transform::Identity,
        center: 0.0,
        scale: 1.0,
    };
    let id = ModelId {
        name: "echo".into(),
        version: "1".into(),
    };
    Echo(id, class.channels.iter().map(input).collect())
}

const HOUR: Span = Span::from_secs(3_600);

/// A class whose channels hold so many readings at most, without detectors and with patience.
fn quiet(window: WindowSpec, max_window_readings: usize) -> ClassConfig {
    ClassConfig {
        detectors: DetectorConfig {
            robust_z: None,
            ewma: None,
            flatline: None,
            relearn_after: 360,
        },
        window,
        idle_timeout: Span::from_secs(100_000),
        max_window_readings,
        ..class()
    }
}

const fn tumbling(length: Span) -> WindowSpec {
    WindowSpec::Tumbling { length }
}

impl Case {
    fn new(name: &'static str, class: ClassConfig, step: i64, count: i64, part: f64) -> Self {
        Self {
            name,
            class,
            points: 0,
            senders: 0,
            step: Span::from_secs(step),
            count,
            stops: false,
            part,
        }
    }
}

/// Readings, and what is made of them.
fn of_readings() -> Vec<Case> {
    let full = quiet(tumbling(HOUR), 2_048);
    let spectral = ClassConfig {
        features: vec![Feature::Median, Feature::EnvelopeEnergy { low: 1, high: 9 }],
        ..full.clone()
    };
    let merging = Feature::EXTRA[..12].to_vec();
    let weeks = |days: i64, features| {
        let length = HOUR.times(24 * days);
        ClassConfig {
            features,
            ..quiet(WindowSpec::Hopping { length, hop: HOUR }, 2_048)
        }
    };
    let silent = ClassConfig {
        idle_timeout: HOUR,
        ..weeks(7, vec![])
    };
    let waiting = ClassConfig {
        frame_wait: Span::from_secs(1_200),
        features: merging.clone(),
        ..quiet(tumbling(Span::from_secs(10)), 16)
    };
    let revisable = ClassConfig {
        late: LatePolicy::Revise { windows: 100 },
        allowed_lateness: Span::from_secs(2_000),
        ..quiet(tumbling(Span::from_secs(10)), 1_024)
    };
    vec![
        Case::new("full windows", full, 1, 7_000, 0.9),
        Case::new("spectra", spectral, 1, 7_000, 0.9),
        Case::new("weeks", weeks(7, vec![]), 60, 60 * 24 * 8, 0.4),
        // All windows of the channel that stops wait for the others.
        Case {
            stops: true,
            ..Case::new("weeks of silence", silent, 60, 60 * 24 * 8, 0.3)
        },
        Case::new("a month", weeks(30, merging), 300, 12 * 24 * 31, 0.5),
        Case {
            stops: true,
            ..Case::new("frames that wait", waiting, 2, 600, 0.75)
        },
        Case::new("frames that may be revised", revisable, 1, 2_000, 0.8),
    ]
}

/// What is remembered beside them.
fn of_memories() -> Vec<Case> {
    let mut watched = ClassConfig {
        max_window_readings: 64,
        ..class()
    };
    if let Some(robust_z) = &mut watched.detectors.robust_z {
        robust_z.history = 2_000;
    }
    let small = quiet(tumbling(Span::from_secs(10)), 16);
    let mut computed = small.clone();
    computed.virtuals.push(VirtualConfig {
        channel: 3,
        formula: Formula::Correlation {
            over: Span::from_secs(100_000),
        },
        inputs: vec![0, 1],
        every: Span::from_secs(1),
        align: Align::Last,
        max_age: Span::from_secs(60),
    });
    vec![
        Case::new("histories", watched, 1, 25_000, 0.85),
        Case {
            points: 256,
            ..Case::new("a model of readings", small.clone(), 1, 1_000, 0.1)
        },
        Case {
            stops: true,
            ..Case::new("computed channels", computed, 1, 3_000, 0.3)
        },
        Case {
            senders: 50,
            ..Case::new("senders", small, 1, 3_000, 0.9)
        },
    ]
}

#[test]
fn invariant_6_a_device_takes_what_its_formula_states() {
    for case in of_readings().into_iter().chain(of_memories()) {
        let (points, senders) = (case.points, usize::from(case.senders));
        let (mut class, mut model) = (Arc::new(case.class), None);
        let mut width = 0;
        if points > 0 {
            let scorer = echo(&class, points);
            give_readings(scorer.inputs(), &mut class);
            width = scorer.inputs().iter().map(|input| input.view.width()).sum();
            model = Some(Model::bind(Arc::new(scorer), &class).unwrap());
        }
        let stated = Memory::of(&class, width, senders);
        let channels = (class.channels.len() - class.virtuals.len()) as u16;
        let mut tally = Tally::default();
        let mut largest = 0_i64;
        let mut device = None;
        let made = allocation_counter::measure(|| {
            device = Some(Device::new(Arc::clone(&class), model, 0));
        });
        let mut bytes = made.bytes_current;
        let device = device.as_mut().unwrap();
        for i in 0..case.count {
            let time = ORIGIN + Span(case.step.0 * i);
            let readings: Vec<Reading> = (0..channels)
                .filter(|channel| !case.stops || *channel > 0 || i < 20)
                .map(|channel| Reading {
                    time,
                    value: (i as f64).sin() + f64::from(channel),
                    channel,
                    origin: match case.senders {
                        0 => Origin::default(),
                        senders => Origin::default()
                            .with_sender((i % i64::from(senders)) as u8)
                            .with_number(i as u32)
                            .leading(),
                    },
                })
                .collect();
            let told = Input::Sender(Sender {
                sender: (i % 256) as u8,
                boot: Some((i / 1_000) as u32),
                ..Sender::default()
            });
            let step = allocation_counter::measure(|| {
                let mut effects = Vec::new();
                if i % 256 < i64::from(case.senders) {
                    device.handle(told, &mut tally, &mut effects);
                }
                let input = Input::Readings {
                    now: time,
                    readings: &readings,
                };
                device.handle(input, &mut tally, &mut effects);
            });
            bytes += step.bytes_current;
            largest = largest.max(bytes);
        }
        let largest = largest as usize + size_of::<Device>();
        let total = stated.total();
        let share = largest as f64 / total as f64;
        assert!(
            (case.part..=1.0).contains(&share),
            "{}: {largest} B, {share:.2} of {stated:?}",
            case.name
        );
    }
}
