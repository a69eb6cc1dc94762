//! TLS with certificates on both sides.

use std::process::{Command, Stdio};

use super::*;
use crate::config::Tls;

const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

/// Keys and certificates made by the `openssl` command line.
struct Pki {
    dir: tempfile::TempDir,
}

impl Pki {
    fn new() -> Self {
        let pki = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        pki.openssl(&format!(
            "req -x509 {NEW_KEY} -keyout ca.key -out ca.crt -subj /CN=ca -days 2"
        ));
        for name in ["server", "client"] {
            let extension = "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n";
            std::fs::write(pki.dir.path().join("extensions"), extension).unwrap();
            pki.openssl(&format!(
                "req -new {NEW_KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}"
            ));
            pki.openssl(&format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
                 -extfile extensions -out {name}.crt -days 2"
            ));
        }
        pki
    }

    fn openssl(&self, arguments: &str) {
        let status = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.dir.path())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "openssl {arguments}");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.path().join(name)).unwrap()
    }
}

#[tokio::test]
async fn tls_checks_both_sides() {
    let pki = Pki::new();
    let config = "allow_anonymous true\nrequire_certificate true\n\
                  cafile {dir}/ca.crt\ncertfile {dir}/server.crt\nkeyfile {dir}/server.key\n";
    let names = ["ca.crt", "server.crt", "server.key"];
    let files: Vec<_> = names.iter().map(|name| (*name, pki.read(name))).collect();
    let files: Vec<_> = files
        .iter()
        .map(|(name, file)| (*name, file.as_slice()))
        .collect();
    let Some(mosquitto) = Mosquitto::with(config, &files) else {
        return;
    };

    for (version, manual_acks) in [
        (MqttVersion::V3, false),
        (MqttVersion::V3, true),
        (MqttVersion::V5, false),
        (MqttVersion::V5, true),
    ] {
        let with = |host: &str, ca: &str, client: Option<&str>| {
            let mut broker = broker(version, mosquitto.port(), "tls");
            broker.host = host.to_owned();
            broker.tls = Some(Tls {
                ca: pki.read(ca),
                client: client
                    .map(|name| (pki.read(&format!("{name}.crt")), pki.read("client.key"))),
            });
            Connection::open(&Options {
                manual_acks,
                ..Options::publisher(broker, 10)
            })
        };

        let mut good = with("localhost", "ca.crt", Some("client"));
        good.connected().await;
        good.subscribe("t", QoS::AtLeastOnce).await;
        // More than the broker has under way at once.
        for _ in 0..50 {
            good.send("t", "over tls").await.unwrap();
            let message = good.message().await;
            assert_eq!(message.ack.is_some(), manual_acks);
            if let Some(token) = message.ack {
                good.client.acker().unwrap().ack(&[token]);
            }
        }

        let mut anonymous = with("localhost", "ca.crt", None);
        // With TLS 1.3 our handshake is over before the broker objects, and a reset may overtake its reason.
        let mut cause = anonymous.cause().await;
        while cause == Cause::Lost {
            cause = anonymous.cause().await;
        }
        assert_eq!(cause, Cause::ClientCertificate);
        let mut distrusting = with("localhost", "client.crt", Some("client"));
        assert_eq!(distrusting.cause().await, Cause::BrokerCertificate);
        let mut elsewhere = with("127.0.0.1", "ca.crt", Some("client"));
        assert_eq!(elsewhere.cause().await, Cause::BrokerCertificate);
        let mut mismatched = with("localhost", "ca.crt", Some("server"));
        assert_eq!(mismatched.cause().await, Cause::TlsFiles);
        let mut unreadable = with("localhost", "client.key", None);
        assert_eq!(unreadable.cause().await, Cause::TlsFiles);
    }
}
