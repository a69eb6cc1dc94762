//! The bytes of the format. What these say has to stay readable: a change needs a new version.

use super::world::{Input, OPTIONS, ORIGIN, Said, Source, commit, read_all};
use crate::segment;
use crate::testing::FaultDisk;
use crate::{Journal, Telling, Told};
use eyot_pipeline::ledger::{MessageFate, ReadingFate};
use eyot_pipeline::reading::{Clock, Origin, Sender};
use eyot_pipeline::{ClockStep, GatewayClock, Span};

/// Of a segment as it is written, and as version 1 wrote it: the entries here are the same in both.
const HEADER: &str = "45594f544a524e4c020000000100000000000000008098281765060057d296ad";
const HEADER_1: &str = "45594f544a524e4c010000000100000000000000008098281765060090ca52f4";

const GOLDEN: &[&str] = &[
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
    "31e000450101009f001f0200046d7174740000086465766963652d3001000963",
    "68616e6e656c2d300000000500010cd804000c4f9a037fc3c92daa0200c10029",
    "0001086465766963652d310101096368616e6e656c2d310103c2b04301020963",
    "68616e6e656c2d3200030300061f0104020778563412808004808080808090a1",
    "0f020cd804021c02012a02010024000c4f9a030114008a05000d0228149c0302",
    "0204f7bfe285c36802000e92a3c2b00da0030201000400060002",
];

const GOLDEN_CLOCK: &[&str] = &[
    "7251bd955e01008300350200046d7174740300076465636f6465640000000864",
    "65766963652d300100096368616e6e656c2d30000001086465766963652d3100",
    "01000100000002000301010800090300021e0000020317010000180000000000",
    "00000000000000004023010003010800090300021e000011848681910200c800",
    "01000a01000008ffdfba84bf03",
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
    let what = Telling::Sender(sender);
    let told = vec![Told { before: 4, what }];
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

/// What is told of the gateway's clock, and readings without a time of their own.
fn by_gateway() -> Vec<Said> {
    let mut said = Said::reading(0);
    let arrival = Origin::default().with_clock(Clock::Arrival);
    let step = |seconds, clock| {
        Telling::Clock(ClockStep {
            by: Span::from_secs(seconds),
            clock,
        })
    };
    let told = |what| vec![Told { before: 0, what }];
    let readings: Vec<_> = (0..3)
        .map(|at| (0, ORIGIN + at, 1.5_f64.to_bits()))
        .collect();
    let unset = GatewayClock::Unset {
        boot: 0x1234 << 100,
    };
    said.inputs = vec![
        Input::Numbered(0, readings.clone(), vec![arrival; 3], Vec::new()),
        Input::Numbered(1, readings, vec![arrival; 3], told(step(0, unset))),
    ];
    let mut second = said.clone();
    second.source = None;
    second.inputs = vec![Input::Numbered(
        1,
        Vec::new(),
        Vec::new(),
        told(step(-60, GatewayClock::Set)),
    )];
    vec![said, second]
}

#[test]
fn what_readings_have_beyond_their_values_is_written_and_read() {
    is_written_and_read(&numbered(), GOLDEN_ORIGINS);
}

#[test]
fn the_gateways_clock_is_written_and_read() {
    is_written_and_read(&by_gateway(), GOLDEN_CLOCK);
}

#[test]
fn what_version_1_wrote_is_read() {
    for (said, golden) in [(said(), GOLDEN), (numbered(), GOLDEN_ORIGINS)] {
        let disk = FaultDisk::new(0);
        let (mut journal, _) = Journal::open(disk.clone(), OPTIONS).unwrap();
        commit(&mut journal, &said, true).unwrap();
        drop(journal);
        disk.damage(&segment::name(1), |file| *file = bytes(HEADER_1, golden));
        let (journal, recovery) = Journal::open(disk, OPTIONS).unwrap();
        assert_eq!((recovery.gaps.len(), recovery.set_aside.len()), (0, 0));
        let told = read_all(&journal, 1);
        assert!(told.entries.into_iter().map(|(_, said)| said).eq(said));
    }
}

#[track_caller]
fn is_written_and_read(said: &[Said], golden: &[&str]) {
    let disk = FaultDisk::new(0);
    let (mut journal, _) = Journal::open(disk.clone(), OPTIONS).unwrap();
    commit(&mut journal, said, true).unwrap();
    let (header, body) = hex(&disk)
        .split_first()
        .map(|(h, b)| (h.clone(), b.to_vec()))
        .unwrap();
    assert_eq!(body, golden);
    assert_eq!(header, HEADER);
    let told = read_all(&journal, 1);
    assert!(
        told.entries
            .into_iter()
            .map(|(_, said)| said)
            .eq(said.iter().cloned())
    );
}

fn bytes(header: &str, golden: &[&str]) -> Vec<u8> {
    let digits: String = [header].into_iter().chain(golden.iter().copied()).collect();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
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
fn entries_are_written_and_read() {
    is_written_and_read(&said(), GOLDEN);
}
