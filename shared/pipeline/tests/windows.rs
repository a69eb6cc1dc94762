//! The worked example in docs/windows.md, row by row.

use std::sync::Arc;

use eyot_pipeline::config::{ChannelConfig, ClassConfig, DetectorConfig, VerdictConfig};
use eyot_pipeline::device::Tally;
use eyot_pipeline::ledger::ReadingFate;
use eyot_pipeline::window::{Emit, LatePolicy, Report, WindowSpec};
use eyot_pipeline::{Device, Effect, Input, Reading, Span, Timestamp};

/// The defaults of the configuration file.
fn class() -> ClassConfig {
    let channel = |name: &str| ChannelConfig {
        name: name.into(),
        unit: None,
        min: f64::NEG_INFINITY,
        max: f64::INFINITY,
        resolution: 0.0,
        detect: true,
    };
    ClassConfig {
        name: "pump".into(),
        channels: ["flow", "head"].map(channel).to_vec(),
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

/// A summary as the table writes it.
fn line(class: &ClassConfig, effect: &Effect) -> String {
    let Effect::Window(window) = effect else {
        panic!("no detector, and an alert: {effect:?}");
    };
    let (start, end) = (shown(window.start), shown(window.end));
    let counts: Vec<String> = window
        .channels
        .iter()
        .map(|part| {
            let name = &class.channels[usize::from(part.channel)].name;
            format!("{name} {}", part.features.count)
        })
        .collect();
    let closed_by = window.closed_by.name();
    let revision = match window.revision {
        0 => String::new(),
        revision => format!(" (revision {revision})"),
    };
    format!("{start}–{end} {closed_by}{revision}: {}", counts.join(", "))
}

/// A fate as the table writes it.
fn fate_name(fate: ReadingFate) -> String {
    match (fate.term(), fate.reason()) {
        (term, "") => term.to_owned(),
        (term, reason) => format!("{term} ({reason})"),
    }
}

#[test]
fn the_worked_example_comes_out_as_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/windows.md");
    let text = std::fs::read_to_string(path).unwrap();
    let class = Arc::new(class());
    let mut device = Device::new(Arc::clone(&class), None, 0);
    let mut rows = 0;
    for row in text.lines().filter(|line| line.starts_with("| 12:")) {
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
                value: value.parse().unwrap(),
                channel: class.channel_index(channel).unwrap(),
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
    assert_eq!(rows, 21, "rows of the table");
}
