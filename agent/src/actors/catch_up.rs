//! Fetches from the journal what devices were not sent: after a start, after a failure, and when they were too
//! slow for a while.
//!
//! One thread for all of them. It goes through the journal from the earliest position that any device lacks and
//! sends each device what it lacks, waiting for permits; a device that stays without any for [`PATIENCE`] is passed
//! over until the next time through, so that it holds up nobody else for longer.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use eyot_journal::{Disk, InputRef, Step, Telling, Told};
use eyot_pipeline::{ClockStep, Reading, Timestamp};

use super::door::{Door, Inbox};
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
            told: Vec::new(),
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
    told: Vec<Told>,
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

    /// The devices that can be sent something and lack it, with the position from which on they do.
    fn behind(&self) -> impl Iterator<Item = (Arc<DeviceEntry>, Behind)> {
        let devices = self.fleet.devices().into_iter();
        devices.filter_map(|entry| {
            let door = entry.door();
            let behind = match door.inbox {
                Inbox::Running(_) | Inbox::Quarantined => Behind::of(&door),
                Inbox::Starting(_) | Inbox::Stopped => None,
            };
            drop(door);
            Some((entry, behind?))
        })
    }

    /// The earliest position that any of them lacks.
    fn earliest(&self) -> Option<u64> {
        self.behind().map(|(_, behind)| behind.next).min()
    }

    /// Goes through the journal once, from a position to its end or until all who lacked something were passed over.
    fn go_through(&mut self, from: u64) -> Result<(), eyot_journal::FileError> {
        let mut round = Round::default();
        for (entry, behind) in self.behind() {
            if behind.next >= from {
                round.runs.insert(entry.key, behind.run);
            }
        }
        let mut reader = self.journal.reader(from);
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
                let behind = Behind::of(&device.door());
                if let Some(behind) = behind
                    && round.is_next(device.key, behind, position)
                    && !self.give(
                        &device,
                        behind.run,
                        position,
                        admitted,
                        book.as_ref(),
                        &input,
                    )
                {
                    round.passed_over.insert(device.key);
                }
            }
            if self.stopped() {
                return Ok(());
            }
            // Not at every entry: it looks at every device.
            if position % LOOK_EVERY == 0
                && !round.passed_over.is_empty()
                && self
                    .behind()
                    .all(|(entry, behind)| !round.serves(entry.key, behind))
            {
                return Ok(());
            }
        }
        // What should have been there and was not is lost, and nobody waits for it any longer.
        for (entry, behind) in self.behind() {
            if behind.last <= end && round.serves(entry.key, behind) {
                tracing::error!(device = %entry.name, ?behind, "part of the journal cannot be read");
                let mut door = entry.door();
                if Behind::of(&door) == Some(behind) {
                    door.caught_up_to(behind.last);
                }
            }
        }
        Ok(())
    }

    /// Sends one input, waiting for room. `false` if none was found.
    fn give(
        &mut self,
        device: &Arc<DeviceEntry>,
        run: u64,
        position: u64,
        admitted: Timestamp,
        book: Option<&Arc<Book>>,
        input: &InputRef<'_>,
    ) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let orphans = self.decode(device, input);
        loop {
            let mut door = device.door();
            if door.lag_run != run {
                // It has started again meanwhile, and goes on from further back.
                return false;
            }
            let sent = if input.is_timer() {
                Fleet::send_timer(&door, position, admitted)
            } else if let Some(step) = self.clock_step() {
                Fleet::send_clock(&door, position, admitted, step)
            } else if let Some(book) = book {
                let feed = Feed {
                    position,
                    admitted,
                    arrived: None,
                    book,
                    readings: self.readings.clone(),
                    told: self.told.clone(),
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

    /// The step of the gateway's clock, if the input at hand is nothing else.
    fn clock_step(&self) -> Option<ClockStep> {
        match self.told[..] {
            [
                Told {
                    what: Telling::Clock(step),
                    ..
                },
            ] if self.readings.is_empty() => Some(step),
            _ => None,
        }
    }

    /// The readings of an input, and how many there are of channels that the device no longer has.
    fn decode(&mut self, device: &DeviceEntry, input: &InputRef<'_>) -> u64 {
        let (readings, told) = (&mut self.readings, &mut self.told);
        readings.clear();
        told.clear();
        input.read(|name, unit| device.channel(name, unit), readings, told)
    }
}

/// What a device lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Behind {
    /// From here on.
    next: u64,
    /// Through here.
    last: u64,
    /// Which of its lags this is.
    run: u64,
}

impl Behind {
    fn of(door: &Door) -> Option<Self> {
        let lag = door.lag?;
        Some(Self {
            next: lag.next,
            last: lag.last,
            run: door.lag_run,
        })
    }
}

/// Once through the journal: whom it serves.
///
/// A device that starts meanwhile, or starts again, may lack inputs that lie behind already. Were it sent those that
/// are still to come, it would go on without the others, and they would never be missed.
#[derive(Debug, Default)]
struct Round {
    /// Devices for which nothing that they lack lies behind, and in which of their lags.
    runs: HashMap<u32, u64>,
    /// Devices that are not sent anything any more.
    passed_over: HashSet<u32>,
}

impl Round {
    fn serves(&self, key: u32, behind: Behind) -> bool {
        self.runs.get(&key) == Some(&behind.run) && !self.passed_over.contains(&key)
    }

    /// Whether the input at `position` is the next that the device lacks.
    fn is_next(&mut self, key: u32, behind: Behind, position: u64) -> bool {
        if behind.next == position && self.runs.get(&key) != Some(&behind.run) {
            // It has fallen behind right here.
            self.runs.insert(key, behind.run);
            self.passed_over.remove(&key);
        }
        position >= behind.next && self.serves(key, behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(next: u64, run: u64) -> Behind {
        let last = 100;
        Behind { next, last, run }
    }

    #[test]
    fn a_device_that_lacks_what_lies_behind_waits_for_the_next_round() {
        let mut round = Round::default();
        round.runs.insert(1, 1);
        assert!(round.is_next(1, behind(5, 1), 9), "it lacks nothing before");
        assert!(!round.is_next(2, behind(5, 1), 9), "it may lack 5 to 8");
        assert!(
            !round.serves(2, behind(5, 1)),
            "and is not missed at the end"
        );
        assert!(!round.is_next(1, behind(3, 2), 10), "started again, from 3");
    }

    #[test]
    fn a_device_that_falls_behind_at_the_place_at_hand_is_served() {
        let mut round = Round::default();
        assert!(!round.is_next(1, behind(10, 4), 9));
        assert!(round.is_next(1, behind(10, 4), 10));
        assert!(round.is_next(1, behind(11, 4), 15));
        round.passed_over.insert(1);
        assert!(!round.is_next(1, behind(16, 4), 16));
        assert!(round.is_next(1, behind(17, 5), 17), "another lag");
    }
}
