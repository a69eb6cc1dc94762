//! The way to a device's actor, open or not, and what has to be fetched from the journal instead.

use eyot_pipeline::ledger::ReadingFate;
use ractor::ActorRef;

use super::device::{Batch, DeviceMessage};

/// Where a device is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// Its actor is being started, for the first time or again.
    Starting,
    /// Its actor is running.
    Running,
    /// It failed too often and is left alone.
    Quarantined,
    /// The agent is stopping.
    Stopped,
}

/// A batch that a device does not take.
#[derive(Debug)]
pub struct Refusal {
    /// It comes back.
    pub batch: Batch,
    /// What becomes of its readings.
    pub fate: ReadingFate,
}

/// Inputs that the journal has and the device was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lag {
    /// Position to go on from.
    pub(super) next: u64,
    /// Position of the last of them.
    pub(super) last: u64,
}

/// What stands between those who have something for a device and its actor.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) inbox: Inbox,
    /// While this is set nothing from the journal is sent but by the one who catches up.
    pub(super) lag: Option<Lag>,
    /// How often it was set anew where the lag begins: what was fetched for an earlier one is not for this one.
    pub(super) lag_run: u64,
    /// Position of the last input that the journal has for the device; 0 before the first.
    pub(super) last: u64,
    /// Position of its last durable checkpoint; 0 before the first.
    pub(super) checkpointed: u64,
    /// Position of the input that it failed at last; 0 if it did not.
    pub(super) failed_at: u64,
    /// Whether it failed there twice: it has to go on without that input, and without what it knew.
    pub(super) poisoned: bool,
}

#[derive(Debug)]
pub(super) enum Inbox {
    /// Batches without a journal wait here until the actor runs; permits bound them.
    Starting(Vec<Batch>),
    Running(ActorRef<DeviceMessage>),
    Quarantined,
    Stopped,
}

impl Door {
    /// Position of the first input that only the journal has; `None` if everything is in the checkpoint.
    pub(super) fn needs(&self) -> Option<u64> {
        (self.last > self.checkpointed).then_some(self.checkpointed + 1)
    }

    /// Position up to which everything was given up, if the device is quarantined and nothing is left to give up.
    pub(super) fn given_up(&self) -> Option<u64> {
        let settled = matches!(self.inbox, Inbox::Quarantined) && self.lag.is_none();
        settled.then_some(self.last)
    }

    /// The device goes back to its checkpoint, which is at `position`.
    pub(super) fn go_back(&mut self, position: u64) {
        self.checkpointed = position;
        self.go_back_to(position);
    }

    /// The device is to be sent everything behind `position`.
    pub(super) fn go_back_to(&mut self, position: u64) {
        self.lag_run += 1;
        self.lag = (self.last > position).then_some(Lag {
            next: position + 1,
            last: self.last,
        });
    }

    /// The device failed at the input at `position`; 0 for one that no journal has.
    pub(super) fn fail(&mut self, position: u64) {
        self.poisoned = position > 0 && self.failed_at == position;
        self.failed_at = position;
    }

    /// The journal has inputs up to `last`, and none behind the checkpoint was sent.
    pub(super) fn expect(&mut self, last: u64) {
        self.last = self.last.max(last);
        self.go_back(self.checkpointed);
    }

    /// Notes that the journal has an input at `position`. Returns whether it may be sent at once.
    pub(super) fn note(&mut self, position: u64) -> bool {
        self.last = self.last.max(position);
        match &mut self.lag {
            Some(lag) => {
                lag.last = lag.last.max(position);
                false
            }
            None => true,
        }
    }

    /// The input at `position` was not sent.
    pub(super) fn fall_behind(&mut self, position: u64) {
        if self.lag.is_none() {
            self.lag_run += 1;
            self.lag = Some(Lag {
                next: position,
                last: position,
            });
        }
    }

    /// The input at `position` was fetched from the journal and sent. Returns whether it was the last.
    pub(super) fn caught_up_to(&mut self, position: u64) -> bool {
        if let Some(lag) = &mut self.lag {
            lag.next = position + 1;
            if lag.next <= lag.last {
                return false;
            }
        }
        self.lag = None;
        true
    }
}
