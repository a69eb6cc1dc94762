//! The small languages inside strings: periods, sizes, hours and broker URLs.

use std::str::FromStr;

use eyot_pipeline::Span;
use eyot_pipeline::forward::{DayTime, Hours};

/// Why a text could not be read, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TextError {
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl TextError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Reads a length of time: a whole number and a unit.
pub(super) fn period(text: &str) -> Result<Span, TextError> {
    const UNITS: [(&str, i64); 5] = [
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
    ];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = UNITS.into_iter().find(|(name, _)| *name == unit);
    match (number, unit) {
        ("", _) | (_, None) => Err(TextError::new(format!("`{text}` is not a length of time"))
            .help("write a whole number and a unit, like 250ms, 10s, 5m, 2h or 7d")),
        (number, Some((_, unit))) => number
            .parse()
            .ok()
            .and_then(|number: i64| number.checked_mul(unit))
            .map(Span)
            .ok_or_else(|| TextError::new(format!("`{text}` is longer than 292 years"))),
    }
}

/// Reads a number of bytes: a whole number and a unit.
pub(super) fn size(text: &str) -> Result<u64, TextError> {
    const UNITS: [(&str, u64); 5] = [
        ("B", 1),
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("TiB", 1 << 40),
    ];
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = UNITS.into_iter().find(|(name, _)| *name == unit);
    match (number, unit) {
        ("", _) | (_, None) => Err(TextError::new(format!("`{text}` is not a number of bytes"))
            .help("write a whole number and a unit, like 512KiB, 64MiB or 2GiB")),
        (number, Some((_, unit))) => number
            .parse()
            .ok()
            .and_then(|number: u64| number.checked_mul(unit))
            .filter(|bytes| i64::try_from(*bytes).is_ok())
            .ok_or_else(|| TextError::new(format!("`{text}` is more than there is"))),
    }
}

/// Reads hours of the day: `22:00-06:00`.
pub(super) fn hours(text: &str) -> Result<Hours, TextError> {
    let time = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        let number = |text: &str| match text.as_bytes() {
            [b'0'..=b'9', b'0'..=b'9'] => text.parse().ok(),
            _ => None,
        };
        DayTime::new(number(hour)?, number(minute)?)
    };
    text.split_once('-')
        .and_then(|(from, to)| Some((time(from)?, time(to)?)))
        .filter(|(from, to)| from != to)
        .map(|(from, to)| Hours { from, to })
        .ok_or_else(|| {
            TextError::new(format!("`{text}` are no hours of the day"))
                .help("write from and to, like 22:00-06:00; for all day leave the key out")
        })
}

/// Where a broker is, as its URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether it is `mqtts`.
    pub tls: bool,
}

impl FromStr for BrokerUrl {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        if text.contains('@') {
            return Err(TextError::new("credentials do not belong in a URL")
                .help("use the keys username and password_file"));
        }
        let Some((scheme, authority)) = text.split_once("://") else {
            return Err(TextError::new(format!("`{text}` is not a URL"))
                .help(format!("did you mean `mqtt://{text}`?")));
        };
        let tls = match scheme {
            "mqtt" => false,
            "mqtts" => true,
            other => {
                let near = match other {
                    "ssl" | "tls" | "https" | "wss" => "mqtts",
                    _ => "mqtt",
                };
                return Err(TextError::new(format!(
                    "`{other}` is not supported; there are mqtt and mqtts"
                ))
                .help(format!("did you mean `{near}://{authority}`?")));
            }
        };
        let default_port = if tls { 8883 } else { 1883 };
        let (host, port) = split_port(authority)
            .ok_or_else(|| TextError::new(format!("`{text}` is not {scheme}://host[:port]")))?;
        let port = match port {
            None => default_port,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => {
                    return Err(TextError::new(format!("`{port}` is not a port"))
                        .help("a port is a number from 1 to 65535"));
                }
            },
        };
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
        })
    }
}

/// Host and port of `host`, `host:port`, `[address]` or `[address]:port`.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
        let (address, after) = bracketed.split_once(']')?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        match after {
            "" => (address, None),
            after => (address, Some(after.strip_prefix(':')?)),
        }
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (!host.is_empty() && host.chars().all(plain)).then_some((host, port))
}
