//! Rows of the old database, as far as they make sense.

use eyot_pipeline::ledger::Lane;
use rusqlite::Row;

use crate::store::{CRC, outbox};

/// Numbers above this are damage.
pub(super) const LARGEST: i64 = 1 << 53;

/// A record on its way out.
pub(super) struct Record {
    pub(super) seq: i64,
    pub(super) lane: i64,
    pub(super) device: i64,
    pub(super) effect: u64,
    pub(super) kind: String,
    pub(super) oldest: i64,
    pub(super) body: Vec<u8>,
    pub(super) crc: u32,
    pub(super) at: i64,
}

pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let lane = row.get(1)?;
    if !Lane::ALL.iter().any(|known| outbox::code(*known) == lane) {
        return Err(rusqlite::Error::IntegralValueOutOfRange(1, lane));
    }
    Ok(Record {
        seq: row.get(0)?,
        lane,
        device: row.get(2)?,
        effect: row.get(3)?,
        kind: row.get(4)?,
        oldest: row.get(5)?,
        body: row.get(6)?,
        crc: row.get(7)?,
        at: row.get(8)?,
    })
}

/// A record that waits for the gateway's clock.
pub(super) struct Held {
    pub(super) id: i64,
    pub(super) boot: [u8; 16],
    pub(super) device: i64,
    pub(super) effect: u64,
    pub(super) kind: String,
    pub(super) oldest: i64,
    pub(super) body: Vec<u8>,
    pub(super) crc: u32,
    pub(super) at: i64,
}

pub(super) fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    Ok(Held {
        id: row.get(0)?,
        boot: row.get(1)?,
        device: row.get(2)?,
        effect: row.get(3)?,
        kind: row.get(4)?,
        oldest: row.get(5)?,
        body: row.get(6)?,
        crc: row.get(7)?,
        at: row.get(8)?,
    })
}

/// A device: id, name, class, last effect, last position.
pub(super) fn device(row: &Row<'_>) -> rusqlite::Result<(i64, String, String, i64, i64)> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
    ))
}

pub(super) type Letter = (
    i64,
    i64,
    String,
    String,
    String,
    String,
    Vec<u8>,
    u64,
    u32,
    u64,
    String,
);

/// A dead letter whose checksum is right, in the order of its columns.
pub(super) fn letter(row: &Row<'_>) -> rusqlite::Result<Letter> {
    let (payload, crc): (Vec<u8>, u32) = (row.get(6)?, row.get(8)?);
    if CRC.checksum(&payload) != crc {
        return Err(rusqlite::Error::InvalidQuery);
    }
    let (at, source, topic) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let (reason, detail) = (row.get(4)?, row.get(5)?);
    let (length, count) = (count(row, 7)?, count(row, 9)?);
    Ok((
        row.get(0)?,
        at,
        source,
        topic,
        reason,
        detail,
        payload,
        length,
        crc,
        count,
        row.get(10)?,
    ))
}

/// A number that can be one of the books.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let n: i64 = row.get(column)?;
    if (0..LARGEST).contains(&n) {
        Ok(n.unsigned_abs())
    } else {
        Err(rusqlite::Error::IntegralValueOutOfRange(column, n))
    }
}

/// Records that were folded.
pub(super) struct Block {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) rows: usize,
    pub(super) level: u32,
    pub(super) at: i64,
    pub(super) body: Vec<u8>,
    pub(super) crc: u32,
}

pub(super) fn block(row: &Row<'_>) -> rusqlite::Result<Block> {
    Ok(Block {
        first: row.get(0)?,
        last: row.get(1)?,
        rows: row.get(2)?,
        level: row.get(3)?,
        at: row.get(4)?,
        body: row.get(5)?,
        crc: row.get(6)?,
    })
}
