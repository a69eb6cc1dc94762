//! Reading entries in their order, past whatever damage there is.

use crate::Position;
use crate::dictionary::Dictionary;
use crate::disk::{Disk, DiskFile};
use crate::entry::decode::{self, EntryRef};
use crate::error::{FileError, on};
use crate::recovery::{Gap, read_header};
use crate::segment;
use crate::segment::scan::{Found, Scan};
use crate::varint::Malformed;
use crate::writer::{Index, SegmentInfo};

/// Bytes that a definition takes at least.
const MIN_DEFINITION: u64 = 3;

/// What comes next.
#[derive(Clone, Copy)]
pub enum Step<'a> {
    /// An entry.
    Entry(EntryRef<'a>),
    /// Entries that are not there: lost, deleted or never committed.
    Skipped(Gap),
}

/// Makes readers, on any thread, for as long as anyone likes.
pub struct Readers<D: Disk> {
    disk: D,
    index: Index,
}

impl<D: Disk> Readers<D> {
    pub(crate) fn new(disk: D, index: Index) -> Self {
        Self { disk, index }
    }

    /// Reads from a position on.
    pub fn from(&self, from: Position) -> Reader<D> {
        Reader::new(self.disk.clone(), self.index.clone(), from)
    }

    /// The segments that are there, oldest first.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        self.index.lock().segments.clone()
    }
}

/// Reads a journal. Its memory is bounded by the longest entry and the names of one segment.
pub struct Reader<D: Disk> {
    disk: D,
    index: Index,
    current: Option<Open<D::File>>,
    /// The next position to be told about.
    expected: Position,
}

/// The segment being read.
struct Open<F> {
    first: Position,
    base: i64,
    scan: Scan<F>,
    dictionary: Dictionary,
}

/// What [`Reader::advance`] comes to.
enum Advance {
    Wait,
    Skip(Gap),
    Entry(Found),
}

impl<D: Disk> Reader<D> {
    pub(crate) fn new(disk: D, index: Index, from: Position) -> Self {
        Self {
            disk,
            index,
            current: None,
            expected: from.max(1),
        }
    }

    /// The position that the next step is about.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.expected
    }

    /// The next entry up to and including the position `up_to`, or what is missing before it. `None` if there
    /// is none yet.
    ///
    /// # Errors
    /// A file cannot be read. It is tried again with the next call; [`Reader::skip_segment`] gives it up.
    pub fn next(&mut self, up_to: Position) -> Result<Option<Step<'_>>, FileError> {
        let found = match self.advance(up_to)? {
            Advance::Wait => return Ok(None),
            Advance::Skip(gap) => return Ok(Some(Step::Skipped(gap))),
            Advance::Entry(found) => found,
        };
        // It was checked, so that it is there.
        let entry = self
            .current
            .as_ref()
            .and_then(|current| current.entry(&found).ok());
        Ok(entry.map(Step::Entry))
    }

    /// Gives up what is left of the segment that cannot be read.
    pub fn skip_segment(&mut self) -> Option<Gap> {
        let segment = self.segment().0?;
        (segment.first <= self.expected).then(|| self.skip_to(segment.end))
    }

    /// The segment that has the next position, or the one after; and the position after all of them.
    fn segment(&self) -> (Option<SegmentInfo>, Position) {
        let content = self.index.lock();
        let is_before = |segment: &SegmentInfo| segment.end <= self.expected;
        let at = content.segments.partition_point(is_before);
        (content.segments.get(at).copied(), content.next)
    }

    fn skip_to(&mut self, position: Position) -> Gap {
        let from = std::mem::replace(&mut self.expected, position);
        Gap {
            from,
            to: position - 1,
        }
    }

    fn advance(&mut self, up_to: Position) -> Result<Advance, FileError> {
        loop {
            if self.expected > up_to {
                return Ok(Advance::Wait);
            }
            let (segment, next) = self.segment();
            let Some(segment) = segment else {
                if self.expected >= next {
                    return Ok(Advance::Wait);
                }
                // Given away before the journal was opened, and not found then.
                return Ok(Advance::Skip(self.skip_to(next)));
            };
            if segment.first > self.expected {
                return Ok(Advance::Skip(self.skip_to(segment.first)));
            }
            let is_it = |current: &Open<_>| current.first == segment.first;
            if !self.current.as_ref().is_some_and(is_it) {
                self.current = self.open(segment)?;
            }
            let Some(current) = &mut self.current else {
                if self.segment().0 != Some(segment) {
                    // Deleted meanwhile.
                    continue;
                }
                return Ok(Advance::Skip(self.skip_to(segment.end)));
            };
            let name = || self.disk.path(&segment::name(segment.first));
            let found = current.look(self.expected, &segment);
            let Some(found) = found.map_err(on("read", name))? else {
                return Ok(Advance::Skip(self.skip_to(segment.end)));
            };
            if found.position > up_to {
                return Ok(Advance::Wait);
            }
            if found.position > self.expected {
                return Ok(Advance::Skip(self.skip_to(found.position)));
            }
            current.scan.pass(&found);
            self.expected = found.position + 1;
            return Ok(Advance::Entry(found));
        }
    }

    /// `None` if it cannot be used.
    fn open(&self, segment: SegmentInfo) -> Result<Option<Open<D::File>>, FileError> {
        let name = segment::name(segment.first);
        let mut file = match self.disk.open(&name) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(on("open", || self.disk.path(&name))(error)),
        };
        let header = read_header(&mut file, segment.first);
        let header = header.map_err(on("read", || self.disk.path(&name)))?;
        Ok(header.ok().map(|header| Open {
            first: segment.first,
            base: header.base,
            scan: Scan::new(file, segment.first),
            dictionary: Dictionary::default(),
        }))
    }
}

impl<F: DiskFile> Open<F> {
    /// The next entry from `expected` on that can be read. `None` if the segment has none any more.
    fn look(
        &mut self,
        expected: Position,
        segment: &SegmentInfo,
    ) -> std::io::Result<Option<Found>> {
        while let Some(found) = self.scan.find(segment.bytes)? {
            // What comes then was written again in the next segment.
            if found.position >= segment.end {
                break;
            }
            let known = self.define(&found);
            if known.is_ok() && found.position >= expected {
                let entry = self.entry(&found);
                if entry.is_ok_and(|entry| entry.check().is_ok()) {
                    return Ok(Some(found));
                }
            }
            self.scan.pass(&found);
        }
        Ok(None)
    }

    fn define(&mut self, found: &Found) -> Result<(), Malformed> {
        let length = (found.body.end - found.body.start) as usize;
        let body = self.scan.window.slice(found.body.start, length);
        let definitions = decode::definitions(body.ok_or(Malformed)?)?;
        let limit = found.body.end / MIN_DEFINITION;
        self.dictionary.define(definitions, limit as usize)
    }

    fn entry(&self, found: &Found) -> Result<EntryRef<'_>, Malformed> {
        let length = (found.body.end - found.body.start) as usize;
        let body = self.scan.window.slice(found.body.start, length);
        EntryRef::new(
            body.ok_or(Malformed)?,
            found.position,
            self.base,
            &self.dictionary,
        )
    }
}
