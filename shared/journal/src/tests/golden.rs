//! The bytes of format version 1. What these say has to stay readable: a change needs a new version.

use super::world::{Input, OPTIONS, ORIGIN, Said, Source, commit, read_all};
use crate::Journal;
use crate::segment;
use crate::testing::FaultDisk;
use eyot_pipeline::ledger::{MessageFate, ReadingFate};

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
    let mut bytes = Vec::new();
    disk.damage(&segment::name(1), |file| bytes.clone_from(file));
    let hex = bytes.chunks(32).map(|line| {
        let digits = line.iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>()
    });
    let hex: Vec<_> = hex.collect();
    assert_eq!(hex, GOLDEN);
    let told = read_all(&journal, 1);
    assert!(told.entries.into_iter().map(|(_, said)| said).eq(said()));
}
