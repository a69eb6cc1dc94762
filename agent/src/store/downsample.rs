//! Making room without leaving gaps: older summaries of a device become one, coarser one.
//!
//! It works on folded blocks, from the oldest on: two neighbours of a device are merged, and the block
//! that comes out is of the next level. Levels are kept about equally full, so the further back, the coarser,
//! and an outbox of n records with k levels covers some 2^k / k times as long. How two records become one is
//! not known here.

use std::collections::{BTreeMap, BTreeSet};

use eyot_pipeline::retention::{self, Quotas, Reason, WhenFull};
use eyot_pipeline::time::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::fold::{self, Fold, Unfolded};
use super::outbox::{Gone, Outbox, Removal};

/// Merges the bodies of two records of a device, the older one first, into one that has the identity of the
/// newer one. `None` if they cannot be merged.
pub type Merge = fn(&[u8], &[u8]) -> Option<Vec<u8>>;

/// Blocks that are merged at once, at most.
const BLOCKS: usize = 8;

/// Blocks that are merged into one.
#[derive(Default)]
struct Run {
    firsts: Vec<i64>,
    at: Timestamp,
    records: Vec<Unfolded>,
    /// Records that have an older one of their device in the run.
    neighbours: usize,
    devices: BTreeSet<i64>,
}

impl Outbox {
    /// If there is little room left: merges some blocks, or folds records into one so that there is something
    /// to merge. Returns how many records it has worked on.
    pub(super) fn downsample(
        &mut self,
        db: &Connection,
        how: Fold,
        merge: Merge,
    ) -> rusqlite::Result<usize> {
        let quotas = Quotas {
            bytes: self.quotas.bytes.min(self.squeezed),
            ..self.quotas
        };
        if quotas.when_full != WhenFull::Downsample || !quotas.is_nearly_full(self.held()) {
            return Ok(0);
        }
        let unfolded = self
            .book(fold::LANE)
            .buffered
            .saturating_sub(self.folded.rows);
        let mut rows = rows_by_level(db)?;
        rows.push((0, 0));
        if let Some((_, finest)) = rows.iter_mut().find(|(level, _)| *level == 0) {
            *finest += unfolded;
        }
        for level in retention::levels_to_merge(&rows) {
            let run = self.run(db, level, how)?;
            if run.neighbours > 0 {
                return self.merge(db, run, level, merge);
            }
            // A half at most, so that the newest keep their detail for as long as they can.
            if level == 0 && unfolded > 1 {
                return self.fold(db, how.rows.min(unfolded / 2).max(2));
            }
        }
        Ok(0)
    }

    /// The oldest blocks of a level that lie side by side: as many as it takes to make a full one.
    fn run(&mut self, db: &Connection, level: u32, how: Fold) -> rusqlite::Result<Run> {
        let mut run = Run::default();
        let Some(mut first) = self.oldest_of(db, level)? else {
            return Ok(run);
        };
        let enough = usize::try_from(how.rows).unwrap_or(usize::MAX);
        while run.firsts.len() < BLOCKS && run.neighbours < enough / 2 {
            let Some(records) = self.waiting_records(db, first)? else {
                break;
            };
            let Some((at, next)) = around(db, first)? else {
                break;
            };
            run.firsts.push(first);
            run.at = run.at.max(at);
            for record in &records {
                run.neighbours += usize::from(!run.devices.insert(record.device));
            }
            run.records.extend(records);
            match next {
                Some((next, its)) if its == level && !self.folded.is_lent(next) => first = next,
                _ => break,
            }
        }
        Ok(run)
    }

    fn oldest_of(&self, db: &Connection, level: u32) -> rusqlite::Result<Option<i64>> {
        let mut statement =
            db.prepare_cached("SELECT first FROM blocks WHERE level = ?1 ORDER BY first")?;
        let mut rows = statement.query([level])?;
        while let Some(row) = rows.next()? {
            let first = row.get(0)?;
            if !self.folded.is_lent(first) {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    /// Puts a block of pairs in the place of a run.
    fn merge(
        &mut self,
        db: &Connection,
        run: Run,
        level: u32,
        merge: Merge,
    ) -> rusqlite::Result<usize> {
        let worked = run.records.len();
        let mut alone: BTreeMap<i64, Unfolded> = BTreeMap::new();
        let mut records = Vec::with_capacity(worked);
        let mut gone = Vec::new();
        for newer in run.records {
            let Some(older) = alone.remove(&newer.device) else {
                alone.insert(newer.device, newer);
                continue;
            };
            if let Some(body) = merge(&older.body, &newer.body) {
                gone.push(Gone::from(&older));
                records.push(Unfolded {
                    oldest: older.oldest.min(newer.oldest),
                    body,
                    ..newer
                });
            } else {
                records.push(older);
                alone.insert(newer.device, newer);
            }
        }
        records.extend(alone.into_values());
        records.sort_unstable_by_key(|record| record.seq);
        for first in run.firsts {
            self.delete_block(db, first)?;
        }
        self.folded.rows = self.folded.rows.saturating_sub(worked as u64);
        for gone in &gone {
            self.account(gone, Removal::Evicted(Reason::Merged));
        }
        self.insert_folded(db, &records, level + 1, run.at)?;
        Ok(worked)
    }
}

impl From<&Unfolded> for Gone {
    fn from(record: &Unfolded) -> Self {
        Self {
            lane: fold::LANE,
            device: record.device,
            number: record.number,
            oldest: record.oldest,
            // They are the block's.
            bytes: 0,
        }
    }
}

/// Records by how often they were merged.
fn rows_by_level(db: &Connection) -> rusqlite::Result<Vec<(u32, u64)>> {
    db.prepare_cached("SELECT level, SUM(rows) FROM blocks GROUP BY level")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// When the newest record of a block was committed, and the block after it with its level.
#[expect(clippy::type_complexity, reason = "a row and the one after it")]
fn around(
    db: &Connection,
    first: i64,
) -> rusqlite::Result<Option<(Timestamp, Option<(i64, u32)>)>> {
    let at = db
        .prepare_cached("SELECT at FROM blocks WHERE first = ?1")?
        .query_row([first], |row| Ok(Timestamp(row.get(0)?)))
        .optional()?;
    let next = db
        .prepare_cached("SELECT first, level FROM blocks WHERE first > ?1 ORDER BY first LIMIT 1")?
        .query_row([first], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(at.map(|at| (at, next)))
}
