//! Whether a rule looks only at some places of a payload or at its whole tree, the same comes out.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::testing::{decoder, json, message};

/// Rules that look only at known places, with all that they can ask for there.
const RULES: [&str; 20] = [
    r#""value":"a","channel":"c""#,
    r#""value":"a.b","channel":"{n|c}","time":"t","time_format":"unix_ms""#,
    r#""values":{"a":"a","b":"$.b","c":".c","d":"a","n":"n"},"time":["u","t"]"#,
    r#""values":{"a":"a.a","b":"a.b","c":"b.c","n":"b.n.a"},"unit":"{u}","quality":{"path":["q","b.q"]}"#,
    r#""value":"a","channel":"{b|c|'none'}","device":"{device}{n}","unit":"{u?'V'}""#,
    r#""values":{"a":"a","b":"b"},"required":["n"],"sequence":{"path":"n"},"message_id":"t""#,
    r#""values":{"a":"a","b":"b"},"required":["a"],"historical":"q""#,
    r#""values":{"a":"a","b":"b"},"where":[{"of":"{q}","is_not":[0,"x"]}]"#,
    r#""value":"a","channel":"{rest}","capture":[{"from":"{b}","regex":"^(?<rest>[a-z]+)"}]"#,
    r#""value":"a","channel":"c","lookup":{"file":"ids.csv","key":"{n}","optional":true}"#,
    r#""value":"a","channel":"c","lookup":{"file":"ids.csv","key":"{n}"}"#,
    r#""value":"a","channel":"c","samples":{"interval":"1ms"},"time":"t""#,
    r#""values":{"a":"a","b":"b"},"samples":{"rate_from":"n"},"channels":{"a":{"scale":0.1,"offset":-1},"b":{"from":"{u}","unit":"V"}}"#,
    r#""values":{"a":"a","b":"b"},"samples":{"rate":10},"channels":{"a":{"from":"mV","unit":"V"},"b":{"scale":1e305}}"#,
    r#""values":{"a":"a","b":"b"},"samples":{"rate":10},"channels":{"a":{"missing":[1,2]},"b":{"format":"u32_words"}}"#,
    r#""values":{"a":"a","b":"b"},"channels":{"a":{"ignore":true},"b":{"table":{"1":true,"x":2},"missing":[7]}}"#,
    r#""values":{"a":"a","b":"\"x.y\"","c":"\"\"","d":"\"longer than eight\""},"unknown":"dead_letter""#,
    r#""value":"a","channel":"c","time":{"text":"{t}{n}","format":"%Y%m%d"},"before_2000":"reject""#,
    r#""value":"a","channel":"c","time":{"path":"t","format":"unix","add":"n","add_unit":"ms"}"#,
    r#""values":{"a":"a","b":"b.a"},"decoder":"json_or_value","channels":{"*":{"from":"{u}"}}"#,
];

/// What a payload comes to by both, however it is asked for.
fn check(rule: usize, payload: &str) {
    let rule = format!(r#"{{"name":"r","topic":"t/{{device}}",{}}}"#, RULES[rule]);
    for report in [false, true] {
        let (mut some, mut whole) = (decoder(&[&rule], &[]), decoder(&[&rule], &[]));
        assert_eq!(some.selective(), 1, "{rule}");
        whole.read_whole();
        some.report_unmapped(report);
        whole.report_unmapped(report);
        // Twice, since samples join.
        for retained in [false, false, true] {
            let found = message(&mut some, "t/d", payload, retained);
            let expected = message(&mut whole, "t/d", payload, retained);
            assert_eq!(found, expected, "{rule}\n{payload}");
        }
    }
}

#[test]
fn whatever_is_special() {
    for payload in [
        r#"{"a":1,"a":2,"b":3}"#,
        r#"{"a":{"b":1},"a":{"a":2}}"#,
        r#"{"a":1e400,"b":[1,1e400,2],"n":1e400}"#,
        r#"{"a":[1,2.5,-3],"b":[1,null,2],"n":10,"t":1767225600}"#,
        r#"{"a":[1,"2 V",3],"b":[[1,2]],"n":10}"#,
        r#"{"a":[21.5],"b":{"a":[{"b":1}]},"u":"mV"}"#,
        r#"{"x":[1,{"a":2}],"a":1}"#,
        r#"{"x":[{"a":2,"x.y":[null]},3,null,[[]],{"z":[1]}],"a":1}"#,
        r#"{"x":{"y":{"z":null,"x.y":"\u0041","":1,"w":[null]}},"\u0061":5}"#,
        r#"{"b":"abc","a":-0,"n":-0.0,"q":"bad","t":"x"}"#,
        r#"{"":null,"x.y":{},"longer than eight":"x"}"#,
        r#"{"":[null,[]],"b":{"":1},"a":"\ud83d\ude00 \n","x\u002ey":"4 mV"}"#,
        "\u{feff}{\"a\":1}\0\0",
        " [1]",
        "5",
        "\"x\"",
        r#"{"a":1} x"#,
        r#"{"a":1,"x":"\ud800"}"#,
        r#"{"a":1,"x":01}"#,
        r#"{"a":1,"x":[}"#,
    ] {
        (0..RULES.len()).for_each(|rule| check(rule, payload));
    }
    let deep = |n| format!(r#"{{"x":{}{},"a":1}}"#, "[".repeat(n), "]".repeat(n));
    for depth in [125, 126, 127, 128] {
        (0..RULES.len()).for_each(|rule| check(rule, &deep(depth)));
        let deep = deep(depth).replace("\"x\"", "\"b\"");
        (0..RULES.len()).for_each(|rule| check(rule, &deep));
    }
}

proptest! {
    #[test]
    fn the_same_comes_out(payload in json(), rule in 0..RULES.len()) {
        check(rule, &payload);
    }

    #[test]
    fn the_same_comes_out_of_what_is_damaged(
        payload in json(),
        rule in 0..RULES.len(),
        at in any::<Index>(),
        other in "[\\[\\]{}:,\"\\\\0-9a-fnu.eE+\\- é]{0,2}",
        len in 0..3_usize,
    ) {
        let chars: Vec<char> = payload.chars().collect();
        let at = at.index(chars.len() + 1);
        let head = chars[..at].iter();
        let tail = chars[at..].iter().skip(len);
        let damaged: String = head.copied().chain(other.chars()).chain(tail.copied()).collect();
        check(rule, &damaged);
    }

    #[test]
    fn the_same_comes_out_of_any_order(
        entries in prop::collection::vec((
            prop::sample::select(vec!["a", "b", "c", "n", "t", "q", "u", "x", "x.y"]),
            prop_oneof![
                "-?[0-9]{1,12}(\\.[0-9]{1,3})?".prop_map(|n| n.trim_start_matches('0').replace("-0", "-1")),
                Just("[1,2,3]".to_owned()),
                Just("[1.5,null,1e400]".to_owned()),
                Just("1767225600123".to_owned()),
                Just("\"V\"".to_owned()),
                Just("7".to_owned()),
                Just("{\"a\":1,\"b\":[2.5,3],\"n\":{\"a\":0.5},\"q\":0}".to_owned()),
                Just("null".to_owned()),
            ],
        ), 0..8),
        rule in 0..RULES.len(),
    ) {
        let entries: Vec<_> = entries.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        check(rule, &format!("{{{}}}", entries.join(",")));
    }
}
