//! Loss records: what was given up is itself told to the upstream.
//!
//! Evictions of one lane and reason share a record for as long as it is not on its way, and for a
//! minute at most; so a full outbox costs a record a minute and not one for each that goes. When many
//! wait already, they share one for longer. A record that was fetched is closed, since what the
//! upstream got must be what was counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use eyot_pipeline::ledger::Lane;
use eyot_pipeline::retention::Reason;
use eyot_pipeline::time::{Span, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::Identity;
use super::outbox::{self, Gone};
use crate::clock::rfc3339;

/// Name under which loss records are numbered. No device may have it.
pub const DEVICE: &str = "_loss";
const KIND: &str = "loss";
/// How long evictions are added to the same record.
const SHARED: Span = Span::from_secs(60);
/// Devices listed in a record; of the others only the number of their records is told.
const LISTED: usize = 64;
/// Records waiting from which on no new one is begun just because a minute is over.
const MANY: u64 = 256;
/// Records waiting at most.
pub(super) const MOST: u64 = 512;

/// What was lost and is being told.
#[derive(Debug, Clone)]
pub(super) struct Losses {
    agent: Arc<str>,
    /// `agent-uuid/epoch/_loss`.
    prefix: Arc<str>,
    open: BTreeMap<(Lane, Reason), Open>,
}

/// A loss record that may still grow.
#[derive(Debug, Clone)]
struct Open {
    /// Position and number, once it is in the outbox.
    row: Option<(i64, u64)>,
    /// Gateway time of its first eviction.
    since: Timestamp,
    /// Evictions that are not yet written.
    new: u64,
    count: u64,
    unlisted: u64,
    from: Timestamp,
    to: Timestamp,
    /// First and last effect number by device.
    devices: BTreeMap<i64, (u64, u64)>,
}

/// What writing changed in the outbox.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) added: u64,
    pub(super) bytes_before: u64,
    pub(super) bytes: u64,
}

/// `eyot.loss.v1`
#[derive(Serialize)]
struct LossV1<'a> {
    schema: &'static str,
    id: String,
    agent: &'a str,
    lane: &'static str,
    reason: &'static str,
    count: u64,
    from: String,
    to: String,
    records: Vec<RecordsV1>,
    unlisted: u64,
}

#[derive(Serialize)]
struct RecordsV1 {
    device: String,
    from: u64,
    to: u64,
}

impl Losses {
    pub(super) fn new(agent: &str, identity: Identity) -> Self {
        Self {
            agent: agent.into(),
            prefix: format!("{}/{}/{DEVICE}", identity.agent, identity.store_epoch).into(),
            open: BTreeMap::new(),
        }
    }

    /// The id of a record of that number.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}/{number}", self.prefix)
    }

    /// A record was given up at `now`, while `waiting` loss records were in the outbox.
    pub(super) fn add(&mut self, reason: Reason, gone: &Gone, now: Timestamp, waiting: u64) {
        let open = self
            .open
            .entry((gone.lane, reason))
            .or_insert_with(|| Open::new(gone, now));
        let age = Span((now.0.saturating_sub(open.since.0)).saturating_abs());
        if age >= SHARED && waiting < MANY && open.new == 0 {
            *open = Open::new(gone, now);
        }
        open.add(gone);
    }

    /// Loss records that the next [`Losses::write`] adds.
    pub(super) fn unwritten(&self) -> u64 {
        self.open
            .values()
            .filter(|open| open.row.is_none() && open.new > 0)
            .count() as u64
    }

    /// These positions of the loss lane are on their way: what is there is told.
    pub(super) fn close(&mut self, seqs: impl Iterator<Item = i64>) {
        for seq in seqs {
            self.open
                .retain(|_, open| open.row.is_none_or(|(row, _)| row != seq));
        }
    }

    /// Counts and writes what was added since the last time.
    pub(super) fn write(&mut self, db: &Connection, now: Timestamp) -> rusqlite::Result<Written> {
        let mut written = Written::default();
        let Self {
            agent,
            prefix,
            open,
        } = self;
        for ((lane, reason), open) in open.iter_mut().filter(|(_, open)| open.new > 0) {
            outbox::count_evictions(db, *lane, *reason, open.new)?;
            open.new = 0;
            if let Some((seq, number)) = open.row {
                let body = open.encode(db, agent, prefix, *lane, *reason, number)?;
                if let Some(before) = rewrite(db, seq, number, &body)? {
                    written.bytes_before += before;
                    written.bytes += outbox::row_bytes(body.len());
                    continue;
                }
            }
            let row = outbox::open_device(db, DEVICE, "")?;
            let number = row.last_effect + 1;
            let body = open.encode(db, agent, prefix, *lane, *reason, number)?;
            let seq = insert(db, row.id, (number, KIND), open.from, now, &body)?;
            open.row = Some((seq, number));
            written.added += 1;
            written.bytes += outbox::row_bytes(body.len());
        }
        Ok(written)
    }
}

impl Open {
    fn new(first: &Gone, now: Timestamp) -> Self {
        Self {
            row: None,
            since: now,
            new: 0,
            count: 0,
            unlisted: 0,
            from: first.oldest,
            to: first.oldest,
            devices: BTreeMap::new(),
        }
    }

    fn add(&mut self, gone: &Gone) {
        self.new += 1;
        self.count += 1;
        self.from = self.from.min(gone.oldest);
        self.to = self.to.max(gone.oldest);
        let full = self.devices.len() >= LISTED;
        match self.devices.get_mut(&gone.device) {
            Some((from, to)) => {
                *from = (*from).min(gone.number);
                *to = (*to).max(gone.number);
            }
            None if full => self.unlisted += 1,
            None => {
                let range = (gone.number, gone.number);
                self.devices.insert(gone.device, range);
            }
        }
    }

    fn encode(
        &self,
        db: &Connection,
        agent: &str,
        prefix: &str,
        lane: Lane,
        reason: Reason,
        number: u64,
    ) -> rusqlite::Result<Vec<u8>> {
        let mut name = db.prepare_cached("SELECT name FROM devices WHERE id = ?1")?;
        let mut records = Vec::with_capacity(self.devices.len());
        for (device, (from, to)) in &self.devices {
            let device: Option<String> = name.query_row([device], |row| row.get(0)).optional()?;
            records.push(RecordsV1 {
                device: device.unwrap_or_default(),
                from: *from,
                to: *to,
            });
        }
        let loss = LossV1 {
            schema: "eyot.loss.v1",
            id: format!("{prefix}/{number}"),
            agent,
            lane: lane.name(),
            reason: reason.name(),
            count: self.count,
            from: rfc3339(self.from),
            to: rfc3339(self.to),
            records,
            unlisted: self.unlisted,
        };
        // Strings and numbers: nothing here can fail to be written.
        Ok(serde_json::to_vec(&loss).unwrap_or_default())
    }
}

/// Replaces the body of a record that still waits. Returns the bytes of the row before.
fn rewrite(db: &Connection, seq: i64, number: u64, body: &[u8]) -> rusqlite::Result<Option<u64>> {
    let found = db
        .prepare_cached("SELECT device, LENGTH(body) FROM outbox WHERE seq = ?1")?
        .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((device, before)) = found else {
        return Ok(None);
    };
    let crc = outbox::checksum(device, number, body);
    db.prepare_cached("UPDATE outbox SET body = ?2, crc = ?3 WHERE seq = ?1")?
        .execute((seq, body, crc))?;
    Ok(Some(outbox::row_bytes(before)))
}

/// Adds a record and returns its position.
pub(super) fn insert(
    db: &Connection,
    device: i64,
    (number, kind): (u64, &str),
    oldest: Timestamp,
    now: Timestamp,
    body: &[u8],
) -> rusqlite::Result<i64> {
    db.prepare_cached(outbox::INSERT)?.execute(params![
        outbox::code(Lane::Loss),
        device,
        number,
        kind,
        oldest.0,
        body,
        outbox::checksum(device, number, body),
        now.0,
    ])?;
    let seq = db.last_insert_rowid();
    db.prepare_cached("UPDATE devices SET last_effect = ?2 WHERE id = ?1")?
        .execute((device, number))?;
    Ok(seq)
}
