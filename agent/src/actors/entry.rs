//! What the agent knows of a device outside its actor: enough to send to it while the actor comes
//! and goes, and to show it.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eyot_journal::DeviceNames;
use eyot_pipeline::config::{ChannelConfig, UnlistedConfig};
use eyot_pipeline::device::{Status, Tally, TimeCounts};
use eyot_pipeline::ledger::ReadingFate;
use eyot_pipeline::reading::ChannelIndex;
use eyot_pipeline::{ClockStep, GatewayClock, Span, Timestamp};
use ractor::ActorRef;

use super::admission::Gate;
use super::device::{Batch, DeviceMessage};
use super::door::{DeviceState, Door, Inbox, Refusal};
use super::fleet::ClassRuntime;
use crate::books::Ledger;
use crate::clock;
use crate::store::{KnownDevice, Tallies};

/// Whether a device says, by a last will or an availability topic, that it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// It has said nothing.
    Unknown = 0,
    /// It is there.
    Online = 1,
    /// It is gone.
    Offline = 2,
}

/// A known device.
#[derive(Debug)]
pub struct DeviceEntry {
    /// Its name.
    pub name: Arc<str>,
    /// Its class.
    pub class: Arc<ClassRuntime>,
    /// A small number of its own, as long as the agent runs.
    pub(super) key: u32,
    pub(super) gate: Gate,
    door: Mutex<Door>,
    /// What became of its readings from the journal, as it is in the books.
    settled: Mutex<Tallies>,
    status: Mutex<Status>,
    /// Channels found beyond those that the class lists, in the order of their index.
    unlisted: Mutex<Vec<Arc<ChannelConfig>>>,
    /// Newest event time, `i64::MIN` before the first.
    newest: AtomicI64,
    /// Gateway time of the last arrival, `i64::MIN` before the first.
    last_seen: AtomicI64,
    /// What its last will or availability topic said last; see [`Liveness`].
    liveness: AtomicU8,
    /// Gateway time at which it wants a timer, `i64::MAX` if it does not.
    wake_at: AtomicI64,
    /// One more than the steps of the gateway's clock that it was told of; 0: it was told nothing in this run.
    clock_known: AtomicU64,
    /// Position of the input that its actor works on.
    handling: AtomicU64,
    /// Readings in open windows.
    held: AtomicU64,
    processed: AtomicU64,
    late: AtomicU64,
    duplicate: AtomicU64,
    rejected: AtomicU64,
    restarts: AtomicU64,
}

impl DeviceEntry {
    /// A device that is about to be started. `known` is what the store has of it.
    pub fn new(
        name: Arc<str>,
        class: Arc<ClassRuntime>,
        key: u32,
        in_flight: usize,
        known: Option<KnownDevice>,
    ) -> Self {
        let known = known.unwrap_or_default();
        let unlisted = known.channels.into_iter().filter_map(|(name, unit)| {
            let rules = class.config.unlisted.as_ref()?;
            Some(unlisted_channel(rules, name, unit))
        });
        Self {
            unlisted: Mutex::new(unlisted.collect()),
            name,
            class,
            key,
            gate: Gate::new(in_flight),
            door: Mutex::new(Door {
                inbox: Inbox::Starting(Vec::new()),
                lag: None,
                lag_run: 0,
                last: known.position,
                checkpointed: known.position,
                failed_at: 0,
                poisoned: false,
            }),
            clock_known: AtomicU64::new(0),
            handling: AtomicU64::new(0),
            settled: Mutex::new(known.tallies),
            status: Mutex::default(),
            newest: AtomicI64::new(i64::MIN),
            last_seen: AtomicI64::new(i64::MIN),
            liveness: AtomicU8::new(Liveness::Unknown as u8),
            wake_at: AtomicI64::new(i64::MAX),
            held: AtomicU64::new(0),
            processed: AtomicU64::new(0),
            late: AtomicU64::new(0),
            duplicate: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            restarts: AtomicU64::new(0),
        }
    }

    /// What happened to the numbers and clocks of its senders, as of its last record.
    pub fn time_counts(&self) -> TimeCounts {
        let status = self.status.lock();
        status.unwrap_or_else(PoisonError::into_inner).time
    }

    /// A small number of its own, as long as the agent runs.
    pub fn key(&self) -> u32 {
        self.key
    }

    /// The device's channel of that name; where the class takes channels that it does not list, a new
    /// one is made known. `None` if the class takes none or the device has as many as it may.
    pub fn channel(&self, name: &str, unit: &str) -> Option<ChannelIndex> {
        let class = &self.class.config;
        if let Some(index) = class.channel_index(name) {
            return (!class.is_virtual(index)).then_some(index);
        }
        let rules = class.unlisted.as_ref()?;
        let mut unlisted = self.lock_unlisted();
        let known = unlisted.iter().position(|channel| channel.name == name);
        let at = match known {
            Some(at) => at,
            None if unlisted.len() >= rules.max => return None,
            None => {
                let unit = (!unit.is_empty()).then(|| unit.to_owned());
                unlisted.push(unlisted_channel(rules, name.to_owned(), unit));
                unlisted.len() - 1
            }
        };
        ChannelIndex::try_from(class.channels.len() + at).ok()
    }

    /// Channels found beyond those that the class lists, in the order of their index.
    pub(super) fn unlisted(&self) -> Vec<Arc<ChannelConfig>> {
        self.lock_unlisted().clone()
    }

    /// The unit of a channel, as the class or the first reading gave it.
    pub fn unit(&self, index: ChannelIndex) -> Option<String> {
        let listed = &self.class.config.channels;
        let index = usize::from(index);
        match listed.get(index) {
            Some(channel) => channel.unit.clone(),
            None => self.lock_unlisted().get(index - listed.len())?.unit.clone(),
        }
    }

    fn lock_unlisted(&self) -> MutexGuard<'_, Vec<Arc<ChannelConfig>>> {
        self.unlisted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a batch to the device, without a journal.
    ///
    /// # Errors
    /// The batch comes back if the device takes none any more.
    pub fn deliver(&self, batch: Batch) -> Result<(), Box<Refusal>> {
        let refuse = |batch, fate| Err(Box::new(Refusal { batch, fate }));
        match &mut self.door().inbox {
            Inbox::Starting(waiting) => {
                waiting.push(batch);
                Ok(())
            }
            // A failed send drops the batch, whose permit counts the loss: the actor died just now.
            Inbox::Running(actor) => {
                let _ = actor.cast(DeviceMessage::Batch(batch));
                Ok(())
            }
            Inbox::Quarantined => refuse(batch, ReadingFate::RejectedQuarantined),
            Inbox::Stopped => refuse(batch, ReadingFate::DroppedShutdown),
        }
    }

    /// Where the device is in its life.
    pub fn state(&self) -> DeviceState {
        match &self.door().inbox {
            Inbox::Starting(_) => DeviceState::Starting,
            Inbox::Running(_) => DeviceState::Running,
            Inbox::Quarantined => DeviceState::Quarantined,
            Inbox::Stopped => DeviceState::Stopped,
        }
    }

    /// Whether it has to catch up with the journal.
    pub fn is_behind(&self) -> bool {
        self.door().lag.is_some()
    }

    /// The actor runs: what has waited goes first.
    pub(super) fn started(&self, actor: ActorRef<DeviceMessage>) {
        let mut door = self.door();
        if let Inbox::Starting(waiting) = &mut door.inbox {
            for batch in waiting.drain(..) {
                let _ = actor.cast(DeviceMessage::Batch(batch));
            }
        }
        door.inbox = Inbox::Running(actor);
    }

    /// Its actor is about to work on the input at `position`.
    pub(super) fn handles(&self, position: u64) {
        self.handling.store(position, Ordering::Relaxed);
    }

    /// The actor failed and will be started again.
    pub(super) fn restarting(&self) {
        let mut door = self.door();
        door.fail(self.handling.load(Ordering::Relaxed));
        if !matches!(door.inbox, Inbox::Starting(_)) {
            door.inbox = Inbox::Starting(Vec::new());
        }
        // Nothing from the journal until it is known from where on.
        let last = door.last;
        if last > 0 {
            door.fall_behind(last);
        }
        drop(door);
        self.restarts.fetch_add(1, Ordering::Relaxed);
        self.wake_at.store(i64::MAX, Ordering::Release);
    }

    /// The device is left alone from now on.
    pub(super) fn quarantine(&self) {
        self.wake_at.store(i64::MAX, Ordering::Release);
        let mut door = self.door();
        let at = self.handling.load(Ordering::Relaxed);
        if at > 0 {
            // What it had before has met its fate; the rest is given up by whoever fetches it.
            door.go_back_to(at - 1);
        }
        let before = std::mem::replace(&mut door.inbox, Inbox::Quarantined);
        drop(door);
        if let Inbox::Starting(waiting) = before {
            for batch in waiting {
                batch.permit.settle_all(ReadingFate::RejectedQuarantined);
            }
        }
    }

    /// No more batches; the running actor, if there is one, is the caller's to stop.
    pub(super) fn stop(&self) -> Option<ActorRef<DeviceMessage>> {
        match std::mem::replace(&mut self.door().inbox, Inbox::Stopped) {
            Inbox::Running(actor) => Some(actor),
            Inbox::Starting(waiting) => {
                for batch in waiting {
                    batch.permit.settle_all(ReadingFate::DroppedShutdown);
                }
                None
            }
            Inbox::Quarantined | Inbox::Stopped => None,
        }
    }

    /// It was told of the gateway's clock as it is after so many steps.
    pub(super) fn knows_clock(&self, steps: u64) {
        self.clock_known.store(steps + 1, Ordering::Relaxed);
    }

    /// It has to be told of the gateway's clock, whatever that is worth.
    pub(super) fn must_hear_clock(&self) {
        self.clock_known.store(u64::MAX, Ordering::Relaxed);
    }

    /// What it was to be told of the gateway's clock has not got there.
    pub fn forgets_clock(&self) {
        self.clock_known.store(0, Ordering::Relaxed);
    }

    /// What the device is to be told of the gateway's clock before its next readings; it is asked once.
    pub fn clock_news(&self) -> Option<ClockStep> {
        let steps = clock::steps();
        let known = self.clock_known.swap(steps + 1, Ordering::Relaxed);
        match known.checked_sub(1) {
            Some(known) if known == steps => None,
            // All devices that were there at the start have been told then.
            None if clock::gateway() == GatewayClock::Set => None,
            // No sum of steps: without a journal the time before is not its business.
            Some(known) if known > steps => Some(ClockStep {
                by: Span::ZERO,
                clock: clock::gateway(),
            }),
            known => Some(ClockStep {
                by: known.map_or(Span::ZERO, clock::added_since),
                clock: clock::gateway(),
            }),
        }
    }

    /// Whether the device asked for a timer by `now`; it is asked once.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        if self.wake_at.load(Ordering::Acquire) > now.0 {
            return false;
        }
        // The actor sets the next one when it has handled this one.
        self.wake_at.store(i64::MAX, Ordering::Release);
        true
    }

    /// The timer could not be had now.
    pub(super) fn is_due_again(&self, now: Timestamp) {
        self.wake_at.store(now.0, Ordering::Release);
    }

    /// Sends a timer, without a journal.
    pub(super) fn wake(&self, now: Timestamp) {
        self.send(DeviceMessage::Timer { position: 0, now });
    }

    /// Sends a message that needs no permit, if the actor runs.
    pub(super) fn send(&self, message: DeviceMessage) {
        if let Inbox::Running(actor) = &self.door().inbox {
            let _ = actor.cast(message);
        }
    }

    /// Notes what the device holds and when it wants to be woken.
    pub(super) fn rests(&self, held: usize, wake_at: Option<Timestamp>) {
        self.held.store(held as u64, Ordering::Relaxed);
        let at = wake_at.map_or(i64::MAX, |at| at.0);
        self.wake_at.store(at, Ordering::Release);
    }

    /// Readings in open windows.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Notes an arrival: newest event time of the batch and gateway time.
    pub(super) fn seen(&self, newest: Timestamp, now: Timestamp) {
        self.newest.fetch_max(newest.0, Ordering::Relaxed);
        self.last_seen.store(now.0, Ordering::Relaxed);
    }

    pub(super) fn count(&self, tally: &Tally) {
        for (fate, n) in tally.iter() {
            let counter = match fate.term() {
                "processed" => &self.processed,
                "late" => &self.late,
                "duplicate" => &self.duplicate,
                _ => &self.rejected,
            };
            counter.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// Readings from the journal met these fates, and the books say so.
    pub(super) fn settled(&self, source: &Arc<str>, tally: &Tally) {
        self.lock_settled().add(source, tally);
    }

    /// Readings from the journal met the same fate, and the books say so.
    pub(super) fn settled_all(&self, source: &Arc<str>, fate: ReadingFate, n: u64) {
        self.lock_settled().count(source, fate, n);
    }

    /// What became of its readings from the journal, as it is in the books.
    pub(super) fn tallies(&self) -> Tallies {
        self.lock_settled().clone()
    }

    /// The device starts from where its readings had met no other fates than `tallies`: the books take the others
    /// back, since the journal brings those readings again.
    pub(super) fn unsettle(&self, tallies: &Tallies, ledger: &Ledger) {
        let settled = std::mem::replace(&mut *self.lock_settled(), tallies.clone());
        for (source, fate, n) in settled.iter() {
            let back = n.saturating_sub(tallies.get(source, fate));
            if let Some(book) = ledger.book(source).filter(|_| back > 0) {
                book.enter(|book| book.unsettle_readings(fate, back));
            }
        }
    }

    fn lock_settled(&self) -> MutexGuard<'_, Tallies> {
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn show(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// The device as its state machine last showed it.
    pub fn status(&self) -> Status {
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Newest event time seen.
    pub fn newest(&self) -> Option<Timestamp> {
        known(&self.newest)
    }

    /// Gateway time of the last arrival.
    pub fn last_seen(&self) -> Option<Timestamp> {
        known(&self.last_seen)
    }

    /// It came or went, as its last will or availability topic says.
    pub(super) fn set_online(&self, online: bool, now: Timestamp) {
        let new = if online {
            Liveness::Online
        } else {
            Liveness::Offline
        };
        let old = self.liveness.swap(new as u8, Ordering::Relaxed);
        if online {
            self.last_seen.fetch_max(now.0, Ordering::Relaxed);
        }
        if old != new as u8 {
            tracing::info!(device = %self.name, online, "device says whether it is there");
        }
    }

    /// What it says of being there.
    pub fn liveness(&self) -> Liveness {
        match self.liveness.load(Ordering::Relaxed) {
            1 => Liveness::Online,
            2 => Liveness::Offline,
            _ => Liveness::Unknown,
        }
    }

    /// Age of its newest reading.
    pub fn freshness(&self, now: Timestamp) -> Option<Span> {
        self.newest().map(|newest| now - newest)
    }

    /// Readings processed, late, duplicate and rejected since the agent started.
    pub fn counts(&self) -> [u64; 4] {
        [&self.processed, &self.late, &self.duplicate, &self.rejected]
            .map(|counter| counter.load(Ordering::Relaxed))
    }

    /// Restarts since the agent started.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    pub(super) fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A channel beyond those that the class lists.
fn unlisted_channel(
    rules: &UnlistedConfig,
    name: String,
    unit: Option<String>,
) -> Arc<ChannelConfig> {
    Arc::new(ChannelConfig {
        name,
        unit: unit.or_else(|| rules.channel.unit.clone()),
        ..rules.channel.clone()
    })
}

impl DeviceNames for DeviceEntry {
    fn device(&self) -> &str {
        &self.name
    }

    fn channel(&self, index: ChannelIndex, with: &mut dyn FnMut(&str, Option<&str>)) {
        let listed = &self.class.config.channels;
        let index = usize::from(index);
        if let Some(channel) = listed.get(index) {
            with(&channel.name, channel.unit.as_deref());
        } else if let Some(channel) = self.lock_unlisted().get(index - listed.len()) {
            with(&channel.name, channel.unit.as_deref());
        }
    }
}

fn known(time: &AtomicI64) -> Option<Timestamp> {
    match time.load(Ordering::Relaxed) {
        i64::MIN => None,
        at => Some(Timestamp(at)),
    }
}
