//! Whatever happens on the way: out of order within what is allowed, twice, and through an agent that dies three times.
//!
//! With `EYOT_SKAB` it is done with a recording of SKAB in that folder (<https://github.com/waico/SKAB>), a reading each 50 ms
//! instead of each second.

use std::path::Path;

use eyot_lab::collector::Collector;
use eyot_lab::mosquitto::Mosquitto;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{ChildAgent, Feeder, PATIENCE, Setup, T0, content, until};

const CHANNELS: usize = 8;
const STEP_MS: i64 = 50;
/// As in [`Setup`].
const OUT_OF_ORDERNESS_MS: u64 = 100;

const CLASS: &str = r#"
    features = ["median", "p95", "mad", "kurtosis", "rate_of_change", "ewma_0.2", "autocorrelation_1"]
    detectors = { robust_z = { warmup = 10 }, ewma = { warmup = 10 } }
    verdict = { enter_after = 2 }
"#;

/// xorshift64*: the same numbers everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

/// Rows of eight values.
fn recording() -> Vec<Vec<f64>> {
    let Some(folder) = std::env::var_os("EYOT_SKAB") else {
        return (0..1_000_i32)
            .map(|n| {
                let fault = if n > 700 { 6.0 } else { 0.0 };
                let value = |channel: i32| {
                    let wave = f64::from(n * (channel + 3) % 97) / 97.0;
                    f64::from(channel * 10) + wave + if channel == 5 { fault } else { 0.0 }
                };
                [0, 1, 2, 3, 4, 5, 6, 7].map(value).to_vec()
            })
            .collect();
    };
    let path = Path::new(&folder).join("valve1/0.csv");
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b';')
        .from_path(&path)
        .unwrap();
    let row = |row: csv::Result<csv::StringRecord>| {
        let row = row.unwrap();
        row.iter()
            .skip(1)
            .take(CHANNELS)
            .map(|text| text.parse().unwrap())
            .collect()
    };
    reader.records().map(row).collect()
}

/// The messages of a recording, in order.
fn in_order(rows: &[Vec<f64>]) -> Vec<(i64, String, String)> {
    let mut messages = Vec::new();
    for (n, row) in (0..).zip(rows) {
        for (channel, value) in row.iter().enumerate() {
            let ms = n * STEP_MS;
            let payload = format!(r#"{{"ts": {}, "v": {value:?}}}"#, T0 * 1_000 + ms);
            messages.push((ms, format!("plant/m-1/c{channel}"), payload));
        }
    }
    messages
}

/// The same as late as is allowed, one in twenty of them twice.
fn shuffled(messages: &[(i64, String, String)]) -> Vec<(i64, String, String)> {
    let mut random = Random(6);
    let mut arrivals: Vec<_> = Vec::new();
    for message in messages {
        // In microseconds.
        let mut arrives =
            || message.0 * 1_000 + random.below(OUT_OF_ORDERNESS_MS * 1_000).cast_signed();
        arrivals.push((arrives(), message.clone()));
        let again = arrives();
        if random.below(20) == 0 {
            arrivals.push((again, message.clone()));
        }
    }
    arrivals.sort_by_key(|(arrives, _)| *arrives);
    arrivals.into_iter().map(|(_, message)| message).collect()
}

/// Summaries and alerts of what is sent, in order of their numbers, as text; and the books' duplicates.
async fn records_of(
    messages: &[(i64, String, String)],
    windows: usize,
    crashes: bool,
) -> (Vec<String>, u64) {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let channels: Vec<String> = (0..CHANNELS).map(|n| format!("c{n} = {{}}")).collect();
    let setup = Setup {
        class: CLASS,
        tables: &format!("[class.channels]\n{}", channels.join("\n")),
        ..Setup::default()
    };
    let start =
        async || ChildAgent::start(&setup, plant.port, Some(shore.port), folder.path()).await;
    let (feeder, mut agent, mut sent) = (Feeder::to(plant.port), start().await, 0);
    for part in messages.chunks(messages.len().div_ceil(4)) {
        if crashes && sent > 0 {
            agent.process.signal("-KILL");
            agent.process.wait(PATIENCE).unwrap();
            agent = start().await;
        }
        let part: Vec<_> = part
            .iter()
            .map(|(_, topic, payload)| (topic.clone(), payload.clone()))
            .collect();
        sent += feeder.send(&part).await;
        until("the messages to arrive", async || {
            (agent.books("messages").term("decoded") >= sent).then_some(())
        })
        .await;
    }
    collector
        .wait_until("all windows", PATIENCE, |got| {
            got.of("eyot.summary.v1").count() >= windows
        })
        .await
        .unwrap();
    let duplicates = agent.books("readings").term("duplicate");
    let late = agent.books("readings").term("late");
    assert!(agent.stop().success());
    let records = collector.look(|got| {
        let number = |record: &Value| -> u64 {
            let id = record["id"].as_str().unwrap().rsplit('/').next();
            id.unwrap().parse().unwrap()
        };
        let mut records: Vec<_> = got.records.iter().map(|got| &got.record).collect();
        records.sort_by_key(|record| number(record));
        records.dedup_by_key(|record| number(record));
        records
            .into_iter()
            .map(|record| content(record).to_string())
            .collect()
    });
    (records, duplicates + late)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_3_readings_out_of_order_twice_and_through_three_crashes_give_the_same_records() {
    let rows = recording();
    let ordered = in_order(&rows);
    let arrivals = shuffled(&ordered);
    let twice = (arrivals.len() - ordered.len()) as u64;
    assert!(twice > ordered.len() as u64 / 30);
    // The last window stays open, and what is under way in the one before it.
    let windows = rows.len() * STEP_MS as usize / 1_000 - 2;
    let ((calm, none), (stormy, repeated)) = tokio::join!(
        records_of(&ordered, windows, false),
        records_of(&arrivals, windows, true)
    );
    assert_eq!((none, repeated), (0, twice));
    // Real recordings have faults that these windows may be too short for.
    let alerts = calm.iter().any(|record| record.contains("eyot.alert.v1"));
    assert!(alerts || std::env::var_os("EYOT_SKAB").is_some());
    assert!(calm.len() > windows);
    for (calm, stormy) in calm.iter().zip(&stormy) {
        assert_eq!(calm, stormy);
    }
    assert_eq!(calm.len(), stormy.len());
}
