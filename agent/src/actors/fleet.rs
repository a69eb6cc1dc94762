//! The fleet: which devices there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eyot_pipeline::Timestamp;
use eyot_pipeline::config::ClassConfig;
use eyot_pipeline::model::Model;
use globset::GlobSet;
use ractor::ActorRef;

use super::admission::Gate;
use super::bell::Bell;
use super::entry::DeviceEntry;
use super::supervisor::FleetMessage;
use crate::store::{KnownDevice, LOSS_DEVICE};

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
    /// No class has a pattern for it, or the name is the agent's own.
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
    /// Rung when a device has fallen behind the journal.
    pub(super) behind: Bell,
    devices: Mutex<HashMap<Arc<str>, Arc<DeviceEntry>, ahash::RandomState>>,
    /// What the store has of devices that were not heard since the start.
    known: Mutex<HashMap<String, KnownDevice, ahash::RandomState>>,
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
            behind: Bell::default(),
            devices: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// The classes, in the order of the configuration.
    pub fn classes(&self) -> &[Arc<ClassRuntime>] {
        &self.classes
    }

    /// Notes what the store has of devices, before any is resolved.
    pub fn knows(&self, devices: Vec<KnownDevice>) {
        let by_name = devices.into_iter().map(|known| (known.name.clone(), known));
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = by_name.collect();
    }

    /// Finds a device by its name, or makes it known and has it started.
    pub fn resolve(&self, name: &str, actor: &ActorRef<FleetMessage>) -> Resolution {
        let mut devices = self.lock();
        if let Some(entry) = devices.get(name) {
            return Resolution::Device(Arc::clone(entry));
        }
        let of_name = |class: &&Arc<ClassRuntime>| class.devices.is_match(name);
        let class = self.classes.iter().find(of_name);
        // Loss records are numbered under a name like a device's, and two must not share one.
        let Some(class) = class.filter(|_| name != LOSS_DEVICE) else {
            return Resolution::NoClass;
        };
        if devices.len() >= self.limit {
            return Resolution::LimitReached;
        }
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
        let name: Arc<str> = name.into();
        let entry = Arc::new(DeviceEntry::new(
            Arc::clone(&name),
            Arc::clone(class),
            u32::try_from(devices.len()).unwrap_or(u32::MAX),
            self.in_flight_per_device,
            known,
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

    /// A device that is known by now.
    pub fn device(&self, name: &str) -> Option<Arc<DeviceEntry>> {
        self.lock().get(name).cloned()
    }

    /// All devices, in no order.
    pub fn devices(&self) -> Vec<Arc<DeviceEntry>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<DeviceEntry>, ahash::RandomState>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
