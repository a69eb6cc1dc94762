//! Windows of a class, their features, late readings, summaries and silence.

use eyot_pipeline::config::{ChannelKind, ClassConfig};
use eyot_pipeline::feature::Feature;
use eyot_pipeline::window::{Emit, LatePolicy, Report, WindowSpec};
use std::sync::Arc;

use super::{check_line, config_with};

/// An empty line of `[[class]]`.
const BLANK: usize = 18;

const KINDS: &str = "(write a length like \"10s\", or one of { length = \"1m\", hop = \"10s\" }, { sliding = \"1m\" }, { gap = \"30s\", max_length = \"1h\" } and { count = 100 })";

fn class(keys: &str) -> Arc<ClassConfig> {
    config_with(BLANK, keys).classes[0].pipeline.clone()
}

/// Checks that the keys have exactly these faults; places are in the first line of the keys.
#[track_caller]
fn faulty(keys: &str, expected: &[&str]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|fault| {
            let (column, rest) = fault.split_once(' ').unwrap();
            format!("18:{column} class[0].{rest}")
        })
        .collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    check_line(BLANK, keys, &expected);
}

#[test]
fn every_kind_of_window() {
    for (window, shown, frame_wait, idle_timeout) in [
        ("\"10s\"", "10s long", "10s", "20s"),
        ("{ length = \"1m\" }", "1m long", "1m", "2m"),
        ("{ length = \"1m\", hop = \"1m\" }", "1m long", "1m", "2m"),
        (
            "{ length = \"7d\", hop = \"1h\" }",
            "168h long, one every 1h",
            "1h",
            "2h",
        ),
        (
            "{ sliding = \"1m\" }",
            "the 1m up to each reading",
            "0s",
            "10s",
        ),
        (
            "{ gap = \"30s\", max_length = \"1h\" }",
            "sessions with gaps of less than 30s, cut at 1h",
            "0s",
            "1m",
        ),
        (
            "{ gap = \"1s\", max_length = \"1s\" }",
            "sessions with gaps of less than 1s, cut at 1s",
            "0s",
            "10s",
        ),
        ("{ count = 100 }", "100 readings each", "0s", "1h"),
    ] {
        let class = class(&format!("window = {window}"));
        assert_eq!(class.window.to_string(), shown);
        assert_eq!(class.frame_wait.to_string(), frame_wait, "{window}");
        assert_eq!(class.idle_timeout.to_string(), idle_timeout, "{window}");
    }
    let counted = class("window = { count = 9 }\nreport = { every = \"1m\" }");
    assert_eq!(counted.idle_timeout.to_string(), "3m");
    let table = class("[class.window]\nlength = \"1m\"\nhop = \"10s\"");
    assert!(matches!(table.window, WindowSpec::Hopping { .. }));
}

#[test]
fn windows_that_are_none() {
    let of = |keys: &str, expected: &[&str]| faulty(&format!("window = {keys}"), expected);
    of(
        "{}",
        &[&format!(
            "10 window: this says nothing about windows {KINDS}"
        )],
    );
    of(
        "{ length = \"1m\", count = 5 }",
        &[&format!(
            "27 window.count: `count` and `length` are of different kinds of windows {KINDS}"
        )],
    );
    of(
        "{ hop = \"1m\" }",
        &[&format!("12 window.hop: `hop` goes with `length` {KINDS}")],
    );
    of(
        "{ count = 5, max_length = \"1m\" }",
        &[&format!(
            "23 window.max_length: `max_length` goes with `gap` {KINDS}"
        )],
    );
    of(
        "{ gap = \"1m\" }",
        &[
            "10 window: missing key `max_length` (say where a session is cut when its readings never pause, like max_length = \"1h\")",
        ],
    );
    of(
        "{ size = 5 }",
        &[
            "12 window.size: unknown key (the keys here are count, gap, hop, length, max_length, sliding)",
        ],
    );
    of(
        "{ lenght = \"5s\" }",
        &["12 window.lenght: unknown key (did you mean `length`?)"],
    );
    of(
        "{ length = 5 }",
        &["21 window.length: expected a string, found an integer (write it like \"10s\")"],
    );
    of(
        "true",
        &["10 window: expected a string, found true or false (write it like \"10s\")"],
    );
}

#[test]
fn windows_that_cannot_be() {
    let of = |keys: &str, expected: &str| faulty(&format!("window = {keys}"), &[expected]);
    of(
        "{ length = \"0s\" }",
        "21 window.length: must be at least 1ms",
    );
    of(
        "{ length = \"1m\", hop = \"0s\" }",
        "33 window.hop: must be at least 1ms",
    );
    of(
        "{ sliding = \"0s\" }",
        "22 window.sliding: must be at least 1ms",
    );
    of(
        "{ gap = \"0s\", max_length = \"1h\" }",
        "18 window.gap: must be at least 1ms",
    );
    of("{ count = 0 }", "20 window.count: must be at least 1");
    of(
        "{ length = \"10s\", hop = \"11s\" }",
        "34 window.hop: 11s is longer than length 10s: readings in between would be in no window",
    );
    of(
        "{ length = \"1h\", hop = \"1001ms\" }",
        "33 window.hop: each window would be merged from 3600000 pieces of 1ms, which is what divides 1h and 1001ms; 16384 are allowed (choose a hop that length is a multiple of)",
    );
    of(
        "{ gap = \"10s\", max_length = \"5s\" }",
        "38 window.max_length: 5s is shorter than gap 10s: no session would end by a pause",
    );
    of(
        "{ count = 2049 }",
        "20 window.count: a channel never holds that many: max_window_readings is 2048",
    );
    class("window = { count = 2049 }\nmax_window_readings = 2049");
}

#[test]
fn only_windows_in_common_wait_for_other_channels() {
    let sliding = "window = { sliding = \"1m\" }";
    faulty(
        &format!("frame_wait = \"1s\"\n{sliding}"),
        &[
            "1 frame_wait: of no use: windows of this kind (the 1m up to each reading) wait for no other channel (leave it out)",
        ],
    );
    faulty(
        "idle_timeout = \"5s\"\nwindow = { gap = \"10s\", max_length = \"1h\" }",
        &["16 idle_timeout: silence of 5s would end sessions before their gap of 10s"],
    );
}

#[test]
fn late_readings() {
    assert_eq!(class("").late, LatePolicy::Drop);
    assert_eq!(class("late = \"side_output\"").late, LatePolicy::SideOutput);
    let revised = class("late = \"revise\"");
    assert_eq!(revised.late, LatePolicy::Revise { windows: 8 });
    assert_eq!(revised.allowed_lateness.to_string(), "80s");
    let hopping =
        class("late = \"revise\"\nrevise_windows = 3\nwindow = { length = \"1h\", hop = \"10m\" }");
    assert_eq!(hopping.late, LatePolicy::Revise { windows: 3 });
    assert_eq!(hopping.allowed_lateness.to_string(), "30m");
    let given = class("late = \"revise\"\nallowed_lateness = \"5s\"");
    assert_eq!(given.allowed_lateness.to_string(), "5s");

    faulty(
        "late = \"revised\"",
        &["8 late: `revised` is not one of drop, side_output, revise (did you mean `revise`?)"],
    );
    let useless = "of no use unless late readings revise their windows (set late = \"revise\", or leave it out)";
    faulty(
        "allowed_lateness = \"5s\"",
        &[&format!("1 allowed_lateness: {useless}")],
    );
    faulty(
        "revise_windows = 5\nlate = \"side_output\"",
        &[&format!("1 revise_windows: {useless}")],
    );
    faulty(
        "revise_windows = 0\nlate = \"revise\"",
        &["18 revise_windows: must be at least 1"],
    );
    faulty(
        "allowed_lateness = \"0s\"\nlate = \"revise\"",
        &["20 allowed_lateness: must be at least 1ms"],
    );
    for (window, shown) in [
        ("{ sliding = \"1m\" }", "the 1m up to each reading"),
        (
            "{ gap = \"1m\", max_length = \"1h\" }",
            "sessions with gaps of less than 1m, cut at 1h",
        ),
        ("{ count = 5 }", "5 readings each"),
    ] {
        faulty(
            &format!("late = \"revise\"\nwindow = {window}"),
            &[&format!(
                "8 late: windows of this kind ({shown}) are never revised (set late = \"side_output\", or choose windows with a length)"
            )],
        );
    }
}

#[test]
fn which_windows_become_summaries() {
    assert_eq!(class("").emit, Emit::Every);
    assert_eq!(class("emit = \"every\"").emit, Emit::Every);
    assert_eq!(class("emit = \"on_change\"").emit, Emit::OnChange);
    let Emit::Interval(interval) = class("emit = \"30s\"").emit else {
        panic!("not an interval")
    };
    assert_eq!(interval.to_string(), "30s");
    faulty(
        "emit = \"on_chnage\"",
        &[
            "8 emit: `on_chnage` is neither `every` nor `on_change` nor a length of time (did you mean `on_change`?)",
        ],
    );
    faulty(
        "emit = \"seldom\"",
        &[
            "8 emit: `seldom` is neither `every` nor `on_change` nor a length of time (write it like 30s)",
        ],
    );
    faulty("emit = \"0s\"", &["8 emit: must be at least 1ms"]);
    faulty(
        "emit = \"30\"",
        &[
            "8 emit: `30` is not a length of time (write a whole number and a unit, like 250ms, 10s, 5m, 2h or 7d)",
        ],
    );
    faulty(
        "emit = 30",
        &["8 emit: expected a string, found an integer"],
    );
}

#[test]
fn whether_silence_means_something() {
    assert_eq!(class("").report, Report::OnChange);
    assert_eq!(class("report = \"on_change\"").report, Report::OnChange);
    let Report::Periodic { every } = class("report = { every = \"1m\" }").report else {
        panic!("not periodic")
    };
    assert_eq!(every.to_string(), "1m");
    faulty(
        "report = \"on_chang\"",
        &["10 report: `on_chang` is not one of on_change (did you mean `on_change`?)"],
    );
    faulty("report = {}", &["10 report: missing key `every`"]);
    faulty(
        "report = { every = \"0s\" }",
        &["20 report.every: must be at least 1ms"],
    );
    faulty(
        "report = { evry = \"1m\" }",
        &["12 report.evry: unknown key (did you mean `every`?)"],
    );
}

#[test]
fn features() {
    let asked = class(
        "features = [\"p95\", \"autocorrelation_3\", \"gap_ratio\", \"median\"]\nreport = { every = \"1m\" }",
    );
    assert_eq!(
        asked.features,
        [
            Feature::Quantile(95),
            Feature::Autocorrelation(3),
            Feature::GapRatio,
            Feature::Median
        ]
    );
    for feature in Feature::EXTRA {
        if !feature.is_of(ChannelKind::Gauge) {
            continue;
        }
        class(&format!(
            "features = [\"{feature}\"]\nreport = {{ every = \"1m\" }}"
        ));
    }
    let known = "there are count, mean, std, detrended_std, min, max, rms, slope, last, first, sum, variance, range, peak, crest_factor, skewness, kurtosis, rate_of_change, zero_crossings, time_weighted_mean, gap_ratio, median, mad, mean_crossings, increase, rate, resets, circular_mean, circular_dispersion, dominant_frequency, spectral_centroid, spectral_entropy, circular_std, p00 to p100, autocorrelation_1 and up, ewma_0.001 to ewma_1, and band_energy_0.5_2, envelope_frequency_0.5_2, envelope_energy_0.5_2 and the like, in Hz";
    faulty(
        "features = [\"p95\", \"kurtosys\", \"p101\", \"autocorrelation_0\"]",
        &[
            &format!(
                "20 features[1]: `kurtosys` is not a feature; {known} (did you mean `kurtosis`?)"
            ),
            &format!("32 features[2]: `p101` is not a feature; {known}"),
            &format!(
                "40 features[3]: `autocorrelation_0` is not a feature; {known} (did you mean `autocorrelation_1`?)"
            ),
        ],
    );
    faulty(
        "features = [\"p95\", \"p95\"]",
        &["20 features[1]: `p95` is listed twice"],
    );
    faulty(
        "features = [\"mean\"]",
        &["13 features[0]: every window has `mean` (leave it out)"],
    );
    faulty(
        "features = [\"gap_ratio\"]",
        &[
            "13 features[0]: `gap_ratio` is held against how often devices send, which is not said (say it, like report = { every = \"10s\" })",
        ],
    );
    faulty(
        "features = \"p95\"",
        &["12 features: expected an array, found a string"],
    );
}

#[test]
fn detectors_watch_what_is_computed() {
    let watched = class(
        "features = [\"p95\"]\ndetectors.ewma.features = [\"p95\"]\ndetectors.robust_z.features = [\"mean\", \"p95\"]",
    );
    let ewma = watched.detectors.ewma.as_ref().unwrap();
    assert_eq!(ewma.features, [Feature::Quantile(95)]);
    faulty(
        "detectors.ewma.features = [\"mean\", \"p95\"]",
        &[
            "36 detectors.ewma.features[1]: windows of the class have no `p95` (add it to the class: features = [\"p95\"])",
        ],
    );
    faulty(
        "detectors.robust_z.features = [\"mad\"]",
        &[
            "32 detectors.robust_z.features[0]: windows of the class have no `mad` (add it to the class: features = [\"mad\"])",
        ],
    );
}

#[test]
fn kinds_of_channels() {
    for (keys, kind) in [
        ("", ChannelKind::Gauge),
        ("kind = \"gauge\"", ChannelKind::Gauge),
        ("kind = \"counter\"", ChannelKind::Counter { modulus: None }),
        (
            "kind = \"counter\"\nmodulus = 65536",
            ChannelKind::Counter {
                modulus: Some(65_536),
            },
        ),
        ("kind = \"angle\"", ChannelKind::Degrees),
        ("kind = \"angle\"\nunit = \"°\"", ChannelKind::Degrees),
        ("kind = \"angle\"\nunit = \"rad\"", ChannelKind::Radians),
    ] {
        let config = config_with(20, keys);
        assert_eq!(config.classes[0].pipeline.channels[0].kind, kind, "{keys}");
    }
    check_line(
        20,
        "unit = \"m\"\nkind = \"angle\"",
        &[
            "20:8 class[0].channels.temperature.unit: angles are in degrees or radians, not in `m` (write deg or rad; readings in other units are converted)",
        ],
    );
    for (keys, fault) in [
        (
            "modulus = 65536",
            "20:11 class[0].channels.temperature.modulus: only a counter goes around (say kind = \"counter\", or leave it out)",
        ),
        (
            "modulus = 1\nkind = \"counter\"",
            "20:11 class[0].channels.temperature.modulus: must be at least 2",
        ),
    ] {
        check_line(20, keys, &[fault]);
    }
    check_line(
        20,
        "kind = \"countr\"",
        &[
            "20:8 class[0].channels.temperature.kind: `countr` is not one of gauge, counter, angle (did you mean `counter`?)",
        ],
    );
    let counted = class("features = [\"increase\"]\nchannels.energy = { kind = \"counter\" }");
    assert_eq!(counted.features, [Feature::Increase]);
    for (feature, kind) in [("rate", "counter"), ("circular_mean", "angle")] {
        faulty(
            &format!("features = [\"{feature}\"]"),
            &[&format!(
                "13 features[0]: no channel of the class is of the kind that has `{feature}` (say which channel is, with kind = \"{kind}\")"
            )],
        );
    }
}
