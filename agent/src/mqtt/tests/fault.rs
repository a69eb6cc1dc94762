//! How failed connections are called.

use super::*;
use crate::config::Credentials;

/// The crates wait for room in the socket without watching the time.
#[tokio::test]
async fn a_broker_that_stops_reading_is_given_up() {
    for version in VERSIONS {
        let (port, stream) = fake_broker(connack(version)).await;
        let options = Options::publisher(broker(version, port, "p"), 100);
        let (client, mut event_loop) = connect(&options).unwrap();
        soon(event_loop.poll()).await.unwrap();
        // 64 MiB is more than the kernel takes for a socket.
        let payload = Bytes::from(vec![0; 1 << 20]);
        for _ in 0..64 {
            client
                .publish("t", QoS::AtMostOnce, false, payload.clone())
                .await
                .unwrap();
        }
        // From here on, waiting for nothing but the clock makes it run.
        tokio::time::pause();
        let error = event_loop.poll().await.unwrap_err();
        tokio::time::resume();
        assert!(
            matches!(
                error,
                MqttError::Connection {
                    cause: Cause::Stalled,
                    ..
                }
            ),
            "{error}"
        );
        drop(stream.await.unwrap());
    }
}

#[tokio::test]
async fn what_a_broken_broker_says_is_a_protocol_error() {
    for version in VERSIONS {
        let (port, _stream) = fake_broker(&[0, 0]).await;
        let mut receiver = Connection::subscriber(version, port, "s");
        assert!(matches!(receiver.cause().await, Cause::Protocol(_)));
    }
}

#[tokio::test]
async fn a_refused_connection_names_the_address() {
    for version in VERSIONS {
        let port = free_port();
        let mut receiver = Connection::subscriber(version, port, "s");
        assert_eq!(
            receiver.event().await.unwrap_err().to_string(),
            format!(
                "no connection to mqtt broker localhost:{port}: \
                 connection refused, check the port and that the broker runs"
            )
        );
    }
}

#[tokio::test]
async fn an_unknown_host_is_called_that() {
    for version in VERSIONS {
        let mut broker = broker(version, 1883, "s");
        // No name can have a space, so no name server is asked.
        broker.host = "no such host".to_owned();
        let mut receiver = Connection::open(&Options::subscriber(broker, 100));
        assert_eq!(receiver.cause().await, Cause::UnknownHost);
    }
}

#[tokio::test]
async fn credentials_are_checked() {
    // User eyot, password reed, as mosquitto_passwd writes it.
    let passwords = b"eyot:$7$101$eGCH/OfPzx2bD30Q$Cl375pwWeGQVN17L+5HiE0K/0lCDViDjiL+Z/gos3n15YwuoH5+jIM3IjuQZDIGh2JJ00HiJsz29iBHDBVVvVQ==\n";
    let config = "allow_anonymous false\npassword_file {dir}/passwords\n";
    let Some(mosquitto) = Mosquitto::with(config, &[("passwords", passwords)]) else {
        return;
    };
    for version in VERSIONS {
        let with = |password: &str| {
            let mut broker = broker(version, mosquitto.port(), "s");
            broker.credentials = Some(Credentials {
                username: "eyot".to_owned(),
                password: password.to_owned(),
            });
            Connection::open(&Options::subscriber(broker, 100))
        };
        with("reed").connected().await;
        let refused = with("wrong").event().await.unwrap_err().to_string();
        assert!(
            refused.ends_with("not authorized, check user name and password"),
            "{refused}"
        );
    }
}
