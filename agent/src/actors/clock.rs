//! The gateway's clock is set: every device is told, through the journal where there is one, before anything that comes by
//! the new time.

use std::sync::Arc;

use eyot_journal::{DeviceInput, Telling, Told, admission};
use eyot_pipeline::{ClockStep, Timestamp};

use super::device::DeviceMessage;
use super::door::{Door, Inbox};
use super::entry::DeviceEntry;
use super::feed::Sent;
use super::fleet::Fleet;
use crate::clock;
use crate::journal::{Append, JournalHandle};

/// A step on its way to all devices.
pub(super) struct ClockSet {
    fleet: Arc<Fleet>,
    devices: Vec<Arc<DeviceEntry>>,
    step: ClockStep,
    told: [Told; 1],
    /// By the clock as it is from now on.
    now: Timestamp,
    /// Whether it is one of this run: at a start the line has taken it already.
    adopts: bool,
}

impl ClockSet {
    /// For all devices that are known. `now` is by the clock as it was.
    pub(super) fn new(fleet: &Arc<Fleet>, step: ClockStep, adopts: bool) -> Self {
        let now = clock::now();
        Self {
            devices: fleet.devices(),
            fleet: Arc::clone(fleet),
            step,
            told: [Told {
                before: 0,
                what: Telling::Clock(step),
            }],
            now: admission(if adopts { now + step.by } else { now }),
            adopts,
        }
    }

    /// Tells them at once, without a journal.
    pub(super) fn deliver(self) {
        self.tell(0);
    }

    fn tell(self, position: u64) {
        if self.adopts {
            clock::adopt(self.step);
        }
        let steps = clock::steps();
        for entry in &self.devices {
            entry.knows_clock(steps);
            let mut door = entry.door();
            let sent =
                |door: &Door| Fleet::send_clock(door, position, self.now, self.step) == Sent::Done;
            if position == 0 {
                if !sent(&door) {
                    entry.must_hear_clock();
                }
            } else if door.note(position) && !sent(&door) {
                door.fall_behind(position);
                self.fleet.behind.ring();
            }
        }
    }
}

impl Append for ClockSet {
    fn admitted(&self) -> Timestamp {
        self.now
    }

    fn inputs<'a>(&'a self, inputs: &mut Vec<DeviceInput<'a>>) {
        inputs.extend(self.devices.iter().map(|entry| DeviceInput::Readings {
            key: entry.key,
            names: &**entry,
            readings: &[],
            told: &self.told,
        }));
    }

    fn steps(&self) -> Option<u64> {
        None
    }

    fn committed(self: Box<Self>, position: u64) {
        self.tell(position);
    }
}

impl Fleet {
    /// A step of the gateway's clock, through a door that is held.
    pub(super) fn send_clock(door: &Door, position: u64, now: Timestamp, step: ClockStep) -> Sent {
        match &door.inbox {
            Inbox::Running(actor) => {
                let message = DeviceMessage::Clock {
                    position,
                    now,
                    step,
                };
                let _ = actor.cast(message);
                Sent::Done
            }
            Inbox::Quarantined => Sent::Done,
            Inbox::Starting(_) | Inbox::Stopped => Sent::NoActor,
        }
    }

    /// Tells all known devices what the line has begun with.
    pub async fn begin_clock(self: &Arc<Self>, step: ClockStep, journal: Option<&JournalHandle>) {
        let set = ClockSet::new(self, step, false);
        match journal {
            Some(journal) if !set.devices.is_empty() => journal.append(set).await,
            _ => set.deliver(),
        }
    }
}
