//! Messages in, configurations out.

use std::path::Path;

use eyot_pipeline::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::config::Config;

fn seen(topic: &str, payload: &str) -> Observed {
    Observed {
        topic: topic.to_owned(),
        payload: payload.as_bytes().to_vec(),
        retained: false,
    }
}

fn keys() -> Keys {
    Keys {
        url: "mqtt://broker".to_owned(),
        ..Keys::default()
    }
}

/// The configuration without its comments and its first lines, which are the same for all.
fn settings(proposal: &Proposal) -> Vec<String> {
    let text = proposal.to_toml(&keys());
    if !proposal.is_empty() {
        let config = Config::parse(&text, "eyot.toml", Path::new(""));
        assert!(config.is_ok(), "{:#?}\nof\n{text}", config.err());
    }
    let said = text.lines().skip_while(|line| *line != "[[source]]");
    let said = said.filter(|line| !line.starts_with('#') && !line.is_empty());
    said.map(str::to_owned).collect()
}

/// Checks what follows the head of the only source.
#[track_caller]
fn check(messages: &[Observed], expected: &[&str]) {
    let proposal = propose(messages, &[]);
    let settings = settings(&proposal);
    assert_eq!(&settings[3..], expected);
}

fn topics(topics: &[&str], payload: &str) -> Vec<Observed> {
    topics.iter().map(|topic| seen(topic, payload)).collect()
}

#[test]
fn bare_numbers() {
    let two = ["plant/a/flow", "plant/a/temp", "plant/b/flow"];
    let expected = [
        "[[source.rule]]",
        "name = \"plant\"",
        "topic = \"plant/{device}/{channel}\"",
        "decoder = \"value\"",
    ];
    check(&topics(&two, "21.5"), &expected);
    check(&topics(&["plant/a/flow"], " -3\n"), &expected);
}

#[test]
fn where_a_bare_number_has_no_level_for_its_device() {
    check(
        &topics(&["outside/temperature", "outside/humidity"], "1"),
        &[
            "[[source.rule]]",
            "name = \"outside\"",
            "topic = \"outside/{channel}\"",
            "device = \"outside\"",
            "decoder = \"value\"",
        ],
    );
    check(
        &topics(&["temperature"], "1"),
        &[
            "[[source.rule]]",
            "name = \"temperature\"",
            "topic = \"temperature\"",
            "device = \"temperature\"",
            "channel = \"value\"",
            "decoder = \"value\"",
        ],
    );
}

#[test]
fn several_levels_that_vary_are_the_device_together() {
    let rooms = ["kitchen", "bath", "hall"];
    let all: Vec<String> = rooms
        .iter()
        .flat_map(|room| ["a", "b", "c"].map(|node| format!("home/{room}/{node}/state")))
        .collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    check(
        &topics(&all, r#"{"t":1}"#),
        &[
            "[[source.rule]]",
            "name = \"home-state\"",
            "topic = \"home/{level2}/{device}/state\"",
            "device = \"{level2}-{device}\"",
            "leaves = {}",
        ],
    );
}

#[test]
fn levels_that_look_like_ids_and_last_levels_that_say_nothing() {
    for (topic, expected) in [
        ("gw/a4cf12d03b5e", "gw/{device}"),
        ("gw/42/up", "gw/{device}/up"),
        ("esp-0a1b2c/state", "{device}/state"),
        ("gw/6ba7b810-9dad-11d1-80b4-00c04fd430c8/x", "gw/{device}/x"),
        ("tele/TH16/SENSOR", "tele/{device}/SENSOR"),
        ("gw/facade", "gw/{device}"),
        ("gw/{odd}/1", "gw/{level2}/{device}"),
    ] {
        let proposal = propose(&[seen(topic, r#"{"t":1}"#)], &[]);
        let topic = format!("topic = \"{expected}\"");
        assert!(settings(&proposal).contains(&topic), "{topic}");
    }
    let proposal = propose(&[seen("facade", r#"{"t":1}"#)], &[]);
    assert!(settings(&proposal).contains(&"device = \"facade\"".to_owned()));
}

#[test]
fn times_are_found_where_they_can_be_read() {
    for (payload, expected) in [
        (
            r#"{"ts":1700000000,"v":1}"#,
            &["time = \"ts\"", "time_format = \"unix_s\""][..],
        ),
        (
            r#"{"v":1,"Time":"2024-05-01T10:00:00"}"#,
            &["time = \"Time\""],
        ),
        (
            r#"{"timestamp":1700000000123,"v":1}"#,
            &["time = \"timestamp\"", "time_format = \"unix_ms\""],
        ),
        (r#"{"time":1234,"v":1}"#, &[]),
        (r#"{"date":"2024-05-01","v":1}"#, &[]),
        (
            r#"[{"ts":"2024-05-01T10:00:00Z","v":1}]"#,
            &["time = \"ts\""],
        ),
    ] {
        let proposal = propose(&[seen("gw/42", payload)], &[]);
        let settings = settings(&proposal);
        let time: Vec<_> = settings.iter().filter(|s| s.starts_with("time")).collect();
        assert_eq!(time, expected, "{payload}");
        let each = settings.contains(&"each = \"[*]\"".to_owned());
        assert_eq!(each, payload.starts_with('['), "{payload}");
        let local = proposal.to_toml(&keys()).contains("names no zone");
        assert_eq!(local, payload.contains("Time"), "{payload}");
    }
}

#[test]
fn a_profile_takes_its_first_level_and_the_rest_becomes_rules() {
    let messages = [
        seen("zigbee2mqtt/lamp", r#"{"on":true}"#),
        seen("zigbee2mqtt/plug", r#"{"w":1}"#),
        seen("zigbee2mqtt/bridge/log", "hello"),
        seen("plant/a/flow", "1"),
        seen("plant/b/flow", "2"),
        seen("plant/c/flow", "2"),
    ];
    let offer = |profile: &str, takes: [Taken; 6]| Offer {
        profile: profile.to_owned(),
        takes: takes.to_vec(),
    };
    let (yes, pass, no) = (Taken::Decoded, Taken::Ignored, Taken::No);
    let offers = [
        offer("other", [yes, no, no, no, no, no]),
        offer("zigbee2mqtt", [yes, yes, no, yes, no, no]),
        offer("silent", [pass; 6]),
    ];
    let proposal = propose(&messages, &offers);
    assert_eq!(
        settings(&proposal),
        [
            "[[source]]",
            "name = \"zigbee2mqtt\"",
            "url = \"mqtt://broker\"",
            "profile = \"zigbee2mqtt\"",
            "ignore = [\"plant/#\"]",
            "[[source]]",
            "name = \"readings\"",
            "url = \"mqtt://broker\"",
            "[[source.rule]]",
            "name = \"plant\"",
            "topic = \"plant/{device}/{channel}\"",
            "decoder = \"value\"",
        ]
    );
    let text = proposal.to_toml(&keys());
    assert!(text.contains("# It takes 2 of 3 messages below zigbee2mqtt."));
    assert!(text.contains("#   zigbee2mqtt/bridge/log: hello (1, its profile does not take it)"));
}

#[test]
fn rules_that_begin_anywhere_leave_a_profile_its_own() {
    let messages = [
        seen("z/lamp", r#"{"on":true}"#),
        seen("n1/state", r#"{"t":1}"#),
        seen("n2/state", r#"{"t":1}"#),
        seen("n3/state", r#"{"t":1}"#),
    ];
    let offer = Offer {
        profile: "zigbee2mqtt".to_owned(),
        takes: vec![Taken::Decoded, Taken::No, Taken::No, Taken::No],
    };
    let settings = settings(&propose(&messages, &[offer]));
    assert!(settings.contains(&"ignore = [\"z/#\"]".to_owned()));
    assert!(settings.contains(&"topic = \"{device}/state\"".to_owned()));
}

#[test]
fn home_assistant_only_tells_about_other_topics() {
    let config = r#"{"~":"plant/a","name":"Inlet","stat_t":"~/flow","unit_of_meas":"l/min"}"#;
    let proposal = propose(
        &[
            seen("homeassistant/sensor/a/flow/config", config),
            seen("plant/a/flow", "1"),
        ],
        &[],
    );
    assert_eq!(settings(&proposal).len(), 7);
    let text = proposal.to_toml(&keys());
    assert!(
        text.contains("#   plant/a/flow: Inlet, in l/min\n"),
        "{text}"
    );
}

#[test]
fn what_nobody_understands_is_shown_and_no_source() {
    let proposal = propose(&[seen("a/b", "ON\nOFF"), seen("a/c", r#"{"s":"x"}"#)], &[]);
    assert!(proposal.is_empty());
    let text = proposal.to_toml(&keys());
    assert!(text.contains(r"#   a/b: ON\nOFF (1, no number"), "{text}");
}

#[test]
fn of_two_kinds_of_payload_on_the_same_topics_the_more_frequent_wins() {
    let mut messages = topics(&["p/1/x", "p/2/x"], r#"{"t":1}"#);
    messages.push(seen("p/3/x", r#"[{"t":1}]"#));
    let proposal = propose(&messages, &[]);
    assert_eq!(proposal.rules.len(), 1);
    assert_eq!(proposal.strange.len(), 1);
    settings(&proposal);
}

#[test]
fn the_profiles_that_ship_are_asked() {
    let messages = [
        seen("zigbee2mqtt/lamp", r#"{"linkquality":60}"#),
        seen("nowhere", "x"),
    ];
    let offers = offers(&messages, Timestamp::from_secs(1_767_225_600));
    let zigbee = offers.iter().find(|offer| offer.profile == "zigbee2mqtt");
    let takes = &zigbee.unwrap().takes;
    assert_eq!(takes[..], [Taken::Decoded, Taken::No]);
}

proptest! {
    #[test]
    fn whatever_is_heard_the_proposal_is_a_configuration(
        messages in prop::collection::vec(
            ("[a-c{}\"\\\\é/0-9]{1,12}", "[0-9]{1,3}|\\{\"[a-z\"\\\\]{1,3}\":1\\}|\\[\\{\"ts\":1\\}\\]|\\PC{0,5}"),
            1..30,
        )
    ) {
        let messages: Vec<_> = messages.iter().map(|(t, p)| seen(t, p)).collect();
        settings(&propose(&messages, &[]));
    }
}
