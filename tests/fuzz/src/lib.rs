//! What holds for any input at all: nothing panics, no reading is without a name or a finite value, and frames do not
//! depend on how their bytes were cut. The fuzz targets and the property tests of `eyot-decode` run these same checks.

use eyot_decode::config::{Retained, Rule};
use eyot_decode::{Decoder, Event, Fate, Frame, Framer, Framing, Message, Value};
use eyot_pipeline::Timestamp;

/// A small rule for each format, which reaches as much of its reader as one rule can.
pub const RULES: [(&str, &str); 12] = [
    (
        "json",
        r#"{"leaves":{},"time":["ts","@.t"],"samples":{"rate":10},"quality":{"path":"q"},"sequence":{"path":"n"},"unknown":"record"}"#,
    ),
    (
        "value",
        r#"{"decoder":"value","channel":"c","channels":{"c":{"table":{"ON":true},"any_case":true,"unit":"°C"}}}"#,
    ),
    (
        "senml_json",
        r#"{"decoder":"senml_json","each":"[*]","channel":"{name_rest|n|u}","values":{"v":"v","s":"s"},"unit":"{u}","time":{"path":"t_ns","format":"unix_ns"}}"#,
    ),
    (
        "senml_cbor",
        r#"{"decoder":"senml_cbor","each":"[*]","channel":"{name_rest|n|u}","values":{"v":"v","s":"s"},"unit":"{u}","time":{"path":"t_ns","format":"unix_ns"}}"#,
    ),
    (
        "influx",
        r#"{"decoder":"influx","each":"[*]","device":"{tags.host|measurement}","leaves":{"below":"fields"},"time":{"path":"time","format":"unix_ns"}}"#,
    ),
    (
        "sparkplug",
        r#"{"decoder":"sparkplug","topic":"spBv1.0/#","device":"d","each":"metrics[*]","channel":"{name}","value":"value","unit":"{unit}","time":{"path":"timestamp","format":"unix_ms"}}"#,
    ),
    (
        "csv",
        r#"{"decoder":"csv","each":"[*]","leaves":{},"time":{"text":"{date} {time}","format":"%d/%m/%Y %H:%M:%S"},"charset":"latin1"}"#,
    ),
    (
        "key_value",
        r#"{"decoder":"key_value","leaves":{},"separated":{"decimal_comma":true}}"#,
    ),
    (
        "nmea",
        r#"{"decoder":"nmea","each":"[*]","leaves":{},"time":"utc"}"#,
    ),
    (
        "dsmr",
        r#"{"decoder":"dsmr","each":"{code}","channel":"{code}","value":".value","unit":"{.unit}","time":{"path":"time","format":"dsmr"}}"#,
    ),
    (
        "ve_direct",
        r#"{"decoder":"ve_direct","leaves":{},"channels":{"PID":{"format":"hex"},"V":{"from":"mV","unit":"V"}}}"#,
    ),
    (
        "sdi12",
        r#"{"decoder":"sdi12","device":"{address}","leaves":{"below":"values"}}"#,
    ),
];

/// Topics of Sparkplug messages.
const SPARKPLUG: [&str; 6] = [
    "spBv1.0/g/NBIRTH/n",
    "spBv1.0/g/DBIRTH/n/d",
    "spBv1.0/g/DDATA/n/d",
    "spBv1.0/g/NDATA/n",
    "spBv1.0/g/DDEATH/n/d",
    "spBv1.0/g/NDEATH/n",
];

/// Decodes a payload in a format, twice, since some formats remember what came before. Gives back how many readings and
/// blocks came out. With `sparkplug` it is a sequence of messages: a byte for the topic, one for the length, and so many
/// bytes.
///
/// # Panics
/// If what comes out breaks a promise, or there is no such format.
pub fn decode(format: &str, payload: &[u8]) -> usize {
    let rule = RULES.iter().find(|(name, _)| *name == format);
    let (_, rule) = rule.expect("a known format");
    let Some(mut decoder) = compile(rule) else {
        panic!("the rule of {format} does not compile");
    };
    if format != "sparkplug" {
        let first = message(&mut decoder, "t/d", payload);
        return first + message(&mut decoder, "t/d", payload);
    }
    let mut readings = 0;
    let mut rest = payload;
    while let [kind, len, after @ ..] = rest {
        let (payload, after) = after.split_at(usize::from(*len).min(after.len()));
        let topic = SPARKPLUG[usize::from(*kind) % SPARKPLUG.len()];
        readings += message(&mut decoder, topic, payload);
        rest = after;
    }
    readings
}

/// Compiles a rule in JSON and decodes a payload with it. Gives back whether it is one.
///
/// # Panics
/// If what comes out breaks a promise.
pub fn mapping(rule: &str, topic: &str, payload: &[u8]) -> bool {
    let Some(mut decoder) = compile(rule) else {
        return false;
    };
    std::hint::black_box(decoder.subscriptions());
    message(&mut decoder, topic, payload);
    message(&mut decoder, topic, payload);
    true
}

/// Cuts a stream into frames, whole and in pieces of `step` bytes: the frames have to be the same.
///
/// # Panics
/// If they are not.
pub fn frames(framing: Framing, stream: &[u8], step: usize) {
    // Small, so that the limit is reached too.
    const LIMIT: usize = 256;
    let cut = |step: usize| {
        let mut framer = Framer::new(framing, LIMIT);
        let mut found = Vec::new();
        let mut sink = |frame: Frame<'_>| found.push(format!("{frame:?}"));
        for piece in stream.chunks(step.max(1)) {
            framer.push(piece, &mut sink);
        }
        framer.finish(&mut sink);
        found
    };
    assert_eq!(cut(stream.len()), cut(step), "pieces of {step} bytes");
}

/// A decoder for a rule, whose name and topic need not be given.
fn compile(rule: &str) -> Option<Decoder> {
    let mut rule: serde_json::Value = serde_json::from_str(rule).ok()?;
    let keys = rule.as_object_mut()?;
    keys.entry("name").or_insert("rule".into());
    keys.entry("topic").or_insert("t/{device}".into());
    let rule: Rule = serde_json::from_value(rule).ok()?;
    let mut table = |_: &str| Ok("id,channel,unit,scale\n1,c,V,0.1\n".into());
    Decoder::compile(&[rule], &[], Retained::Accept, &mut table).ok()
}

/// Decodes a message; gives back how many readings and blocks came out.
fn message(decoder: &mut Decoder, topic: &str, payload: &[u8]) -> usize {
    decoder.report_unmapped(true);
    let message = Message {
        topic,
        payload,
        retained: false,
        arrival: Timestamp::from_secs(1_800_000_000),
    };
    let mut readings = 0;
    let result = decoder.message(&message, &mut |event| {
        readings += usize::from(matches!(event, Event::Reading(_) | Event::Block { .. }));
        check(&event);
    });
    if let Fate::DeadLetter(why) = result.fate {
        assert!(!why.is_empty(), "a dead letter without a reason");
    }
    readings
}

fn check(event: &Event<'_>) {
    let reading = match event {
        Event::Reading(reading) => reading,
        Event::Block {
            first,
            interval_ns,
            values,
        } => {
            assert!(*interval_ns > 0 && !values.is_empty(), "{event:?}");
            assert!(values.iter().all(|value| value.is_finite()), "{event:?}");
            first
        }
        Event::Rejected { detail, .. } => return assert!(!detail.is_empty(), "{event:?}"),
        Event::Request { topic, payload } => {
            return assert!(!topic.is_empty() && !payload.is_empty(), "{event:?}");
        }
        Event::Missing { .. } | Event::Unmapped { .. } | Event::Liveness { .. } => return,
    };
    let is_named = !reading.device.is_empty() && !reading.channel.is_empty();
    let is_finite = !matches!(reading.value, Value::F64(value) if !value.is_finite());
    assert!(is_named && is_finite, "{event:?}");
}
