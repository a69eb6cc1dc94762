//! Picking up where the last run ended: the books and the devices' state from the store, and from the journal what
//! happened behind both.
//!
//! The same after an orderly stop, a crash, or the loss of the database: what the journal has is entered in the
//! books if they do not cover it, and each device is told what its checkpoint does not.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use eyot_journal::{Disk, EntryRef, FileError, Recovery, Step};
use eyot_pipeline::ledger::{ReadingFate, SourceBook};
use ractor::ActorRef;

use crate::actors::{Fleet, FleetMessage, Resolution};
use crate::books::Ledger;
use crate::clock;
use crate::config::{Config, Durability, Source};
use crate::ingest::Recent;
use crate::journal::{self, JournalHandle};
use crate::record::Trace;
use crate::store::{DeadLetter, KnownDevice, Store, StoreError, StoreHandle, Tallies};

/// The journal's folder in the data folder.
const FOLDER: &str = "journal";

/// How to open the journal of this configuration behind this store; `None` if it is to have none.
pub(super) fn options(config: &Config, store: &Store) -> Option<journal::Options> {
    let durability = config.journal.durability;
    let devices = store.devices.iter().map(|device| device.position);
    let books = store.books.values().map(|state| state.position);
    (durability > Durability::Memory).then(|| journal::Options {
        dir: config.agent.data_dir.join(FOLDER),
        max_bytes: config.journal.max_bytes,
        sync: durability == Durability::Power,
        max_wait: config.journal.max_wait,
        used: devices.chain(books).max().unwrap_or(0),
        slow_sync: None,
    })
}

/// A journal that a run without one finds goes out of the way, since a later run must not take it for its own.
pub(super) fn set_aside(data_dir: &Path) -> Option<String> {
    let folder = data_dir.join(FOLDER);
    // It is not empty if there is anything to keep.
    if std::fs::remove_dir(&folder).is_ok() || !folder.exists() {
        return None;
    }
    let aside = data_dir.join(format!(
        "{FOLDER}.unused-{}",
        clock::now().0 / 1_000_000_000
    ));
    let moved = match std::fs::rename(&folder, &aside) {
        Ok(()) => format!("set aside as {}", aside.display()),
        Err(error) => format!("in the way: {error}"),
    };
    Some(format!(
        "there is to be no journal, but one was found; it is {moved}"
    ))
}

/// What was wrong with the journal, a sentence each.
pub(super) fn faults(recovery: &Recovery) -> Vec<String> {
    let mut faults = Vec::new();
    for file in &recovery.set_aside {
        faults.push(format!(
            "a part of the journal could not be used and was set aside as {}",
            file.path.display()
        ));
    }
    faults
}

/// What the journal has for one device behind its checkpoint.
#[derive(Debug, Default)]
struct Tail {
    /// Position of the checkpoint.
    checkpoint: u64,
    /// Position of the last input.
    last: u64,
    /// Readings, by source.
    readings: Vec<(Arc<str>, u64)>,
}

/// What the journal has for all devices.
#[derive(Debug, Default)]
pub(super) struct Tails {
    devices: HashMap<String, Tail>,
    /// Every device that the store has.
    known: Vec<KnownDevice>,
    /// What was lost, a sentence each.
    pub(super) losses: Vec<String>,
    /// What each source's broker may send again.
    pub(super) recent: HashMap<String, Recent>,
}

/// Reads the journal through, enters what the books do not cover, and settles what the checkpoints do. Blocks on
/// the disk.
///
/// # Errors
/// If the journal cannot be read at all; what is damaged in it is passed over.
pub(super) fn read<D: Disk>(
    journal: &JournalHandle<D>,
    (ledger, trace): (&Ledger, &Trace),
    known: Vec<KnownDevice>,
    sources: &[Source],
) -> Result<Tails, FileError> {
    let mut tails = Tails::default();
    let recent = sources
        .iter()
        .map(|s| (s.name.clone(), Recent::new(s.window())));
    tails.recent = recent.collect();
    for device in &known {
        let tail = Tail {
            checkpoint: device.position,
            ..Tail::default()
        };
        tails.devices.insert(device.name.clone(), tail);
    }
    let end = journal.committed();
    let mut reader = journal.reader(1);
    while let Some(step) = reader.next(end)? {
        let Step::Entry(entry) = step else { continue };
        let position = entry.position();
        let to_devices = tails.note(&entry);
        let Some(part) = entry.source() else { continue };
        let Some(book) = ledger.book(part.name()) else {
            continue;
        };
        if let Some(recent) = tails.recent.get_mut(part.name()) {
            part.deliveries().for_each(|delivery| recent.push(delivery));
        }
        if position <= book.position() {
            continue;
        }
        let mut came_to = SourceBook::default();
        for (fate, n) in part.messages() {
            if let Some(fate) = fate.of_message() {
                came_to.receive_messages(n);
                came_to.settle_messages(fate, n);
            }
        }
        came_to.receive_readings(to_devices);
        for (fate, n) in part.settled() {
            if let Some(fate) = fate.of_reading() {
                came_to.receive_readings(n);
                came_to.settle_readings(fate, n);
            }
        }
        came_to.unmapped_fields = part.unmapped();
        let letters = part.letters().map(|letter| DeadLetter {
            trace_id: trace.id(position).unwrap_or_default(),
            at: entry.admitted(),
            source: part.name().to_owned(),
            topic: letter.topic.to_owned(),
            reason: letter.reason.to_owned().into(),
            detail: letter.detail.to_owned(),
            payload: letter.payload.to_vec(),
            payload_len: usize::try_from(letter.payload_len).unwrap_or(usize::MAX),
        });
        book.journaled(position, &came_to, letters);
    }
    tails.devices.retain(|_, tail| tail.last > 0);
    ledger.settle(&known);
    tails.known = known;
    for book in ledger.books() {
        let of_source = |tail: &Tail| {
            let of = tail
                .readings
                .iter()
                .filter(|(name, _)| name == book.source());
            of.map(|(_, n)| n).sum::<u64>()
        };
        let in_journal = tails.devices.values().map(of_source).sum();
        let lost = ledger.reconcile(book.source(), in_journal);
        if lost > 0 {
            tails.losses.push(format!(
                "{lost} readings of source {} were lost with a damaged part of the journal or the database",
                book.source()
            ));
        }
    }
    Ok(tails)
}

impl Tails {
    /// Notes what an entry has for devices. Returns how many readings that are.
    fn note(&mut self, entry: &EntryRef<'_>) -> u64 {
        let mut source: Option<Arc<str>> = None;
        let mut readings = 0;
        for input in entry.inputs() {
            let n = input.count();
            readings += n;
            let name = input.device();
            if !self.devices.contains_key(name) {
                self.devices.insert(name.to_owned(), Tail::default());
            }
            let tail = self.devices.get_mut(name);
            let Some(tail) = tail.filter(|tail| entry.position() > tail.checkpoint) else {
                continue;
            };
            tail.last = entry.position();
            if n > 0 {
                let source = source.get_or_insert_with(|| {
                    entry.source().map_or("", |source| source.name()).into()
                });
                match tail.readings.iter_mut().find(|(name, _)| name == source) {
                    Some((_, count)) => *count += n,
                    None => tail.readings.push((Arc::clone(source), n)),
                }
            }
        }
        readings
    }

    /// Starts the devices that the journal has something for. What it has for devices that the configuration no
    /// longer knows is given up, counted.
    pub(super) async fn resume(
        self,
        fleet: &Fleet,
        fleet_actor: &ActorRef<FleetMessage>,
        ledger: &Ledger,
        store: &StoreHandle,
    ) -> Result<(), StoreError> {
        let tallies = self
            .known
            .iter()
            .map(|known| (&*known.name, &known.tallies));
        let tallies: HashMap<&str, &Tallies> = tallies.collect();
        fleet.knows(self.known.clone());
        for (name, tail) in self.devices {
            match fleet.resolve(&name, fleet_actor) {
                Resolution::Device(entry) => fleet.expects(&entry, tail.last),
                Resolution::NoClass | Resolution::LimitReached => {
                    let none = Tallies::default();
                    let tallies = tallies.get(&*name).copied().unwrap_or(&none);
                    give_up(&name, tail, tallies, ledger, store).await?;
                }
            }
        }
        Ok(())
    }
}

/// Counts what the journal has for a device that is no more, and remembers that it is counted.
async fn give_up(
    name: &str,
    tail: Tail,
    tallies: &Tallies,
    ledger: &Ledger,
    store: &StoreHandle,
) -> Result<(), StoreError> {
    let fate = ReadingFate::DroppedConfigChanged;
    let mut tallies = tallies.clone();
    let mut readings = 0;
    for (source, n) in &tail.readings {
        readings += n;
        tallies.count(source, fate, *n);
        if let Some(book) = ledger.book(source) {
            book.enter(|book| book.settle_readings(fate, *n));
        }
    }
    tracing::warn!(
        device = name,
        readings,
        "the journal has readings for a device that the configuration has no longer; they are given up"
    );
    let position = tail.last;
    store
        .move_checkpoint(name, "", position, tallies, None)
        .await
}
