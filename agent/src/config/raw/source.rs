//! `[[source]]` as written.

use eyot_decode::Framing;
use eyot_decode::config::{Channel, Retained, Rule};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Period;
use crate::config::{MqttVersion, default};

/// Where readings come from, and what they mean.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Source {
    /// Name in the ledger, logs and metrics; unique.
    pub name: String,
    /// `mqtt://host[:port]` (port 1883) or `mqtts://host[:port]` (port 8883).
    pub url: Option<String>,
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
    /// `receive_maximum` with 3.1.1, where the broker alone decides and does not tell: what it is set to.
    #[serde(default = "default::broker_in_flight")]
    #[schemars(range(min = 1))]
    pub broker_in_flight: u16,
    /// Messages a second that are to be expected, for `eyot check`.
    #[schemars(range(min = 0.0))]
    pub rate: Option<f64>,
    /// Topic under which the broker says how many messages it has dropped, for all of its clients together: mosquitto's is
    /// `$SYS/broker/publish/messages/dropped`. Default: nobody asks.
    pub drops_topic: Option<String>,
    /// Whether readings go through the journal. Without it they are dropped, counted, when the agent is too slow, and
    /// lost when it ends without warning.
    #[serde(default = "default::on")]
    pub journal: bool,
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
    /// A family of devices whose rules are ready to use; `eyot decode --help` lists them. What is
    /// written here comes before what the profile says.
    pub profile: Option<String>,
    /// First levels of the profile's topics, where they are not what the profile expects.
    pub base: Option<String>,
    /// Topics to pass over, as MQTT filters: `homeassistant/#`.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// What to do with messages that the broker replays, where the rule does not say. Default: `own_time`.
    pub retained: Option<Retained>,
    /// IANA zone of times that name none, where the rule does not say. Default: UTC.
    pub time_zone: Option<String>,
    /// Whether a Sparkplug node may be asked for its birth certificate when it is needed.
    #[serde(default)]
    pub rebirth: bool,
    /// What the source publishes to its broker, again and again. It publishes nothing else.
    #[serde(default)]
    pub publish: Vec<Publish>,
    /// How bytes of a serial line become frames, in place of `url`. For `eyot decode`; the line itself
    /// is not read in this version.
    pub framing: Option<Framing>,
    /// How messages become readings. The first whose topic matches wins.
    #[serde(default)]
    pub rule: Vec<Rule>,
    /// What is known of channels, where the rule does not say; by name or a pattern with `*`.
    #[serde(default)]
    pub channels: IndexMap<String, Channel>,
}

/// Something to publish again and again, like the request that keeps a gateway talking.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Publish {
    /// Topic.
    pub topic: String,
    /// Payload.
    #[serde(default)]
    pub payload: String,
    /// How often.
    #[serde(default = "default::publish_every")]
    pub every: Period,
}
