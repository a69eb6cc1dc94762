//! `[[class]]` and the small tables.

use super::{RIGHT, check, check_line, config_with};

const DEVICES: usize = 17;
const BLANK: usize = 18;

#[test]
fn lengths_of_time() {
    for (text, shown) in [
        ("250ms", "250ms"),
        ("10s", "10s"),
        ("5m", "5m"),
        ("2h", "2h"),
        ("7d", "168h"),
    ] {
        let config = config_with(BLANK, &format!("window = \"{text}\""));
        let length = config.classes[0].pipeline.window.period();
        assert_eq!(
            length.map(|length| length.to_string()).as_deref(),
            Some(shown)
        );
    }
    let help = "(write a whole number and a unit, like 250ms, 10s, 5m, 2h or 7d)";
    for text in ["", "10", "s", "1.5s", "-5s", "10 s", "10S", "٣s"] {
        let expected = format!("18:10 class[0].window: `{text}` is not a length of time {help}");
        check_line(BLANK, &format!("window = \"{text}\""), &[&expected]);
    }
    check_line(
        BLANK,
        "window = \"0s\"",
        &["18:10 class[0].window: must be at least 1ms"],
    );
    for text in ["106752d", "99999999999999999999ms"] {
        let expected = format!("18:10 class[0].window: `{text}` is longer than 292 years");
        check_line(BLANK, &format!("window = \"{text}\""), &[&expected]);
    }
}

#[test]
fn waits_follow_the_window() {
    let config = config_with(BLANK, "window = \"4s\"");
    let pipeline = &config.classes[0].pipeline;
    assert_eq!(pipeline.frame_wait.to_string(), "4s");
    assert_eq!(pipeline.idle_timeout.to_string(), "10s");
    let config = config_with(
        BLANK,
        "window = \"4s\"\nframe_wait = \"0s\"\nidle_timeout = \"1m\"",
    );
    let pipeline = &config.classes[0].pipeline;
    assert_eq!(pipeline.frame_wait.to_string(), "0s");
    assert_eq!(pipeline.idle_timeout.to_string(), "1m");
}

#[test]
fn patterns() {
    let config = config_with(DEVICES, r#"devices = ["pump-[0-9]", "fan/*"]"#);
    let devices = &config.classes[0].devices;
    assert!(devices.is_match("pump-7") && devices.is_match("fan/a/b"));
    assert!(!devices.is_match("pump-17"));
    check_line(
        DEVICES,
        r#"devices = ["ok", "pump-[0-9"]"#,
        &[
            "17:18 class[0].devices[1]: `pump-[0-9` is not a pattern: unclosed character class; missing ']'",
        ],
    );
    check_line(
        DEVICES,
        "devices = []",
        &[
            "17:11 class[0].devices: the class has no devices (write patterns of names, like [\"pump-*\"]; [\"*\"] is all)",
        ],
    );
}

#[test]
fn limits_of_a_channel() {
    check_line(
        20,
        "min = 5\nmax = 5",
        &[
            "20:7 class[0].channels.temperature.min: min 5 is not below max 5, so every reading would be rejected",
        ],
    );
    check_line(
        20,
        "resolution = inf",
        &["20:14 class[0].channels.temperature.resolution: must be finite"],
    );
    config_with(20, "min = -inf\nmax = 0\nresolution = 0.1");
}

#[test]
fn detectors_can_speak() {
    check_line(
        BLANK,
        "detectors.robust_z.history = 10",
        &[
            "18:30 class[0].detectors.robust_z.history: it would never speak: it waits for 20 windows and remembers 10",
        ],
    );
    check_line(
        BLANK,
        "detectors.ewma.features = []",
        &[
            "18:27 class[0].detectors.ewma.features: the detector watches nothing (list some features, or set enabled = false)",
        ],
    );
    check_line(
        BLANK,
        "detectors.ewma.features = [\"mean\", \"mean\"]",
        &["18:36 class[0].detectors.ewma.features[1]: `mean` is listed twice"],
    );
    let config = config_with(
        BLANK,
        "detectors.ewma.enabled = false\ndetectors.robust_z.enabled = false",
    );
    let detectors = &config.classes[0].pipeline.detectors;
    assert!(detectors.ewma.is_none() && detectors.robust_z.is_none());
}

#[test]
fn a_model_needs_its_folder() {
    check_line(
        BLANK,
        "model = \"models/pump\"",
        &["18:9 class[0].model: there is no folder /nonexistent/models/pump"],
    );
}

#[test]
fn names_are_unique() {
    let second = "[[class]]\nname = \"pump\"\ndevices = [\"b\"]\nchannels.t = {}\n";
    check(
        &format!("{RIGHT}{second}"),
        &["22:8 class[1].name: the name `pump` is taken by class[0] in line 16"],
    );
    check_line(
        16,
        "name = \" \"",
        &["16:8 class[0].name: must not be empty"],
    );
}

#[test]
fn the_page_is_local_unless_told_otherwise() {
    let http = |keys: &str| format!("{RIGHT}[http]\n{keys}");
    check(
        &http("listen = \"0.0.0.0:9484\""),
        &[
            "22:10 http.listen: 0.0.0.0:9484 can be reached from other machines, and the page has no login (listen on 127.0.0.1, or set allow_remote = true)",
        ],
    );
    check(&http("listen = \"[::1]:80\""), &[]);
    check(&http("listen = \"0.0.0.0:80\"\nallow_remote = true"), &[]);
    check(&http("listen = \"0.0.0.0:80\"\nenabled = false"), &[]);
    check(
        &http("listen = \"localhost:80\""),
        &[
            "22:10 http.listen: `localhost:80` is not an address and a port (write it like 127.0.0.1:9484)",
        ],
    );
}

#[test]
fn one_device_has_no_more_than_all() {
    check(
        &format!("{RIGHT}[limits]\nreadings_in_flight = 100"),
        &[
            "22:22 limits.readings_in_flight: one device may not have more readings in flight (4096) than all together (100)",
        ],
    );
}

#[test]
fn the_agent_name_is_one_level_of_a_topic() {
    for (name, message) in [
        ("", "must not be empty"),
        ("a/b", "the agent's name is one level of a topic: no `/`"),
        ("a#", "a topic to publish to holds no `+` and no `#`"),
        ("$a", "neither starts with `/` or `$` nor ends with `/`"),
    ] {
        let expected = format!("2:8 agent.name: {message}");
        check_line(2, &format!("name = \"{name}\""), &[&expected]);
    }
    check_line(
        3,
        "data_dir = \"\"",
        &["3:12 agent.data_dir: must name a folder"],
    );
}

#[test]
fn calibrations_and_computed_channels_say_what_is_wrong_with_them() {
    let parsed = |lines: &str| super::parse(&class_with(lines)).unwrap();
    let with =
        |text: &str| format!("channels = {{ a = {{ unit = \"bar\" {text} }}, \"b c\" = {{}} }}");
    let config = parsed(&with(", calibration = { scale = 2, offset = -1 }"));
    assert_eq!(
        config.classes[0].pipeline.channels[0].calibration,
        [-1.0, 2.0]
    );
    let config = parsed(&with(", calibration = { polynomial = [1, 0, 3] }"));
    assert_eq!(
        config.classes[0].pipeline.channels[0].calibration,
        [1.0, 0.0, 3.0]
    );
    for (calibration, expected) in [
        ("{ scale = 0 }", "every value would be taken for the same"),
        (
            "{ polynomial = [] }",
            "every value would be taken for the same",
        ),
        ("{ polynomial = [1, inf] }", "every number has to be finite"),
        (
            "{ scale = 1, polynomial = [0, 1] }",
            "a polynomial or scale and offset, not both",
        ),
    ] {
        let faults = faults_of(&with(&format!(", calibration = {calibration}")));
        assert!(faults.contains(expected), "{calibration}: {faults}");
    }

    let computed = |text: &str| {
        format!(
            "{}\nvirtual = {{ v = {{ every = \"1s\", {text} }} }}",
            with("")
        )
    };
    let config = parsed(&computed(
        "expression = \"a - {b c} / 2\", align = \"nearest\"",
    ));
    let class = &config.classes[0].pipeline;
    assert_eq!(class.channels[2].name, "v");
    assert_eq!(
        (class.virtuals[0].channel, &class.virtuals[0].inputs[..]),
        (2, &[0, 1][..])
    );
    assert_eq!(class.virtuals[0].max_age.to_string(), "3s");
    let config = parsed(&computed("correlation = [\"a\", \"b c\"], over = \"1m\""));
    assert_eq!(config.classes[0].pipeline.virtuals[0].inputs, [0, 1]);
    for (text, expected) in [
        ("unit = \"bar\"", "an expression, or correlation and over"),
        (
            "correlation = [\"a\", \"a\"], over = \"1m\"",
            "two channels, not one twice",
        ),
        (
            "correlation = [\"a\", \"b c\"], over = \"1d\"",
            "between one and 1024 times",
        ),
        (
            "expression = \"a - d\"",
            "`d` is no channel that the class lists",
        ),
        ("expression = \"a - \"", "no formula:"),
        ("expression = \"1 + 1\"", "names no channel"),
        (
            "expression = \"a - v\"",
            "`v` is no channel that the class lists",
        ),
        (
            "expression = \"a\", min = 2, max = 1",
            "min 2 is not below max 1",
        ),
    ] {
        let faults = faults_of(&computed(text));
        assert!(faults.contains(expected), "{text}: {faults}");
    }
}

/// The configuration with such lines in the class, and no channels beside.
fn class_with(lines: &str) -> String {
    let (before, _) = RIGHT.split_once("[class.channels").unwrap();
    format!("{before}{lines}\n")
}

/// What is said of it.
fn faults_of(lines: &str) -> String {
    match super::parse(&class_with(lines)) {
        Ok(_) => String::new(),
        Err(faults) => faults.to_string(),
    }
}
