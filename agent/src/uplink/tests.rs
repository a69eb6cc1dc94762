//! Messages and heartbeats; the whole is tested against a real broker in `tests/it`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eyot_pipeline::Timestamp;
use eyot_pipeline::forward::{Item, Outcome, Parcel};
use eyot_pipeline::ledger::Lane;
use serde_json::{Map, Value, json};
use tokio::time::{Duration, Instant};

use super::encode::{Encoder, Row};
use super::event::outcome;
use super::heartbeat::{Heartbeat, Report};
use crate::config::Config;
use crate::mqtt::PublishError;

fn parcel(bodies: &[&str], batch: bool) -> Parcel<Row> {
    let item = |(seq, body): (usize, &&str)| Item {
        seq: i64::try_from(seq).unwrap(),
        bytes: body.len(),
        oldest: Timestamp::default(),
        record: Row {
            device: "hall/+1#".to_owned(),
            body: (*body).to_owned().into(),
        },
    };
    let items = bodies.iter().enumerate().map(item).collect();
    Parcel::new(Lane::Summary, items, batch)
}

#[test]
fn a_record_goes_out_as_it_is_and_its_topic_has_no_wildcards() {
    let mut encoder = Encoder::new("eyot", "gw").unwrap();
    let message = encoder.message(&parcel(&["{}"], false)).unwrap();
    assert_eq!(&*message.topic, "eyot/gw/summary/hall/_1_");
    assert_eq!(&message.payload[..], b"{}");
}

#[test]
fn a_batch_is_one_zstd_frame_of_lines_be_it_of_one() {
    let mut encoder = Encoder::new("eyot", "gw").unwrap();
    for bodies in [&["{\"a\":1}", "{\"b\":2}", "{}"][..], &["{}"]] {
        let message = encoder.message(&parcel(bodies, true)).unwrap();
        assert_eq!(&*message.topic, "eyot/gw/batch/summary");
        let lines = zstd::bulk::decompress(&message.payload, 1_000).unwrap();
        assert_eq!(String::from_utf8(lines).unwrap(), bodies.join("\n"));
    }
}

#[test]
fn a_full_quota_is_not_the_records_fault() {
    let refused = |code| PublishError::Refused {
        code,
        name: "X".to_owned(),
        reason: None,
    };
    assert_eq!(outcome(Err(refused(0x97))), Outcome::Busy);
    assert!(matches!(outcome(Err(refused(0x87))), Outcome::Refused(_)));
    assert_eq!(outcome(Err(PublishError::Lost)), Outcome::Lost);
}

/// Well or not.
struct Patient(AtomicBool);

impl Report for Patient {
    fn health(&self) -> Value {
        json!({ "well": self.0.load(Ordering::Relaxed) })
    }

    fn status(&self) -> Map<String, Value> {
        [("health".to_owned(), self.health())].into_iter().collect()
    }
}

#[test]
fn the_heart_beats_in_its_rhythm_and_when_health_changes() {
    let text = "[agent]\ndata_dir = \"d\"\n[[source]]\nname = \"s\"\nurl = \"mqtt://h\"\nprofile = \"zigbee2mqtt\"\n\
                [uplink]\nurl = \"mqtt://h\"\nclient_id = \"up\"";
    let config = Config::parse(text, "c.toml", std::path::Path::new("")).unwrap();
    let patient = Arc::new(Patient(AtomicBool::new(true)));
    let uplink = config.uplink.unwrap();
    let mut heart = Heartbeat::new(
        &uplink,
        &"gw".into(),
        Arc::clone(&patient) as Arc<dyn Report>,
    );
    let start = Instant::now() + Duration::from_secs(1);
    let mut beats = |second: u64| heart.beat(start + Duration::from_secs(second));
    let first: Value = serde_json::from_slice(&beats(0).unwrap()).unwrap();
    let expected = json!({
        "schema": "eyot.status.v1", "agent": "gw", "online": true, "health": { "well": true }
    });
    assert_eq!(first, expected);
    assert_eq!(beats(1), None);
    patient.0.store(false, Ordering::Relaxed);
    assert!(beats(2).is_some(), "its health has changed");
    assert_eq!(beats(61), None);
    assert!(beats(62).is_some(), "a minute has passed");
    let will = heart.will();
    assert!(will.retain);
    assert_eq!(will.topic, "eyot/gw/status");
    let will: Value = serde_json::from_slice(&will.payload).unwrap();
    assert_eq!(will["online"], false);
}
