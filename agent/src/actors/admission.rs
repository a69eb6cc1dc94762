//! Admission: how many readings may be under way, in all and for each device.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eyot_pipeline::device::Tally;
use eyot_pipeline::ledger::ReadingFate;

use super::entry::DeviceEntry;
use crate::books::Book;

/// A budget of readings in flight.
#[derive(Debug)]
pub struct Gate {
    limit: usize,
    taken: AtomicUsize,
}

impl Gate {
    /// A budget of `limit` readings.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            taken: AtomicUsize::new(0),
        }
    }

    /// Takes up to `n`, all there is if that is less, and returns how many.
    fn take_up_to(&self, n: usize) -> usize {
        let mut granted = 0;
        let update = |taken: usize| {
            granted = n.min(self.limit.saturating_sub(taken));
            Some(taken + granted)
        };
        // The closure never says no.
        let _ = self
            .taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, update);
        granted
    }

    /// Takes `n` or nothing. One that exceeds the limit by itself is let in alone, or it would wait for ever.
    fn take_whole(&self, n: usize) -> bool {
        let update = |taken: usize| {
            let fits = taken == 0 || n <= self.limit.saturating_sub(taken);
            fits.then_some(taken + n)
        };
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, update)
            .is_ok()
    }

    fn give_back(&self, n: usize) {
        self.taken.fetch_sub(n, Ordering::AcqRel);
    }

    /// Readings in flight.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }
}

/// Leave to have a number of readings in flight for one device.
#[derive(Debug)]
pub struct Permit {
    global: Arc<Gate>,
    entry: Arc<DeviceEntry>,
    book: Arc<Book>,
    readings: usize,
    /// Whether the journal has the readings: then none of them is lost with the permit.
    journaled: bool,
}

/// How many readings of a burst were let in, and why the others were not.
#[derive(Debug)]
pub struct Admission {
    /// For the first so many readings.
    pub permit: Permit,
    /// Why the rest has to stay out.
    pub refused: Option<ReadingFate>,
}

impl Permit {
    /// Asks for `n` readings of a device. What is not granted is the caller's to settle.
    pub fn request(
        global: &Arc<Gate>,
        entry: &Arc<DeviceEntry>,
        book: &Arc<Book>,
        n: usize,
    ) -> Admission {
        let for_device = entry.gate.take_up_to(n);
        let granted = global.take_up_to(for_device);
        entry.gate.give_back(for_device - granted);
        let refused = if granted == n {
            None
        } else if granted < for_device {
            Some(ReadingFate::DroppedOverload)
        } else {
            Some(ReadingFate::DroppedDeviceOverload)
        };
        Admission {
            permit: Self {
                global: Arc::clone(global),
                entry: Arc::clone(entry),
                book: Arc::clone(book),
                readings: granted,
                journaled: false,
            },
            refused,
        }
    }

    /// Asks for `n` readings of a device that the journal has: all of them, or none for now.
    pub fn journaled(
        global: &Arc<Gate>,
        entry: &Arc<DeviceEntry>,
        book: &Arc<Book>,
        n: usize,
    ) -> Option<Self> {
        if !entry.gate.take_whole(n) {
            return None;
        }
        if !global.take_whole(n) {
            entry.gate.give_back(n);
            return None;
        }
        Some(Self {
            global: Arc::clone(global),
            entry: Arc::clone(entry),
            book: Arc::clone(book),
            readings: n,
            journaled: true,
        })
    }

    /// The source's name.
    pub fn source(&self) -> &Arc<str> {
        self.book.source()
    }

    /// Readings that it covers.
    pub fn readings(&self) -> usize {
        self.readings
    }

    /// All readings have met their fates.
    pub fn settle(mut self, tally: &Tally) {
        debug_assert_eq!(
            tally.total(),
            self.readings as u64,
            "every reading has one fate"
        );
        self.book.enter(|book| {
            for (fate, n) in tally.iter() {
                book.settle_readings(fate, n);
            }
        });
        self.entry.count(tally);
        if self.journaled {
            self.entry.settled(self.book.source(), tally);
        }
        self.release();
    }

    /// All readings have met the same fate.
    pub fn settle_all(mut self, fate: ReadingFate) {
        self.settle_rest(fate);
    }

    fn settle_rest(&mut self, fate: ReadingFate) {
        if self.readings > 0 {
            let n = self.readings as u64;
            self.book.enter(|book| book.settle_readings(fate, n));
            self.release();
        }
    }

    fn release(&mut self) {
        self.global.give_back(self.readings);
        self.entry.gate.give_back(self.readings);
        self.readings = 0;
    }
}

impl Drop for Permit {
    /// Readings in the journal stay in flight: whoever takes the device's place reads them from there.
    fn drop(&mut self) {
        if self.journaled {
            self.release();
            return;
        }
        self.settle_rest(ReadingFate::DroppedDeviceFailed);
    }
}
