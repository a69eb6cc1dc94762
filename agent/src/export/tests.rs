//! From a recording to a table and back.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::Field;
use clap::Parser;
use tempfile::TempDir;

use crate::cli::export::{ExportArgs, run};

const CONFIG: &str = r#"
[agent]
name = "gw"
data_dir = "data"

[[source]]
name = "plant"
url = "mqtt://broker"

[[source.rule]]
name = "reading"
topic = "plant/{device}/{channel}"
decoder = "json"
value = "v"
time = "ts"
time_format = "unix_ms"

[[class]]
name = "pump"
devices = ["pump-*"]
window = "10s"
features = ["median"]
late = "revise"
allowed_lateness = "1h"
emit = "on_change"
"#;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ExportArgs,
}

/// A folder with a recording: `flow` of two pumps once a second, a reading of `pump-1` that comes late, and `head, m` of
/// `pump-2` from some time on.
fn recorded() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("eyot.toml"), CONFIG).unwrap();
    let mut lines = String::new();
    let mut line = |arrival: i64, device: &str, channel: &str, second: i64, value: f64| {
        let at = 1_767_225_600 + arrival;
        let ts = (1_767_225_600 + second) * 1_000;
        let _ = writeln!(
            lines,
            r#"{{"topic":"plant/{device}/{channel}","payload":"{{\"v\":{value},\"ts\":{ts}}}","at":{at}}}"#
        );
    };
    for second in 0..60 {
        line(second, "pump-1", "flow", second, 0.1 * second as f64);
        line(second, "pump-2", "flow", second, 5.0);
        if second >= 20 {
            line(second, "pump-2", "head, m", second, -1e-7 * second as f64);
        }
        if second == 25 {
            line(second, "pump-1", "flow", 3, 100.5);
        }
    }
    fs::write(folder.path().join("dump.jsonl"), lines).unwrap();
    folder
}

fn export(folder: &Path, out: &str, more: &[&str]) -> Result<PathBuf, String> {
    let path = |name: &str| folder.join(name).display().to_string();
    let (dump, config, out) = (path("dump.jsonl"), path("eyot.toml"), path(out));
    let fixed = [
        "export", &dump, "--dump", "--config", &config, "--out", &out,
    ];
    let command = Command::try_parse_from(fixed.iter().chain(more)).map_err(|e| e.to_string())?;
    run(&command.args).map_err(|error| format!("{error:#}"))?;
    Ok(out.into())
}

fn rows(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let texts = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let header = texts(reader.headers().unwrap());
    (
        header,
        reader.records().map(|row| texts(&row.unwrap())).collect(),
    )
}

#[test]
fn a_row_is_a_window_and_a_column_a_feature_of_a_channel() {
    let folder = recorded();
    let (header, rows) = rows(&export(folder.path(), "out.csv", &[]).unwrap());
    assert_eq!(header[..9], super::KEYS);
    assert_eq!(
        rows.len(),
        12,
        "six windows of two pumps, also those that nobody would be told of"
    );
    let at = |name: &str| header.iter().position(|key| key == name).unwrap();
    let first = &rows
        .iter()
        .find(|row| row[0] == "pump-1" && row[1].ends_with("00:00:10Z"))
        .unwrap();
    // The late reading is in it, and there is no row without.
    assert_eq!(first[at("revision")], "1");
    assert_eq!(first[at("flow__count")], "11.0");
    assert_eq!(first[at("flow__max")], "100.5");
    assert_eq!(first[at("window_start")], "2026-01-01T00:00:00Z");
    assert_eq!(
        first[at("head, m__mean")],
        "",
        "another device has that channel"
    );
    let second = rows
        .iter()
        .find(|row| row[0] == "pump-2" && row[1].ends_with("00:00:30Z"));
    let second = second.unwrap();
    assert_eq!(second[at("flow__median")], "5.0");
    let mean: f64 = second[at("head, m__mean")].parse().unwrap();
    assert!((mean + 24.5e-7).abs() < 1e-18, "{mean}");
    let times: Vec<_> = rows.iter().map(|row| (&row[0], &row[1])).collect();
    let mut distinct = times.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(
        distinct.len(),
        times.len(),
        "one row for each entity and time"
    );
}

#[test]
fn parquet_holds_what_csv_holds() {
    let folder = recorded();
    let (header, rows) = rows(&export(folder.path(), "out.csv", &[]).unwrap());
    let path = export(folder.path(), "out.parquet", &[]).unwrap();
    let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
    let mut count = 0;
    for (row, expected) in reader.get_row_iter(None).unwrap().zip(&rows) {
        count += 1;
        let row = row.unwrap();
        for ((name, field), (key, text)) in row.get_column_iter().zip(header.iter().zip(expected)) {
            assert_eq!(name, key);
            let same = match field {
                Field::Null => text.is_empty(),
                Field::Double(value) => text.parse::<f64>().unwrap().to_bits() == value.to_bits(),
                Field::Str(value) => text == value,
                Field::Int(value) => *text == value.to_string(),
                Field::TimestampMicros(value) => {
                    let time: jiff::Timestamp = text.parse().unwrap();
                    time.as_microsecond() == *value
                }
                other => panic!("{other:?}"),
            };
            assert!(same, "{name}: {field:?} and {text}");
        }
    }
    assert_eq!(count, rows.len());
}

#[test]
fn a_file_that_is_there_is_only_replaced_when_asked_and_what_fails_leaves_it() {
    let folder = recorded();
    fs::write(folder.path().join("out.csv"), "precious").unwrap();
    let error = export(folder.path(), "out.csv", &[]).unwrap_err();
    assert!(error.contains("--force"), "{error}");
    assert_eq!(
        fs::read_to_string(folder.path().join("out.csv")).unwrap(),
        "precious"
    );
    let only = ["--force", "--only", "*-2"];
    let (header, rows) = rows(&export(folder.path(), "out.csv", &only).unwrap());
    assert!(rows.iter().all(|row| row[0] == "pump-2") && !rows.is_empty());
    assert!(header.contains(&"head, m__median".to_owned()));
    let error = export(folder.path(), "out.xlsx", &[]).unwrap_err();
    assert!(error.contains("neither *.csv nor *.parquet"), "{error}");
    let error = export(folder.path(), "out2.csv", &["--journal"]).unwrap_err();
    assert!(error.contains("cannot be used with"), "{error}");
}
