//! The journal against a plain list.

use super::world::{OPTIONS, Said, commit, read_all, read_to};
use crate::testing::{FaultDisk, Random};
use crate::{Gap, Journal, Position, Reader};

/// A journal and what it should say.
struct Both {
    random: Random,
    disk: FaultDisk,
    journal: Journal<FaultDisk>,
    /// By position, from 1.
    list: Vec<Said>,
    removed_before: Position,
    readers: Vec<Reader<FaultDisk>>,
}

impl Both {
    fn new(seed: u64) -> Self {
        let disk = FaultDisk::new(seed);
        let (journal, recovery) = Journal::open(disk.clone(), OPTIONS).unwrap();
        assert_eq!((recovery.first, recovery.next), (1, 1));
        Self {
            random: Random::new(seed),
            disk,
            journal,
            list: Vec::new(),
            removed_before: 1,
            readers: Vec::new(),
        }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0 => self.reopen(),
            1 => self.remove(),
            2 => self.readers.push(self.journal.reader(self.position())),
            3..=6 => self.read(),
            _ => self.commit(),
        }
        self.check();
    }

    fn position(&self) -> Position {
        self.random.clone().number() % (self.journal.next() + 1)
    }

    fn commit(&mut self) {
        let n = self.random.below(6);
        let said: Vec<_> = (0..n).map(|_| Said::random(&mut self.random)).collect();
        let sync = self.random.chance(500);
        let next = self.list.len() as u64 + 1;
        let positions = commit(&mut self.journal, &said, sync).unwrap();
        assert_eq!(positions, next..next + n as u64);
        self.list.extend(said);
    }

    fn reopen(&mut self) {
        self.readers.clear();
        self.disk.restart_after_kill();
        let (journal, recovery) = Journal::open(self.disk.clone(), OPTIONS).unwrap();
        assert_eq!(recovery.next, self.list.len() as u64 + 1);
        assert_eq!((recovery.truncated, &recovery.gaps[..]), (0, &[][..]));
        assert_eq!(journal.bytes(), self.journal.bytes());
        self.journal = journal;
    }

    fn remove(&mut self) {
        let position = self.position();
        let (before, segments) = (self.journal.bytes(), self.journal.segments().count());
        let freed = self.journal.remove_before(position).unwrap();
        assert_eq!(self.journal.bytes(), before - freed);
        let first = self.journal.segments().next().map_or(1, |s| s.first);
        assert!(first <= position.max(self.removed_before));
        assert!(segments == 0 || self.journal.segments().count() > 0);
        self.removed_before = first;
    }

    fn read(&mut self) {
        if self.readers.is_empty() {
            return;
        }
        let at = self.random.below(self.readers.len());
        let up_to = self.position().min(self.journal.last());
        let reader = &mut self.readers[at];
        let from = reader.position();
        let told = read_to(reader, up_to).unwrap();
        for (position, said) in &told.entries {
            assert!(
                *said == self.list[*position as usize - 1],
                "position {position}"
            );
        }
        for gap in &told.gaps {
            assert!(gap.to < self.removed_before, "{gap:?}");
        }
        assert!(reader.position() > up_to || reader.position() == from);
    }

    fn check(&self) {
        let mut at = self.removed_before;
        let mut bytes = 0;
        for segment in self.journal.segments() {
            assert_eq!(segment.first, at);
            assert!(segment.end > segment.first);
            at = segment.end;
            bytes += segment.bytes;
        }
        assert_eq!(bytes, self.journal.bytes());
        assert_eq!(at, self.journal.next());
        assert_eq!(self.journal.last(), self.list.len() as u64);
    }

    fn finish(&self) {
        let told = read_all(&self.journal, 1);
        let removed = Gap {
            from: 1,
            to: self.removed_before - 1,
        };
        let gaps = if removed.to > 0 {
            vec![removed]
        } else {
            vec![]
        };
        assert_eq!(told.gaps, gaps);
        let there = (self.removed_before..).zip(self.list[removed.to as usize..].iter().cloned());
        assert!(told.entries.into_iter().eq(there));
    }
}

#[test]
fn the_journal_says_what_a_list_says() {
    for seed in 0..60 {
        let mut both = Both::new(seed);
        for _ in 0..200 {
            both.step();
        }
        both.finish();
    }
}
