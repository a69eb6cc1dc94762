//! What one transaction will write, and who waits for it.

use eyot_pipeline::ledger::Lane;
use eyot_pipeline::retention::Reason;
use eyot_pipeline::time::Timestamp;
use tokio::sync::oneshot;

use super::message::{Intake, OpenDevice};
use super::{Commit, DeadLetter, DeviceRow};

/// Rows that a transaction adds or removes, roughly: bounds how long it takes.
const MAX_ROWS: usize = 256;

/// Requests gathered for one transaction.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) commits: Vec<Commit>,
    pub(super) letters: Vec<DeadLetter>,
    pub(super) opens: Vec<OpenDevice>,
    pub(super) removals: Removals,
    flushes: Vec<oneshot::Sender<()>>,
    rows: usize,
}

/// Rows that leave the outbox. They make room, so they may go ahead of the rest.
#[derive(Default)]
pub(super) struct Removals {
    pub(super) delivered: Vec<(Lane, i64)>,
    pub(super) given_up: Vec<(Lane, i64, Reason)>,
}

impl Removals {
    pub(super) fn is_empty(&self) -> bool {
        self.delivered.is_empty() && self.given_up.is_empty()
    }

    /// Whether it should be written before more are taken on.
    pub(super) fn is_full(&self) -> bool {
        self.delivered.len() + self.given_up.len() >= MAX_ROWS
    }
}

impl Batch {
    pub(super) fn of(removals: Removals) -> Self {
        Self {
            removals,
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, message: Intake) {
        match message {
            Intake::Commit(commit) => {
                self.rows += commit.records.len().max(1) + usize::from(commit.checkpoint.is_some());
                self.commits.push(commit);
            }
            Intake::DeadLetter(letter) => {
                self.rows += 1;
                self.letters.push(letter);
            }
            Intake::OpenDevice(open) => {
                self.rows += 1;
                self.opens.push(open);
            }
            Intake::Flush(done) => self.flushes.push(done),
        }
    }

    /// Whether there is something to write.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0 && self.removals.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= MAX_ROWS || self.removals.is_full()
    }

    /// Whether someone waits for it.
    pub(super) fn is_urgent(&self) -> bool {
        !self.opens.is_empty() || self.is_awaited()
    }

    /// Whether someone waits for everything before it to be durable.
    pub(super) fn is_awaited(&self) -> bool {
        !self.flushes.is_empty()
    }

    /// It is durable: tells everyone. `devices` answers `opens`, in order.
    pub(super) fn committed(self, devices: Vec<DeviceRow>, at: Timestamp) {
        for guard in self
            .commits
            .into_iter()
            .filter_map(|commit| commit.on_commit)
        {
            guard.committed(at);
        }
        // Whoever no longer listens needs no answer.
        for (open, device) in self.opens.into_iter().zip(devices) {
            let _ = open.reply.send(device);
        }
        for done in self.flushes {
            let _ = done.send(());
        }
    }
}
