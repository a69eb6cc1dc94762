//! What can go wrong with the store.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the store cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder of the store cannot be used.
    #[error("cannot {what} {}", path.display())]
    File {
        /// The attempt, as a verb.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Another process holds the folder.
    #[error(
        "{} is in use by another eyot: stop that one, or give this one a data_dir of its own",
        dir.display()
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// The database was written by a later version.
    #[error(
        "{} has schema {found}, this version of eyot knows up to {known}: install the newer version again, or choose another data_dir",
        path.display()
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: usize,
        /// The newest one known.
        known: usize,
    },
    /// The database was written by an earlier version.
    #[error(
        "{} has schema {found}, this version of eyot needs {known}: start the agent once, which brings it up to date",
        path.display()
    )]
    OlderSchema {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: usize,
        /// The version needed.
        known: usize,
    },
    /// There is no database.
    #[error("there is no database at {}: no agent has run there yet", path.display())]
    NoDatabase {
        /// Where one was looked for.
        path: PathBuf,
    },
    /// A write from outside the agent failed.
    #[error("cannot write to database {}", path.display())]
    Write {
        /// The database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// The database is there but its environment does not let us use it.
    #[error("cannot open database {}", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// The database, even a fresh one, cannot be read back.
    #[error("database {} is corrupt: {detail}", path.display())]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// The thread could not be started.
    #[error("cannot start the store's thread")]
    Spawn(#[source] io::Error),
    /// A read failed.
    #[error("cannot read {what} from the database")]
    Read {
        /// What was read.
        what: &'static str,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// The store had to stop while it could not write.
    #[error("store stopped with {commits} commits that could not be written")]
    Unwritten {
        /// Commits in the batch under way; their guards were dropped.
        commits: usize,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// Everything is committed, but the stop could not be marked as orderly.
    #[error("cannot mark the database as closed in order")]
    Close(#[source] rusqlite::Error),
    /// The store's thread has ended.
    #[error("the store has stopped")]
    Gone,
    /// The store's thread panicked.
    #[error("the store's thread panicked")]
    Panicked,
}

impl StoreError {
    /// For `map_err` on file operations.
    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            what,
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err` while opening: the environment's faults pass with time, all others are taken
    /// for damage.
    pub(super) fn opening(path: &Path) -> impl Fn(rusqlite::Error) -> Self {
        move |source| match source.sqlite_error_code() {
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::DiskFull
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory,
            ) => Self::Open {
                path: path.to_owned(),
                source,
            },
            _ => Self::Corrupt {
                path: path.to_owned(),
                detail: source.to_string(),
            },
        }
    }

    /// Whether an error says that the database is damaged.
    pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
        matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        )
    }

    /// For `map_err` on reads.
    pub(super) fn reading(what: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Read { what, source }
    }
}
