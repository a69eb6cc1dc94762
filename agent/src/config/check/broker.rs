//! Checks what `[[source]]` and `[uplink]` have in common: how to reach a broker.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Check;
use crate::config::raw::{self, Period};
use crate::config::text::BrokerUrl;
use crate::config::tree::Node;
use crate::config::{Broker, Credentials, MqttVersion, Source, Tls, Uplink};
use eyot_pipeline::Span;

/// The keys of a broker, wherever they stand.
pub(super) struct Keys<'k> {
    url: Option<&'k str>,
    version: MqttVersion,
    client_id: Option<&'k str>,
    keep_alive: &'k Period,
    session_expiry: &'k Period,
    username: Option<&'k str>,
    password_file: Option<&'k str>,
    ca_file: Option<&'k str>,
    cert_file: Option<&'k str>,
    key_file: Option<&'k str>,
}

/// The raw shapes repeat these keys, as the file does; here they become one.
macro_rules! keys_from {
    ($raw:ty, $url:expr) => {
        impl<'k> From<&'k $raw> for Keys<'k> {
            fn from(raw: &'k $raw) -> Self {
                Self {
                    url: $url(raw),
                    version: raw.version,
                    client_id: raw.client_id.as_deref(),
                    keep_alive: &raw.keep_alive,
                    session_expiry: &raw.session_expiry,
                    username: raw.username.as_deref(),
                    password_file: raw.password_file.as_deref(),
                    ca_file: raw.ca_file.as_deref(),
                    cert_file: raw.cert_file.as_deref(),
                    key_file: raw.key_file.as_deref(),
                }
            }
        }
    };
}

keys_from!(raw::Source, |raw: &'k raw::Source| raw.url.as_deref());
keys_from!(raw::Uplink, |raw: &'k raw::Uplink| Some(raw.url.as_str()));

/// MQTT counts keep-alive in 16 bits and session expiry in 32 bits of seconds.
const SECOND: Span = Span::from_secs(1);
const LONGEST_KEEP_ALIVE: Span = Span::from_secs(u16::MAX as i64);
const LONGEST_SESSION: Span = Span::from_secs(u32::MAX as i64);

impl Check<'_, '_> {
    /// Checks `keys`, which stand in the table `at`.
    pub(super) fn broker(
        &mut self,
        keys: &Keys<'_>,
        at: &Node<'_>,
        derived_client_id: impl FnOnce() -> String,
    ) -> Option<Broker> {
        let keep_alive = self.duration(keys.keep_alive, &at.key("keep_alive"), SECOND);
        let session_expiry = self.duration(keys.session_expiry, &at.key("session_expiry"), SECOND);
        for (period, longest, key) in [
            (keep_alive, LONGEST_KEEP_ALIVE, "keep_alive"),
            (session_expiry, LONGEST_SESSION, "session_expiry"),
        ] {
            if period.as_nanos() > u128::from(longest.0.unsigned_abs()) {
                let message = format!("MQTT allows {longest} at most");
                self.report.value(&at.key(key), message);
            }
        }
        let client_id = keys.client_id.map_or_else(derived_client_id, str::to_owned);
        self.name(&client_id, &at.key("client_id"));
        let credentials = self.credentials(keys, at);
        let Some(url) = keys.url else {
            self.report.value(at, "missing key `url`");
            return None;
        };
        let url: BrokerUrl = self.parse(url, &at.key("url"))?;
        Some(Broker {
            tls: self.tls(keys, url.tls, at),
            host: url.host,
            port: url.port,
            version: keys.version,
            client_id,
            keep_alive,
            session_expiry,
            credentials,
        })
    }

    fn credentials(&mut self, keys: &Keys<'_>, at: &Node<'_>) -> Option<Credentials> {
        let node = at.key("password_file");
        let password = keys.password_file.map(|file| self.password(file, &node));
        match (keys.username, password) {
            (Some(username), password) => Some(Credentials {
                username: username.to_owned(),
                password: password.unwrap_or_default(),
            }),
            (None, Some(_)) => {
                self.report.value(&node, "a password without a `username`");
                None
            }
            (None, None) => None,
        }
    }

    fn password(&mut self, file: &str, at: &Node<'_>) -> String {
        let Some(bytes) = self.file(file, at) else {
            return String::new();
        };
        let Ok(text) = String::from_utf8(bytes) else {
            self.report.value(at, format!("`{file}` is not UTF-8 text"));
            return String::new();
        };
        let password = text.strip_suffix('\n').unwrap_or(&text);
        let password = password.strip_suffix('\r').unwrap_or(password);
        if password.is_empty() {
            self.report.value(at, format!("`{file}` is empty"));
        }
        password.to_owned()
    }

    fn tls(&mut self, keys: &Keys<'_>, wanted: bool, at: &Node<'_>) -> Option<Tls> {
        if !wanted {
            for (file, key) in [
                (keys.ca_file, "ca_file"),
                (keys.cert_file, "cert_file"),
                (keys.key_file, "key_file"),
            ] {
                if file.is_some() {
                    self.report
                        .value(&at.key(key), "this has no effect without TLS")
                        .help("write the url with mqtts://");
                }
            }
            return None;
        }
        let ca = if let Some(file) = keys.ca_file {
            self.certificates(file, &at.key("ca_file"))
        } else {
            self.report
                .value(
                    &at.key("url"),
                    "mqtts needs `ca_file`: the authorities to trust",
                )
                .help("the system's own are often in /etc/ssl/certs/ca-certificates.crt");
            Vec::new()
        };
        let client = match (keys.cert_file, keys.key_file) {
            (Some(cert), Some(key)) => Some((
                self.certificates(cert, &at.key("cert_file")),
                self.private_key(key, &at.key("key_file")),
            )),
            (None, None) => None,
            (Some(_), None) => {
                let message = "a certificate without its `key_file`";
                self.report.value(&at.key("cert_file"), message);
                None
            }
            (None, Some(_)) => {
                let message = "a key without its `cert_file`";
                self.report.value(&at.key("key_file"), message);
                None
            }
        };
        Some(Tls { ca, client })
    }

    fn certificates(&mut self, file: &str, at: &Node<'_>) -> Vec<u8> {
        self.pem(file, at, "certificate", |pem| {
            let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
            found.is_ok_and(|found| !found.is_empty())
        })
    }

    fn private_key(&mut self, file: &str, at: &Node<'_>) -> Vec<u8> {
        self.pem(file, at, "private key", |pem| {
            PrivateKeyDer::from_pem_slice(pem).is_ok()
        })
    }

    fn pem(
        &mut self,
        file: &str,
        at: &Node<'_>,
        what: &str,
        is_there: impl FnOnce(&[u8]) -> bool,
    ) -> Vec<u8> {
        let Some(pem) = self.file(file, at) else {
            return Vec::new();
        };
        if !is_there(&pem) {
            let message = format!("`{file}` holds no PEM {what}");
            self.report.value(at, message);
        }
        pem
    }

    /// Contents of a file; what keeps it from being read is reported.
    fn file(&mut self, file: &str, at: &Node<'_>) -> Option<Vec<u8>> {
        let path = self.base.join(file);
        std::fs::read(&path)
            .map_err(|error| {
                let message = format!("cannot read {}: {error}", path.display());
                self.report.value(at, message);
            })
            .ok()
    }

    /// A broker drops the older of two connections with one client id, so two of ours would throw
    /// each other out forever.
    pub(super) fn client_ids(
        &mut self,
        root: &Node<'_>,
        sources: &[Option<Source>],
        uplink: Option<&Uplink>,
    ) {
        let at = root.key("source");
        let of_sources = sources
            .iter()
            .enumerate()
            .filter_map(|(index, source)| Some((at.index(index), &source.as_ref()?.broker)));
        let of_uplink = uplink.map(|uplink| (root.key("uplink"), &uplink.broker));
        let mut seen: Vec<(Node<'_>, &Broker)> = Vec::new();
        for (node, broker) in of_sources.chain(of_uplink) {
            let same = |other: &Broker| {
                other.client_id == broker.client_id
                    && other.port == broker.port
                    && other.host.eq_ignore_ascii_case(&broker.host)
            };
            if let Some((first, _)) = seen.iter().find(|(_, other)| same(other)) {
                let message = format!(
                    "the client id `{}` is taken by {} on the same broker; they would throw each other out",
                    broker.client_id,
                    first.path()
                );
                self.report.value(&node.key("client_id"), message);
            }
            seen.push((node, broker));
        }
    }
}
