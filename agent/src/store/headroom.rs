//! Disk space that is held back, and given to the database when the disk is full.
//!
//! Deleting takes room too: in the write-ahead log. On a disk that is full to the last byte neither
//! deliveries nor evictions could be written, and so nothing would ever get better. While the room is
//! given away the outbox grows by a part of it at most, and beyond that gives up records by its policy; it is taken
//! back once the disk has twice as much to spare, so that a disk that stays full does not go back and forth.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, ffi};
use tokio::time::Instant;

use super::schema::PAGE;

/// Pause before it is looked whether the disk has room again, and the same after it said so and had not.
const LOOK: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_secs(5);
/// Pages in the write-ahead log before they are moved, at most, and while room is short.
const LOG_PAGES: (u64, u64) = (4_000, 256);
const FILE: &str = "eyot.headroom";

/// The file that holds the space.
#[derive(Debug)]
pub(super) struct Headroom {
    path: PathBuf,
    bytes: u64,
    /// When to try to take it back; `None` while it is held.
    retry: Option<Instant>,
    /// How long a disk that is full although the room was given away is borne.
    patience: Duration,
    /// Since when it has been.
    spent: Option<Instant>,
}

/// What there is to be done about a full disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Relief {
    /// Nothing was ever held back.
    None,
    /// The outbox may grow by so many bytes.
    Given(u64),
    /// It was given before and is used up, perhaps not for long.
    Wait,
    /// It has been used up for too long.
    Spent,
}

impl Headroom {
    /// Takes `bytes` in `dir`, or nothing if the disk has no room. 0 switches it off.
    pub(super) fn new(dir: &Path, bytes: u64, patience: Duration, db: &Connection) -> Self {
        let path = dir.join(FILE);
        let mut headroom = Self {
            path,
            bytes,
            retry: None,
            patience,
            spent: None,
        };
        if bytes > 0 {
            pace_log(db, headroom.log_pages());
        }
        let held = fs::metadata(&headroom.path).map_or(0, |file| file.len());
        if held == bytes && bytes > 0 {
            return headroom;
        }
        headroom.remove();
        if bytes > 0 && headroom.fill(bytes).is_err() {
            headroom.remove();
            headroom.retry = Some(Instant::now() + LOOK);
        }
        headroom
    }

    /// Whether nothing is given away.
    pub(super) fn is_held(&self) -> bool {
        self.retry.is_none()
    }

    /// The disk is full: gives the room away. A quarter of it is for records: the log, the tables and whoever else is
    /// on the disk need some as well. Where that was not enough, the disk may soon have room again, and until then
    /// everything waits, which loses nothing.
    pub(super) fn give(&mut self, db: &Connection) -> Relief {
        if self.bytes == 0 {
            return Relief::None;
        }
        let now = Instant::now();
        let relief = if self.is_held() {
            self.remove();
            tracing::error!(
                path = %self.path.display(),
                bytes = self.bytes,
                "disk full: reserved room is in use; once a part of it is, the outbox gives records up"
            );
            Relief::Given(self.bytes / 4)
        } else if now - *self.spent.get_or_insert(now) < self.patience {
            Relief::Wait
        } else {
            Relief::Spent
        };
        self.retry = Some(now + LOOK);
        pace_log(db, LOG_PAGES.1);
        relief
    }

    /// Something could be written.
    pub(super) fn written(&mut self) {
        self.spent = None;
    }

    /// Tries to take the room back, if it is time to. True once it is held again.
    pub(super) fn take_back(&mut self, db: &Connection) -> bool {
        if self.retry.is_none_or(|retry| Instant::now() < retry) {
            return false;
        }
        // Cheaper than to try, which writes all of it.
        if spare(self.path.parent().unwrap_or(&self.path)) < 2 * self.bytes {
            self.retry = Some(Instant::now() + LOOK);
            return false;
        }
        if let Err(error) = self
            .fill(2 * self.bytes)
            .and_then(|file| file.set_len(self.bytes))
        {
            tracing::debug!(%error, "disk is still full");
            self.remove();
            self.retry = Some(Instant::now() + RETRY);
            return false;
        }
        self.retry = None;
        pace_log(db, self.log_pages());
        tracing::info!(path = %self.path.display(), "disk has room again");
        true
    }

    /// Moving them makes the database larger before it makes the log smaller, so they have to fit into the
    /// reserved room with something to spare.
    fn log_pages(&self) -> u64 {
        (self.bytes / u64::from(PAGE) / 2).clamp(LOG_PAGES.1, LOG_PAGES.0)
    }

    /// Real bytes, since a hole holds no space.
    fn fill(&self, bytes: u64) -> io::Result<File> {
        static CHUNK: [u8; 64 * 1024] = [0xA5; 64 * 1024];
        let mut file = File::create(&self.path)?;
        let mut left = bytes;
        while left > 0 {
            let chunk = left.min(CHUNK.len() as u64);
            file.write_all(&CHUNK[..chunk as usize])?;
            left -= chunk;
        }
        file.sync_all()?;
        Ok(file)
    }

    fn remove(&self) {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "cannot give reserved room away");
            }
            _ => {}
        }
    }
}

/// Gives the room in `dir` away before the database is open, for a start on a full disk.
pub(super) fn give_at_start(dir: &Path) -> bool {
    fs::remove_file(dir.join(FILE)).is_ok()
}

/// Whether a start finds the room that it needs in `dir`. The reserved room is given away for it.
pub fn has_room_to_start(dir: &Path) -> bool {
    // A log with its index, and a segment of the journal.
    const NEEDED: u64 = 1 << 20;
    spare(dir) >= NEEDED || give_at_start(dir) && spare(dir) >= NEEDED
}

/// Bytes to be had in `dir`.
fn spare(dir: &Path) -> u64 {
    rustix::fs::statvfs(dir).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether it failed because the disk is full.
pub(super) fn is_disk_full(error: &rusqlite::Error) -> bool {
    let Some(sqlite) = error.sqlite_error() else {
        return false;
    };
    // The index of the write-ahead log could not grow.
    sqlite.code == ErrorCode::DiskFull || sqlite.extended_code == ffi::SQLITE_IOERR_SHMSIZE
}

/// Empties the write-ahead log, and says from which size on it is emptied again.
fn pace_log(db: &Connection, pages: u64) {
    let emptied = db
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .and_then(|()| db.pragma_update(None, "wal_autocheckpoint", pages));
    if let Err(error) = emptied {
        tracing::debug!(%error, "write-ahead log stays as it is");
    }
}
