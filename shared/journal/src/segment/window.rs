//! A file, seen through a buffer that moves along.

use std::io;

use crate::disk::DiskFile;

const CHUNK: usize = 64 << 10;

/// Reads forwards, with as much in memory as the longest piece asked for.
pub(crate) struct Window<F> {
    file: F,
    buffer: Vec<u8>,
    /// Where in the file the buffer begins.
    start: u64,
}

impl<F: DiskFile> Window<F> {
    pub(crate) const fn new(file: F) -> Self {
        Self {
            file,
            buffer: Vec::new(),
            start: 0,
        }
    }

    pub(crate) fn file(&mut self) -> &mut F {
        &mut self.file
    }

    /// What is at `offset`: at least `want` bytes, fewer only if `end` or the end of the file comes before.
    pub(crate) fn at(&mut self, offset: u64, want: usize, end: u64) -> io::Result<&[u8]> {
        let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        let want = want.min(left);
        if self.slice(offset, want).is_none() {
            self.fill(offset, want.max(CHUNK.min(left)))?;
        }
        let from = (offset - self.start) as usize;
        let have = self.buffer.get(from..).unwrap_or_default();
        Ok(&have[..have.len().min(left)])
    }

    /// What is in memory already.
    pub(crate) fn slice(&self, offset: u64, length: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.buffer.get(from..from.checked_add(length)?)
    }

    fn fill(&mut self, offset: u64, length: usize) -> io::Result<()> {
        let kept = match offset.checked_sub(self.start) {
            Some(skip) if skip <= self.buffer.len() as u64 => {
                self.buffer.drain(..skip as usize);
                self.buffer.len()
            }
            _ => 0,
        };
        if length <= CHUNK && self.buffer.capacity() > 4 * CHUNK {
            self.buffer.shrink_to(CHUNK);
        }
        self.start = offset;
        self.buffer.resize(length.max(kept), 0);
        let read = self
            .file
            .read_at(&mut self.buffer[kept..], offset + kept as u64);
        self.buffer.truncate(kept + *read.as_ref().unwrap_or(&0));
        read.map(drop)
    }
}
