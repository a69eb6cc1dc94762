//! Credentials, TLS, and what is open to others.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use eyot_lab::mosquitto::Mosquitto;
use eyot_pipeline::ledger::ReadingFate;
use tempfile::TempDir;

use crate::support::{ChildAgent, Setup, reading, settled, start, until};

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

#[tokio::test]
async fn a_password_from_a_file_opens_the_broker_and_a_wrong_one_is_named_as_the_reason() {
    let folder = TempDir::new().unwrap();
    let passwords = folder.path().join("passwords");
    succeed(
        Command::new("mosquitto_passwd")
            .args(["-c", "-b"])
            .arg(&passwords)
            .args(["plant-reader", "correct horse"]),
    );
    let broker = format!(
        "allow_anonymous false\npassword_file {}",
        passwords.display()
    );
    let plant = Mosquitto::start(&broker).unwrap();
    fs::write(folder.path().join("secret"), "correct horse\n").unwrap();
    fs::write(folder.path().join("wrong"), "battery staple\n").unwrap();
    for version in ["3.1.1", "5"] {
        let source = |file: &str| {
            format!(
                "version = \"{version}\"\nusername = \"plant-reader\"\npassword_file = \"{file}\""
            )
        };
        let setup = Setup {
            source: &source("secret"),
            ..Setup::default()
        };
        // Returns once it is connected.
        start(&setup, plant.port, None, folder.path())
            .await
            .stop()
            .await
            .unwrap();

        let wrong = Setup {
            source: &source("wrong"),
            ..Setup::default()
        };
        let config = wrong.config(plant.port, None, folder.path());
        assert!(
            !format!("{config:?}").contains("battery"),
            "passwords are never printed"
        );
        let agent = eyot::app::Builder::new(config).start().await.unwrap();
        let why = until("the broker to refuse", async || {
            agent.view().overview().sources[0].link.last_error.clone()
        })
        .await;
        assert!(why.contains("user name and password"), "{version}: {why}");
        agent.stop().await.unwrap();
    }
}

/// An authority, and certificates of a broker on loopback and of a client, in `folder`.
fn make_certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        succeed(
            Command::new("openssl")
                .args(arguments.split_whitespace())
                .current_dir(folder),
        );
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!(
        "req -x509 {key} -keyout ca.key -out ca.crt -subj /CN=ca -days 2"
    ));
    fs::write(
        folder.join("names"),
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    for name in ["broker", "client"] {
        openssl(&format!(
            "req -new {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"
        ));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names \
             -out {name}.crt -days 2"
        ));
    }
}

#[tokio::test]
async fn tls_with_a_client_certificate_carries_readings_and_nothing_goes_without_it() {
    let folder = TempDir::new().unwrap();
    make_certificates(folder.path());
    let dir = folder.path().display();
    let plant = Mosquitto::start(&format!(
        "require_certificate true\ncafile {dir}/ca.crt\ncertfile {dir}/broker.crt\nkeyfile {dir}/broker.key"
    ))
    .unwrap();
    for version in ["3.1.1", "5"] {
        let source = format!(
            "version = \"{version}\"\nca_file = \"ca.crt\"\ncert_file = \"client.crt\"\nkey_file = \"client.key\""
        );
        let setup = Setup {
            host: "mqtts://127.0.0.1",
            source: &source,
            ..Setup::default()
        };
        let run = TempDir::new().unwrap();
        for file in ["ca.crt", "client.crt", "client.key"] {
            fs::copy(folder.path().join(file), run.path().join(file)).unwrap();
        }
        let agent = start(&setup, plant.port, None, run.path()).await;
        let (topic, payload) = reading("m-1", 0, 1.0);
        succeed(
            Command::new("mosquitto_pub")
                .args(["-h", "127.0.0.1", "-p", &plant.port.to_string(), "-q", "1"])
                .args(["-t", &topic, "-m", &payload])
                .args([
                    "--cafile",
                    "ca.crt",
                    "--cert",
                    "client.crt",
                    "--key",
                    "client.key",
                ])
                .current_dir(folder.path()),
        );
        let book = settled(&agent, 1).await;
        assert_eq!(book.readings_with(ReadingFate::Processed), 1);
        agent.stop().await.unwrap();

        let anonymous = format!("version = \"{version}\"\nca_file = \"ca.crt\"");
        let setup = Setup {
            source: &anonymous,
            ..setup
        };
        let config = setup.config(plant.port, None, run.path());
        let agent = eyot::app::Builder::new(config).start().await.unwrap();
        until("the broker to insist on a certificate", async || {
            let link = agent.view().overview().sources[0].link.clone();
            assert!(!link.connected);
            link.last_error
        })
        .await;
        agent.stop().await.unwrap();
    }
}

/// Local addresses of the sockets in `table` that belong to process `pid` and are open to others.
fn open_to_others(pid: u32, table: &str) -> Vec<String> {
    let sockets: HashSet<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|fd| Some(fs::read_link(fd.ok()?.path()).ok()?.display().to_string()))
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let listening = if table.starts_with("tcp") { "0A" } else { "07" };
    fs::read_to_string(format!("/proc/{pid}/net/{table}"))
        .unwrap_or_default()
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields.len() > 9 && fields[3] == listening && sockets.contains(fields[9]))
        .map(|fields| fields[1].to_owned())
        .collect()
}

#[tokio::test]
async fn invariant_9_nothing_listens_beyond_loopback_and_http_only_reads() {
    let (plant, shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let agent = ChildAgent::start(
        &Setup::default(),
        plant.port,
        Some(shore.port),
        folder.path(),
    )
    .await;
    let pid = agent.process.pid();
    let port: u16 = agent.page.rsplit(':').next().unwrap().parse().unwrap();
    // 127.0.0.1, as the kernel writes it.
    let page = format!("0100007F:{port:04X}");
    assert_eq!(open_to_others(pid, "tcp"), [page]);
    for table in ["tcp6", "udp", "udp6", "raw", "raw6"] {
        assert_eq!(open_to_others(pid, table), Vec::<String>::new(), "{table}");
    }

    for method in [
        "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PURGE",
    ] {
        for path in ["/", "/healthz", "/api/overview.json", "/nothing"] {
            let mut stream = TcpStream::connect(&agent.page).unwrap();
            write!(
                stream,
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                agent.page
            )
            .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            let status = answer.split(' ').nth(1);
            assert!(
                matches!(status, Some("405" | "400")),
                "{method} {path}: {answer}"
            );
        }
    }
}
