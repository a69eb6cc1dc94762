//! The sources' books, saved with the transaction whose effects they count.

use std::collections::HashMap;
use std::sync::Arc;

use eyot_pipeline::ledger::{MessageFate, ReadingFate, SourceBook};
use rusqlite::Connection;

/// Where the store gets the live books from.
pub trait Books: Send + Sync {
    /// Every source's books by its name, each balanced in itself. Called on the store's thread
    /// before every commit, so it must be quick.
    fn snapshot(&self) -> Vec<(String, SourceBook)>;
}

/// The live books, and what is stored of them.
pub(super) struct Ledger {
    live: Arc<dyn Books>,
    stored: HashMap<String, SourceBook>,
}

impl Ledger {
    pub(super) fn load(db: &Connection, live: Arc<dyn Books>) -> rusqlite::Result<Self> {
        let mut stored: HashMap<String, SourceBook> = HashMap::new();
        let mut statement = db.prepare("SELECT source, side, term, reason, n FROM ledger")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (source, n) = (row.get(0)?, row.get(4)?);
            let entry: [String; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
            if !put_back(stored.entry(source).or_default(), &entry, n) {
                tracing::warn!(?entry, n, "unknown entry in the stored books is ignored");
            }
        }
        Ok(Self { live, stored })
    }

    /// The books to start with: nothing is in flight any more, however the last run ended.
    pub(super) fn after_stop(&self) -> HashMap<String, SourceBook> {
        let mut books = self.stored.clone();
        books.values_mut().for_each(SourceBook::close_unclean_stop);
        books
    }

    /// The live books that differ from what is stored.
    pub(super) fn changes(&self) -> Vec<(String, SourceBook)> {
        let mut live = self.live.snapshot();
        live.retain(|(source, book)| self.stored.get(source) != Some(book));
        live
    }

    /// Writes those entries of `changes` that differ from what is stored.
    pub(super) fn save(
        &self,
        db: &Connection,
        changes: &[(String, SourceBook)],
    ) -> rusqlite::Result<()> {
        let mut upsert = db.prepare_cached(
            "INSERT OR REPLACE INTO ledger (source, side, term, reason, n)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        let none = SourceBook::default();
        for (source, book) in changes {
            let stored = self.stored.get(source).unwrap_or(&none);
            for (new, old) in entries(book).zip(entries(stored)) {
                if new != old {
                    let (side, term, reason, n) = new;
                    upsert.execute((source, side, term, reason, n))?;
                }
            }
        }
        Ok(())
    }

    /// `changes` are committed.
    pub(super) fn saved(&mut self, changes: Vec<(String, SourceBook)>) {
        self.stored.extend(changes);
    }
}

const MESSAGE: &str = "message";
const READING: &str = "reading";
const FIELD: &str = "field";
const RECEIVED: &str = "received";
const IN_FLIGHT: &str = "in_flight";
const UNMAPPED: &str = "unmapped";

/// The books as rows (side, term, reason, n), always in the same order.
fn entries(
    book: &SourceBook,
) -> impl Iterator<Item = (&'static str, &'static str, &'static str, u64)> {
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
    ]
    .into_iter()
    .chain(messages)
    .chain(readings)
}

/// The reverse of [`entries`], one row at a time. False if the row means nothing to this version.
fn put_back(book: &mut SourceBook, entry: &[String; 3], n: u64) -> bool {
    let [side, term, reason] = entry.each_ref().map(String::as_str);
    match (side, term) {
        (MESSAGE, RECEIVED) => book.messages = n,
        (MESSAGE, IN_FLIGHT) => book.messages_in_flight = n,
        (READING, RECEIVED) => book.readings = n,
        (READING, IN_FLIGHT) => book.readings_in_flight = n,
        (FIELD, UNMAPPED) => book.unmapped_fields = n,
        (MESSAGE, _) => {
            let fate = MessageFate::ALL
                .iter()
                .find(|fate| fate.term() == term && fate.reason() == reason);
            let Some(&fate) = fate else { return false };
            book.restore_messages(fate, n);
        }
        (READING, _) => {
            let fate = ReadingFate::ALL
                .iter()
                .find(|fate| fate.term() == term && fate.reason() == reason);
            let Some(&fate) = fate else { return false };
            book.restore_readings(fate, n);
        }
        _ => return false,
    }
    true
}
