//! What is computed from the journal afterwards.

use eyot_lab::collector::Collector;
use eyot_lab::mosquitto::Mosquitto;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{ChildAgent, Feeder, PATIENCE, Setup, run, waves};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_4_what_is_computed_from_the_journal_is_what_the_agent_computed() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let setup = Setup {
        class: "features = [\"median\", \"skewness\"]",
        ..Setup::default()
    };
    let mut agent = ChildAgent::start(&setup, plant.port, Some(shore.port), folder.path()).await;
    let feeder = Feeder::to(plant.port);
    for device in ["m-1", "m-2"] {
        feeder.send(&waves(device, 0..30, 10.0)).await;
    }
    let all = |got: &eyot_lab::collector::Collected| got.of("eyot.summary.v1").count() >= 56;
    collector
        .wait_until("summaries", PATIENCE, all)
        .await
        .unwrap();
    // Killed, so that the journal keeps what it has.
    agent.process.signal("-KILL");
    agent.process.wait(PATIENCE).unwrap();

    let path = |name: &str| folder.path().join(name).display().to_string();
    let (config, table, lines) = (path("eyot.toml"), path("out.csv"), path("out.jsonl"));
    let done = run(&["export", "--journal", "--config", &config, "--out", &table]);
    assert!(done.status.success(), "{done:?}");
    let done = run(&["replay", "--journal", "--config", &config, "--out", &lines]);
    assert!(done.status.success(), "{done:?}");
    let mut table = csv::Reader::from_path(table).unwrap();
    let header = table.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    let replayed: Vec<Value> = std::fs::read_to_string(lines)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // Records have as many decimals as they need.
    let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap().to_string();
    collector.look(|got| {
        let mut compared = 0;
        for record in got.of("eyot.summary.v1").map(|got| &got.record) {
            let row = rows
                .iter()
                .find(|row| row[0] == record["device"] && time(&row[1]) == record["window"]["end"]);
            let row = row.unwrap_or_else(|| panic!("no row for {record:#}"));
            let again = replayed.iter().find(|other| {
                other["device"] == record["device"]
                    && other["window"]["start"] == record["window"]["start"]
                    && other["schema"] == record["schema"]
            });
            let again = again.unwrap_or_else(|| panic!("not replayed: {record:#}"));
            assert_eq!(again["channels"], record["channels"]);
            assert!(again["window"]["revision"].as_u64().unwrap() > 1_000_000);
            assert_ne!(again["id"], record["id"]);
            for (feature, value) in record["channels"]["speed"].as_object().unwrap() {
                let Some(value) = value.as_f64() else {
                    continue;
                };
                let column = format!("speed__{feature}");
                let at = header.iter().position(|name| name == column).unwrap();
                assert_eq!(row[at].parse::<f64>().unwrap().to_bits(), value.to_bits());
                compared += 1;
            }
        }
        assert!(compared > 56 * 10, "{compared}");
    });
}
