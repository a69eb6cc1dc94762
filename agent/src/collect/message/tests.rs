//! What a message holds.

use std::convert::Infallible;
use std::io::Write;

use super::*;

const AGENT: &str = "7e1c1f0e-8f0a-4c3e-9a57-0d8c5f1b2a3d";

fn message(topic: &str, payload: impl Into<Vec<u8>>) -> Arrived {
    Arrived {
        topic: Bytes::copy_from_slice(topic.as_bytes()),
        payload: payload.into().into(),
        at: Timestamp(0),
    }
}

fn contents(topic: &str, payload: impl Into<Vec<u8>>) -> Vec<Content> {
    let mut all = Vec::new();
    let Ok(()) = read::<Infallible>("eyot", &message(topic, payload), |content| {
        all.push(content);
        Ok(())
    });
    all
}

/// What was wrong, if there was one thing in the message and it was wrong.
fn rubbish(topic: &str, payload: impl Into<Vec<u8>>) -> &'static str {
    match &contents(topic, payload)[..] {
        [Content::Rubbish(rubbish)] => rubbish.reason.name(),
        other => panic!("{other:?}"),
    }
}

fn summary(number: u64) -> String {
    format!(
        r#"{{"schema":"eyot.summary.v1","id":"{AGENT}/1/hall/pump/{number}","agent":"gw",
           "window":{{"start":"2026-01-01T00:00:00Z","end":"2026-01-01T00:00:10.5Z"}},"new":[1]}}"#
    )
    .replace('\n', " ")
}

#[test]
fn a_summary_is_known_by_its_id_and_its_window() {
    let text = summary(7);
    let all = contents("eyot/gw/summary/hall/pump", text.clone());
    let [Content::Record(record)] = &all[..] else {
        panic!("{all:?}")
    };
    assert_eq!(record.id.to_string(), format!("{AGENT}/1/hall/pump/7"));
    assert_eq!(
        (record.kind.as_str(), record.schema.as_str()),
        ("summary", "eyot.summary.v1")
    );
    assert_eq!(record.agent.as_deref(), Some("gw"));
    assert_eq!(record.start, Some(Timestamp::from_secs(1_767_225_600)));
    assert_eq!(record.end, Some(Timestamp(1_767_225_610_500_000_000)));
    assert_eq!(record.body, text, "kept as it came");
}

#[test]
fn corrections_late_readings_and_stale_devices_have_their_times() {
    let id = format!(r#""id":"{AGENT}/1/p/1""#);
    let second = |second: i64| Some(Timestamp::from_secs(1_767_225_600 + second));
    let window = r#""start":"2026-01-01T00:00:00Z","end":"2026-01-01T00:00:10Z""#;
    for (schema, fields, start, end) in [
        (
            "correction",
            format!(r#"{window},"decided_at":"2026-01-01T00:00:13Z""#),
            0,
            10,
        ),
        (
            "late",
            format!(r#"{window},"time":"2026-01-01T00:00:03Z""#),
            3,
            3,
        ),
        (
            "stale",
            r#""last_heard":"2026-01-01T00:00:05Z","decided_at":"2026-01-01T00:03:05Z""#.into(),
            5,
            185,
        ),
    ] {
        let text = format!(r#"{{"schema":"eyot.{schema}.v1",{id},{fields}}}"#);
        let all = contents("anywhere", text);
        let [Content::Record(record)] = &all[..] else {
            panic!("{all:?}")
        };
        assert_eq!(
            (record.kind.as_str(), record.start, record.end),
            (schema, second(start), second(end))
        );
    }
}

#[test]
fn other_kinds_have_other_times_or_none() {
    let alert = format!(
        r#"{{"schema":"eyot.alert.v2","id":"{AGENT}/1/p/1","time":"2026-01-01T00:00:00Z","window":3}}"#
    );
    let unknown = format!(r#"{{"schema":"acme.thing","id":"{AGENT}/1/p/1","time":17,"agent":[]}}"#);
    for (text, kind, time) in [
        (alert, "alert", Some(Timestamp::from_secs(1_767_225_600))),
        (unknown, "acme.thing", None),
    ] {
        let all = contents("anywhere", text);
        let [Content::Record(record)] = &all[..] else {
            panic!("{all:?}")
        };
        assert_eq!(
            (record.kind.as_str(), record.start, record.end),
            (kind, time, time)
        );
    }
}

#[test]
fn a_loss_record_names_what_will_not_come() {
    let text = format!(
        r#"{{"schema":"eyot.loss.v1","id":"{AGENT}/2/outbox/1","reason":"quota","records":[
            {{"device":"pump-1","from":3,"to":9}},
            {{"device":"pump-2","count":12,"reason":"age"}},
            {{"device":"pump-3","from":4,"to":4,"epoch":1}},
            {{"device":"pump-4","from":9,"to":3}}, {{"device":"pump-4","from":0,"to":3}}, {{"from":1,"to":1}}, 7
        ],"unlisted":5}}"#
    );
    let all = contents("eyot/gw/loss/summary", text);
    let [Content::Record(record)] = &all[..] else {
        panic!("{all:?}")
    };
    let lost = |device: &str, epoch, which, reason: &str| Lost {
        device: device.to_owned(),
        epoch,
        which,
        reason: reason.to_owned(),
    };
    assert_eq!(
        record.lost,
        [
            lost("pump-1", None, Which::Range(3, 9), "quota"),
            lost("pump-2", None, Which::Count(12), "age"),
            lost("pump-3", Some(1), Which::Range(4, 4), "quota"),
            lost("outbox", None, Which::Count(5), "quota"),
        ]
    );
    // A merged record stands for others of its device.
    let merged = summary(7).replace(r#""new":[1]"#, r#""merges":{"from":3,"to":7}"#);
    let all = contents("eyot/gw/summary/hall/pump", merged);
    let [Content::Record(record)] = &all[..] else {
        panic!("{all:?}")
    };
    assert_eq!(
        record.lost,
        [lost("hall/pump", None, Which::Range(3, 7), "merged")]
    );
}

#[test]
fn what_is_no_record_is_counted_by_reason() {
    let topic = "eyot/gw/summary/pump";
    assert_eq!(rubbish(topic, "hello"), "not_json");
    assert_eq!(rubbish(topic, "{\"id\":1"), "not_json");
    assert_eq!(rubbish(topic, [0xff, 0xfe]), "not_json");
    assert_eq!(rubbish(topic, ""), "not_json");
    assert_eq!(rubbish(topic, "{\"a\":\"\u{fffd}\"}"), "not_a_record");
    assert_eq!(rubbish(topic, b"{\"a\":\"\xff\"}"), "not_json");
    assert_eq!(rubbish(topic, "17"), "not_a_record");
    assert_eq!(
        rubbish(topic, r#"{"id":"pump/1","schema":"x"}"#),
        "not_a_record"
    );
    let no_schema = format!(r#"{{"id":"{AGENT}/1/p/1"}}"#);
    assert_eq!(rubbish(topic, no_schema), "not_a_record");
    assert_eq!(rubbish(topic, vec![b' '; LARGEST_RECORD + 1]), "too_large");
    assert_eq!(rubbish("eyot/gw/status", "[]"), "not_a_record");
    assert_eq!(rubbish("eyot/gw/status", "{"), "not_json");
    assert_eq!(rubbish("eyot/gw/batch/summary", summary(1)), "broken_batch");
}

#[test]
fn a_status_is_the_agents_and_can_be_taken_back() {
    let status = |body: &str| Content::Status {
        agent: "gw".to_owned(),
        body: (!body.is_empty()).then(|| body.to_owned()),
    };
    for body in [r#"{"schema":"eyot.status.v1"}"#, ""] {
        assert_eq!(contents("eyot/gw/status", body), [status(body)]);
    }
    // A device may have that name.
    assert_eq!(rubbish("eyot/gw/summary/status", "{}"), "not_a_record");
    assert_eq!(rubbish("other/gw/status", "{}"), "not_a_record");
}

fn numbers(contents: &[Content]) -> Vec<u64> {
    let record = |content: &Content| match content {
        Content::Record(record) => Some(record.id.number),
        _ => None,
    };
    contents.iter().filter_map(record).collect()
}

#[test]
fn a_batch_is_its_records() {
    let text = format!("{}\n\n{}\nhello\n{}", summary(1), summary(2), summary(3));
    let frame = zstd::bulk::compress(text.as_bytes(), 3).unwrap();
    let all = contents("eyot/gw/batch/summary", frame.clone());
    assert_eq!(numbers(&all), [1, 2, 3]);
    assert_eq!(all.len(), 4);
    // Cut off, it still gives what is whole.
    let mut long = String::new();
    for number in 1..5_000 {
        long.push_str(&summary(number));
        long.push('\n');
    }
    let frame = zstd::bulk::compress(long.as_bytes(), 3).unwrap();
    let cut = contents("eyot/gw/batch/summary", &frame[..frame.len() - 5]);
    let Some((Content::Rubbish(last), whole)) = cut.split_last() else {
        panic!("nothing of it")
    };
    assert_eq!(last.reason, Reason::BrokenBatch);
    let whole = numbers(whole);
    assert!(whole.iter().copied().eq(1..=whole.len() as u64));
}

#[test]
fn a_batch_that_is_too_large_once_decompressed_ends_at_the_limit() {
    // A line beyond the limit is skipped, and what follows is read.
    let mut text = vec![b' '; 3 * LARGEST_RECORD];
    text.extend_from_slice(format!("\n{}", summary(1)).as_bytes());
    let frame = zstd::bulk::compress(&text, 1).unwrap();
    let all = contents("eyot/gw/batch/summary", frame);
    assert_eq!((all.len(), numbers(&all)), (2, vec![1]));

    // A bomb: many megabytes of one line, and of many.
    for line in [&[b' '; 1024][..], &[b'\n'; 1024][..]] {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        for _ in 0..=LARGEST_BATCH / 1024 {
            encoder.write_all(line).unwrap();
        }
        encoder.write_all(summary(1).as_bytes()).unwrap();
        let bomb = encoder.finish().unwrap();
        let all = contents("eyot/gw/batch/summary", bomb);
        assert_eq!(numbers(&all), [0_u64; 0]);
        let Some(Content::Rubbish(last)) = all.last() else {
            panic!("{} things", all.len())
        };
        assert_eq!(last.reason, Reason::TooLarge);
    }
}
