//! Windows that overlap, late readings that revise them, and devices that fall silent.

use eyot_lab::collector::Collector;
use eyot_lab::mosquitto::Mosquitto;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::collect::{Collecting, collected};
use crate::support::{ChildAgent, Feeder, PATIENCE, Setup, reading, second, start, waves};

/// The value that 95 percent lie below, between the two nearest.
fn p95(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = 0.95 * (values.len() - 1) as f64;
    let below = at.floor() as usize;
    values[below] + (values[below + 1] - values[below]) * at.fract()
}

#[tokio::test]
async fn a_late_reading_revises_its_windows_upstream_and_the_collector_keeps_both() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("records.db");
    let into = ["--sqlite", path.to_str().unwrap()];
    let log = folder.path().join("collect.log");
    let mut collecting = Collecting::start(&shore, into, &["--latest"], log);
    collecting.subscribed(1).await;
    let setup = Setup {
        window: "{ length = \"2s\", hop = \"1s\" }",
        class: "features = [\"p95\"]\nlate = \"revise\"\nrevise_windows = 4",
        ..Setup::default()
    };
    let agent = start(&setup, plant.port, Some(shore.port), folder.path()).await;

    let value = |n: i64| f64::from(n as i32 * 7 % 11);
    let feeder = Feeder::to(plant.port);
    // Ten readings a second for five seconds, and the one that ends them.
    let in_time: Vec<_> = (0..50)
        .chain([52])
        .map(|n| reading("m-1", n * 100, value(n)))
        .collect();
    feeder.send(&in_time).await;
    collected(&path, 5).await;
    feeder.send(&[reading("m-1", 2_550, 500.0)]).await;
    collected(&path, 7).await;
    agent.stop().await.unwrap();

    let db = Connection::open(&path).unwrap();
    let read = |query: &str| -> Vec<Value> {
        let mut query = db.prepare(query).unwrap();
        let rows = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(|body| serde_json::from_str(&body.unwrap()).unwrap())
            .collect()
    };
    let in_window =
        |end: i64| -> Vec<f64> { ((end - 2).max(0) * 10..end * 10).map(value).collect() };
    let check = |record: &Value, end: i64, values: Vec<f64>| {
        assert_eq!(record["window"]["start"], second(end - 2), "{record:#}");
        assert_eq!(record["window"]["end"], second(end));
        let speed = &record["channels"]["speed"];
        assert_eq!(speed["count"], values.len());
        let got = speed["p95"].as_f64().unwrap();
        assert!((got - p95(values)).abs() < 1e-9, "{record:#}");
    };
    let all = read("SELECT body FROM records WHERE kind = 'summary' ORDER BY number LIMIT 7");
    for (end, record) in (1..=5).zip(&all) {
        assert!(record["window"].get("revision").is_none());
        check(record, end, in_window(end));
    }
    for (end, record) in (3..=4).zip(&all[5..]) {
        assert_eq!(record["window"]["revision"], 1, "{record:#}");
        check(record, end, [in_window(end), vec![500.0]].concat());
    }
    // What holds is the revision.
    let query = format!(
        "SELECT body FROM summaries WHERE time_end <= '{}' ORDER BY time_end",
        second(5).replace('Z', ".000000000Z")
    );
    let hold = read(&query);
    let revisions: Vec<_> = hold
        .iter()
        .map(|r| r["window"]["revision"].as_u64())
        .collect();
    assert_eq!(revisions, [None, None, Some(1), Some(1), None]);
}

#[tokio::test]
async fn a_reading_that_is_too_late_becomes_a_record_if_asked_for() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let setup = Setup {
        class: "late = \"side_output\"",
        ..Setup::default()
    };
    let _agent = start(&setup, plant.port, Some(shore.port), folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let readings = [100, 1_600, 300].map(|ms| reading("m-1", ms, 2.5));
    feeder.send(&readings).await;
    let late = |got: &eyot_lab::collector::Collected| got.of("eyot.late.v1").count() >= 1;
    collector
        .wait_until("the late reading", PATIENCE, late)
        .await
        .unwrap();
    collector.look(|got| {
        let late = got.of("eyot.late.v1").next().unwrap();
        assert_eq!(late.topic, "eyot/gateway/summary/m-1");
        let record = &late.record;
        assert_eq!(
            (&record["channel"], &record["value"]),
            (&"speed".into(), &2.5.into())
        );
        assert_eq!(record["time"], second(0).replace('Z', ".3Z"));
        assert_eq!(
            (&record["start"], &record["end"]),
            (&second(0).into(), &second(1).into())
        );
        assert_eq!(record["behind_ms"], 1_200);
    });
}

#[tokio::test]
async fn a_device_that_falls_silent_is_stale_until_it_is_heard_again() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let setup = Setup {
        class: "report = { every = \"200ms\" }",
        ..Setup::default()
    };
    let _agent = start(&setup, plant.port, Some(shore.port), folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let states = |got: &eyot_lab::collector::Collected| -> Vec<Value> {
        let stale = got
            .of("eyot.stale.v1")
            .filter(|it| it.record["device"] == "m-1");
        stale.map(|it| it.record.clone()).collect()
    };
    feeder.send(&[reading("m-1", 0, 1.0)]).await;
    let raised = |got: &eyot_lab::collector::Collected| states(got).len() == 1;
    collector
        .wait_until("the silence", PATIENCE, raised)
        .await
        .unwrap();
    feeder.send(&[reading("m-1", 100, 1.0)]).await;
    let cleared = |got: &eyot_lab::collector::Collected| states(got).len() >= 2;
    collector
        .wait_until("the end of it", PATIENCE, cleared)
        .await
        .unwrap();
    collector.look(|got| {
        let stale = got.of("eyot.stale.v1").next().unwrap();
        assert_eq!(stale.topic, "eyot/gateway/alert/m-1");
        let records = states(got);
        assert_eq!(records[0]["state"], "raised");
        assert_eq!(records[0]["episode"], records[0]["id"]);
        assert_eq!(records[0]["every_ms"], 200);
        assert_eq!(records[1]["state"], "cleared");
        assert_eq!(records[1]["episode"], records[0]["id"]);
        assert_eq!(records[1]["last_heard"], records[0]["last_heard"]);
    });
}

/// An alert is raised, late readings take the ground from it, and the upstream hears which alert that was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_taken_back_by_late_readings_also_after_a_crash() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let setup = Setup {
        class: "late = \"revise\"\nallowed_lateness = \"1h\"\nrevise_windows = 1000",
        tables: "[class.channels]\nspeed = {}\n[class.verdict]\nenter_after = 1\n\
                 [class.detectors.robust_z]\nfeatures = [\"mean\"]",
        ..Setup::default()
    };
    let mut agent = ChildAgent::start(&setup, plant.port, Some(shore.port), folder.path()).await;
    let feeder = Feeder::to(plant.port);
    feeder.send(&waves("m-1", 0..40, 10.0)).await;
    // Of one window only the odd reading comes in time.
    feeder.send(&[reading("m-1", 40_500, 40.0)]).await;
    feeder.send(&waves("m-1", 41..43, 10.0)).await;
    let raised = |got: &eyot_lab::collector::Collected| got.of("eyot.alert.v1").count() >= 1;
    collector
        .wait_until("an alert", PATIENCE, raised)
        .await
        .unwrap();
    agent.process.signal("-KILL");
    agent.process.wait(PATIENCE).unwrap();
    let _agent = ChildAgent::start(&setup, plant.port, Some(shore.port), folder.path()).await;

    let late: Vec<_> = (0..400)
        .filter(|n| *n != 200)
        .map(|n| reading("m-1", 40_000 + n * 2, 9.9 + f64::from(n as i32 % 3) / 10.0))
        .collect();
    feeder.send(&late).await;
    feeder.send(&waves("m-1", 43..46, 10.0)).await;
    let corrected =
        |got: &eyot_lab::collector::Collected| got.of("eyot.correction.v1").count() >= 1;
    collector
        .wait_until("a correction", PATIENCE, corrected)
        .await
        .unwrap();
    collector.look(|got| {
        let alert = &got.of("eyot.alert.v1").next().unwrap().record;
        let correction = &got.of("eyot.correction.v1").next().unwrap().record;
        assert_eq!(alert["state"], "raised");
        assert_eq!(correction["alert"], alert["id"], "{correction:#}");
        assert_eq!(correction["end"], alert["time"]);
        assert!(correction["was"].as_f64().unwrap() >= 1.0);
        assert!(correction["score"]["fused"].as_f64().unwrap() < 1.0);
        let revised = got
            .of("eyot.summary.v1")
            .map(|got| &got.record)
            .find(|record| {
                record["window"]["start"] == correction["start"]
                    && !record["window"]["revision"].is_null()
            });
        let revised = revised.expect("the revised window");
        assert_eq!(revised["window"]["revision"], correction["revision"]);
        assert_eq!(
            correction["freshness"]["oldest"],
            revised["freshness"]["oldest"]
        );
        assert_eq!(got.of("eyot.correction.v1").count(), 1);
    });
}
