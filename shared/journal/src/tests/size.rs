//! What a reading costs.

use super::world::{Input, OPTIONS, ORIGIN, Said, commit, read_all};
use crate::Journal;
use crate::testing::FaultDisk;
use eyot_pipeline::ledger::MessageFate;
use eyot_pipeline::reading::Origin;

/// Bytes of an entry in the middle of a segment, on average.
fn entry_bytes(said: impl Fn(u64) -> Said) -> f64 {
    let mut options = OPTIONS;
    options.segment_bytes = 1 << 24;
    let (mut journal, _) = Journal::open(FaultDisk::new(1), options).unwrap();
    let mut grown = 0;
    let entries: Vec<_> = (0..3_000).map(said).collect();
    for (i, said) in entries.iter().enumerate() {
        let before = journal.bytes();
        commit(&mut journal, std::slice::from_ref(said), false).unwrap();
        if i >= 1_000 {
            grown += journal.bytes() - before;
        }
    }
    let told = read_all(&journal, 1);
    assert!(told.entries.iter().map(|(_, said)| said).eq(&entries));
    grown as f64 / 2_000.0
}

/// A burst admitted half a second after the one before, of messages with a reading each.
fn burst(number: u64, readings: Vec<(u16, i64, u64)>) -> Said {
    let mut said = Said::reading(0);
    said.admitted = ORIGIN + number.cast_signed() * 500_123_000;
    if let Some(source) = &mut said.source {
        source.messages = vec![(MessageFate::Decoded, readings.len() as u64)];
    }
    said.inputs = vec![Input::Readings(0, readings)];
    said
}

/// Like 20.53, stamped to the millisecond some time before.
fn reading(channel: u16, number: u64, age_ms: u64) -> (u16, i64, u64) {
    let ms = ORIGIN / 1_000_000 + (number * 500_123 / 1_000).cast_signed() - age_ms.cast_signed();
    let value = f64::from((number % 3_000) as u32 + 1_000) / 100.0;
    (channel, ms * 1_000_000, value.to_bits())
}

#[test]
fn four_readings_of_four_channels_take_at_most_13_bytes_each() {
    let bytes = entry_bytes(|n| {
        let readings = (0..4).map(|channel| reading(channel, n + u64::from(channel), 40 + n % 60));
        burst(n, readings.collect())
    });
    assert!(bytes / 4.0 <= 13.0, "{bytes}");
}

#[test]
fn four_readings_of_one_channel_take_at_most_13_bytes_each() {
    let bytes = entry_bytes(|n| {
        let readings = (0..4).map(|i| reading(0, n, 90 - 10 * i - (n + i) * 7 % 10));
        burst(n, readings.collect())
    });
    assert!(bytes / 4.0 <= 13.0, "{bytes}");
}

#[test]
fn a_number_takes_at_most_three_and_a_half_bytes_a_message() {
    let numbered = |step: u32| {
        move |n: u64| {
            let readings = (0..4).map(|i| reading(0, n, 90 - 10 * i - (n + i) * 7 % 10));
            let origin = |i: u32| {
                Origin::default()
                    .with_number(n as u32 * 4 + i * step)
                    .leading()
            };
            let mut said = burst(n, Vec::new());
            said.inputs = vec![Input::Numbered(
                0,
                readings.collect(),
                (0..4).map(origin).collect(),
                Vec::new(),
            )];
            said.source = None;
            said
        }
    };
    let plain = entry_bytes(|n| {
        let readings = (0..4).map(|i| reading(0, n, 90 - 10 * i - (n + i) * 7 % 10));
        let mut said = burst(n, readings.collect());
        said.source = None;
        said
    });
    let dense = entry_bytes(numbered(1)) - plain;
    assert!(
        dense <= 7.0,
        "{dense}: of messages that follow each other, only the first tells its number"
    );
    let sparse = (entry_bytes(numbered(2)) - plain) / 4.0;
    assert!(sparse <= 4.5, "{sparse}");
}

#[test]
fn a_reading_alone_takes_at_most_22_bytes() {
    let bytes = entry_bytes(|n| burst(n, vec![reading(0, n, 40 + n % 100)]));
    assert!(bytes <= 22.0, "{bytes}");
}

#[test]
fn a_thousand_samples_take_at_most_two_and_a_half_bytes_each() {
    let bytes = entry_bytes(|n| {
        let start = ORIGIN + n.cast_signed() * 500_000_000;
        let sample = |i: u64| {
            let value = f64::from(((i + n) * 2_654_435_761 % 4_096) as u32);
            (0, start + i.cast_signed() * 500_000, value.to_bits())
        };
        let mut said = burst(n, (0..1_000).map(sample).collect());
        if let Some(source) = &mut said.source {
            source.messages = vec![(MessageFate::Decoded, 1)];
        }
        said
    });
    assert!(bytes / 1_000.0 <= 2.5, "{bytes}");
}
