//! From the journal to the devices, at once or later.
//!
//! What the journal has is sent to a device's actor if there is a permit for it. If there is none, or no
//! actor, the device has fallen behind: nothing more is sent until [`super::CatchUp`] has fetched what was
//! left out. Whatever was left out stays in flight in the books, since the journal has it.

use std::sync::Arc;
use std::time::Instant;

use eyot_journal::{DeviceInput, Told};
use eyot_pipeline::ledger::ReadingFate;
use eyot_pipeline::{Reading, Span, Timestamp};

use super::admission::Permit;
use super::device::{Batch, DeviceMessage};
use super::door::{Door, Inbox};
use super::entry::DeviceEntry;
use super::fleet::Fleet;
use crate::books::Book;
use crate::journal::Append;

/// Readings of one device that the journal has.
#[derive(Debug)]
pub struct Feed<'f> {
    /// Where it has them.
    pub position: u64,
    /// Gateway time of their arrival.
    pub admitted: Timestamp,
    /// The same on the monotonic clock; `None` if they come later.
    pub arrived: Option<Instant>,
    /// The source's book.
    pub book: &'f Arc<Book>,
    /// The readings.
    pub readings: Vec<Reading>,
    /// What the device is told of its senders meanwhile.
    pub told: Vec<Told>,
    /// Readings of channels that the device no longer has.
    pub orphans: u64,
}

/// What became of an input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// The actor has it, or nobody will ever want it.
    Done,
    /// There is no permit for it now.
    NoRoom,
    /// There is no actor now.
    NoActor,
}

impl Fleet {
    /// Sends readings that the journal has just got, unless the device is behind.
    pub fn feed(&self, entry: &Arc<DeviceEntry>, feed: Feed<'_>) {
        let mut door = entry.door();
        let position = feed.position;
        if door.note(position) && self.send(&door, entry, feed) != Sent::Done {
            door.fall_behind(position);
            self.behind.ring();
        }
    }

    /// The journal has inputs for a device up to `last`, of which it has been sent none behind its checkpoint.
    pub fn expects(&self, entry: &DeviceEntry, last: u64) {
        entry.door().expect(last);
        self.behind.ring();
    }

    /// Readings, through a door that is held.
    pub(super) fn send(&self, door: &Door, entry: &Arc<DeviceEntry>, feed: Feed<'_>) -> Sent {
        let n = feed.readings.len() + usize::try_from(feed.orphans).unwrap_or(usize::MAX);
        match &door.inbox {
            Inbox::Running(actor) => {
                let Some(permit) = Permit::journaled(&self.gate, entry, feed.book, n) else {
                    return Sent::NoRoom;
                };
                // If the actor died just now, it comes back to these.
                let _ = actor.cast(DeviceMessage::Batch(Batch {
                    position: feed.position,
                    readings: feed.readings,
                    told: feed.told,
                    orphans: feed.orphans,
                    admitted: feed.admitted,
                    arrived: feed.arrived,
                    permit,
                }));
                Sent::Done
            }
            Inbox::Quarantined => {
                let fate = ReadingFate::RejectedQuarantined;
                feed.book.enter(|book| book.settle_readings(fate, n as u64));
                entry.settled_all(feed.book.source(), fate, n as u64);
                Sent::Done
            }
            Inbox::Starting(_) | Inbox::Stopped => Sent::NoActor,
        }
    }

    /// A timer, through a door that is held.
    pub(super) fn send_timer(door: &Door, position: u64, now: Timestamp) -> Sent {
        match &door.inbox {
            Inbox::Running(actor) => {
                let _ = actor.cast(DeviceMessage::Timer { position, now });
                Sent::Done
            }
            Inbox::Quarantined => Sent::Done,
            Inbox::Starting(_) | Inbox::Stopped => Sent::NoActor,
        }
    }
}

/// Timers on their way into the journal.
pub(super) struct Timers {
    pub(super) fleet: Arc<Fleet>,
    pub(super) due: Vec<Arc<DeviceEntry>>,
    pub(super) now: Timestamp,
    /// Steps of the gateway's clock by then.
    pub(super) steps: u64,
}

impl Append for Timers {
    fn steps(&self) -> Option<u64> {
        Some(self.steps)
    }

    fn move_times(&mut self, by: Span) {
        self.now = self.now + by;
    }

    fn admitted(&self) -> Timestamp {
        self.now
    }

    fn inputs<'a>(&'a self, inputs: &mut Vec<DeviceInput<'a>>) {
        inputs.extend(self.due.iter().map(|entry| DeviceInput::Timer {
            key: entry.key,
            names: &**entry,
        }));
    }

    fn committed(self: Box<Self>, position: u64) {
        for entry in &self.due {
            let mut door = entry.door();
            if door.note(position) && Fleet::send_timer(&door, position, self.now) != Sent::Done {
                door.fall_behind(position);
                self.fleet.behind.ring();
            }
        }
    }
}
