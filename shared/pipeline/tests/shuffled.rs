//! Readings that come out of order within what is allowed, twice, and with restarts in between give what they give in order, to
//! the last bit.
//!
//! With `EYOT_SKAB` the same is done with the recordings of SKAB in that folder (<https://github.com/waico/SKAB>):
//! `EYOT_SKAB=DIR cargo test -p eyot-pipeline --test shuffled -- --nocapture`.
#![expect(clippy::unwrap_used, reason = "all of this is test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use eyot_pipeline::config::{
    ChannelConfig, ChannelKind, ClassConfig, DetectorConfig, EwmaConfig, FlatlineConfig,
    RobustZConfig, SkewConfig, VerdictConfig,
};
use eyot_pipeline::device::Tally;
use eyot_pipeline::feature::Feature;
use eyot_pipeline::grid::Align;
use eyot_pipeline::ledger::ReadingFate;
use eyot_pipeline::raster::Raster;
use eyot_pipeline::reading::Origin;
use eyot_pipeline::window::{Emit, LatePolicy, Report, WindowSpec};
use eyot_pipeline::{Device, Effect, Input, Reading, Span, Timestamp};

const OUT_OF_ORDERNESS: Span = Span::from_secs(2);

/// A recording: names of the channels, and a row of values for each time.
struct Recording {
    channels: Vec<String>,
    rows: Vec<(Timestamp, Vec<f64>)>,
}

/// xorshift64*: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

fn class(channels: &[String], window: WindowSpec) -> ClassConfig {
    let channel = |name: &String| ChannelConfig {
        name: name.clone(),
        unit: None,
        kind: ChannelKind::Gauge,
        calibration: Vec::new(),
        min: f64::NEG_INFINITY,
        max: f64::INFINITY,
        resolution: 0.0,
        detect: true,
        raster: Some(Raster {
            points: 8,
            align: Align::Linear,
            max_age: Span::from_secs(5),
        }),
    };
    ClassConfig {
        name: "rig".into(),
        channels: channels.iter().map(channel).collect(),
        virtuals: Vec::new(),
        unlisted: None,
        window,
        features: vec![
            Feature::Median,
            Feature::Skewness,
            Feature::Kurtosis,
            Feature::TimeWeightedMean,
        ],
        out_of_orderness: OUT_OF_ORDERNESS,
        allowed_lateness: Span::ZERO,
        late: LatePolicy::Drop,
        emit: Emit::Every,
        report: Report::OnChange,
        frame_wait: Span::from_secs(60),
        idle_timeout: Span::from_secs(86_400),
        max_future_skew: Span::from_secs(300),
        skew: SkewConfig::default(),
        max_window_readings: 10_000,
        detectors: DetectorConfig {
            robust_z: Some(RobustZConfig {
                features: vec![Feature::Mean, Feature::DetrendedStd],
                threshold: 5.0,
                history: 30,
                warmup: 10,
            }),
            ewma: Some(EwmaConfig {
                features: vec![Feature::Mean],
                lambda: 0.2,
                threshold: 5.0,
                warmup: 10,
                memory: 360,
            }),
            flatline: Some(FlatlineConfig {
                windows: 2,
                min_readings: 3,
                warmup: 10,
            }),
            relearn_after: 360,
        },
        verdict: VerdictConfig {
            enter_after: 2,
            exit_below: 0.7,
            exit_after: 3,
            cooldown: Span::from_secs(60),
            contributions: 5,
        },
    }
}

/// 1,200 rows of eight channels about once a second, with a fault in the last third.
fn synthetic() -> Recording {
    let mut random = Random(7);
    let mut noise = move || random.below(2_001) as f64 / 1_000.0 - 1.0;
    let mut at = Timestamp::from_secs(1_583_753_672);
    let row = |n: i32| {
        at = at + Span::from_millis(950 + i64::from(n * 37 % 100));
        let fault = if n > 800 { 6.0 } else { 0.0 };
        let value = |channel: i32| {
            let wave = f64::from(n * (channel + 3)).mul_add(0.013, 0.2).sin();
            f64::from(channel) * 10.0
                + wave
                + 0.3 * noise()
                + if channel == 5 { fault } else { 0.0 }
        };
        (at, [0, 1, 2, 3, 4, 5, 6, 7].map(value).to_vec())
    };
    Recording {
        rows: (0..1_200).map(row).collect(),
        channels: (0..8).map(|channel| format!("channel-{channel}")).collect(),
    }
}

/// What came out, without what says when and how it was asked.
fn content(effect: Effect) -> Option<String> {
    match effect {
        Effect::Window(mut window) => {
            window.scored_at = Timestamp(0);
            Some(format!("{window:?}"))
        }
        Effect::Alert(mut alert) => {
            alert.decided_at = Timestamp(0);
            Some(format!("{alert:?}"))
        }
        Effect::Correction(_) | Effect::Late(_) | Effect::Stale(_) => None,
    }
}

/// Hands readings over one by one as they arrive, and starts the device again before some of them.
fn run(
    class: &Arc<ClassConfig>,
    arrivals: &[(Timestamp, Reading)],
    restarts: &[usize],
) -> (Vec<String>, Tally) {
    let mut device = Device::new(Arc::clone(class), None, 0);
    let (mut tally, mut effects, mut said) = (Tally::default(), Vec::new(), Vec::new());
    for (n, (now, reading)) in arrivals.iter().enumerate() {
        if restarts.contains(&n) {
            let mut bytes = Vec::new();
            device.checkpoint(&mut bytes);
            device = Device::restore(Arc::clone(class), None, &bytes)
                .unwrap()
                .device;
        }
        let readings = std::slice::from_ref(reading);
        device.handle(
            Input::Readings {
                now: *now,
                readings,
            },
            &mut tally,
            &mut effects,
        );
        said.extend(
            effects
                .drain(..)
                .filter_map(|numbered| content(numbered.effect)),
        );
    }
    let now = arrivals.last().unwrap().0;
    device.handle(Input::Stop { now }, &mut tally, &mut effects);
    said.extend(
        effects
            .drain(..)
            .filter_map(|numbered| content(numbered.effect)),
    );
    (said, tally)
}

/// What comes in a message of its own.
#[derive(Clone, Copy)]
enum Unit {
    Rows,
    Readings,
}

/// Windows, alerts and duplicates of a recording; panics where order, repetitions or restarts make a difference.
fn hold(recording: &Recording, window: WindowSpec, unit: Unit, seed: u64) -> (usize, usize, u64) {
    let class = Arc::new(class(&recording.channels, window));
    let delay = Span::from_millis(2_500);
    let readings = |(time, values): &(Timestamp, Vec<f64>)| {
        let reading = |(channel, value): (u16, &f64)| Reading {
            time: *time,
            value: *value,
            channel,
            origin: Origin::default(),
        };
        (0..).zip(values).map(reading).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<Reading>> = recording.rows.iter().map(readings).collect();
    let in_order =
        |row: &Vec<Reading>| row.iter().map(|r| (r.time + delay, *r)).collect::<Vec<_>>();
    let ordered: Vec<_> = rows.iter().flat_map(in_order).collect();
    let mut random = Random(seed);
    // What is one message comes at once: each up to two seconds later than it might, one in twenty twice.
    let messages: Vec<Vec<Reading>> = match unit {
        Unit::Rows => rows,
        Unit::Readings => ordered.iter().map(|(_, reading)| vec![*reading]).collect(),
    };
    let mut shuffled = Vec::new();
    for message in &messages {
        for _ in 0..=usize::from(random.below(20) == 0) {
            let late = Span::from_millis(random.below(2_000).cast_signed());
            shuffled.push((message[0].time + late, message));
        }
    }
    shuffled.sort_by_key(|(arrival, _)| *arrival);
    let arrivals = |(arrival, message): &(Timestamp, &Vec<Reading>)| {
        let arrival = *arrival + delay;
        message
            .iter()
            .map(|reading| (arrival, *reading))
            .collect::<Vec<_>>()
    };
    let shuffled: Vec<_> = shuffled.iter().flat_map(arrivals).collect();
    let restarts = [0, 1, 2].map(|_| random.below(shuffled.len() as u64) as usize);

    let (expected, tally) = run(&class, &ordered, &[]);
    let (said, again) = run(&class, &shuffled, &restarts);
    assert_eq!(
        again.get(ReadingFate::Processed),
        tally.get(ReadingFate::Processed)
    );
    assert_eq!(again.get(ReadingFate::Late), 0);
    let twice = again.get(ReadingFate::Duplicate) - tally.get(ReadingFate::Duplicate);
    assert!(twice > ordered.len() as u64 / 40, "{twice}");
    for (n, (said, expected)) in said.iter().zip(&expected).enumerate() {
        assert_eq!(said, expected, "the {n}th");
    }
    assert_eq!(said.len(), expected.len());
    let alerts = said.iter().filter(|said| said.starts_with("Alert")).count();
    (said.len() - alerts, alerts, twice)
}

const TUMBLING: WindowSpec = WindowSpec::Tumbling {
    length: Span::from_secs(10),
};
const HOPPING: WindowSpec = WindowSpec::Hopping {
    length: Span::from_secs(30),
    hop: Span::from_secs(10),
};

#[test]
fn order_within_bounds_repetitions_and_restarts_make_no_difference() {
    let recording = synthetic();
    let ways = [
        (TUMBLING, Unit::Readings),
        (HOPPING, Unit::Readings),
        (TUMBLING, Unit::Rows),
    ];
    for (window, unit) in ways {
        for seed in 1..=5 {
            let (windows, alerts, _) = hold(&recording, window, unit, seed);
            assert!(
                windows >= 115 && alerts >= 1,
                "{windows} windows, {alerts} alerts"
            );
        }
    }
}

fn recordings(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            recordings(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "csv") {
            found.push(path);
        }
    }
    found.sort();
}

/// `2020-03-09 10:14:33`, in seconds of its month.
fn seconds(text: &str) -> i64 {
    let (date, time) = text.split_once(' ').unwrap();
    let day: i64 = date.rsplit('-').next().unwrap().parse().unwrap();
    let parts = time
        .split(':')
        .map(|part| part.parse::<f64>().unwrap() as i64);
    day * 86_400 + parts.fold(0, |sum, part| sum * 60 + part)
}

#[test]
#[expect(clippy::print_stdout, reason = "only where it is asked for")]
fn recordings_of_skab_give_the_same_however_they_come() {
    let Ok(folder) = std::env::var("EYOT_SKAB") else {
        return;
    };
    let mut files = Vec::new();
    recordings(Path::new(&folder), &mut files);
    assert!(!files.is_empty(), "no recording below {folder}");
    let (mut windows, mut alerts, mut twice) = (0, 0, 0);
    for (seed, file) in (1..).zip(&files) {
        let text = fs::read_to_string(file).unwrap();
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap().split(';').collect();
        let labels = |name: &&&str| !matches!(**name, "datetime" | "anomaly" | "changepoint");
        let channels: Vec<String> = header
            .iter()
            .filter(labels)
            .map(|name| (*name).to_owned())
            .collect();
        let row = |line: &str| {
            let cells: Vec<&str> = line.split(';').collect();
            let time = Timestamp::from_secs(1_583_000_000 + seconds(cells[0]));
            let values = cells[1..=channels.len()]
                .iter()
                .map(|cell| cell.parse().unwrap());
            (time, values.collect())
        };
        let rows: Vec<_> = lines.map(row).collect();
        let recording = Recording {
            channels: channels.clone(),
            rows,
        };
        for window in [TUMBLING, HOPPING] {
            let (w, a, t) = hold(&recording, window, Unit::Rows, seed);
            (windows, alerts, twice) = (windows + w, alerts + a, twice + t);
        }
    }
    println!(
        "{} recordings: {windows} windows and {alerts} alerts are the same, with {twice} readings twice",
        files.len()
    );
}
