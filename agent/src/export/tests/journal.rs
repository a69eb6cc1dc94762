//! Tables of what a journal has.

use eyot_journal::{DeviceInput, DeviceNames, Entry, Journal, Options, RealDisk, SourcePart};
use eyot_pipeline::ledger::MessageFate;
use eyot_pipeline::reading::{ChannelIndex, Origin};
use eyot_pipeline::{Reading, Span, Timestamp};

use super::*;

const T0: Timestamp = Timestamp::from_secs(1_767_225_600);

struct Pump;

impl DeviceNames for Pump {
    fn device(&self) -> &'static str {
        "pump-1"
    }

    fn channel(&self, _: ChannelIndex, with: &mut dyn FnMut(&str, Option<&str>)) {
        with("flow", None);
    }
}

/// A journal of several segments in which a reading comes each second, and its end.
fn journal(folder: &Path) -> (Journal<RealDisk>, i64) {
    let disk = RealDisk::open(&folder.join("data/journal")).unwrap();
    let options = Options {
        max_bytes: 1 << 20,
        segment_bytes: 4 << 10,
        at_least: 1,
    };
    let (mut journal, _) = Journal::open(disk, options).unwrap();
    let mut second = 0;
    while journal.segments().count() < 6 {
        let now = T0 + Span::from_secs(second);
        let readings = [Reading {
            time: now,
            value: (second * 7 % 23) as f64 / 10.0,
            channel: 0,
            origin: Origin::default(),
        }];
        let inputs = [DeviceInput::Readings {
            key: 0,
            names: &Pump,
            readings: &readings,
            told: &[],
        }];
        let source = Some(SourcePart {
            name: "plant",
            messages: &[(MessageFate::Decoded, 1)],
            settled: &[],
            unmapped: 0,
            letters: &[],
            deliveries: &[],
        });
        let entry = Entry {
            admitted: now,
            source,
            inputs: &inputs,
        };
        journal.commit(&[entry], false).unwrap();
        second += 1;
    }
    (journal, second)
}

fn export(folder: &Path, more: &[&str]) -> Result<Vec<Vec<String>>, String> {
    let path = |name: &str| folder.join(name).display().to_string();
    fs::write(path("eyot.toml"), CONFIG).unwrap();
    let (config, out) = (path("eyot.toml"), path("out.csv"));
    let fixed = [
        "export",
        "--journal",
        "--force",
        "--config",
        &config,
        "--out",
        &out,
    ];
    let command = Command::try_parse_from(fixed.iter().chain(more)).map_err(|e| e.to_string())?;
    run(&command.args).map_err(|error| format!("{error:#}"))?;
    let mut rows = rows(Path::new(&out)).1;
    for row in &mut rows {
        // Verdict and score are of detectors that may have learnt less.
        row.drain(7..9);
    }
    Ok(rows)
}

/// The rows whose windows begin so many seconds after the start or later.
fn from(rows: &[Vec<String>], second: i64) -> Vec<Vec<String>> {
    let from = jiff::Timestamp::from_second(1_767_225_600 + second).unwrap();
    let begins = |row: &&Vec<String>| row[3].parse::<jiff::Timestamp>().unwrap() >= from;
    rows.iter().filter(begins).cloned().collect()
}

#[test]
fn windows_are_left_out_that_may_lack_what_came_before() {
    let folder = TempDir::new().unwrap();
    let (mut journal, seconds) = journal(folder.path());
    // The journal is still open, as beside an agent.
    let whole = export(folder.path(), &[]).unwrap();
    assert_eq!(
        whole.len(),
        seconds.unsigned_abs().div_ceil(10) as usize,
        "nothing is missing"
    );
    // A reading may be five minutes ahead of its arrival.
    let part = export(folder.path(), &["--from", "2026-01-01T00:05:05Z"]).unwrap();
    assert!(part == from(&whole, 605) && part.len() > 10);

    let third = journal.segments().nth(2).unwrap().first;
    journal.remove_before(third).unwrap();
    let rest = export(folder.path(), &[]).unwrap();
    assert!(rest == from(&whole, third.cast_signed() - 1 + 300));
    assert!(rest.len() > 10 && rest.len() < whole.len());
}

#[test]
fn there_has_to_be_a_journal() {
    let folder = TempDir::new().unwrap();
    let error = export(folder.path(), &[]).unwrap_err();
    assert!(error.contains("there is no journal to read at"), "{error}");
    assert!(!folder.path().join("data").exists());
}
