//! Records on their way out, the devices' numbering, and the lanes' books.

use eyot_pipeline::ledger::{Lane, LaneBook};
use eyot_pipeline::retention::{GIVES_WAY, Held, Quotas, Reason};
use eyot_pipeline::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::fold::{self, Folded};
use super::held::{self, Waiting};
use super::loss::Losses;
use super::schema::{self, key};
use super::{Commit, DeviceRow, Eviction, OutRow, checkpoints};

/// The lanes' books in memory. Changes are made on a copy inside a transaction, and the copy
/// replaces the original once that is committed.
///
/// Of the equation `enqueued = delivered + buffered + evicted`, `buffered` alone is not stored: it
/// is counted from the rows at start and on its own from then on.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    lanes: [LaneBook; Lane::ALL.len()],
    pub(super) bytes: [u64; Lane::ALL.len()],
    pub(super) quotas: Quotas,
    /// Bytes that may be held while the disk is full; more than any otherwise.
    pub(super) squeezed: u64,
    pub(super) losses: Losses,
    pub(super) folded: Folded,
    pub(super) waiting: Waiting,
    /// Gateway time of the transaction.
    pub(super) now: Timestamp,
}

/// Why a row leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// The upstream has it.
    Delivered,
    /// Given up.
    Evicted(Reason),
}

/// A record that left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gone {
    pub(super) lane: Lane,
    pub(super) device: i64,
    pub(super) number: u64,
    pub(super) oldest: Timestamp,
    pub(super) bytes: u64,
}

pub(super) const INSERT: &str =
    "INSERT INTO outbox (lane, device, effect, kind, oldest, body, crc, at)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

/// A row's share of the table and its indices, beside the body.
const ROW_BYTES: u64 = 100;

/// What a row with a body of so many bytes takes up.
pub(super) const fn row_bytes(body: usize) -> u64 {
    body as u64 + ROW_BYTES
}

/// How a lane is stored: for ever, in whatever order lanes are sent.
pub(super) const fn code(lane: Lane) -> i64 {
    match lane {
        Lane::Alert => 0,
        Lane::Summary => 1,
        Lane::Loss => 2,
    }
}

/// The lanes' books and bytes as they are stored, most urgent first.
pub(super) type Lanes = ([LaneBook; Lane::ALL.len()], [u64; Lane::ALL.len()]);

/// The lanes of a database that nobody has loaded.
pub(super) fn stored_lanes(db: &Connection) -> rusqlite::Result<Lanes> {
    let folded = Folded::load(db)?;
    lanes(db, &folded, held::load(db)?)
}

fn lanes(
    db: &Connection,
    (folded, folded_bytes): &(Folded, u64),
    waiting: Waiting,
) -> rusqlite::Result<Lanes> {
    let mut books = [LaneBook::default(); Lane::ALL.len()];
    let mut bytes = [0; Lane::ALL.len()];
    for lane in Lane::ALL {
        let book = &mut books[lane as usize];
        let stored = db
            .prepare("SELECT enqueued, delivered, evicted FROM lanes WHERE lane = ?1")?
            .query_row([code(lane)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        (book.enqueued, book.delivered, book.evicted) = stored.unwrap_or_default();
        let bodies: u64;
        (book.buffered, bodies) = db
            .prepare("SELECT COUNT(*), TOTAL(LENGTH(body)) FROM outbox WHERE lane = ?1")?
            .query_row([code(lane)], |row| {
                Ok((row.get(0)?, row.get::<_, f64>(1)? as u64))
            })?;
        bytes[lane as usize] = bodies + book.buffered * ROW_BYTES;
        if lane == fold::LANE {
            book.buffered += folded.rows;
            bytes[lane as usize] += folded_bytes;
        }
        if lane == held::LANE {
            book.buffered += waiting.rows;
            bytes[lane as usize] += waiting.bytes;
        }
        if !book.balanced() {
            tracing::error!(
                lane = lane.name(),
                ?book,
                "books of the outbox do not balance"
            );
        }
    }
    Ok((books, bytes))
}

impl Outbox {
    pub(super) fn load(
        db: &Connection,
        quotas: Quotas,
        losses: Losses,
        now: Timestamp,
    ) -> rusqlite::Result<Self> {
        let (folded, waiting) = (Folded::load(db)?, held::load(db)?);
        let (lanes, bytes) = lanes(db, &folded, waiting)?;
        Ok(Self {
            folded: folded.0,
            waiting,
            lanes,
            bytes,
            quotas,
            squeezed: u64::MAX,
            losses,
            now,
        })
    }

    pub(super) fn lanes(&self) -> [(Lane, LaneBook); Lane::ALL.len()] {
        Lane::ALL.map(|lane| (lane, self.book(lane)))
    }

    pub(super) fn book(&self, lane: Lane) -> LaneBook {
        self.lanes[lane as usize]
    }

    /// What the quotas count.
    pub(super) fn held(&self) -> Held {
        let mut held = Held::default();
        for lane in GIVES_WAY {
            held.records += self.book(lane).buffered;
            held.bytes += self.bytes[lane as usize];
        }
        // What waits for the clock has a bound of its own.
        held.records = held.records.saturating_sub(self.waiting.rows);
        held.bytes = held.bytes.saturating_sub(self.waiting.bytes);
        held
    }

    /// So many records of so many bytes have come.
    pub(super) fn enqueued(&mut self, lane: Lane, records: u64, bytes: u64) {
        let book = &mut self.lanes[lane as usize];
        book.enqueued += records;
        book.buffered += records;
        self.bytes[lane as usize] += bytes;
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
        let mut insert = db.prepare_cached(INSERT)?;
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
            if let Some(boot) = record.unset {
                self.hold(db, commit.device, record, boot)?;
            } else {
                insert.execute(params![
                    code(record.lane),
                    commit.device,
                    record.number,
                    record.kind,
                    record.oldest.0,
                    record.body,
                    checksum(commit.device, record.number, &record.body),
                    self.now.0,
                ])?;
            }
            self.enqueued(record.lane, 1, row_bytes(record.body.len()));
            last = record.number;
            added += 1;
        }
        if added > 0 {
            db.prepare_cached(
                "UPDATE devices SET last_effect = ?2, last_position = MAX(last_position, ?3),
                 told_until = MAX(told_until, ?4) WHERE id = ?1",
            )?
            .execute((commit.device, last, commit.position, commit.told_until.0))?;
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
        rows: impl IntoIterator<Item = (Lane, i64)>,
        why: Removal,
    ) -> rusqlite::Result<()> {
        let mut delete = db.prepare_cached(
            "DELETE FROM outbox WHERE seq = ?1 AND lane = ?2
             RETURNING device, effect, oldest, LENGTH(body)",
        )?;
        for (lane, seq) in rows {
            let gone = delete
                .query_row((seq, code(lane)), |row| {
                    Ok(Gone {
                        lane,
                        // What is damaged has to go as well.
                        device: row.get(0).unwrap_or_default(),
                        number: row.get(1).unwrap_or_default(),
                        oldest: Timestamp(row.get(2).unwrap_or_default()),
                        bytes: row_bytes(row.get(3)?),
                    })
                })
                .optional()?;
            match gone {
                Some(gone) => self.account(&gone, why),
                None if lane == fold::LANE => self.remove_folded(db, seq, why)?,
                None => {}
            }
        }
        Ok(())
    }

    pub(super) fn account(&mut self, gone: &Gone, why: Removal) {
        let waiting = self.book(Lane::Loss).buffered;
        let book = &mut self.lanes[gone.lane as usize];
        book.buffered = book.buffered.saturating_sub(1);
        let bytes = &mut self.bytes[gone.lane as usize];
        *bytes = bytes.saturating_sub(gone.bytes);
        match why {
            Removal::Delivered => book.delivered += 1,
            Removal::Evicted(reason) => {
                book.evicted += 1;
                self.losses.add(reason, gone, self.now, waiting);
            }
        }
    }

    /// So many records of a lane, counted as evicted by now, were lost with a damaged database: that is told as well.
    pub(super) fn write_off(
        &mut self,
        db: &Connection,
        lost: &[(Lane, u64)],
    ) -> rusqlite::Result<()> {
        let stored = self.clone();
        let tx = db.unchecked_transaction()?;
        for &(lane, n) in lost {
            let book = &mut self.lanes[lane as usize];
            let n = n.min(book.evicted);
            (book.evicted, book.buffered) = (book.evicted - n, book.buffered + n);
            let gone = Gone {
                lane,
                device: 0,
                number: 0,
                oldest: self.now,
                bytes: 0,
            };
            for _ in 0..n {
                self.account(&gone, Removal::Evicted(Reason::Corrupt));
            }
        }
        self.settle(&tx)?;
        self.save(&tx, &stored)?;
        tx.commit()
    }

    /// Up to `limit` intact rows of `lane` with a position above `after`, oldest first, which may be sent
    /// now: what they say must stay as it is.
    pub(super) fn lend(
        &mut self,
        db: &Connection,
        lane: Lane,
        after: i64,
        limit: usize,
    ) -> rusqlite::Result<Fetched> {
        let mut fetched = fetch(db, lane, after, limit)?;
        if lane == fold::LANE {
            let (rows, corrupt) = self.fetch_folded(db, after, limit)?;
            fetched.corrupt.extend(corrupt);
            if !rows.is_empty() {
                fetched.intact.extend(rows);
                fetched.intact.sort_unstable_by_key(|row| row.seq);
                fetched.intact.truncate(limit);
            }
        }
        if lane == Lane::Loss {
            self.losses.close(fetched.intact.iter().map(|row| row.seq));
        }
        Ok(fetched)
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
                    code(lane),
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
         RETURNING id, last_effect, last_position, told_until",
    )?
    .query_row((name, class), |row| {
        Ok(DeviceRow {
            id: row.get(0)?,
            last_effect: row.get(1)?,
            last_position: row.get(2)?,
            told_until: Timestamp(row.get(3)?),
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
    pub(super) corrupt: Vec<i64>,
}

/// Up to `limit` intact rows of `lane` with a position above `after`, oldest first.
fn fetch(db: &Connection, lane: Lane, after: i64, limit: usize) -> rusqlite::Result<Fetched> {
    let mut statement = db.prepare_cached(
        "SELECT seq, name, kind, effect, oldest, body, crc, device
         FROM outbox LEFT JOIN devices ON devices.id = device
         WHERE lane = ?1 AND seq > ?2 ORDER BY seq",
    )?;
    let mut rows = statement.query((code(lane), after))?;
    let mut fetched = Fetched::default();
    while fetched.intact.len() < limit
        && let Some(row) = rows.next()?
    {
        // A value of the wrong type or range is damage too, and must not hold up what is behind it.
        match out_row(row, lane) {
            Ok(Some(intact)) => fetched.intact.push(intact),
            Ok(None) | Err(_) => fetched.corrupt.push(row.get(0)?),
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

/// Counts `n` records given up.
pub(super) fn count_evictions(
    db: &Connection,
    lane: Lane,
    reason: Reason,
    n: u64,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO evictions (lane, reason, n) VALUES (?1, ?2, ?3)
         ON CONFLICT (lane, reason) DO UPDATE SET n = n + excluded.n",
    )?
    .execute((code(lane), reason.name(), n))?;
    Ok(())
}

/// The newest position that any record was ever given; 0 before the first.
pub(super) fn newest(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT COALESCE(MAX(seq), 0) FROM sqlite_sequence WHERE name = 'outbox'")?
        .query_row([], |row| row.get(0))
}

pub(super) fn evictions(db: &Connection) -> rusqlite::Result<Vec<Eviction>> {
    let mut statement = db.prepare_cached("SELECT lane, reason, n FROM evictions")?;
    let mut rows = statement.query([])?;
    let mut evictions = Vec::new();
    while let Some(row) = rows.next()? {
        let stored: i64 = row.get(0)?;
        if let Some(lane) = Lane::ALL.into_iter().find(|lane| code(*lane) == stored) {
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
