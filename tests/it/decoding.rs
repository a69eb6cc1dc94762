//! What real devices send, through a real broker: profiles, assets, liveness, what a source publishes,
//! and subscriptions that follow the configuration.

use std::path::Path;

use eyot::app::{Agent, Builder};
use eyot::config::Config;
use eyot_lab::collector::Collector;
use eyot_lab::mosquitto::Mosquitto;
use eyot_pipeline::ledger::{Lane, MessageFate, ReadingFate};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Feeder, PATIENCE, records, run, second, settled, subscribed, until};

/// An agent with one source, `plant`, and what `text` adds to it.
async fn start(port: u16, text: &str, folder: &Path) -> Agent {
    let text = format!(
        "[agent]\nname = \"gateway\"\ndata_dir = \"data\"\n[http]\nenabled = false\n\
         [[source]]\nname = \"plant\"\nurl = \"mqtt://127.0.0.1:{port}\"\n{text}\n"
    );
    let config = Config::parse(&text, "test.toml", folder);
    let config = config.unwrap_or_else(|faults| panic!("{faults}\n{text}"));
    subscribed(Builder::new(config)).await
}

fn names(agent: &Agent) -> Vec<String> {
    let mut names: Vec<_> = agent.view().devices().into_iter().map(|d| d.name).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_profile_alone_makes_devices_and_no_ghosts() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let agent = start(plant.port, "profile = \"zigbee2mqtt\"", folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let dump = [
        ("zigbee2mqtt/bridge/state", r#"{"state":"online"}"#),
        (
            "zigbee2mqtt/bridge/info",
            r#"{"version":"2.1.0","coordinator":{"type":"EZSP"}}"#,
        ),
        (
            "zigbee2mqtt/bridge/devices",
            r#"[{"ieee_address":"0x00","friendly_name":"Coordinator"}]"#,
        ),
        (
            "zigbee2mqtt/kitchen",
            r#"{"temperature":21.5,"humidity":40,"linkquality":60,"battery":100}"#,
        ),
        ("zigbee2mqtt/hall", r#"{"occupancy":true,"illuminance":24}"#),
    ];
    for (topic, payload) in dump {
        feeder.publish(topic, payload).await.await.unwrap();
    }
    // The last one is a device's, so the bridge's topics have passed.
    let book = until("both devices", async || {
        let book = agent.ledger().books()[0].snapshot();
        (book.messages_with(MessageFate::Decoded) == 2 && book.readings_in_flight == 0)
            .then_some(book)
    })
    .await;
    assert_eq!(names(&agent), ["hall", "kitchen"]);
    assert_eq!(book.messages_with(MessageFate::DeadLetteredPayload), 0);
    assert_eq!(book.readings_with(ReadingFate::Processed), 6, "{book:?}");
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn channels_of_several_senders_are_one_asset() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let text = r#"
        [[source.rule]]
        name = "reading"
        topic = "{device}/{channel}"
        value = "v"
        time = "at"

        [[asset]]
        name = "press"
        channels = [
            { device = "plc", channel = "force" },
            { device = "node-7", channel = "x", as = "vibration" },
        ]

        [[class]]
        name = "any"
        devices = ["*"]
        window = "1s"
        out_of_orderness = "0s"
    "#;
    let agent = start(plant.port, text, folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let at = |ms| format!(r#"{{"v": 1, "at": "{}"}}"#, second(ms));
    for time in [0, 1] {
        for topic in ["plc/force", "node-7/x", "node-7/temperature"] {
            feeder.publish(topic, at(time)).await.await.unwrap();
        }
    }
    settled(&agent, 6).await;
    assert_eq!(names(&agent), ["node-7", "press"]);
    agent.store().flush().await.unwrap();
    let summaries = records(&agent, Lane::Summary).await;
    let of_press: Vec<&Value> = summaries
        .iter()
        .filter(|r| r["device"] == "press")
        .collect();
    let channels = of_press[0]["channels"].as_object().unwrap();
    assert_eq!(channels.keys().collect::<Vec<_>>(), ["force", "vibration"]);
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_last_will_takes_a_device_offline_at_once() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let text = r#"
        [[source.rule]]
        name = "will"
        topic = "{device}/status"
        decoder = "value"
        liveness = { online = ["online"], offline = ["offline"] }

        [[source.rule]]
        name = "value"
        topic = "{device}/{channel}"
        decoder = "value"
    "#;
    let agent = start(plant.port, text, folder.path()).await;
    let feeder = Feeder::to(plant.port);
    for (topic, payload) in [
        ("m-1/flow", "3.5"),
        ("m-1/status", "online"),
        ("ghost/status", "offline"),
    ] {
        feeder.publish(topic, payload).await.await.unwrap();
    }
    settled(&agent, 3).await;
    assert_eq!(names(&agent), ["m-1"], "a will makes nobody known");
    assert_eq!(agent.view().devices()[0].online, Some(true));
    feeder.publish("m-1/status", "Offline").await.await.unwrap();
    settled(&agent, 4).await;
    assert_eq!(agent.view().devices()[0].online, Some(false));
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn after_a_config_change_the_old_subscription_goes_although_the_broker_has_the_session() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let rule = |topic: &str| {
        format!(
            "[[source.rule]]\nname = \"r\"\ntopic = \"{topic}/{{device}}/{{channel}}\"\ndecoder = \"value\""
        )
    };
    let agent = start(plant.port, &rule("tele"), folder.path()).await;
    let feeder = Feeder::to(plant.port);
    feeder.publish("tele/a/t", "1").await.await.unwrap();
    settled(&agent, 1).await;
    agent.stop().await.unwrap();

    let agent = start(plant.port, &rule("stat"), folder.path()).await;
    // The broker takes the unsubscription when it comes to it.
    until("silence from the old topic", async || {
        let before = agent.ledger().books()[0].snapshot();
        feeder.publish("tele/a/t", "2").await.await.unwrap();
        feeder.publish("stat/a/t", "3").await.await.unwrap();
        let after = until("the message behind it", async || {
            let book = agent.ledger().books()[0].snapshot();
            (book.messages_with(MessageFate::Decoded) > before.messages_with(MessageFate::Decoded))
                .then_some(book)
        })
        .await;
        (after.messages - before.messages == 1).then_some(())
    })
    .await;
    agent.stop().await.unwrap();
}

#[tokio::test]
async fn a_source_publishes_what_its_configuration_says_and_no_more() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let heard = Collector::start(plant.port, "#").await.unwrap();
    // A Sparkplug node whose birth nobody has heard.
    let data = "08a28af6a8a02b12161001188a9ef2a8a02b200a2801690000000000004e401804";
    let data: Vec<u8> = (0..data.len() / 2)
        .map(|i| u8::from_str_radix(&data[2 * i..2 * i + 2], 16).unwrap())
        .collect();
    let rule = "[[source.rule]]\nname = \"data\"\ntopic = \"spBv1.0/{group}/DDATA/{node}/{device}\"\n\
                decoder = \"sparkplug\"\neach = \"metrics[*]\"\nchannel = \"{name}\"\nvalue = \"value\"\n";
    let asked = |collected: &eyot_lab::collector::Collected| {
        collected
            .rubbish
            .iter()
            .any(|line| line.starts_with("spBv1.0/plant/NCMD/node"))
    };
    for (rebirth, expected) in [(false, false), (true, true)] {
        let text = format!(
            "rebirth = {rebirth}\npublish = [{{ topic = \"R/portal/keepalive\", every = \"1s\" }}]\n{rule}"
        );
        let agent = start(plant.port, &text, folder.path()).await;
        let feeder = Feeder::to(plant.port);
        let topic = "spBv1.0/plant/DDATA/node/pump";
        feeder.publish(topic, data.clone()).await.await.unwrap();
        let keepalives = |c: &eyot_lab::collector::Collected| {
            c.rubbish
                .iter()
                .any(|line| line.starts_with("R/portal/keepalive"))
        };
        heard
            .wait_until("the keepalive", PATIENCE, |c| {
                keepalives(c) && asked(c) == expected
            })
            .await
            .unwrap();
        agent.stop().await.unwrap();
    }
}

#[test]
fn decode_says_what_a_message_comes_to_or_why_not() {
    let folder = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let message = file(
        "message.json",
        r#"{"temperature": 21.5, "linkquality": 60}"#,
    );
    let topic = "zigbee2mqtt/kitchen";
    let said = run(&[
        "decode",
        "--profile",
        "zigbee2mqtt",
        "--topic",
        topic,
        "--json",
        &message,
    ]);
    assert!(said.status.success());
    let lines: Vec<Value> = String::from_utf8(said.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["kind"], "reading");
    assert_eq!(lines[0]["device"], "kitchen");
    assert_eq!(lines[0]["channel"], "temperature");
    assert_eq!(lines[0]["value"], 21.5);
    assert_eq!(lines[0]["time_from"], "arrival");

    let config = file(
        "eyot.toml",
        "[[source]]\nname = \"s\"\n[[source.rule]]\nname = \"r\"\ntopic = \"{device}\"\nvalues = { t = \"t\" }\n",
    );
    let bad = file("bad.json", "{\"t\": ");
    let said = run(&[
        "decode", "--config", &config, "--topic", "m", "--json", &bad,
    ]);
    assert!(!said.status.success());
    let line: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(line["kind"], "dead_letter");
    assert!(
        line["reason"].as_str().unwrap().contains("column 6"),
        "{line}"
    );

    let dump = file(
        "dump.jsonl",
        "{\"topic\": \"m\", \"payload\": \"{\\\"t\\\": 1}\", \"at\": \"2026-01-01T00:00:00Z\"}\n",
    );
    let said = run(&["decode", "--config", &config, "--dump", &dump]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("2026-01-01T00:00:00Z (arrival)"), "{said}");
}

#[test]
fn the_schema_of_the_configuration_is_printed() {
    let said = run(&["schema"]);
    let schema: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(schema["title"], "Eyot");
    assert!(schema["$defs"]["Rule"]["properties"]["each"].is_object());
}
