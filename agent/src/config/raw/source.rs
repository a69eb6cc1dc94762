//! `[[source]]` as written.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Period;
use crate::config::{MqttVersion, TimeFormat, default};

/// A broker to read from.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Source {
    /// Name in the ledger, logs and metrics; unique.
    pub name: String,
    /// `mqtt://host[:port]` (port 1883) or `mqtts://host[:port]` (port 8883).
    pub url: String,
    /// MQTT version.
    #[serde(default = "default::version")]
    pub version: MqttVersion,
    /// Client identifier; the session on the broker hangs on it. Default: `eyot-{agent}-{source}`.
    pub client_id: Option<String>,
    /// Keep-alive interval.
    #[serde(default = "default::keep_alive")]
    pub keep_alive: Period,
    /// How long the broker is asked to keep the session while the agent is away.
    #[serde(default = "default::session_expiry")]
    pub session_expiry: Period,
    /// Unacknowledged messages that the broker may have under way.
    #[serde(default = "default::receive_maximum")]
    #[schemars(range(min = 1))]
    pub receive_maximum: u16,
    /// User name.
    pub username: Option<String>,
    /// File that holds the password; one newline at its end is not part of it.
    pub password_file: Option<String>,
    /// PEM file of the authorities to trust; needed with `mqtts`.
    pub ca_file: Option<String>,
    /// PEM file of the client's certificate chain; together with `key_file`.
    pub cert_file: Option<String>,
    /// PEM file of the client's private key; together with `cert_file`.
    pub key_file: Option<String>,
    /// Whether retained messages that the broker replays on subscribing are taken.
    #[serde(default)]
    pub retained: bool,
    /// How topics and payloads become readings; at least one. The first that matches wins.
    #[serde(default)]
    pub rule: Vec<Rule>,
}

/// How the messages of some topics become readings. Field paths are dotted (`params.temperature`);
/// a key that itself holds a dot or a space is quoted (`"PM2.5".value`).
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Rule {
    /// Name, unique within the source.
    pub name: String,
    /// Topic template: literal levels, `+`, and captures like `{device}`, `{channel}` or `{site}`.
    /// Several `{device}` captures are joined by `/`.
    pub topic: String,
    /// Quality of service to subscribe with: 0 or 1.
    #[serde(default = "default::qos")]
    pub qos: u8,
    /// How to read the payload. All keys below are for `json`.
    pub decoder: Decoder,
    /// Field of the event time. Without it, time is arrival.
    pub time: Option<String>,
    /// How the time is written. Default: `rfc3339`.
    pub time_format: Option<TimeFormat>,
    /// Field of the device's name, when the topic does not give it.
    pub device: Option<String>,
    /// Field of the channel's name, when neither the topic nor `values` gives it.
    pub channel: Option<String>,
    /// Field of the value, when a message holds one reading. Exactly one of `value` and `values`.
    pub value: Option<String>,
    /// Channel name and field of each value, when a message holds several readings.
    pub values: Option<IndexMap<String, String>>,
}

/// How a payload is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Decoder {
    /// A JSON object whose fields are mapped.
    Json,
    /// One bare number; its time is arrival.
    Value,
}
