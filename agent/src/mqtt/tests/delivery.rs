//! Messages, subscriptions and what becomes of them.

use super::*;

#[tokio::test]
async fn messages_arrive_whole_and_in_order() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    for version in VERSIONS {
        let mut receiver = Connection::subscriber(version, mosquitto.port(), "in");
        assert!(!receiver.connected().await.session_present);
        receiver.subscribe("plant/+/temp", QoS::AtLeastOnce).await;
        let mut sender = Connection::publisher(version, mosquitto.port(), "out");
        sender.connected().await;

        // Not a power of two, and well beyond one burst. Few enough for the broker's queue.
        for n in 0..300u32 {
            let qos = if n % 2 == 0 {
                QoS::AtMostOnce
            } else {
                QoS::AtLeastOnce
            };
            let payload = Bytes::from(n.to_string());
            sender
                .client
                .publish("plant/7/temp", qos, false, payload)
                .await
                .unwrap();
        }
        let mut seen = [Vec::new(), Vec::new()];
        for _ in 0..300 {
            let message = receiver.message().await;
            assert_eq!(message.topic, "plant/7/temp");
            assert_eq!(message.pkid == 0, message.qos == QoS::AtMostOnce);
            assert!(!message.retain && !message.dup);
            let n: u32 = std::str::from_utf8(&message.payload)
                .unwrap()
                .parse()
                .unwrap();
            seen[message.qos as usize].push(n);
        }
        // MQTT keeps order within a QoS only.
        assert!(seen[0].iter().copied().eq((0..300).step_by(2)));
        assert!(seen[1].iter().copied().eq((1..300).step_by(2)));
    }
}

#[tokio::test]
async fn payloads_up_to_the_limit_pass() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    for version in VERSIONS {
        let mut both = Connection::publisher(version, mosquitto.port(), "big");
        both.connected().await;
        both.subscribe("big", QoS::AtLeastOnce).await;
        let payload = vec![7; 900_000];
        both.send("big", payload.clone()).await.unwrap();
        assert_eq!(both.message().await.payload, payload);
    }
}

#[tokio::test]
async fn a_packet_beyond_the_limit_ends_the_connection() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    // An MQTT 5 broker would not even send it.
    let options = Options {
        max_packet_size: 200,
        ..Options::subscriber(broker(MqttVersion::V3, mosquitto.port(), "small"), 100)
    };
    let mut receiver = Connection::open(&options);
    receiver.connected().await;
    receiver.subscribe("big", QoS::AtMostOnce).await;
    let mut sender = Connection::publisher(MqttVersion::V3, mosquitto.port(), "out");
    sender.connected().await;
    sender.send("big", vec![7; 300]).await.unwrap();
    assert!(matches!(receiver.cause().await, Cause::Protocol(_)));
}

#[tokio::test]
async fn a_retained_message_is_marked() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    for version in VERSIONS {
        let mut both = Connection::publisher(version, mosquitto.port(), "r");
        both.connected().await;
        let payload = Bytes::from_static(b"old");
        let ack = both
            .client
            .publish_tracked("r", QoS::AtLeastOnce, true, payload)
            .await
            .unwrap();
        soon(ack).await.unwrap();
        both.subscribe("r", QoS::AtMostOnce).await;
        assert!(both.message().await.retain);
    }
}

/// Where a broker tells what it had to drop. Only a filter that starts with `$SYS` sees it.
#[tokio::test]
async fn what_the_broker_dropped_can_be_read() {
    const DROPPED: &str = "$SYS/broker/publish/messages/dropped";

    let config = "allow_anonymous true\nsys_interval 1\n";
    let Some(mosquitto) = Mosquitto::with(config, &[]) else {
        return;
    };
    for version in VERSIONS {
        let options = Options::journaled_subscriber(broker(version, mosquitto.port(), "sys"), 100);
        let mut receiver = Connection::open(&options);
        receiver.connected().await;
        receiver.subscribe(DROPPED, QoS::AtLeastOnce).await;
        let message = receiver.message().await;
        assert_eq!(message.topic, DROPPED);
        assert_eq!(message.payload, "0");
    }
}

#[tokio::test]
async fn a_will_is_kept_by_the_broker_for_whoever_asks_later() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    for version in VERSIONS {
        let topic = format!("status/{version:?}");
        let options = Options {
            will: Some(Will {
                topic: topic.clone(),
                payload: Bytes::from_static(b"gone"),
                qos: QoS::AtLeastOnce,
                retain: true,
            }),
            ..Options::publisher(broker(version, mosquitto.port(), "mortal"), 10)
        };
        let mut watcher = Connection::subscriber(version, mosquitto.port(), "watcher");
        watcher.connected().await;
        watcher.subscribe(&topic, QoS::AtLeastOnce).await;

        // An orderly end revokes it.
        let mut mortal = Connection::open(&options);
        mortal.connected().await;
        mortal.send(&topic, "bye").await.unwrap();
        mortal.client.disconnect().await.unwrap();
        assert_eq!(watcher.message().await.payload, "bye");

        let mut mortal = Connection::open(&options);
        mortal.connected().await;
        mortal.send(&topic, "here").await.unwrap();
        assert_eq!(watcher.message().await.payload, "here");
        drop(mortal);
        let will = watcher.message().await;
        assert_eq!((will.payload, will.retain), ("gone".into(), false));

        let mut late = Connection::subscriber(version, mosquitto.port(), "late");
        late.connected().await;
        late.subscribe(&topic, QoS::AtLeastOnce).await;
        let will = late.message().await;
        assert_eq!((will.payload, will.retain), ("gone".into(), true));
    }
}

#[test]
fn a_will_needs_a_topic_that_can_be_published_to() {
    for version in VERSIONS {
        let options = Options {
            will: Some(Will {
                topic: "status/#".to_owned(),
                payload: Bytes::new(),
                qos: QoS::AtMostOnce,
                retain: false,
            }),
            ..Options::publisher(broker(version, free_port(), "p"), 10)
        };
        let refused = connect(&options);
        assert!(matches!(refused, Err(MqttError::Topic { topic }) if topic == "status/#"));
    }
}

#[tokio::test]
async fn an_ack_fails_when_the_event_loop_is_dropped() {
    for version in VERSIONS {
        let options = Options::publisher(broker(version, free_port(), "p"), 10);
        let (client, event_loop) = connect(&options).unwrap();
        let ack = client
            .publish_tracked("t", QoS::AtLeastOnce, false, Bytes::new())
            .await
            .unwrap();
        let sub = client.subscribe(&[("t", QoS::AtLeastOnce)]).await.unwrap();
        drop(event_loop);
        assert_eq!(soon(ack).await, Err(PublishError::Lost));
        assert_eq!(soon(sub).await, Err(SubscribeError::Lost));
        let after = client
            .publish("t", QoS::AtMostOnce, false, Bytes::new())
            .await;
        assert!(matches!(after, Err(MqttError::Closed)));
    }
}

#[tokio::test]
async fn disconnecting_waits_for_what_is_under_way() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    for version in VERSIONS {
        let mut sender = Connection::publisher(version, mosquitto.port(), "p");
        sender.connected().await;
        let payload = Bytes::from_static(b"last words");
        let ack = sender
            .client
            .publish_tracked("t", QoS::AtLeastOnce, false, payload)
            .await
            .unwrap();
        sender.client.disconnect().await.unwrap();
        assert!(matches!(sender.event().await, Err(MqttError::Closed)));
        assert_eq!(soon(ack).await, Ok(()));
    }
}

#[tokio::test]
async fn a_refused_message_names_the_reason() {
    let config = "allow_anonymous true\nacl_file {dir}/acl\n";
    let Some(mosquitto) = Mosquitto::with(config, &[("acl", b"topic read #\n")]) else {
        return;
    };
    let mut sender = Connection::publisher(MqttVersion::V5, mosquitto.port(), "p");
    sender.connected().await;
    let refused = sender.send("secret", "x").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "refused by the broker with reason 0x87 (NotAuthorized)"
    );
}

#[tokio::test]
async fn a_message_beyond_the_brokers_limit_is_not_queued() {
    let config = "allow_anonymous true\nmax_packet_size 1000\n";
    let Some(mosquitto) = Mosquitto::with(config, &[]) else {
        return;
    };
    let mut sender = Connection::publisher(MqttVersion::V5, mosquitto.port(), "p");
    assert_eq!(sender.connected().await.max_packet_size, 1000);
    let payload = Bytes::from(vec![0; 1000]);
    let refused = sender
        .client
        .publish("t", QoS::AtLeastOnce, false, payload)
        .await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        r#"a message of 1011 bytes to topic "t" exceeds the broker's limit of 1000"#
    );
    // The largest that passes the check passes the broker too.
    sender.send("t", vec![0; 989]).await.unwrap();
}

#[tokio::test]
async fn malformed_topics_are_not_queued() {
    for version in VERSIONS {
        let options = Options::publisher(broker(version, free_port(), "p"), 10);
        let (client, _event_loop) = connect(&options).unwrap();
        let topic = client
            .publish("a/#", QoS::AtMostOnce, false, Bytes::new())
            .await;
        assert!(matches!(topic, Err(MqttError::Topic { topic }) if topic == "a/#"));
        let filter = client.subscribe(&[("a/#/b", QoS::AtMostOnce)]).await;
        assert!(matches!(filter, Err(MqttError::Filter { filters }) if filters == ["a/#/b"]));
    }
}

#[tokio::test]
async fn a_refused_subscription_names_its_filters() {
    for version in VERSIONS {
        let (port, stream) = fake_broker(connack(version)).await;
        let mut receiver = Connection::subscriber(version, port, "s");
        receiver.connected().await;
        let filters = [("open/#", QoS::AtLeastOnce), ("secret/#", QoS::AtLeastOnce)];
        let ack = receiver.client.subscribe(&filters).await.unwrap();

        let mut stream = stream.await.unwrap();
        let request = read_packet(&mut stream).await;
        let (reason, suback) = match version {
            MqttVersion::V3 => ("Failure", vec![0x90, 4, request[0], request[1], 1, 0x80]),
            MqttVersion::V5 => (
                "NotAuthorized",
                vec![0x90, 5, request[0], request[1], 0, 1, 0x87],
            ),
        };
        stream.write_all(&suback).await.unwrap();
        let refused = soon(ack).await.unwrap_err();
        assert_eq!(
            refused,
            SubscribeError::Refused(vec![Refusal {
                filter: "secret/#".to_owned(),
                reason: reason.to_owned(),
            }])
        );
        assert!(refused.to_string().contains("secret/# ("));
    }
}
