//! What can go wrong while collecting.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::mqtt::MqttError;

/// Why something could not be collected or read back.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A file or folder cannot be used.
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
    /// Another process collects into the same place.
    #[error("{} is in use by another eyot collect", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The database was written by a later version, or by another program.
    #[error("{} has schema {found}, this version of eyot knows {known}", path.display())]
    Schema {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: usize,
        /// The one known.
        known: usize,
    },
    /// There is nothing to report on.
    #[error("{} is no database of eyot collect", path.display())]
    NotOurs {
        /// The database.
        path: PathBuf,
    },
    /// The database cannot do what it was asked.
    #[error("cannot {what} in {}", path.display())]
    Database {
        /// The attempt, as a verb.
        what: &'static str,
        /// The database.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rusqlite::Error,
    },
    /// A Parquet file cannot be written.
    #[error("cannot write {}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: ::parquet::errors::ParquetError,
    },
    /// There can be no connection with these options.
    #[error(transparent)]
    Connection(#[from] MqttError),
    /// The broker does not let us subscribe.
    #[error("cannot subscribe")]
    Subscribe(#[source] crate::mqtt::SubscribeError),
    /// The sink panicked.
    #[error("the collector's sink panicked")]
    Panicked,
}

impl CollectError {
    /// For `map_err` on file operations.
    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            what,
            path: path.to_owned(),
            source,
        }
    }

    /// For `map_err` on database operations.
    pub(super) fn database(
        what: &'static str,
        path: &Path,
    ) -> impl Fn(rusqlite::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Database {
            what,
            path: path.clone(),
            source,
        }
    }

    /// Whether it may be gone by itself, like a full disk or a lock.
    pub fn passes(&self) -> bool {
        match self {
            Self::Database { source, .. } => matches!(
                source.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::CannotOpen
                        | ErrorCode::ReadOnly
                        | ErrorCode::OutOfMemory
                )
            ),
            Self::File { .. } | Self::Parquet { .. } => true,
            Self::InUse { .. }
            | Self::Schema { .. }
            | Self::NotOurs { .. }
            | Self::Connection(_)
            | Self::Subscribe(_)
            | Self::Panicked => false,
        }
    }
}
