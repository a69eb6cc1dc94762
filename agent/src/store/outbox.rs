//! Records on their way out, the devices' numbering, and the lanes' books.

use eyot_pipeline::ledger::{Lane, LaneBook};
use eyot_pipeline::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::schema::{self, key};
use super::{Commit, DeviceRow, Eviction, OutRow, checkpoints};

/// The lanes' books in memory. Changes are made on a copy inside a transaction, and the copy
/// replaces the original once that is committed.
///
/// Of the equation `enqueued = delivered + buffered + evicted`, `buffered` alone is not stored: it
/// is counted from the rows at start and on its own from then on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outbox {
    lanes: [LaneBook; Lane::ALL.len()],
    max_records: u64,
}

/// Why a row leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// The upstream has it.
    Delivered,
    /// Given up.
    Evicted(&'static str),
}

/// The reason of records that fail their checksum.
pub(super) const CORRUPT: Removal = Removal::Evicted("corrupt");
const QUOTA: Removal = Removal::Evicted("quota");

impl Outbox {
    pub(super) fn load(db: &Connection, max_records: u64) -> rusqlite::Result<Self> {
        let mut outbox = Self {
            lanes: [LaneBook::default(); Lane::ALL.len()],
            max_records,
        };
        for lane in Lane::ALL {
            let book = &mut outbox.lanes[lane as usize];
            let stored = db
                .prepare("SELECT enqueued, delivered, evicted FROM lanes WHERE lane = ?1")?
                .query_row([lane as i64], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()?;
            (book.enqueued, book.delivered, book.evicted) = stored.unwrap_or_default();
            book.buffered = db
                .prepare("SELECT COUNT(*) FROM outbox WHERE lane = ?1")?
                .query_row([lane as i64], |row| row.get(0))?;
            if !book.balanced() {
                tracing::error!(
                    lane = lane.name(),
                    ?book,
                    "books of the outbox do not balance"
                );
            }
        }
        Ok(outbox)
    }

    pub(super) fn lanes(&self) -> [(Lane, LaneBook); Lane::ALL.len()] {
        Lane::ALL.map(|lane| (lane, self.lanes[lane as usize]))
    }

    fn buffered(&self) -> u64 {
        self.lanes.iter().map(|book| book.buffered).sum()
    }

    /// Adds the effects that are new, and returns how many were.
    pub(super) fn append(&mut self, db: &Connection, commit: &Commit) -> rusqlite::Result<u64> {
        if commit.records.is_empty() && commit.checkpoint.is_none() {
            return Ok(0);
        }
        let Some(before) = last_effect(db, commit.device)? else {
            let refused = commit.records.len() as u64;
            tracing::error!(
                device = commit.device,
                refused,
                "records of a device never opened"
            );
            schema::count_up(db, key::REFUSED, refused)?;
            return Ok(0);
        };
        let mut last = before;
        let mut added = 0;
        let mut insert = db.prepare_cached(
            "INSERT INTO outbox (lane, device, effect, kind, oldest, body, crc)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for record in &commit.records {
            if record.number <= last {
                continue;
            }
            if record.number > last + 1 {
                tracing::error!(
                    device = commit.device,
                    last,
                    next = record.number,
                    "effects missing"
                );
                schema::count_up(db, key::EFFECT_GAPS, 1)?;
            }
            insert.execute(params![
                record.lane as i64,
                commit.device,
                record.number,
                record.kind,
                record.oldest.0,
                record.body,
                checksum(commit.device, record.number, &record.body),
            ])?;
            let book = &mut self.lanes[record.lane as usize];
            book.enqueued += 1;
            book.buffered += 1;
            last = record.number;
            added += 1;
        }
        if added > 0 {
            db.prepare_cached(
                "UPDATE devices SET last_effect = ?2, last_position = MAX(last_position, ?3) WHERE id = ?1",
            )?
            .execute((commit.device, last, commit.position))?;
        }
        if let Some(checkpoint) = &commit.checkpoint {
            checkpoints::save(db, commit.device, checkpoint)?;
        }
        Ok(added)
    }

    /// Removes the rows that are still there; for the others this is a no-op.
    pub(super) fn remove(
        &mut self,
        db: &Connection,
        rows: &[(Lane, i64)],
        why: Removal,
    ) -> rusqlite::Result<()> {
        let mut removed = [0; Lane::ALL.len()];
        let mut delete = db.prepare_cached("DELETE FROM outbox WHERE seq = ?1 AND lane = ?2")?;
        for &(lane, seq) in rows {
            removed[lane as usize] += delete.execute((seq, lane as i64))? as u64;
        }
        for lane in Lane::ALL {
            self.account(db, lane, removed[lane as usize], why)?;
        }
        Ok(())
    }

    /// Evicts what exceeds `max_records`: the least urgent lane first, its oldest first.
    pub(super) fn enforce_quota(&mut self, db: &Connection) -> rusqlite::Result<()> {
        for lane in Lane::ALL.into_iter().rev() {
            let excess = self.buffered().saturating_sub(self.max_records);
            if excess == 0 {
                break;
            }
            let removed = db
                .prepare_cached(
                    "DELETE FROM outbox WHERE seq IN
                     (SELECT seq FROM outbox WHERE lane = ?1 ORDER BY seq LIMIT ?2)",
                )?
                .execute((lane as i64, excess))?;
            self.account(db, lane, removed as u64, QUOTA)?;
        }
        Ok(())
    }

    fn account(
        &mut self,
        db: &Connection,
        lane: Lane,
        n: u64,
        why: Removal,
    ) -> rusqlite::Result<()> {
        if n == 0 {
            return Ok(());
        }
        let book = &mut self.lanes[lane as usize];
        book.buffered = book.buffered.saturating_sub(n);
        match why {
            Removal::Delivered => book.delivered += n,
            Removal::Evicted(reason) => {
                book.evicted += n;
                db.prepare_cached(
                    "INSERT INTO evictions (lane, reason, n) VALUES (?1, ?2, ?3)
                     ON CONFLICT (lane, reason) DO UPDATE SET n = n + excluded.n",
                )?
                .execute((lane as i64, reason, n))?;
            }
        }
        Ok(())
    }

    /// Writes the books of the lanes that differ from `stored`.
    pub(super) fn save(&self, db: &Connection, stored: &Self) -> rusqlite::Result<()> {
        for lane in Lane::ALL {
            let book = self.lanes[lane as usize];
            if book != stored.lanes[lane as usize] {
                db.prepare_cached(
                    "INSERT OR REPLACE INTO lanes (lane, enqueued, delivered, evicted)
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute((
                    lane as i64,
                    book.enqueued,
                    book.delivered,
                    book.evicted,
                ))?;
            }
        }
        Ok(())
    }
}

/// The device's row, created at first sight; its class is whatever it was opened with last.
pub(super) fn open_device(db: &Connection, name: &str, class: &str) -> rusqlite::Result<DeviceRow> {
    db.prepare_cached(
        "INSERT INTO devices (name, class, last_effect) VALUES (?1, ?2, 0)
         ON CONFLICT (name) DO UPDATE SET class = excluded.class
         RETURNING id, last_effect, last_position",
    )?
    .query_row((name, class), |row| {
        Ok(DeviceRow {
            id: row.get(0)?,
            last_effect: row.get(1)?,
            last_position: row.get(2)?,
            checkpoint: checkpoints::load(db, name, row.get(0)?)?,
        })
    })
}

fn last_effect(db: &Connection, device: i64) -> rusqlite::Result<Option<u64>> {
    db.prepare_cached("SELECT last_effect FROM devices WHERE id = ?1")?
        .query_row([device], |row| row.get(0))
        .optional()
}

/// Rows of a lane behind a position that can be sent, and those that cannot.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) intact: Vec<OutRow>,
    pub(super) corrupt: Vec<(Lane, i64)>,
}

/// Up to `limit` intact rows of `lane` with a position above `after`, oldest first.
pub(super) fn fetch(
    db: &Connection,
    lane: Lane,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Fetched> {
    let mut statement = db.prepare_cached(
        "SELECT seq, name, kind, effect, oldest, body, crc, device
         FROM outbox LEFT JOIN devices ON devices.id = device
         WHERE lane = ?1 AND seq > ?2 ORDER BY seq",
    )?;
    let mut rows = statement.query((lane as i64, after))?;
    let mut fetched = Fetched::default();
    while fetched.intact.len() < limit
        && let Some(row) = rows.next()?
    {
        // A value of the wrong type or range is damage too, and must not hold up what is behind it.
        match out_row(row, lane) {
            Ok(Some(intact)) => fetched.intact.push(intact),
            Ok(None) | Err(_) => fetched.corrupt.push((lane, row.get(0)?)),
        }
    }
    Ok(fetched)
}

/// The row, unless it fails its checksum or its device is gone.
fn out_row(row: &Row<'_>, lane: Lane) -> rusqlite::Result<Option<OutRow>> {
    let number = row.get(3)?;
    let body: Vec<u8> = row.get(5)?;
    let device: Option<String> = row.get(1)?;
    if checksum(row.get(7)?, number, &body) != row.get::<_, u32>(6)? {
        return Ok(None);
    }
    let (seq, kind, oldest) = (row.get(0)?, row.get(2)?, Timestamp(row.get(4)?));
    Ok(device.map(|device| OutRow {
        seq,
        lane,
        device,
        kind,
        number,
        oldest,
        body,
    }))
}

pub(super) fn evictions(db: &Connection) -> rusqlite::Result<Vec<Eviction>> {
    let mut statement = db.prepare_cached("SELECT lane, reason, n FROM evictions")?;
    let mut rows = statement.query([])?;
    let mut evictions = Vec::new();
    while let Some(row) = rows.next()? {
        if let Some(&lane) = Lane::ALL.get(row.get::<_, usize>(0)?) {
            evictions.push(Eviction {
                lane,
                reason: row.get(1)?,
                n: row.get(2)?,
            });
        }
    }
    Ok(evictions)
}

/// Covers what a record's id is made of, so that no record goes out under another's name.
pub(super) fn checksum(device: i64, number: u64, body: &[u8]) -> u32 {
    let mut digest = super::CRC.digest();
    digest.update(&device.to_le_bytes());
    digest.update(&number.to_le_bytes());
    digest.update(body);
    digest.finalize()
}
