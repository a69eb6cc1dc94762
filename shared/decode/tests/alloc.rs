//! Reading a message allocates nothing once the room for it has been made.

use eyot_decode::{Decoder, Message, config};
use eyot_pipeline::Timestamp;

/// Messages of a rule, after the first, allocate nothing.
fn check(rule: &str, text: &str) {
    let rule: config::Rule = serde_json::from_str(rule).expect("a valid rule");
    let mut file = |_: &str| Err(String::new());
    let mut decoder = Decoder::compile(&[rule], &[], config::Retained::Accept, &mut file)
        .expect("a mapping without faults");
    let payload = text.as_bytes();
    let message = Message {
        topic: "plant/pump1",
        payload,
        retained: false,
        arrival: Timestamp(1_800_000_000_000_000_000),
    };
    decoder.report_unmapped(true);
    let mut events = 0;
    let mut decode = || {
        decoder.message(&message, &mut |_| events += 1);
    };
    decode();
    let found = allocation_counter::measure(|| (0..100).for_each(|_| decode()));
    assert_eq!(found.count_total, 0, "{text}");
    assert!(events > 100);
}

#[test]
fn reading_a_message_allocates_nothing() {
    check(
        r#"{"name":"r","topic":"{site}/{device}","values":{"a":"a.b","c":"c"},"time":"ts","device":"{id}","unit":"{u}"}"#,
        r#"{"x":{"y":[1,2],"z":{"\u0061":"\n"}},"ts":1767225600123,"a":{"b":-4.5},"id":"\u0070","c":[7],"u":"V"}"#,
    );
    check(
        r#"{"name":"r","topic":"plant/{device}","value":"v","channel":"c","samples":{"interval":"1ms"},"channels":{"c":{"scale":0.1}}}"#,
        r#"{"v":[1,2.5,3,4,null,1e-400,5]}"#,
    );
    check(
        r#"{"name":"r","topic":"plant/{device}","value":"v","channel":"c","time":"ts","time_format":"unix_ms","unit":"{u}"}"#,
        r#"{"ts":1767225600123,"v":-4.5,"u":"V"}"#,
    );
    check(
        r#"{"name":"r","topic":"plant/{device}","leaves":{"exclude":["x"]},"time":{"text":"{ts}","format":"unix_ms"}}"#,
        r#"{"ts":1767225600123,"a":{"b":1,"c":true},"PM2.5":[2],"x":null,"t":"text"}"#,
    );
    check(
        r#"{"name":"r","topic":"plant/{device}","value":"v","channel":"c","samples":{"interval":"1ms"}}"#,
        r#"{"v":[1,2.5,3,4]}"#,
    );
    check(
        r#"{"name":"r","topic":"plant/{device}","each":"[*]","capture":[{"from":"{id}","regex":"^(?<ch>.+)-"}],"channel":"{ch}","value":"v"}"#,
        r#"[{"id":"a-1","v":1},{"id":"b-2","v":null}]"#,
    );
}
