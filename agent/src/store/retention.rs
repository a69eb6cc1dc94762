//! What has to leave the outbox undelivered: too old, or beyond the quotas.

use eyot_pipeline::ledger::Lane;
use eyot_pipeline::retention::{GIVES_WAY, Held, Reason, WhenFull};
use eyot_pipeline::time::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::outbox::{self, Outbox, Removal};
use super::{fold, loss};

/// Records looked at together, and given up in one transaction for any reason that can wait.
const SLICE: u64 = 256;

impl Outbox {
    /// Brings the outbox within its bounds, and writes down what that cost. Returns how many loss
    /// records were added.
    pub(super) fn settle(&mut self, db: &Connection) -> rusqlite::Result<u64> {
        self.give_up_old(db)?;
        self.enforce_quotas(db)?;
        self.relieve(db)?;
        self.save_left(db)?;
        self.write_losses(db)
    }

    /// Whether [`Outbox::settle`] has something to do though nothing was added.
    pub(super) fn is_due(&self, db: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
        if self.held().bytes > self.squeezed {
            return Ok(true);
        }
        if self.quotas.age.is_none() {
            return Ok(false);
        }
        for lane in GIVES_WAY {
            let block = (lane == fold::LANE).then(|| fold::stored(db, OLDEST, 0));
            let block = block.transpose()?.flatten().map(|block| block.at);
            let ages = [oldest(db, lane)?, block].into_iter().flatten();
            if ages.into_iter().any(|at| self.quotas.outlived(at, now)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The disk is full: nothing beyond `spare` bytes may be added. Without any to spare a part of what is held is
    /// given up, so that what comes finds the room inside the database.
    pub(super) fn squeeze(&mut self, spare: u64) {
        let held = self.held().bytes;
        self.squeezed = match spare {
            0 => held - held / 16,
            spare => held + spare,
        };
    }

    /// The disk has room again.
    pub(super) fn relax(&mut self) {
        self.squeezed = u64::MAX;
    }

    /// A slice of those that have waited too long.
    fn give_up_old(&mut self, db: &Connection) -> rusqlite::Result<()> {
        if self.quotas.age.is_none() {
            return Ok(());
        }
        if let Some(block) = fold::stored(db, OLDEST, 0)?
            && self.quotas.outlived(block.at, self.now)
        {
            self.give_up_folded(db, block, u64::MAX, false, Reason::Age)?;
        }
        for lane in GIVES_WAY {
            let mut rows = candidates(db, lane, false)?;
            rows.retain(|row| self.quotas.outlived(row.at, self.now));
            self.give_up(db, lane, &rows, Reason::Age)?;
        }
        Ok(())
    }

    /// All that exceeds the quotas, the least urgent lane first.
    fn enforce_quotas(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let newest_first = self.quotas.when_full == WhenFull::DropNewest;
        for lane in GIVES_WAY {
            loop {
                let excess = self.quotas.excess(self.held());
                if excess.is_none() || self.give_up_some(db, lane, excess, newest_first)? == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// A slice of what a full disk has no room for: the transaction itself needs some.
    fn relieve(&mut self, db: &Connection) -> rusqlite::Result<()> {
        for lane in GIVES_WAY {
            let excess = Held {
                records: 0,
                bytes: self.held().bytes.saturating_sub(self.squeezed),
            };
            if excess.is_none() || self.give_up_some(db, lane, excess, false)? > 0 {
                break;
            }
        }
        Ok(())
    }

    /// Up to a slice of `lane`, and no more than it takes. Returns how many.
    fn give_up_some(
        &mut self,
        db: &Connection,
        lane: Lane,
        excess: Held,
        newest_first: bool,
    ) -> rusqlite::Result<usize> {
        if lane == fold::LANE
            && let Some(block) = next_block(db, newest_first)?
        {
            // The bytes go with the whole of it.
            let most = if excess.bytes > 0 {
                u64::MAX
            } else {
                excess.records
            };
            return self.give_up_folded(db, block, most, newest_first, Reason::Quota);
        }
        let mut rows = candidates(db, lane, newest_first)?;
        let mut left = excess;
        rows.retain(|row| {
            let needed = !left.is_none();
            left = left.without(Held {
                records: 1,
                bytes: row.bytes,
            });
            needed
        });
        self.give_up(db, lane, &rows, Reason::Quota)?;
        Ok(rows.len())
    }

    fn give_up(
        &mut self,
        db: &Connection,
        lane: Lane,
        rows: &[Candidate],
        reason: Reason,
    ) -> rusqlite::Result<()> {
        let seqs = rows.iter().map(|row| (lane, row.seq));
        self.remove(db, seqs, Removal::Evicted(reason))
    }

    /// Up to `most` records of a block. Returns how many.
    fn give_up_folded(
        &mut self,
        db: &Connection,
        block: fold::Stored,
        most: u64,
        newest_first: bool,
        reason: Reason,
    ) -> rusqlite::Result<usize> {
        // All that is known of a damaged one is where it begins.
        let waiting = self.waiting_in(db, block.first)?;
        let mut seqs = waiting.unwrap_or_else(|| vec![block.first]);
        if newest_first {
            seqs.reverse();
        }
        seqs.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        let rows = seqs.iter().map(|seq| (fold::LANE, *seq));
        self.remove(db, rows, Removal::Evicted(reason))?;
        Ok(seqs.len())
    }

    fn write_losses(&mut self, db: &Connection) -> rusqlite::Result<u64> {
        let unwritten = self.losses.unwritten();
        let waiting = self.book(Lane::Loss).buffered;
        let excess = (waiting + unwritten).saturating_sub(loss::MOST);
        if unwritten > 0 && excess > 0 {
            // And one for the record that tells of these.
            let excess = Held {
                records: excess + 1,
                bytes: 0,
            };
            self.give_up_some(db, Lane::Loss, excess, false)?;
        }
        let written = self.losses.write(db, self.now)?;
        self.enqueued(Lane::Loss, written.added, written.bytes);
        self.bytes[Lane::Loss as usize] -= written.bytes_before;
        Ok(written.added)
    }
}

/// Picks the oldest block.
const OLDEST: &str = "first > ?1 ORDER BY first LIMIT 1";

/// The oldest or newest block, if no record that is not in one comes before it.
fn next_block(db: &Connection, newest_first: bool) -> rusqlite::Result<Option<fold::Stored>> {
    let (block, row) = if newest_first {
        (
            fold::stored(db, "first < ?1 ORDER BY first DESC LIMIT 1", i64::MAX)?,
            "SELECT seq FROM outbox WHERE lane = ?1 ORDER BY seq DESC LIMIT 1",
        )
    } else {
        (
            fold::stored(db, OLDEST, 0)?,
            "SELECT seq FROM outbox WHERE lane = ?1 ORDER BY seq LIMIT 1",
        )
    };
    let row: Option<i64> = db
        .prepare_cached(row)?
        .query_row([outbox::code(fold::LANE)], |row| row.get(0))
        .optional()?;
    Ok(block.filter(|block| match row {
        Some(row) if newest_first => row < block.first,
        Some(row) => row > block.first,
        None => true,
    }))
}

/// A record that may have to go.
struct Candidate {
    seq: i64,
    at: Timestamp,
    bytes: u64,
}

/// A slice of the oldest, or of the newest, records of a lane.
fn candidates(db: &Connection, lane: Lane, newest_first: bool) -> rusqlite::Result<Vec<Candidate>> {
    let sql = if newest_first {
        "SELECT seq, at, LENGTH(body) FROM outbox WHERE lane = ?1 ORDER BY seq DESC LIMIT ?2"
    } else {
        "SELECT seq, at, LENGTH(body) FROM outbox WHERE lane = ?1 ORDER BY seq LIMIT ?2"
    };
    db.prepare_cached(sql)?
        .query_map((outbox::code(lane), SLICE), |row| {
            Ok(Candidate {
                seq: row.get(0)?,
                at: Timestamp(row.get(1)?),
                bytes: outbox::row_bytes(row.get(2)?),
            })
        })?
        .collect()
}

/// When the oldest record of a lane was committed.
fn oldest(db: &Connection, lane: Lane) -> rusqlite::Result<Option<Timestamp>> {
    db.prepare_cached("SELECT at FROM outbox WHERE lane = ?1 ORDER BY seq LIMIT 1")?
        .query_row([outbox::code(lane)], |row| Ok(Timestamp(row.get(0)?)))
        .optional()
}
