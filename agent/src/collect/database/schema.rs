//! The tables, which are a public format: docs/collect.md describes them.

use rusqlite::{Connection, TransactionBehavior};
use uuid::Uuid;

/// `user_version` of a database of this form.
pub(in crate::collect) const VERSION: usize = 1;

const TABLES: &str = "
    CREATE TABLE meta (
        key   TEXT PRIMARY KEY,
        value ANY NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE records (
        seq         INTEGER PRIMARY KEY,
        agent       TEXT NOT NULL,
        epoch       INTEGER NOT NULL,
        device      TEXT NOT NULL,
        number      INTEGER NOT NULL,
        schema      TEXT NOT NULL,
        kind        TEXT NOT NULL,
        time_start  TEXT,
        time_end    TEXT,
        received_at TEXT NOT NULL,
        body        TEXT NOT NULL,
        UNIQUE (agent, epoch, device, number)
    ) STRICT;

    -- One row for each sequence of dense numbers.
    CREATE TABLE streams (
        id       INTEGER PRIMARY KEY,
        agent    TEXT NOT NULL,
        epoch    INTEGER NOT NULL,
        device   TEXT NOT NULL,
        -- Smallest and largest number seen; none before the first.
        first    INTEGER,
        last     INTEGER,
        seen     INTEGER NOT NULL DEFAULT 0,
        repeated INTEGER NOT NULL DEFAULT 0,
        UNIQUE (agent, epoch, device)
    ) STRICT;

    -- The numbers seen, as ranges that neither overlap nor touch.
    CREATE TABLE seen (
        stream INTEGER NOT NULL REFERENCES streams,
        first  INTEGER NOT NULL,
        last   INTEGER NOT NULL,
        PRIMARY KEY (stream, first)
    ) STRICT, WITHOUT ROWID;

    -- What loss records announce: ranges of numbers, or mere counts.
    CREATE TABLE lost (
        stream INTEGER NOT NULL REFERENCES streams,
        first  INTEGER NOT NULL,
        last   INTEGER NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (stream, first, last, reason)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE lost_counts (
        stream INTEGER NOT NULL REFERENCES streams,
        reason TEXT NOT NULL,
        n      INTEGER NOT NULL,
        PRIMARY KEY (stream, reason)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE agents (
        agent TEXT PRIMARY KEY,
        name  TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE status (
        agent       TEXT PRIMARY KEY,
        received_at TEXT NOT NULL,
        body        TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- What was no record: how much for each reason, and the last of it.
    CREATE TABLE rubbish (
        reason      TEXT PRIMARY KEY,
        n           INTEGER NOT NULL,
        received_at TEXT NOT NULL,
        topic       TEXT NOT NULL,
        detail      TEXT NOT NULL,
        payload     BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- What the broker was asked for, so that it can be asked to forget it.
    CREATE TABLE filters (filter TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;

    -- Parquet files: which rows are in them, decided before one is written.
    CREATE TABLE files (
        number    INTEGER PRIMARY KEY AUTOINCREMENT,
        name      TEXT NOT NULL UNIQUE,
        first_seq INTEGER NOT NULL,
        last_seq  INTEGER NOT NULL,
        records   INTEGER NOT NULL,
        complete  INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX files_incomplete ON files (number) WHERE NOT complete;
";

/// Kept up by a trigger, so that it stays true whoever writes, whether asked for or not.
const LATEST: &str = "
    CREATE TABLE latest (
        agent       TEXT NOT NULL,
        device      TEXT NOT NULL,
        schema      TEXT NOT NULL,
        epoch       INTEGER NOT NULL,
        number      INTEGER NOT NULL,
        time_start  TEXT,
        time_end    TEXT,
        received_at TEXT NOT NULL,
        body        TEXT NOT NULL,
        PRIMARY KEY (agent, device, schema)
    ) STRICT, WITHOUT ROWID;

    CREATE TRIGGER latest_kept AFTER INSERT ON records BEGIN
        INSERT INTO latest
        VALUES (new.agent, new.device, new.schema, new.epoch, new.number, new.time_start,
                new.time_end, new.received_at, new.body)
        ON CONFLICT DO UPDATE SET
            epoch = excluded.epoch, number = excluded.number, time_start = excluded.time_start,
            time_end = excluded.time_end, received_at = excluded.received_at, body = excluded.body
        WHERE (excluded.epoch, excluded.number) > (epoch, number);
    END;

    -- The bare columns of a `max` are those of its row.
    INSERT INTO latest
    SELECT agent, device, schema, epoch, max(number), time_start, time_end, received_at, body
    FROM records AS r
    WHERE epoch = (SELECT max(epoch) FROM records
                   WHERE agent = r.agent AND device = r.device AND schema = r.schema)
    GROUP BY agent, device, schema;
";

/// Sets a connection up that writes. A commit is on the disk when it returns: it is acknowledged then.
pub(super) fn configure(db: &Connection) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(64);
    db.execute_batch(
        "PRAGMA busy_timeout = 5000;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA cache_size = -8192;
         PRAGMA journal_size_limit = 67108864;",
    )
}

pub(super) fn version(db: &Connection) -> rusqlite::Result<usize> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Whether there is nothing in it yet.
pub(super) fn is_empty(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
        row.get(0)
    })
}

pub(super) fn create(db: &mut Connection) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(TABLES)?;
    tx.execute(
        "INSERT INTO meta VALUES ('id', ?1)",
        [Uuid::new_v4().simple().to_string()],
    )?;
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}

/// From here on the latest records have a table of their own.
pub(super) fn keep_latest(db: &mut Connection) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !tx.table_exists(None, "latest")? {
        tx.execute_batch(LATEST)?;
    }
    tx.commit()
}

/// Remembers what the broker is asked for, and returns what it was before.
pub(super) fn swap_filters(
    db: &mut Connection,
    filters: &[String],
) -> rusqlite::Result<Vec<String>> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let before = tx
        .prepare_cached("SELECT filter FROM filters")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    tx.execute("DELETE FROM filters", [])?;
    for filter in filters {
        tx.prepare_cached("INSERT OR IGNORE INTO filters VALUES (?1)")?
            .execute([filter])?;
    }
    tx.commit()?;
    Ok(before)
}
