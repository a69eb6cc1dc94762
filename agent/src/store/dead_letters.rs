//! Messages that could not be decoded, kept with their raw bytes, the newest ones.

use eyot_pipeline::time::Timestamp;
use rusqlite::{Connection, params};

use super::schema::{self, key};
use super::{CRC, DeadLetter, DeadLetterRow, Leave, LetterCounts};

/// Stores `letters` and lets the oldest go beyond `cap` rows. A letter like one that is there
/// already only counts that one up: a device that repeats itself does not push out the others.
pub(super) fn append(db: &Connection, letters: &[DeadLetter], cap: usize) -> rusqlite::Result<()> {
    if letters.is_empty() {
        return Ok(());
    }
    let mut repeat = db.prepare_cached(
        "UPDATE dead_letters SET count = count + 1, at = ?1, trace_id = ?8
         WHERE crc = ?2 AND payload_len = ?3 AND source = ?4 AND topic = ?5 AND reason = ?6
           AND payload = ?7",
    )?;
    let mut insert = db.prepare_cached(
        "INSERT INTO dead_letters
             (at, crc, payload_len, source, topic, reason, payload, trace_id, detail, count)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1)",
    )?;
    for letter in letters {
        let crc = CRC.checksum(&letter.payload);
        let (source, topic, reason) = (&letter.source, &letter.topic, &*letter.reason);
        let repeated = repeat.execute(params![
            letter.at.0,
            crc,
            letter.payload_len,
            source,
            topic,
            reason,
            letter.payload,
            letter.trace_id
        ])?;
        if repeated == 0 {
            insert.execute(params![
                letter.at.0,
                crc,
                letter.payload_len,
                source,
                topic,
                reason,
                letter.payload,
                letter.trace_id,
                letter.detail
            ])?;
        }
    }
    evict(db, cap)
}

fn evict(db: &Connection, cap: usize) -> rusqlite::Result<()> {
    let excess = count(db)?.saturating_sub(cap as u64);
    if excess == 0 {
        return Ok(());
    }
    let mut delete = db.prepare_cached(
        "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters ORDER BY id LIMIT ?1)
         RETURNING count",
    )?;
    let mut evicted = 0;
    let mut rows = delete.query([excess])?;
    while let Some(row) = rows.next()? {
        evicted += row.get::<_, u64>(0)?;
    }
    schema::count_up(db, key::DEAD_LETTERS_EVICTED, evicted)
}

/// What became of all letters.
pub(super) fn counts(db: &Connection) -> rusqlite::Result<LetterCounts> {
    Ok(LetterCounts {
        kept: count(db)?,
        evicted: schema::counter(db, key::DEAD_LETTERS_EVICTED)?,
        dropped: schema::counter(db, key::DEAD_LETTERS_DROPPED)?,
        replayed: schema::counter(db, key::DEAD_LETTERS_REPLAYED)?,
    })
}

/// Takes out of each row as many messages as it was read with. Returns how many that were.
pub(super) fn leave(
    db: &Connection,
    letters: &[DeadLetterRow],
    how: Leave,
) -> rusqlite::Result<u64> {
    let mut lower = db.prepare_cached(
        "UPDATE dead_letters SET count = count - ?2 WHERE id = ?1 AND count > ?2",
    )?;
    let mut delete = db.prepare_cached("DELETE FROM dead_letters WHERE id = ?1 AND count = ?2")?;
    let mut removed = 0;
    for letter in letters {
        let row = (letter.id, letter.count);
        if lower.execute(row)? + delete.execute(row)? > 0 {
            removed += letter.count;
        }
    }
    let key = match how {
        Leave::Dropped => key::DEAD_LETTERS_DROPPED,
        Leave::Replayed => key::DEAD_LETTERS_REPLAYED,
    };
    if removed > 0 {
        schema::count_up(db, key, removed)?;
    }
    Ok(removed)
}

/// Rows kept.
fn count(db: &Connection) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT COUNT(*) FROM dead_letters")?
        .query_row([], |row| row.get(0))
}

/// Up to `limit` letters, newest first.
pub(super) fn list(db: &Connection, limit: usize) -> rusqlite::Result<Vec<DeadLetterRow>> {
    db.prepare_cached(
        "SELECT id, at, source, topic, reason, detail, payload, payload_len, crc, count, trace_id
         FROM dead_letters ORDER BY id DESC LIMIT ?1",
    )?
    .query_map([limit], |row| {
        let payload: Vec<u8> = row.get(6)?;
        let intact = CRC.checksum(&payload) == row.get::<_, u32>(8)?;
        Ok(DeadLetterRow {
            id: row.get(0)?,
            at: Timestamp(row.get(1)?),
            source: row.get(2)?,
            topic: row.get(3)?,
            reason: row.get(4)?,
            detail: row.get(5)?,
            payload: intact.then_some(payload),
            payload_len: row.get(7)?,
            trace_id: row.get(10)?,
            count: row.get(9)?,
        })
    })?
    .collect()
}
