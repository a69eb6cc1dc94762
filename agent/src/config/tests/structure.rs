//! Keys, types and ranges.

use serde_json::Value;

use super::{RIGHT, check, check_line};
use crate::config::schema;

#[test]
fn all_syntax_errors_are_reported_at_once() {
    let text = "[agent]\nname = \nworkers = 07\n[limits\n";
    check(
        text,
        &[
            "2:8 string values must be quoted, expected literal string",
            "3:11 unexpected leading zero, expected nothing",
            "4:8 unclosed table, expected `]`",
        ],
    );
}

#[test]
fn an_empty_file_lacks_everything_it_needs() {
    check("", &["1:1 missing key `agent`"]);
}

#[test]
fn unknown_keys_are_reported_with_the_nearest_key() {
    check_line(
        6,
        "nmae = \"plant\"",
        &["6:1 source[0].nmae: unknown key (did you mean `name`?)"],
    );
    check_line(
        3,
        "data_dir = \"data\"\nzzz = 1",
        &[
            "4:1 agent.zzz: unknown key (the keys here are data_dir, name, shutdown_timeout, workers)",
        ],
    );
    check_line(
        19,
        "[class.chanels.temperature]",
        &["19:8 class[0].chanels: unknown key (did you mean `channels`?)"],
    );
}

#[test]
fn wrong_types_are_reported_with_an_example() {
    check_line(
        7,
        "url = 5",
        &["7:7 source[0].url: expected a string, found an integer"],
    );
    check_line(
        17,
        "devices = \"pump-*\"\nwindow = 10",
        &[
            "17:11 class[0].devices: expected an array, found a string",
            "18:10 class[0].window: expected a string, found an integer (write it like \"10s\")",
        ],
    );
    check_line(
        7,
        "url = \"mqtt://broker\"\nversion = 5",
        &["8:11 source[0].version: expected a string, found an integer (did you mean \"5\"?)"],
    );
    check_line(
        20,
        "min = \"0\"",
        &["20:7 class[0].channels.temperature.min: expected a number, found a string"],
    );
    check_line(
        20,
        "detect = 1",
        &["20:10 class[0].channels.temperature.detect: expected true or false, found an integer"],
    );
    check_line(
        17,
        "devices = [\"a\", 5, 1979-05-27]",
        &[
            "17:17 class[0].devices[1]: expected a string, found an integer",
            "17:20 class[0].devices[2]: expected a string, found a date",
        ],
    );
    check_line(
        5,
        "[source]",
        &["5:1 source: expected an array, found a table (there may be several: write [[source]])"],
    );
}

#[test]
fn missing_keys_are_reported_at_their_table() {
    check_line(7, "", &["5:1 source[0]: missing key `url`"]);
    check_line(17, "", &["15:1 class[0]: missing key `devices`"]);
    check_line(10, "", &["9:1 source[0].rule[0]: missing key `name`"]);
}

#[test]
fn enumerations_suggest_the_nearest_value() {
    check_line(
        12,
        "decoder = \"jsn\"",
        &[
            "12:11 source[0].rule[0].decoder: `jsn` is not one of json, value, json_or_value, senml_json, senml_cbor, influx, sparkplug, csv, key_value, nmea, dsmr, ve_direct, sdi12 (did you mean `json`?)",
        ],
    );
    check_line(
        7,
        "url = \"mqtt://broker\"\nversion = \"3.1\"",
        &["8:11 source[0].version: `3.1` is not one of 3.1.1, 5"],
    );
    check_line(
        12,
        "decoder = \"json\"\ntime = \"ts\"\ntime_format = \"unix_msec\"",
        &[
            "14:15 source[0].rule[0].time_format: `unix_msec` is not a way to write times; there are `iso8601`, `unix`, `unix_s`, `unix_ms`, `unix_us`, `unix_ns`, `uptime_s`, `uptime_ms`, `uptime_us`, `uptime_ns`, `dsmr` and patterns like `%d/%m/%Y %H:%M:%S`",
        ],
    );
    check_line(
        17,
        "devices = [\"*\"]\ndetectors.ewma.features = [\"maen\", \"std\"]",
        &[
            "18:28 class[0].detectors.ewma.features[0]: `maen` is not a feature; there are count, mean, std, detrended_std, min, max, rms, slope, last, first, sum, variance, range, peak, crest_factor, skewness, kurtosis, rate_of_change, zero_crossings, time_weighted_mean, gap_ratio, median, mad, mean_crossings, increase, rate, resets, circular_mean, circular_dispersion, dominant_frequency, spectral_centroid, spectral_entropy, circular_std, p00 to p100, autocorrelation_1 and up, ewma_0.001 to ewma_1, and band_energy_0.5_2, envelope_frequency_0.5_2, envelope_energy_0.5_2 and the like, in Hz (did you mean `mean`?)",
        ],
    );
}

#[test]
fn numbers_have_bounds() {
    for (table, key, value, message) in [
        ("limits", "devices", "0", "must be at least 1"),
        ("limits", "devices", "-5", "must be at least 1"),
        (
            "limits",
            "restarts",
            "5_000_000_000",
            "must be at most 4294967295",
        ),
        (
            "limits",
            "dead_letters",
            "99999999999999999999",
            "this number is too large",
        ),
        (
            "limits",
            "dead_letters",
            "0x7fff_ffff_ffff_ffff_f",
            "this number is too large",
        ),
        ("outbox", "max_records", "0", "must be at least 1"),
        (
            "outbox",
            "max_records",
            "1.5",
            "expected an integer, found a float",
        ),
        (
            "http",
            "enabled",
            "0",
            "expected true or false, found an integer",
        ),
    ] {
        let text = format!("{RIGHT}[{table}]\n{key} = {value}");
        let expected = format!("22:{} {table}.{key}: {message}", key.len() + 4);
        check(&text, &[&expected]);
    }
    for (key, value, message) in [
        ("verdict.enter_after", "0", "must be at least 1"),
        ("verdict.exit_below", "0", "must be above 0"),
        ("verdict.exit_below", "1.01", "must be at most 1"),
        ("detectors.ewma.lambda", "0.0", "must be above 0"),
        ("detectors.ewma.lambda", "nan", "must be a number"),
        ("detectors.ewma.threshold", "-1", "must be above 0"),
        (
            "detectors.robust_z.threshold",
            "1e999",
            "this number is too large",
        ),
        ("detectors.robust_z.warmup", "1", "must be at least 2"),
        ("max_window_readings", "0", "must be at least 1"),
        ("channels.p.resolution", "-0.5", "must be at least 0"),
    ] {
        let expected = format!("18:{} class[0].{key}: {message}", key.len() + 4);
        check_line(18, &format!("{key} = {value}"), &[&expected]);
    }
}

#[test]
fn what_serde_can_still_read_is_checked_in_the_same_run() {
    check_line(
        17,
        "devices = [\"*\"]\nwidow = \"5s\"\nwindow = \"0s\"\nmax_window_readings = 0",
        &[
            "18:1 class[0].widow: unknown key (the keys here are allowed_lateness, channels, detectors, devices, emit, features, frame_wait, freshness, future, idle_timeout, late, max_future_skew, max_past_skew, max_unlisted, max_window_readings, model, name, out_of_orderness, past, report, revise_windows, unlisted, verdict, virtual, window)",
            "19:10 class[0].window: must be at least 1ms",
            "20:23 class[0].max_window_readings: must be at least 1",
        ],
    );
}

/// Unknown keys are reported by the schema, not by serde, so no table may lack the rule.
#[test]
fn every_table_of_the_schema_is_closed_and_described() {
    let schema = schema();
    let definitions = schema["$defs"].as_object().unwrap();
    let tables = definitions.values().chain([&schema]);
    let mut count = 0;
    for table in tables.filter(|table| table["properties"].is_object()) {
        assert_eq!(
            table["additionalProperties"],
            Value::Bool(false),
            "{table:#}"
        );
        for (key, property) in table["properties"].as_object().unwrap() {
            assert!(property["description"].is_string(), "{key}");
        }
        count += 1;
    }
    assert_eq!(count, 38);
    assert_eq!(
        definitions["Limits"]["properties"]["devices"]["default"],
        10_000
    );
    assert_eq!(
        definitions["Class"]["properties"]["window"]["default"],
        "10s"
    );
}
