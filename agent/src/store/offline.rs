//! The database from outside the agent, whether one runs on it or not.
//!
//! Reading never waits for the agent, nor the agent for it: both see a database in write-ahead mode at one instant each.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use eyot_pipeline::ledger::{Lane, LaneBook};
use eyot_pipeline::time::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::schema::{self, MIGRATIONS, key};
use super::{
    DeadLetterRow, Gaps, KnownDevice, SourceState, StoreError, books, checkpoints, dead_letters,
    gaps, outbox,
};

/// How long to wait for a commit of the agent.
const BUSY: Duration = Duration::from_secs(10);

/// Whether an agent runs on the folder right now.
///
/// # Errors
/// If its lock cannot be looked at.
pub fn is_in_use(dir: &Path) -> Result<bool, StoreError> {
    let path = dir.join("eyot.lock");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(StoreError::file("open", &path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(StoreError::file("lock", &path)(error)),
    }
}

/// What became of dead letters: whatever the books have as dead letters is in one that is kept, or has left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct LetterCounts {
    /// Letters kept; identical ones count as one.
    pub kept: u64,
    /// Messages whose letters had to go, since there were too many.
    pub evicted: u64,
    /// Messages whose letters were dropped by hand.
    pub dropped: u64,
    /// Messages whose letters were published again.
    pub replayed: u64,
}

/// Why letters leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// They are not wanted.
    Dropped,
    /// They were published again.
    Replayed,
}

/// A database opened for reading.
pub struct Reader {
    db: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens the database in `dir` for reading alone.
    ///
    /// # Errors
    /// If there is none, it cannot be read, or is of another version.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("eyot.db");
        let db = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Self { db, path })
    }

    /// When something was last written.
    pub fn as_of(&self) -> Timestamp {
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        let written = |path: &Path| {
            let since = fs::metadata(path).ok()?.modified().ok()?;
            let since = since.duration_since(UNIX_EPOCH).ok()?;
            // An empty log was made by whoever looked last.
            let empty = fs::metadata(path).ok()?.len() == 0;
            i64::try_from(since.as_nanos()).ok().filter(|_| !empty)
        };
        let times = [self.path.as_path(), Path::new(&wal)].map(written);
        Timestamp(times.into_iter().flatten().max().unwrap_or(0))
    }

    /// Bytes of the database.
    pub fn bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    /// Whether the last run was stopped in order.
    pub fn clean_stop(&self) -> Result<bool, StoreError> {
        schema::counter(&self.db, key::CLEAN_STOP)
            .map(|clean| clean == 1)
            .map_err(StoreError::reading("last stop"))
    }

    /// The sources' books as they were stored last.
    pub fn books(&self) -> Result<HashMap<String, SourceState>, StoreError> {
        books::stored(&self.db).map_err(StoreError::reading("books"))
    }

    /// Every device ever opened, and what became of its readings by its checkpoint.
    pub fn devices(&self) -> Result<Vec<KnownDevice>, StoreError> {
        checkpoints::known(&self.db).map_err(StoreError::reading("devices"))
    }

    /// The lanes' books, most urgent first.
    pub fn lanes(&self) -> Result<[(Lane, LaneBook); Lane::ALL.len()], StoreError> {
        let (books, _) = outbox::stored_lanes(&self.db).map_err(StoreError::reading("outbox"))?;
        Ok(Lane::ALL.map(|lane| (lane, books[lane as usize])))
    }

    /// Times of which nobody knows what was lost.
    pub fn gaps(&self) -> Result<Gaps, StoreError> {
        gaps::summary(&self.db).map_err(StoreError::reading("gaps"))
    }

    /// Dead letters, newest first, up to `limit` of them.
    pub fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetterRow>, StoreError> {
        dead_letters::list(&self.db, limit).map_err(StoreError::reading("dead letters"))
    }

    /// What became of dead letters.
    pub fn letter_counts(&self) -> Result<LetterCounts, StoreError> {
        dead_letters::counts(&self.db).map_err(StoreError::reading("dead letters"))
    }
}

/// Lets dead letters go, counted: of each as many messages as its row says, and no more, since more may have come
/// by now. Returns how many messages that were. One transaction, which waits for the agent's.
///
/// # Errors
/// If the database cannot be written to.
pub fn leave(dir: &Path, letters: &[DeadLetterRow], how: Leave) -> Result<u64, StoreError> {
    let path = dir.join("eyot.db");
    let mut db = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let removed = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .and_then(|tx| {
            let removed = dead_letters::leave(&tx, letters, how)?;
            tx.commit()?;
            Ok(removed)
        });
    removed.map_err(|source| StoreError::Write { path, source })
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::NoDatabase {
            path: path.to_owned(),
        });
    }
    let opening = StoreError::opening(path);
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(&opening)?;
    db.busy_timeout(BUSY).map_err(&opening)?;
    let (found, known) = (schema::version(&db).map_err(&opening)?, MIGRATIONS.len());
    let path = path.to_owned();
    if found > known {
        return Err(StoreError::NewerSchema { path, found, known });
    }
    if found < known {
        return Err(StoreError::OlderSchema { path, found, known });
    }
    Ok(db)
}
