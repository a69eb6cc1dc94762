//! Summaries that have waited for long, folded into blocks of columns: a twentieth of their size.
//!
//! A folded record keeps its position and its id, and comes out as the JSON it was, but for numbers that are
//! kept in single precision and times that are kept to the millisecond; a field says so. A block goes
//! when all of its records have left; which have is a bit for each, in a table of its own.

mod block;
mod column;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eyot_pipeline::ledger::Lane;
use eyot_pipeline::retention::{self, Reason};
use eyot_pipeline::time::{Span, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

pub(super) use block::{Block, Entry, Unfolded};

use super::OutRow;
use super::outbox::{self, Gone, Outbox, Removal};

/// The lane whose records are folded.
pub(super) const LANE: Lane = Lane::Summary;
/// When summaries are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fold {
    /// Once they have waited for so long,
    pub after: Span,
    /// and so many of them make a block. More than a thousand would save little, and hold up a commit for
    /// longer.
    pub rows: u64,
}

/// Blocks that are kept unpacked.
const CACHED: usize = 4;

/// What is known of the blocks without reading them.
#[derive(Debug, Clone, Default)]
pub(super) struct Folded {
    pub(super) blocks: u64,
    /// Records in them that wait.
    pub(super) rows: u64,
    unpacked: Vec<(i64, Arc<Block>)>,
    /// Blocks that records were fetched of: what those say must stay as it is.
    lent: BTreeSet<i64>,
    /// What has left, of blocks that this transaction has touched.
    left: BTreeMap<i64, Left>,
}

/// Which records of a block have left.
#[derive(Debug, Clone)]
struct Left {
    n: u64,
    places: Vec<u8>,
}

/// A row of the table of blocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) first: i64,
    pub(super) last: i64,
    /// When its newest record was committed.
    pub(super) at: Timestamp,
}

impl Folded {
    /// The blocks of a database, and the bytes that they take up.
    pub(super) fn load(db: &Connection) -> rusqlite::Result<(Self, u64)> {
        let (blocks, rows, bodies): (u64, u64, f64) = db.query_row(
            "SELECT COUNT(*), IFNULL(SUM(rows), 0), TOTAL(LENGTH(body)) FROM blocks",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        let left: u64 = db.query_row("SELECT IFNULL(SUM(n), 0) FROM blocks_left", [], |row| {
            row.get(0)
        })?;
        let folded = Self {
            blocks,
            rows: rows.saturating_sub(left),
            ..Self::default()
        };
        Ok((folded, bodies as u64 + blocks * outbox::row_bytes(0)))
    }
}

impl Folded {
    pub(super) fn is_lent(&self, first: i64) -> bool {
        self.lent.contains(&first)
    }
}

impl Left {
    fn has(&self, index: usize) -> bool {
        self.places
            .get(index / 8)
            .is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }

    fn add(&mut self, index: usize) {
        if let Some(byte) = self.places.get_mut(index / 8) {
            *byte |= 1 << (index % 8);
            self.n += 1;
        }
    }
}

impl Outbox {
    /// Folds the oldest records if there are enough that have waited. Returns how many.
    pub(super) fn fold_some(&mut self, db: &Connection, how: Fold) -> rusqlite::Result<usize> {
        let unfolded = self.book(LANE).buffered.saturating_sub(self.folded.rows);
        if unfolded < how.rows {
            return Ok(0);
        }
        let last: Option<i64> = db
            .prepare_cached("SELECT at FROM outbox WHERE lane = ?1 ORDER BY seq LIMIT 1 OFFSET ?2")?
            .query_row((outbox::code(LANE), how.rows - 1), |row| row.get(0))
            .optional()?;
        let is_old = |at| retention::is_older(Timestamp(at), self.now, how.after);
        if !last.is_some_and(is_old) {
            return Ok(0);
        }
        self.fold(db, how.rows)
    }

    /// Folds up to `rows` of the oldest records into a block. Returns how many.
    pub(super) fn fold(&mut self, db: &Connection, rows: u64) -> rusqlite::Result<usize> {
        let (records, at) = oldest(db, rows)?;
        let (folded, body) = block::fold(&records);
        let [first, .., last] = folded[..] else {
            return Ok(0);
        };
        let mut delete =
            db.prepare_cached("DELETE FROM outbox WHERE seq = ?1 RETURNING LENGTH(body)")?;
        for seq in &folded {
            let body: usize = delete.query_row([seq], |row| row.get(0))?;
            self.bytes[LANE as usize] -= outbox::row_bytes(body);
        }
        self.insert_block(db, (first, last), folded.len(), 0, at, &body)?;
        Ok(folded.len())
    }

    /// Makes a block of records that were folded before.
    pub(super) fn insert_folded(
        &mut self,
        db: &Connection,
        records: &[Unfolded],
        level: u32,
        at: Timestamp,
    ) -> rusqlite::Result<()> {
        let (folded, body) = block::fold(records);
        let (Some(&first), Some(&last)) = (folded.first(), folded.last()) else {
            return Ok(());
        };
        self.insert_block(db, (first, last), folded.len(), level, at, &body)
    }

    fn insert_block(
        &mut self,
        db: &Connection,
        (first, last): (i64, i64),
        rows: usize,
        level: u32,
        at: Timestamp,
        body: &[u8],
    ) -> rusqlite::Result<()> {
        db.prepare_cached(
            "INSERT INTO blocks (first, last, rows, level, at, body, crc)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            first,
            last,
            rows,
            level,
            at.0,
            body,
            checksum(first, body)
        ])?;
        self.folded.blocks += 1;
        self.folded.rows += rows as u64;
        self.bytes[LANE as usize] += outbox::row_bytes(body.len());
        Ok(())
    }

    /// Up to `limit` records of blocks with a position above `after`, oldest first, and the first
    /// positions of blocks that are damaged.
    pub(super) fn fetch_folded(
        &mut self,
        db: &Connection,
        after: i64,
        limit: usize,
    ) -> rusqlite::Result<(Vec<OutRow>, Vec<i64>)> {
        let (mut rows, mut corrupt) = (Vec::new(), Vec::new());
        if self.folded.blocks == 0 {
            return Ok((rows, corrupt));
        }
        let mut next = after;
        while rows.len() < limit {
            let Some(stored) = stored(db, "last > ?1 ORDER BY first LIMIT 1", next)? else {
                break;
            };
            next = stored.last;
            let Some(block) = self.unpacked(db, stored.first)? else {
                corrupt.push(stored.first);
                continue;
            };
            let left = self.left(db, stored.first, &block)?;
            self.folded.lent.insert(stored.first);
            for (index, entry) in block.entries.iter().enumerate() {
                if rows.len() == limit {
                    break;
                }
                if entry.seq <= after || left.has(index) {
                    continue;
                }
                match name(db, entry.device)?.and_then(|name| block.unfold(index, name)) {
                    Some(record) => rows.push(record.into()),
                    None => corrupt.push(entry.seq),
                }
            }
        }
        Ok((rows, corrupt))
    }

    /// Removes a record that is in a block; a no-op if there is none, or it has left already.
    pub(super) fn remove_folded(
        &mut self,
        db: &Connection,
        seq: i64,
        why: Removal,
    ) -> rusqlite::Result<()> {
        if self.folded.blocks == 0 {
            return Ok(());
        }
        let Some(stored) = stored(db, "first <= ?1 ORDER BY first DESC LIMIT 1", seq)? else {
            return Ok(());
        };
        if stored.last < seq {
            return Ok(());
        }
        let Some(block) = self.unpacked(db, stored.first)? else {
            return self.remove_damaged(db, stored);
        };
        let Some(index) = block.find(seq) else {
            return Ok(());
        };
        let mut left = self.left(db, stored.first, &block)?;
        if left.has(index) {
            return Ok(());
        }
        left.add(index);
        let all = left.n == block.entries.len() as u64;
        self.folded.left.insert(stored.first, left);
        self.folded.rows = self.folded.rows.saturating_sub(1);
        self.account(&Gone::from(&block.entries[index]), why);
        if all {
            self.delete_block(db, stored.first)?;
        }
        Ok(())
    }

    /// Writes down which records of blocks have left.
    pub(super) fn save_left(&mut self, db: &Connection) -> rusqlite::Result<()> {
        for (block, left) in std::mem::take(&mut self.folded.left) {
            db.prepare_cached(
                "INSERT OR REPLACE INTO blocks_left (block, n, places) VALUES (?1, ?2, ?3)",
            )?
            .execute((block, left.n, left.places))?;
        }
        Ok(())
    }

    /// Positions in a block that have not left, in order; `None` if it is damaged.
    pub(super) fn waiting_in(
        &mut self,
        db: &Connection,
        first: i64,
    ) -> rusqlite::Result<Option<Vec<i64>>> {
        let Some(block) = self.unpacked(db, first)? else {
            return Ok(None);
        };
        let left = self.left(db, first, &block)?;
        let waiting = block.entries.iter().enumerate();
        let waiting = waiting.filter(|(index, _)| !left.has(*index));
        Ok(Some(waiting.map(|(_, entry)| entry.seq).collect()))
    }

    /// The records of a block that have not left; `None` if it is damaged, or one of them has lost its device.
    pub(super) fn waiting_records(
        &mut self,
        db: &Connection,
        first: i64,
    ) -> rusqlite::Result<Option<Vec<Unfolded>>> {
        let Some(block) = self.unpacked(db, first)? else {
            return Ok(None);
        };
        let left = self.left(db, first, &block)?;
        let mut records = Vec::with_capacity(block.entries.len());
        for (index, entry) in block.entries.iter().enumerate() {
            if !left.has(index) {
                let name = name(db, entry.device)?;
                let Some(record) = name.and_then(|name| block.unfold(index, name)) else {
                    return Ok(None);
                };
                records.push(record);
            }
        }
        Ok(Some(records))
    }

    pub(super) fn delete_block(&mut self, db: &Connection, first: i64) -> rusqlite::Result<()> {
        let body: usize = db
            .prepare_cached("DELETE FROM blocks WHERE first = ?1 RETURNING LENGTH(body)")?
            .query_row([first], |row| row.get(0))?;
        db.prepare_cached("DELETE FROM blocks_left WHERE block = ?1")?
            .execute([first])?;
        let bytes = &mut self.bytes[LANE as usize];
        *bytes = bytes.saturating_sub(outbox::row_bytes(body));
        self.folded.blocks -= 1;
        self.folded.left.remove(&first);
        self.folded.lent.remove(&first);
        self.folded.unpacked.retain(|(block, _)| *block != first);
        Ok(())
    }

    /// Whose records they were is not to be known any more.
    fn remove_damaged(&mut self, db: &Connection, stored: Stored) -> rusqlite::Result<()> {
        let rows: u64 = db
            .prepare_cached("SELECT rows FROM blocks WHERE first = ?1")?
            .query_row([stored.first], |row| row.get(0))
            .unwrap_or_default();
        let gone: Option<u64> = db
            .prepare_cached("SELECT n FROM blocks_left WHERE block = ?1")?
            .query_row([stored.first], |row| row.get(0))
            .optional()?;
        let waiting = rows.saturating_sub(gone.unwrap_or(0));
        tracing::error!(
            first = stored.first,
            records = waiting,
            "block of records is damaged"
        );
        for _ in 0..waiting {
            let gone = Gone {
                lane: LANE,
                device: 0,
                number: 0,
                oldest: stored.at,
                bytes: 0,
            };
            self.account(&gone, Removal::Evicted(Reason::Corrupt));
        }
        self.folded.rows = self.folded.rows.saturating_sub(waiting);
        self.delete_block(db, stored.first)
    }

    /// A block, from memory if it was used of late; `None` if it is damaged.
    fn unpacked(&mut self, db: &Connection, first: i64) -> rusqlite::Result<Option<Arc<Block>>> {
        let cached = &mut self.folded.unpacked;
        if let Some(at) = cached.iter().position(|(block, _)| *block == first) {
            let used = cached.remove(at);
            cached.push(used);
            return Ok(cached.last().map(|(_, block)| Arc::clone(block)));
        }
        let (rows, body, crc): (u64, Vec<u8>, u32) = db
            .prepare_cached("SELECT rows, body, crc FROM blocks WHERE first = ?1")?
            .query_row([first], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let intact = checksum(first, &body) == crc;
        let block = intact.then(|| Block::unpack(&body)).flatten();
        let Some(block) = block.filter(|block| block.entries.len() as u64 == rows) else {
            return Ok(None);
        };
        let block = Arc::new(block);
        if cached.len() == CACHED {
            cached.remove(0);
        }
        cached.push((first, Arc::clone(&block)));
        Ok(Some(block))
    }

    fn left(&self, db: &Connection, first: i64, block: &Block) -> rusqlite::Result<Left> {
        if let Some(left) = self.folded.left.get(&first) {
            return Ok(left.clone());
        }
        let stored = db
            .prepare_cached("SELECT n, places FROM blocks_left WHERE block = ?1")?
            .query_row([first], |row| {
                Ok(Left {
                    n: row.get(0)?,
                    places: row.get(1)?,
                })
            })
            .optional()?;
        Ok(stored.unwrap_or_else(|| Left {
            n: 0,
            places: vec![0; block.entries.len().div_ceil(8)],
        }))
    }
}

impl From<&Entry> for Gone {
    fn from(entry: &Entry) -> Self {
        Self {
            lane: LANE,
            device: entry.device,
            number: entry.number,
            oldest: entry.oldest,
            // They are the block's.
            bytes: 0,
        }
    }
}

impl From<Unfolded> for OutRow {
    fn from(record: Unfolded) -> Self {
        Self {
            seq: record.seq,
            lane: LANE,
            device: record.name,
            kind: record.kind,
            number: record.number,
            oldest: record.oldest,
            body: record.body,
        }
    }
}

/// Device and number of each record of a stored block; `None` if it is damaged.
pub(super) fn numbers(first: i64, body: &[u8], crc: u32) -> Option<Vec<(i64, u64)>> {
    let block = (checksum(first, body) == crc).then(|| Block::unpack(body))??;
    let entries = block.entries.iter();
    Some(entries.map(|entry| (entry.device, entry.number)).collect())
}

/// The block that a condition on one position picks.
pub(super) fn stored(
    db: &Connection,
    condition: &'static str,
    seq: i64,
) -> rusqlite::Result<Option<Stored>> {
    db.prepare_cached(&format!(
        "SELECT first, last, at FROM blocks WHERE {condition}"
    ))?
    .query_row([seq], |row| {
        Ok(Stored {
            first: row.get(0)?,
            last: row.get(1)?,
            at: Timestamp(row.get(2)?),
        })
    })
    .optional()
}

/// The oldest records that are intact, and when the newest of them was committed.
fn oldest(db: &Connection, rows: u64) -> rusqlite::Result<(Vec<Unfolded>, Timestamp)> {
    let mut statement = db.prepare_cached(
        "SELECT seq, device, name, effect, kind, oldest, body, crc, at
         FROM outbox JOIN devices ON devices.id = device
         WHERE lane = ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut rows = statement.query((outbox::code(LANE), rows))?;
    let (mut records, mut newest) = (Vec::new(), Timestamp(0));
    while let Some(row) = rows.next()? {
        let record = || {
            let record = Unfolded {
                seq: row.get(0)?,
                device: row.get(1)?,
                name: row.get(2)?,
                number: row.get(3)?,
                kind: row.get(4)?,
                oldest: Timestamp(row.get(5)?),
                body: row.get(6)?,
            };
            let crc = outbox::checksum(record.device, record.number, &record.body);
            Ok::<_, rusqlite::Error>((crc == row.get::<_, u32>(7)?).then_some(record))
        };
        // What is damaged is found, and counted, when it is fetched.
        if let Ok(Some(record)) = record() {
            records.push(record);
            newest = newest.max(Timestamp(row.get(8)?));
        }
    }
    Ok((records, newest))
}

fn name(db: &Connection, device: i64) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT name FROM devices WHERE id = ?1")?
        .query_row([device], |row| row.get(0))
        .optional()
}

fn checksum(first: i64, body: &[u8]) -> u32 {
    let mut digest = super::CRC.digest();
    digest.update(&first.to_le_bytes());
    digest.update(body);
    digest.finalize()
}
