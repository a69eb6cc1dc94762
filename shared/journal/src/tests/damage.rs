//! Damage costs what it hits and nothing else, and is told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use eyot_pipeline::ledger::MessageFate;

use super::world::{Input, OPTIONS, Said, Source, commit, read_all, read_to};
use crate::segment::{self, HEADER};
use crate::testing::{FaultDisk, Random};
use crate::{Gap, Journal, Options, Position};

/// A journal whose entries' places are known.
struct Known {
    disk: FaultDisk,
    journal: Journal<FaultDisk>,
    entries: BTreeMap<Position, Place>,
}

struct Place {
    said: Said,
    segment: Position,
    bytes: Range<usize>,
}

fn written(seed: u64, entries: u64) -> Known {
    let mut random = Random::new(seed);
    let disk = FaultDisk::new(seed);
    let (mut journal, _) = Journal::open(disk.clone(), OPTIONS).unwrap();
    let mut places = BTreeMap::new();
    for _ in 0..entries {
        let before = journal.segments().last();
        let said = Said::random(&mut random);
        let position = commit(&mut journal, std::slice::from_ref(&said), true)
            .unwrap()
            .start;
        let segment = journal.segments().last().unwrap();
        let start = match before {
            Some(before) if before.first == segment.first => before.bytes as usize,
            _ => HEADER,
        };
        let place = Place {
            said,
            segment: segment.first,
            bytes: start..segment.bytes as usize,
        };
        places.insert(position, place);
    }
    Known {
        disk,
        journal,
        entries: places,
    }
}

/// The names that an entry uses.
fn names(said: &Said) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for input in &said.inputs {
        let (key, readings) = match input {
            Input::Timer(key) => (key, &[][..]),
            Input::Readings(key, readings) | Input::Numbered(key, readings, ..) => {
                (key, &readings[..])
            }
        };
        names.insert(format!("device {key}"));
        names.extend(
            readings
                .iter()
                .map(|(index, ..)| format!("channel {index}")),
        );
    }
    if let Some(source) = &said.source {
        names.insert(format!("source {}", source.name));
        let messages = source
            .messages
            .iter()
            .map(|(fate, _)| format!("{fate:?} m"));
        names.extend(messages);
        names.extend(source.settled.iter().map(|(fate, _)| format!("{fate:?} r")));
        if is_plain(said) {
            names.remove("Decoded m");
        }
    }
    names
}

/// Whether the counts are the commonest ones, which need no name.
fn is_plain(said: &Said) -> bool {
    let readings = said.inputs.iter().map(|input| match input {
        Input::Timer(_) => 0,
        Input::Readings(_, readings) | Input::Numbered(_, readings, ..) => readings.len() as u64,
    });
    let plain = Source {
        messages: vec![(MessageFate::Decoded, readings.sum())],
        ..Source::default()
    };
    let source = said.source.as_ref();
    source.is_some_and(|source| {
        Source {
            name: String::new(),
            ..source.clone()
        } == plain
    })
}

impl Known {
    /// Entries of a segment that nothing in these bytes of it can touch.
    fn untouched(&self, segment: Position, hit: &Range<usize>) -> BTreeSet<Position> {
        let mut lost_names = BTreeSet::new();
        let mut defined = BTreeSet::new();
        let mut untouched = BTreeSet::new();
        for (&position, place) in &self.entries {
            if place.segment != segment {
                untouched.insert(position);
                continue;
            }
            let names = names(&place.said);
            let new = names.difference(&defined).cloned().collect::<Vec<_>>();
            if place.bytes.start < hit.end && hit.start < place.bytes.end {
                lost_names.extend(new.iter().cloned());
            } else if names.is_disjoint(&lost_names) {
                untouched.insert(position);
            }
            defined.extend(new);
        }
        untouched
    }

    fn check(&self, journal: &Journal<FaultDisk>, untouched: &BTreeSet<Position>) {
        let told = read_all(journal, 1);
        let mut read = BTreeSet::new();
        for (position, said) in told.entries {
            assert!(said == self.entries[&position].said, "position {position}");
            read.insert(position);
        }
        let missing: Vec<_> = untouched.difference(&read).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn invariant_7_damage_costs_what_it_hits_and_nothing_else() {
    for seed in 0..400 {
        let known = written(seed % 20, 60);
        let mut random = Random::new(seed);
        let segments: Vec<_> = known.journal.segments().collect();
        let segment = segments[random.below(segments.len())];
        let room = segment.bytes as usize - HEADER;
        let start = HEADER + random.below(room);
        let most = [1, 8, 300, 2_000][random.below(4)];
        let length = 1 + random.below(most);
        let hit = start..(start + length).min(segment.bytes as usize);
        let zeros = random.chance(300);
        known.disk.damage(&segment::name(segment.first), |bytes| {
            bytes[hit.clone()].fill_with(|| if zeros { 0 } else { random.number() as u8 });
        });
        let untouched = known.untouched(segment.first, &hit);
        known.check(&known.journal, &untouched);

        known.disk.restart_after_kill();
        let (journal, recovery) = Journal::open(known.disk.clone(), OPTIONS).unwrap();
        assert!(recovery.set_aside.is_empty());
        known.check(&journal, &untouched);
        let last = untouched.last().unwrap();
        assert!(recovery.next > *last);
    }
}

#[test]
fn invariant_7_a_segment_with_a_bad_header_is_set_aside_and_its_positions_stay_used() {
    for which in 0..3 {
        let known = written(7, 60);
        let segments: Vec<_> = known.journal.segments().collect();
        let at = [0, 1, segments.len() - 1][which];
        let name = segment::name(segments[at].first);
        known.disk.damage(&name, |bytes| bytes[17] ^= 1);
        known.disk.restart_after_kill();
        let (mut journal, recovery) = Journal::open(known.disk.clone(), OPTIONS).unwrap();
        assert_eq!(recovery.set_aside.len(), 1);
        assert_eq!(
            recovery.set_aside[0].reason,
            "the header fails its checksum"
        );
        assert_eq!(recovery.set_aside[0].bytes, segments[at].bytes);
        assert!(known.disk.files().contains(&format!("{name}.corrupt")));
        assert_eq!(recovery.next, 61);
        let gap = Gap {
            from: segments[at].first,
            to: segments[at].end - 1,
        };
        assert_eq!(recovery.gaps, [gap]);
        assert_eq!(
            commit(&mut journal, &[Said::reading(1)], true).unwrap(),
            61..62
        );
        let mut told = read_all(&journal, 1);
        assert_eq!(told.entries.pop(), Some((61, Said::reading(1))));
        assert_eq!(told.gaps, [gap]);
        assert_eq!(told.entries.len() as u64, 60 - (gap.to - gap.from + 1));
    }
}

#[test]
fn a_torn_tail_is_cut_off_and_its_position_goes_to_the_next_entry() {
    let known = written(3, 20);
    let last = known.entries.last_key_value().unwrap().1;
    let name = segment::name(last.segment);
    for torn in 1..last.bytes.len() {
        let cut = last.bytes.end - torn;
        known.disk.damage(&name, |bytes| bytes.truncate(cut));
        let (journal, recovery) = Journal::open(known.disk.clone(), OPTIONS).unwrap();
        assert_eq!(recovery.next, 20);
        assert_eq!(recovery.gaps, []);
        assert_eq!(read_all(&journal, 1).entries.len(), 19);
        let left = last.bytes.len() - torn;
        // An entry that is the only one of its segment goes with it.
        let first = if last.bytes.start == HEADER {
            HEADER
        } else {
            0
        };
        assert_eq!(recovery.truncated, (left + first) as u64);
        // It is whole again, for the next round.
        known.disk.damage(&name, |bytes| bytes.resize(cut, 0xff));
    }
}

/// What is left of entries that were committed together does not come before those of them that are sent again.
#[test]
fn of_a_commit_that_was_torn_nothing_counts_behind_the_hole() {
    for committed_since in [false, true] {
        let disk = FaultDisk::new(9);
        let (mut journal, _) = Journal::open(disk.clone(), OPTIONS).unwrap();
        let alone = [Said::reading(0)];
        commit(&mut journal, &alone, true).unwrap();
        let before = journal.bytes() as usize;
        let four: Vec<_> = (0..4).map(|_| Said::reading(0)).collect();
        commit(&mut journal, &four, true).unwrap();
        let length = (journal.bytes() as usize - before) / 4;
        if committed_since {
            commit(&mut journal, &alone, true).unwrap();
        }
        drop(journal);
        let second = before + length + length / 2;
        disk.damage(&segment::name(1), |bytes| bytes[second] ^= 0x55);
        let (journal, recovery) = Journal::open(disk, OPTIONS).unwrap();
        let told: Vec<_> = read_all(&journal, 1).entries;
        let positions: Vec<_> = told.iter().map(|(position, _)| *position).collect();
        if committed_since {
            assert_eq!(
                positions,
                [1, 2, 4, 5, 6],
                "they were safe before the sixth"
            );
            assert_eq!(recovery.gaps, [Gap { from: 3, to: 3 }]);
        } else {
            assert_eq!(positions, [1, 2]);
            assert_eq!((recovery.next, recovery.gaps.len()), (3, 0));
        }
    }
}

#[test]
fn a_segment_that_disappears_is_told_as_missing() {
    let known = written(5, 60);
    let segments: Vec<_> = known.journal.segments().collect();
    let mut reader = known.journal.reader(1);
    read_to(&mut reader, 1).unwrap();
    crate::Disk::remove(&known.disk, &segment::name(segments[1].first)).unwrap();
    let told = read_to(&mut reader, 60).unwrap();
    let gap = Gap {
        from: segments[1].first,
        to: segments[1].end - 1,
    };
    assert_eq!(told.gaps, [gap]);
    assert_eq!(told.entries.last().unwrap().0, 60);
}

#[test]
fn what_was_written_again_elsewhere_is_not_read_where_it_failed() {
    let old = FaultDisk::new(0);
    let (mut journal, _) = Journal::open(old.clone(), OPTIONS).unwrap();
    commit(&mut journal, &[1, 2].map(Said::reading), true).unwrap();
    let end_of_second = journal.bytes() as usize;
    commit(&mut journal, &[3, 4].map(Said::reading), true).unwrap();

    let disk = FaultDisk::new(0);
    let options = Options {
        at_least: 3,
        ..OPTIONS
    };
    let (mut journal, _) = Journal::open(disk.clone(), options).unwrap();
    commit(&mut journal, &[30, 40].map(Said::reading), true).unwrap();
    let mut bytes = Vec::new();
    old.damage(&segment::name(1), |old| bytes.clone_from(old));
    disk.damage(&segment::name(1), |new| {
        bytes[end_of_second - 1..end_of_second + 10].fill(0xff);
        *new = bytes;
    });
    let (journal, recovery) = Journal::open(disk, OPTIONS).unwrap();
    assert_eq!((recovery.next, recovery.gaps), (5, vec![]));
    let told = read_all(&journal, 1);
    assert_eq!(told.gaps, [Gap { from: 2, to: 2 }]);
    let said = [(1, 1), (3, 30), (4, 40)].map(|(at, number)| (at, Said::reading(number)));
    assert_eq!(told.entries, said);
}
