//! The state machine of a device alone, on one core, through its public functions: readings a second, instructions a
//! reading, and whether one more reading costs the same however many its window holds.

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use eyot_pipeline::config::{
    ChannelConfig, ChannelKind, ClassConfig, DetectorConfig, EwmaConfig, SkewConfig, VerdictConfig,
};
use eyot_pipeline::device::Tally;
use eyot_pipeline::effect::Numbered;
use eyot_pipeline::feature::Feature;
use eyot_pipeline::reading::Origin;
use eyot_pipeline::window::{Emit, LatePolicy, Report, WindowSpec};
use eyot_pipeline::{Device, Input, Reading, Span, Timestamp};
use serde::Serialize;

use super::held;

const ORIGIN: Timestamp = Timestamp::from_secs(1_800_000_000);
/// Readings in one batch.
const BATCH: usize = 4_096;
/// Times that everything is measured; the best counts, since others use the machine too.
const ROUNDS: usize = 3;
/// Readings under callgrind: what so many more of them cost is the cost of each.
const COUNTED: usize = 200_000;
/// Readings that a window holds already when a few more are added.
const HELD: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
/// How many more at a time, to each of so many devices, and how many in all.
const ADDED: usize = 8;
const DEVICES: usize = 16;
const UPDATES: usize = 1_000_000;

/// Something that a device does.
struct Case {
    name: &'static str,
    class: ClassConfig,
    /// Readings a second of each channel.
    rate: i64,
    readings: usize,
    /// Millions of readings a second, at least; 0 for no target.
    target: f64,
}

/// What a case came to.
#[derive(Debug, Clone, Serialize)]
struct Speed {
    name: &'static str,
    millions_per_s: f64,
    target: f64,
    /// `None` without valgrind.
    instructions_per_reading: Option<f64>,
}

/// Everything about windows.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Windows {
    cases: Vec<Speed>,
    /// Readings held, and nanoseconds for one more.
    update_ns: Vec<(usize, f64)>,
}

/// Measures all of it.
pub(super) fn measure() -> anyhow::Result<Windows> {
    let mut speeds = Vec::new();
    for (i, case) in cases().into_iter().enumerate() {
        speeds.push(Speed {
            name: case.name,
            millions_per_s: best(&case) / 1e6,
            target: case.target,
            instructions_per_reading: instructions(i)?,
        });
    }
    Ok(Windows {
        cases: speeds,
        update_ns: HELD.map(|held| (held, update(held))).to_vec(),
    })
}

/// Does one of the cases, for whoever counts its instructions.
pub fn run_case(i: usize, readings: usize) -> anyhow::Result<bool> {
    let case = cases()
        .into_iter()
        .nth(i)
        .context("there is no such case")?;
    black_box(feed(&case, readings));
    Ok(true)
}

fn cases() -> Vec<Case> {
    let length = Span::from_secs(10);
    let tumbling = WindowSpec::Tumbling { length };
    let hopping = WindowSpec::Hopping {
        length,
        hop: Span(length.0 / 8),
    };
    let session = WindowSpec::Session {
        gap: Span::from_millis(10),
        max_length: length,
    };
    let sliding = WindowSpec::Sliding {
        length: Span::from_millis(100),
    };
    let one = |name, window, features: &[Feature], readings, target| Case {
        name,
        class: ClassConfig {
            window,
            features: features.to_vec(),
            ..class(1)
        },
        rate: 1_000,
        readings,
        target,
    };
    let (merging, time_domain) = (&Feature::EXTRA[..12], &Feature::EXTRA[..17]);
    vec![
        one(
            "one channel, tumbling 10 s, basic features, EWMA",
            tumbling,
            &[],
            8_000_000,
            20.0,
        ),
        one(
            "the same, every feature of the time domain",
            tumbling,
            time_domain,
            4_000_000,
            0.0,
        ),
        Case {
            name: "4,000 interleaved channels, tumbling 10 s",
            class: class(4_000),
            rate: 10,
            readings: 8_000_000,
            target: 10.0,
        },
        one(
            "hopping, 8-fold overlap, basic features",
            hopping,
            &[],
            8_000_000,
            0.0,
        ),
        one(
            "the same, all features that merge",
            hopping,
            merging,
            4_000_000,
            0.0,
        ),
        one(
            "the same, every feature of the time domain",
            hopping,
            time_domain,
            2_000_000,
            3.0,
        ),
        one("sessions of 10 s", session, &[], 4_000_000, 0.0),
        one(
            "counts of 1,000",
            WindowSpec::Count { size: 1_000 },
            &[],
            4_000_000,
            0.0,
        ),
        one(
            "sliding, 100 readings a window",
            sliding,
            &[],
            1_000_000,
            0.0,
        ),
    ]
}

fn class(channels: usize) -> ClassConfig {
    let channel = |index| ChannelConfig {
        name: format!("c{index}"),
        unit: None,
        kind: ChannelKind::Gauge,
        calibration: Vec::new(),
        min: f64::NEG_INFINITY,
        max: f64::INFINITY,
        resolution: 0.0,
        detect: channels == 1,
        raster: None,
    };
    ClassConfig {
        name: "pump".into(),
        channels: (0..channels).map(channel).collect(),
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
        max_window_readings: 200_000,
        detectors: DetectorConfig {
            robust_z: None,
            ewma: Some(EwmaConfig {
                features: vec![Feature::Mean],
                lambda: 0.2,
                threshold: 5.0,
                warmup: 30,
                memory: 360,
            }),
            flatline: None,
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

fn reading(n: usize, channel: usize, time: Timestamp) -> Reading {
    Reading {
        time,
        value: (n % 1_013) as f64,
        channel: channel as u16,
        origin: Origin::default(),
    }
}

/// Readings a second at best.
fn best(case: &Case) -> f64 {
    let rounds = (0..ROUNDS).map(|_| case.readings as f64 / feed(case, case.readings));
    rounds.fold(0.0, f64::max)
}

/// Feeds so many readings to a device, and gives the seconds that it took of them.
fn feed(case: &Case, total: usize) -> f64 {
    let step = Span(1_000_000_000 / case.rate);
    let mut device = Device::new(Arc::new(case.class.clone()), None, 0);
    let (mut tally, mut effects) = (Tally::default(), Vec::new());
    let mut batch = Vec::with_capacity(2 * BATCH);
    let (mut seconds, mut sent, mut time) = (0.0, 0, ORIGIN);
    while sent < total {
        batch.clear();
        while batch.len() < BATCH {
            for channel in 0..case.class.channels.len() {
                batch.push(reading(sent + batch.len(), channel, time));
            }
            time = time + step;
        }
        let start = Instant::now();
        handle(&mut device, time, &batch, &mut tally, &mut effects);
        seconds += start.elapsed().as_secs_f64();
        sent += batch.len();
        effects.clear();
    }
    seconds
}

fn handle(
    device: &mut Device,
    now: Timestamp,
    readings: &[Reading],
    tally: &mut Tally,
    effects: &mut Vec<Numbered>,
) {
    device.handle(Input::Readings { now, readings }, tally, effects);
}

/// Nanoseconds for a reading that closes no window, at best, of devices whose windows have so many and follow each other.
fn update(length: usize) -> f64 {
    let span = |n: usize| Span::from_millis(n.cast_signed() as i64);
    let class = Arc::new(ClassConfig {
        window: WindowSpec::Tumbling {
            length: span(length),
        },
        out_of_orderness: Span::ZERO,
        ..class(1)
    });
    let origin = ORIGIN.window_start(span(length));
    let at = |n: usize| origin + span(n);
    let (mut tally, mut effects) = (Tally::default(), Vec::new());
    let mut devices: Vec<Device> = (0..DEVICES)
        .map(|_| Device::new(Arc::clone(&class), None, 0))
        .collect();
    let mut best = f64::INFINITY;
    let windows = (UPDATES / length).max(3);
    for window in 0..windows {
        let (mut took, mut updates) = (0, 0);
        let first = window * length;
        let mut send = |range: std::ops::Range<usize>, effects: &mut Vec<Numbered>| {
            let now = at(range.end);
            let readings: Vec<_> = range.map(|n| reading(n, 0, at(n))).collect();
            let start = Instant::now();
            for device in &mut devices {
                handle(device, now, &readings, &mut tally, effects);
            }
            start.elapsed().as_nanos()
        };
        // The first reading closes the window before.
        let begun = 1 + (length - 1) % ADDED;
        send(first..first + begun, &mut effects);
        effects.clear();
        for n in (begun..length).step_by(ADDED) {
            took += send(first + n..first + n + ADDED, &mut effects);
            updates += ADDED * DEVICES;
        }
        assert!(effects.is_empty(), "a window has closed");
        // A first window grows as it has to, which those behind it need not.
        if window > 0 {
            best = best.min(took as f64 / updates as f64);
        }
    }
    best
}

/// Instructions a reading, counted by callgrind: what twice as many cost more. `None` without valgrind.
fn instructions(case: usize) -> anyhow::Result<Option<f64>> {
    let count = |readings: usize| -> anyhow::Result<Option<f64>> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe()?)
            .args(["windows", &case.to_string(), &readings.to_string()])
            .output();
        let Ok(output) = output else {
            return Ok(None);
        };
        let said = String::from_utf8_lossy(&output.stderr);
        let refs = said.lines().find_map(|line| line.split_once("refs:"));
        let refs = refs.with_context(|| format!("callgrind counts nothing: {said}"))?;
        Ok(Some(refs.1.trim().replace(',', "").parse()?))
    };
    let (Some(once), Some(twice)) = (count(COUNTED)?, count(2 * COUNTED)?) else {
        return Ok(None);
    };
    Ok(Some((twice - once) / COUNTED as f64))
}

impl Windows {
    /// Prints each figure with its limit.
    pub(super) fn print(&self) {
        println!("the state machine alone, millions of readings a second, instructions a reading");
        for speed in &self.cases {
            let count = speed.instructions_per_reading;
            let count = count.map_or("not counted, no valgrind".to_owned(), |n| format!("{n:.0}"));
            let target = match speed.target {
                0.0 => String::new(),
                target => format!(
                    "   (at least {target}: {})",
                    held(speed.millions_per_s >= target)
                ),
            };
            println!(
                "  {:<50}{:>7.1}   {count}{target}",
                speed.name, speed.millions_per_s
            );
        }
        let costs = self.update_ns.iter().map(|(_, ns)| *ns);
        let (low, high) = costs.fold((f64::INFINITY, 0.0_f64), |(low, high), ns| {
            (low.min(ns), high.max(ns))
        });
        let list: Vec<String> = self
            .update_ns
            .iter()
            .map(|(held, ns)| format!("{held}: {ns:.1}"))
            .collect();
        println!(
            "  one more reading, ns by readings held: {}   (within 20 %: {})",
            list.join(", "),
            held(high <= 1.2 * low)
        );
    }
}
