//! `[[class]]` as written.

use eyot_pipeline::feature::Feature;
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use super::Period;
use crate::config::default;

/// A class of devices: their channels, and how they are judged.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Class {
    /// Name, unique.
    pub name: String,
    /// Patterns of device names: `*` is any text (`/` too), `?` any character, `[ab]` and `{a,b}`
    /// are choices.
    pub devices: Vec<String>,
    /// Length of the window that features are computed over.
    #[serde(default = "default::window")]
    pub window: Period,
    /// How far behind the newest reading of its channel a reading may come and still be in time.
    #[serde(default = "default::out_of_orderness")]
    pub out_of_orderness: Period,
    /// How long a finished channel waits for the slower ones before the device is scored without
    /// them. Default: `window`.
    pub frame_wait: Option<Period>,
    /// Silence after which a channel's windows close by themselves. Default: twice `window`, at
    /// least 10s.
    pub idle_timeout: Option<Period>,
    /// Readings stamped further ahead of the gateway's clock than this are not believed.
    #[serde(default = "default::max_future_skew")]
    pub max_future_skew: Period,
    /// What becomes of readings from beyond `max_future_skew`.
    #[serde(default = "default::future")]
    pub future: Skewed,
    /// Readings stamped further behind the gateway's clock than this are not believed. Default: however old they are, they
    /// are.
    pub max_past_skew: Option<Period>,
    /// What becomes of readings from beyond `max_past_skew`.
    #[serde(default = "default::past")]
    pub past: Skewed,
    /// Readings held per channel in open windows, at most.
    #[serde(default = "default::max_window_readings")]
    #[schemars(range(min = 1))]
    pub max_window_readings: usize,
    /// Folder of the model. Without it the statistical detectors judge alone.
    pub model: Option<String>,
    /// The channels by name. Their order is the order of a model's inputs.
    #[serde(default)]
    pub channels: IndexMap<String, Channel>,
    /// What becomes of channels that `channels` does not list. Default: `ignore`, and `record` where
    /// there is no list.
    pub unlisted: Option<Unlisted>,
    /// Channels that a device may have beyond those listed.
    #[serde(default = "default::max_unlisted")]
    #[schemars(range(min = 1, max = 4096))]
    pub max_unlisted: usize,
    /// Statistical detectors.
    #[serde(default = "default::table::<Detectors>")]
    pub detectors: Detectors,
    /// When scores become a verdict.
    #[serde(default = "default::table::<Verdict>")]
    pub verdict: Verdict,
}

impl Class {
    /// The class of a file that has none.
    pub(in crate::config) fn any() -> Self {
        let keys = [
            ("name", Value::from("any")),
            ("devices", ["*"].as_slice().into()),
        ];
        let keys: serde_json::Map<_, _> = keys
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect();
        serde_json::from_value(Value::Object(keys)).expect("every other key has a default")
    }
}

/// What becomes of readings whose time is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Skewed {
    /// They are rejected and counted.
    Reject,
    /// They count as measured when they arrived, and are counted.
    Restamp,
}

/// What becomes of channels that a class does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Unlisted {
    /// They are passed over and counted.
    Ignore,
    /// They become channels of the device, with every default.
    Record,
}

/// A channel of a class.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Channel {
    /// Unit; readings in another one are converted to it, and rejected if that cannot be.
    pub unit: Option<String>,
    /// Smallest plausible value; what lies below is rejected. Default: none.
    pub min: Option<f64>,
    /// Largest plausible value; what lies above is rejected. Default: none.
    pub max: Option<f64>,
    /// Smallest change that means anything, in the channel's unit. The detectors never take a
    /// smaller spread for real.
    #[serde(default = "default::resolution")]
    #[schemars(range(min = 0))]
    pub resolution: f64,
    /// Whether the statistical detectors watch this channel.
    #[serde(default = "default::on")]
    pub detect: bool,
}

/// The statistical detectors of a class.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Detectors {
    /// Windows after which baselines learn again although the device looks anomalous, so that a
    /// new normal is accepted in the end.
    #[serde(default = "default::relearn_after")]
    #[schemars(range(min = 1))]
    pub relearn_after: u32,
    /// Robust z-score: distance from the median of the recent past in sigmas. Sigma is the larger of
    /// the recent past's own spread and of how far such forecasts have been off.
    #[serde(default = "default::table::<RobustZ>")]
    pub robust_z: RobustZ,
    /// EWMA control chart: z ← λx + (1 − λ)z. Values beyond `threshold` sigmas count as that far.
    #[serde(default = "default::table::<Ewma>")]
    pub ewma: Ewma,
    /// Channels whose readings stop moving, window after window, although they used to move.
    #[serde(default = "default::table::<Flatline>")]
    pub flatline: Flatline,
}

/// Robust z-score.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct RobustZ {
    /// Whether it runs.
    #[serde(default = "default::on")]
    pub enabled: bool,
    /// Window features it watches on every channel.
    #[serde(default = "default::robust_z_features")]
    #[schemars(schema_with = "features")]
    pub features: Vec<Feature>,
    /// Score at which a window counts as anomalous.
    #[serde(default = "default::robust_z_threshold")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub threshold: f64,
    /// Windows remembered.
    #[serde(default = "default::robust_z_history")]
    #[schemars(range(min = 2))]
    pub history: usize,
    /// Windows seen before it speaks; at most `history`.
    #[serde(default = "default::robust_z_warmup")]
    #[schemars(range(min = 2))]
    pub warmup: usize,
}

/// EWMA control chart.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Ewma {
    /// Whether it runs.
    #[serde(default = "default::on")]
    pub enabled: bool,
    /// Window features it watches on every channel.
    #[serde(default = "default::ewma_features")]
    #[schemars(schema_with = "features")]
    pub features: Vec<Feature>,
    /// Weight of the newest window, above 0 and at most 1.
    #[serde(default = "default::ewma_lambda")]
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub lambda: f64,
    /// Control limit in standard deviations of the statistic.
    #[serde(default = "default::ewma_threshold")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub threshold: f64,
    /// Windows that form the baseline before it speaks.
    #[serde(default = "default::ewma_warmup")]
    #[schemars(range(min = 2))]
    pub warmup: usize,
    /// Windows after which the baseline starts to forget.
    #[serde(default = "default::ewma_memory")]
    #[schemars(range(min = 2))]
    pub memory: usize,
}

/// Stuck sensors.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Flatline {
    /// Whether it runs.
    #[serde(default = "default::on")]
    pub enabled: bool,
    /// Consecutive flat windows that count as anomalous.
    #[serde(default = "default::flatline_windows")]
    #[schemars(range(min = 1))]
    pub windows: u32,
    /// Readings a window needs to be judged at all.
    #[serde(default = "default::flatline_min_readings")]
    #[schemars(range(min = 2))]
    pub min_readings: u64,
    /// Windows seen before it speaks.
    #[serde(default = "default::flatline_warmup")]
    #[schemars(range(min = 1))]
    pub warmup: usize,
}

/// Hysteresis and cooldown of the verdict.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Verdict {
    /// Consecutive anomalous windows that raise an alert.
    #[serde(default = "default::enter_after")]
    #[schemars(range(min = 1))]
    pub enter_after: u32,
    /// Score below which a window counts as normal again, above 0 and at most 1.
    #[serde(default = "default::exit_below")]
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub exit_below: f64,
    /// Consecutive normal windows that clear the alert.
    #[serde(default = "default::exit_after")]
    #[schemars(range(min = 1))]
    pub exit_after: u32,
    /// After a cleared alert, how long no new one is raised.
    #[serde(default = "default::cooldown")]
    pub cooldown: Period,
    /// Contributions listed in an alert, at most.
    #[serde(default = "default::contributions")]
    pub contributions: usize,
}

/// A list of the features that the pipeline knows, by their names.
fn features(_: &mut SchemaGenerator) -> Schema {
    let names = Feature::BASIC.map(Feature::name);
    json_schema!({ "type": "array", "items": { "type": "string", "enum": names } })
}
