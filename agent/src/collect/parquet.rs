//! Records in Parquet files, each record in one file once.
//!
//! A record first goes to a [`Database`] beside the files, whose commit is what is acknowledged: so a file can be as large
//! as it should be, however few messages the broker lets wait for their acknowledgement. Then, file by file:
//!
//! 1. the database commits which rows the next file holds, under which name;
//! 2. the file is written under a temporary name, synced, and renamed;
//! 3. the database commits that it is complete, and removes the rows.
//!
//! After a crash the files not yet complete are known by name: one that is there was complete when it got its name, and
//! 3 is done; any other is written again with the same rows. The numbers seen stay in the database.

#[cfg(test)]
mod tests;
mod write;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use eyot_pipeline::Timestamp;
use rusqlite::{OptionalExtension, TransactionBehavior, params};

use super::database::{Database, Latest};
use super::{Arrived, CollectError, Outcome, Sink};

/// When a file is complete.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// With so many records.
    pub records: u64,
    /// Or so long after its first.
    pub after: Duration,
}

/// A sink that is a folder of Parquet files.
#[derive(Debug)]
pub struct ParquetFolder {
    database: Database,
    dir: PathBuf,
    rotation: Rotation,
    /// Records that are in no file yet.
    waiting: u64,
    /// When the first of them was found waiting.
    since: Option<Timestamp>,
}

/// Rows of a file that has been begun.
struct Part {
    number: i64,
    name: String,
    first: i64,
    last: i64,
}

impl ParquetFolder {
    /// Name of the database in the folder.
    pub const DATABASE: &str = "collect.db";

    /// Opens the folder or makes one, and completes what a crash has left.
    ///
    /// # Errors
    /// When the folder or its database cannot be used, or another collector has it.
    pub fn open(dir: &Path, prefix: &str, rotation: Rotation) -> Result<Self, CollectError> {
        fs::create_dir_all(dir).map_err(CollectError::file("create folder", dir))?;
        let database = Database::open(&dir.join(Self::DATABASE), prefix, Latest::AsItIs)?;
        let mut folder = Self {
            database,
            dir: dir.to_owned(),
            rotation,
            waiting: 0,
            since: None,
        };
        folder.recover()?;
        folder.waiting = folder
            .database
            .db
            .query_row("SELECT count(*) FROM records", [], |row| row.get(0))
            .map_err(folder.failing("count records"))?;
        Ok(folder)
    }

    /// As [`Database::client_id`].
    ///
    /// # Errors
    /// As [`Database::client_id`].
    pub fn client_id(&self) -> Result<String, CollectError> {
        self.database.client_id()
    }

    /// Completes the file that was under way, if one was.
    fn recover(&mut self) -> Result<(), CollectError> {
        let part = self
            .database
            .db
            .query_row(
                "SELECT number, name, first_seq, last_seq FROM files WHERE NOT complete",
                [],
                |row| {
                    Ok(Part {
                        number: row.get(0)?,
                        name: row.get(1)?,
                        first: row.get(2)?,
                        last: row.get(3)?,
                    })
                },
            )
            .optional()
            .map_err(self.failing("read the list of files"))?;
        let Some(part) = part else { return Ok(()) };
        tracing::info!(file = part.name, "completing a file");
        self.finish(&part)
    }

    /// Writes the oldest records that are in no file yet to one.
    fn rotate(&mut self) -> Result<(), CollectError> {
        // One that failed before comes first: its rows are still there.
        self.recover()?;
        let part = self.plan().map_err(self.failing("begin a file"))?;
        match part {
            Some(part) => self.finish(&part),
            None => Ok(()),
        }
    }

    /// Decides on the next file's rows.
    fn plan(&mut self) -> rusqlite::Result<Option<Part>> {
        let tx = self
            .database
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let rows: (Option<i64>, Option<i64>, u64) = tx.query_row(
            "SELECT min(seq), max(seq), count(*) FROM (SELECT seq FROM records ORDER BY seq LIMIT ?1)",
            [self.rotation.records],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let (Some(first), Some(last), records) = rows else {
            return Ok(None);
        };
        let number: i64 = tx.query_row(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'files'), 0) + 1",
            [],
            |row| row.get(0),
        )?;
        let name = format!("records-{number:08}.parquet");
        tx.execute(
            "INSERT INTO files (name, first_seq, last_seq, records) VALUES (?1, ?2, ?3, ?4)",
            params![name, first, last, records],
        )?;
        tx.commit()?;
        Ok(Some(Part {
            number,
            name,
            first,
            last,
        }))
    }

    /// Steps 2 and 3, whatever of them is left.
    fn finish(&mut self, part: &Part) -> Result<(), CollectError> {
        let path = self.dir.join(&part.name);
        if !path.exists() {
            let temporary = self.dir.join(format!(".{}.part", part.name));
            write::rows(&self.database, part.first..=part.last, &temporary)?;
            fs::rename(&temporary, &path).map_err(CollectError::file("rename", &temporary))?;
        }
        // The name has to be on the disk before the rows are gone.
        File::open(&self.dir)
            .and_then(|dir| dir.sync_all())
            .map_err(CollectError::file("sync", &self.dir))?;
        let removed = self
            .complete(part)
            .map_err(self.failing("complete a file"))?;
        self.waiting = self.waiting.saturating_sub(removed);
        self.since = None;
        Ok(())
    }

    fn complete(&mut self, part: &Part) -> rusqlite::Result<u64> {
        let tx = self
            .database
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let removed = tx.execute(
            "DELETE FROM records WHERE seq BETWEEN ?1 AND ?2",
            [part.first, part.last],
        )?;
        tx.execute(
            "UPDATE files SET complete = 1 WHERE number = ?1",
            [part.number],
        )?;
        tx.commit()?;
        Ok(removed as u64)
    }

    fn failing(&self, what: &'static str) -> impl Fn(rusqlite::Error) -> CollectError + use<> {
        CollectError::database(what, &self.database.path)
    }
}

impl Sink for ParquetFolder {
    fn commit(&mut self, burst: &[Arrived]) -> Result<Outcome, CollectError> {
        let outcome = self.database.commit(burst)?;
        self.waiting += outcome.records;
        Ok(outcome)
    }

    fn tend(&mut self, now: Timestamp, last: bool) -> Result<(), CollectError> {
        while self.waiting >= self.rotation.records {
            self.rotate()?;
        }
        if self.waiting == 0 {
            return Ok(());
        }
        let since = *self.since.get_or_insert(now);
        let waited = u128::try_from((now - since).0).unwrap_or(0);
        if last || waited >= self.rotation.after.as_nanos() {
            self.rotate()?;
        }
        Ok(())
    }

    fn missing(&self) -> Result<u64, CollectError> {
        self.database.missing()
    }

    fn swap_filters(&mut self, filters: &[String]) -> Result<Vec<String>, CollectError> {
        self.database.swap_filters(filters)
    }
}
