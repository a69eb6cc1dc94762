//! What outlives a connection and what does not.

use super::*;

#[tokio::test]
async fn a_session_outlives_the_process() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    for version in VERSIONS {
        let mut receiver = Connection::subscriber(version, mosquitto.port(), "stable");
        assert!(!receiver.connected().await.session_present);
        receiver.subscribe("a", QoS::AtLeastOnce).await;
        drop(receiver);

        let mut sender = Connection::publisher(version, mosquitto.port(), "sender");
        sender.connected().await;
        for n in 0..3u8 {
            sender.send("a", vec![n]).await.unwrap();
        }

        let mut receiver = Connection::subscriber(version, mosquitto.port(), "stable");
        assert!(receiver.connected().await.session_present);
        for n in 0..3u8 {
            assert_eq!(receiver.message().await.payload, vec![n]);
        }
        // The old subscription still stands, and whatever needs a packet identifier works again.
        receiver.subscribe("b", QoS::AtLeastOnce).await;
        receiver.send("a", "old").await.unwrap();
        assert_eq!(receiver.message().await.payload, "old");
        receiver.send("b", "new").await.unwrap();
        assert_eq!(receiver.message().await.payload, "new");
    }
}

#[tokio::test]
async fn a_clean_start_discards_the_session() {
    let Some(mosquitto) = Mosquitto::start() else {
        return;
    };
    for version in VERSIONS {
        let kept = Options::subscriber(broker(version, mosquitto.port(), "c"), 100);
        let clean = Options {
            clean: true,
            ..kept.clone()
        };
        Connection::open(&kept).connected().await;
        assert!(!Connection::open(&clean).connected().await.session_present);
        assert!(!Connection::open(&kept).connected().await.session_present);
    }
}

#[tokio::test]
async fn reconnects_and_counts_generations() {
    let Some(mut mosquitto) = Mosquitto::start() else {
        return;
    };
    for version in VERSIONS {
        let options = Options::subscriber(broker(version, mosquitto.port(), "g"), 100);
        let (_client, mut event_loop) = connect(&options).unwrap();
        assert_eq!(event_loop.generation(), 0);
        for generation in 1..=3 {
            assert!(matches!(
                soon(event_loop.poll()).await,
                Ok(Event::Connected(_))
            ));
            assert_eq!(event_loop.generation(), generation);
            mosquitto.kill();
            let lost = soon(event_loop.poll()).await.unwrap_err().to_string();
            let refused = soon(event_loop.poll()).await.unwrap_err().to_string();
            assert!(lost.ends_with("the connection was lost"), "{lost}");
            assert!(refused.contains("connection refused"), "{refused}");
            mosquitto.restart();
        }
    }
}

#[tokio::test]
async fn a_message_under_way_fails_when_the_broker_forgot_the_session() {
    let Some(mut mosquitto) = Mosquitto::start() else {
        return;
    };
    for version in VERSIONS {
        let options = Options::publisher(broker(version, mosquitto.port(), "p"), 10);
        let (client, mut event_loop) = connect(&options).unwrap();
        soon(event_loop.poll()).await.unwrap();
        let ack = client
            .publish_tracked("t", QoS::AtLeastOnce, false, Bytes::new())
            .await
            .unwrap();
        mosquitto.kill();
        soon(event_loop.poll()).await.unwrap_err();
        mosquitto.restart();
        soon(event_loop.poll()).await.unwrap();
        assert_eq!(soon(ack).await, Err(PublishError::Lost));
    }
}

#[tokio::test]
async fn a_message_under_way_survives_a_restart_of_the_broker_that_kept_the_session() {
    let config = "allow_anonymous true\npersistence true\npersistence_location {dir}/\n";
    let Some(mut mosquitto) = Mosquitto::with(config, &[]) else {
        return;
    };
    for version in VERSIONS {
        let options = Options::publisher(broker(version, mosquitto.port(), "p"), 10);
        let (client, mut event_loop) = connect(&options).unwrap();
        soon(event_loop.poll()).await.unwrap();
        let ack = client
            .publish_tracked("t", QoS::AtLeastOnce, false, Bytes::new())
            .await
            .unwrap();
        mosquitto.stop();
        soon(event_loop.poll()).await.unwrap_err();
        mosquitto.restart();
        let polling = tokio::spawn(async move {
            let first = event_loop.poll().await;
            assert!(matches!(
                first,
                Ok(Event::Connected(Connected {
                    session_present: true,
                    ..
                }))
            ));
            event_loop.poll().await
        });
        assert_eq!(soon(ack).await, Ok(()));
        polling.abort();
    }
}

#[test]
fn a_kept_session_needs_a_client_id() {
    let mut options = Options::subscriber(broker(MqttVersion::V3, 1883, "s"), 100);
    options.broker.client_id.clear();
    assert!(matches!(connect(&options), Err(MqttError::Options { .. })));
}
