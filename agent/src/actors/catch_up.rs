//! Fetches from the journal what devices were not sent: after a start, after a failure, and when they were too
//! slow for a while.
//!
//! One thread for all of them. It goes through the journal from the earliest position that any device lacks and
//! sends each device what it lacks, waiting for permits; a device that stays without any for [`PATIENCE`] is passed
//! over until the next time through, so that it holds up nobody else for longer.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use eyot_journal::{Disk, InputRef, Step};
use eyot_pipeline::{Reading, Timestamp};

use super::door::{Inbox, Lag};
use super::entry::DeviceEntry;
use super::feed::{Feed, Sent};
use super::fleet::Fleet;
use crate::books::{Book, Ledger};
use crate::error::chain;
use crate::journal::JournalHandle;

/// How long one device may hold up the others.
const PATIENCE: Duration = Duration::from_millis(20);
/// Pause between two looks for a permit.
const PAUSE: Duration = Duration::from_millis(1);
/// Pause before the journal is gone through again for those that were passed over.
const REST: Duration = Duration::from_millis(10);
/// Entries between two looks whether anyone is left to read for.
const LOOK_EVERY: u64 = 256;
/// How often it looks without being called.
const LOOK: Duration = Duration::from_secs(1);

/// The thread that catches up.
pub struct CatchUp {
    fleet: Arc<Fleet>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl CatchUp {
    /// Starts it.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start<D: Disk>(
        fleet: Arc<Fleet>,
        journal: JournalHandle<D>,
        ledger: Ledger,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work {
            fleet: Arc::clone(&fleet),
            journal,
            ledger,
            stop: Arc::clone(&stop),
            readings: Vec::new(),
        };
        let thread = std::thread::Builder::new()
            .name("eyot-catch-up".into())
            .spawn(move || work.run())?;
        Ok(Self {
            fleet,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for CatchUp {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.fleet.behind.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work<D: Disk> {
    fleet: Arc<Fleet>,
    journal: JournalHandle<D>,
    ledger: Ledger,
    stop: Arc<AtomicBool>,
    readings: Vec<Reading>,
}

impl<D: Disk> Work<D> {
    fn run(mut self) {
        while !self.stopped() {
            self.fleet.behind.wait(LOOK);
            while let Some(from) = self.earliest() {
                if let Err(error) = self.go_through(from) {
                    let error = chain(&error);
                    tracing::error!(error, from, "cannot read the journal, trying again");
                    std::thread::sleep(LOOK);
                }
                if self.stopped() {
                    return;
                }
                std::thread::sleep(REST);
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The devices that can be sent something and lack it.
    fn behind(&self) -> impl Iterator<Item = (Arc<DeviceEntry>, Lag)> {
        let devices = self.fleet.devices().into_iter();
        devices.filter_map(|entry| {
            let door = entry.door();
            let lag = match door.inbox {
                Inbox::Running(_) | Inbox::Quarantined => door.lag,
                Inbox::Starting(_) | Inbox::Stopped => None,
            };
            drop(door);
            Some((entry, lag?))
        })
    }

    /// The earliest position that any of them lacks.
    fn earliest(&self) -> Option<u64> {
        self.behind().map(|(_, lag)| lag.next).min()
    }

    /// Goes through the journal once, from a position to its end or until all who lacked something were passed over.
    fn go_through(&mut self, from: u64) -> Result<(), eyot_journal::FileError> {
        let mut reader = self.journal.reader(from);
        let mut passed_over: HashSet<u32> = HashSet::new();
        let mut end = self.journal.committed();
        loop {
            let entry = match reader.next(end)? {
                Some(Step::Entry(entry)) => entry,
                Some(Step::Skipped(_)) => continue,
                None => {
                    let now = self.journal.committed();
                    if now == end {
                        break;
                    }
                    end = now;
                    continue;
                }
            };
            let (position, admitted) = (entry.position(), entry.admitted());
            let source = entry.source().map(|source| source.name());
            let book = source.and_then(|source| self.ledger.book(source)).cloned();
            for input in entry.inputs() {
                let Some(device) = self.fleet.device(input.device()) else {
                    continue;
                };
                if passed_over.contains(&device.key) || !device.door().wants(position) {
                    continue;
                }
                if !self.give(&device, position, admitted, book.as_ref(), &input) {
                    passed_over.insert(device.key);
                }
            }
            if self.stopped() {
                return Ok(());
            }
            // Not at every entry: it looks at every device.
            if position % LOOK_EVERY == 0
                && !passed_over.is_empty()
                && self.behind().all(|(e, _)| passed_over.contains(&e.key))
            {
                return Ok(());
            }
        }
        // What should have been there and was not is lost, and nobody waits for it any longer.
        for (entry, lag) in self.behind() {
            if lag.last <= end && !passed_over.contains(&entry.key) {
                tracing::error!(device = %entry.name, ?lag, "part of the journal cannot be read");
                entry.door().caught_up_to(lag.last);
            }
        }
        Ok(())
    }

    /// Sends one input, waiting for room. `false` if none was found.
    fn give(
        &mut self,
        device: &Arc<DeviceEntry>,
        position: u64,
        admitted: Timestamp,
        book: Option<&Arc<Book>>,
        input: &InputRef<'_>,
    ) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut door = device.door();
            let sent = if input.is_timer() {
                Fleet::send_timer(&door, position, admitted)
            } else if let Some(book) = book {
                drop(door);
                let orphans = self.decode(device, input);
                door = device.door();
                let feed = Feed {
                    position,
                    admitted,
                    arrived: None,
                    book,
                    readings: self.readings.clone(),
                    orphans,
                };
                self.fleet.send(&door, device, feed)
            } else {
                // The source is no longer configured, and nobody keeps its books.
                Sent::Done
            };
            match sent {
                Sent::Done => {
                    door.caught_up_to(position);
                    return true;
                }
                Sent::NoActor => return false,
                Sent::NoRoom => drop(door),
            }
            if Instant::now() >= deadline || self.stopped() {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// The readings of an input, and how many there are of channels that the device no longer has.
    fn decode(&mut self, device: &DeviceEntry, input: &InputRef<'_>) -> u64 {
        let mut orphans = 0;
        let readings = &mut self.readings;
        readings.clear();
        input.for_each_run(|channel, unit, run| {
            let Some(channel) = device.channel(channel, unit.unwrap_or_default()) else {
                orphans += run.len() as u64;
                return;
            };
            readings.extend(run.iter().map(|&(time, value)| Reading {
                time,
                value,
                channel,
            }));
        });
        orphans
    }
}
