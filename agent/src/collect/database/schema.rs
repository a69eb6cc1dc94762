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

/// Of each window the summaries that hold: those of its last revision.
const SUMMARIES: &str = "
    CREATE VIEW IF NOT EXISTS summaries AS
    SELECT seq, agent, epoch, device, number, time_start, time_end, revision, received_at, body
    FROM (
        SELECT *, max((epoch << 32) + revision) OVER (
            PARTITION BY agent, device, time_start, time_end
        ) AS last
        FROM (
            SELECT *, coalesce(body ->> '$.window.revision', 0) AS revision
            FROM records WHERE kind = 'summary'
        )
    )
    WHERE (epoch << 32) + revision = last;
";

const LATEST: &str = "
    CREATE TABLE IF NOT EXISTS latest (
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
";

/// A summary is older than another one if its window is: a revision of an earlier window has the higher number.
const NEWER: &str = "
    ON CONFLICT DO UPDATE SET
        epoch = excluded.epoch, number = excluded.number, time_start = excluded.time_start,
        time_end = excluded.time_end, received_at = excluded.received_at, body = excluded.body
    WHERE (
        excluded.epoch, iif(schema GLOB 'eyot.summary.*', coalesce(excluded.time_end, ''), ''), excluded.number
    ) > (epoch, iif(schema GLOB 'eyot.summary.*', coalesce(time_end, ''), ''), number)
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

/// Views, and the latest records in a table of their own if there is one or, from here on, if `latest` asks for it.
/// A trigger keeps that up, so that it stays true whoever writes.
pub(super) fn keep_views(db: &mut Connection, latest: bool) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(SUMMARIES)?;
    let exists = tx.table_exists(None, "latest")?;
    if exists || latest {
        tx.execute_batch(LATEST)?;
        let columns =
            "agent, device, schema, epoch, number, time_start, time_end, received_at, body";
        if !exists {
            tx.execute_batch(&format!(
                "INSERT INTO latest SELECT {columns} FROM records WHERE true {NEWER}"
            ))?;
        }
        let values = columns.split(", ").map(|column| format!("new.{column}"));
        let values = values.collect::<Vec<_>>().join(", ");
        tx.execute_batch(&format!(
            "DROP TRIGGER IF EXISTS latest_kept;
             CREATE TRIGGER latest_kept AFTER INSERT ON records BEGIN
                 INSERT INTO latest VALUES ({values}) {NEWER};
             END;"
        ))?;
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
