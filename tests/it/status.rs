//! `eyot status`: what it says of an agent that is well, one that is not, and one that is not there.

use std::path::Path;
use std::process::Command;

use eyot::store::Reader;
use eyot_lab::mosquitto::Mosquitto;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{ChildAgent, Feeder, PATIENCE, Setup, eyot, reading, run, until, waves};

/// `eyot status --json` with the configuration in `folder`: exit code and what it printed.
fn status(folder: &Path) -> (i32, Value) {
    let config = folder.join("eyot.toml");
    let output = run(&["status", "--json", "--config", config.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let status = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{error}"));
    (output.status.code().unwrap(), status)
}

/// The same for people.
fn table(folder: &Path) -> String {
    let config = folder.join("eyot.toml");
    let output = run(&["status", "--config", config.to_str().unwrap()]);
    String::from_utf8(output.stdout).unwrap()
}

fn difference(status: &Value) -> [&Value; 2] {
    ["messages", "readings"].map(|side| &status["sources"][0][side]["difference"])
}

#[tokio::test]
async fn a_running_agent_says_how_it_is_and_a_stopped_one_how_it_was_left() {
    let mut plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let setup = Setup {
        store: "max_written_per_day = \"2GiB\"\nflash_endurance = \"30TiB\"",
        ..Setup::default()
    };
    let mut agent = ChildAgent::start(&setup, plant.port, None, folder.path()).await;
    let sent = Feeder::to(plant.port).send(&waves("m-1", 0..5, 20.0)).await;
    until("the readings to be processed", async || {
        (agent.books("readings").term("processed") == sent).then_some(())
    })
    .await;

    let (code, running) = status(folder.path());
    assert_eq!((code, &running["running"]), (0, &true.into()), "{running}");
    assert_eq!(running["health"]["status"], "healthy");
    assert_eq!(running["sources"][0]["messages"]["total"], sent);
    assert_eq!(difference(&running), [0, 0]);
    assert_eq!(running["journal"]["readings"], sent);
    assert!(running["journal"]["written_bytes"].as_u64().unwrap() > sent);
    assert_eq!(running["devices"]["behind"], 0);
    assert_eq!(running["wear"]["budget_per_day"], 2_u64 << 30);
    assert_eq!(running["gaps"]["count"], 0);
    let url = format!("http://{}", agent.page);
    let asked = run(&["status", "--url", &url]);
    assert_eq!(asked.status.code(), Some(0));
    let text = String::from_utf8(asked.stdout).unwrap();
    for part in [
        "gateway: healthy\nversion ",
        "\nsource plant  connected to mqtt://127.0.0.1:",
        "\n  messages 50 = 50 decoded\n  readings 50 = 50 processed\n",
        "\noutbox  no uplink: records stay here",
        "\ndevices       1 running, 0 restarting, 0 quarantined, 0 behind; 10,000 at most",
        "\njournal       ",
        " B a reading, ",
        "\ndead letters  0 kept; 0 evicted, 0 dropped, 0 replayed",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }

    plant.kill();
    until("the fault to be noticed", async || {
        (status(folder.path()).0 == 1).then_some(())
    })
    .await;
    let text = table(folder.path());
    let reason = "gateway: degraded\n  - source plant is not connected to mqtt://127.0.0.1:";
    assert!(text.starts_with(reason), "{text}");

    agent.stop();
    let (code, stopped) = status(folder.path());
    assert_eq!((code, &stopped["running"]), (2, &false.into()), "{stopped}");
    assert_eq!(stopped["clean_stop"], true);
    assert_eq!(difference(&stopped), [0, 0]);
    for side in ["messages", "readings"] {
        let (was, is) = (&running["sources"][0][side], &stopped["sources"][0][side]);
        assert_eq!(was["total"], is["total"], "{side}");
    }
    assert_eq!(
        stopped["lanes"][1]["enqueued"],
        running["lanes"][1]["enqueued"]
    );
    let text = table(folder.path());
    let expected = "gateway: not running; as of 20";
    assert!(text.starts_with(expected), "{text}");
    let nobody = run(&["status", "--url", &url]);
    assert_eq!(nobody.status.code(), Some(2));
    let error = String::from_utf8(nobody.stderr).unwrap();
    assert!(
        error.contains(&format!("no agent answers at {url}")),
        "{error}"
    );
}

#[tokio::test]
async fn an_agent_that_never_ran_has_left_nothing() {
    let folder = TempDir::new().unwrap();
    let text = Setup {
        http: Some("127.0.0.1:1"),
        ..Setup::default()
    }
    .text(1, None);
    let config = crate::support::write(folder.path(), &text);
    let output = run(&["status", "--config", config.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("no agent has run there yet"), "{error}");
}

#[tokio::test]
async fn what_nobody_knows_after_a_kill_is_a_gap_and_a_journaled_source_has_none() {
    let plant = Mosquitto::start("").unwrap();
    let may_lose = [("journal = false", ""), ("", "qos = 0\n"), ("", "")];
    for (source, qos) in may_lose {
        let folder = TempDir::new().unwrap();
        let rules = Setup::default()
            .rules
            .replace("decoder =", &format!("{qos}decoder ="));
        let setup = Setup {
            source,
            rules: &rules,
            ..Setup::default()
        };
        let mut agent = ChildAgent::start(&setup, plant.port, None, folder.path()).await;
        Feeder::to(plant.port).send(&waves("m-1", 0..2, 20.0)).await;
        let stored = until("the books to be stored", async || {
            let books = Reader::open(&folder.path().join("data"))
                .ok()?
                .books()
                .ok()?;
            books.get("plant").map(|state| state.stored_at)
        })
        .await;
        agent.process.signal("-KILL");
        agent.process.wait(PATIENCE).unwrap();
        let before = status(folder.path()).1;
        assert_eq!(before["clean_stop"], false);
        let agent = ChildAgent::start(&setup, plant.port, None, folder.path()).await;
        let gaps = until("the gap to be shown", async || {
            let overview = agent.overview();
            let shown = overview["store"]["db_bytes"].as_u64().unwrap() > 0;
            shown.then(|| overview["gaps"].clone())
        })
        .await;
        let lost = !source.is_empty() || !qos.is_empty();
        assert_eq!(gaps["count"], u64::from(lost), "{source}{qos}");
        if lost {
            assert_eq!(gaps["last"]["source"], "plant");
            let since = gaps["last"]["since"].as_str().unwrap();
            assert!(since >= &*eyot::clock::rfc3339(stored), "{gaps}");
            assert!(
                table(folder.path()).contains("\ngaps          1; the last of source plant, 20")
            );
        }
    }
}

#[tokio::test]
async fn invariant_8_health_is_degraded_while_the_journal_cannot_be_written() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    // As with a full disk, writes beyond the limit fail; the signal that comes with that ends programs that do not
    // ignore it.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
    command.arg(eyot());
    let setup = Setup::default();
    let agent = ChildAgent::start_by(command, &setup, plant.port, None, folder.path()).await;
    let limit = |size: &str| {
        let pid = agent.process.pid().to_string();
        let set = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--fsize={size}:unlimited")])
            .status();
        assert!(set.unwrap().success());
    };
    let feeder = Feeder::to(plant.port);
    feeder.send(&[reading("m-1", 0, 1.0)]).await;
    until("the first reading", async || {
        (agent.books("readings").term("processed") == 1).then_some(())
    })
    .await;

    limit("16");
    feeder.send(&[reading("m-1", 100, 1.0)]).await;
    let health = until("the fault to be noticed", async || {
        let (code, status) = status(folder.path());
        let failing = !status["journal"]["failing"].is_null();
        failing.then_some((code, status["health"].clone()))
    })
    .await;
    let (code, health) = health;
    assert_eq!((code, &health["status"]), (1, &"degraded".into()));
    let reasons = health["reasons"].as_array().unwrap();
    let said = |reason: &Value| {
        reason
            .as_str()
            .unwrap()
            .starts_with("the journal cannot be written: ")
    };
    assert!(reasons.iter().any(said), "{reasons:?}");
    assert!(table(folder.path()).contains("; CANNOT BE WRITTEN: "));

    limit("unlimited");
    until("health", async || {
        (status(folder.path()).0 == 0).then_some(())
    })
    .await;
    until("the reading that had to wait", async || {
        (agent.books("readings").term("processed") == 2).then_some(())
    })
    .await;
}
