//! Parquet files, read back.

use std::collections::BTreeMap;

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::RowAccessor;
use eyot_pipeline::Span;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::collect::Report;
use crate::collect::tests::{AGENTS, id, loss, record};

const ROTATION: Rotation = Rotation {
    records: 5,
    after: std::time::Duration::from_mins(1),
};

fn folder(dir: &Path) -> ParquetFolder {
    ParquetFolder::open(dir, "eyot", ROTATION).unwrap()
}

/// The files of a folder in order, and the numbers in each.
fn files(dir: &Path) -> BTreeMap<String, Vec<i64>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            let reader = SerializedFileReader::try_from(path.as_path()).unwrap();
            let rows = reader.get_row_iter(None).unwrap();
            let numbers = rows.map(|row| row.unwrap().get_long(3).unwrap()).collect();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            files.insert(name, numbers);
        }
    }
    files
}

fn of(numbers: std::ops::RangeInclusive<u64>) -> Vec<Arrived> {
    numbers.map(|n| record(&id(0, "pump", n))).collect()
}

const NOW: Timestamp = Timestamp::from_secs(1_767_225_700);

#[test]
fn a_file_is_complete_with_enough_records_or_after_a_while_or_at_the_end() {
    let dir = TempDir::new().unwrap();
    let mut folder = folder(dir.path());
    folder.commit(&of(1..=12)).unwrap();
    folder.tend(NOW, false).unwrap();
    let name = |n: u32| format!("records-{n:08}.parquet");
    let mut expected = BTreeMap::from([
        (name(1), vec![1, 2, 3, 4, 5]),
        (name(2), vec![6, 7, 8, 9, 10]),
    ]);
    assert_eq!(files(dir.path()), expected);
    folder.tend(NOW, false).unwrap();
    folder.tend(NOW + Span::from_secs(59), false).unwrap();
    assert_eq!(files(dir.path()), expected);
    folder.tend(NOW + Span::from_secs(60), false).unwrap();
    expected.insert(name(3), vec![11, 12]);
    assert_eq!(files(dir.path()), expected);
    let outcome = folder.commit(&of(12..=13)).unwrap();
    assert_eq!((outcome.records, outcome.repeated), (1, 1));
    folder.tend(NOW + Span::from_secs(61), true).unwrap();
    expected.insert(name(4), vec![13]);
    assert_eq!(files(dir.path()), expected);
    folder.tend(NOW, true).unwrap();
    assert_eq!(files(dir.path()), expected, "no file without a record");
    drop(folder);
    let report = Report::read(&dir.path().join(ParquetFolder::DATABASE)).unwrap();
    assert_eq!((report.records, report.repeated, report.files), (13, 1, 4));
}

#[test]
fn columns_are_as_documented() {
    let dir = TempDir::new().unwrap();
    let mut folder = folder(dir.path());
    let loss = loss(&id(0, "outbox", 1), "[]");
    folder
        .commit(&[record(&id(0, "hall/pump", 7)), loss])
        .unwrap();
    folder.tend(NOW, true).unwrap();
    let path = dir.path().join("records-00000001.parquet");
    let reader = SerializedFileReader::try_from(path.as_path()).unwrap();
    let mut rows = reader.get_row_iter(None).unwrap();
    let row = rows.next().unwrap().unwrap();
    assert_eq!(row.get_string(0).unwrap(), AGENTS[0]);
    assert_eq!((row.get_long(1).unwrap(), row.get_long(3).unwrap()), (1, 7));
    assert_eq!(row.get_string(2).unwrap(), "hall/pump");
    assert_eq!(row.get_string(4).unwrap(), "eyot.summary.v1");
    assert_eq!(row.get_string(5).unwrap(), "summary");
    assert_eq!(row.get_timestamp_micros(6).unwrap(), 1_767_225_600_000_000);
    assert_eq!(row.get_timestamp_micros(7).unwrap(), 1_767_225_610_000_000);
    assert_eq!(row.get_timestamp_micros(8).unwrap(), 1_767_225_700_000_000);
    let body: Value = serde_json::from_str(row.get_string(9).unwrap()).unwrap();
    assert_eq!(body["agent"], "gw");
    let row = rows.next().unwrap().unwrap();
    assert_eq!(row.get_string(5).unwrap(), "loss");
    assert!(
        row.get_timestamp_micros(6).is_err(),
        "a loss without a time"
    );
}

/// What a crash leaves at each of its moments, as the database and the folder then are.
#[test]
fn a_crash_at_any_moment_of_a_file_leaves_each_record_in_one_file_once() {
    for moment in ["begun", "half written", "renamed"] {
        let dir = TempDir::new().unwrap();
        let mut crashing = folder(dir.path());
        crashing.commit(&of(1..=7)).unwrap();
        let part = crashing.plan().unwrap().unwrap();
        match moment {
            "begun" => {}
            "half written" => {
                let part = dir.path().join(format!(".{}.part", part.name));
                fs::write(part, "PAR1 and no more").unwrap();
            }
            _ => {
                let path = dir.path().join(&part.name);
                write::rows(&crashing.database, part.first..=part.last, &path).unwrap();
            }
        }
        drop(crashing);

        let mut again = folder(dir.path());
        // What had been committed comes again, since it may not have been acknowledged.
        again.commit(&of(1..=9)).unwrap();
        again.tend(NOW, true).unwrap();
        let files = files(dir.path());
        assert_eq!(
            files["records-00000001.parquet"],
            [1, 2, 3, 4, 5],
            "{moment}"
        );
        assert_eq!(files["records-00000002.parquet"], [6, 7, 8, 9], "{moment}");
        assert_eq!(files.len(), 2);
        let left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(".records-"))
            .collect();
        assert_eq!(left, [""; 0]);
    }
}

#[test]
fn a_folder_that_cannot_be_written_to_delays_the_file_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let mut folder = folder(dir.path());
    folder.commit(&of(1..=5)).unwrap();
    // Also root cannot create a file where a folder is.
    let part = dir.path().join(".records-00000001.parquet.part");
    fs::create_dir(&part).unwrap();
    let error = folder.tend(NOW, false).unwrap_err();
    assert!(error.passes(), "{error}");
    folder.commit(&of(6..=7)).unwrap();
    fs::remove_dir(&part).unwrap();
    folder.tend(NOW, true).unwrap();
    let files = files(dir.path());
    assert_eq!(files["records-00000001.parquet"], [1, 2, 3, 4, 5]);
    assert_eq!(files["records-00000002.parquet"], [6, 7]);
}
