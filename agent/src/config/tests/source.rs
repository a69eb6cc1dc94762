//! `[[source]]` and its rules.

use super::{RIGHT, check, check_line, config_with};
use crate::config::{DecoderConfig, FieldPath, TopicLevel, ValueMapping};

const TOPIC: usize = 11;
const DECODER: usize = 12;
const VALUE: usize = 13;

#[test]
fn topics_are_read_level_by_level() {
    let config = config_with(
        TOPIC,
        r#"topic = "/plant/{site}/{device}/+/{device}/{channel}""#,
    );
    assert_eq!(
        config.sources[0].rules[0].topic.levels,
        [
            TopicLevel::Literal(String::new()),
            TopicLevel::Literal("plant".to_owned()),
            TopicLevel::Named("site".to_owned()),
            TopicLevel::Device,
            TopicLevel::Any,
            TopicLevel::Device,
            TopicLevel::Channel,
        ]
    );
}

#[test]
fn bad_topics() {
    let whole = "a capture like {device}, or `+`, stands alone between slashes";
    for (topic, message) in [
        ("", "the topic is empty".to_owned()),
        ("{device}/{channel}/#", "`#` is not supported in this version of Eyot (write one `+` for each level, and a rule for each depth)".to_owned()),
        ("x-{device}/{channel}", format!("`x-{{device}}` is neither plain text nor one whole capture ({whole})")),
        ("{device}/{channel}/{}", format!("`{{}}` is neither plain text nor one whole capture ({whole})")),
        ("{device/{channel}", format!("`{{device` is neither plain text nor one whole capture ({whole})")),
        ("{device}/{channel}/a+", format!("`a+` is neither plain text nor one whole capture ({whole})")),
        ("{device}/{channel}/{channel}", "`{channel}` may be captured once only".to_owned()),
        ("$share/g/{device}/{channel}", "shared subscriptions are not supported in this version (leave out `$share/` and the group)".to_owned()),
    ] {
        let expected = format!("11:9 source[0].rule[0].topic: {message}");
        check_line(TOPIC, &format!("topic = \"{topic}\""), &[&expected]);
    }
}

#[test]
fn device_and_channel_come_from_exactly_one_place() {
    check_line(
        TOPIC,
        r#"topic = "plant/+""#,
        &[
            "11:9 source[0].rule[0].topic: nothing says which device a reading is of (capture {device} in the topic, or add device = \"field\")",
            "11:9 source[0].rule[0].topic: nothing says which channel a reading is of (capture {channel} in the topic, or add channel = \"field\")",
        ],
    );
    check_line(
        VALUE,
        "value = \"v\"\ndevice = \"d\"",
        &[
            "11:9 source[0].rule[0].topic: the device is given by the topic and by the key `device`; keep one",
        ],
    );
    check_line(
        VALUE,
        "values = { temperature = \"t\" }\nchannel = \"c\"",
        &[
            "11:9 source[0].rule[0].topic: the channel is given by the topic and by the key `channel` and by `values`; keep one",
        ],
    );
    let text = RIGHT
        .replace("plant/{device}/{channel}", "plant")
        .replace("decoder = \"json\"\nvalue = \"v\"", "decoder = \"value\"");
    check(
        &text,
        &[
            "11:9 source[0].rule[0].topic: nothing says which device a reading is of (capture {device} in the topic)",
            "11:9 source[0].rule[0].topic: nothing says which channel a reading is of (capture {channel} in the topic)",
        ],
    );
}

#[test]
fn a_bare_value_has_no_fields() {
    check_line(
        DECODER,
        "decoder = \"value\"\ntime = \"ts\"",
        &[
            "13:1 source[0].rule[0].time: a bare value has no fields (leave it out, or set decoder = \"json\")",
            "14:1 source[0].rule[0].value: a bare value has no fields (leave it out, or set decoder = \"json\")",
        ],
    );
}

#[test]
fn values_are_one_or_many() {
    check_line(
        VALUE,
        "",
        &[
            "9:1 source[0].rule[0]: the rule says nothing about where the values are (add value = \"field\", or [source.rule.values] with channel = \"field\")",
        ],
    );
    let many = |values: &str| {
        RIGHT
            .replace("/{channel}", "")
            .replace("value = \"v\"", values)
    };
    check(
        &many("value = \"v\"\nvalues = { temperature = \"t\" }"),
        &["13:9 source[0].rule[0].value: there are both `value` and `values`; keep one"],
    );
    check(
        &many("values = {}"),
        &[
            "13:10 source[0].rule[0].values: no values are listed (write channel = \"field\" for each)",
        ],
    );
    check(
        &many("values = { temprature = \"t\", zz = \"z\", temperature = \"a.b\" }"),
        &[
            "13:12 source[0].rule[0].values.temprature: no class has a channel `temprature` (did you mean `temperature`?)",
            "13:30 source[0].rule[0].values.zz: no class has a channel `zz`",
        ],
    );
}

#[test]
fn field_paths_are_dotted_and_quoted() {
    for (path, keys) in [
        ("v", &["v"][..]),
        ("params.temperature", &["params", "temperature"]),
        (r#""PM2.5".x"#, &["PM2.5", "x"]),
        (r#"a."".b c"#, &["a", "", "b c"]),
    ] {
        let config = config_with(VALUE, &format!("value = '{path}'"));
        let DecoderConfig::Json(json) = &config.sources[0].rules[0].decoder else {
            panic!("not json");
        };
        let path = FieldPath(keys.iter().map(|&key| key.to_owned()).collect());
        assert_eq!(json.values, ValueMapping::One(path));
    }
    for (path, why) in [
        ("", "a key is empty"),
        ("a..b", "a key is empty"),
        ("a.", "a key is empty"),
        (r#""a"#, "a quote is not closed"),
        (r#""a"b"#, "a dot is missing after a quoted key"),
        (r#"a"b""#, "a quote stands inside a key"),
    ] {
        let expected = format!(
            "13:9 source[0].rule[0].value: `{path}` is not a field path: {why} (join keys by dots, like params.temperature or \"PM2.5\".value)"
        );
        check_line(VALUE, &format!("value = '{path}'"), &[&expected]);
    }
}

#[test]
fn a_time_format_needs_a_time() {
    check_line(
        VALUE,
        "value = \"v\"\ntime_format = \"unix_s\"",
        &["14:15 source[0].rule[0].time_format: there is no `time` to be in this format"],
    );
}

#[test]
fn quality_of_service_is_0_or_1() {
    assert_eq!(
        config_with(DECODER, "decoder = \"json\"\nqos = 0").sources[0].rules[0].qos,
        0
    );
    check_line(
        DECODER,
        "decoder = \"json\"\nqos = 2",
        &[
            "13:7 source[0].rule[0].qos: 2 is not supported (1 loses nothing, and duplicates are recognised here)",
        ],
    );
    check_line(
        DECODER,
        "decoder = \"json\"\nqos = 3",
        &[
            "13:7 source[0].rule[0].qos: there are 0 and 1 (1 loses nothing when the agent or the link is down)",
        ],
    );
}

#[test]
fn names_are_unique_and_rules_reachable() {
    let rule = "[[source.rule]]\nname = \"reading\"\ntopic = \"plant/{channel}/{device}\"\ndecoder = \"value\"\n";
    check_line(
        14,
        rule,
        &[
            "15:8 source[0].rule[1].name: the name `reading` is taken by source[0].rule[0] in line 10",
            "16:9 source[0].rule[1].topic: this rule is never reached: `reading` before it takes the same topics",
        ],
    );
}

#[test]
fn there_is_something_to_read() {
    let (before, after) = (
        &RIGHT[..RIGHT.find("[[source]]").unwrap()],
        &RIGHT[RIGHT.find("[[class]]").unwrap()..],
    );
    check(
        &format!("{before}{after}"),
        &[
            "1:1 source: there is no source to read from (add a [[source]] with a name, a url and a [[source.rule]])",
        ],
    );
    check(
        &RIGHT[..RIGHT.find("[[class]]").unwrap()],
        &[
            "1:1 class: there is no class of devices (add a [[class]] with a name, devices and [class.channels.NAME])",
        ],
    );
    let no_rule = format!("{before}[[source]]\nname = \"s\"\nurl = \"mqtt://h\"\n{after}");
    check(
        &no_rule,
        &[
            "5:1 source[0]: the source has no rule, so it would read nothing (add a [[source.rule]] with a name, a topic and a decoder)",
        ],
    );
}
