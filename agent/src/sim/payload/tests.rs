use super::super::fleet::Delivery;
use super::*;

fn sample() -> Sample {
    let time = Timestamp::from_millis(1_767_225_600_123);
    let event = Event {
        send_at: Timestamp::from_millis(1_767_225_600_130),
        device: 16,
        channel: 1,
        time,
        value: 41.5,
        delivery: Delivery::Prompt,
    };
    Sample {
        device: 16,
        events: vec![event],
    }
}

#[track_caller]
fn check(form: Form, pad: usize, topic: &str, payload: &str) {
    let encoder = Encoder::new(form, form.default_topic().parse().unwrap(), pad).unwrap();
    let message = encoder.encode(&sample());
    assert_eq!(message.topic, topic);
    assert_eq!(String::from_utf8(message.payload).unwrap(), payload);
}

#[test]
fn each_form_has_its_topic_and_bytes() {
    let topic = "plant/hall-1/pump-0017/temperature";
    check(Form::Reading, 0, topic, r#"{"ts":1767225600123,"v":41.5}"#);
    check(Form::Value, 0, topic, "41.5");
    check(
        Form::Object,
        0,
        "plant/hall-1/pump-0017",
        r#"{"ts":1767225600123,"temperature":41.5}"#,
    );
    check(
        Form::Csv,
        0,
        topic,
        "2026-01-01T00:00:00.13Z,2026-01-01T00:00:00.123Z,pump-0017,temperature,41.5",
    );
}

#[test]
fn padding_reaches_the_size_exactly_or_leaves_the_message_alone() {
    let topic: Topic = Form::Reading.default_topic().parse().unwrap();
    let plain = r#"{"ts":1767225600123,"v":41.5}"#.len();
    for pad in [0, plain, plain + 8, plain + 9, plain + 10, 100] {
        let encoder = Encoder::new(Form::Reading, topic.clone(), pad).unwrap();
        let payload = encoder.encode(&sample()).payload;
        let expected = if pad >= plain + 9 { pad } else { plain };
        assert_eq!(payload.len(), expected, "asked for {pad}");
        let object: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(object["v"], 41.5);
    }
}

#[test]
fn topics_are_checked() {
    let error = |text: &str| text.parse::<Topic>().unwrap_err().to_string();
    assert!(error("plant/{room}").contains("`{room}` is none of"));
    assert!(error("plant/{device").contains("not closed"));
    assert!(error("plant/+/{device}").contains("wildcard"));
    assert!(error("").contains("empty"));
    let topic: Topic = "a/{site}/{device}".parse().unwrap();
    assert_eq!(topic.to_string(), "a/{site}/{device}");
    assert!(Encoder::new(Form::Reading, topic.clone(), 0).is_err());
    assert!(Encoder::new(Form::Object, topic.clone(), 0).is_ok());
    assert!(topic.without_site().is_err());
}
