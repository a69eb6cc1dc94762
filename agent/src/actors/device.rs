//! The actor around one device's state machine: it carries messages in and effects out.

use std::sync::Arc;
use std::time::Instant;

use eyot_pipeline::device::Tally;
use eyot_pipeline::{Device, Effect, Input, Numbered, Reading, Timestamp};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::admission::Permit;
use super::entry::DeviceEntry;
use crate::clock;
use crate::ops::{Metrics, Stage};
use crate::record::Encoder;
use crate::store::{Commit, Committed, StoreHandle};

/// Readings of one device that arrived together, from one source.
#[derive(Debug)]
pub struct Batch {
    /// The readings, in the order of their arrival.
    pub readings: Vec<Reading>,
    /// Gateway time of their arrival.
    pub admitted: Timestamp,
    /// The same on the monotonic clock, to measure how long they take.
    pub arrived: Instant,
    /// Covers all of them.
    pub permit: Permit,
}

/// What a device's actor is sent.
#[derive(Debug)]
pub enum DeviceMessage {
    /// Readings.
    Batch(Batch),
    /// The time it asked for has come.
    Timer,
    /// The agent stops: close what is open.
    Close,
}

/// What a device's actor is started with.
pub(super) struct DeviceArguments {
    pub(super) entry: Arc<DeviceEntry>,
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
    args: DeviceArguments,
    tally: Tally,
    effects: Vec<Numbered>,
}

impl Actor for DeviceActor {
    type Msg = DeviceMessage;
    type State = DeviceActorState;
    type Arguments = DeviceArguments;

    /// The one way to start, for the first time and after a failure.
    async fn pre_start(
        &self,
        _: ActorRef<DeviceMessage>,
        args: DeviceArguments,
    ) -> Result<DeviceActorState, ActorProcessingErr> {
        let class = &args.entry.class;
        // Boxed, as in `handle`: what is waited for once would otherwise be room in every actor for ever.
        let row = Box::pin(args.store.open_device(&args.entry.name, &class.config.name)).await?;
        Ok(DeviceActorState {
            device: Device::new(
                Arc::clone(&class.config),
                class.model.clone(),
                row.last_effect,
            ),
            row: row.id,
            tally: Tally::default(),
            effects: Vec::new(),
            args,
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
            DeviceMessage::Timer => state.run(Input::Timer { now: clock::now() }),
            DeviceMessage::Close => state.run(Input::Stop { now: clock::now() }),
        };
        if let Some(commit) = commit {
            Box::pin(state.args.store.commit(commit)).await?;
        }
        Ok(())
    }
}

impl DeviceActorState {
    fn batch(&mut self, batch: Batch) -> Option<Commit> {
        let Batch {
            readings,
            admitted,
            arrived,
            permit,
        } = batch;
        let highest = readings.iter().map(|reading| usize::from(reading.channel));
        if highest.max() >= Some(self.device.channel_count()) {
            self.add_channels();
        }
        self.tally.clear();
        let input = Input::Readings {
            now: admitted,
            readings: &readings,
        };
        self.device
            .handle(input, &mut self.tally, &mut self.effects);
        if let Some(newest) = readings.iter().map(|reading| reading.time).max() {
            self.args.entry.seen(newest, admitted);
            self.args
                .metrics
                .record_freshness(Stage::Admit, admitted - newest);
        }
        self.args
            .entry
            .rests(self.device.held(), self.device.wake_at());
        if self.effects.is_empty() {
            permit.settle(&self.tally);
            return None;
        }
        self.args.metrics.record_verdict_latency(arrived.elapsed());
        // Only when what came of them is durable are the readings settled and their permits free.
        let settlement = Settlement {
            permit,
            tally: self.tally.clone(),
            oldest: self.oldest(),
            metrics: Arc::clone(&self.args.metrics),
        };
        Some(self.commit(Some(Box::new(settlement))))
    }

    /// Tells the device of the channels that were found since it was last told.
    fn add_channels(&mut self) {
        let known = self.device.channel_count() - self.args.entry.class.config.channels.len();
        for config in self.args.entry.unlisted().into_iter().skip(known) {
            self.device.handle(
                Input::Channel { config: &config },
                &mut self.tally,
                &mut self.effects,
            );
        }
    }

    fn run(&mut self, input: Input<'_>) -> Option<Commit> {
        self.tally.clear();
        self.device
            .handle(input, &mut self.tally, &mut self.effects);
        self.args
            .entry
            .rests(self.device.held(), self.device.wake_at());
        (!self.effects.is_empty()).then(|| self.commit(None))
    }

    /// Writes the effects at hand down.
    fn commit(&mut self, on_commit: Option<Box<dyn Committed>>) -> Commit {
        for numbered in &self.effects {
            if let Effect::Window(window) = &numbered.effect {
                self.args
                    .metrics
                    .record_freshness(Stage::Score, window.age_of_oldest());
            }
        }
        let encoder = &self.args.encoder;
        let entry = &self.args.entry;
        // Most devices close their windows at the same moment and then rest: no room is kept for it.
        let records = std::mem::take(&mut self.effects)
            .iter()
            .map(|numbered| encoder.encode(&entry.name, &self.device, numbered))
            .collect();
        entry.show(self.device.status());
        Commit {
            device: self.row,
            records,
            on_commit,
        }
    }

    /// Event time of the oldest reading behind the effects at hand.
    fn oldest(&self) -> Option<Timestamp> {
        self.effects
            .iter()
            .filter_map(|numbered| match &numbered.effect {
                Effect::Window(window) => Some(window.oldest),
                Effect::Alert(_) => None,
            })
            .min()
    }
}

/// Waits for the effects of a batch to be durable.
struct Settlement {
    permit: Permit,
    tally: Tally,
    oldest: Option<Timestamp>,
    metrics: Arc<Metrics>,
}

impl Committed for Settlement {
    fn committed(self: Box<Self>, at: Timestamp) {
        if let Some(oldest) = self.oldest {
            self.metrics.record_freshness(Stage::Commit, at - oldest);
        }
        self.permit.settle(&self.tally);
    }
}
