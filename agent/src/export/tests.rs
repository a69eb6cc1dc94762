//! From a recording to a table and back.

mod journal;

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

/// One message of a dump: when it arrives and when it was measured, in seconds.
fn line(arrives: f64, topic: &str, second: i64, value: f64) -> String {
    let at = 1_767_225_600.0 + arrives;
    let ts = (1_767_225_600 + second) * 1_000;
    format!(
        "{{\"topic\":\"plant/{topic}\",\"payload\":\"{{\\\"v\\\":{value},\\\"ts\\\":{ts}}}\",\"at\":{at}}}\n"
    )
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
        .find(|row| row[0] == "pump-1" && row[1].ends_with("00:00:10.000000Z"))
        .unwrap();
    // The late reading is in it, and there is no row without.
    assert_eq!(first[at("revision")], "1");
    assert_eq!(first[at("flow__count")], "11.0");
    assert_eq!(first[at("flow__max")], "100.5");
    assert_eq!(first[at("window_start")], "2026-01-01T00:00:00.000000Z");
    assert_eq!(
        first[at("head, m__mean")],
        "",
        "another device has that channel"
    );
    let second = rows
        .iter()
        .find(|row| row[0] == "pump-2" && row[1].ends_with("00:00:30.000000Z"));
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
fn the_readings_themselves_are_there_when_asked_for() {
    let folder = recorded();
    let more = ["--readings", "4", "--max-age", "2", "--only", "pump-1"];
    let (header, rows) = rows(&export(folder.path(), "out.csv", &more).unwrap());
    let columns: Vec<_> = (0..4).map(|n| format!("flow__reading_{n}")).collect();
    assert_eq!(header[header.len() - 4..], columns);
    let at = header.len() - 4;
    let of = |row: &[String]| -> Vec<f64> {
        row[at..].iter().map(|text| text.parse().unwrap()).collect()
    };
    // A tenth a second, at 0, 2.5, 5 and 7.5 s of each ten.
    for (window, row) in (0..).zip(&rows) {
        let expected = [0.0, 0.25, 0.5, 0.75].map(|part: f64| part + f64::from(window));
        let off = of(row)
            .into_iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs());
        assert!(off.fold(0.0, f64::max) < 1e-9, "{row:?}");
    }
    // The late one is in none of these instants' neighbourhoods, and the last window ends with its last reading.
    assert_eq!(rows.len(), 6);
    let exact = [
        "--readings",
        "10",
        "--align",
        "last",
        "--max-age",
        "0",
        "--only",
        "pump-1",
    ];
    let (_, rows) = self::rows(&export(folder.path(), "last.csv", &exact).unwrap());
    assert!(
        rows[0][rows[0].len() - 10..]
            .iter()
            .all(|text| !text.is_empty())
    );
    let refused = export(
        folder.path(),
        "no.csv",
        &["--readings", "2", "--max-age=-1"],
    );
    assert!(refused.unwrap_err().contains("--max-age"));
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

/// A channel that is so slow that its windows close when their frames have gone is a straggler in records, and stands in
/// the row of its window here: whoever joins by entity and time finds one row.
#[test]
fn a_straggler_joins_the_row_of_its_window() {
    let folder = recorded();
    let lines: String = (0..60)
        .map(|second| {
            let slow = if second < 25 {
                line(second as f64, "pump-1/head", second, 2.0)
            } else {
                String::new()
            };
            line(second as f64 + 0.25, "pump-1/flow", second, 1.0) + &slow
        })
        .collect();
    let late = line(60.0, "pump-1/head", 33, 7.0);
    fs::write(folder.path().join("dump.jsonl"), lines + &late).unwrap();
    let text = CONFIG.replace(
        "late = \"revise\"\nallowed_lateness = \"1h\"",
        "frame_wait = \"5s\"\nidle_timeout = \"1h\"",
    );
    fs::write(folder.path().join("eyot.toml"), &text).unwrap();
    let (header, rows) = rows(&export(folder.path(), "out.csv", &[]).unwrap());
    let at = |name: &str| header.iter().position(|key| key == name).unwrap();
    let keys: Vec<_> = rows
        .iter()
        .map(|row| &row[at("event_timestamp")][14..19])
        .collect();
    assert_eq!(keys, ["00:10", "00:20", "00:30", "00:40", "00:50", "01:00"]);
    for (window, counts) in [(2, ["10.0", "5.0"]), (3, ["10.0", "1.0"])] {
        let row = &rows[window];
        assert_eq!([&row[at("flow__count")], &row[at("head__count")]], counts);
        assert_eq!(row[at("closed_by")], "watermark", "what closed the others");
        assert!(
            row[at("created_timestamp")].ends_with("01:00.000000Z"),
            "known late: {row:?}"
        );
    }
    // Times have one form, though they need it or not.
    let times = rows.iter().flat_map(|row| &row[1..4]);
    assert!(
        times
            .into_iter()
            .all(|time| time.len() == "2026-01-01T00:00:10.000000Z".len())
    );
}

#[test]
fn classes_share_the_columns_of_a_name_and_nothing_else() {
    let folder = recorded();
    let fan = "\n[[class]]\nname = \"fan\"\ndevices = [\"fan-*\"]\nwindow = \"20s\"\nfeatures = [\"p95\"]\n";
    fs::write(folder.path().join("eyot.toml"), format!("{CONFIG}{fan}")).unwrap();
    let lines = line(0.0, "pump-1/flow", 0, 1.0) + &line(0.0, "fan-1/flow", 0, 2.0);
    fs::write(folder.path().join("dump.jsonl"), lines).unwrap();
    let (header, rows) = rows(&export(folder.path(), "out.csv", &[]).unwrap());
    let at = |name: &str| header.iter().position(|key| key == name).unwrap();
    let shown = |row: &Vec<String>| {
        [
            "entity_id",
            "class",
            "flow__last",
            "flow__median",
            "flow__p95",
        ]
        .map(|name| row[at(name)].clone())
    };
    assert_eq!(shown(&rows[0]), ["fan-1", "fan", "2.0", "", "2.0"]);
    assert_eq!(shown(&rows[1]), ["pump-1", "pump", "1.0", "1.0", ""]);
    assert_eq!((rows.len(), header.len()), (2, 9 + 9 + 2));
}

#[test]
fn nothing_is_left_of_a_run_but_its_table() {
    let folder = recorded();
    let files = || {
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let before = files();
    // What a run has left that was killed is in nobody's way.
    fs::write(folder.path().join(".out.csv.rows"), "no database").unwrap();
    export(folder.path(), "out.csv", &[]).unwrap();
    assert_eq!(files(), [&before[..], &["out.csv".to_owned()]].concat());
    fs::remove_file(folder.path().join("out.csv")).unwrap();
    // Also root cannot put a file where a folder is.
    fs::create_dir(folder.path().join("out.csv")).unwrap();
    let error = export(folder.path(), "out.csv", &["--force"]).unwrap_err();
    assert!(error.contains("cannot write"), "{error}");
    fs::remove_dir(folder.path().join("out.csv")).unwrap();
    assert_eq!(files(), before);
    let error = export(folder.path(), "none/out.csv", &[]).unwrap_err();
    assert!(
        error.contains("cannot write") && error.contains("out.csv"),
        "{error}"
    );
}
