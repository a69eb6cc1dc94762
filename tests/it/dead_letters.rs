//! What cannot be used: kept, rejected, counted or ignored, each for its reason and nothing else with it.

use std::process::Command;

use eyot_lab::mosquitto::Mosquitto;
use eyot_pipeline::ledger::{MessageFate, ReadingFate};
use tempfile::TempDir;

use crate::support::{Feeder, Setup, T0, reading, settled, start};

#[tokio::test]
async fn a_malformed_payload_is_kept_with_its_bytes_source_topic_and_reason() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let agent = start(&Setup::default(), plant.port, None, folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let raw = b"{\"v\": \xff\x00 1".to_vec();
    feeder
        .publish("plant/m-1/speed", raw.clone())
        .await
        .await
        .unwrap();
    feeder.send(&[reading("m-1", 0, 1.0)]).await;

    let book = settled(&agent, 2).await;
    assert_eq!(book.messages_with(MessageFate::DeadLetteredPayload), 1);
    assert_eq!(
        book.messages_with(MessageFate::Decoded),
        1,
        "the one behind it"
    );
    assert_eq!(book.readings_with(ReadingFate::Processed), 1);
    agent.store().flush().await.unwrap();
    let letters = agent.store().dead_letters(10).await.unwrap();
    let [letter] = &letters[..] else {
        panic!("{letters:?}")
    };
    assert_eq!(letter.source, "plant");
    assert_eq!(letter.topic, "plant/m-1/speed");
    assert_eq!(letter.reason, "payload");
    assert_eq!(letter.payload.as_deref(), Some(&raw[..]));
    assert_eq!(letter.payload_len, raw.len() as u64);
    assert!(
        letter
            .detail
            .starts_with("rule reading: not UTF-8: byte 0xff at position 7"),
        "{}",
        letter.detail
    );
}

#[tokio::test]
async fn a_long_one_is_cut_to_the_limit_and_its_length_kept() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let setup = Setup {
        limits: "dead_letter_bytes = 16",
        ..Setup::default()
    };
    let agent = start(&setup, plant.port, None, folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let ack = feeder.publish("plant/m-1/speed", vec![b'x'; 100_000]).await;
    ack.await.unwrap();
    settled(&agent, 1).await;
    agent.store().flush().await.unwrap();
    let letters = agent.store().dead_letters(10).await.unwrap();
    assert_eq!(letters[0].payload.as_deref(), Some(&[b'x'; 16][..]));
    assert_eq!(letters[0].payload_len, 100_000);
}

#[tokio::test]
async fn one_bad_field_rejects_its_own_reading_only() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let setup = Setup {
        rules: r#"
            [[source.rule]]
            name = "row"
            topic = "plant/{device}"
            decoder = "json"
            time = "ts"
            time_format = "unix_s"
            values = { flow = "flow", power = "power", heat = "heat" }
        "#,
        tables: "[class.channels]\nflow = { min = 0, max = 10 }\npower = {}\nheat = {}",
        ..Setup::default()
    };
    let agent = start(&setup, plant.port, None, folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let rows = [
        format!(r#"{{"ts": {T0}, "flow": "fast", "power": 5, "heat": 1}}"#),
        format!(r#"{{"ts": {T0}, "flow": 11, "power": [1, 2], "heat": 2}}"#),
        format!(r#"{{"ts": {T0}, "flow": 3, "power": null}}"#),
    ];
    for row in rows {
        feeder.publish("plant/m-1", row).await.await.unwrap();
    }
    let book = settled(&agent, 3).await;
    assert_eq!(book.messages_with(MessageFate::Decoded), 3);
    assert_eq!(book.readings, 8, "an absent field is no reading");
    assert_eq!(
        book.readings_with(ReadingFate::RejectedValue),
        2,
        "text and array"
    );
    assert_eq!(book.readings_with(ReadingFate::RejectedRange), 1);
    assert_eq!(book.readings_with(ReadingFate::MissingNull), 1, "null");
    assert_eq!(book.readings_with(ReadingFate::Processed), 4);
    agent.store().flush().await.unwrap();
    assert_eq!(agent.store().stats().await.unwrap().dead_letters.kept, 0);
}

#[tokio::test]
async fn times_that_cannot_be_true_reject_their_reading() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let setup = Setup {
        rules: &Setup::default()
            .rules
            .replace("value = ", "before_2000 = \"reject\"\nvalue = "),
        ..Setup::default()
    };
    let agent = start(&setup, plant.port, None, folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let year = 366 * 24 * 3_600 * 1_000;
    let now = eyot::clock::now().0 / 1_000_000 - T0 * 1_000;
    let mut messages = vec![
        reading("m-1", now + year, 1.0),
        reading("m-1", -27 * year, 1.0),
        reading("m-1", 0, 1.0),
    ];
    messages.push((
        "plant/m-1/speed".into(),
        r#"{"ts": "yesterday", "v": 1}"#.into(),
    ));
    feeder.send(&messages).await;
    let book = settled(&agent, 4).await;
    for fate in [
        ReadingFate::RejectedFuture,
        ReadingFate::RejectedPast,
        ReadingFate::RejectedTime,
        ReadingFate::Processed,
    ] {
        assert_eq!(book.readings_with(fate), 1, "{fate:?}: {book:?}");
    }
}

#[tokio::test]
async fn what_nobody_asked_for_is_counted_and_no_dead_letter() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let agent = start(&Setup::default(), plant.port, None, folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let messages = [
        (
            "plant/m-1/speed",
            r#"{"ts": 1767225600000, "v": 1, "serial": "x", "rssi": -70}"#,
        ),
        ("plant/m-1/colour", r#"{"v": 1}"#),
        ("plant/m-1/speed", r#"{"serial": "x"}"#),
        ("plant/stranger/speed", r#"{"v": 1}"#),
    ];
    for (topic, payload) in messages {
        feeder.publish(topic, payload).await.await.unwrap();
    }
    let book = settled(&agent, 4).await;
    assert_eq!(book.messages_with(MessageFate::Decoded), 1);
    assert_eq!(
        book.messages_with(MessageFate::IgnoredUnmapped),
        2,
        "no such channel, no value"
    );
    assert_eq!(book.messages_with(MessageFate::IgnoredNoClass), 1);
    assert_eq!(
        book.unmapped_fields, 4,
        "serial, rssi, the value of colour, serial"
    );
    assert_eq!(book.readings_with(ReadingFate::Processed), 1);
    agent.store().flush().await.unwrap();
    assert_eq!(agent.store().stats().await.unwrap().dead_letters.kept, 0);
}

#[tokio::test]
async fn retained_messages_are_taken_with_a_time_of_their_own_or_as_configured() {
    let plant = Mosquitto::start("").unwrap();
    let (topic, payload) = reading("m-1", 0, 1.0);
    let retained = Command::new("mosquitto_pub")
        .args([
            "-p",
            &plant.port.to_string(),
            "-r",
            "-t",
            &topic,
            "-m",
            &payload,
        ])
        .status();
    assert!(retained.unwrap().success());
    for (source, fate) in [
        ("", MessageFate::Decoded),
        ("retained = \"skip\"", MessageFate::IgnoredRetained),
    ] {
        let folder = TempDir::new().unwrap();
        let setup = Setup {
            source,
            ..Setup::default()
        };
        let agent = start(&setup, plant.port, None, folder.path()).await;
        let book = settled(&agent, 1).await;
        assert_eq!(book.messages_with(fate), 1, "{source}: {book:?}");
        agent.stop().await.unwrap();
    }
}

#[tokio::test]
async fn devices_beyond_the_limit_are_rejected_and_the_known_ones_go_on() {
    let plant = Mosquitto::start("").unwrap();
    let folder = TempDir::new().unwrap();
    let setup = Setup {
        limits: "devices = 2",
        ..Setup::default()
    };
    let agent = start(&setup, plant.port, None, folder.path()).await;
    let feeder = Feeder::to(plant.port);
    let devices = ["m-1", "m-2", "m-3", "m-4", "m-1"];
    let messages: Vec<_> = (0..)
        .zip(devices)
        .map(|(n, device)| reading(device, n, 1.0))
        .collect();
    feeder.send(&messages).await;
    let book = settled(&agent, 5).await;
    assert_eq!(book.readings_with(ReadingFate::RejectedDeviceLimit), 2);
    assert_eq!(book.readings_with(ReadingFate::Processed), 3);
}
