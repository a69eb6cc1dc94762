//! Acknowledging by hand.

use std::sync::mpsc as blocking;
use std::thread;

use super::*;

/// What mosquitto has under way by default.
const WINDOW: usize = 20;

const CONFIG: &str = "allow_anonymous true\nmax_queued_messages 0\n";

fn journaled(version: MqttVersion, port: u16, client_id: &str) -> Connection {
    let window = u16::try_from(WINDOW).unwrap();
    Connection::open(&Options::journaled_subscriber(
        broker(version, port, client_id),
        window,
    ))
}

/// A receiver that is subscribed to `data` and to `marker`, and a sender.
async fn pair(version: MqttVersion, port: u16, via: u16) -> (Connection, Connection) {
    let mut receiver = journaled(version, via, "in");
    receiver.connected().await;
    receiver.subscribe("data", QoS::AtLeastOnce).await;
    receiver.subscribe("marker", QoS::AtMostOnce).await;
    let mut sender = Connection::publisher(version, port, "out");
    sender.connected().await;
    (receiver, sender)
}

async fn send(sender: &Connection, numbers: std::ops::Range<usize>) {
    for n in numbers {
        sender.send("data", n.to_string()).await.unwrap();
    }
}

/// Receives messages with these numbers, and tells what acknowledges them.
async fn receive(
    receiver: &mut Connection,
    numbers: std::ops::Range<usize>,
    dup: bool,
) -> Vec<AckToken> {
    let mut tokens = Vec::new();
    for n in numbers {
        let message = receiver.message().await;
        assert_eq!(message.topic, "data");
        assert_eq!(message.payload, n.to_string());
        assert_eq!(message.dup, dup);
        tokens.push(message.ack.expect("a token with QoS 1"));
    }
    tokens
}

/// Nothing more arrives: the window holds back `QoS` 1 but not `QoS` 0, and this one overtakes what is held back.
async fn nothing_more(receiver: &mut Connection, sender: &Connection) {
    // Once this is answered, the broker has read every acknowledgement that was written before.
    receiver.subscribe("marker", QoS::AtMostOnce).await;
    sender.send("marker", "").await.unwrap();
    let message = receiver.message().await;
    assert_eq!(message.topic, "marker", "{message:?}");
    assert_eq!(message.ack, None);
}

#[tokio::test]
async fn nothing_is_acknowledged_by_itself() {
    let Some(mosquitto) = Mosquitto::with(CONFIG, &[]) else {
        return;
    };
    for version in VERSIONS {
        let (mut receiver, sender) = pair(version, mosquitto.port(), mosquitto.port()).await;
        send(&sender, 0..WINDOW + 2).await;
        let tokens = receive(&mut receiver, 0..WINDOW, false).await;
        nothing_more(&mut receiver, &sender).await;

        let acker = receiver.client.acker().unwrap();
        acker.ack(&[]);
        nothing_more(&mut receiver, &sender).await;
        acker.ack(&tokens[..2]);
        receive(&mut receiver, WINDOW..WINDOW + 2, false).await;
    }
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again() {
    let Some(mosquitto) = Mosquitto::with(CONFIG, &[]) else {
        return;
    };
    for version in VERSIONS {
        let (mut receiver, sender) = pair(version, mosquitto.port(), mosquitto.port()).await;
        send(&sender, 0..WINDOW + 3).await;
        let tokens = receive(&mut receiver, 0..WINDOW, false).await;
        receiver.client.acker().unwrap().ack(&tokens[..3]);
        // That these have come means that the acknowledgements have arrived.
        receive(&mut receiver, WINDOW..WINDOW + 3, false).await;
        drop(receiver);

        let mut receiver = journaled(version, mosquitto.port(), "in");
        assert!(receiver.connected().await.session_present);
        let tokens = receive(&mut receiver, 3..WINDOW + 3, true).await;
        nothing_more(&mut receiver, &sender).await;
        receiver.client.acker().unwrap().ack(&tokens);
        send(&sender, WINDOW + 3..WINDOW + 4).await;
        receive(&mut receiver, WINDOW + 3..WINDOW + 4, false).await;
    }
}

#[tokio::test]
async fn tokens_of_a_lost_connection_do_nothing() {
    let Some(mosquitto) = Mosquitto::with(CONFIG, &[]) else {
        return;
    };
    for version in VERSIONS {
        let cable = Cable::to(mosquitto.port()).await;
        let (mut receiver, sender) = pair(version, mosquitto.port(), cable.port).await;
        let acker = receiver.client.acker().unwrap();
        send(&sender, 0..WINDOW + 2).await;
        let old = receive(&mut receiver, 0..WINDOW, false).await;

        cable.cut();
        assert_eq!(receiver.cause().await, Cause::Lost);
        // Between two connections.
        acker.ack(&old[..5]);
        assert!(receiver.connected().await.session_present);
        let new = receive(&mut receiver, 0..WINDOW, true).await;
        acker.ack(&old);
        nothing_more(&mut receiver, &sender).await;
        // In one call with old ones, only the new ones count.
        acker.ack(&[old[2], new[0], old[3], new[1], old[4]]);
        receive(&mut receiver, WINDOW..WINDOW + 2, false).await;
        nothing_more(&mut receiver, &sender).await;
    }
}

/// The broker counts packet identifiers from 1 again: an old acknowledgement would lose a new message.
#[tokio::test]
async fn tokens_of_a_forgotten_session_do_nothing() {
    for version in VERSIONS {
        let Some(mut mosquitto) = Mosquitto::with(CONFIG, &[]) else {
            return;
        };
        let (mut receiver, sender) = pair(version, mosquitto.port(), mosquitto.port()).await;
        let acker = receiver.client.acker().unwrap();
        send(&sender, 0..WINDOW).await;
        let old = receive(&mut receiver, 0..WINDOW, false).await;
        drop(sender);
        mosquitto.kill();
        assert_eq!(receiver.cause().await, Cause::Lost);
        acker.ack(&old[..1]);
        mosquitto.restart();
        let connected = loop {
            match receiver.event().await {
                Ok(Event::Connected(connected)) => break connected,
                Ok(other) => panic!("not connected but {other:?}"),
                Err(_) => {}
            }
        };
        assert!(!connected.session_present);
        receiver.subscribe("data", QoS::AtLeastOnce).await;
        receiver.subscribe("marker", QoS::AtMostOnce).await;

        let mut sender = Connection::publisher(version, mosquitto.port(), "out");
        sender.connected().await;
        send(&sender, 0..WINDOW + 1).await;
        let new = receive(&mut receiver, 0..WINDOW, false).await;
        let pkids = |tokens: &[AckToken]| tokens.iter().map(|t| t.pkid).collect::<Vec<_>>();
        assert_eq!(pkids(&old), pkids(&new));
        acker.ack(&old);
        nothing_more(&mut receiver, &sender).await;
        acker.ack(&new);
        receive(&mut receiver, WINDOW..WINDOW + 1, false).await;
    }
}

#[tokio::test]
async fn all_arrive_once_when_acknowledged_by_another_thread() {
    const MESSAGES: usize = 10_000;

    let Some(mosquitto) = Mosquitto::with(CONFIG, &[]) else {
        return;
    };
    for version in VERSIONS {
        let (mut receiver, sender) = pair(version, mosquitto.port(), mosquitto.port()).await;
        let acker = receiver.client.acker().unwrap();
        let (tokens, committed) = blocking::channel();
        let journal = thread::spawn(move || {
            while let Ok(first) = committed.recv() {
                let batch: Vec<_> = std::iter::once(first).chain(committed.try_iter()).collect();
                acker.ack(&batch);
            }
        });
        let client = sender.client.clone();
        let sending = tokio::spawn(async move {
            for n in 0..MESSAGES {
                let payload = Bytes::from(n.to_string());
                client
                    .publish("data", QoS::AtLeastOnce, false, payload)
                    .await
                    .unwrap();
            }
        });
        for n in 0..MESSAGES {
            let message = receiver.message().await;
            assert_eq!(message.payload, n.to_string());
            assert!(!message.dup);
            tokens.send(message.ack.unwrap()).unwrap();
        }
        drop(tokens);
        journal.join().unwrap();
        sending.await.unwrap();
        nothing_more(&mut receiver, &sender).await;
        drop(receiver);
        let mut receiver = journaled(version, mosquitto.port(), "in");
        assert!(receiver.connected().await.session_present);
        nothing_more(&mut receiver, &sender).await;
    }
}

#[tokio::test]
async fn qos_2_needs_no_token() {
    let Some(mosquitto) = Mosquitto::with(CONFIG, &[]) else {
        return;
    };
    for version in VERSIONS {
        let cable = Cable::to(mosquitto.port()).await;
        let mut receiver = journaled(version, cable.port, "two");
        receiver.connected().await;
        receiver.subscribe("two", QoS::ExactlyOnce).await;
        let mut sender = Connection::publisher(version, mosquitto.port(), "out");
        sender.connected().await;
        for round in 0..2 {
            // One by one: with a queue, mosquitto 2.0 stalls at its window, however it is acknowledged.
            for n in 0..2 * WINDOW {
                let payload = Bytes::from(n.to_string());
                let ack = sender
                    .client
                    .publish_tracked("two", QoS::ExactlyOnce, false, payload)
                    .await
                    .unwrap();
                soon(ack).await.unwrap();
                let message = receiver.message().await;
                assert_eq!(message.payload, n.to_string());
                assert_eq!((message.qos, message.ack), (QoS::ExactlyOnce, None));
            }
            if round == 0 {
                cable.cut();
                receiver.cause().await;
                assert!(receiver.connected().await.session_present);
            }
        }
    }
}

#[test]
fn only_a_connection_that_is_acknowledged_by_hand_has_an_acker() {
    for version in VERSIONS {
        let broker = broker(version, free_port(), "s");
        let (client, _) = connect(&Options::subscriber(broker, 100)).unwrap();
        assert!(client.acker().is_none());
    }
}
