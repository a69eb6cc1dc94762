//! How the program ends: in order when it is asked to, and at once, with a reason, when it cannot start.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use eyot_lab::broker::free_port;
use eyot_lab::child::Process;
use eyot_lab::collector::Collector;
use eyot_lab::mosquitto::Mosquitto;
use tempfile::TempDir;

use crate::support::{
    ChildAgent, Feeder, PATIENCE, Setup, assert_dense, eyot, reading, run, until, waves, write,
};

#[tokio::test]
async fn sigterm_commits_delivers_and_exits_0_in_time_and_open_windows_go_on_after_it() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let collector = Collector::start(shore.port, "eyot/#").await.unwrap();
    let setup = Setup::default();
    let mut agent = ChildAgent::start(&setup, plant.port, Some(shore.port), folder.path()).await;
    let feeder = Feeder::to(plant.port);
    for device in ["m-1", "m-2"] {
        feeder.send(&waves(device, 0..3, 20.0)).await;
    }
    until("the readings to be processed", async || {
        (agent.books("readings").term("processed") == 60).then_some(())
    })
    .await;

    let asked = Instant::now();
    assert_eq!(agent.stop().code(), Some(0), "{}", agent.log());
    // `shutdown_timeout` is 10 s unless told otherwise.
    assert!(asked.elapsed() < Duration::from_secs(10));
    collector
        .wait_until("all closed windows", PATIENCE, |got| got.records.len() == 4)
        .await
        .unwrap();
    let mut again = ChildAgent::start(&setup, plant.port, Some(shore.port), folder.path()).await;
    assert!(!again.log().contains("orderly stop"), "{}", again.log());
    assert_eq!(
        again.books("readings").term("processed"),
        60,
        "the books go on"
    );
    assert_eq!(again.overview()["lanes"][1]["buffered"], 0);
    for device in ["m-1", "m-2"] {
        feeder.send(&[reading(device, 3_500, 20.0)]).await;
    }
    collector
        .wait_until("the windows of before", PATIENCE, |got| {
            got.records.len() == 6
        })
        .await
        .unwrap();
    collector.look(|got| {
        let records = || got.records.iter().map(|received| &received.record);
        let numbers = assert_dense(records());
        assert_eq!(numbers.into_values().collect::<Vec<_>>(), [3, 3]);
        for record in records() {
            assert_eq!(record["window"]["closed_by"], "watermark");
            assert_eq!(record["channels"]["speed"]["count"], 10, "{record}");
        }
    });
    assert!(again.stop().success());
}

#[tokio::test]
async fn sigterm_ends_in_time_although_neither_broker_answers() {
    let folder = TempDir::new().unwrap();
    let (nobody, port) = (free_port().unwrap(), free_port().unwrap());
    let page = format!("127.0.0.1:{port}");
    let setup = Setup {
        http: Some(&page),
        ..Setup::default()
    };
    let config = write(folder.path(), &setup.text(nobody, Some(nobody)));
    let mut command = Command::new(eyot());
    command.args(["run", "--config"]).arg(config);
    let mut process = Process::start(&mut command, &folder.path().join("log")).unwrap();
    until("the page", async || {
        eyot_lab::child::get(&page, "/readyz").ok()
    })
    .await;
    process.terminate();
    assert!(process.wait(Duration::from_secs(10)).unwrap().success());
}

#[test]
fn a_wrong_config_is_told_in_full_with_exit_1_and_no_data_is_touched() {
    let folder = TempDir::new().unwrap();
    let text = Setup::default()
        .text(1883, Some(1884))
        .replace("commit_interval", "comit_interval")
        .replace("window = \"1s\"", "window = \"1 second\"")
        .replace("mqtt://127.0.0.1:1884", "http://127.0.0.1:1884");
    let config = write(folder.path(), &text);
    let output = run(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    for expected in [
        "comit_interval",
        "did you mean `commit_interval`",
        "1 second",
        "http://",
    ] {
        assert!(said.contains(expected), "{expected} is not in:\n{said}");
    }
    assert!(output.stdout.is_empty());
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_missing_config_is_told_with_exit_1() {
    let output = run(&["run", "--config", "/nowhere/eyot.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("/nowhere/eyot.toml") && said.contains("No such file"),
        "{said}"
    );
}

#[test]
fn a_taken_port_is_told_with_exit_1_and_no_data_is_touched() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let page = taken.local_addr().unwrap().to_string();
    let setup = Setup {
        http: Some(&page),
        ..Setup::default()
    };
    let config = write(folder.path(), &setup.text(1883, None));
    let output = run(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    for expected in [&page, "change [http] listen or stop what uses it", "in use"] {
        assert!(said.contains(expected), "{expected} is not in:\n{said}");
    }
    assert!(!folder.path().join("data").exists());
}

#[tokio::test]
async fn a_second_agent_on_the_same_folder_is_refused_and_the_first_goes_on() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let mut first = ChildAgent::start(&Setup::default(), plant.port, None, folder.path()).await;
    let config = write(folder.path(), &Setup::default().text(plant.port, None));
    let output = run(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("in use by another eyot: stop that one"),
        "{said}"
    );
    let data = folder.path().join("data");
    assert!(said.contains(data.to_str().unwrap()), "{said}");
    let feeder = Feeder::to(plant.port);
    feeder.send(&waves("m-1", 0..2, 20.0)).await;
    until("the first to go on", async || {
        (first.books("readings").term("processed") == 20).then_some(())
    })
    .await;
    assert!(first.stop().success());
}
