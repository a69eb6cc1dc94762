//! What the thread shows of the journal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use eyot_journal::{Disk, Journal, Reader, Readers, SegmentInfo};

use super::{Options, Status};

pub(super) struct Shared<D: Disk> {
    pub(super) max_bytes: u64,
    pub(super) sync: bool,
    readers: Readers<D>,
    committed: AtomicU64,
    status: Mutex<Status>,
}

impl<D: Disk> Shared<D> {
    pub(super) fn new(journal: &Journal<D>, options: &Options) -> Self {
        Self {
            max_bytes: options.max_bytes,
            sync: options.sync,
            readers: journal.readers(),
            committed: AtomicU64::new(journal.next() - 1),
            status: Mutex::new(Status {
                bytes: journal.bytes(),
                max_bytes: options.max_bytes,
                ..Status::default()
            }),
        }
    }

    pub(super) fn reader(&self, from: u64) -> Reader<D> {
        self.readers.from(from)
    }

    pub(super) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    pub(super) fn set_committed(&self, position: u64) {
        self.committed.store(position, Ordering::Release);
    }

    fn segments(&self) -> Vec<SegmentInfo> {
        self.readers.segments()
    }

    pub(super) fn enter(&self, enter: impl FnOnce(&mut Status)) {
        enter(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn status(&self) -> Status {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.clone()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.status().bytes
    }

    pub(super) fn first_closed_end(&self) -> Option<u64> {
        match &self.segments()[..] {
            [first, _, ..] => Some(first.end),
            _ => None,
        }
    }

    pub(super) fn middle(&self) -> u64 {
        let segments = self.segments();
        let half = segments.iter().map(|segment| segment.bytes).sum::<u64>() / 2;
        let mut before = 0;
        for segment in &segments {
            before += segment.bytes;
            if before >= half {
                return segment.end;
            }
        }
        0
    }
}
