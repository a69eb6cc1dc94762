//! Configurations in, faults out.

use std::path::{Path, PathBuf};

use super::{Config, Faults};

mod broker;
mod class;
mod documentation;
mod hostile;
mod layout;
mod source;
mod structure;
mod window;

/// A right configuration to be spoilt, by line number.
const RIGHT: &str = r#"[agent]
name = "gw"
data_dir = "data"

[[source]]
name = "plant"
url = "mqtt://broker"

[[source.rule]]
name = "reading"
topic = "plant/{device}/{channel}"
decoder = "json"
value = "v"

[[class]]
name = "pump"
devices = ["pump-*"]

[class.channels.temperature]
min = 0
"#;

/// Parses as if the file lay in an empty folder.
fn parse(text: &str) -> Result<Config, Faults> {
    Config::parse(text, "eyot.toml", Path::new("/nonexistent"))
}

/// Each fault as `line:column path: message (help)`.
fn faults(result: Result<Config, Faults>) -> Vec<String> {
    let list = result.map_or_else(|faults| faults.list, |_| Vec::new());
    let show = |fault: &super::Fault| {
        let place = fault.place.as_ref();
        let place = place.map_or_else(String::new, |place| {
            format!("{}:{} ", place.line, place.column)
        });
        let path = if fault.path.is_empty() {
            String::new()
        } else {
            format!("{}: ", fault.path)
        };
        let help = fault
            .help
            .as_ref()
            .map_or_else(String::new, |help| format!(" ({help})"));
        format!("{place}{path}{}{help}", fault.message)
    };
    list.iter().map(show).collect()
}

/// Checks that `text` has exactly these faults.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(faults(parse(text)), expected, "of\n{text}");
}

/// Checks that [`RIGHT`] with `line` (from 1) replaced has exactly these faults.
#[track_caller]
fn check_line(line: usize, replacement: &str, expected: &[&str]) {
    check(&right_but(line, replacement), expected);
}

fn right_but(line: usize, replacement: &str) -> String {
    let mut lines: Vec<&str> = RIGHT.lines().collect();
    lines[line - 1] = replacement;
    lines.join("\n")
}

/// [`RIGHT`] with `line` replaced, which must still be right.
#[track_caller]
fn config_with(line: usize, replacement: &str) -> Config {
    parse(&right_but(line, replacement)).unwrap()
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../config")
}

#[test]
fn a_right_configuration_has_its_defaults() {
    let config = parse(RIGHT).unwrap();
    assert_eq!(config.agent.data_dir, Path::new("/nonexistent/data"));
    assert_eq!(config.limits.devices, 10_000);
    assert_eq!(config.sources[0].broker.client_id, "eyot-gw-plant");
    assert_eq!(config.sources[0].mapping.rules[0].qos, None);
    let pipeline = &config.classes[0].pipeline;
    assert_eq!(pipeline.frame_wait.to_string(), "10s");
    assert_eq!(pipeline.idle_timeout.to_string(), "20s");
    assert!(pipeline.detectors.robust_z.is_some() && pipeline.detectors.ewma.is_some());
    assert_eq!(
        (pipeline.channels[0].min, pipeline.channels[0].max),
        (0.0, f64::INFINITY)
    );
    assert!(config.uplink.is_none());
    assert_eq!(config.http.unwrap().listen.to_string(), "127.0.0.1:9484");
}

#[test]
fn every_example_is_right() {
    let mut count = 0;
    for entry in std::fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            if let Err(faults) = Config::load(&path) {
                panic!("{faults}");
            }
            count += 1;
        }
    }
    assert!(count >= 3, "only {count} examples found");
}

#[test]
fn channels_keep_the_order_of_the_file() {
    let config = Config::load(&examples().join("skab.toml")).unwrap();
    let channels = config.classes[0].pipeline.channels.iter();
    let names: Vec<_> = channels.map(|channel| channel.name.as_str()).collect();
    let header = "Accelerometer1RMS;Accelerometer2RMS;Current;Pressure;Temperature;Thermocouple;Voltage;Volume Flow RateRMS";
    assert_eq!(names, header.split(';').collect::<Vec<_>>());
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let missing = Config::load(Path::new("/nonexistent/eyot.toml")).unwrap_err();
    let text = missing.to_string();
    assert!(
        text.starts_with("/nonexistent/eyot.toml: cannot read it: "),
        "{text}"
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("latin1.toml");
    std::fs::write(&path, b"[agent]\nname = \"caf\xe9\"\n").unwrap();
    assert_eq!(
        faults(Config::load(&path)),
        ["2:12 this byte is not UTF-8 text"]
    );
}
