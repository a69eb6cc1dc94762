mod values;

use eyot_pipeline::Timestamp;
use proptest::prelude::*;
use prost::Message;

use super::Sparkplug;
use super::node::MAX_METRICS;
use super::proto::{Metric, Payload, Property, PropertySet, PropertyValue, Value};
use crate::Doc;
use crate::format::{FormatError, Input, Read, Request};

/// A reader, and what it asked for.
#[derive(Default)]
struct World {
    format: Sparkplug,
    requests: Vec<Request>,
    seconds: i64,
}

impl World {
    fn try_read(&mut self, topic: &str, bytes: &[u8]) -> Result<String, FormatError> {
        let mut doc = Doc::new();
        let input = Input {
            topic,
            bytes,
            text: None,
            arrival: Timestamp::from_secs(self.seconds),
        };
        let text = self.format.read(input, &mut doc, &mut self.requests)?;
        Ok(format!("{:?}", doc.root(text).unwrap()))
    }

    fn read(&mut self, kind: &str, seq: u64, metrics: Vec<Metric>) -> String {
        let device = if kind.starts_with('D') { "/pump" } else { "" };
        let payload = Payload {
            timestamp: Some(5),
            seq: Some(seq),
            metrics,
            uuid: None,
        };
        let topic = format!("spBv1.0/plant/{kind}/edge{device}");
        self.try_read(&topic, &payload.encode_to_vec()).unwrap()
    }

    /// How many rebirths were asked for since the last time.
    fn asked(&mut self) -> usize {
        self.requests.drain(..).count()
    }
}

fn metric(name: &str, alias: u64, datatype: u32, value: Value) -> Metric {
    Metric {
        name: (!name.is_empty()).then(|| name.into()),
        alias: Some(alias),
        datatype: (datatype > 0).then_some(datatype),
        value: Some(value),
        ..Metric::default()
    }
}

fn bd_seq(number: u64) -> Metric {
    metric("bdSeq", 0, 4, Value::Long(number))
}

fn from_hex(hex: &str) -> Vec<u8> {
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn a_birth_explains_the_data_after_it() {
    let mut world = World::default();
    let birth = "08eaf2f5a8a02b12170a08496e707574732f41100018eaf2f5a8a02b200b7000123b0a1050756d702f54656d7065726174757265100118eaf2f5a8a02b200a4a130a07656e67556e69741208080c420464656743690000000000a04e4012180a0950756d702f466c6f77100218eaf2f5a8a02b2003507612210a0b50756d702f456e65726779100318eaf2f5a8a02b2008588180808080808010122f0a1850726f706572746965732f4861726477617265204d616b65100418eaf2f5a8a02b200c7a0850696272656c6c611801";
    let read = world.try_read("spBv1.0/Plant 1/DBIRTH/Edge 7/Pump A", &from_hex(birth));
    let rest = "\"timestamp\": Int(1486144502122)";
    let flags = "\"historical\": Bool(false), \"transient\": Bool(false)";
    assert_eq!(
        read.unwrap(),
        format!(
            "{{{rest}, \"seq\": Int(1), \"metrics\": [\
             {{\"name\": Text(\"Inputs/A\"), \"alias\": Int(0), \"type\": Text(\"Boolean\"), \
             \"value\": Bool(false), {flags}, {rest}}}, \
             {{\"name\": Text(\"Pump/Temperature\"), \"unit\": Text(\"degC\"), \"alias\": Int(1), \
             \"type\": Text(\"Double\"), \"value\": Float(61.25), {flags}, {rest}}}, \
             {{\"name\": Text(\"Pump/Flow\"), \"alias\": Int(2), \"type\": Text(\"Int32\"), \
             \"value\": Int(118), {flags}, {rest}}}, \
             {{\"name\": Text(\"Pump/Energy\"), \"alias\": Int(3), \"type\": Text(\"UInt64\"), \
             \"value\": Int(9007199254740993), {flags}, {rest}}}, \
             {{\"name\": Text(\"Properties/Hardware Make\"), \"alias\": Int(4), \
             \"type\": Text(\"String\"), \"value\": Text(\"Pibrella\"), {flags}, {rest}}}]}}"
        )
    );

    let data = "08a28af6a8a02b12161001188a9ef2a8a02b200a2801690000000000004e401804";
    let read = world.try_read("spBv1.0/Plant 1/DDATA/Edge 7/Pump A", &from_hex(data));
    assert_eq!(
        read.unwrap(),
        "{\"timestamp\": Int(1486144505122), \"seq\": Int(4), \"metrics\": [\
         {\"name\": Text(\"Pump/Temperature\"), \"unit\": Text(\"degC\"), \"alias\": Int(1), \
         \"type\": Text(\"Double\"), \"value\": Float(60.0), \"historical\": Bool(true), \
         \"transient\": Bool(false), \"timestamp\": Int(1486144442122)}]}"
    );
    assert_eq!(world.asked(), 1, "there was no birth of the node");
}

#[test]
fn sequence_numbers_go_round() {
    let mut world = World::default();
    world.read("NBIRTH", 0, vec![bd_seq(0)]);
    world.read("DBIRTH", 1, vec![]);
    for seq in 2..600 {
        world.read("DDATA", seq % 256, vec![]);
    }
    assert_eq!(world.asked(), 0);
    world.read("NDATA", 600 % 256 + 1, vec![]);
    assert_eq!(world.asked(), 1, "one is missing");
}

#[test]
fn a_rebirth_is_asked_for_once_a_minute() {
    let mut world = World::default();
    let data = || vec![metric("", 7, 0, Value::Int(1))];
    let read = world.read("NDATA", 3, data());
    assert!(
        read.contains("\"metrics\": [], \"unresolved\": Int(1)"),
        "{read}"
    );
    let request = world.requests[0].clone();
    assert_eq!(request.topic, "spBv1.0/plant/NCMD/edge");
    let payload = Payload::decode(request.payload.as_slice()).unwrap();
    assert_eq!(payload.metrics[0].own_name(), Some("Node Control/Rebirth"));
    assert_eq!(payload.metrics[0].value, Some(Value::Boolean(true)));
    assert_eq!(payload.metrics[0].datatype, Some(11));
    assert_eq!(world.asked(), 1);

    world.seconds = 59;
    world.read("NDATA", 4, data());
    assert_eq!(world.asked(), 0, "the answer may be on its way");
    world.seconds = 60;
    world.read("NDATA", 5, data());
    assert_eq!(world.asked(), 1);

    world.read("NBIRTH", 0, vec![metric("flow", 7, 9, Value::Float(1.5))]);
    let read = world.read("NDATA", 1, vec![metric("", 7, 0, Value::Float(2.5))]);
    assert!(
        read.contains("Text(\"flow\")") && read.contains("Text(\"Float\")"),
        "{read}"
    );
    assert_eq!(world.asked(), 0);
    let read = world.read(
        "NDATA",
        2,
        [data(), vec![metric("", 8, 0, Value::Int(1))]].concat(),
    );
    assert!(
        read.contains("\"flow\"") && read.contains("\"unresolved\": Int(1)"),
        "{read}"
    );
    assert_eq!(world.asked(), 1);
}

#[test]
fn deaths_clear_what_was_known() {
    let mut world = World::default();
    let flow = || vec![metric("flow", 7, 9, Value::Float(1.5))];
    let data = || vec![metric("", 7, 0, Value::Float(1.5))];
    world.read("NBIRTH", 0, vec![bd_seq(3)]);
    world.read("DBIRTH", 1, flow());
    assert_eq!(
        world.read("DDEATH", 2, vec![]),
        "{\"death\": Bool(true), \"timestamp\": Int(5), \"seq\": Int(2)}"
    );
    assert_eq!(world.asked(), 0);
    assert!(
        world
            .read("DDATA", 3, data())
            .contains("\"unresolved\": Int(1)")
    );
    assert_eq!(world.asked(), 1);

    world.read("NBIRTH", 0, vec![bd_seq(4)]);
    world.read("DBIRTH", 1, flow());
    assert_eq!(
        world.read("NDEATH", 0, vec![bd_seq(3)]),
        "{\"stale\": Bool(true)}"
    );
    assert!(world.read("DDATA", 2, data()).contains("\"flow\""));
    assert_eq!(world.asked(), 0);
    assert_eq!(
        world.read("NDEATH", 0, vec![bd_seq(4)]),
        "{\"death\": Bool(true), \"timestamp\": Int(5), \"seq\": Int(0), \"bdSeq\": Int(4)}"
    );
    assert!(
        world
            .read("DDATA", 3, data())
            .contains("\"unresolved\": Int(1)")
    );
}

#[test]
fn flags_quality_and_control() {
    let property = |value| PropertyValue { value: Some(value) };
    let metric = Metric {
        is_null: Some(true),
        is_transient: Some(true),
        timestamp: Some(9),
        properties: Some(PropertySet {
            keys: vec!["Quality".into(), "EngUnit".into()],
            values: vec![
                property(Property::Int(500)),
                property(Property::Text("bar".into())),
            ],
        }),
        ..metric("Node Control/Rebirth", 1, 11, Value::Boolean(true))
    };
    assert_eq!(
        World::default().read("NBIRTH", 0, vec![metric]),
        "{\"timestamp\": Int(5), \"seq\": Int(0), \"metrics\": [\
         {\"name\": Text(\"Node Control/Rebirth\"), \"unit\": Text(\"bar\"), \"alias\": Int(1), \
         \"type\": Text(\"Boolean\"), \"value\": Null, \"quality\": Int(500), \
         \"historical\": Bool(false), \"transient\": Bool(true), \"timestamp\": Int(9), \
         \"control\": Bool(true)}]}"
    );
}

#[test]
fn what_is_not_about_values() {
    let mut world = World::default();
    for topic in [
        "STATE/scada",
        "spBv1.0/STATE/scada",
        "spBv1.0/a/NCMD/b",
        "spBv1.0/a/DCMD/b/c",
    ] {
        assert_eq!(world.try_read(topic, b"{}").unwrap(), "{}");
    }
    for topic in [
        "",
        "spBv1.0/a/NDATA",
        "spBv1.0/a/DDATA/b",
        "spBv1.0/a/NDATA/b/c",
        "x/a/NDATA/b",
    ] {
        let error = world.try_read(topic, b"").unwrap_err();
        assert!(error.0.contains("narrow the rule's topics"), "{error}");
    }
    let error = world.try_read("spBv1.0/a/NDATA/b", b"text").unwrap_err();
    assert!(
        error.0.starts_with("not a Sparkplug B payload: "),
        "{error}"
    );
}

#[test]
fn memory_is_bounded() {
    let mut world = World::default();
    for node in 0..super::MAX_NODES {
        world
            .try_read(&format!("spBv1.0/a/NDATA/{node}"), b"")
            .unwrap();
    }
    assert!(world.try_read("spBv1.0/a/NDATA/0", b"").is_ok());
    let error = world.try_read("spBv1.0/a/NDATA/more", b"").unwrap_err();
    assert!(
        error.0.contains("`a/more` is one more than the 10000"),
        "{error}"
    );
    world.try_read("spBv1.0/a/NDEATH/0", b"").unwrap();
    assert!(world.try_read("spBv1.0/a/NDATA/more", b"").is_ok());

    let mut node = super::Node::default();
    let many = (0..=MAX_METRICS as u64).map(|i| metric(&format!("m{i}"), i, 9, Value::Int(1)));
    node.learn("", &many.collect::<Vec<_>>());
    node.learn("pump", &[]);
    let find = |i| {
        node.metrics("")
            .unwrap()
            .find(&metric("", i, 0, Value::Int(1)))
            .is_some()
    };
    assert!(find(0) && !find(MAX_METRICS as u64));
    assert!(node.metrics("pump").is_none());
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = World::default().try_read("spBv1.0/a/DBIRTH/b/c", &bytes);
    }

    #[test]
    fn no_topic_panics(topic: String, tail in "(STATE|[a-z]?)(/[NDS]?(DATA|BIRTH|CMD|DEATH)?){0,4}") {
        let _ = World::default().try_read(&topic, b"");
        let _ = World::default().try_read(&format!("spBv1.0/{tail}"), b"");
    }
}
