//! Finding the entries of a segment, also behind damage.
//!
//! Where an entry should begin and does not, the next place is tried, and the next, until one is found whose
//! checksum agrees. Bytes that only look like the length of a long entry would have that much summed up in
//! vain, so this work has a limit that grows with the damage; beyond it only short entries are looked for.

use std::io;
use std::ops::Range;

use super::window::Window;
use super::{Frame, HEADER, MAX_CONTENT, MIN_FRAME, frame};
use crate::Position;
use crate::disk::DiskFile;

/// Bytes summed up in vain that are free for each damage.
const FREE: u64 = 32 << 20;
/// And for each byte of it.
const FREE_PER_BYTE: u64 = 64;
/// Entries up to this length are always looked for.
const SHORT: usize = 4 << 10;

/// Goes through a segment.
pub(crate) struct Scan<F> {
    pub(crate) window: Window<F>,
    /// Where the next entry should begin.
    offset: u64,
    /// The position it should have.
    expected: Position,
    /// Where the damage begins that is being passed over.
    damage: Option<u64>,
    /// Bytes summed up in vain in it.
    vain: u64,
}

/// An entry that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) position: Position,
    /// Its body, in the file.
    pub(crate) body: Range<u64>,
}

impl<F: DiskFile> Scan<F> {
    /// Behind the header of the segment that begins with `first`.
    pub(crate) const fn new(file: F, first: Position) -> Self {
        Self {
            window: Window::new(file),
            offset: HEADER as u64,
            expected: first,
            damage: None,
            vain: 0,
        }
    }

    /// The next entry of what the file holds before `end`. It is found again until [`Scan::pass`].
    pub(crate) fn find(&mut self, end: u64) -> io::Result<Option<Found>> {
        while self.offset < end {
            match self.try_here(end)? {
                Ok(found) => return Ok(Some(found)),
                Err(summed) => {
                    self.vain += summed as u64;
                    self.damage.get_or_insert(self.offset);
                    self.offset += 1;
                }
            }
        }
        Ok(None)
    }

    /// The entry that begins here, or the bytes that were summed up in vain to find that there is none.
    fn try_here(&mut self, end: u64) -> io::Result<Result<Found, usize>> {
        let (ahead, longest) = self.limits();
        let mut want = MIN_FRAME;
        loop {
            let bytes = self.window.at(self.offset, want, end)?;
            match frame(bytes, self.expected, ahead, longest) {
                Frame::Good { position, body } => {
                    let body = self.offset + body.start as u64..self.offset + body.end as u64;
                    return Ok(Ok(Found { position, body }));
                }
                Frame::Short(more) if bytes.len() >= want => want = more,
                // The file ends before.
                Frame::Short(_) => return Ok(Err(0)),
                Frame::Bad { summed } => return Ok(Err(summed)),
            }
        }
    }

    /// Goes behind what was found.
    pub(crate) fn pass(&mut self, found: &Found) {
        self.offset = found.body.end;
        self.expected = found.position + 1;
        self.damage = None;
        self.vain = 0;
    }

    /// How many entries may have been lost in the damage so far, and how long the next one may be.
    fn limits(&self) -> (u64, usize) {
        let Some(damage) = self.damage else {
            return (0, MAX_CONTENT);
        };
        let length = self.offset - damage;
        let free = (FREE + FREE_PER_BYTE * length).saturating_sub(self.vain);
        let longest = usize::try_from(free).unwrap_or(MAX_CONTENT).max(SHORT);
        (length / MIN_FRAME as u64 + 1, longest)
    }
}
