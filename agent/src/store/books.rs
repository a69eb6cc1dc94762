//! The sources' books, saved with the transaction whose effects they count.

use std::collections::HashMap;
use std::sync::Arc;

use eyot_pipeline::ledger::{MessageFate, ReadingFate};
use eyot_pipeline::time::Timestamp;
use rusqlite::Connection;

use super::schema::{self, key};
use super::{SourceState, dead_letters};

/// Where the store gets the live books from.
pub trait Books: Send + Sync {
    /// What each source has to store by now, each balanced in itself. Dead letters are handed over: they are
    /// the store's from here on. Called on the store's thread, so it must be quick.
    fn take(&self) -> Vec<(String, SourceState)>;
}

/// The books as they are in the database.
pub(super) fn stored(db: &Connection) -> rusqlite::Result<HashMap<String, SourceState>> {
    let mut stored: HashMap<String, SourceState> = HashMap::new();
    let mut statement = db.prepare("SELECT source, side, term, reason, n FROM ledger")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (source, n) = (row.get(0)?, row.get(4)?);
        let entry: [String; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
        if !put_back(stored.entry(source).or_default(), &entry, n) {
            tracing::warn!(?entry, n, "unknown entry in the stored books is ignored");
        }
    }
    Ok(stored)
}

/// The live books, and what is stored of them.
pub(super) struct Ledger {
    live: Arc<dyn Books>,
    stored: HashMap<String, SourceState>,
    /// Taken over and not stored yet: what failed to be is tried again.
    pending: HashMap<String, SourceState>,
}

/// Dead letters kept in memory while the disk takes none.
const PENDING_LETTERS: usize = 1_000;

impl Ledger {
    pub(super) fn load(db: &Connection, live: Arc<dyn Books>) -> rusqlite::Result<Self> {
        Ok(Self {
            live,
            stored: stored(db)?,
            pending: HashMap::new(),
        })
    }

    /// The books as they were stored last.
    pub(super) fn stored(&self) -> HashMap<String, SourceState> {
        self.stored.clone()
    }

    /// Takes over what there is to store. Returns whether there is anything.
    pub(super) fn gather(&mut self) -> bool {
        for (source, mut state) in self.live.take() {
            let known = self.pending.get(&source).or(self.stored.get(&source));
            let unchanged = known.is_some_and(|known| {
                known.book == state.book
                    && known.position == state.position
                    && known.broker == state.broker
            });
            if unchanged && state.letters.is_empty() && state.letters_evicted == 0 {
                continue;
            }
            if let Some(before) = self.pending.remove(&source) {
                let mut letters = before.letters;
                letters.append(&mut state.letters);
                let excess = letters.len().saturating_sub(PENDING_LETTERS);
                letters.drain(..excess);
                state.letters = letters;
                state.letters_evicted += before.letters_evicted + excess as u64;
            }
            self.pending.insert(source, state);
        }
        !self.pending.is_empty()
    }

    /// Writes what was gathered: those entries of the books that differ from what is stored, and the dead
    /// letters, of which `letters` may stay.
    pub(super) fn save(
        &self,
        db: &Connection,
        letters: usize,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        let mut upsert = db.prepare_cached(
            "INSERT OR REPLACE INTO ledger (source, side, term, reason, n)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let none = SourceState::default();
        for (source, state) in &self.pending {
            let stored = self.stored.get(source).unwrap_or(&none);
            for (new, old) in entries(state).zip(entries(stored)) {
                if new != old {
                    let (side, term, reason, n) = new;
                    upsert.execute((source, side, term, reason, n))?;
                }
            }
            // Among the entries, since they are written anyway: it costs no page of its own.
            upsert.execute((source, STORED, AT, "", now.0.max(0)))?;
            dead_letters::append(db, &state.letters, letters)?;
            if state.letters_evicted > 0 {
                schema::count_up(db, key::DEAD_LETTERS_EVICTED, state.letters_evicted)?;
            }
        }
        Ok(())
    }

    /// What was gathered is committed.
    pub(super) fn saved(&mut self) {
        for (source, mut state) in self.pending.drain() {
            state.letters = Vec::new();
            state.letters_evicted = 0;
            self.stored.insert(source, state);
        }
    }
}

const MESSAGE: &str = "message";
const READING: &str = "reading";
const FIELD: &str = "field";
const RECEIVED: &str = "received";
const IN_FLIGHT: &str = "in_flight";
const UNMAPPED: &str = "unmapped";
const JOURNAL: &str = "journal";
const POSITION: &str = "position";
const BROKER: &str = "broker";
/// One more than the broker told last; 0 if it has told nothing.
const TOLD: &str = "told";
const DROPPED: &str = "dropped";
const STORED: &str = "stored";
const AT: &str = "at";

/// The books as rows (side, term, reason, n), always in the same order.
fn entries(
    state: &SourceState,
) -> impl Iterator<Item = (&'static str, &'static str, &'static str, u64)> {
    let book = &state.book;
    let messages = MessageFate::ALL.iter().map(|&fate| {
        (
            MESSAGE,
            fate.term(),
            fate.reason(),
            book.messages_with(fate),
        )
    });
    let readings = ReadingFate::ALL.iter().map(|&fate| {
        (
            READING,
            fate.term(),
            fate.reason(),
            book.readings_with(fate),
        )
    });
    [
        (MESSAGE, RECEIVED, "", book.messages),
        (MESSAGE, IN_FLIGHT, "", book.messages_in_flight),
        (READING, RECEIVED, "", book.readings),
        (READING, IN_FLIGHT, "", book.readings_in_flight),
        (FIELD, UNMAPPED, "", book.unmapped_fields),
        (JOURNAL, POSITION, "", state.position),
        (
            BROKER,
            TOLD,
            "",
            state.broker.told.map_or(0, |n| n.saturating_add(1)),
        ),
        (BROKER, DROPPED, "", state.broker.total),
    ]
    .into_iter()
    .chain(messages)
    .chain(readings)
}

/// Whether rows (side, term, reason; n) of one source's books make books that balance.
pub(super) fn balanced<'e>(entries: impl Iterator<Item = (&'e [String; 3], i64)>) -> bool {
    let mut state = SourceState::default();
    for (entry, n) in entries {
        let is_count = [MESSAGE, READING, FIELD].contains(&entry[0].as_str());
        // So small that the sum of all of them is a number, too.
        if n < 0 || is_count && u32::try_from(n >> 16).is_err() {
            return false;
        }
        put_back(&mut state, entry, n.unsigned_abs());
    }
    state.book.balanced()
}

/// The reverse of [`entries`], one row at a time. False if the row means nothing to this version.
fn put_back(state: &mut SourceState, entry: &[String; 3], n: u64) -> bool {
    let [side, term, reason] = entry.each_ref().map(String::as_str);
    let book = &mut state.book;
    match (side, term) {
        (MESSAGE, RECEIVED) => book.messages = n,
        (MESSAGE, IN_FLIGHT) => book.messages_in_flight = n,
        (READING, RECEIVED) => book.readings = n,
        (READING, IN_FLIGHT) => book.readings_in_flight = n,
        (FIELD, UNMAPPED) => book.unmapped_fields = n,
        (JOURNAL, POSITION) => state.position = n,
        (BROKER, TOLD) => state.broker.told = n.checked_sub(1),
        (BROKER, DROPPED) => state.broker.total = n,
        (STORED, AT) => state.stored_at = Timestamp(i64::try_from(n).unwrap_or(0)),
        (MESSAGE, _) => {
            let Some(fate) = MessageFate::named(term, reason) else {
                return false;
            };
            book.restore_messages(fate, n);
        }
        (READING, _) => {
            let Some(fate) = ReadingFate::named(term, reason) else {
                return false;
            };
            book.restore_readings(fate, n);
        }
        _ => return false,
    }
    true
}
