//! Files that hold anything.

use proptest::prelude::*;

use super::world::{OPTIONS, Said, commit, read_all};
use crate::segment::{self, Frame, HEADER, Header, MAX_CONTENT};
use crate::testing::{FaultDisk, Random};
use crate::{Entry, EntryRef, Journal, Step};

/// Opens a journal with this segment in the middle and reads it all, also what tests of others do not look at.
fn read(segment: &[u8]) {
    let disk = FaultDisk::new(0);
    disk.damage(&segment::name(1), |bytes| bytes.extend_from_slice(segment));
    let (mut journal, recovery) = Journal::open(disk.clone(), OPTIONS).unwrap();
    let next = recovery.next;
    assert_eq!(
        commit(&mut journal, &[Said::reading(1)], true)
            .unwrap()
            .start,
        next
    );
    let mut reader = journal.reader(1);
    let mut last = 0;
    while let Some(step) = reader.next(u64::MAX).unwrap() {
        match step {
            Step::Entry(entry) => {
                assert!(entry.position() > last);
                last = entry.position();
                look(&entry);
            }
            Step::Skipped(gap) => {
                assert!(gap.from > last);
                last = gap.to;
            }
        }
    }
    assert_eq!(last, next);
}

fn look(entry: &EntryRef<'_>) {
    for input in entry.inputs() {
        let mut readings = 0;
        input.for_each_run(|_, _, run| readings += run.len() as u64);
        assert_eq!(input.told().zip(0..).count(), input.told().count());
        assert_eq!(
            input.origins().take(readings as usize).count() as u64,
            readings
        );
        assert_eq!(readings, input.count());
    }
    if let Some(source) = entry.source() {
        let _ = source.messages().count() + source.settled().count() + source.letters().count();
    }
}

fn header() -> Vec<u8> {
    let mut bytes = Vec::new();
    Header { first: 1, base: 0 }.write(&mut bytes);
    bytes
}

/// The bodies of the entries of a journal.
fn bodies(seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let said: Vec<_> = (0..10).map(|_| Said::random(&mut random)).collect();
    let mut encoder = crate::entry::encode::Encoder::default();
    encoder.begin_segment();
    let mut write = |(position, entry): (u64, &Entry<'_>)| {
        let mut bytes = Vec::new();
        encoder
            .write(&mut bytes, entry, position, 0, false)
            .unwrap();
        match segment::frame(&bytes, position, 0, MAX_CONTENT) {
            Frame::Good { body, .. } => bytes[body].to_vec(),
            other => panic!("{other:?}"),
        }
    };
    super::world::with_entries(&said, |entries| {
        (1..).zip(entries).map(&mut write).collect()
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes: Vec<u8>, with_header: bool) {
        let mut segment = if with_header { header() } else { Vec::new() };
        segment.extend(bytes);
        read(&segment);
    }

    #[test]
    fn any_body_is_read_without_harm(bodies in prop::collection::vec(any::<Vec<u8>>(), 1..10)) {
        let mut segment = header();
        for (position, body) in (1..).zip(bodies) {
            segment::put_frame(&mut segment, position, |out| out.extend(body)).unwrap();
        }
        read(&segment);
    }

    /// As a version with a fault in it might write them: the checksums are right.
    #[test]
    fn bodies_that_are_nearly_right_are_read_without_harm(
        seed: u64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bodies = bodies(seed);
        for (body, byte, value) in changes {
            let body = body.get_mut(&mut bodies);
            let at = byte.index(body.len());
            body[at] = value;
        }
        let mut segment = header();
        for (position, body) in (1..).zip(bodies) {
            segment::put_frame(&mut segment, position, |out| out.extend(body)).unwrap();
        }
        read(&segment);
    }
}

#[test]
fn garbage_in_front_of_an_entry_is_passed_over_in_bounded_time() {
    // A megabyte of what looks like lengths, some of long entries.
    let mut random = Random::new(0);
    let mut segment = header();
    segment.extend((0..1 << 20).map(|_| random.number() as u8));
    let body = &bodies(1)[0];
    assert!(body.len() < 4_096);
    segment::put_frame(&mut segment, 70_000, |out| out.extend(body)).unwrap();
    assert!(segment.len() > HEADER);
    let disk = FaultDisk::new(0);
    disk.damage(&segment::name(1), |bytes| *bytes = segment);
    let (journal, recovery) = Journal::open(disk, OPTIONS).unwrap();
    assert_eq!(recovery.next, 70_001);
    let told = read_all(&journal, 1);
    assert_eq!(told.entries.len(), 1);
    assert_eq!((told.gaps[0].from, told.gaps[0].to), (1, 69_999));
}
