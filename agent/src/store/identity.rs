//! What record ids are made of, and its copy beside the database.
//!
//! A new database continues no numbering, so it gets an epoch of its own: without the copy, a lost
//! database would give its old ids to new records, and consumers would drop those as duplicates.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use uuid::Uuid;

use super::StoreError;

const FILE: &str = "eyot.identity";

/// The part of a record's id that all records of this database share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The agent, chosen at random when its first database is created.
    pub agent: Uuid,
    /// Counts the agent's databases, from 1.
    pub store_epoch: u32,
}

impl Identity {
    /// For a new database in `dir`.
    pub(super) fn next(dir: &Path) -> Result<Self, StoreError> {
        Ok(match Self::read(dir)? {
            Some(last) => Self {
                agent: last.agent,
                store_epoch: last.store_epoch + 1,
            },
            None => Self {
                agent: Uuid::new_v4(),
                store_epoch: 1,
            },
        })
    }

    /// Makes the copy in `dir` equal to this.
    pub(super) fn keep(self, dir: &Path) -> Result<(), StoreError> {
        if Self::read(dir)? == Some(self) {
            return Ok(());
        }
        let path = dir.join(FILE);
        let draft = dir.join("eyot.identity.new");
        File::create(&draft)
            .and_then(|mut file| {
                writeln!(file, "{} {}", self.agent, self.store_epoch)?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&draft, &path))
            // The name has to survive the loss of power as well.
            .and_then(|()| File::open(dir)?.sync_all())
            .map_err(StoreError::file("write", &path))
    }

    /// The copy in `dir`; a damaged one counts as none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::file("read", &path)(error)),
        };
        let identity = Self::parse(&text);
        if identity.is_none() {
            tracing::warn!(path = %path.display(), "identity file is damaged and ignored");
        }
        Ok(identity)
    }

    fn parse(text: &str) -> Option<Self> {
        let (agent, epoch) = text.trim_end().split_once(' ')?;
        Some(Self {
            agent: agent.parse().ok()?,
            store_epoch: epoch.parse().ok()?,
        })
    }
}
