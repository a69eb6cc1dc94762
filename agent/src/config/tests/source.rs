//! `[[source]]` and its rules.

use super::{RIGHT, check, check_line, config_with, faults, parse};
use crate::config::Config;

const TOPIC: usize = 11;
const DECODER: usize = 12;
const VALUE: usize = 13;

#[test]
fn faults_of_the_mapping_stand_at_their_keys() {
    check_line(
        TOPIC,
        r#"topic = "plant/{device/{channel}""#,
        &["11:9 source[0].rule[0].topic: `plant/{device/{channel}`: a `{` without its `}`"],
    );
    check_line(
        VALUE,
        "value = \"a..b\"",
        &["13:9 source[0].rule[0].value: `a..b` is no path: a key is missing"],
    );
    check_line(
        VALUE,
        "value = \"v\"\n[source.channels]\nv = { unit = \"V\", from = \"kg\" }",
        &[
            "15:26 source[0].channels.v.from: `kg` does not convert to `V`; use two units of the same quantity, or `scale`",
        ],
    );
    check_line(
        VALUE,
        "value = \"v\"\nwhere = [{ of = \"{x}\", matches = \"(\" }]",
        &[
            "14:34 source[0].rule[0].where[0].matches: regex parse error:\n    (\n    ^\nerror: unclosed group",
        ],
    );
}

#[test]
fn values_go_to_channels_that_some_class_has() {
    let many = |values: &str| {
        RIGHT
            .replace("/{channel}", "")
            .replace("value = \"v\"", values)
    };
    check(
        &many("values = { temprature = \"t\", zz = \"z\", temperature = \"a.b\" }"),
        &[
            "13:12 source[0].rule[0].values.temprature: no class has a channel `temprature` (did you mean `temperature`?)",
            "13:30 source[0].rule[0].values.zz: no class has a channel `zz`",
        ],
    );
    let taken = many("values = { zz = \"z\" }") + "[class.channels.flow]\n";
    let taken = taken.replace("devices =", "unlisted = \"record\"\ndevices =");
    check(&taken, &[]);
}

#[test]
fn quality_of_service_is_0_or_1() {
    let rule = config_with(DECODER, "decoder = \"json\"\nqos = 0").sources[0]
        .mapping
        .rules[0]
        .clone();
    assert_eq!(rule.qos, Some(0));
    check_line(
        DECODER,
        "decoder = \"json\"\nqos = 2",
        &[
            "13:7 source[0].rule[0].qos: the quality of service is 0 or 1 (1 loses nothing when the agent or the link is down; duplicates are recognised here)",
        ],
    );
    check_line(
        DECODER,
        "decoder = \"json\"\nqos = 3",
        &[
            "13:7 source[0].rule[0].qos: the quality of service is 0 or 1 (1 loses nothing when the agent or the link is down; duplicates are recognised here)",
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
            "15:8 source[0].rule[1].name: another rule is called `reading` (give each rule a name of its own)",
            "16:9 source[0].rule[1].topic: rule `reading`, which comes first, takes all of its messages already (put the narrower topic first, or tell the messages apart within one rule)",
        ],
    );
}

#[test]
fn a_profile_is_a_mapping_and_no_class_is_needed() {
    let text = "[agent]\ndata_dir = \"d\"\n[[source]]\nname = \"home\"\nurl = \"mqtt://h\"\nprofile = \"zigbee2mqtt\"\nbase = \"z2m\"\n";
    let config = parse(text).unwrap();
    let topics = config.sources[0]
        .mapping
        .rules
        .iter()
        .filter_map(|rule| rule.topic.as_ref());
    assert!(topics.into_iter().all(|topic| topic.starts_with("z2m/")));
    assert_eq!(config.classes[0].pipeline.name, "any");
    assert!(config.classes[0].pipeline.unlisted.is_some());
    check(
        &text
            .replace("zigbee2mqtt", "zigbe2mqtt")
            .replace("base = \"z2m\"\n", ""),
        &["6:11 source[0].profile: there is no profile `zigbe2mqtt` (did you mean `zigbee2mqtt`?)"],
    );
    check(
        &text.replace("profile = \"zigbee2mqtt\"\n", ""),
        &[
            "3:1 source[0]: the source has no rule, so it would read nothing (add a [[source.rule]] with a name and a topic, or a profile)",
            "6:8 source[0].base: there is no profile whose topics it could be the base of",
        ],
    );
}

#[test]
fn a_serial_line_is_for_decode_only() {
    let text = RIGHT
        .replace("url = \"mqtt://broker\"", "framing = \"line\"")
        .replace(
            "topic = \"plant/{device}/{channel}\"",
            "device = \"d\"\nchannel = \"c\"",
        );
    check(
        &text,
        &[
            "7:11 source[0].framing: serial lines are not read in this version (`eyot decode` tries their rules on bytes from a file)",
        ],
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mappings = Config::mappings(file.path()).unwrap();
    assert_eq!(mappings[0].0, "plant");
    assert_eq!(mappings[0].1.framing, Some(eyot_decode::Framing::Line));
}

#[test]
fn only_what_messages_mean_is_checked_where_only_that_is_asked() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let sources = &RIGHT[RIGHT.find("[[source]]").unwrap()..RIGHT.find("[[class]]").unwrap()];
    std::fs::write(file.path(), sources).unwrap();
    assert_eq!(Config::mappings(file.path()).unwrap().len(), 1);
    std::fs::write(file.path(), sources.replace("value =", "valu =")).unwrap();
    let faults = Config::mappings(file.path()).unwrap_err();
    assert!(
        faults.to_string().contains("did you mean `value`?"),
        "{faults}"
    );
}

#[test]
fn units_of_a_source_convert_to_those_of_the_class() {
    let text = RIGHT.replace("min = 0", "unit = \"°C\"");
    let source = |unit: &str| {
        text.replace(
            "value = \"v\"",
            &format!("value = \"v\"\n[source.channels]\ntemperature = {{ unit = \"{unit}\" }}"),
        )
    };
    check(&source("°F"), &[]);
    check(
        &source("bar"),
        &[
            "15:24 source[0].channels.temperature.unit: `bar` does not convert to `°C`, the class's unit",
        ],
    );
}

#[test]
fn a_lookup_table_is_read_when_the_file_is_checked() {
    check_line(
        VALUE,
        "value = \"v\"\nlookup = { file = \"none.csv\", key = \"{id}\" }",
        &[
            "14:19 source[0].rule[0].lookup.file: cannot read /nonexistent/none.csv: No such file or directory (os error 2)",
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.csv"), "id,device\n7,pump-7\n").unwrap();
    let text = RIGHT.replace(
        "value = \"v\"",
        "value = \"v\"\nlookup = { file = \"t.csv\", key = \"{id}\" }",
    );
    let config = Config::parse(&text, "eyot.toml", folder.path());
    assert_eq!(faults(config), [] as [&str; 0]);
}

#[test]
fn assets_join_each_channel_once() {
    let asset =
        |channels: &str| format!("{RIGHT}\n[[asset]]\nname = \"press\"\nchannels = [{channels}]\n");
    let config = parse(&asset(
        r#"{ device = "a", channel = "t", as = "head" }, { device = "b", channel = "t" }"#,
    ))
    .unwrap();
    assert_eq!(config.assets[0].members[1].name, "t");
    check(
        &asset(
            r#"{ device = "a", channel = "t" }, { device = "b", channel = "t" }, { device = "a", channel = "t", as = "u" }"#,
        ),
        &[
            "24:46 asset[0].channels[1]: the asset has a channel `t` already (give one of them another name with `as`)",
            "24:79 asset[0].channels[2]: `t` of `a` is in an asset already",
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
            "1:1 source: there is no source to read from (add a [[source]] with a name, a url and a [[source.rule]] or a profile)",
        ],
    );
    let no_rule = format!("{before}[[source]]\nname = \"s\"\nurl = \"mqtt://h\"\n{after}");
    check(
        &no_rule,
        &[
            "5:1 source[0]: the source has no rule, so it would read nothing (add a [[source.rule]] with a name and a topic, or a profile)",
        ],
    );
}
