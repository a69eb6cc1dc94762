//! What can go wrong.

use std::io;
use std::path::PathBuf;

/// A file that could not be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", path.display())]
pub struct FileError {
    /// The attempt, as a verb.
    pub what: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// Why entries are not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// They could not be written, or not be made durable. They may be committed again.
    #[error(transparent)]
    File(#[from] FileError),
    /// They do not fit into the quota.
    #[error(
        "the journal is full: {bytes} bytes more would exceed the quota of {max_bytes}, of which {used} are used"
    )]
    Full {
        /// Bytes that the entries need.
        bytes: u64,
        /// Bytes used.
        used: u64,
        /// The quota.
        max_bytes: u64,
    },
    /// One of them is longer than the journal takes.
    #[error("an entry of {bytes} bytes is too long for the journal, which takes {limit}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The longest one.
        limit: usize,
    },
}

/// Adds to an error what was tried on which file.
pub(crate) fn on(
    what: &'static str,
    path: impl FnOnce() -> PathBuf,
) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError {
        what,
        path: path(),
        source,
    }
}
