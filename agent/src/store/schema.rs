//! Tables, their versions, and the few scalars in `meta`.

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, ToSql, TransactionBehavior};

/// Step n takes a database from `user_version` n to n + 1. Steps are never edited, only added.
pub(super) const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE meta (
        key   TEXT PRIMARY KEY,
        value ANY NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE devices (
        id          INTEGER PRIMARY KEY,
        name        TEXT NOT NULL UNIQUE,
        class       TEXT NOT NULL,
        last_effect INTEGER NOT NULL
    ) STRICT;

    -- AUTOINCREMENT: a position is never used twice, so a late acknowledgement hits nobody else.
    CREATE TABLE outbox (
        seq     INTEGER PRIMARY KEY AUTOINCREMENT,
        lane    INTEGER NOT NULL,
        device  INTEGER NOT NULL,
        effect  INTEGER NOT NULL,
        kind    TEXT NOT NULL,
        oldest INTEGER NOT NULL,
        body    BLOB NOT NULL,
        crc     INTEGER NOT NULL,
        UNIQUE (device, effect)
    ) STRICT;
    CREATE INDEX outbox_by_lane ON outbox (lane);

    CREATE TABLE lanes (
        lane      INTEGER PRIMARY KEY,
        enqueued  INTEGER NOT NULL,
        delivered INTEGER NOT NULL,
        evicted   INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE evictions (
        lane   INTEGER NOT NULL,
        reason TEXT NOT NULL,
        n      INTEGER NOT NULL,
        PRIMARY KEY (lane, reason)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE ledger (
        source TEXT NOT NULL,
        side   TEXT NOT NULL,
        term   TEXT NOT NULL,
        reason TEXT NOT NULL,
        n      INTEGER NOT NULL,
        PRIMARY KEY (source, side, term, reason)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE dead_letters (
        id          INTEGER PRIMARY KEY AUTOINCREMENT,
        at          INTEGER NOT NULL,
        source      TEXT NOT NULL,
        topic       TEXT NOT NULL,
        reason      TEXT NOT NULL,
        detail      TEXT NOT NULL,
        payload     BLOB NOT NULL,
        payload_len INTEGER NOT NULL,
        crc         INTEGER NOT NULL,
        count       INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX dead_letters_by_crc ON dead_letters (crc);
",
    "
    -- What the broker was asked for on behalf of a source, so that it can be asked to forget it.
    CREATE TABLE subscriptions (
        source TEXT NOT NULL,
        filter TEXT NOT NULL,
        PRIMARY KEY (source, filter)
    ) STRICT, WITHOUT ROWID;
",
    "
    -- Journal position of the last input whose effects are committed; 0 without a journal.
    ALTER TABLE devices ADD COLUMN last_position INTEGER NOT NULL DEFAULT 0;

    -- State machines as they stood behind an input. `tallies` is what became of the device's readings by
    -- then, `channels` those that its class does not list, both JSON.
    CREATE TABLE checkpoints (
        device   INTEGER PRIMARY KEY,
        position INTEGER NOT NULL,
        tallies  TEXT NOT NULL,
        channels TEXT NOT NULL,
        body     BLOB NOT NULL,
        crc      INTEGER NOT NULL
    ) STRICT;

    -- Times of which nobody knows what was lost: an agent died with readings that it had not journaled.
    CREATE TABLE gaps (
        id     INTEGER PRIMARY KEY AUTOINCREMENT,
        source TEXT NOT NULL,
        since  INTEGER NOT NULL,
        until  INTEGER NOT NULL,
        UNIQUE (source, since)
    ) STRICT;
",
    "
    -- Gateway time of the commit; 0 where it is not known.
    ALTER TABLE outbox ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
",
    "
    -- Records that waited for long, folded. Their positions are those they had in the outbox, in
    -- ranges that do not overlap.
    CREATE TABLE blocks (
        first INTEGER PRIMARY KEY,
        last  INTEGER NOT NULL,
        rows  INTEGER NOT NULL,
        -- How often its records were merged.
        level INTEGER NOT NULL,
        -- When the newest of them was committed.
        at    INTEGER NOT NULL,
        body  BLOB NOT NULL,
        crc   INTEGER NOT NULL
    ) STRICT;

    CREATE INDEX blocks_by_level ON blocks (level, first, rows);

    -- The records of a block that have left: how many, and a bit for each.
    CREATE TABLE blocks_left (
        block  INTEGER PRIMARY KEY,
        n      INTEGER NOT NULL,
        places BLOB NOT NULL
    ) STRICT;
",
    "
    -- How many messages were lost at most; NULL where nothing says.
    ALTER TABLE gaps ADD COLUMN at_most INTEGER;
    -- End of the newest window that a record tells of; 0 where it is not known.
    ALTER TABLE devices ADD COLUMN told_until INTEGER NOT NULL DEFAULT 0;
",
    "
    -- Records that wait for the gateway's clock to be set: their times are by it, in that start of the gateway.
    CREATE TABLE held (
        id     INTEGER PRIMARY KEY AUTOINCREMENT,
        boot   BLOB NOT NULL,
        device INTEGER NOT NULL,
        effect INTEGER NOT NULL,
        kind   TEXT NOT NULL,
        oldest INTEGER NOT NULL,
        body   BLOB NOT NULL,
        crc    INTEGER NOT NULL,
        -- Gateway time of the commit.
        at     INTEGER NOT NULL
    ) STRICT;

    -- Starts of the gateway in which its clock was not set: what its time was, less the time since then, and what
    -- that is to be moved by, in ns; NULL as long as nobody knows.
    CREATE TABLE boots (
        boot  BLOB PRIMARY KEY,
        base  INTEGER NOT NULL,
        moved INTEGER
    ) STRICT, WITHOUT ROWID;

    -- Of the journal's entry that the newest of them is in; empty if it is in none.
    ALTER TABLE dead_letters ADD COLUMN trace_id TEXT NOT NULL DEFAULT '';
",
];

/// Keys of `meta`.
pub(super) mod key {
    pub(in crate::store) const AGENT: &str = "agent";
    pub(in crate::store) const STORE_EPOCH: &str = "store_epoch";
    pub(in crate::store) const CLEAN_STOP: &str = "clean_stop";
    /// When every page was looked at last, in ns since the epoch.
    pub(in crate::store) const CHECKED_AT: &str = "checked_at";
    pub(in crate::store) const DEAD_LETTERS_EVICTED: &str = "dead_letters_evicted";
    pub(in crate::store) const DEAD_LETTERS_DROPPED: &str = "dead_letters_dropped";
    pub(in crate::store) const DEAD_LETTERS_REPLAYED: &str = "dead_letters_replayed";
    pub(in crate::store) const EFFECT_GAPS: &str = "effect_gaps";
    pub(in crate::store) const REFUSED: &str = "refused";
}

/// Bytes of a page of a new database. A commit changes a few bytes in each of some ten pages and writes them whole:
/// a quarter of SQLite's default is what makes the least of records of about a kilobyte.
pub(super) const PAGE: u16 = 1_024;

/// Sets the connection up for the writer.
pub(super) fn configure(db: &Connection) -> rusqlite::Result<()> {
    db.set_prepared_statement_cache_capacity(64);
    // Without effect on a database that is not new.
    db.pragma_update(None, "page_size", PAGE)?;
    db.execute_batch(
        "PRAGMA busy_timeout = 5000;
         PRAGMA journal_mode = WAL;
         PRAGMA wal_autocheckpoint = 4000;
         PRAGMA synchronous = NORMAL;
         PRAGMA cache_size = -256;
         PRAGMA journal_size_limit = 16777216;",
    )
}

/// Remembers what the broker is asked for on behalf of a source, and returns what it was before.
pub(super) fn swap_subscriptions(
    db: &Connection,
    source: &str,
    filters: &[String],
) -> rusqlite::Result<Vec<String>> {
    let tx = db.unchecked_transaction()?;
    let before = tx
        .prepare_cached("SELECT filter FROM subscriptions WHERE source = ?1")?
        .query_map([source], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    tx.execute("DELETE FROM subscriptions WHERE source = ?1", [source])?;
    for filter in filters {
        tx.prepare_cached("INSERT OR IGNORE INTO subscriptions (source, filter) VALUES (?1, ?2)")?
            .execute((source, filter))?;
    }
    tx.commit()?;
    Ok(before)
}

/// Moves the write-ahead log into the database, which syncs both: from here on the loss of power takes nothing
/// that was committed before.
///
/// # Errors
/// Also if a reader holds back a part of the log, of which SQLite itself makes no error. Another time, then.
pub(super) fn sync(db: &Connection) -> rusqlite::Result<()> {
    let (busy, pages, moved): (i64, i64, i64) =
        db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    if busy == 0 && moved == pages {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
        Some("a reader holds back a part of the write-ahead log".to_owned()),
    ))
}

/// The database's schema version; 0 when it is new.
pub(super) fn version(db: &Connection) -> rusqlite::Result<usize> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Takes the database from version `from` to the newest, one transaction a step.
pub(super) fn migrate(db: &mut Connection, from: usize) -> rusqlite::Result<()> {
    for (step, sql) in MIGRATIONS.iter().enumerate().skip(from) {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", step + 1)?;
        tx.commit()?;
    }
    Ok(())
}

pub(super) fn meta<T: FromSql>(db: &Connection, key: &str) -> rusqlite::Result<Option<T>> {
    db.prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

pub(super) fn set_meta(db: &Connection, key: &str, value: impl ToSql) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)")?
        .execute((key, value))?;
    Ok(())
}

/// A counter in `meta`; 0 before it was first counted up.
pub(super) fn counter(db: &Connection, key: &str) -> rusqlite::Result<u64> {
    Ok(meta(db, key)?.unwrap_or(0))
}

pub(super) fn count_up(db: &Connection, key: &str, by: u64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
    )?
    .execute((key, by))?;
    Ok(())
}
