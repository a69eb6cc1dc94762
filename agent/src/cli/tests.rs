//! The commands from their arguments to what they publish, without a broker.

use std::convert::Infallible;
use std::fs;
use std::sync::{Arc, Mutex};

use clap::Parser;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::cli::{replay, sim};
use crate::sim::Publish;

#[derive(Parser)]
enum Command {
    Sim(sim::SimArgs),
    Replay(replay::ReplayArgs),
}

type Sent = Vec<(String, Value)>;

/// Keeps what it is given.
struct Kept(Arc<Mutex<Sent>>);

impl Publish for Kept {
    type Error = Infallible;

    async fn publish(&mut self, topic: &str, _: u8, payload: Vec<u8>) -> Result<(), Infallible> {
        let value = serde_json::from_slice(&payload).unwrap();
        self.0.lock().unwrap().push((topic.to_owned(), value));
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Runs `eyot …`, arguments parted by blanks; what was sent, or the error's chain.
fn eyot(line: &str) -> Result<Sent, String> {
    let words = ["eyot"].into_iter().chain(line.split_whitespace());
    let command = Command::try_parse_from(words).map_err(|error| error.to_string())?;
    let sent = Arc::default();
    let connect = async |_: &str| Ok(Kept(Arc::clone(&sent)));
    let stop = CancellationToken::new();
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(async {
            match command {
                Command::Sim(args) => sim::run(&args, connect, &stop).await,
                Command::Replay(args) => replay::run(&args, connect, &stop).await,
            }
        });
    outcome.map_err(|error| format!("{error:#}"))?;
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    Ok(sent)
}

#[test]
fn sim_publishes_readings_and_writes_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let truth = folder.path().join("truth.json");
    let line = format!(
        "sim --devices 3 --duration 100 --speed max --start 2026-01-01T00:00:00Z \
         --faults pump-0002:offset:flow@30s+10s --truth {}",
        truth.display()
    );
    let sent = eyot(&line).unwrap();
    assert!((1_450..1_600).contains(&sent.len()), "{}", sent.len());
    let flow = sent
        .iter()
        .filter(|(topic, _)| topic == "plant/hall-2/pump-0002/flow");
    assert!(flow.clone().count() > 90);
    for (_, value) in flow {
        let since = value["ts"].as_i64().unwrap() - 1_767_225_600_000;
        let shifted = value["v"].as_f64().unwrap() > 44.0;
        assert_eq!(shifted, (30_000..40_000).contains(&since), "{value}");
    }
    let truth: Value = serde_json::from_str(&fs::read_to_string(truth).unwrap()).unwrap();
    assert_eq!(truth["seed"], 1);
    assert_eq!(truth["end"], "2026-01-01T00:01:40Z");
    assert_eq!(truth["faults"][0]["start"], "2026-01-01T00:00:30Z");
    assert_eq!(truth["faults"][0]["channel"], "flow");
}

#[test]
fn sim_says_what_it_will_not_do() {
    for (line, why) in [
        ("sim --period 1ms", "the shortest period is 10ms"),
        ("sim --delayed 2", "is no share"),
        ("sim --duration soon", "is no length of time"),
        ("sim --faults pump-1:rust@1s", "`rust` is none of"),
        ("sim --faults 3 --duration 30", "has no room for a fault"),
        (
            "sim --payload object --topic a/{channel}",
            "it cannot have {channel}",
        ),
        ("sim --payload value --pad 100", "cannot be padded"),
        ("sim --print --json", "cannot be used with"),
    ] {
        let error = eyot(line).unwrap_err();
        assert!(error.contains(why), "{line}: {error}");
    }
}

#[test]
fn replay_publishes_rows_as_one_device() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run.csv");
    fs::write(
        &run,
        "when;Flow Rate;Temp\n1767225600;32.5;80\n1767225601;;81\n",
    )
    .unwrap();
    let map = folder.path().join("map.toml");
    let text = "delimiter = ';'\n[columns]\n'Flow Rate' = 'flow'\nTemp = 'temperature'\n";
    fs::write(&map, text).unwrap();
    let replay = format!("replay {} --device rig-1 --speed max", run.display());
    let sent = eyot(&format!("{replay} --columns {}", map.display())).unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].0, "skab/rig-1");
    assert_eq!(sent[0].1["flow"], 32.5);
    assert_eq!(sent[1].1.get("flow"), None);
    assert_eq!(sent[1].1["temperature"], 81.0);
    let distance = sent[1].1["ts"].as_i64().unwrap() - sent[0].1["ts"].as_i64().unwrap();
    assert_eq!(distance, 1_000);

    fs::write(&map, "colums = {}\n").unwrap();
    for (options, why) in [
        (
            format!("--columns {}", map.display()),
            "unknown field `colums`",
        ),
        ("--values Temp".to_owned(), "is the delimiter ';'?"),
        (
            "--delimiter ; --time whem".to_owned(),
            "did you mean `when`?",
        ),
        (
            "--delimiter ; --topic a/{site}".to_owned(),
            "a recording has no site",
        ),
        ("--delimiter ä".to_owned(), "not an ASCII character"),
    ] {
        let error = eyot(&format!("{replay} {options}")).unwrap_err();
        assert!(error.contains(why), "{options}: {error}");
    }
    let missing = eyot("replay nowhere.csv --device rig-1").unwrap_err();
    assert!(missing.contains("cannot open nowhere.csv"), "{missing}");
}

const DIRECT: &str = r#"
[agent]
name = "gw"
data_dir = "data"

[[source]]
name = "rig"
url = "mqtt://broker"

[[source.rule]]
name = "row"
topic = "skab/{device}"
leaves = {}
time = "ts"
time_format = "unix_ms"

[[source.rule]]
name = "bare"
topic = "plant/{device}/{channel}"
decoder = "value"
"#;

/// Runs `eyot replay --direct …` and returns the records that it has written.
fn direct(folder: &std::path::Path, recording: &str, options: &str) -> Result<String, String> {
    let file = |name: &str| folder.join(name).display().to_string();
    fs::write(file("eyot.toml"), DIRECT).unwrap();
    fs::write(file("recording"), recording).unwrap();
    let sent = eyot(&format!(
        "replay {} --direct --config {} --out {} {options}",
        file("recording"),
        file("eyot.toml"),
        file("records.jsonl")
    ))?;
    assert_eq!(sent, [], "nothing goes to a broker");
    Ok(fs::read_to_string(file("records.jsonl")).unwrap())
}

#[test]
fn a_dump_comes_out_as_records_the_same_every_time() {
    use std::fmt::Write;

    let folder = tempfile::tempdir().unwrap();
    let mut dump = String::new();
    for second in 0..25 {
        writeln!(
            dump,
            r#"{{"topic":"plant/pump-1/flow","payload":"{second}","at":"2026-01-01T00:00:{second:02}Z"}}"#
        )
        .unwrap();
    }
    let records = direct(folder.path(), &dump, "--dump").unwrap();
    let lines: Vec<Value> = records
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{records}");
    assert_eq!(lines[0]["device"], "pump-1");
    assert_eq!(lines[1]["window"]["start"], "2026-01-01T00:00:10Z");
    assert_eq!(lines[1]["channels"]["flow"]["count"], 10);
    assert_eq!(lines[1]["channels"]["flow"]["mean"], 14.5);
    assert_eq!(lines[2]["window"]["closed_by"], "shutdown");
    assert_eq!(lines[2]["freshness"]["scored_at"], "2026-01-01T00:00:24Z");
    assert!(records == direct(folder.path(), &dump, "--dump").unwrap());
}

#[test]
fn a_table_goes_the_way_that_its_messages_would_go() {
    use std::fmt::Write;

    let folder = tempfile::tempdir().unwrap();
    let mut table = String::from("time,Flow Rate,Temp\n");
    for second in 0..15 {
        writeln!(table, "{},{second},20", 1_767_225_600 + second).unwrap();
    }
    let records = direct(folder.path(), &table, "--device rig-1").unwrap();
    let first: Value = serde_json::from_str(records.lines().next().unwrap()).unwrap();
    assert_eq!(first["device"], "rig-1");
    assert_eq!(first["window"]["start"], "2026-01-01T00:00:00Z");
    assert_eq!(first["channels"]["Temp"]["mean"], 20.0);
}

#[test]
fn a_direct_run_says_what_it_cannot_do() {
    let folder = tempfile::tempdir().unwrap();
    let bare = r#"{"topic":"plant/pump-1/flow","payload":"1"}"#;
    for (recording, options, why) in [
        (bare, "--dump", "says when it arrived"),
        ("", "--dump", "no message to play back"),
        (
            bare,
            "--dump --source rack",
            "no source `rack`; there are rig",
        ),
        (r#"{"topic":"a/+","at":0}"#, "--dump", "`a/+` is no topic"),
        ("{", "--dump", "line 1"),
        (bare, "--dump --device x", "cannot be used with"),
        (bare, "--dump --speed 2", "cannot be used with"),
        (bare, "", "required"),
    ] {
        let error = direct(folder.path(), recording, options).unwrap_err();
        assert!(error.contains(why), "{options}: {error}");
    }
}
