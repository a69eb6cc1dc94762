//! Records in one SQLite file.
//!
//! Everything that a burst says changes in one transaction: the records, the numbers seen, the counts, and the files of
//! [`super::ParquetFolder`]. `seen` decides what is new, so rows of `records` may be removed without their coming back.

mod schema;
mod seen;

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use eyot_pipeline::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::message::{Arrived, Content, Record, Rubbish, Which, read};
use super::{CollectError, Outcome, RecordId, Sink, Stream};

/// Records staged before they are written, within the transaction.
const CHUNK: usize = 1_000;
/// Bytes of records staged before they are written.
const CHUNK_BYTES: usize = 4 << 20;
/// Bytes of a sample of rubbish that are kept.
const SAMPLE: usize = 256;

/// Whether the latest record of every kind is kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latest {
    /// A table `latest`: one row for each agent, device and schema.
    Table,
    /// No table beyond what the database has already.
    AsItIs,
}

/// A sink that is one SQLite file.
#[derive(Debug)]
pub struct Database {
    pub(super) db: Connection,
    pub(super) path: PathBuf,
    prefix: String,
    /// Held as long as we write.
    _lock: File,
}

impl Database {
    /// Opens the database at `path`, or makes one. `prefix` is what agents begin their topics with.
    ///
    /// # Errors
    /// When the file cannot be used, is somebody else's, or another collector has it.
    pub fn open(path: &Path, prefix: &str, latest: Latest) -> Result<Self, CollectError> {
        let lock = lock(path)?;
        let opening = CollectError::database("open the database", path);
        let mut db = Connection::open(path).map_err(&opening)?;
        schema::configure(&db).map_err(&opening)?;
        let found = schema::version(&db).map_err(&opening)?;
        match found {
            0 => {
                if !schema::is_empty(&db).map_err(&opening)? {
                    return Err(CollectError::NotOurs {
                        path: path.to_owned(),
                    });
                }
                schema::create(&mut db).map_err(&opening)?;
            }
            schema::VERSION => {}
            found => {
                return Err(CollectError::Schema {
                    path: path.to_owned(),
                    found,
                    known: schema::VERSION,
                });
            }
        }
        schema::keep_views(&mut db, latest == Latest::Table).map_err(&opening)?;
        Ok(Self {
            db,
            path: path.to_owned(),
            prefix: prefix.to_owned(),
            _lock: lock,
        })
    }

    /// A database to report on, which is not written to and may be in use.
    ///
    /// # Errors
    /// When there is none at `path`, or none that this version knows.
    pub(super) fn look(path: &Path) -> Result<Connection, CollectError> {
        let opening = CollectError::database("open the database", path);
        let flags =
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(&opening)?;
        match schema::version(&db).map_err(&opening)? {
            schema::VERSION => Ok(db),
            0 => Err(CollectError::NotOurs {
                path: path.to_owned(),
            }),
            found => Err(CollectError::Schema {
                path: path.to_owned(),
                found,
                known: schema::VERSION,
            }),
        }
    }

    /// A client id that belongs to this database and no other.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn client_id(&self) -> Result<String, CollectError> {
        let id: String = self
            .db
            .query_row("SELECT value FROM meta WHERE key = 'id'", [], |row| {
                row.get(0)
            })
            .map_err(CollectError::database("read the client id", &self.path))?;
        Ok(format!("eyot-collect-{id}"))
    }

    fn write(&mut self, burst: &[Arrived]) -> rusqlite::Result<Outcome> {
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut writer = Writer {
            tx: &tx,
            staged: Vec::new(),
            bytes: 0,
            outcome: Outcome::default(),
        };
        for message in burst {
            read(&self.prefix, message, |content| {
                writer.take(content, message)
            })?;
        }
        writer.flush()?;
        let outcome = writer.outcome;
        tx.commit()?;
        Ok(outcome)
    }
}

impl Sink for Database {
    fn commit(&mut self, burst: &[Arrived]) -> Result<Outcome, CollectError> {
        self.write(burst)
            .map_err(CollectError::database("keep records", &self.path))
    }

    fn missing(&self) -> Result<u64, CollectError> {
        self.db
            .prepare_cached("SELECT coalesce(sum(last - first + 1 - seen), 0) FROM streams")
            .and_then(|mut all| all.query_row([], |row| row.get(0)))
            .map_err(CollectError::database("count gaps", &self.path))
    }

    fn swap_filters(&mut self, filters: &[String]) -> Result<Vec<String>, CollectError> {
        schema::swap_filters(&mut self.db, filters)
            .map_err(CollectError::database("keep subscriptions", &self.path))
    }
}

/// Holds the database until the file is dropped, or the process dies. SQLite's own locks are held by the transaction only.
fn lock(path: &Path) -> Result<File, CollectError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = File::create(&name).map_err(CollectError::file("create", &name))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CollectError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(CollectError::file("lock", &name)(source)),
    }
}

/// A burst on its way into the transaction.
struct Writer<'t> {
    tx: &'t Transaction<'t>,
    /// Records with their times of arrival.
    staged: Vec<(Record, Timestamp)>,
    bytes: usize,
    outcome: Outcome,
}

impl Writer<'_> {
    fn take(&mut self, content: Content, message: &Arrived) -> rusqlite::Result<()> {
        match content {
            Content::Record(record) => {
                self.bytes += record.body.len();
                self.staged.push((record, message.at));
                if self.staged.len() >= CHUNK || self.bytes >= CHUNK_BYTES {
                    self.flush()?;
                }
                Ok(())
            }
            Content::Status { agent, body } => self.status(&agent, body, message.at),
            Content::Rubbish(rubbish) => self.rubbish(&rubbish, message),
        }
    }

    /// Writes what is staged.
    fn flush(&mut self) -> rusqlite::Result<()> {
        let staged = std::mem::take(&mut self.staged);
        self.bytes = 0;
        let mut by_stream: BTreeMap<&Stream, Vec<u64>> = BTreeMap::new();
        for (record, _) in &staged {
            let RecordId { stream, number } = &record.id;
            by_stream.entry(stream).or_default().push(*number);
        }
        let mut windows = BTreeMap::new();
        for (stream, numbers) in by_stream {
            let id = self.stream(stream)?;
            windows.insert(stream, seen::Window::load(self.tx, id, numbers)?);
        }
        let mut names: BTreeMap<Uuid, &str> = BTreeMap::new();
        for (record, at) in &staged {
            let window = windows.get_mut(&record.id.stream);
            if !window.is_some_and(|window| window.insert(record.id.number)) {
                self.outcome.repeated += 1;
                continue;
            }
            self.outcome.records += 1;
            self.record(record, *at)?;
            if let Some(name) = &record.agent {
                names.insert(record.id.stream.agent, name);
            }
        }
        for window in windows.into_values() {
            window.store(self.tx)?;
        }
        for (agent, name) in names {
            self.tx
                .prepare_cached(
                    "INSERT INTO agents (agent, name) VALUES (?1, ?2)
                     ON CONFLICT DO UPDATE SET name = excluded.name WHERE name <> excluded.name",
                )?
                .execute(params![agent.to_string(), name])?;
        }
        Ok(())
    }

    /// The row of a stream.
    fn stream(&self, stream: &Stream) -> rusqlite::Result<i64> {
        let Stream {
            agent,
            epoch,
            device,
        } = stream;
        let agent = agent.to_string();
        let found = self
            .tx
            .prepare_cached(
                "SELECT id FROM streams WHERE agent = ?1 AND epoch = ?2 AND device = ?3",
            )?
            .query_row((&agent, epoch, device), |row| row.get(0))
            .optional()?;
        if let Some(id) = found {
            return Ok(id);
        }
        self.tx
            .prepare_cached("INSERT INTO streams (agent, epoch, device) VALUES (?1, ?2, ?3)")?
            .execute((&agent, epoch, device))?;
        Ok(self.tx.last_insert_rowid())
    }

    fn record(&self, record: &Record, at: Timestamp) -> rusqlite::Result<()> {
        let RecordId { stream, number } = &record.id;
        self.tx
            .prepare_cached(
                "INSERT INTO records
                   (agent, epoch, device, number, schema, kind, time_start, time_end, received_at, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                stream.agent.to_string(),
                stream.epoch,
                stream.device,
                number,
                record.schema,
                record.kind,
                record.start.map(written),
                record.end.map(written),
                written(at),
                record.body,
            ])?;
        for lost in &record.lost {
            let of = Stream {
                agent: stream.agent,
                epoch: lost.epoch.unwrap_or(stream.epoch),
                device: lost.device.clone(),
            };
            let of = self.stream(&of)?;
            match lost.which {
                Which::Range(first, last) => self
                    .tx
                    .prepare_cached(
                        "INSERT OR IGNORE INTO lost (stream, first, last, reason)
                         VALUES (?1, ?2, ?3, ?4)",
                    )?
                    .execute(params![of, first, last, lost.reason])?,
                Which::Count(count) => self
                    .tx
                    .prepare_cached(
                        "INSERT INTO lost_counts (stream, reason, n) VALUES (?1, ?2, ?3)
                         ON CONFLICT DO UPDATE SET n = n + excluded.n",
                    )?
                    .execute(params![of, lost.reason, count])?,
            };
        }
        Ok(())
    }

    fn status(&self, agent: &str, body: Option<String>, at: Timestamp) -> rusqlite::Result<()> {
        match body {
            Some(body) => self
                .tx
                .prepare_cached(
                    "INSERT OR REPLACE INTO status (agent, received_at, body) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![agent, written(at), body])?,
            None => self
                .tx
                .prepare_cached("DELETE FROM status WHERE agent = ?1")?
                .execute([agent])?,
        };
        Ok(())
    }

    fn rubbish(&mut self, rubbish: &Rubbish, message: &Arrived) -> rusqlite::Result<()> {
        self.outcome.rubbish += 1;
        let payload = &message.payload[..message.payload.len().min(SAMPLE)];
        self.tx
            .prepare_cached(
                "INSERT INTO rubbish (reason, n, received_at, topic, detail, payload)
                 VALUES (?1, 1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET n = n + 1, received_at = excluded.received_at,
                   topic = excluded.topic, detail = excluded.detail, payload = excluded.payload",
            )?
            .execute(params![
                rubbish.reason.name(),
                written(message.at),
                String::from_utf8_lossy(&message.topic),
                rubbish.detail,
                payload,
            ])?;
        Ok(())
    }
}

/// An instant with all its decimals, so that texts are in the order of the times.
pub(super) fn written(time: Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(time.0.into())
        .map_or_else(|_| time.0.to_string(), |time| format!("{time:.9}"))
}
