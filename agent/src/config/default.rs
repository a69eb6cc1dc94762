//! Every default in one place. The schema shows them, so the documentation can't go stale.

use eyot_pipeline::feature::Feature;
use serde::de::DeserializeOwned;
use serde::de::value::{Error, MapDeserializer};

use super::raw::{Align, Kind, Late, OnChange, Period, Report, Size, Skewed, WhenFull, Window};
use super::{Durability, MqttVersion};

/// A function for each default, since that is what serde asks for.
macro_rules! defaults {
    ($($name:ident: $type:ty = $value:expr;)*) => {
        $(pub(super) fn $name() -> $type { $value.into() })*
    };
}

defaults! {
    // [agent]
    workers: usize = 1_usize;
    shutdown_timeout: Period = "10s";

    // [limits]
    devices: usize = 10_000_usize;
    readings_in_flight: usize = 65_536_usize;
    readings_in_flight_per_device: usize = 4_096_usize;
    restarts: u32 = 5_u32;
    restart_window: Period = "1m";
    dead_letters: usize = 10_000_usize;
    dead_letter_bytes: usize = 4_096_usize;

    // [journal]
    durability: Durability = Durability::Process;
    journal_max_bytes: Size = "256MiB";
    journal_max_wait: Period = "5ms";

    // [store]
    commit_interval: Period = "100ms";
    headroom: Size = "8MiB";

    // [outbox]
    max_records: u64 = 100_000_000_u64;
    max_bytes: Size = "1GiB";
    when_full: WhenFull = WhenFull::Downsample;
    fold_after: Period = "10m";

    // [[source]] and [uplink]
    version: MqttVersion = MqttVersion::V5;
    keep_alive: Period = "30s";
    session_expiry: Period = "1h";
    receive_maximum: u16 = 1_000_u16;
    broker_in_flight: u16 = 20_u16;
    publish_every: Period = "30s";
    topic_prefix: String = "eyot";
    in_flight: u16 = 64_u16;
    in_flight_bytes: Size = "4MiB";
    backlog_share: f64 = 0.25;
    max_tries: u32 = 5_u32;
    breaker_failures: u32 = 10_u32;
    heartbeat: Period = "1m";
    batch_records: usize = 500_usize;
    batch_bytes: Size = "256KiB";
    batch_wait: Period = "1s";
    backoff_min: Period = "500ms";
    backoff_max: Period = "30s";

    // [[class]]
    window: Window = "10s";
    late: Late = Late::Drop;
    revise_windows: u32 = 8_u32;
    emit: String = "every";
    report: Report = Report::OnChange(OnChange::OnChange);
    out_of_orderness: Period = "2s";
    max_future_skew: Period = "5m";
    future: Skewed = Skewed::Reject;
    past: Skewed = Skewed::Reject;
    max_window_readings: usize = 2_048_usize;
    max_unlisted: usize = 64_usize;
    resolution: f64 = 0.0;
    kind: Kind = Kind::Gauge;
    align: Align = Align::Last;

    // [class.detectors]
    relearn_after: u32 = 360_u32;
    robust_z_features: Vec<String> = names(&[Feature::Mean, Feature::DetrendedStd]);
    robust_z_threshold: f64 = 5.0;
    robust_z_history: usize = 60_usize;
    robust_z_warmup: usize = 20_usize;
    ewma_features: Vec<String> = names(&[Feature::Mean]);
    ewma_lambda: f64 = 0.2;
    ewma_threshold: f64 = 5.0;
    ewma_warmup: usize = 30_usize;
    ewma_memory: usize = 360_usize;
    flatline_windows: u32 = 2_u32;
    flatline_min_readings: u64 = 3_u64;
    flatline_warmup: usize = 10_usize;

    // [class.verdict]
    // A burst on the border of two windows is in both, so it takes three to tell what lasts.
    enter_after: u32 = 3_u32;
    exit_below: f64 = 0.7;
    exit_after: u32 = 3_u32;
    cooldown: Period = "1m";
    contributions: usize = 5_usize;

    // [clock]
    synchronised: String = "/run/systemd/timesync/synchronized";
    hold_unsynced: Period = "10m";

    // [http]
    listen: String = "127.0.0.1:9484";

    // Any switch that is on unless told otherwise.
    on: bool = true;
}

fn names(features: &[Feature]) -> Vec<String> {
    features.iter().map(Feature::to_string).collect()
}

/// Name of an agent on a machine without a usable host name.
pub(super) const AGENT_NAME: &str = "eyot";

/// A table that is not in the file: all its keys have defaults.
pub(super) fn table<T: DeserializeOwned>() -> T {
    let nothing = std::iter::empty::<(&str, &str)>();
    T::deserialize(MapDeserializer::<_, Error>::new(nothing))
        .expect("every key of an optional table has a default")
}
