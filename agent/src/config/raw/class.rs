//! `[[class]]` as written.

use eyot_pipeline::feature::Feature;
use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Freshness, Period};
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
    /// Windows that features are computed over: a length, or a table for other kinds of windows.
    #[serde(default = "default::window")]
    pub window: Window,
    /// Features of each window beyond those that every window has.
    #[serde(default)]
    #[schemars(schema_with = "features")]
    pub features: Vec<String>,
    /// How far behind the newest reading of its channel a reading may come and still be in time.
    #[serde(default = "default::out_of_orderness")]
    pub out_of_orderness: Period,
    /// What becomes of readings that come after their window has closed.
    #[serde(default = "default::late")]
    pub late: Late,
    /// With `late = "revise"`: how many windows back may be revised.
    #[serde(default = "default::revise_windows")]
    #[schemars(range(min = 1))]
    pub revise_windows: u32,
    /// With `late = "revise"`: how far the watermark may be past the end of a window that is revised. Default:
    /// as long as `revise_windows` windows take.
    pub allowed_lateness: Option<Period>,
    /// Which windows become summaries: `every`, `on_change` of the verdict, or, by a length of time, one each so
    /// long. Alerts leave in any case.
    #[serde(default = "default::emit")]
    #[schemars(extend("pattern" = "^(every|on_change|[0-9]+(ms|s|m|h|d))$"))]
    pub emit: String,
    /// When devices send: `on_change`, so that silence means nothing, or every so often, so that a device is stale
    /// after three times that.
    #[serde(default = "default::report")]
    pub report: Report,
    /// How long a finished channel waits for the slower ones before the device is scored without
    /// them. Default: from one window to the next.
    pub frame_wait: Option<Period>,
    /// Silence after which a channel's windows close by themselves. Default: see below.
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
    /// Readings held per channel, at most: in open windows, and in closed ones that others overlap with or that may be
    /// revised.
    #[serde(default = "default::max_window_readings")]
    #[schemars(range(min = 1))]
    pub max_window_readings: usize,
    /// Folder of the model. Without it the statistical detectors judge alone.
    pub model: Option<String>,
    /// The channels by name. Their order is the order of a model's inputs.
    #[serde(default)]
    pub channels: IndexMap<String, Channel>,
    /// Channels that are computed from listed ones.
    #[serde(default, rename = "virtual")]
    pub virtuals: IndexMap<String, Virtual>,
    /// What becomes of channels that `channels` does not list. Default: `ignore`, and `record` where
    /// there is no list.
    pub unlisted: Option<Unlisted>,
    /// Channels that a device may have beyond those listed.
    #[serde(default = "default::max_unlisted")]
    #[schemars(range(min = 1, max = 4096))]
    pub max_unlisted: usize,
    /// How old data of this class may be, where that is not as in `[freshness]`.
    #[serde(default = "default::table::<Freshness>")]
    pub freshness: Freshness,
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

/// How event time is cut into windows.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum Window {
    /// One after the other, so long.
    Length(Period),
    /// Any kind.
    Kind(WindowKind),
}

impl From<&str> for Window {
    fn from(text: &str) -> Self {
        Self::Length(text.into())
    }
}

/// A kind of windows, by its keys.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct WindowKind {
    /// Length of tumbling and, with `hop`, of hopping windows.
    pub length: Option<Period>,
    /// From the start of one window to the start of the next, no longer than `length`.
    pub hop: Option<Period>,
    /// Sliding windows, one for each reading: all that is no more than this older.
    pub sliding: Option<Period>,
    /// Sessions, of readings less than this apart.
    pub gap: Option<Period>,
    /// Where a session is cut, however close its readings are; at least `gap`.
    pub max_length: Option<Period>,
    /// Windows of so many readings.
    #[schemars(range(min = 1))]
    pub count: Option<usize>,
}

/// What becomes of readings that come after their window has closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Late {
    /// They are counted.
    Drop,
    /// They are counted, and become records of their own.
    SideOutput,
    /// Their windows are summed up again; those that come later still become records of their own.
    Revise,
}

/// When devices send.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum Report {
    /// When there is something to say.
    OnChange(OnChange),
    /// Again and again.
    Periodic(Periodic),
}

/// When there is something to say.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum OnChange {
    /// When there is something to say.
    OnChange,
}

/// Again and again.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Periodic {
    /// At least once in so long.
    pub every: Period,
}

/// What becomes of readings whose time is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
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
    /// What its values are, which some features want to know: `gauge`, what goes up and down; `counter`, what only
    /// rises, but for resets; `angle`, in degrees unless the unit is `rad`.
    #[serde(default = "default::kind")]
    pub kind: Kind,
    /// Of a counter: what it goes around at, to begin at 0 again, like 4294967296 for one of 32 bits; in the channel's unit. Without it every fall is
    /// a reset.
    pub modulus: Option<u64>,
    /// What a value is taken for, before `min` and `max` are looked at: a scale and an offset, or a polynomial.
    pub calibration: Option<Calibration>,
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

/// What the values of a channel are taken for.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Calibration {
    /// What values are multiplied by. Default: 1.
    pub scale: Option<f64>,
    /// What is added then. Default: 0.
    pub offset: Option<f64>,
    /// In place of both: the coefficients of 1, x, x² and so on, eight at most.
    pub polynomial: Option<Vec<f64>>,
}

/// A channel that is computed from others.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Virtual {
    /// Formula of channels that the class lists, or `correlation`: numbers, `+ - * / ^`, parentheses, `sqrt`, `abs`, `min`, `max`, `sin` and the like;
    /// in braces, `{Flow rate}`, where a name is no plain word.
    pub expression: Option<String>,
    /// In place of a formula: the two channels whose correlation it is.
    pub correlation: Option<[String; 2]>,
    /// With `correlation`: over how long a time up to the instant. At most 1,024 times `every`.
    pub over: Option<Period>,
    /// From one of its readings to the next, aligned to the epoch.
    pub every: Period,
    /// What the others have at that instant: the `last` value, what is on a `linear` way to the next, or the `nearest`.
    #[serde(default = "default::align")]
    pub align: Align,
    /// How far away the readings may be that this comes from. Default: three times `every`.
    pub max_age: Option<Period>,
    /// Unit, for people.
    pub unit: Option<String>,
    /// Smallest plausible value; what lies below is passed over. Default: none.
    pub min: Option<f64>,
    /// Largest plausible value; what lies above is passed over. Default: none.
    pub max: Option<f64>,
    /// Smallest change that means anything, in the channel's unit.
    #[serde(default = "default::resolution")]
    #[schemars(range(min = 0))]
    pub resolution: f64,
    /// Whether the statistical detectors watch this channel.
    #[serde(default = "default::on")]
    pub detect: bool,
}

/// What a channel has between its readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Align {
    /// The value of the last reading before.
    Last,
    /// What lies on the line from the last reading to the next.
    Linear,
    /// The value of the nearest reading.
    Nearest,
}

/// What the values of a channel are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Kind {
    /// What goes up and down.
    Gauge,
    /// What only rises, but for resets.
    Counter,
    /// Directions.
    Angle,
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
    pub features: Vec<String>,
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
    pub features: Vec<String>,
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

/// A list of features by their names.
fn features(_: &mut SchemaGenerator) -> Schema {
    let names = Feature::BASIC.into_iter().chain(Feature::EXTRA);
    let names: Vec<_> = names
        .filter(|feature| !feature.is_numbered())
        .map(Feature::name)
        .collect();
    let pattern = format!(
        "^({}|p[0-9]{{2}}|p100|autocorrelation_[1-9][0-9]*|ewma_[0-9.]+|(band_energy|envelope_frequency|envelope_energy)_[0-9.]+_[0-9.]+)$",
        names.join("|")
    );
    json_schema!({ "type": "array", "items": { "type": "string", "pattern": pattern } })
}
