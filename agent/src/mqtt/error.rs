//! What can go wrong on the way to a broker, in words that say what to do about it.

use std::error::Error;
use std::fmt;
use std::io;

use rumqttc::TlsError;
use rumqttc::tokio_rustls::rustls;

type BoxError = Box<dyn Error + Send + Sync>;

/// A connection that failed, or a request that can't be made.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    /// There is no connection. Polling again makes another attempt.
    #[error("no connection to mqtt broker {broker}: {cause}")]
    Connection {
        /// `host:port`.
        broker: String,
        /// Why.
        cause: Cause,
        /// What the network or TLS said.
        source: Option<BoxError>,
    },
    /// The client has disconnected, or the other half of the connection was dropped.
    #[error("the mqtt connection has been closed on this side")]
    Closed,
    /// The options can't be used.
    #[error("mqtt options for broker {broker} are invalid: {reason}")]
    Options {
        /// `host:port`.
        broker: String,
        /// Which and why.
        reason: String,
    },
    /// No such topic can be published to.
    #[error("mqtt topic {topic:?} is invalid: it must not be empty or contain + or #")]
    Topic {
        /// As given.
        topic: String,
    },
    /// A subscription must name at least one filter, and each must be well formed.
    #[error("mqtt topic filters {filters:?} are invalid: check the places of + and #")]
    Filter {
        /// As given.
        filters: Vec<String>,
    },
    /// The broker would close the connection over this message.
    #[error("a message of {size} bytes to topic {topic:?} exceeds the broker's limit of {limit}")]
    TooLarge {
        /// As given.
        topic: String,
        /// Size of the packet in bytes.
        size: usize,
        /// The broker's Maximum Packet Size in bytes.
        limit: usize,
    },
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The host name has no address.
    UnknownHost,
    /// Nothing listens there.
    Refused,
    /// No answer while connecting.
    Timeout,
    /// An established connection stopped answering.
    Stalled,
    /// An established connection ended without a word.
    Lost,
    /// The broker's certificate isn't trusted, or isn't for this host.
    BrokerCertificate,
    /// The broker didn't accept our certificate, or asked for one.
    ClientCertificate,
    /// The certificates or the key that were configured can't be used.
    TlsFiles,
    /// TLS failed in another way.
    Tls,
    /// The broker knows no such user and password, or the user may not connect.
    Credentials,
    /// The broker declined for the reason it names.
    Rejected(String),
    /// The broker ended the connection for the reason it names.
    Disconnected(String),
    /// The other side doesn't speak MQTT as it should.
    Protocol(String),
    /// The network failed in another way.
    Network,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownHost => "unknown host, check its name and the name server",
            Self::Refused => "connection refused, check the port and that the broker runs",
            Self::Timeout => "no answer, check the address and firewalls in between",
            Self::Stalled => "the broker stopped answering",
            Self::Lost => "the connection was lost",
            Self::BrokerCertificate => {
                "the broker's certificate is not trusted, check the ca and that the host is the name in the certificate"
            }
            Self::ClientCertificate => {
                "the broker did not accept the client certificate, check that one is configured and who signed it"
            }
            Self::TlsFiles => "the ca, the client certificate or its key is unusable",
            Self::Tls => "tls failed, check that the port is a tls port",
            Self::Credentials => "not authorized, check user name and password",
            Self::Rejected(reason) => return write!(f, "rejected by the broker: {reason}"),
            Self::Disconnected(reason) => return write!(f, "ended by the broker: {reason}"),
            Self::Protocol(reason) => return write!(f, "mqtt protocol error: {reason}"),
            Self::Network => "network error",
        })
    }
}

/// A cause with what lies behind it, before the broker's name is added.
pub(super) struct Fault {
    cause: Cause,
    source: Option<BoxError>,
}

impl Fault {
    /// This fault of the connection to `broker`.
    pub(super) fn of(self, broker: &str) -> MqttError {
        MqttError::Connection {
            broker: broker.to_owned(),
            cause: self.cause,
            source: self.source,
        }
    }
}

impl From<Cause> for Fault {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            source: None,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;

        let inner = error.get_ref();
        let tls = inner.and_then(|inner| inner.downcast_ref().map(tls_cause));
        let setup = inner.and_then(|inner| inner.downcast_ref().map(setup_cause));
        if let Some(cause) = tls.or(setup) {
            return Self {
                cause,
                source: Some(error.into()),
            };
        }
        let cause = match error.kind() {
            Kind::ConnectionRefused => Cause::Refused,
            Kind::TimedOut => Cause::Timeout,
            Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::UnexpectedEof => Cause::Lost,
            // The standard library has no kind for failed name resolution, only this text.
            _ if error.to_string().contains("failed to lookup address") => Cause::UnknownHost,
            _ => Cause::Network,
        };
        Self {
            cause,
            source: Some(error.into()),
        }
    }
}

impl From<TlsError> for Fault {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Io(error) => error.into(),
            error => Self {
                cause: setup_cause(&error),
                source: Some(error.into()),
            },
        }
    }
}

fn setup_cause(error: &TlsError) -> Cause {
    match error {
        TlsError::TLS(error) => tls_cause(error),
        TlsError::Pem(_)
        | TlsError::NoValidCertInChain
        | TlsError::NoValidClientCertInChain
        | TlsError::NoValidKeyInChain => Cause::TlsFiles,
        _ => Cause::Tls,
    }
}

fn tls_cause(error: &rustls::Error) -> Cause {
    use rustls::AlertDescription as Alert;

    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Cause::BrokerCertificate
        }
        rustls::Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => Cause::ClientCertificate,
        rustls::Error::InconsistentKeys(_) => Cause::TlsFiles,
        _ => Cause::Tls,
    }
}

/// Why a tracked message was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The broker has it and will not take it; sending it again will not help.
    #[error("refused by the broker with reason {code:#04x} ({name}){}", in_words(.reason.as_deref()))]
    Refused {
        /// MQTT 5 reason code, 0x80 or above.
        code: u8,
        /// The reason code's name.
        name: String,
        /// The broker's explanation, if it gave one.
        reason: Option<String>,
    },
    /// The session that carried it is gone; whether the broker has it is unknown.
    #[error("the session ended before the broker acknowledged the message, send it again")]
    Lost,
}

/// Why a subscription doesn't stand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The broker refused some of the filters; the others stand.
    #[error("the broker refused topic filters {}, check what the user may read", list(.0))]
    Refused(Vec<Refusal>),
    /// The session that carried it is gone.
    #[error("the session ended before the broker acknowledged the subscription, subscribe again")]
    Lost,
}

/// A topic filter that the broker refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The filter.
    pub filter: String,
    /// The name of the reason code; 3.1.1 knows only one.
    pub reason: String,
}

fn in_words(reason: Option<&str>) -> String {
    reason.map(|text| format!(": {text}")).unwrap_or_default()
}

fn list(refusals: &[Refusal]) -> String {
    let each: Vec<String> = refusals
        .iter()
        .map(|Refusal { filter, reason }| format!("{filter} ({reason})"))
        .collect();
    each.join(", ")
}
