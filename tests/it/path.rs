//! The main path: published readings come out as summaries and alerts on another broker.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use eyot::store::Identity;
use eyot_lab::collector::Collector;
use eyot_lab::mosquitto::Mosquitto;
use eyot_pipeline::ledger::ReadingFate;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    ChildAgent, Feeder, PATIENCE, Setup, eyot, reading, records, run, second, settled, start,
    subscribed, until, waves,
};

/// Publishes each line as a message, as people do from their shells.
fn mosquitto_pub(port: u16, topic: &str, options: &[&str], lines: &[String]) {
    let mut child = Command::new("mosquitto_pub")
        .args(["-p", &port.to_string(), "-t", topic, "-l"])
        .args(options)
        .stdin(Stdio::piped())
        .spawn()
        .expect("mosquitto_pub; on Debian: apt-get install mosquitto-clients");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.join("\n").as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

/// The features of a window, straight from their definitions. Times in seconds from its start.
fn features(samples: &[(f64, f64)]) -> Vec<(&'static str, f64)> {
    let n = samples.len() as f64;
    let mean_of = |f: &dyn Fn(&(f64, f64)) -> f64| samples.iter().map(f).sum::<f64>() / n;
    let (t, mean) = (mean_of(&|s| s.0), mean_of(&|s| s.1));
    let sum = |f: &dyn Fn(&(f64, f64)) -> f64| samples.iter().map(f).sum::<f64>();
    let slope = sum(&|s| (s.0 - t) * (s.1 - mean)) / sum(&|s| (s.0 - t).powi(2));
    let residual = |s: &(f64, f64)| s.1 - mean - slope * (s.0 - t);
    vec![
        ("count", n),
        ("mean", mean),
        ("std", (sum(&|s| (s.1 - mean).powi(2)) / (n - 1.0)).sqrt()),
        (
            "detrended_std",
            (sum(&|s| residual(s).powi(2)) / (n - 2.0)).sqrt(),
        ),
        ("min", samples.iter().map(|s| s.1).fold(f64::MAX, f64::min)),
        ("max", samples.iter().map(|s| s.1).fold(f64::MIN, f64::max)),
        ("rms", mean_of(&|s| s.1.powi(2)).sqrt()),
        ("slope", slope),
        ("last", samples.last().unwrap().1),
    ]
}

fn assert_features(channel: &Value, samples: &[(f64, f64)]) {
    for (name, expected) in features(samples) {
        let got = channel[name]
            .as_f64()
            .unwrap_or_else(|| panic!("no {name} in {channel}"));
        assert!(
            (got - expected).abs() < 1e-9,
            "{name}: {got} instead of {expected}"
        );
    }
}

#[tokio::test]
async fn readings_come_out_as_summaries_with_the_right_features() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let setup = Setup::default();
    let _agent = start(&setup, plant.port, Some(shore.port), folder.path()).await;

    let value = |n: i64| 20.0 + f64::from(n as i32 * 7 % 11) / 4.0;
    // Three windows of ten readings, and one reading that ends the third.
    let lines: Vec<String> = (0..31)
        .map(|n| reading("m-1", n * 100 + i64::from(n == 30) * 100, value(n)).1)
        .collect();
    mosquitto_pub(plant.port, "plant/m-1/speed", &["-q", "1"], &lines);

    collector
        .wait_until("three summaries", PATIENCE, |got| got.records.len() >= 3)
        .await
        .unwrap();
    collector.look(|got| {
        assert_eq!((got.records.len(), &got.rubbish), (3, &vec![]));
        for (n, received) in (0..).zip(&got.records) {
            let record = &received.record;
            assert_eq!(received.topic, "eyot/gateway/summary/m-1");
            assert_eq!(record["schema"], "eyot.summary.v1");
            assert_eq!(record["device"], "m-1");
            assert_eq!(record["class"], "machine");
            assert_eq!(record["window"]["start"], second(n));
            assert_eq!(record["window"]["end"], second(n + 1));
            assert_eq!(record["window"]["closed_by"], "watermark");
            assert_eq!(record["channels"]["speed"]["unit"], "1/s");
            let samples: Vec<_> = (0..10)
                .map(|i| (i as f64 / 10.0, value(n * 10 + i)))
                .collect();
            assert_features(&record["channels"]["speed"], &samples);
        }
    });
}

#[tokio::test]
async fn several_channels_in_one_object_make_one_summary() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let setup = Setup {
        rules: r#"
            [[source.rule]]
            name = "row"
            topic = "rows"
            decoder = "json"
            device = "{id}"
            time = "at"
            values = { temperature = "env.t", flow = "flow" }
        "#,
        tables: "[class.channels]\ntemperature = {}\nflow = {}",
        ..Setup::default()
    };
    let _agent = start(&setup, plant.port, Some(shore.port), folder.path()).await;

    let row = |n: i64| {
        let at = second(n);
        format!(
            r#"{{"id": "m-7", "at": "{at}", "env": {{"t": {n}}}, "flow": {}}}"#,
            10 * n
        )
    };
    let lines: Vec<String> = (1..=4).map(row).collect();
    mosquitto_pub(plant.port, "rows", &["-q", "1"], &lines);

    collector
        .wait_until("two summaries", PATIENCE, |got| got.records.len() >= 2)
        .await
        .unwrap();
    collector.look(|got| {
        assert_eq!(got.records.len(), 2);
        for (n, received) in (1..).zip(&got.records) {
            let record = &received.record;
            assert_eq!(record["device"], "m-7");
            assert_eq!(record["window"]["start"], second(n));
            let channels = record["channels"].as_object().unwrap();
            assert_eq!(channels.len(), 2, "{record}");
            assert_eq!(channels["temperature"]["mean"], n as f64);
            assert_eq!(channels["flow"]["mean"], 10.0 * n as f64);
        }
    });
}

#[tokio::test]
async fn bare_numbers_are_stamped_at_arrival_and_silence_closes_their_window() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let config = Setup {
        rules: r#"
            [[source.rule]]
            name = "number"
            topic = "plant/{device}/{channel}"
            qos = 0
            decoder = "value"
        "#,
        ..Setup::default()
    };
    let text = config
        .text(plant.port, Some(shore.port))
        .replace("idle_timeout = \"5m\"", "idle_timeout = \"1s\"")
        .replace("window = \"1s\"", "window = \"1h\"");
    let config = eyot::config::Config::parse(&text, "test.toml", folder.path()).unwrap();
    let before = second_of(eyot::clock::now());
    let _agent = subscribed(eyot::app::Builder::new(config)).await;
    mosquitto_pub(
        plant.port,
        "plant/m-1/speed",
        &[],
        &["21.5".into(), "-4e1".into()],
    );
    collector
        .wait_until("a summary", PATIENCE, |got| !got.records.is_empty())
        .await
        .unwrap();
    collector.look(|got| {
        let record = &got.records[0].record;
        assert_eq!(record["window"]["closed_by"], "idle");
        assert_eq!(record["channels"]["speed"]["min"], -40.0);
        let oldest: jiff::Timestamp = record["freshness"]["oldest"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!(oldest.as_second() >= before, "{record}");
    });
}

fn second_of(time: eyot_pipeline::Timestamp) -> i64 {
    time.0.div_euclid(1_000_000_000)
}

#[tokio::test]
async fn an_obvious_fault_raises_one_alert_and_its_end_clears_it() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let setup = Setup {
        tables: "[class.channels]\nspeed = {}\n[class.verdict]\nenter_after = 2",
        ..Setup::default()
    };
    let _agent = start(&setup, plant.port, Some(shore.port), folder.path()).await;
    let feeder = Feeder::to(plant.port);
    for device in ["m-good", "m-bad"] {
        feeder.send(&waves(device, 0..40, 20.0)).await;
        let level = if device == "m-bad" { 80.0 } else { 20.0 };
        feeder.send(&waves(device, 40..45, level)).await;
        feeder.send(&waves(device, 45..121, 20.0)).await;
    }

    collector
        .wait_until("two alerts and all summaries", PATIENCE, |got| {
            got.of("eyot.alert.v1").count() >= 2 && got.of("eyot.summary.v1").count() >= 240
        })
        .await
        .unwrap();
    collector.look(|got| {
        let alerts: Vec<&Value> = got.of("eyot.alert.v1").map(|r| &r.record).collect();
        let [raised, cleared] = alerts[..] else {
            panic!("{alerts:?}")
        };
        assert_eq!(raised["device"], "m-bad");
        assert_eq!(raised["state"], "raised");
        assert_eq!(raised["episode"], raised["id"]);
        // Anomalous from second 40 on, raised at the end of the second such window.
        assert_eq!(raised["since"], second(40));
        assert_eq!(raised["time"], second(42));
        assert!(raised["score"]["fused"].as_f64().unwrap() >= 1.0);
        let first = &raised["contributions"][0];
        assert_eq!(first["channel"], "speed");
        assert_eq!(first["value"].as_f64().map(f64::round), Some(80.0));
        assert_eq!(first["expected"].as_f64().map(f64::round), Some(20.0));
        assert_eq!(cleared["state"], "cleared");
        assert_eq!(cleared["episode"], raised["id"]);
        let alert = got.of("eyot.alert.v1").next().unwrap();
        assert_eq!(alert.topic, "eyot/gateway/alert/m-bad");
        let verdicts = got
            .of("eyot.summary.v1")
            .filter(|r| r.record["verdict"] == "anomalous");
        assert!(verdicts.count() >= 4);
    });
}

#[tokio::test]
async fn both_protocol_versions_and_qualities_of_service_carry_readings_and_records() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    for version in ["3.1.1", "5"] {
        for qos in ["0", "1"] {
            let folder = TempDir::new().unwrap();
            let topic = format!("eyot-{version}-{qos}");
            let source = format!("version = \"{version}\"\nclient_id = \"in-{version}-{qos}\"");
            let uplink = format!(
                "version = \"{version}\"\nclient_id = \"out-{version}-{qos}\"\ntopic_prefix = \"{topic}\""
            );
            let rules = Setup::default().rules.to_owned() + &format!("\nqos = {qos}");
            let setup = Setup {
                source: &source,
                uplink: &uplink,
                rules: &rules,
                ..Setup::default()
            };
            let collector = Collector::start(shore.port, &format!("{topic}/#"))
                .await
                .unwrap();
            let agent = start(&setup, plant.port, Some(shore.port), folder.path()).await;
            let lines: Vec<String> = (0..100).map(|n| reading("m-1", n * 100, 1.0).1).collect();
            mosquitto_pub(plant.port, "plant/m-1/speed", &["-q", qos], &lines);
            let book = settled(&agent, 100).await;
            assert_eq!(book.readings_with(ReadingFate::Processed), 100);
            collector
                .wait_until("nine summaries", PATIENCE, |got| got.records.len() == 9)
                .await
                .unwrap();
            agent.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_arrives_out_of_order_late_or_twice_is_told_apart() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let agent = start(&Setup::default(), plant.port, None, folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let at = |ms| reading("m-1", ms, 1.0);
    // 950 is behind 1050 and still in time; 900 is late once 1150 has closed the first window.
    let sent = [at(0), at(1_050), at(950), at(1_050), at(1_150), at(900)];
    feeder.send(&sent).await;
    let book = settled(&agent, 6).await;
    assert_eq!(book.readings_with(ReadingFate::Processed), 4);
    assert_eq!(book.readings_with(ReadingFate::Duplicate), 1);
    assert_eq!(book.readings_with(ReadingFate::Late), 1);
    let first = until("the summary", async || {
        let summaries = records(&agent, eyot_pipeline::ledger::Lane::Summary).await;
        summaries.into_iter().next()
    })
    .await;
    assert_eq!(first["channels"]["speed"]["count"], 2.0);
}

/// From the log over the journal to the record: one name, also after a crash.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_leads_from_the_journal_to_records_and_dead_letters_and_stays_the_same_after_a_crash()
 {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let setup = Setup::default();
    let mut command = Command::new(eyot());
    command.env("EYOT_LOG", "info,eyot::ingest=debug");
    let (port, up) = (plant.port, Some(shore.port));
    let mut agent = ChildAgent::start_by(command, &setup, port, up, folder.path()).await;
    let feeder = Feeder::to(plant.port);
    feeder.send(&waves("m-1", 0..3, 10.0)).await;
    feeder
        .send(&[("plant/m-1/speed".to_owned(), "rubbish".to_owned())])
        .await;
    let one = |got: &eyot_lab::collector::Collected| got.of("eyot.summary.v1").count() >= 1;
    collector
        .wait_until("a summary", PATIENCE, one)
        .await
        .unwrap();
    agent.process.signal("-KILL");
    agent.process.wait(PATIENCE).unwrap();
    let log = agent.log();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let trace = |record: &Value| text(&record["trace_id"]);
    let before = collector.look(|got| {
        let record = &got.of("eyot.summary.v1").next().unwrap().record;
        (text(&record["id"]), trace(record))
    });
    assert!(log.contains(&before.1), "{before:?}\n{log}");

    let id: Vec<&str> = before.0.split('/').collect();
    let identity = Identity {
        agent: id[0].parse().unwrap(),
        store_epoch: id[1].parse().unwrap(),
    };
    let line = log.lines().find(|line| line.contains(&before.1)).unwrap();
    let (_, rest) = line.split_once("position=").expect(line);
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap();
    let position: u64 = digits.parse().unwrap();
    assert_eq!(
        eyot::record::Trace::new(&identity).id(position).unwrap(),
        before.1
    );

    // Without the database every record is made again, of the journal alone. As if it were of the same epoch, since ids hang on it.
    let data = folder.path().join("data");
    for file in ["eyot.db", "eyot.db-wal", "eyot.db-shm"] {
        let _ = fs::remove_file(data.join(file));
    }
    let last = identity.store_epoch - 1;
    fs::write(
        data.join("eyot.identity"),
        format!("{} {last}\n", identity.agent),
    )
    .unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let agent = ChildAgent::start(&setup, port, up, folder.path()).await;
    collector.wait_until("again", PATIENCE, one).await.unwrap();
    collector.look(|got| {
        let record = &got.of("eyot.summary.v1").next().unwrap().record;
        assert_eq!((text(&record["id"]), trace(record)), before);
    });
    drop(agent);
    let config = folder.path().join("eyot.toml").display().to_string();
    let shown = run(&["dlq", "--config", &config, "list", "--json"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    let letters: Value = serde_json::from_str(&text).unwrap();
    let letter = letters
        .as_array()
        .or(letters["letters"].as_array())
        .unwrap()[0]
        .clone();
    assert!(
        log.contains(letter["trace_id"].as_str().unwrap()),
        "{letter:#}"
    );
}
