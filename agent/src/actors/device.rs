//! The actor around one device's state machine: it carries messages in and effects out.

use std::sync::Arc;
use std::time::Instant;

use eyot_journal::{Telling, Told};
use eyot_pipeline::device::Tally;
use eyot_pipeline::ledger::ReadingFate;
use eyot_pipeline::reading::Clock;
use eyot_pipeline::{ClockStep, Device, Effect, Input, Numbered, Reading, Timestamp};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::admission::Permit;
use super::entry::DeviceEntry;
use super::progress::Progress;
use crate::books::Ledger;
use crate::clock;
use crate::ops::{Metrics, Stage};
use crate::record::Encoder;
use crate::store::{Commit, Committed, DeviceRow, StoreHandle};

/// Readings of one device that arrived together, from one source.
#[derive(Debug)]
pub struct Batch {
    /// Where the journal has them; 0 without one.
    pub position: u64,
    /// The readings, in the order of their arrival.
    pub readings: Vec<Reading>,
    /// What the device is told of its senders meanwhile.
    pub told: Vec<Told>,
    /// Readings that the journal has of channels that the device no longer has.
    pub orphans: u64,
    /// Gateway time of their arrival.
    pub admitted: Timestamp,
    /// The same on the monotonic clock, to measure how long they take; `None` if they were fetched from the
    /// journal.
    pub arrived: Option<Instant>,
    /// Covers all of them.
    pub permit: Permit,
}

/// What a device's actor is sent.
#[derive(Debug)]
pub enum DeviceMessage {
    /// Readings.
    Batch(Batch),
    /// The time it asked for has come.
    Timer {
        /// Where the journal has it; 0 without one.
        position: u64,
        /// Gateway time.
        now: Timestamp,
    },
    /// The gateway's clock is set.
    Clock {
        /// Where the journal has it; 0 without one.
        position: u64,
        /// Gateway time, by the clock as it is from now on.
        now: Timestamp,
        /// How it differs from before.
        step: ClockStep,
    },
    /// Write down how things stand, if anything has changed.
    Checkpoint,
}

/// What a device's actor is started with.
pub(super) struct DeviceArguments {
    pub(super) entry: Arc<DeviceEntry>,
    pub(super) row: DeviceRow,
    pub(super) ledger: Ledger,
    pub(super) store: StoreHandle,
    pub(super) metrics: Arc<Metrics>,
    pub(super) encoder: Encoder,
}

/// Owns one [`Device`].
pub(super) struct DeviceActor;

/// The actor's state.
pub(super) struct DeviceActorState {
    device: Device,
    row: i64,
    progress: Progress,
    entry: Arc<DeviceEntry>,
    store: StoreHandle,
    metrics: Arc<Metrics>,
    encoder: Encoder,
    tally: Tally,
    effects: Vec<Numbered>,
}

impl Actor for DeviceActor {
    type Msg = DeviceMessage;
    type State = DeviceActorState;
    type Arguments = DeviceArguments;

    /// The one way to start, for the first time, after a failure and after any stop of the agent: from the
    /// checkpoint, with what the journal has behind it to come.
    async fn pre_start(
        &self,
        _: ActorRef<DeviceMessage>,
        args: DeviceArguments,
    ) -> Result<DeviceActorState, ActorProcessingErr> {
        let DeviceArguments {
            entry,
            row,
            ledger,
            store,
            metrics,
            encoder,
        } = args;
        let id = row.id;
        let checkpointed = row.checkpoint.as_ref().map_or(0, |saved| saved.position);
        let poison = {
            let door = entry.door();
            door.poisoned.then_some(door.failed_at)
        };
        let (device, progress) = match poison {
            Some(position) => Progress::afresh(&entry, &row, position),
            None => Progress::resume(&entry, row),
        };
        entry.unsettle(&progress.tallies, &ledger);
        let mut door = entry.door();
        door.go_back(checkpointed);
        door.go_back_to(progress.position);
        drop(door);
        entry.rests(device.held(), device.wake_at());
        entry.show(device.status());
        Ok(DeviceActorState {
            device,
            row: id,
            progress,
            entry,
            store,
            metrics,
            encoder,
            tally: Tally::default(),
            effects: Vec::new(),
        })
    }

    async fn handle(
        &self,
        _: ActorRef<DeviceMessage>,
        message: DeviceMessage,
        state: &mut DeviceActorState,
    ) -> Result<(), ActorProcessingErr> {
        let commit = match message {
            DeviceMessage::Batch(batch) => state.batch(batch),
            DeviceMessage::Timer { position, now } => state.told(position, Input::Timer { now }),
            DeviceMessage::Clock {
                position,
                now,
                step,
            } => state.told(position, Input::Clock { now, step }),
            DeviceMessage::Checkpoint => state.rest(),
        };
        if let Some(commit) = commit {
            Box::pin(state.store.commit(commit)).await?;
        }
        Ok(())
    }
}

impl DeviceActorState {
    fn batch(&mut self, batch: Batch) -> Option<Commit> {
        let Batch {
            position,
            readings,
            told,
            orphans,
            admitted,
            arrived,
            permit,
        } = batch;
        if !self.progress.advance(position, &mut self.device) {
            return None;
        }
        self.entry.handles(position);
        if self.progress.is_poison() {
            return Some(self.pass_over(orphans + readings.len() as u64, permit));
        }
        let highest = readings.iter().map(|reading| usize::from(reading.channel));
        if highest.max() >= Some(self.device.channel_count()) {
            self.add_channels();
        }
        self.tally.clear();
        let mut rest = readings.as_slice();
        for told in &told {
            let before = told.before as usize + rest.len();
            let (readings, behind) =
                rest.split_at(before.saturating_sub(readings.len()).min(rest.len()));
            if !readings.is_empty() {
                self.take(readings, admitted);
            }
            let input = match told.what {
                Telling::Sender(sender) => Input::Sender(sender),
                Telling::Clock(step) => Input::Clock {
                    now: admitted,
                    step,
                },
            };
            self.device
                .handle(input, &mut self.tally, &mut self.effects);
            rest = behind;
        }
        self.take(rest, admitted);
        self.tally.count(ReadingFate::DroppedConfigChanged, orphans);
        self.progress.count(position, permit.source(), &self.tally);
        let newest = self.newest(&readings);
        if let (Some(newest), Some(_)) = (newest, arrived) {
            self.entry.seen(newest, admitted);
            let class = &self.entry.class.config.name;
            self.metrics
                .record_freshness(Stage::Admit, class, &self.entry.name, admitted - newest);
        }
        let Some(mut commit) = self.commit(position) else {
            permit.settle(&self.tally);
            return None;
        };
        if let Some(arrived) = arrived.filter(|_| !commit.records.is_empty()) {
            self.metrics.record_verdict_latency(arrived.elapsed());
        }
        // Only when what came of them is durable are the readings settled and their permits free.
        commit.on_commit = Some(Box::new(Settlement {
            permit,
            tally: self.tally.clone(),
            inner: commit.on_commit.take(),
        }));
        Some(commit)
    }

    fn take(&mut self, readings: &[Reading], now: Timestamp) {
        let input = Input::Readings { now, readings };
        self.device
            .handle(input, &mut self.tally, &mut self.effects);
    }

    /// Newest event time of readings that the device has taken. Of those by a clock since boot only the device knows.
    fn newest(&self, readings: &[Reading]) -> Option<Timestamp> {
        let by_count = |r: &Reading| r.origin.clock() == Clock::SinceBoot;
        if readings.iter().any(by_count) {
            self.device.newest()
        } else {
            readings.iter().map(|r| r.time).max()
        }
    }

    fn told(&mut self, position: u64, input: Input<'_>) -> Option<Commit> {
        if !self.progress.advance(position, &mut self.device) || self.progress.is_poison() {
            return None;
        }
        self.entry.handles(position);
        self.tally.clear();
        self.device
            .handle(input, &mut self.tally, &mut self.effects);
        self.commit(position)
    }

    /// Gives up the readings that the device failed at twice, and writes down at once that it did.
    fn pass_over(&mut self, readings: u64, permit: Permit) -> Commit {
        self.tally.clear();
        self.tally.count(ReadingFate::DroppedDeviceFailed, readings);
        let position = self.progress.position;
        self.progress.count(position, permit.source(), &self.tally);
        let mut commit = self.with_checkpoint(Commit {
            device: self.row,
            position,
            told_until: eyot_pipeline::Timestamp(0),
            records: Vec::new(),
            checkpoint: None,
            on_commit: None,
        });
        commit.on_commit = Some(Box::new(Settlement {
            permit,
            tally: self.tally.clone(),
            inner: commit.on_commit.take(),
        }));
        commit
    }

    /// A checkpoint of its own, if anything has changed since the last.
    fn rest(&mut self) -> Option<Commit> {
        if !self.progress.is_dirty() {
            return None;
        }
        Some(self.with_checkpoint(Commit {
            device: self.row,
            position: self.progress.position,
            told_until: eyot_pipeline::Timestamp(0),
            records: Vec::new(),
            checkpoint: None,
            on_commit: None,
        }))
    }

    /// Tells the device of the channels that were found since it was last told.
    fn add_channels(&mut self) {
        let known = self.device.channel_count() - self.entry.class.config.channels.len();
        for config in self.entry.unlisted().into_iter().skip(known) {
            self.device.handle(
                Input::Channel { config: &config },
                &mut self.tally,
                &mut self.effects,
            );
        }
    }

    /// Writes down the effects at hand, of the input that the journal has at `trace` (0: it has not), and a checkpoint
    /// when one is due; `None` if there is nothing to write.
    fn commit(&mut self, trace: u64) -> Option<Commit> {
        self.entry.rests(self.device.held(), self.device.wake_at());
        if self.progress.is_repeating() {
            // These are committed already.
            self.effects.clear();
        }
        let wants_checkpoint = self.progress.wants_checkpoint(self.store.pace().factor());
        if self.effects.is_empty() && !wants_checkpoint {
            return None;
        }
        let now = clock::now();
        for numbered in &self.effects {
            if let Effect::Window(window) = &numbered.effect {
                let (class, name) = (&self.entry.class.config.name, &self.entry.name);
                self.metrics
                    .record_freshness(Stage::Score, class, name, now - window.oldest);
            }
        }
        let aged = self.oldest().map(|oldest| Aged {
            oldest,
            entry: Arc::clone(&self.entry),
            metrics: Arc::clone(&self.metrics),
        });
        let ends = self
            .effects
            .iter()
            .filter_map(|numbered| match &numbered.effect {
                Effect::Window(window) => Some(window.end),
                _ => None,
            });
        let told_until = ends.max().unwrap_or_default();
        // Most devices close their windows at the same moment and then rest: no room is kept for it.
        let records = std::mem::take(&mut self.effects)
            .iter()
            .map(|numbered| {
                self.encoder
                    .encode(&self.entry.name, &self.device, numbered, trace)
            })
            .collect();
        self.entry.show(self.device.status());
        let commit = Commit {
            device: self.row,
            position: self.progress.position,
            told_until,
            records,
            checkpoint: None,
            on_commit: aged.map(|aged| Box::new(aged) as Box<dyn Committed>),
        };
        Some(if wants_checkpoint {
            self.with_checkpoint(commit)
        } else {
            commit
        })
    }

    fn with_checkpoint(&mut self, mut commit: Commit) -> Commit {
        let checkpoint = self.progress.checkpoint(&self.device);
        commit.on_commit = Some(Box::new(Checkpointed {
            inner: commit.on_commit.take(),
            ..Checkpointed::new(&self.entry, checkpoint.position)
        }));
        commit.checkpoint = Some(Box::new(checkpoint));
        commit
    }

    /// Event time of the oldest reading behind the effects at hand.
    fn oldest(&self) -> Option<Timestamp> {
        self.effects
            .iter()
            .filter_map(|numbered| match &numbered.effect {
                Effect::Window(window) => Some(window.oldest),
                _ => None,
            })
            .min()
    }
}

/// Waits for windows to be durable.
struct Aged {
    /// Event time of the oldest reading in them.
    oldest: Timestamp,
    entry: Arc<DeviceEntry>,
    metrics: Arc<Metrics>,
}

impl Committed for Aged {
    fn committed(self: Box<Self>, at: Timestamp) {
        let (class, name) = (&self.entry.class.config.name, &self.entry.name);
        self.metrics
            .record_freshness(Stage::Commit, class, name, at - self.oldest);
    }
}

/// Waits for the effects of a batch to be durable.
struct Settlement {
    permit: Permit,
    tally: Tally,
    inner: Option<Box<dyn Committed>>,
}

impl Committed for Settlement {
    fn committed(self: Box<Self>, at: Timestamp) {
        self.permit.settle(&self.tally);
        if let Some(inner) = self.inner {
            inner.committed(at);
        }
    }
}

/// Waits for a checkpoint to be durable.
pub(super) struct Checkpointed {
    entry: Arc<DeviceEntry>,
    position: u64,
    inner: Option<Box<dyn Committed>>,
}

impl Checkpointed {
    pub(super) fn new(entry: &Arc<DeviceEntry>, position: u64) -> Self {
        Self {
            entry: Arc::clone(entry),
            position,
            inner: None,
        }
    }
}

impl Committed for Checkpointed {
    fn committed(self: Box<Self>, at: Timestamp) {
        let mut door = self.entry.door();
        door.checkpointed = door.checkpointed.max(self.position);
        drop(door);
        if let Some(inner) = self.inner {
            inner.committed(at);
        }
    }
}
