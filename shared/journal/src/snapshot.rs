//! The journal as it is, from outside: for whoever wants to look at it while its owner writes, or after.

use crate::Position;
use crate::disk::Disk;
use crate::error::{FileError, on};
use crate::reader::{Reader, Step};
use crate::recovery::Gap;
use crate::segment;
use crate::writer::{Index, SegmentInfo};

/// Reads the segments that were there when it was made. Nothing is changed, set aside or cut off; what is not written
/// whole at the end is not there yet.
pub struct Snapshot<D: Disk> {
    reader: Reader<D>,
}

/// Behind every position.
const END: Position = 1 << 62;

impl<D: Disk> Snapshot<D> {
    /// Of the journal in that folder.
    ///
    /// # Errors
    /// If it cannot be listed.
    pub fn new(disk: D) -> Result<Self, FileError> {
        let files = disk.list().map_err(on("list", || disk.path("")))?;
        let mut segments: Vec<SegmentInfo> = files
            .iter()
            .filter_map(|(name, bytes)| {
                let first = segment::first_of(name)?;
                Some(SegmentInfo {
                    first,
                    end: END,
                    bytes: *bytes,
                })
            })
            .collect();
        segments.sort_unstable_by_key(|segment| segment.first);
        for at in 1..segments.len() {
            segments[at - 1].end = segments[at].first;
        }
        let first = segments.first().map_or(END, |segment| segment.first);
        Ok(Self {
            reader: Reader::new(disk, Index::new(segments, END), first),
        })
    }

    /// The next entry, or what is missing before it; `None` at the end.
    ///
    /// # Errors
    /// A file cannot be read; [`Snapshot::skip_segment`] goes on behind it.
    pub fn step(&mut self) -> Result<Option<Step<'_>>, FileError> {
        Ok(match self.reader.next(END - 1)? {
            Some(Step::Skipped(gap)) if gap.to >= END - 1 => None,
            step => step,
        })
    }

    /// Gives up what is left of the segment that cannot be read.
    pub fn skip_segment(&mut self) -> Option<Gap> {
        self.reader.skip_segment()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Journal;
    use crate::segment::name;
    use crate::testing::FaultDisk;
    use crate::tests::world::{OPTIONS, Said, commit};

    fn positions(disk: &FaultDisk) -> (Vec<Position>, Vec<Gap>) {
        let (mut entries, mut gaps) = (Vec::new(), Vec::new());
        let mut snapshot = Snapshot::new(disk.clone()).unwrap();
        while let Some(step) = snapshot.step().unwrap() {
            match step {
                Step::Entry(entry) => entries.push(entry.position()),
                Step::Skipped(gap) => gaps.push(gap),
            }
        }
        (entries, gaps)
    }

    #[test]
    fn a_snapshot_has_all_entries_and_changes_nothing() {
        let disk = FaultDisk::new(0);
        assert_eq!(positions(&disk), (vec![], vec![]));
        let (mut journal, _) = Journal::open(disk.clone(), OPTIONS).unwrap();
        for device in 0..800 {
            commit(&mut journal, &[Said::reading(device % 50)], false).unwrap();
        }
        let files = disk.list().unwrap();
        assert!(files.len() > 2, "several segments");
        assert_eq!(positions(&disk), ((1..=800).collect(), vec![]));
        // Half an entry at the end, as while one is being written, and damage in between.
        disk.damage(&files.iter().max().unwrap().0, |file| {
            file.truncate(file.len() - 3);
        });
        disk.damage(&name(1), |file| file[200] ^= 1);
        let before = disk.list().unwrap();
        let (entries, gaps) = positions(&disk);
        assert_eq!(entries.last(), Some(&799));
        assert!(!gaps.is_empty() && entries.len() < 799);
        assert_eq!(disk.list().unwrap(), before);
    }
}
