//! What the journal allocates, counted by the allocator.

use eyot_journal::{
    DeviceInput, DeviceNames, Entry, Journal, Options, RealDisk, SourcePart, Step, admission,
};
use eyot_pipeline::ledger::MessageFate;
use eyot_pipeline::reading::ChannelIndex;
use eyot_pipeline::reading::Origin;
use eyot_pipeline::{Reading, Span, Timestamp};

const ORIGIN: Timestamp = Timestamp::from_secs(1_800_000_000);
const OPTIONS: Options = Options {
    max_bytes: 1 << 30,
    segment_bytes: 1 << 24,
    at_least: 1,
};
const DEVICES: usize = 100;
const CHANNELS: [&str; 4] = ["flow", "head", "power", "speed"];

struct Names(String);

impl DeviceNames for Names {
    fn device(&self) -> &str {
        &self.0
    }

    fn channel(&self, index: ChannelIndex, with: &mut dyn FnMut(&str, Option<&str>)) {
        with(CHANNELS[usize::from(index)], Some("m"));
    }
}

fn commit(journal: &mut Journal<RealDisk>, names: &[Names], burst: usize) -> bool {
    let admitted = admission(ORIGIN + Span::from_millis(burst.cast_signed() as i64 * 100));
    let reading = |i: usize| Reading {
        time: admitted,
        value: f64::from((i % 1_000) as u32) / 10.0,
        channel: (i % CHANNELS.len()) as ChannelIndex,
        origin: Origin::default(),
    };
    let readings: [Reading; 40] = std::array::from_fn(|i| reading(i + burst));
    let input = |i: usize| DeviceInput::Readings {
        key: ((burst + i) % DEVICES) as u32,
        names: &names[(burst + i) % DEVICES],
        told: &[],
        readings: &readings[4 * i..4 * i + 4],
    };
    let inputs: [DeviceInput<'_>; 10] = std::array::from_fn(input);
    let source = SourcePart {
        name: "mqtt",
        messages: &[(MessageFate::Decoded, 40)],
        settled: &[],
        unmapped: 0,
        letters: &[],
        deliveries: &[],
    };
    let entry = |inputs| Entry {
        admitted,
        source: Some(source),
        inputs,
    };
    let entries = [entry(&inputs[..]), entry(&inputs[..1])];
    journal.commit(&entries, false).is_ok()
}

#[test]
fn invariant_6_neither_writing_nor_reading_allocates_once_names_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(folder.path()).unwrap();
    let names: Vec<_> = (0..DEVICES).map(|i| Names(format!("pump-{i}"))).collect();
    let (mut journal, _) = Journal::open(disk, OPTIONS).unwrap();
    for burst in 0..DEVICES {
        assert!(commit(&mut journal, &names, burst));
    }
    let wrote = allocation_counter::measure(|| {
        for burst in DEVICES..10 * DEVICES {
            assert!(commit(&mut journal, &names, burst));
        }
    });
    assert_eq!(wrote.count_total, 0);

    let last = journal.last();
    let mut reader = journal.reader(1);
    while reader.position() <= 2 * DEVICES as u64 {
        assert!(reader.next(last).unwrap().is_some());
    }
    let mut sum = 0;
    let read = allocation_counter::measure(|| {
        while let Some(step) = reader.next(last).unwrap() {
            let Step::Entry(entry) = step else { continue };
            for input in entry.inputs() {
                input.for_each_run(|_, _, run| sum += run.len());
            }
        }
    });
    assert_eq!(sum, 9 * DEVICES * 44);
    assert_eq!(read.count_total, 0);
}
