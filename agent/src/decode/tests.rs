//! Decoders on payloads as they come, and on payloads as they should not.

use eyot_pipeline::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::config::{FieldPath, JsonConfig, TimeFormat};

fn path(text: &str) -> FieldPath {
    FieldPath(text.split('.').map(str::to_owned).collect())
}

fn json(values: ValueMapping) -> JsonDecoder {
    JsonDecoder::new(&JsonConfig {
        time: Some(path("ts")),
        time_format: TimeFormat::UnixMs,
        device: None,
        channel: Some(path("meta.channel")),
        values,
    })
}

fn one() -> JsonDecoder {
    json(ValueMapping::One(path("v")))
}

fn many() -> JsonDecoder {
    json(ValueMapping::Many(vec![
        ("temperature".into(), path("env.temp")),
        ("flow".into(), path("flow")),
    ]))
}

#[test]
fn one_reading() {
    let got = one()
        .decode(br#"{"ts": 1767225600123, "v": -4.5, "meta": {"channel": "flow", "x": 1}, "pad": [1, 2]}"#)
        .unwrap();
    assert_eq!(got.time, Scalar::Int(1_767_225_600_123));
    assert_eq!(got.values[..], [Scalar::Float(-4.5)]);
    assert_eq!(got.channel, Scalar::Text("flow".into()));
    assert_eq!(got.unmapped, 2, "meta.x and pad");
}

#[test]
fn several_channels_in_one_object_and_one_bad_field_among_them() {
    let got = many()
        .decode(br#"{"env": {"temp": "hot"}, "flow": 7}"#)
        .unwrap();
    assert_eq!(got.values[..], [Scalar::Text("hot".into()), Scalar::Int(7)]);
    assert_eq!(got.time, Scalar::Absent);
}

#[test]
fn null_is_a_value_that_says_there_is_none() {
    let got = many().decode(br#"{"flow": null}"#).unwrap();
    assert_eq!(got.values[..], [Scalar::Absent, Scalar::Null]);
}

#[test]
fn what_is_no_json_object_is_an_error_that_says_where() {
    for (payload, expected) in [
        (&b"{\"v\": nan}"[..], "expected ident at line 1 column 8"),
        (
            b"{\"v\": 1",
            "EOF while parsing an object at line 1 column 7",
        ),
        (b"{\"v\": 1} x", "trailing characters at line 1 column 10"),
        (b"17", "invalid type: integer `17`, expected a JSON object"),
        (b"", "EOF while parsing a value"),
        (b"\xff\xfe", "expected value"),
    ] {
        let error = one().decode(payload).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn bare_numbers() {
    let value = |payload: &'static [u8]| ValueDecoder.decode(payload).map(|d| d.values[0].clone());
    assert_eq!(value(b"23.5"), Ok(Scalar::Float(23.5)));
    assert_eq!(value(b" -4e2\n"), Ok(Scalar::Float(-400.0)));
    for bad in [&b"on"[..], b"nan", b"inf", b"", b"1,5", b"0x10", b"\xff"] {
        assert!(value(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn event_times() {
    let at = Some(Timestamp(1_767_225_600_123_000_000));
    let check = |scalar, format, expected| assert_eq!(event_time(&scalar, format), expected);
    check(Scalar::Int(1_767_225_600_123), TimeFormat::UnixMs, at);
    check(Scalar::Float(1_767_225_600.123), TimeFormat::UnixS, at);
    check(Scalar::Int(1_767_225_600_123_000), TimeFormat::UnixUs, at);
    check(
        Scalar::Int(1_767_225_600_123_000_000),
        TimeFormat::UnixNs,
        at,
    );
    check(
        Scalar::Text("2026-01-01T01:00:00.123+01:00".into()),
        TimeFormat::Rfc3339,
        at,
    );
    check(Scalar::Text("yesterday".into()), TimeFormat::Rfc3339, None);
    check(Scalar::Text("1767225600".into()), TimeFormat::UnixS, None);
    check(Scalar::Int(i64::MAX), TimeFormat::UnixMs, None);
    check(Scalar::Float(f64::NAN), TimeFormat::UnixS, None);
    check(Scalar::Null, TimeFormat::UnixMs, None);
}

proptest! {
    #[test]
    fn no_payload_panics(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = one().decode(&payload);
        let _ = many().decode(&payload);
        let _ = ValueDecoder.decode(&payload);
    }

    #[test]
    fn numbers_come_out_as_they_went_in(value in prop::num::f64::NORMAL, ts in any::<i64>()) {
        let payload = serde_json::to_vec(&serde_json::json!({"ts": ts, "v": value})).unwrap();
        let got = one().decode(&payload).unwrap();
        prop_assert_eq!(&got.time, &Scalar::Int(ts));
        prop_assert_eq!(&got.values[0], &Scalar::Float(value));
    }
}
