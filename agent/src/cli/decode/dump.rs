//! Recorded MQTT messages: one JSON object a line.

use anyhow::Context;
use eyot_pipeline::Timestamp;
use serde::Deserialize;

use super::from_hex;

/// A message of a dump.
pub(crate) struct Line {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) retained: bool,
    /// When it arrived, if the dump says so.
    pub(crate) at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    topic: String,
    payload: Option<String>,
    payload_hex: Option<String>,
    #[serde(default, alias = "retained")]
    retain: bool,
    at: Option<At>,
}

/// RFC 3339, or seconds since 1970.
#[derive(Deserialize)]
#[serde(untagged)]
enum At {
    Text(String),
    Seconds(f64),
}

/// The messages of a dump; empty lines are passed over.
pub(crate) fn lines(dump: &[u8]) -> impl Iterator<Item = anyhow::Result<Line>> {
    dump.split(|b| *b == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(i, line)| read(line).with_context(|| format!("line {}", i + 1)))
}

fn read(line: &[u8]) -> anyhow::Result<Line> {
    let raw: Raw = serde_json::from_slice(line)?;
    let payload = match (raw.payload, raw.payload_hex) {
        (_, Some(hex)) => from_hex(hex.as_bytes())?,
        (text, None) => text.unwrap_or_default().into_bytes(),
    };
    let at = match raw.at {
        Some(At::Text(text)) => {
            let time: jiff::Timestamp = text.parse().context("`at` is not RFC 3339")?;
            Some(i64::try_from(time.as_nanosecond())?)
        }
        Some(At::Seconds(seconds)) => Some((seconds * 1e9) as i64),
        None => None,
    };
    Ok(Line {
        topic: raw.topic,
        payload,
        retained: raw.retain,
        at: at.map(Timestamp),
    })
}
