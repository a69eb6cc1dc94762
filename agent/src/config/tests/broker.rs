//! URLs, credentials, TLS and client ids.

use std::fs;
use std::path::Path;

use super::{RIGHT, check, check_line, config_with, faults};
use crate::config::Config;

const URL: usize = 7;

#[test]
fn urls() {
    for (url, host, port) in [
        ("mqtt://broker", "broker", 1883),
        ("mqtt://10.0.0.1:1884", "10.0.0.1", 1884),
        ("mqtt://[::1]", "::1", 1883),
        ("mqtt://[fe80::1]:99", "fe80::1", 99),
    ] {
        let broker = &config_with(URL, &format!("url = \"{url}\"")).sources[0].broker;
        assert_eq!((broker.host.as_str(), broker.port), (host, port));
        assert!(broker.tls.is_none());
    }
    for (url, message) in [
        (
            "broker:1883",
            "`broker:1883` is not a URL (did you mean `mqtt://broker:1883`?)",
        ),
        (
            "tcp://b",
            "`tcp` is not supported; there are mqtt and mqtts (did you mean `mqtt://b`?)",
        ),
        (
            "ssl://b",
            "`ssl` is not supported; there are mqtt and mqtts (did you mean `mqtts://b`?)",
        ),
        ("mqtt://", "`mqtt://` is not mqtt://host[:port]"),
        (
            "mqtt://b/topic",
            "`mqtt://b/topic` is not mqtt://host[:port]",
        ),
        (
            "mqtt://b:0",
            "`0` is not a port (a port is a number from 1 to 65535)",
        ),
        (
            "mqtt://b:x",
            "`x` is not a port (a port is a number from 1 to 65535)",
        ),
        ("mqtt://[::1", "`mqtt://[::1` is not mqtt://host[:port]"),
        (
            "mqtt://u:p@b",
            "credentials do not belong in a URL (use the keys username and password_file)",
        ),
        (
            "u:p@b",
            "credentials do not belong in a URL (use the keys username and password_file)",
        ),
    ] {
        let expected = format!("7:7 source[0].url: {message}");
        check_line(URL, &format!("url = \"{url}\""), &[&expected]);
    }
}

#[test]
fn two_clients_with_one_id_on_one_broker_clash() {
    let uplink =
        |url: &str| format!("{RIGHT}[uplink]\nclient_id = \"eyot-gw-plant\"\nurl = \"{url}\"");
    check(
        &uplink("mqtt://BROKER:1883"),
        &[
            "22:13 uplink.client_id: the client id `eyot-gw-plant` is taken by source[0] on the same broker; they would throw each other out",
        ],
    );
    check(&uplink("mqtt://broker:1884"), &[]);
}

#[test]
fn uplink_keys() {
    check(
        &format!(
            "{RIGHT}[uplink]\nurl = \"mqtt://b\"\ntopic_prefix = \"a/+\"\nbackoff_min = \"1m\"\nkeep_alive = \"1d\"\nin_flight = 0"
        ),
        &[
            "23:16 uplink.topic_prefix: a topic to publish to holds no `+` and no `#`",
            "24:15 uplink.backoff_min: backoff_min is longer than backoff_max",
            "25:14 uplink.keep_alive: MQTT allows 65535s at most",
            "26:13 uplink.in_flight: must be at least 1",
        ],
    );
    for (keys, faults) in [
        (
            "backlog_share = 2",
            "24:17 uplink.backlog_share: must be at most 1",
        ),
        (
            "in_flight_bytes = \"4\"",
            "24:19 uplink.in_flight_bytes: `4` is not a number of bytes (write a whole number and a unit, like 512KiB, 64MiB or 2GiB)",
        ),
        (
            "hours = [\"25:00-06:00\"]",
            "24:10 uplink.hours[0]: `25:00-06:00` are no hours of the day (write from and to, like 22:00-06:00; for all day leave the key out)",
        ),
        (
            "time_zone = \"UTC\"",
            "24:13 uplink.time_zone: is for `hours`, and there are none",
        ),
        (
            "time_zone = \"Mars/Olympus\"\nhours = [\"22:00-06:00\"]",
            "24:13 uplink.time_zone: this machine knows no time zone `Mars/Olympus` (write an IANA name, like Europe/Berlin; it comes with the package tzdata)",
        ),
        (
            "batch = { bytes = \"5MiB\" }",
            "24:19 uplink.batch.bytes: a batch is larger than all that may be in flight (in_flight_bytes)",
        ),
        (
            "expire_after = \"1ms\"",
            "24:16 uplink.expire_after: must be at least 1s",
        ),
        (
            "max_tries = 0",
            "24:13 uplink.max_tries: must be at least 1",
        ),
    ] {
        let text = format!("{RIGHT}[uplink]\nurl = \"mqtt://b\"\nclient_id = \"up\"\n{keys}");
        check(&text, &[faults]);
    }
    for (key, value, message) in [
        ("receive_maximum", "0", "must be at least 1"),
        ("receive_maximum", "65536", "must be at most 65535"),
        ("session_expiry", "\"0s\"", "must be at least 1s"),
        ("client_id", "\"\"", "must not be empty"),
    ] {
        let expected = format!("8:{} source[0].{key}: {message}", key.len() + 4);
        let keys = format!("url = \"mqtt://b\"\n{key} = {value}");
        check_line(URL, &keys, &[&expected]);
    }
}

/// Faults of [`RIGHT`] with more keys of the source, in a folder with some files.
#[track_caller]
fn check_files(keys: &str, expected: &[&str]) -> Option<Config> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, contents: &str| fs::write(folder.path().join(name), contents).unwrap();
    write("password", "s3cret\n\n");
    write("empty", "\n");
    write(
        "cert.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    write(
        "key.pem",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    );
    write(
        "broken.pem",
        "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
    );
    let text = super::right_but(URL, keys);
    let config = Config::parse(&text, "eyot.toml", folder.path());
    let shown = faults(config.clone());
    let folder = folder.path().display().to_string();
    let shown: Vec<_> = shown
        .iter()
        .map(|fault| fault.replace(&folder, "DIR"))
        .collect();
    assert_eq!(shown, expected);
    config.ok()
}

#[test]
fn passwords_come_from_files() {
    let plain = "url = \"mqtt://b\"\n";
    let config = check_files(
        &format!("{plain}username = \"u\"\npassword_file = \"password\""),
        &[],
    )
    .unwrap();
    let credentials = config.sources[0].broker.credentials.clone().unwrap();
    assert_eq!(credentials.password, "s3cret\n");
    check_files(
        &format!("{plain}username = \"u\"\npassword_file = \"empty\""),
        &["9:17 source[0].password_file: `empty` is empty"],
    );
    check_files(
        &format!("{plain}username = \"u\"\npassword_file = \"none\""),
        &[
            "9:17 source[0].password_file: cannot read DIR/none: No such file or directory (os error 2)",
        ],
    );
    check_files(
        &format!("{plain}password_file = \"password\""),
        &["8:17 source[0].password_file: a password without a `username`"],
    );
}

#[test]
fn tls_material_is_read_and_recognised() {
    let tls = "url = \"mqtts://b\"\n";
    let all = "ca_file = \"cert.pem\"\ncert_file = \"cert.pem\"\nkey_file = \"key.pem\"";
    let config = check_files(&format!("{tls}{all}"), &[]).unwrap();
    let broker = &config.sources[0].broker;
    assert_eq!(broker.port, 8883);
    assert!(broker.tls.as_ref().unwrap().client.is_some());
    check_files(
        tls,
        &[
            "7:7 source[0].url: mqtts needs `ca_file`: the authorities to trust (the system's own are often in /etc/ssl/certs/ca-certificates.crt)",
        ],
    );
    check_files(
        &format!("{tls}ca_file = \"broken.pem\"\ncert_file = \"key.pem\"\nkey_file = \"cert.pem\""),
        &[
            "8:11 source[0].ca_file: `broken.pem` holds no PEM certificate",
            "9:13 source[0].cert_file: `key.pem` holds no PEM certificate",
            "10:12 source[0].key_file: `cert.pem` holds no PEM private key",
        ],
    );
    check_files(
        &format!("{tls}ca_file = \"none.pem\"\nkey_file = \"key.pem\""),
        &[
            "8:11 source[0].ca_file: cannot read DIR/none.pem: No such file or directory (os error 2)",
            "9:12 source[0].key_file: a key without its `cert_file`",
        ],
    );
    check_files(
        "url = \"mqtt://b\"\nca_file = \"cert.pem\"",
        &["8:11 source[0].ca_file: this has no effect without TLS (write the url with mqtts://)"],
    );
}

#[test]
fn relative_paths_start_from_the_file() {
    let config = Config::parse(RIGHT, "eyot.toml", Path::new("/etc/eyot")).unwrap();
    assert_eq!(config.agent.data_dir, Path::new("/etc/eyot/data"));
}
