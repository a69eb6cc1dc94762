//! Records that wait for the gateway's clock to be set, since their times are by it.
//!
//! They are counted like all others of their lane, but nobody fetches them before they leave for the outbox: with their
//! times moved once it is known how far off they were, and as they are when they have waited for long enough, or when
//! nobody can know any more, since the gateway was started again.

use eyot_pipeline::ledger::Lane;
use eyot_pipeline::retention::Reason;
use eyot_pipeline::time::{Span, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use super::outbox::{self, Gone, Outbox, Removal};
use super::{Options, Record, UnsetBoot, loss};
use crate::clock::rfc3339;

/// The one lane whose records wait: alerts do not.
pub(super) const LANE: Lane = Lane::Summary;
/// Records that wait at most; beyond it the oldest leave as they are.
const MOST: u64 = 100_000;
/// Records that leave in one transaction.
const SLICE: u32 = 256;

/// What waits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waiting {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// The gateway's start in which its clock is not set, if it is not.
    boot: Option<u128>,
}

/// `eyot.timefix.v1`: how far off a clock was that had not been set.
#[derive(Serialize)]
struct TimefixV1<'a> {
    schema: &'static str,
    id: String,
    agent: &'a str,
    /// The gateway's start in which it was.
    boot: String,
    /// What times of that start are to be moved by.
    move_ms: i64,
    /// The same, exactly.
    move_ns: i64,
    /// When it was set.
    set_at: String,
}

/// What becomes of a record that waits.
enum Fate {
    /// It goes on waiting.
    Waits,
    /// It leaves as it is.
    Leaves,
    /// It leaves with its times moved by so much.
    Moves(Span),
}

/// A record that waits.
struct Row {
    id: i64,
    boot: u128,
    device: i64,
    number: u64,
    kind: String,
    oldest: Timestamp,
    body: Vec<u8>,
    crc: u32,
    at: Timestamp,
}

pub(super) fn load(db: &Connection) -> rusqlite::Result<Waiting> {
    let mut waiting = Waiting::default();
    let bodies: f64;
    (waiting.rows, bodies) = db.query_row(
        "SELECT COUNT(*), TOTAL(LENGTH(body)) FROM held",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    waiting.bytes = bodies as u64 + waiting.rows * outbox::row_bytes(0);
    Ok(waiting)
}

/// Starts of the gateway of which it is not known how far off its clock was.
pub(super) fn unset(db: &Connection) -> rusqlite::Result<Vec<UnsetBoot>> {
    let mut statement = db.prepare("SELECT boot, base FROM boots WHERE moved IS NULL")?;
    let rows = statement.query_map([], |row| {
        Ok(UnsetBoot {
            boot: u128::from_be_bytes(row.get(0)?),
            base: Timestamp(row.get(1)?),
        })
    })?;
    rows.collect()
}

/// In this start of the gateway its clock is not set; `None`: it is. What it was in others nobody will know any more.
pub(super) fn begin(db: &Connection, unset: Option<UnsetBoot>) -> rusqlite::Result<()> {
    let boot = unset.map(|unset| unset.boot.to_be_bytes());
    db.prepare_cached("DELETE FROM boots WHERE moved IS NULL AND boot IS NOT ?1")?
        .execute([boot])?;
    let Some(unset) = unset else { return Ok(()) };
    db.prepare_cached("INSERT OR IGNORE INTO boots (boot, base) VALUES (?1, ?2)")?
        .execute((unset.boot.to_be_bytes(), unset.base.0))?;
    Ok(())
}

impl Outbox {
    /// Puts a record by that waits for the clock.
    pub(super) fn hold(
        &mut self,
        db: &Connection,
        device: i64,
        record: &Record,
        boot: u128,
    ) -> rusqlite::Result<()> {
        db.prepare_cached(
            "INSERT INTO held (boot, device, effect, kind, oldest, body, crc, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            boot.to_be_bytes(),
            device,
            record.number,
            record.kind,
            record.oldest.0,
            record.body,
            outbox::checksum(device, record.number, &record.body),
            self.now.0,
        ])?;
        self.waiting.rows += 1;
        self.waiting.bytes += outbox::row_bytes(record.body.len());
        Ok(())
    }

    /// The clock is not set in this start of the gateway; `None`: it is, and those of other starts wait in vain.
    pub(super) fn clock_is_unset(&mut self, boot: Option<u128>) {
        self.waiting.boot = boot;
    }

    /// The clock was set: times of that start are to be moved by so much. The upstream is told.
    pub(super) fn clock_set(
        &mut self,
        db: &Connection,
        agent: &str,
        boot: u128,
        by: Span,
    ) -> rusqlite::Result<()> {
        self.waiting.boot = None;
        let known = db
            .prepare_cached("UPDATE boots SET moved = ?2 WHERE boot = ?1 AND moved IS NULL")?
            .execute((boot.to_be_bytes(), by.0))?;
        if known == 0 {
            return Ok(());
        }
        let row = outbox::open_device(db, loss::DEVICE, "")?;
        let number = row.last_effect + 1;
        let timefix = TimefixV1 {
            schema: "eyot.timefix.v1",
            id: self.losses.id(number),
            agent,
            boot: Uuid::from_u128(boot).to_string(),
            move_ms: by.as_millis(),
            move_ns: by.0,
            set_at: rfc3339(self.now),
        };
        // Strings and numbers: nothing here can fail to be written.
        let body = serde_json::to_vec(&timefix).unwrap_or_default();
        loss::insert(db, row.id, (number, "timefix"), self.now, self.now, &body)?;
        self.enqueued(Lane::Loss, 1, outbox::row_bytes(body.len()));
        Ok(())
    }

    /// Whether anything has waited for long enough.
    pub(super) fn is_release_due(
        &self,
        db: &Connection,
        options: &Options,
    ) -> rusqlite::Result<bool> {
        if self.waiting.rows == 0 {
            return Ok(false);
        }
        let Some(row) = first(db, 1)?.pop() else {
            return Ok(false);
        };
        Ok(!matches!(self.fate(db, &row, options)?, Fate::Waits))
    }

    /// Lets those go that need not wait any longer. Returns how many.
    pub(super) fn release(&mut self, db: &Connection, options: &Options) -> rusqlite::Result<u64> {
        if self.waiting.rows == 0 {
            return Ok(0);
        }
        let mut released = 0;
        for row in first(db, SLICE)? {
            let by = match self.fate(db, &row, options)? {
                Fate::Waits => break,
                Fate::Leaves => None,
                Fate::Moves(by) => Some(by),
            };
            db.prepare_cached("DELETE FROM held WHERE id = ?1")?
                .execute([row.id])?;
            let before = outbox::row_bytes(row.body.len());
            self.waiting.rows = self.waiting.rows.saturating_sub(1);
            self.waiting.bytes = self.waiting.bytes.saturating_sub(before);
            let gone = Gone {
                lane: LANE,
                device: row.device,
                number: row.number,
                oldest: row.oldest,
                bytes: before,
            };
            if outbox::checksum(row.device, row.number, &row.body) != row.crc {
                self.account(&gone, Removal::Evicted(Reason::Corrupt));
                continue;
            }
            let moved = by.and_then(|by| Some(((options.moved)(&row.body, by)?, row.oldest + by)));
            let (body, oldest) = moved.unwrap_or((row.body, row.oldest));
            let insert = outbox::INSERT.replacen("INSERT", "INSERT OR IGNORE", 1);
            let added = db.prepare_cached(&insert)?.execute(params![
                outbox::code(LANE),
                row.device,
                row.number,
                row.kind,
                oldest.0,
                body,
                outbox::checksum(row.device, row.number, &body),
                self.now.0,
            ])?;
            if added == 0 {
                // A damaged database has had it in both places.
                self.account(&gone, Removal::Evicted(Reason::Merged));
                continue;
            }
            let bytes = &mut self.bytes[LANE as usize];
            *bytes = bytes.saturating_sub(before) + outbox::row_bytes(body.len());
            released += 1;
        }
        Ok(released)
    }

    fn fate(&self, db: &Connection, row: &Row, options: &Options) -> rusqlite::Result<Fate> {
        let moved: Option<i64> = db
            .prepare_cached("SELECT moved FROM boots WHERE boot = ?1")?
            .query_row([row.boot.to_be_bytes()], |row| row.get(0))
            .optional()?
            .flatten();
        if let Some(by) = moved {
            return Ok(Fate::Moves(Span(by)));
        }
        let in_vain = self.waiting.boot != Some(row.boot);
        let waited = self.now - row.at;
        let long = waited >= options.hold_unsynced || waited < Span::ZERO;
        let waits = !in_vain && !long && self.waiting.rows <= MOST;
        Ok(if waits { Fate::Waits } else { Fate::Leaves })
    }
}

/// Those that have waited longest.
fn first(db: &Connection, limit: u32) -> rusqlite::Result<Vec<Row>> {
    let mut statement = db.prepare_cached(
        "SELECT id, boot, device, effect, kind, oldest, body, crc, at FROM held ORDER BY id LIMIT ?1",
    )?;
    let rows = statement.query_map([limit], |row| {
        Ok(Row {
            id: row.get(0)?,
            boot: u128::from_be_bytes(row.get(1)?),
            device: row.get(2)?,
            number: row.get(3)?,
            kind: row.get(4)?,
            oldest: Timestamp(row.get(5)?),
            body: row.get(6)?,
            crc: row.get(7)?,
            at: Timestamp(row.get(8)?),
        })
    })?;
    rows.collect()
}
