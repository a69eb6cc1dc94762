//! Alerts against labels.
//!
//! A fault is a stretch of consecutive rows labelled anomalous. An alert that was raised from the time of
//! its first row to the time of its last finds it, after the time in between; the alert's time is the end
//! of the window that decided it. Every alert raised at any other time is a false episode. An
//! episode that was raised before a fault and lasts into it does not find it.

use std::fs::File;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use anyhow::Context;
use eyot::sim::replay::{Layout, Recording, Row, Values};
use eyot_pipeline::{Span, Timestamp};

use super::Sent;
use crate::collector::Collected;

/// The columns that are no channels.
pub(super) const LABELS: [&str; 2] = ["anomaly", "changepoint"];

/// A recording and what its labels say.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) run: String,
    pub(super) file: PathBuf,
    /// Name of the device it is replayed as.
    pub(super) device: String,
    pub(super) length: Span,
    pub(super) labelled: bool,
    /// First and last row of every labelled fault.
    faults: Vec<(Timestamp, Timestamp)>,
}

impl Recorded {
    pub(super) fn read(run: &str, file: &Path) -> anyhow::Result<Self> {
        let name = file.display().to_string();
        let open = || File::open(file).with_context(|| format!("cannot open {name}"));
        let mut header = String::new();
        std::io::BufReader::new(open()?).read_line(&mut header)?;
        let labelled = header.trim_end().split(';').any(|name| name == LABELS[0]);
        let values = if labelled {
            Values::Only(vec![(LABELS[0].to_owned(), LABELS[0].to_owned())])
        } else {
            Values::AllBut(Vec::new())
        };
        let layout = Layout {
            delimiter: b';',
            time: None,
            values,
        };
        let recording = Recording::read(open()?, &name, &layout)?;
        Ok(Self {
            run: run.to_owned(),
            file: file.to_owned(),
            device: run.replace('/', "-"),
            length: recording.length(),
            labelled,
            faults: if labelled {
                faults(&recording.rows)
            } else {
                Vec::new()
            },
        })
    }
}

/// Stretches of rows whose only value is 1.
fn faults(rows: &[Row]) -> Vec<(Timestamp, Timestamp)> {
    rows.chunk_by(|a, b| a.values == b.values)
        .filter(|stretch| stretch[0].values == [Some(1.0)])
        .map(|stretch| (stretch[0].time, stretch[stretch.len() - 1].time))
        .collect()
}

/// What came of a replay.
#[derive(Debug)]
pub(super) struct Outcome {
    run: String,
    rows: u64,
    readings: u64,
    /// Of the readings, those that are in summaries.
    summarised: u64,
    summaries: usize,
    /// Every fault's delay, if it was found.
    delays: Vec<Option<Span>>,
    false_episodes: usize,
    /// Hours outside the faults.
    normal_hours: f64,
}

impl Outcome {
    pub(super) fn judge(recorded: &Recorded, sent: &Sent, collected: &Collected) -> Self {
        let device = recorded.device.as_str();
        let offset = Span::from_millis(sent.offset_ms);
        let raised: Vec<Timestamp> = collected
            .of("eyot.alert.v1")
            .map(|received| &received.record)
            .filter(|alert| alert["device"] == device && alert["state"] == "raised")
            .filter_map(|alert| alert["time"].as_str()?.parse::<jiff::Timestamp>().ok())
            .map(|time| Timestamp(i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)) - offset)
            .collect();
        let (delays, false_episodes) = hold(&raised, &recorded.faults);
        let faulty: f64 = recorded
            .faults
            .iter()
            .map(|(first, last)| (*last - *first).as_secs_f64())
            .sum();
        let summaries = collected.of("eyot.summary.v1");
        Self {
            run: recorded.run.clone(),
            rows: sent.rows,
            readings: sent.readings,
            summarised: summarised(collected, Some(device)),
            summaries: summaries
                .filter(|received| received.record["device"] == device)
                .count(),
            delays,
            false_episodes,
            normal_hours: (recorded.length.as_secs_f64() - faulty) / 3600.0,
        }
    }
}

/// The delay of every fault that was found, and how many alerts found none.
fn hold(raised: &[Timestamp], faults: &[(Timestamp, Timestamp)]) -> (Vec<Option<Span>>, usize) {
    let finds = |(first, last): &(Timestamp, Timestamp), at: &Timestamp| first <= at && at <= last;
    let delays = faults
        .iter()
        .map(|fault| {
            let found = raised.iter().filter(|at| finds(fault, at)).min();
            found.map(|at| *at - fault.0)
        })
        .collect();
    let found_none = |at: &&Timestamp| !faults.iter().any(|fault| finds(fault, at));
    (delays, raised.iter().filter(found_none).count())
}

/// Readings in the summaries of a device, or of all.
pub(super) fn summarised(collected: &Collected, device: Option<&str>) -> u64 {
    collected
        .of("eyot.summary.v1")
        .map(|received| &received.record)
        .filter(|summary| device.is_none_or(|device| summary["device"] == device))
        .filter_map(|summary| summary["channels"].as_object())
        .flat_map(|channels| channels.values())
        .filter_map(|channel| channel["count"].as_u64())
        .sum()
}

/// The table, as Markdown.
pub(super) fn print(outcomes: &[Outcome]) {
    println!(
        "| run | rows | readings | in summaries | summaries | faults labelled | found | delay | false episodes | false per normal hour |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let (mut faults, mut found, mut wrong, mut hours) = (0, 0, 0, 0.0);
    for outcome in outcomes {
        let delays: Vec<String> = outcome.delays.iter().map(|delay| shown(*delay)).collect();
        let hits = outcome.delays.iter().flatten().count();
        println!(
            "| {} | {} | {} | {} | {} | {} | {hits} | {} | {} | {:.1} |",
            outcome.run,
            outcome.rows,
            outcome.readings,
            outcome.summarised,
            outcome.summaries,
            outcome.delays.len(),
            delays.join(", "),
            outcome.false_episodes,
            outcome.false_episodes as f64 / outcome.normal_hours
        );
        faults += outcome.delays.len();
        found += hits;
        wrong += outcome.false_episodes;
        hours += outcome.normal_hours;
    }
    println!(
        "\n{found} of {faults} faults found; {wrong} false episodes in {hours:.2} normal hours ({:.2} an hour)",
        f64::from(u32::try_from(wrong).unwrap_or(u32::MAX)) / hours
    );
}

fn shown(delay: Option<Span>) -> String {
    delay.map_or_else(
        || "missed".to_owned(),
        |delay| format!("{:.0} s", delay.as_secs_f64()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(second)
    }

    #[test]
    fn faults_are_stretches_of_labelled_rows() {
        let rows: Vec<Row> = (0..)
            .zip([0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 0.0])
            .map(|(second, label)| Row {
                time: at(second),
                due: at(second),
                values: vec![Some(label)],
            })
            .collect();
        assert_eq!(faults(&rows), [(at(1), at(3)), (at(5), at(5))]);
    }

    #[test]
    fn an_alert_finds_the_fault_it_falls_in_and_is_false_elsewhere() {
        let faults = [(at(100), at(200)), (at(300), at(400)), (at(500), at(600))];
        let raised = [at(99), at(120), at(150), at(201), at(400)];
        let (delays, false_episodes) = hold(&raised, &faults);
        let seconds = [Some(20), Some(100), None];
        assert_eq!(delays, seconds.map(|s| s.map(Span::from_secs)));
        assert_eq!(false_episodes, 2);
    }
}
