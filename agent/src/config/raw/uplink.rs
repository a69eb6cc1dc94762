//! `[uplink]` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Period, Size};
use crate::config::{MqttVersion, default};

/// Where records go: to `{topic_prefix}/{agent}/{lane}/{device}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Uplink {
    /// `mqtt://host[:port]` (port 1883) or `mqtts://host[:port]` (port 8883).
    pub url: String,
    /// MQTT version.
    #[serde(default = "default::version")]
    pub version: MqttVersion,
    /// Client identifier; the session on the broker hangs on it. Default: `eyot-{agent}-uplink`.
    pub client_id: Option<String>,
    /// Keep-alive interval.
    #[serde(default = "default::keep_alive")]
    pub keep_alive: Period,
    /// How long the broker is asked to keep the session while the agent is away.
    #[serde(default = "default::session_expiry")]
    pub session_expiry: Period,
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
    /// First levels of the topics that records go to.
    #[serde(default = "default::topic_prefix")]
    pub topic_prefix: String,
    /// Messages under way at once.
    #[serde(default = "default::in_flight")]
    #[schemars(range(min = 1))]
    pub in_flight: u16,
    /// Bytes of records under way at once. A record larger than that goes alone.
    #[serde(default = "default::in_flight_bytes")]
    pub in_flight_bytes: Size,
    /// Share of the bytes that goes to what has piled up during an outage, while there is fresh data
    /// as well. What one of them does not need goes to the other; alerts go before both.
    #[serde(default = "default::backlog_share")]
    #[schemars(range(min = 0, max = 1))]
    pub backlog_share: f64,
    /// Times that a record may be refused before it becomes a dead letter. A lost connection refuses nothing.
    #[serde(default = "default::max_tries")]
    #[schemars(range(min = 1))]
    pub max_tries: u32,
    /// Failures in a row before the broker is left alone for a pause of up to `backoff_max` and then
    /// tried with one message.
    #[serde(default = "default::breaker_failures")]
    #[schemars(range(min = 1))]
    pub breaker_failures: u32,
    /// Bytes a second that are published on average, topics included. Default: as many as go.
    #[schemars(range(min = 1))]
    pub max_bytes_per_second: Option<u64>,
    /// Hours of the day at which records are sent: `["22:00-06:00"]`. Default: at any.
    #[serde(default)]
    pub hours: Vec<String>,
    /// Time zone of `hours`, by its IANA name. Default: the machine's.
    pub time_zone: Option<String>,
    /// Whether alerts are sent at any time.
    #[serde(default = "default::on")]
    pub alerts_any_time: bool,
    /// Age at which a record is given up unsent, and the broker asked not to keep it any longer (MQTT 5).
    /// Not for alerts. Default: never.
    pub expire_after: Option<Period>,
    /// How often the agent publishes its [status](records.md#status), beside changes of its health.
    #[serde(default = "default::heartbeat")]
    pub heartbeat: Period,
    /// Sends records of a lane together, compressed. Alerts still go one by one.
    pub batch: Option<Batch>,
    /// First pause between attempts to connect, and before a refused record is sent again.
    #[serde(default = "default::backoff_min")]
    pub backoff_min: Period,
    /// Longest of these pauses.
    #[serde(default = "default::backoff_max")]
    pub backoff_max: Period,
}

/// Batches: each goes to `{topic_prefix}/{agent}/batch/{lane}` as one zstd frame of lines of JSON. The
/// first bound that is met closes one.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Batch {
    /// Records in one.
    #[serde(default = "default::batch_records")]
    #[schemars(range(min = 1, max = 10000))]
    pub records: usize,
    /// Bytes of records in one, before compression.
    #[serde(default = "default::batch_bytes")]
    pub bytes: Size,
    /// How long a record waits for company.
    #[serde(default = "default::batch_wait")]
    pub wait: Period,
}
