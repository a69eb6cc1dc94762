//! The supervisor of the devices: it starts them, starts them again and gives up on them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use eyot_journal::admission;
use eyot_pipeline::restart::{Decision, Failures, RestartPolicy};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use super::clock::ClockSet;
use super::device::{DeviceActor, DeviceArguments, DeviceMessage};
use super::door::DeviceState;
use super::entry::DeviceEntry;
use super::feed::Timers;
use super::fleet::Fleet;
use crate::books::Ledger;
use crate::clock::{self, Stamp};
use crate::error::chain;
use crate::journal::JournalHandle;
use crate::ops::Metrics;
use crate::record::Encoder;
use crate::store::{DeviceRow, StoreError, StoreHandle};

/// How often timers are looked at: how late a device's timer may be.
const TIMER_RESOLUTION: Duration = Duration::from_millis(200);

/// What the fleet's actor is sent.
#[derive(Debug)]
pub enum FleetMessage {
    /// Start a device, for the first time or again.
    Start(Arc<DeviceEntry>),
    /// The store has been asked for a device.
    Opened {
        /// Which.
        entry: Arc<DeviceEntry>,
        /// What it has.
        row: Box<Result<DeviceRow, StoreError>>,
    },
    /// Look at the timers.
    Timers,
    /// Let every device write down how it stands, and wait for them.
    Stop {
        /// How long to wait for each.
        timeout: Duration,
        /// Told when all are done; the number of devices that did not make it.
        done: RpcReplyPort<usize>,
    },
}

/// What the fleet's actor is started with.
pub struct FleetArguments {
    /// The table.
    pub fleet: Arc<Fleet>,
    /// When to give up on a device.
    pub policy: RestartPolicy,
    /// What the devices' readings come to.
    pub ledger: Ledger,
    /// Where timers go before the devices; `None`: straight to them.
    pub journal: Option<JournalHandle>,
    /// For the devices.
    pub store: StoreHandle,
    /// For the devices.
    pub metrics: Arc<Metrics>,
    /// For the devices.
    pub encoder: Encoder,
}

/// Supervises the devices.
pub struct FleetActor;

/// The actor's state.
pub struct FleetState {
    args: FleetArguments,
    running: HashMap<ActorId, Arc<DeviceEntry>>,
    failures: HashMap<Arc<str>, Failures>,
    stopping: bool,
}

impl Actor for FleetActor {
    type Msg = FleetMessage;
    type State = FleetState;
    type Arguments = FleetArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<FleetMessage>,
        args: FleetArguments,
    ) -> Result<FleetState, ActorProcessingErr> {
        // The handle may go: the task ends with the actor.
        drop(myself.send_interval(TIMER_RESOLUTION, || FleetMessage::Timers));
        Ok(FleetState {
            args,
            running: HashMap::new(),
            failures: HashMap::new(),
            stopping: false,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<FleetMessage>,
        message: FleetMessage,
        state: &mut FleetState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            FleetMessage::Start(entry) => state.open(&myself, entry),
            FleetMessage::Opened { entry, row } => state.start(&myself, entry, *row).await,
            FleetMessage::Timers => state.timers(),
            FleetMessage::Stop { timeout, done } => {
                let left = state.stop(timeout).await;
                let _ = done.send(left);
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<FleetMessage>,
        event: SupervisionEvent,
        state: &mut FleetState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(who, error) => {
                if let Some(entry) = state.running.remove(&who.get_id()) {
                    state.failed(&myself, entry, &error.to_string());
                }
            }
            SupervisionEvent::ActorTerminated(who, _, _) => {
                state.running.remove(&who.get_id());
            }
            _ => {}
        }
        Ok(())
    }
}

impl FleetState {
    /// Asks the store for a device, without waiting for the answer: many start at once.
    fn open(&self, myself: &ActorRef<FleetMessage>, entry: Arc<DeviceEntry>) {
        if self.stopping || entry.state() != DeviceState::Starting {
            return;
        }
        let (store, myself) = (self.args.store.clone(), myself.clone());
        tokio::spawn(async move {
            let row = store
                .open_device(&entry.name, &entry.class.config.name)
                .await;
            let row = Box::new(row);
            // Without the fleet's actor nobody is started any more.
            let _ = myself.cast(FleetMessage::Opened { entry, row });
        });
    }

    async fn start(
        &mut self,
        myself: &ActorRef<FleetMessage>,
        entry: Arc<DeviceEntry>,
        row: Result<DeviceRow, StoreError>,
    ) {
        if self.stopping || entry.state() != DeviceState::Starting {
            return;
        }
        let row = match row {
            Ok(row) => row,
            Err(error) => return self.failed(myself, entry, &chain(&error)),
        };
        let arguments = DeviceArguments {
            entry: Arc::clone(&entry),
            row,
            ledger: self.args.ledger.clone(),
            store: self.args.store.clone(),
            metrics: Arc::clone(&self.args.metrics),
            encoder: self.args.encoder.clone(),
        };
        // No name: ractor's names are global to the process.
        match DeviceActor::spawn_linked(None, DeviceActor, arguments, myself.get_cell()).await {
            Ok((actor, _)) => {
                tracing::debug!(device = %entry.name, class = entry.class.config.name, "device started");
                self.running.insert(actor.get_id(), Arc::clone(&entry));
                entry.started(actor);
                if entry.door().lag.is_some() {
                    self.args.fleet.behind.ring();
                }
            }
            Err(error) => self.failed(myself, entry, &error.to_string()),
        }
    }

    /// Gives the devices the timers that they asked for.
    fn timers(&self) {
        self.keep_time();
        let Stamp { now, steps } = clock::stamp();
        let now = admission(now);
        let mut due = self.args.fleet.devices();
        due.retain(|entry| entry.is_due(now));
        let Some(journal) = &self.args.journal else {
            for entry in &due {
                entry.wake(now);
            }
            return;
        };
        if due.is_empty() {
            return;
        }
        let fleet = Arc::clone(&self.args.fleet);
        if let Err(timers) = journal.try_append(Timers {
            fleet,
            due,
            now,
            steps,
        }) {
            // The disk is behind: another time.
            for entry in &timers.due {
                entry.is_due_again(now);
            }
        }
    }

    /// Follows the gateway's clock. If it was set, all devices are told, and then it is gateway time.
    fn keep_time(&self) {
        let Some(step) = clock::look() else { return };
        let set = ClockSet::new(&self.args.fleet, step, true);
        tracing::warn!(by = %step.by, "the gateway's clock is set");
        match &self.args.journal {
            // The disk is behind: another time.
            Some(journal) => {
                if journal.try_append(set).is_err() {
                    clock::put_off();
                }
            }
            None => set.deliver(),
        }
    }

    fn failed(&mut self, myself: &ActorRef<FleetMessage>, entry: Arc<DeviceEntry>, error: &str) {
        let failures = self.failures.entry(Arc::clone(&entry.name)).or_default();
        let decision = failures.decide(&self.args.policy, clock::now());
        let held = entry.held();
        match decision {
            Decision::Restart(pause) => {
                tracing::error!(
                    device = %entry.name, error, open_window_readings = held, pause = %pause,
                    "device failed and will be started again"
                );
                entry.restarting();
                let pause = Duration::from_nanos(pause.0.unsigned_abs());
                drop(myself.send_after(pause, || FleetMessage::Start(entry)));
            }
            Decision::Quarantine => {
                tracing::error!(
                    device = %entry.name, error, open_window_readings = held,
                    "device failed too often and is quarantined: its readings are rejected until the \
                     agent is restarted"
                );
                entry.quarantine();
            }
        }
    }

    /// Returns how many devices did not finish in time.
    async fn stop(&mut self, timeout: Duration) -> usize {
        self.stopping = true;
        let actors: Vec<ActorRef<DeviceMessage>> = self
            .args
            .fleet
            .devices()
            .iter()
            .filter_map(|entry| entry.stop())
            .collect();
        for actor in &actors {
            let _ = actor.cast(DeviceMessage::Checkpoint);
        }
        let deadline = tokio::time::Instant::now() + timeout;
        let mut left = 0;
        for actor in actors {
            let remaining = deadline.saturating_duration_since(tokio::time::Instant::now());
            if actor.drain_and_wait(Some(remaining)).await.is_err() {
                left += 1;
            }
        }
        left
    }
}
