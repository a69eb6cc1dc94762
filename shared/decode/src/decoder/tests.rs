mod selected;

use eyot_pipeline::Timestamp;

use super::*;
use crate::testing::{decode, decoder, faults, message};

const RULE: &str = r#""name":"r","topic":"t/{device}","value":"v","channel":"c""#;

#[test]
fn the_first_rule_whose_topic_matches_takes_a_message() {
    let rules = [
        r#"{"name":"lwt","topic":"tele/{device}/LWT","decoder":"value","liveness":{"online":["Online"],"offline":["Offline"]}}"#,
        r#"{"name":"all","topic":"tele/{device}/{kind}","leaves":{}}"#,
        r#"{"name":"none","topic":"stat/#","ignore":true}"#,
    ];
    let mut decoder = decoder(&rules, &["tele/+/LOG"]);
    let check = |decoder: &mut Decoder, topic: &str, payload: &str, expected: &[&str]| {
        assert_eq!(
            message(decoder, topic, payload, false),
            expected,
            "{topic} {payload}"
        );
    };
    check(
        &mut decoder,
        "tele/a/LWT",
        "online",
        &["liveness a true", "rule 0 Decoded"],
    );
    check(
        &mut decoder,
        "tele/a/LWT",
        "Offline",
        &["liveness a false", "rule 0 Decoded"],
    );
    check(
        &mut decoder,
        "tele/a/LWT",
        "what",
        &["rule 0 IgnoredUnmapped"],
    );
    check(&mut decoder, "tele/a/LWT", "", &["rule 0 IgnoredEmpty"]);
    check(
        &mut decoder,
        "tele/a/STATE",
        r#"{"x":1}"#,
        &["a x I64(1) Arrival", "rule 1 Decoded"],
    );
    check(&mut decoder, "tele/a/STATE", "", &["rule 1 IgnoredEmpty"]);
    check(
        &mut decoder,
        "tele/a/STATE",
        "{}",
        &["rule 1 IgnoredUnmapped"],
    );
    check(
        &mut decoder,
        "tele/a/STATE",
        "[]",
        &["rule 1 IgnoredUnmapped"],
    );
    check(
        &mut decoder,
        "tele/a/STATE",
        "{",
        &["rule 1 DeadLetter(\"invalid json: EOF while parsing an object at column 1\")"],
    );
    check(
        &mut decoder,
        "tele/a/LOG",
        "x",
        &["no rule IgnoredByConfig"],
    );
    check(&mut decoder, "stat/a", "x", &["rule 2 IgnoredByConfig"]);
    check(&mut decoder, "other", "x", &["no rule IgnoredNoRule"]);
    assert_eq!(decoder.rule_name(1), "all");
    assert_eq!(decoder.rule_name(9), "");
    assert_eq!(
        decoder.subscriptions(),
        [("tele/+/LWT".into(), 1), ("tele/+/+".into(), 1)][1..]
    );
}

#[test]
fn subscriptions_have_no_duplicates() {
    let rules = [
        r#"{"name":"a","topic":"a/{device}/x","qos":0,"value":"v","channel":"c"}"#,
        r#"{"name":"b","topic":"a/b-{device}/y","value":"v","channel":"c"}"#,
        r#"{"name":"c","topic":"a/{device}/y","value":"v","channel":"c","qos":0}"#,
        r#"{"name":"d","topic":"z/{device...}","value":"v","channel":"c"}"#,
    ];
    let found = decoder(&rules, &[]).subscriptions();
    assert_eq!(
        found,
        [
            ("a/+/x".to_owned(), 0),
            ("a/+/y".to_owned(), 1),
            ("z/#".to_owned(), 1)
        ]
    );
}

#[test]
fn retained_messages() {
    let check = |policy: &str, payload: &str, expected: &[&str]| {
        let rule =
            format!(r#"{{{RULE},"time":"ts","time_format":"unix_s","retained":"{policy}"}}"#);
        assert_eq!(
            message(&mut decoder(&[&rule], &[]), "t/d", payload, true),
            expected,
            "{policy}"
        );
    };
    check("own_time", r#"{"v":1}"#, &["rule 0 IgnoredRetained"]);
    check("own_time", r#"{"v":1,"ts":5}"#, &["rule 0 IgnoredRetained"]);
    check(
        "own_time",
        r#"{"v":1,"ts":1709640131}"#,
        &["d c I64(1) 1709640131", "rule 0 Decoded"],
    );
    check(
        "accept",
        r#"{"v":1}"#,
        &["d c I64(1) Arrival", "rule 0 Decoded"],
    );
    check(
        "last_value",
        r#"{"v":1}"#,
        &["d c I64(1) Arrival last", "rule 0 Decoded"],
    );
    check(
        "skip",
        r#"{"v":1,"ts":1709640131}"#,
        &["rule 0 IgnoredRetained"],
    );
    let liveness =
        r#"{"name":"l","topic":"t/{device}","decoder":"value","liveness":{"online":["up"]}}"#;
    let found = message(&mut decoder(&[liveness], &[]), "t/d", "up", true);
    assert_eq!(found, ["liveness d true", "rule 0 Decoded"]);
}

#[test]
fn latin1_is_converted_where_it_is_not_utf8() {
    let rule = format!(r#"{{{RULE},"charset":"latin1","unit":"{{u}}"}}"#);
    let mut decoder = decoder(&[&rule], &[]);
    for payload in [
        b"{\"v\":1,\"u\":\"\xb0C\"}".as_slice(),
        "{\"v\":1,\"u\":\"°C\"}".as_bytes(),
    ] {
        let message = Message {
            topic: "t/d",
            payload,
            retained: false,
            arrival: Timestamp(0),
        };
        let mut unit = String::new();
        decoder.message(&message, &mut |event| {
            if let Event::Reading(reading) = event {
                unit = reading.unit.to_owned();
            }
        });
        assert_eq!(unit, "°C");
    }
}

#[test]
fn a_death_certificate_has_nothing_to_say() {
    let rule =
        r#"{"name":"l","topic":"t/{device}/death","decoder":"value","liveness":{"always":false}}"#;
    assert_eq!(
        decode(rule, "t/d/death", ""),
        ["liveness d false", "rule 0 Decoded"]
    );
}

#[test]
fn all_faults_at_once() {
    let rules = [
        r#"{"name":"a","topic":"t/{x","value":"v"}"#,
        r#"{"name":"a","topic":"t/#","value":"v","values":{"c":"d"},"samples":{},"time_format":"unix_s"}"#,
        r#"{"name":"c","topic":"t/b","decoder":"value","channel":"c","channels":{"v":{"unit":"nonsense"}}}"#,
        r#"{"name":"d","topic":"u/{device}"}"#,
        r#"{"name":"e","topic":"w/{device}","value":"a..b","channel":"c","time":{"path":"t","zone":"Mars/Olympus"},"where":[{"of":"x","is":[1]}],"capture":[{"from":"{x}","regex":"("}],"lookup":{"file":"no.csv","key":"{x}"}}"#,
    ];
    assert_eq!(
        faults(&rules),
        [
            "0 topic: `t/{x`: a `{` without its `}`",
            "1 name: another rule is called `a` (give each rule a name of its own)",
            "1 values: `values` and `value` exclude each other (keep one of them)",
            "1 time_format: there is no time that could be written so (say where the time is: `time`)",
            "1 samples: nothing says how far samples are from each other (give one of `interval`, `rate`, `interval_from` and `rate_from`)",
            "2 topic: rule `a`, which comes first, takes all of its messages already (put the narrower topic first, or tell the messages apart within one rule)",
            "2 device: nothing captures what `{device}` stands for, and a bare value has no fields (capture it in the topic, like `{device}/…`, or set `device` to a name)",
            "3 : nothing says where the values are (give `value` (one path), `values` (a channel and a path each) or `leaves` (all of them))",
            "4 capture.0.regex: regex parse error:\n    (\n    ^\nerror: unclosed group",
            "4 where.0.of: it is the same for every message (a path stands in braces: \"{x}\")",
            "4 lookup.file: `no.csv`: no such file",
            "4 time.zone: `Mars/Olympus` is not an IANA time zone; they look like `Europe/Berlin`",
            "4 value: `a..b` is no path: a key is missing",
        ]
    );
}

#[test]
fn an_invalid_filter_to_ignore_is_a_fault() {
    let ignore = ["a/#/b".to_owned()];
    let found = Decoder::compile(&[], &ignore, Retained::Accept, &mut |_| Err(String::new()));
    assert_eq!(found.unwrap_err()[0].keys, ["ignore"]);
}
