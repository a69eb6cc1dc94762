//! The fleet: which devices there are, and the supervisor that starts them, starts them again and
//! gives up on them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eyot_pipeline::Timestamp;
use eyot_pipeline::config::ClassConfig;
use eyot_pipeline::model::Model;
use eyot_pipeline::restart::{Decision, Failures, RestartPolicy};
use globset::GlobSet;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use super::admission::Gate;
use super::device::{DeviceActor, DeviceArguments, DeviceMessage};
use super::entry::{DeviceEntry, DeviceState};
use crate::clock;
use crate::ops::Metrics;
use crate::record::Encoder;
use crate::store::StoreHandle;

/// How often timers are looked at: how late a device's timer may be.
const TIMER_RESOLUTION: Duration = Duration::from_millis(200);

/// A class with its model.
#[derive(Debug)]
pub struct ClassRuntime {
    /// Device names that belong to it.
    pub devices: GlobSet,
    /// How they are treated.
    pub config: Arc<ClassConfig>,
    /// What scores them, beside the statistics.
    pub model: Option<Model>,
}

/// What a device's name leads to.
#[derive(Debug, Clone)]
pub enum Resolution {
    /// A device.
    Device(Arc<DeviceEntry>),
    /// No class has a pattern for it.
    NoClass,
    /// There are as many devices as there may be.
    LimitReached,
}

/// The table of devices, shared by the sources, the fleet's actor and the page.
#[derive(Debug)]
pub struct Fleet {
    classes: Vec<Arc<ClassRuntime>>,
    limit: usize,
    in_flight_per_device: usize,
    /// Readings in flight over all devices.
    pub gate: Arc<Gate>,
    devices: Mutex<HashMap<Arc<str>, Arc<DeviceEntry>, ahash::RandomState>>,
}

impl Fleet {
    /// An empty fleet.
    pub fn new(
        classes: Vec<Arc<ClassRuntime>>,
        limit: usize,
        in_flight: usize,
        in_flight_per_device: usize,
    ) -> Self {
        Self {
            classes,
            limit,
            in_flight_per_device,
            gate: Arc::new(Gate::new(in_flight)),
            devices: Mutex::default(),
        }
    }

    /// The classes, in the order of the configuration.
    pub fn classes(&self) -> &[Arc<ClassRuntime>] {
        &self.classes
    }

    /// Finds a device by its name, or makes it known and has it started.
    pub fn resolve(&self, name: &str, actor: &ActorRef<FleetMessage>) -> Resolution {
        let mut devices = self.lock();
        if let Some(entry) = devices.get(name) {
            return Resolution::Device(Arc::clone(entry));
        }
        let Some(class) = self.classes.iter().find(|c| c.devices.is_match(name)) else {
            return Resolution::NoClass;
        };
        if devices.len() >= self.limit {
            return Resolution::LimitReached;
        }
        let name: Arc<str> = name.into();
        let entry = Arc::new(DeviceEntry::new(
            Arc::clone(&name),
            Arc::clone(class),
            self.in_flight_per_device,
        ));
        devices.insert(name, Arc::clone(&entry));
        // Without its actor the fleet is stopping, and nobody will be started any more.
        let _ = actor.cast(FleetMessage::Start(Arc::clone(&entry)));
        Resolution::Device(entry)
    }

    /// A device, and every device whose name continues its own after a `/`, came or went. Those that were
    /// never heard are not made known by it.
    pub fn liveness(&self, name: &str, online: bool, now: Timestamp) {
        let devices = self.lock();
        if let Some(entry) = devices.get(name) {
            entry.set_online(online, now);
        }
        if !online {
            let below = |known: &str| known.strip_prefix(name).is_some_and(|r| r.starts_with('/'));
            for (_, entry) in devices.iter().filter(|(known, _)| below(known)) {
                entry.set_online(false, now);
            }
        }
    }

    /// All devices, in no order.
    pub fn devices(&self) -> Vec<Arc<DeviceEntry>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<DeviceEntry>, ahash::RandomState>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the fleet's actor is sent.
#[derive(Debug)]
pub enum FleetMessage {
    /// Start a device, for the first time or again.
    Start(Arc<DeviceEntry>),
    /// Look at the timers.
    Timers,
    /// Let every device close what is open, and wait for them.
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
            FleetMessage::Start(entry) => state.start(&myself, entry).await,
            FleetMessage::Timers => {
                let now = clock::now();
                for entry in state.args.fleet.devices() {
                    entry.wake(now);
                }
            }
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
    async fn start(&mut self, myself: &ActorRef<FleetMessage>, entry: Arc<DeviceEntry>) {
        if self.stopping || entry.state() != DeviceState::Starting {
            return;
        }
        let arguments = DeviceArguments {
            entry: Arc::clone(&entry),
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
            }
            Err(error) => self.failed(myself, entry, &error.to_string()),
        }
    }

    fn failed(&mut self, myself: &ActorRef<FleetMessage>, entry: Arc<DeviceEntry>, error: &str) {
        let failures = self.failures.entry(Arc::clone(&entry.name)).or_default();
        let decision = failures.decide(&self.args.policy, clock::now());
        let lost = entry.held();
        match decision {
            Decision::Restart(pause) => {
                tracing::error!(
                    device = %entry.name, error, open_window_readings_lost = lost, pause = %pause,
                    "device failed and will be started again"
                );
                entry.restarting();
                let pause = Duration::from_nanos(pause.0.unsigned_abs());
                drop(myself.send_after(pause, || FleetMessage::Start(entry)));
            }
            Decision::Quarantine => {
                tracing::error!(
                    device = %entry.name, error, open_window_readings_lost = lost,
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
            let _ = actor.cast(DeviceMessage::Close);
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
