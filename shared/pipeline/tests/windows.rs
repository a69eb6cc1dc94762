//! The worked examples in docs/windows.md, row by row.

use eyot_pipeline::config::SkewConfig;
use eyot_pipeline::reading::Origin;
use std::sync::Arc;

use eyot_pipeline::config::{
    ChannelConfig, ChannelKind, ClassConfig, DetectorConfig, VerdictConfig,
};
use eyot_pipeline::device::Tally;
use eyot_pipeline::effect::AlertState;
use eyot_pipeline::ledger::ReadingFate;
use eyot_pipeline::window::{Emit, LatePolicy, Report, WindowSpec};
use eyot_pipeline::{Device, Effect, Input, Reading, Span, Timestamp};

/// The defaults of the configuration file.
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
        channels: ["flow", "head"].map(channel).to_vec(),
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
        idle_timeout: Span::from_secs(20),
        max_future_skew: Span::from_secs(300),
        skew: SkewConfig::default(),
        max_window_readings: 2048,
        detectors: DetectorConfig {
            robust_z: None,
            ewma: None,
            flatline: None,
            relearn_after: 360,
        },
        verdict: VerdictConfig {
            enter_after: 3,
            exit_below: 0.7,
            exit_after: 3,
            cooldown: Span::from_secs(60),
            contributions: 5,
        },
    }
}

/// Some day's noon, with nothing but times of day written in the table.
const MIDNIGHT: i64 = 1_800_057_600;

fn time(text: &str) -> Timestamp {
    let seconds = text.split(':').fold(0.0, |sum, part| {
        sum * 60.0 + part.parse::<f64>().expect("a time of day")
    });
    Timestamp::from_secs(MIDNIGHT) + Span::from_millis((seconds * 1e3).round() as i64)
}

fn shown(time: Timestamp) -> String {
    let second = (time - Timestamp::from_secs(MIDNIGHT)).as_millis() / 1000;
    let (minute, hour) = (second / 60, second / 3600);
    format!("{hour:02}:{:02}:{:02}", minute % 60, second % 60)
}

/// The class that a section of the worked examples is about.
fn class_of(section: &str) -> ClassConfig {
    let seconds = Span::from_secs;
    let mut class = class();
    match section {
        "Tumbling" => {}
        "Hopping" => {
            class.window = WindowSpec::Hopping {
                length: seconds(20),
                hop: seconds(10),
            };
            class.idle_timeout = seconds(60);
        }
        "Late readings that revise" => {
            class.late = LatePolicy::Revise { windows: 2 };
            class.allowed_lateness = seconds(30);
        }
        "Sliding" => {
            class.window = WindowSpec::Sliding {
                length: seconds(10),
            };
        }
        "Sessions" => {
            class.window = WindowSpec::Session {
                gap: seconds(10),
                max_length: seconds(30),
            };
        }
        "Counts" => class.window = WindowSpec::Count { size: 3 },
        "Silence" => class.report = Report::Periodic { every: seconds(10) },
        other => panic!("an example of nothing known: {other}"),
    }
    class
}

/// An effect as the table writes it.
fn line(class: &ClassConfig, effect: &Effect) -> String {
    let channel = |index: u16| &class.channels[usize::from(index)].name;
    let span = |start, end| format!("{}–{}", shown(start), shown(end));
    let window = match effect {
        Effect::Window(window) => window,
        Effect::Late(late) => {
            let (name, time, behind) = (channel(late.channel), shown(late.time), late.behind);
            let missed = span(late.start, late.end);
            return format!("late: {name} {time}, {behind} behind, missed {missed}");
        }
        Effect::Stale(stale) if stale.state == AlertState::Raised => {
            return format!("stale: silent since {}", shown(stale.last_heard));
        }
        Effect::Stale(_) => return "heard again".to_owned(),
        other => panic!("no detector, and an alert: {other:?}"),
    };
    let counts: Vec<String> = window
        .channels
        .iter()
        .map(|part| format!("{} {}", channel(part.channel), part.features.count))
        .collect();
    let (place, closed_by) = (span(window.start, window.end), window.closed_by.name());
    let revision = match window.revision {
        0 => String::new(),
        revision => format!(" (revision {revision})"),
    };
    format!("{place} {closed_by}{revision}: {}", counts.join(", "))
}

/// A fate as the table writes it.
fn fate_name(fate: ReadingFate) -> String {
    match (fate.term(), fate.reason()) {
        (term, "") => term.to_owned(),
        (term, reason) => format!("{term} ({reason})"),
    }
}

#[test]
fn the_worked_examples_come_out_as_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/windows.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, examples) = text.split_once("## Worked examples").unwrap();
    let sections = examples.split("\n### ").skip(1);
    let rows = sections.map(|section| run(section.lines().next().unwrap_or_default(), section));
    let (sections, rows) = rows.fold((0, 0), |(n, sum), rows| (n + 1, sum + rows));
    assert_eq!((sections, rows), (7, 62), "sections and rows of the tables");
}

/// Runs the table of a section and says how many rows it had.
fn run(name: &str, section: &str) -> usize {
    let class = Arc::new(class_of(name));
    let mut device = Device::new(Arc::clone(&class), None, 0);
    let mut rows = 0;
    for row in section.lines().filter(|line| line.starts_with("| 12:")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [
            _,
            arrives,
            channel,
            event_time,
            value,
            becomes,
            comes_out,
            _,
        ] = cells[..]
        else {
            panic!("not a row of six cells: {row}");
        };
        let now = time(arrives);
        let (mut tally, mut effects) = (Tally::default(), Vec::new());
        if channel == "timer" {
            assert_eq!(device.wake_at(), Some(now), "{row}");
            device.handle(Input::Timer { now }, &mut tally, &mut effects);
        } else {
            assert!(device.wake_at().is_none_or(|at| at > now), "{row}");
            let readings = &[Reading {
                time: time(event_time),
                value: value.parse().expect("a number"),
                channel: class.channel_index(channel).expect("a channel"),
                origin: Origin::default(),
            }];
            device.handle(Input::Readings { now, readings }, &mut tally, &mut effects);
        }
        let fate: Vec<String> = tally.iter().map(|(fate, _)| fate_name(fate)).collect();
        let out: Vec<String> = effects.iter().map(|e| line(&class, &e.effect)).collect();
        assert_eq!(
            (fate.join(", ").as_str(), out.join("; ").as_str()),
            (becomes, comes_out),
            "{row}"
        );
        rows += 1;
    }
    rows
}
