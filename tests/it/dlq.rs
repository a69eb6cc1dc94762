//! `eyot dlq`: dead letters looked at, published again, dropped and exported, with an agent and without.

use std::fs;
use std::path::Path;

use eyot_lab::mosquitto::Mosquitto;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{ChildAgent, Feeder, Setup, reading, run, until};

/// `eyot dlq` with the configuration in `folder`: whether it succeeded, and what it said.
fn dlq(folder: &Path, arguments: &[&str]) -> (bool, String, String) {
    let config = folder.join("eyot.toml");
    let config = ["dlq", "--config", config.to_str().unwrap()];
    let output = run(&[&config, arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn list(folder: &Path) -> Vec<Value> {
    let (_, text, error) = dlq(folder, &["list", "--json"]);
    let letters: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{error}"));
    letters.as_array().unwrap().clone()
}

#[expect(
    clippy::too_many_lines,
    reason = "one story, told once, since an agent takes its time"
)]
#[tokio::test]
async fn dead_letters_are_listed_shown_dropped_replayed_and_exported() {
    const SETUP: Setup<'static> = Setup {
        limits: "dead_letter_bytes = 64",
        store: "",
        http: None,
        host: "mqtt://127.0.0.1",
        source: "",
        rules: "",
        window: "\"1s\"",
        class: "",
        tables: "[class.channels]\nspeed = {}",
        uplink: "",
    };
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let right = Setup::default().rules;
    let wrong = right.replace("decoder =", "required = [\"serial\"]\ndecoder =");
    let setup = Setup {
        rules: &wrong,
        ..SETUP
    };
    let mut agent = ChildAgent::start(&setup, plant.port, None, folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let (topic, payload) = reading("m-1", 0, 21.5);
    feeder
        .send(&[
            (topic.clone(), payload.clone()),
            (topic.clone(), payload.clone()),
        ])
        .await;
    feeder
        .publish(&topic, b"{\"v\": \xff\x1b[2J".to_vec())
        .await
        .await
        .unwrap();
    feeder
        .publish("plant/m-2/speed", "x".repeat(100))
        .await
        .await
        .unwrap();
    until("all of them to be dead letters", async || {
        (agent.books("messages").term("dead_lettered") == 4).then_some(())
    })
    .await;
    until("them to be stored", async || {
        (agent.overview()["store"]["dead_letters"] == 3).then_some(())
    })
    .await;

    // While the agent runs, and from another process.
    let letters = list(folder.path());
    let ids: Vec<String> = letters
        .iter()
        .map(|letter| letter["id"].to_string())
        .collect();
    let [cut, binary, good] = &ids[..] else {
        panic!("{letters:?}")
    };
    assert_eq!(letters[2]["count"], 2);
    assert_eq!(letters[2]["payload"], json!(payload));
    assert_eq!(letters[1]["payload_hex"], "7b2276223a20ff1b5b324a");
    assert_eq!(
        (&letters[0]["cut"], &letters[0]["payload_len"]),
        (&json!(true), &json!(100))
    );
    let (_, text, _) = dlq(folder.path(), &["list", "--limit", "2"]);
    assert!(text.contains("plant  plant/m-1/speed  payload: "), "{text}");
    assert!(text.contains("{\\\"v\\\": \\xff\\x1b[2J"), "{text}");
    assert!(
        text.ends_with("2 of 3 dead letters; 0 evicted, 0 dropped, 0 replayed so far\n"),
        "{text}"
    );
    let (_, text, _) = dlq(folder.path(), &["show", binary]);
    assert!(
        text.contains("\n00000000  7b 22 76 22 3a 20 ff 1b 5b 32 4a"),
        "{text}"
    );
    let (ok, _, error) = dlq(folder.path(), &["show", "999"]);
    assert!(
        !ok && error.contains("there is no dead letter 999"),
        "{error}"
    );
    let (ok, text, error) = dlq(folder.path(), &["drop", binary]);
    assert!(ok, "{error}");
    assert_eq!(text, "dropped 1 dead letters of 1 messages\n");

    // Replayed under the same configuration they come back, and none is lost.
    let (ok, _, error) = dlq(folder.path(), &["replay", good]);
    assert!(ok, "{error}");
    until("it to come back", async || {
        let back = list(folder.path())
            .iter()
            .any(|l| l["payload"] == json!(payload) && l["count"] == 1);
        back.then_some(())
    })
    .await;

    agent.stop();
    let (ok, _, error) = dlq(folder.path(), &["replay", "--all"]);
    assert!(!ok && error.contains("the agent is not running"), "{error}");
    assert_eq!(list(folder.path()).len(), 2, "nothing has left");

    // Under a configuration that can read them they do what they would have done.
    let setup = Setup {
        rules: right,
        ..SETUP
    };
    let agent = ChildAgent::start(&setup, plant.port, None, folder.path()).await;
    let (ok, text, _) = dlq(folder.path(), &["replay", "--all"]);
    assert!(!ok, "one is left");
    assert!(
        text.starts_with("replayed 1 dead letters of 1 messages\n"),
        "{text}"
    );
    let why = format!("left {cut}: only the first 64 of its 100 bytes were kept");
    assert!(text.contains(&why), "{text}");
    until("the reading", async || {
        (agent.books("readings").term("processed") == 1).then_some(())
    })
    .await;

    let file = folder.path().join("letters.jsonl");
    let (ok, _, error) = dlq(folder.path(), &["export", file.to_str().unwrap()]);
    assert!(ok && error.contains("1 of them are cut"), "{error}");
    let line: Value = serde_json::from_str(fs::read_to_string(&file).unwrap().trim()).unwrap();
    assert_eq!(
        (&line["topic"], &line["payload_len"]),
        (&json!("plant/m-2/speed"), &json!(100))
    );
    let decoded = run(&[
        "decode",
        "--config",
        folder.path().join("eyot.toml").to_str().unwrap(),
        "--dump",
        file.to_str().unwrap(),
    ]);
    let text = String::from_utf8_lossy(&decoded.stdout).into_owned();
    assert!(text.starts_with("dead_letter"), "{text}");

    let (ok, text, _) = dlq(folder.path(), &["drop", "--reason", "payload", "--json"]);
    assert!(ok);
    assert_eq!(text.trim(), r#"{"dropped":{"letters":1,"messages":1}}"#);
    // In the books they are what they were, and all of them are explained.
    let store = until("the counts", async || {
        let store = agent.overview()["store"].clone();
        (store["dead_letters"] == 0).then_some(store)
    })
    .await;
    assert_eq!(store["dead_letters_dropped"], 2);
    assert_eq!(store["dead_letters_replayed"], 3);
    assert_eq!(agent.books("messages").term("dead_lettered"), 5);
    assert_eq!(agent.books("messages").difference(), 0);
}
