//! The sources' books, shared between those who write in them.
//!
//! One lock for each source, taken once for a burst or a batch: a snapshot is therefore always
//! balanced, whatever happens at the same time.
//!
//! What a journaled source has taken in is entered when the journal has it, together with its position. The
//! store keeps that part alone; what became of the readings afterwards is in the devices' checkpoints and in
//! what the journal has behind them. So the books after a crash are those without it, to the last reading.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eyot_pipeline::Timestamp;
use eyot_pipeline::ledger::{ReadingFate, SourceBook};

use crate::store::{BrokerDrops, DeadLetter, KnownDevice, SourceState};

/// Dead letters that wait for the store at most, for each source.
const LETTERS: usize = 256;

/// The live books of one source.
#[derive(Debug)]
pub struct Book {
    source: Arc<str>,
    /// Whether the journal stands between it and the devices.
    journaled: bool,
    inner: Mutex<Inner>,
    /// Paths of fields that no rule maps, as they were met.
    unmapped: Mutex<Vec<Box<str>>>,
    /// When the broker was last found to have dropped something, `i64::MIN` if it was not.
    broker_dropped_at: AtomicI64,
}

#[derive(Debug, Default)]
struct Inner {
    live: SourceBook,
    /// What to store: of a journaled source, what its messages came to. Otherwise only the letters in it.
    state: SourceState,
}

impl Inner {
    fn keep(&mut self, letters: impl IntoIterator<Item = DeadLetter>) {
        for letter in letters {
            if self.state.letters.len() < LETTERS {
                self.state.letters.push(letter);
            } else {
                self.state.letters_evicted += 1;
            }
        }
    }
}

impl Book {
    /// The source's name.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// Makes entries that belong together.
    pub fn enter<T>(&self, entries: impl FnOnce(&mut SourceBook) -> T) -> T {
        entries(&mut self.lock().live)
    }

    /// Enters what a burst came to, without a journal.
    pub fn burst(&self, came_to: &SourceBook, letters: Vec<DeadLetter>) {
        let mut inner = self.lock();
        inner.live += came_to;
        inner.keep(letters);
    }

    /// Enters what a burst came to that the journal has at `position`. A position that was entered before
    /// changes nothing.
    pub fn journaled(
        &self,
        position: u64,
        came_to: &SourceBook,
        letters: impl IntoIterator<Item = DeadLetter>,
    ) {
        let mut inner = self.lock();
        if position <= inner.state.position {
            return;
        }
        inner.state.position = position;
        inner.state.book += came_to;
        inner.live += came_to;
        inner.keep(letters);
    }

    /// The broker says how many messages it has dropped since its start.
    pub fn broker_told(&self, dropped: u64, now: Timestamp) {
        if self.lock().state.broker.tell(dropped) {
            self.broker_dropped_at.store(now.0, Ordering::Relaxed);
        }
    }

    /// What the broker has dropped, and when that was last found.
    pub fn broker_drops(&self) -> (BrokerDrops, Option<Timestamp>) {
        let at = self.broker_dropped_at.load(Ordering::Relaxed);
        let at = (at > i64::MIN).then_some(Timestamp(at));
        (self.lock().state.broker, at)
    }

    /// Lists a field that no rule maps; its messages count it.
    pub fn list_unmapped(&self, path: &str) {
        self.lock_unmapped().push(path.into());
    }

    /// Paths of fields that no rule maps, in the order in which they were met since the agent started.
    pub fn unmapped(&self) -> Vec<Box<str>> {
        self.lock_unmapped().clone()
    }

    fn lock_unmapped(&self) -> MutexGuard<'_, Vec<Box<str>>> {
        self.unmapped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Journal position up to which it is entered.
    pub fn position(&self) -> u64 {
        self.lock().state.position
    }

    /// The books as they stand.
    pub fn snapshot(&self) -> SourceBook {
        self.enter(|book| book.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic while entering leaves counts that are each still true.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The books of all sources.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<[Arc<Book>]>);

impl Ledger {
    /// Empty books for these sources, and whether each is journaled.
    pub fn new<'a>(sources: impl IntoIterator<Item = (&'a str, bool)>) -> Self {
        let book = |(source, journaled): (&str, bool)| {
            Arc::new(Book {
                source: source.into(),
                journaled,
                inner: Mutex::default(),
                unmapped: Mutex::default(),
                broker_dropped_at: AtomicI64::new(i64::MIN),
            })
        };
        Self(sources.into_iter().map(book).collect())
    }

    /// The books of all sources, in the order of the configuration.
    pub fn books(&self) -> &[Arc<Book>] {
        &self.0
    }

    /// The book of a source.
    pub fn book(&self, source: &str) -> Option<&Arc<Book>> {
        self.0.iter().find(|book| *book.source == *source)
    }

    /// Puts stored books back, at start, before anything is entered. What was in flight without a journal is
    /// lost; of the rest the journal may have more, and the devices' checkpoints what became of it.
    ///
    /// Stored books without a position are whole, since the source was not journaled then; those with one are of
    /// its messages alone.
    pub fn restore(&self, mut stored: HashMap<String, SourceState>, devices: &[KnownDevice]) {
        for book in self.books() {
            let Some(mut state) = stored.remove(&*book.source) else {
                continue;
            };
            let whole = state.position == 0;
            let tallies = || {
                let all = devices.iter().flat_map(|device| device.tallies.iter());
                all.filter(|(source, _, _)| **source == book.source)
            };
            let mut inner = book.lock();
            if book.journaled {
                if whole {
                    for (_, fate, n) in tallies() {
                        let met = state.book.readings_with(fate);
                        state.book.unsettle_readings(fate, n.min(met));
                    }
                }
                inner.live = state.book.clone();
                inner.state = state;
            } else {
                inner.live = state.book;
                inner.state.broker = state.broker;
                if !whole {
                    for (_, fate, n) in tallies() {
                        let n = n.min(inner.live.readings_in_flight);
                        inner.live.settle_readings(fate, n);
                    }
                }
                inner.live.close_unclean_stop();
            }
        }
    }

    /// Enters what became of journaled readings by the devices' checkpoints, once the books have everything else.
    pub fn settle(&self, devices: &[KnownDevice]) {
        for device in devices {
            for (source, fate, n) in device.tallies.iter() {
                let Some(book) = self.book(source).filter(|book| book.journaled) else {
                    continue;
                };
                book.enter(|live| {
                    // More only if the books were lost, and a part of the journal with them.
                    let missing = n.saturating_sub(live.readings_in_flight);
                    live.receive_readings(missing);
                    live.settle_readings(fate, n);
                });
            }
        }
    }

    /// Says how many readings of a source the journal still has for the devices, once it has been read: what is
    /// in flight beyond that is lost. Returns how many.
    pub fn reconcile(&self, source: &str, in_journal: u64) -> u64 {
        let Some(book) = self.book(source) else {
            return 0;
        };
        let mut inner = book.lock();
        let in_flight = inner.live.readings_in_flight;
        inner
            .live
            .receive_readings(in_journal.saturating_sub(in_flight));
        let lost = inner.live.readings_in_flight - in_journal;
        inner
            .live
            .settle_readings(ReadingFate::DroppedCorrupt, lost);
        // Stored, since the next start would find the same readings missing.
        let stored = &mut inner.state.book;
        stored.settle_readings(
            ReadingFate::DroppedCorrupt,
            lost.min(stored.readings_in_flight),
        );
        lost
    }
}

impl crate::store::Books for Ledger {
    fn take(&self) -> Vec<(String, SourceState)> {
        let take = |book: &Arc<Book>| {
            let mut inner = book.lock();
            let letters = std::mem::take(&mut inner.state.letters);
            let letters_evicted = std::mem::take(&mut inner.state.letters_evicted);
            let whole = if book.journaled {
                &inner.state.book
            } else {
                &inner.live
            };
            let state = SourceState {
                book: whole.clone(),
                position: inner.state.position,
                letters,
                letters_evicted,
                broker: inner.state.broker,
                ..SourceState::default()
            };
            (book.source.to_string(), state)
        };
        self.0.iter().map(take).collect()
    }
}

#[cfg(test)]
mod tests {
    use eyot_pipeline::ledger::MessageFate;

    use super::*;
    use crate::store::{Books, Tallies};

    /// What `n` decoded messages of one reading each come to.
    fn burst(n: u64) -> SourceBook {
        let mut book = SourceBook::default();
        book.receive_messages(n);
        book.settle_messages(MessageFate::Decoded, n);
        book.receive_readings(n);
        book
    }

    /// What the store has once everything is saved.
    fn stored(ledger: &Ledger) -> HashMap<String, SourceState> {
        ledger.take().into_iter().collect()
    }

    fn device(n: u64) -> KnownDevice {
        let mut tallies = Tallies::default();
        tallies.count(&"s".into(), ReadingFate::Processed, n);
        KnownDevice {
            name: "d".into(),
            tallies,
            ..KnownDevice::default()
        }
    }

    #[test]
    fn invariant_2_a_crash_changes_nothing_in_the_books() {
        let ledger = Ledger::new([("s", true)]);
        let book = &ledger.books()[0];
        book.journaled(1, &burst(10), []);
        book.enter(|live| live.settle_readings(ReadingFate::Processed, 6));
        let saved = stored(&ledger);
        // After the last save; the journal alone has it.
        book.journaled(2, &burst(5), []);
        let before = book.snapshot();

        let again = Ledger::new([("s", true)]);
        again.restore(saved, &[]);
        again.books()[0].journaled(1, &burst(10), []);
        again.books()[0].journaled(2, &burst(5), []);
        // The checkpoint is behind four of the six.
        again.settle(&[device(4)]);
        assert_eq!(again.reconcile("s", 11), 0);
        let book = again.books()[0].snapshot();
        assert_eq!((book.messages, book.readings), (15, 15));
        assert_eq!(book.readings_in_flight, 11, "two of them come again");
        again.books()[0].enter(|live| live.settle_readings(ReadingFate::Processed, 2));
        assert_eq!(again.books()[0].snapshot(), before);
    }

    #[test]
    fn invariant_2_what_the_journal_no_longer_has_is_a_counted_loss() {
        let ledger = Ledger::new([("s", true)]);
        ledger.books()[0].journaled(1, &burst(10), []);
        let again = Ledger::new([("s", true)]);
        again.restore(stored(&ledger), &[]);
        again.settle(&[device(4)]);
        assert_eq!(again.reconcile("s", 1), 5);
        let book = again.books()[0].snapshot();
        assert!(book.balanced());
        assert_eq!(book.readings_with(ReadingFate::DroppedCorrupt), 5);
    }

    #[test]
    fn invariant_2_books_survive_that_a_source_is_journaled_no_longer_and_then_again() {
        let ledger = Ledger::new([("s", true)]);
        let book = &ledger.books()[0];
        book.journaled(1, &burst(10), []);
        book.enter(|live| live.settle_readings(ReadingFate::Processed, 10));
        let devices = [device(10)];

        let without = Ledger::new([("s", false)]);
        without.restore(stored(&ledger), &devices);
        without.books()[0].burst(&burst(7), Vec::new());
        without.books()[0].enter(|live| live.settle_readings(ReadingFate::Late, 7));

        let again = Ledger::new([("s", true)]);
        again.restore(stored(&without), &devices);
        again.settle(&devices);
        assert_eq!(again.reconcile("s", 0), 0);
        let book = again.books()[0].snapshot();
        assert!(book.balanced());
        assert_eq!(book.readings_with(ReadingFate::Processed), 10);
        assert_eq!(book.readings_with(ReadingFate::Late), 7);
    }
}
