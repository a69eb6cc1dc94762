//! The numbers seen, of which only those near the numbers at hand are ever in memory.

use rusqlite::{Transaction, params};

use crate::collect::Ranges;

/// The part of a stream's ranges that some numbers can change.
#[derive(Debug)]
pub(super) struct Window {
    stream: i64,
    before: Ranges,
    now: Ranges,
    /// Smallest and largest number added.
    added: Option<(u64, u64)>,
    new: u64,
    repeated: u64,
}

impl Window {
    /// Loads what `numbers` touch.
    pub(super) fn load(
        tx: &Transaction<'_>,
        stream: i64,
        numbers: Vec<u64>,
    ) -> rusqlite::Result<Self> {
        let runs: Ranges = numbers.into_iter().map(|number| (number, number)).collect();
        let mut before = Ranges::default();
        let mut near = tx.prepare_cached(
            "SELECT first, last FROM seen WHERE stream = ?1 AND first <= ?2 ORDER BY first DESC",
        )?;
        for (first, last) in runs.iter() {
            // Neighbours too, since they grow together.
            let mut rows = near.query(params![stream, last.saturating_add(1).min(MAX)])?;
            while let Some(row) = rows.next()? {
                let (from, to): (u64, u64) = (row.get(0)?, row.get(1)?);
                if to.saturating_add(1) < first {
                    break;
                }
                before.insert_range(from, to);
            }
        }
        Ok(Self {
            stream,
            now: before.clone(),
            before,
            added: None,
            new: 0,
            repeated: 0,
        })
    }

    /// Adds one of the numbers; false if it has been seen.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        let new = self.now.insert(number);
        if new {
            let (first, last) = self.added.unwrap_or((number, number));
            self.added = Some((first.min(number), last.max(number)));
            self.new += 1;
        } else {
            self.repeated += 1;
        }
        new
    }

    /// Writes what has changed.
    pub(super) fn store(self, tx: &Transaction<'_>) -> rusqlite::Result<()> {
        let rows = |ranges: &Ranges| ranges.iter().collect::<std::collections::BTreeSet<_>>();
        let (before, now) = (rows(&self.before), rows(&self.now));
        for (first, _) in before.difference(&now) {
            tx.prepare_cached("DELETE FROM seen WHERE stream = ?1 AND first = ?2")?
                .execute(params![self.stream, first])?;
        }
        for (first, last) in now.difference(&before) {
            tx.prepare_cached("INSERT INTO seen (stream, first, last) VALUES (?1, ?2, ?3)")?
                .execute(params![self.stream, first, last])?;
        }
        let (first, last) = self.added.unzip();
        tx.prepare_cached(
            "UPDATE streams SET first = min(coalesce(first, ?2), coalesce(?2, first)),
               last = max(coalesce(last, ?3), coalesce(?3, last)),
               seen = seen + ?4, repeated = repeated + ?5
             WHERE id = ?1",
        )?
        .execute(params![self.stream, first, last, self.new, self.repeated])?;
        Ok(())
    }
}

/// The largest number that a database can compare.
const MAX: u64 = i64::MAX as u64;
