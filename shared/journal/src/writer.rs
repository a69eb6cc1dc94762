//! Appending, closing and deleting segments.
//!
//! After a failed write or sync nothing is ever appended to that file again: it is cut back to its last good
//! length as well as that goes, and the next entries go to a new one. So no file has anything behind a
//! doubtful place, and a name, once it has a number in a segment, keeps it.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Position;
use crate::disk::{Disk, DiskFile};
use crate::entry::Entry;
use crate::entry::encode::Encoder;
use crate::error::{CommitError, FileError, on};
use crate::reader::{Reader, Readers};
use crate::recovery::{self, Recovery};
use crate::segment::{self, Header, MAX_CONTENT};

/// A segment is at least so large before it is closed.
const MIN_SEGMENT: u64 = 4 << 10;
/// The buffer of a commit is kept up to this size.
const KEPT_BATCH: usize = 1 << 20;

/// Bounds of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes of all segments together.
    pub max_bytes: u64,
    /// A segment is closed once it has so many bytes; at most a quarter of `max_bytes`.
    pub segment_bytes: u64,
    /// The least that the next position may be: one more than the last that anyone remembers.
    pub at_least: Position,
}

/// One segment of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Position of its first entry.
    pub first: Position,
    /// One more than that of its last.
    pub end: Position,
    /// Bytes of it.
    pub bytes: u64,
}

/// What went wrong since the journal was opened, whether or not the entries were committed in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// Files that could not be created or written.
    pub writes: u64,
    /// Files or folders that could not be made durable.
    pub syncs: u64,
}

/// What is there, for the writer and its readers.
#[derive(Debug, Clone)]
pub(crate) struct Index(Arc<Mutex<Content>>);

#[derive(Debug)]
pub(crate) struct Content {
    /// Oldest first.
    pub(crate) segments: Vec<SegmentInfo>,
    /// Position of the next entry.
    pub(crate) next: Position,
}

impl Index {
    pub(crate) fn new(segments: Vec<SegmentInfo>, next: Position) -> Self {
        Self(Arc::new(Mutex::new(Content { segments, next })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Content> {
        // Nothing in a lock's scope leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The segment that is being appended to.
struct Active<F> {
    file: F,
    name: String,
    base: i64,
    bytes: u64,
    /// Whether it would be found after a power cut.
    name_durable: bool,
}

/// The journal's writer; there is one.
pub struct Journal<D: Disk> {
    disk: D,
    options: Options,
    index: Index,
    active: Option<Active<D::File>>,
    next: Position,
    bytes: u64,
    encoder: Encoder,
    batch: Vec<u8>,
    faults: Faults,
}

impl<D: Disk> Journal<D> {
    /// Opens the journal in a folder that no other writer uses. What is damaged there is no error.
    pub fn open(disk: D, mut options: Options) -> Result<(Self, Recovery), FileError> {
        let most = (options.max_bytes / 4).max(MIN_SEGMENT);
        options.segment_bytes = options.segment_bytes.clamp(MIN_SEGMENT, most);
        let (segments, recovery) = recovery::recover(&disk, options.at_least)?;
        let journal = Self {
            disk,
            options,
            next: recovery.next,
            bytes: segments.iter().map(|segment| segment.bytes).sum(),
            index: Index::new(segments, recovery.next),
            active: None,
            encoder: Encoder::default(),
            batch: Vec::new(),
            faults: Faults::default(),
        };
        Ok((journal, recovery))
    }

    /// Writes all `entries` with one write and, with `sync`, makes them durable. Returns their positions.
    ///
    /// Without `sync` they survive the end of the process, not that of the machine; a later commit with
    /// `sync` says nothing about them.
    ///
    /// # Errors
    /// None of them counts as committed. They may be committed again, or others instead.
    pub fn commit(
        &mut self,
        entries: &[Entry<'_>],
        sync: bool,
    ) -> Result<Range<Position>, CommitError> {
        let positions = self.next..self.next + entries.len() as u64;
        let Some(first) = entries.first() else {
            return Ok(positions);
        };
        let is_long = |active: &Active<_>| active.bytes >= self.options.segment_bytes;
        if self.active.as_ref().is_some_and(is_long) {
            self.active = None;
        }
        let base = first.admitted.0.div_euclid(1_000);
        let syncs = self.faults.syncs;
        let mut written = self.write(entries, base, sync);
        if self.faults.syncs > syncs {
            // What is durable of that file is anyone's guess, so they are written again elsewhere.
            written = self.write(entries, base, sync);
        }
        let (mut active, added) = written?;
        self.publish(active.bytes == 0, added, positions.end);
        active.bytes += added;
        self.active = Some(active);
        self.batch.clear();
        self.batch.shrink_to(KEPT_BATCH);
        Ok(positions)
    }

    /// On success the segment that holds the entries, and how many bytes it got longer.
    fn write(
        &mut self,
        entries: &[Entry<'_>],
        base: i64,
        sync: bool,
    ) -> Result<(Active<D::File>, u64), CommitError> {
        let active = self.active.take();
        let base = active.as_ref().map_or(base, |active| active.base);
        self.encode(entries, base, active.is_none())?;
        let added = self.batch.len() as u64;
        if self.bytes + added > self.options.max_bytes {
            return Err(CommitError::Full {
                bytes: added,
                used: self.bytes,
                max_bytes: self.options.max_bytes,
            });
        }
        let mut active = match active {
            Some(active) => active,
            None => self.create(base)?,
        };
        match self.append(&mut active, sync) {
            Ok(()) => Ok((active, added)),
            Err(error) => {
                self.abandon(active);
                Err(error.into())
            }
        }
    }

    fn encode(
        &mut self,
        entries: &[Entry<'_>],
        base: i64,
        new_segment: bool,
    ) -> Result<(), CommitError> {
        self.batch.clear();
        if new_segment {
            self.encoder.begin_segment();
            let first = self.next;
            Header { first, base }.write(&mut self.batch);
        }
        for (position, entry) in (self.next..).zip(entries) {
            self.encoder
                .write(&mut self.batch, entry, position, base, position > self.next)
                .map_err(|bytes| CommitError::TooLong {
                    bytes,
                    limit: MAX_CONTENT,
                })?;
        }
        Ok(())
    }

    fn create(&mut self, base: i64) -> Result<Active<D::File>, FileError> {
        let name = segment::name(self.next);
        let mut created = self.disk.create(&name);
        if created.is_err() && self.disk.remove(&name).is_ok() {
            // Left behind by an attempt that failed: nothing in it counts.
            created = self.disk.create(&name);
        }
        let file = created.map_err(|error| {
            self.faults.writes += 1;
            on("create", || self.disk.path(&name))(error)
        })?;
        Ok(Active {
            file,
            name,
            base,
            bytes: 0,
            name_durable: false,
        })
    }

    fn append(&mut self, active: &mut Active<D::File>, sync: bool) -> Result<(), FileError> {
        let path = || self.disk.path(&active.name);
        if let Err(error) = active.file.append(&self.batch) {
            self.faults.writes += 1;
            return Err(on("write", path)(error));
        }
        if !sync {
            return Ok(());
        }
        let mut synced = active.file.sync();
        if synced.is_ok() && !active.name_durable {
            synced = self.disk.sync_dir();
        }
        synced.map_err(|error| {
            self.faults.syncs += 1;
            on("sync", path)(error)
        })?;
        active.name_durable = true;
        Ok(())
    }

    /// Nothing is appended to it any more.
    fn abandon(&self, mut active: Active<D::File>) {
        // If that does not work either, readers stop where the next segment begins.
        if active.bytes == 0 {
            drop(active.file);
            let _ = self.disk.remove(&active.name);
        } else {
            let _ = active.file.truncate(active.bytes);
        }
    }

    fn publish(&mut self, new_segment: bool, added: u64, end: Position) {
        let mut content = self.index.lock();
        content.next = end;
        if new_segment {
            content.segments.push(SegmentInfo {
                first: self.next,
                end,
                bytes: added,
            });
        } else if let Some(last) = content.segments.last_mut() {
            last.end = end;
            last.bytes += added;
        }
        drop(content);
        self.bytes += added;
        self.next = end;
    }

    /// Bytes of all segments together.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there is no room for readings any more. Entries without readings still fit for a while, so that
    /// the books can be kept and timers fire.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.bytes >= self.options.max_bytes - self.options.max_bytes / 16
    }

    /// Position of the next entry.
    #[must_use]
    pub const fn next(&self) -> Position {
        self.next
    }

    /// Position of the last entry that was committed, ever; 0 before the first.
    #[must_use]
    pub const fn last(&self) -> Position {
        self.next - 1
    }

    /// What went wrong so far.
    #[must_use]
    pub const fn faults(&self) -> Faults {
        self.faults
    }

    /// The segments that are there, oldest first.
    pub fn segments(&self) -> impl Iterator<Item = SegmentInfo> + use<D> {
        self.index.lock().segments.clone().into_iter()
    }

    /// Deletes the segments that have nothing from `position` on, and says how many bytes that freed. The
    /// newest one stays, since it knows the position to go on with.
    pub fn remove_before(&mut self, position: Position) -> Result<u64, FileError> {
        let mut freed = 0;
        loop {
            let oldest = match self.index.lock().segments[..] {
                [oldest, _, ..] if oldest.end <= position => oldest,
                _ => return Ok(freed),
            };
            let name = segment::name(oldest.first);
            match self.disk.remove(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(on("remove", || self.disk.path(&name))(error));
                }
                _ => {}
            }
            self.index.lock().segments.remove(0);
            self.bytes -= oldest.bytes;
            freed += oldest.bytes;
        }
    }

    /// Reads from a position on, on any thread, while this goes on writing.
    #[must_use]
    pub fn reader(&self, from: Position) -> Reader<D> {
        self.readers().from(from)
    }

    /// What makes readers, for those who do not have the journal itself.
    #[must_use]
    pub fn readers(&self) -> Readers<D> {
        Readers::new(self.disk.clone(), self.index.clone())
    }
}
