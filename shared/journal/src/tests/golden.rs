//! The bytes of format version 1. What these say has to stay readable: a change needs a new version.

use super::world::{Input, OPTIONS, ORIGIN, Said, Source, commit, read_all};
use crate::segment;
use crate::testing::FaultDisk;
use crate::{Journal, Told};
use eyot_pipeline::Span;
use eyot_pipeline::ledger::{MessageFate, ReadingFate};
use eyot_pipeline::reading::{Clock, Origin, Sender};

const GOLDEN: &[&str] = &[
    "45594f544a524e4c010000000100000000000000008098281765060090ca52f4",
    "2a4a648d3901001f001f0200046d7174740000086465766963652d3001000963",
    "68616e6e656c2d3000000000040928a0013714b5d7020043d00f510201067365",
    "7269616c0300076465636f6465640003010769676e6f726564076e6f5f72756c",
    "650302076d697373696e67046e756c6c0001086465766963652d310101096368",
    "616e6e656c2d310103c2b043010200020101010201030103612f62077061796c",
    "6f616408697420697320c3bc017b808080808020020300041c01842934333333",
    "3333d33f008d030014cdcccc3d0000c0bf00004040",
];

/// With numbers, clocks, and what is told of a sender.
const GOLDEN_ORIGINS: &[&str] = &[
    "45594f544a524e4c010000000100000000000000008098281765060090ca52f4",
    "31e000450101009f001f0200046d7174740000086465766963652d3001000963",
    "68616e6e656c2d300000000500010cd804000c4f9a037fc3c92daa0200c10029",
    "0001086465766963652d310101096368616e6e656c2d310103c2b04301020963",
    "68616e6e656c2d3200030300061f0104020778563412808004808080808090a1",
    "0f020cd804021c02012a02010024000c4f9a030114008a05000d0228149c0302",
    "0204f7bfe285c36802000e92a3c2b00da0030201000400060002",
];

fn numbered() -> Vec<Said> {
    let mut said = Said::reading(0);
    let at = |ms: i64| ORIGIN + ms * 1_000_000;
    let readings = vec![
        (0, at(-40), 20.5_f64.to_bits()),
        (1, at(-40), 3.25_f64.to_bits()),
        (0, at(-20), 20.6_f64.to_bits()),
        (0, at(-10), 20.7_f64.to_bits()),
        (2, 4_294_967_290_000_000, 1.0_f64.to_bits()),
        (0, at(0), 20.8_f64.to_bits()),
    ];
    let numbered = |number| Origin::default().with_number(number);
    let since_boot = Origin::default().with_clock(Clock::SinceBoot);
    let origins = vec![
        numbered(300).leading(),
        numbered(300),
        numbered(301).leading(),
        numbered(302).leading(),
        since_boot.with_sender(2).leading(),
        Origin::default(),
    ];
    let sender = Sender {
        sender: 2,
        boot: Some(0x1234_5678),
        modulus: 65_536,
        around: Some(Span::from_millis(1 << 32)),
    };
    let told = vec![Told { before: 4, sender }];
    let mut second = said.clone();
    said.inputs = vec![Input::Numbered(
        0,
        readings[..1].to_vec(),
        origins[..1].to_vec(),
        Vec::new(),
    )];
    second.inputs = vec![
        Input::Timer(1),
        Input::Numbered(0, readings, origins, told),
        Input::Readings(1, vec![(0, at(0), 1.0_f64.to_bits())]),
    ];
    second.source = None;
    vec![said, second]
}

#[test]
fn what_readings_have_beyond_their_values_is_written_and_read() {
    let disk = FaultDisk::new(0);
    let (mut journal, _) = Journal::open(disk.clone(), OPTIONS).unwrap();
    commit(&mut journal, &numbered(), true).unwrap();
    assert_eq!(hex(&disk), GOLDEN_ORIGINS);
    let told = read_all(&journal, 1);
    assert!(
        told.entries
            .into_iter()
            .map(|(_, said)| said)
            .eq(numbered())
    );
}

fn hex(disk: &FaultDisk) -> Vec<String> {
    let mut bytes = Vec::new();
    disk.damage(&segment::name(1), |file| bytes.clone_from(file));
    let hex = bytes.chunks(32).map(|line| {
        let digits = line.iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>()
    });
    hex.collect()
}

fn said() -> Vec<Said> {
    let value = |value: f64| value.to_bits();
    let ms = |ms: i64| ORIGIN + ms * 1_000_000;
    let mut second = Said::reading(1);
    second.source = Some(Source {
        name: "serial".to_owned(),
        messages: vec![(MessageFate::Decoded, 2), (MessageFate::IgnoredNoRule, 1)],
        settled: vec![(ReadingFate::MissingNull, 1)],
        unmapped: 3,
        letters: vec![("a/b".to_owned(), b"{".to_vec())],
        deliveries: Vec::new(),
    });
    let readings = vec![
        (1, ms(-20), value(0.1 + 0.2)),
        (0, ms(-20), value(f64::from(0.1_f32))),
        (0, ms(-10), value(-1.5)),
        (0, ms(0), value(3.0)),
    ];
    second.inputs = vec![Input::Timer(1), Input::Readings(0, readings)];
    vec![Said::reading(0), second]
}

#[test]
fn version_1_is_written_and_read() {
    let disk = FaultDisk::new(0);
    let (mut journal, _) = Journal::open(disk.clone(), OPTIONS).unwrap();
    commit(&mut journal, &said(), true).unwrap();
    assert_eq!(hex(&disk), GOLDEN);
    let told = read_all(&journal, 1);
    assert!(told.entries.into_iter().map(|(_, said)| said).eq(said()));
}
