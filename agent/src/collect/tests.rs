//! Sinks against a naive set of ids, and what they leave on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use eyot_pipeline::Timestamp;
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use super::*;

pub(super) const AGENTS: [&str; 2] = [
    "7e1c1f0e-8f0a-4c3e-9a57-0d8c5f1b2a3d",
    "00000000-8f0a-4c3e-9a57-0d8c5f1b2a3d",
];

fn arrived(topic: &str, payload: impl Into<Vec<u8>>) -> Arrived {
    Arrived {
        topic: Bytes::copy_from_slice(topic.as_bytes()),
        payload: payload.into().into(),
        at: Timestamp::from_secs(1_767_225_700),
    }
}

pub(super) fn id(agent: usize, device: &str, number: u64) -> String {
    format!("{}/1/{device}/{number}", AGENTS[agent])
}

pub(super) fn record(id: &str) -> Arrived {
    let device = id.split('/').nth(2).unwrap();
    let body = format!(
        r#"{{"schema":"eyot.summary.v1","id":"{id}","agent":"gw","window":{{"start":"2026-01-01T00:00:00Z","end":"2026-01-01T00:00:10Z"}}}}"#
    );
    arrived(&format!("eyot/gw/summary/{device}"), body)
}

pub(super) fn loss(id: &str, records: &str) -> Arrived {
    let body = format!(
        r#"{{"schema":"eyot.loss.v1","id":"{id}","agent":"gw","reason":"quota","records":{records}}}"#
    );
    arrived("eyot/gw/loss/summary", body)
}

fn open(path: &Path) -> Database {
    Database::open(path, "eyot", Latest::AsItIs).unwrap()
}

fn ids(path: &Path) -> Vec<String> {
    Connection::open(path)
        .unwrap()
        .prepare("SELECT agent || '/' || epoch || '/' || device || '/' || number FROM records ORDER BY seq")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

/// Ranges of numbers that nobody explains, by device.
fn unexplained(report: &Report) -> BTreeMap<&str, Vec<(u64, u64)>> {
    let gaps = |stream: &StreamReport| {
        stream
            .unexplained
            .iter()
            .map(|g| (g.first, g.last))
            .collect()
    };
    let streams = report.gaps.iter();
    streams
        .map(|stream| (stream.device.as_str(), gaps(stream)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Bursts of any records in any order, with a restart between any two.
    #[test]
    fn every_sink_keeps_what_a_set_would(
        bursts in prop::collection::vec(
            (prop::collection::vec((0_usize..2, 0_usize..3, 1_u64..40), 1..30), any::<bool>()),
            1..8,
        )
    ) {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("c.db");
        let mut database = open(&path);
        let mut memory = Memory::new("eyot");
        let (mut set, mut order) = (BTreeSet::new(), Vec::new());
        for (burst, restart) in bursts {
            let mut expected = Outcome::default();
            let mut messages = Vec::new();
            for (agent, device, number) in burst {
                let id = id(agent, ["a", "b/c", "d"][device], number);
                messages.push(record(&id));
                if set.insert(id.clone()) {
                    order.push(id);
                    expected.records += 1;
                } else {
                    expected.repeated += 1;
                }
            }
            prop_assert_eq!(database.commit(&messages).unwrap(), expected);
            prop_assert_eq!(memory.commit(&messages).unwrap(), expected);
            prop_assert_eq!(database.missing().unwrap(), memory.missing().unwrap());
            if restart {
                drop(database);
                database = open(&path);
            }
        }
        prop_assert_eq!(&ids(&path), &order);
        // The ranges on the disk are those in memory: as few as there can be.
        let rows: BTreeSet<(String, u64, u64)> = Connection::open(&path).unwrap()
            .prepare("SELECT agent || '/' || device, first, last FROM seen
                      JOIN (SELECT id, agent, device FROM streams) ON id = stream").unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
            .collect::<Result<_, _>>().unwrap();
        let expected = memory.seen.iter().flat_map(|(stream, ranges)| {
            ranges.iter().map(move |(first, last)| {
                (format!("{}/{}", stream.agent, stream.device), first, last)
            })
        });
        prop_assert_eq!(rows, expected.collect::<BTreeSet<_>>());
        // And the report is what a look at the set says.
        let report = Report::read(&path).unwrap();
        prop_assert_eq!(report.records, set.len() as u64);
        let (mut between, mut before) = (0, 0);
        for ranges in memory.seen.values() {
            let (first, _) = ranges.iter().next().unwrap();
            let (_, last) = ranges.iter().last().unwrap();
            before += first - 1;
            between += (first..=last).filter(|number| !ranges.contains(*number)).count() as u64;
        }
        prop_assert_eq!((report.unexplained, report.before_first), (between, before));
    }
}

#[test]
fn a_gap_is_reported_until_it_is_explained_or_filled() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("c.db");
    let mut database = open(&path);
    let of = |numbers: &[u64]| -> Vec<Arrived> {
        let each = numbers.iter().map(|number| record(&id(0, "pump", *number)));
        each.collect()
    };
    database.commit(&of(&[3, 4, 9, 12, 4])).unwrap();
    let report = Report::read(&path).unwrap();
    assert_eq!(unexplained(&report)["pump"], [(5, 8), (10, 11)]);
    assert_eq!((report.before_first, report.unexplained), (2, 6));
    assert_eq!((report.records, report.repeated), (4, 1));
    assert_eq!(database.missing().unwrap(), 6);

    // Announced: of one device to the end of what has come and beyond, of another nothing else is known.
    let announced = r#"[{"device":"pump","from":6,"to":10},{"device":"pump","from":12,"to":14,"reason":"age"},
                       {"device":"fan","from":1,"to":2},{"device":"fan","count":5}]"#;
    let told = loss(&id(0, "outbox", 1), announced);
    database.commit(&[told.clone(), told]).unwrap();
    database.commit(&of(&[11])).unwrap();
    let report = Report::read(&path).unwrap();
    assert_eq!(unexplained(&report)["pump"], [(5, 5)]);
    assert_eq!((report.before_first, report.unexplained), (2, 1));
    // 6-8, 10; 13, 14; 1, 2. Number 12 was announced and has come.
    assert_eq!(report.explained, 8);
    assert_eq!(report.reasons["quota"], 6);
    assert_eq!(report.reasons["age"], 2);
    assert_eq!(
        report.announced["quota"], 5,
        "told once, though it came twice"
    );
    let text = report.to_string();
    for line in [
        "6 records of 3 devices of 1 agent; 2 came again, 0 not records\n",
        "missing without an explanation: 1 number\n",
        "missing and announced: 8 numbers: age 2, quota 6\n",
        "announced as lost, without numbers: quota 5\n",
        "  gw pump (epoch 1): 2 before 3; 5; 13-14 (age), 6-8 (quota), 10 (quota)\n",
        "  gw fan (epoch 1): 1-2 (quota)\n",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    database.commit(&of(&[5])).unwrap();
    assert_eq!(Report::read(&path).unwrap().unexplained, 0);
}

#[test]
fn rubbish_is_counted_with_a_sample_and_statuses_are_kept_by_agent() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("c.db");
    let mut database = open(&path);
    let long = vec![b'x'; 10_000];
    let burst = [
        arrived("eyot/gw/status", r#"{"state":"online"}"#),
        arrived("eyot/gw/summary/a", "hello"),
        record(&id(0, "a", 1)),
        arrived("eyot/gw/summary/b", long),
        arrived("eyot/gw2/status", "{}"),
        arrived("eyot/gw2/status", ""),
        arrived("eyot/gw/batch/summary", "no zstd"),
    ];
    let outcome = database.commit(&burst).unwrap();
    assert_eq!((outcome.records, outcome.rubbish), (1, 3));
    let report = Report::read(&path).unwrap();
    let counts: Vec<_> = report
        .rubbish
        .iter()
        .map(|rubbish| (rubbish.reason.as_str(), rubbish.count, rubbish.sample.len()))
        .collect();
    assert_eq!(counts, [("not_json", 2, 256), ("broken_batch", 1, 7)]);
    assert_eq!(report.status.len(), 1);
    assert_eq!(report.status[0].status["state"], "online");
    let json: Value = serde_json::to_value(&report).unwrap();
    assert_eq!(json["rubbish"][0]["topic"], "eyot/gw/summary/b");
}

#[test]
fn times_are_written_so_that_they_sort_as_text() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("c.db");
    open(&path).commit(&[record(&id(0, "a", 1))]).unwrap();
    let db = Connection::open(&path).unwrap();
    let row: (String, String, String, i64) = db
        .query_row(
            "SELECT time_start, time_end, received_at, unixepoch(time_end) FROM records",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )
        .unwrap();
    assert_eq!(
        row,
        (
            "2026-01-01T00:00:00.000000000Z".into(),
            "2026-01-01T00:00:10.000000000Z".into(),
            "2026-01-01T00:01:40.000000000Z".into(),
            1_767_225_610
        )
    );
}

#[test]
fn the_latest_of_every_kind_is_kept_once_it_was_asked_for() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("c.db");
    let of = |device: &str, epoch: u32, number: u64| {
        record(&format!("{}/{epoch}/{device}/{number}", AGENTS[0]))
    };
    let before = [
        of("a", 1, 9),
        of("a", 2, 1),
        of("a", 2, 3),
        of("a", 2, 2),
        of("b", 1, 1),
    ];
    open(&path).commit(&before).unwrap();
    let mut database = Database::open(&path, "eyot", Latest::Table).unwrap();
    let latest = || -> Vec<(String, u32, u64)> {
        Connection::open(&path)
            .unwrap()
            .prepare("SELECT device, epoch, number FROM latest ORDER BY device")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    assert_eq!(latest(), [("a".into(), 2, 3), ("b".into(), 1, 1)]);
    database.commit(&[of("b", 1, 2), of("a", 1, 20)]).unwrap();
    drop(database);
    // Also by who does not ask for it.
    open(&path).commit(&[of("a", 2, 5), of("a", 2, 4)]).unwrap();
    assert_eq!(latest(), [("a".into(), 2, 5), ("b".into(), 1, 2)]);
}

/// A summary of the window that ends so many seconds into the minute.
fn window(number: u64, end: u32, revision: Option<u32>) -> Arrived {
    let revision = revision.map_or_else(String::new, |n| format!(r#""revision":{n},"#));
    let (id, start) = (id(0, "a", number), end - 10);
    let body = format!(
        r#"{{"schema":"eyot.summary.v1","id":"{id}","agent":"gw","window":{{{revision}"start":"2026-01-01T00:00:{start:02}Z","end":"2026-01-01T00:00:{end:02}Z"}}}}"#
    );
    arrived("eyot/gw/summary/a", body)
}

#[test]
fn revisions_take_the_place_of_what_was_said_before_and_all_is_kept() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("c.db");
    let numbers = |query: &str| -> Vec<u64> {
        Connection::open(&path)
            .unwrap()
            .prepare(query)
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    };
    let mut database = Database::open(&path, "eyot", Latest::Table).unwrap();
    let burst = [
        window(1, 10, None),
        // A straggler.
        window(2, 10, None),
        window(3, 20, None),
        window(5, 10, Some(2)),
        window(4, 10, Some(1)),
    ];
    database.commit(&burst).unwrap();
    let hold = "SELECT number FROM summaries ORDER BY number";
    assert_eq!(numbers(hold), [3, 5]);
    assert_eq!(
        numbers("SELECT number FROM latest"),
        [3],
        "of the last window"
    );
    database.commit(&[window(6, 20, Some(1))]).unwrap();
    assert_eq!(numbers(hold), [5, 6]);
    assert_eq!(numbers("SELECT number FROM latest"), [6]);
    let all = numbers("SELECT number FROM records ORDER BY number");
    assert_eq!(all, [1, 2, 3, 4, 5, 6]);
    drop(database);
    // The same window of the agent's next database.
    let again = arrived(
        "eyot/gw/summary/a",
        String::from_utf8(window(1, 10, None).payload.to_vec())
            .unwrap()
            .replace("/1/a/1", "/2/a/1"),
    );
    open(&path).commit(&[again]).unwrap();
    assert_eq!(numbers(hold), [1, 6]);
    assert_eq!(
        numbers("SELECT number FROM latest"),
        [1],
        "of the last epoch"
    );
}

#[test]
fn rows_may_be_removed_without_their_coming_back() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("c.db");
    let mut database = open(&path);
    database.commit(&[record(&id(0, "a", 1))]).unwrap();
    Connection::open(&path)
        .unwrap()
        .execute("DELETE FROM records", [])
        .unwrap();
    let outcome = database
        .commit(&[record(&id(0, "a", 1)), record(&id(0, "a", 2))])
        .unwrap();
    assert_eq!((outcome.records, outcome.repeated), (1, 1));
    assert_eq!(ids(&path), [id(0, "a", 2)]);
}

#[test]
fn a_database_that_is_locked_or_full_keeps_nothing_of_the_burst_and_takes_it_later() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("c.db");
    let mut database = open(&path);
    database.commit(&[record(&id(0, "a", 1))]).unwrap();
    let burst: Vec<_> = (1..2_500).map(|n| record(&id(0, "a", n))).collect();

    database.db.pragma_update(None, "busy_timeout", 0).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = database.commit(&burst).unwrap_err();
    assert!(error.passes(), "{error:?}");
    other.execute_batch("ROLLBACK").unwrap();

    let pages: u64 = database
        .db
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    let limit = |pages: u64| {
        database
            .db
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
    };
    limit(pages + 10);
    let error = database.commit(&burst).unwrap_err();
    let CollectError::Database { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(
        source.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DiskFull)
    );
    assert!(error.passes());
    assert_eq!(ids(&path).len(), 1);

    database
        .db
        .pragma_update_and_check(None, "max_page_count", 1_000_000, |_| Ok(()))
        .unwrap();
    let outcome = database.commit(&burst).unwrap();
    assert_eq!((outcome.records, outcome.repeated), (2_498, 1));
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("c.db");
    let database = open(&path);
    let error = Database::open(&path, "eyot", Latest::AsItIs).unwrap_err();
    assert!(matches!(error, CollectError::InUse { .. }), "{error}");
    let id = database.client_id().unwrap();
    assert_eq!(id.len(), "eyot-collect-".len() + 32);
    drop(database);
    assert_eq!(open(&path).client_id().unwrap(), id);

    let theirs = dir.path().join("theirs.db");
    let db = Connection::open(&theirs).unwrap();
    db.execute_batch("CREATE TABLE notes (text)").unwrap();
    for error in [
        Database::open(&theirs, "eyot", Latest::AsItIs).err(),
        Report::read(&theirs).err(),
    ] {
        assert!(
            matches!(error, Some(CollectError::NotOurs { .. })),
            "{error:?}"
        );
    }
    db.pragma_update(None, "user_version", 99).unwrap();
    let error = Database::open(&theirs, "eyot", Latest::AsItIs).unwrap_err();
    assert!(error.to_string().contains("has schema 99"), "{error}");
    assert!(Report::read(&dir.path().join("none.db")).is_err());
    assert!(!dir.path().join("none.db").exists());
}
