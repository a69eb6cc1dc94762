//! Gather, commit, tell.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use eyot_journal::{CommitError, DeviceInput, Disk, Entry, Journal, Letter};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::shared::Shared;
use super::{Append, Options};
use crate::clock;
use crate::error::chain;

/// Entries of one commit at most.
const MAX_ENTRIES: usize = 64;
/// First and longest pause before a failed commit is tried again.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Part of the time of a sync that is waited for company before the next.
const COMPANY: u32 = 8;

pub(super) enum Request {
    Append(Box<dyn Append>),
    RemoveBefore(u64, oneshot::Sender<()>),
    /// Answered once everything before it is committed and told.
    Barrier(oneshot::Sender<()>),
}

pub(super) struct Worker<D: Disk> {
    journal: Journal<D>,
    sync: bool,
    max_wait: Duration,
    slow_sync: Option<Duration>,
    shared: Arc<Shared<D>>,
    port: mpsc::Receiver<Request>,
    /// How long the last sync took.
    synced_in: Duration,
}

impl<D: Disk> Drop for Worker<D> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let why =
                "its thread has failed; nothing more comes in until the agent is started again";
            self.shared
                .enter(|status| status.failing = Some(why.to_owned()));
        }
    }
}

impl<D: Disk> Worker<D> {
    pub(super) fn new(
        journal: Journal<D>,
        options: &Options,
        shared: Arc<Shared<D>>,
        port: mpsc::Receiver<Request>,
    ) -> Self {
        Self {
            journal,
            sync: options.sync,
            max_wait: options.max_wait,
            slow_sync: options.slow_sync,
            shared,
            port,
            synced_in: Duration::ZERO,
        }
    }

    /// Until the last handle is dropped. The runtime is this thread's alone, where the disk may block as it likes.
    pub(super) fn run(mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                let mut appends = Vec::new();
                let mut removals = Vec::new();
                while self.gather(&mut appends, &mut removals).await
                    && self.commit(&mut appends).await
                {
                    for (position, done) in removals.drain(..) {
                        if position > 0 {
                            self.remove_before(position);
                        }
                        let _: Result<(), ()> = done.send(());
                    }
                }
            }),
            Err(error) => tracing::error!(%error, "the journal cannot work"),
        }
    }

    /// Waits for something to do and takes what has come with it. `false` if nothing will come any more.
    async fn gather(
        &mut self,
        appends: &mut Vec<Box<dyn Append>>,
        removals: &mut Vec<(u64, oneshot::Sender<()>)>,
    ) -> bool {
        let mut take = |request, appends: &mut Vec<Box<dyn Append>>| match request {
            Request::Append(append) => appends.push(append),
            Request::RemoveBefore(position, done) => removals.push((position, done)),
            Request::Barrier(done) => removals.push((0, done)),
        };
        let Some(first) = self.port.recv().await else {
            return false;
        };
        take(first, appends);
        let wait = (self.synced_in / COMPANY).min(self.max_wait);
        let due = Instant::now() + wait;
        while appends.len() < MAX_ENTRIES {
            if let Ok(request) = self.port.try_recv() {
                take(request, appends);
            } else if wait.is_zero() {
                break;
            } else {
                match timeout_at(due, self.port.recv()).await {
                    Ok(Some(request)) => take(request, appends),
                    Ok(None) | Err(_) => break,
                }
            }
        }
        true
    }

    /// Commits what was gathered, however long that takes, and tells everyone. Gives up only if nobody is left who
    /// could be told: `false`. What was not committed is unacknowledged, and comes again.
    async fn commit(&mut self, appends: &mut Vec<Box<dyn Append>>) -> bool {
        while !appends.is_empty() {
            // What comes behind a step of the gateway's clock waits until the line has taken it.
            let step = appends.iter().position(|append| append.steps().is_none());
            let behind = step.map(|at| appends.split_off(at + 1));
            for append in appends.iter_mut() {
                if let Some(steps) = append.steps().filter(|steps| *steps != clock::steps()) {
                    append.move_times(clock::added_since(steps));
                }
            }
            if !self.commit_group(appends).await {
                return false;
            }
            appends.extend(behind.into_iter().flatten());
        }
        true
    }

    async fn commit_group(&mut self, appends: &mut Vec<Box<dyn Append>>) -> bool {
        let mut shed = self.journal.is_full();
        if shed {
            shed_all(appends);
        }
        let mut pause = RETRY_PAUSE.0;
        let (positions, readings) = loop {
            match self.try_commit(appends) {
                Ok(done) => break done,
                // So little is left that it takes nothing of this size.
                Err(CommitError::Full { .. }) if !shed => {
                    shed_all(appends);
                    shed = true;
                }
                Err(error) => {
                    let error = chain(&error);
                    if self.port.is_closed() {
                        let bursts = appends.len();
                        tracing::error!(
                            error,
                            bursts,
                            "the journal ends with what it could not write"
                        );
                        return false;
                    }
                    self.report(Some(error));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_PAUSE.1);
                }
            }
        };
        self.report(None);
        let before = self.shared.bytes();
        let (bytes, full) = (self.journal.bytes(), self.journal.is_full());
        self.shared.enter(|status| {
            status.bytes = bytes;
            status.full = full;
            status.entries += appends.len() as u64;
            status.readings += readings;
            status.written += bytes.saturating_sub(before);
            status.commits += 1;
        });
        for (append, position) in appends.drain(..).zip(positions.clone()) {
            append.committed(position);
        }
        self.shared.set_committed(positions.end - 1);
        true
    }

    fn try_commit(
        &mut self,
        appends: &[Box<dyn Append>],
    ) -> Result<(Range<u64>, u64), CommitError> {
        let mut inputs: Vec<DeviceInput<'_>> = Vec::new();
        let mut letters: Vec<Letter<'_>> = Vec::new();
        let mut ends = Vec::with_capacity(appends.len());
        for append in appends {
            append.inputs(&mut inputs);
            append.letters(&mut letters);
            ends.push((inputs.len(), letters.len()));
        }
        let mut from = (0, 0);
        let entries: Vec<Entry<'_>> = appends
            .iter()
            .zip(ends)
            .map(|(append, to)| {
                let source = append.source().map(|mut source| {
                    source.letters = &letters[from.1..to.1];
                    source
                });
                let entry = Entry {
                    admitted: append.admitted(),
                    source,
                    inputs: &inputs[from.0..to.0],
                };
                from = to;
                entry
            })
            .collect();
        let readings = inputs.iter().map(|input| match input {
            DeviceInput::Readings { readings, .. } => readings.len() as u64,
            DeviceInput::Timer { .. } => 0,
        });
        let begun = Instant::now();
        let positions = self.journal.commit(&entries, self.sync)?;
        if self.sync {
            if let Some(delay) = self.slow_sync {
                std::thread::sleep(delay);
            }
            self.synced_in = begun.elapsed();
        }
        Ok((positions, readings.sum()))
    }

    fn remove_before(&mut self, position: u64) {
        match self.journal.remove_before(position) {
            Ok(0) => {}
            Ok(freed) => tracing::debug!(position, freed, "journal shortened"),
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(position, error, "cannot shorten the journal");
            }
        }
        let (bytes, full) = (self.journal.bytes(), self.journal.is_full());
        self.shared.enter(|status| {
            status.bytes = bytes;
            status.full = full;
        });
    }

    /// Shows whether commits fail, and logs it when that changes.
    fn report(&self, failure: Option<String>) {
        self.shared.enter(|status| {
            match (&status.failing, &failure) {
                (None, Some(error)) => tracing::error!(error, "cannot write the journal, retrying"),
                (Some(_), None) => tracing::info!("the journal can be written again"),
                _ => return,
            }
            status.failing = failure;
        });
    }
}

fn shed_all(appends: &mut [Box<dyn Append>]) {
    for append in appends {
        append.shed();
    }
}
