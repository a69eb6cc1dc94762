//! The power goes at any write and any sync, while the database is opened, used and closed.
//!
//! The database is on a disk that keeps what was synced and, of the rest, some sectors and not others, in any order
//! (`eyot_journal::testing::FaultDisk`). What it leaves is looked at by a store on the real file system.

use std::collections::BTreeSet;

use eyot_journal::testing::{FaultDisk, Random};
use eyot_test_vfs::FaultVfs;

use super::*;
use crate::store::{Checkpoint, Tallies};

const DEVICES: [&str; 3] = ["pump", "fan", "press"];
const FILES: [&str; 3] = ["eyot.db", "eyot.db-wal", "eyot.db-journal"];

#[derive(Clone, Copy)]
struct Weather {
    /// Of a thousand syncs, and of a thousand writes.
    failing: u32,
    /// Whether what was written and not synced is lost in the end.
    power_cut: bool,
}

/// What was asked of the store, in order.
struct Asked {
    device: usize,
    /// Numbers of its effects.
    numbers: std::ops::Range<u64>,
    position: u64,
    checkpoint: bool,
}

/// A device by what was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Device {
    last_effect: u64,
    last_position: u64,
    /// Position and last effect of the checkpoint.
    checkpoint: Option<(u64, u64)>,
}

impl Device {
    fn takes(&mut self, asked: &Asked) {
        if !asked.numbers.is_empty() {
            self.last_effect = asked.numbers.end - 1;
            self.last_position = asked.position;
        }
        if asked.checkpoint {
            self.checkpoint = Some((asked.position, self.last_effect));
        }
    }
}

#[derive(Default)]
struct Memory {
    asked: Vec<Asked>,
    /// So many of them have to be there, whatever happens.
    covered: usize,
    /// The books have to be there up to this position.
    covered_books: u64,
    /// Device and number of the effects that may be gone.
    delivered: BTreeSet<(usize, u64)>,
    position: u64,
    /// Cuts that did not lead to an orderly stop, and databases that were set aside.
    cuts: u32,
    set_aside: u32,
}

/// The books of a source whose every input was one reading and is processed.
struct Counted(Mutex<u64>);

impl Counted {
    fn book(position: u64) -> SourceBook {
        let mut book = SourceBook::default();
        book.receive_readings(position);
        book.settle_readings(eyot_pipeline::ledger::ReadingFate::Processed, position);
        book
    }
}

impl Books for Counted {
    fn take(&self) -> Vec<(String, SourceState)> {
        let position = *self.0.lock().unwrap();
        let state = SourceState {
            book: Self::book(position),
            position,
            ..SourceState::default()
        };
        vec![("plant".to_owned(), state)]
    }
}

fn body(device: usize, number: u64) -> Vec<u8> {
    format!("{} {number} ", DEVICES[device])
        .repeat(1 + number as usize % 40)
        .into_bytes()
}

fn lane_of(number: u64) -> Lane {
    [Lane::Alert, Lane::Summary][number as usize % 2]
}

/// A folder in memory where there is one: what is looked at in it is durable already.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| TempDir::new().unwrap())
}

fn live(seed: u64, weather: Weather) -> Memory {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(lives(seed, weather))
}

async fn lives(seed: u64, weather: Weather) -> Memory {
    let mut random = Random::new(!seed);
    let mut memory = Memory::default();
    let home = folder();
    for life in 0..4 {
        let disk = FaultDisk::new(seed * 4 + life);
        for file in FILES {
            if let Ok(bytes) = std::fs::read(home.path().join(file)) {
                disk.damage(file, |content| *content = bytes);
            }
        }
        let vfs = FaultVfs::new(disk.clone());
        disk.fail_syncs(weather.failing);
        disk.fail_writes(weather.failing / 4);
        // Some while it is still being opened.
        let cut = random.number() % if random.chance(300) { 40 } else { 400 };
        disk.stop_after(cut);
        // Files beside the database are on the real file system: they are synced when they are written.
        let dir = folder();
        let identity = [home.path(), dir.path()].map(|dir| dir.join("eyot.identity"));
        let _ = std::fs::copy(&identity[0], &identity[1]);
        run(&disk, &vfs, dir.path(), weather, &mut random, &mut memory).await;
        let _ = std::fs::copy(&identity[1], &identity[0]);
        memory.cuts += u32::from(disk.is_off());
        if weather.power_cut && random.chance(800) {
            disk.restart_after_power_cut();
        } else {
            disk.restart_after_kill();
        }
        for file in FILES {
            let path = home.path().join(file);
            match disk.contents(file) {
                Some(bytes) => std::fs::write(path, bytes).unwrap(),
                None => drop(std::fs::remove_file(path)),
            }
        }
        check(home.path(), weather, &mut memory).await;
    }
    memory
}

/// One run of an agent, until the power goes or it stops.
async fn run(
    disk: &FaultDisk,
    vfs: &FaultVfs,
    dir: &Path,
    weather: Weather,
    random: &mut Random,
    memory: &mut Memory,
) {
    let books = Arc::new(Counted(Mutex::new(memory.position)));
    let options = Options {
        books: books.clone(),
        vfs: Some(vfs.name().to_owned()),
        ..options(dir)
    };
    let store = match Store::open(options) {
        Ok(store) => store,
        Err(error) => {
            assert!(disk.is_off() || weather.failing > 0, "{error}");
            return;
        }
    };
    assert!(store.set_aside.is_none());
    let done = work(&store.handle, disk, &books, random, memory);
    tokio::select! {
        _ = done => {}
        () = until_off(disk) => {}
    }
    // In order if the disk lets it.
    let _ = store.thread.shutdown().await;
}

async fn until_off(disk: &FaultDisk) {
    while !disk.is_off() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn work(
    store: &StoreHandle,
    disk: &FaultDisk,
    books: &Counted,
    random: &mut Random,
    memory: &mut Memory,
) -> Result<(), StoreError> {
    let mut devices = Vec::new();
    let mut rows = Vec::new();
    for name in DEVICES {
        let row = store.open_device(name, "machines").await?;
        devices.push(Device {
            last_effect: row.last_effect,
            ..Device::default()
        });
        rows.push(row.id);
    }
    for _ in 0..random.below(300) {
        if disk.is_off() {
            break;
        }
        match random.below(100) {
            0..6 => {
                let asked = memory.asked.len();
                let position = *books.0.lock().unwrap();
                store.flush().await?;
                if store.sync().await.is_ok() {
                    memory.covered = asked;
                    memory.covered_books = position;
                }
            }
            6..12 => store.flush().await?,
            12..22 => {
                let lane = Lane::ALL[random.below(Lane::ALL.len())];
                let found = store.fetch(lane, 0, 1 + random.below(20)).await?;
                for row in &found {
                    let device = DEVICES.iter().position(|name| *name == row.device);
                    memory.delivered.insert((device.unwrap(), row.number));
                }
                let rows = found.iter().map(|row| (lane, row.seq)).collect();
                store.delivered(rows).await?;
            }
            22..26 => {
                store
                    .dead_letter(letter("a/b", &[random.number() as u8]))
                    .await?;
            }
            _ => {
                memory.position += 1;
                let device = random.below(DEVICES.len());
                let first = devices[device].last_effect + 1;
                let asked = Asked {
                    device,
                    numbers: first..first + random.below(4) as u64,
                    position: memory.position,
                    checkpoint: random.chance(300),
                };
                devices[device].takes(&asked);
                let commit = commit(rows[device], &asked, &devices[device]);
                memory.asked.push(asked);
                *books.0.lock().unwrap() = memory.position;
                store.commit(commit).await?;
            }
        }
    }
    Ok(())
}

fn commit(row: i64, asked: &Asked, device: &Device) -> Commit {
    let record = |number| Record {
        lane: lane_of(number),
        number,
        kind: "summary",
        oldest: NOW,
        body: body(asked.device, number),
        unset: None,
    };
    Commit {
        device: row,
        position: asked.position,
        told_until: eyot_pipeline::Timestamp(0),
        records: asked.numbers.clone().map(record).collect(),
        checkpoint: asked.checkpoint.then(|| {
            Box::new(Checkpoint {
                position: asked.position,
                tallies: Tallies::default(),
                channels: Vec::new(),
                body: device.last_effect.to_le_bytes().repeat(100),
            })
        }),
        on_commit: None,
    }
}

/// What is there, by a store that has never heard of cuts.
async fn check(home: &Path, weather: Weather, memory: &mut Memory) {
    let looked_at = folder();
    for file in FILES.into_iter().chain(["eyot.identity"]) {
        let _ = std::fs::copy(home.join(file), looked_at.path().join(file));
    }
    let before = Identity::read(home).unwrap();
    let store = open(looked_at.path());
    if let Some(identity) = before {
        assert_eq!(store.identity.agent, identity.agent);
        // A cut before the first sync leaves no database: that skips an epoch.
        let again = store.identity.store_epoch - identity.store_epoch;
        // A disk whose syncs fail may cost a database as well, and what is set aside begins another one.
        assert!(again <= 1 + u32::from(weather.failing > 0));
        let says_something = |asked: &Asked| !asked.numbers.is_empty() || asked.checkpoint;
        let mut covered = memory.asked[..memory.covered].iter();
        if weather.failing == 0 && covered.any(says_something) {
            assert_eq!(again, 0);
        }
    }
    let mut found = Vec::new();
    for name in DEVICES {
        let row = store.handle.open_device(name, "machines").await.unwrap();
        found.push(Device {
            last_effect: row.last_effect,
            last_position: row.last_position,
            checkpoint: row.checkpoint.map(|checkpoint| {
                let last = checkpoint.body[..8].try_into().unwrap();
                (checkpoint.position, u64::from_le_bytes(last))
            }),
        });
    }
    if store.set_aside.is_some() {
        assert!(weather.failing > 0, "a disk that keeps its word is enough");
    }
    let mut there = BTreeSet::new();
    for lane in Lane::ALL {
        for row in all(&store.handle, lane).await {
            if row.device == crate::store::loss::DEVICE {
                assert!(
                    weather.failing > 0,
                    "nothing is lost on a disk that keeps its word"
                );
                continue;
            }
            let device = DEVICES.iter().position(|name| *name == row.device).unwrap();
            assert_eq!(row.body, body(device, row.number));
            assert_eq!(row.lane, lane_of(row.number));
            assert!(there.insert((device, row.number)), "twice");
        }
    }
    let stats = store.handle.stats().await.unwrap();
    let book = store.books.get("plant").cloned().unwrap_or_default();
    if weather.failing == 0 {
        agree(memory, &found, &there, &stats);
        assert!(book.position >= memory.covered_books);
        assert!(book.position <= memory.position);
        assert_eq!(book.book, Counted::book(book.position), "invariant 2");
    }
    // It goes on working.
    let next = found[0].last_effect + 1;
    let row = store.handle.open_device(DEVICES[0], "machines").await;
    let asked = Asked {
        device: 0,
        numbers: next..next + 1,
        position: memory.position + 1,
        checkpoint: true,
    };
    let commit = commit(row.unwrap().id, &asked, &found[0]);
    store.handle.commit(commit).await.unwrap();
    store.handle.flush().await.unwrap();
    store.thread.shutdown().await.unwrap();
    if store.set_aside.is_some() {
        memory.set_aside += 1;
        memory.asked.clear();
        memory.covered = 0;
        memory.covered_books = 0;
        for file in FILES {
            let _ = std::fs::remove_file(home.join(file));
        }
        let identity = looked_at.path().join("eyot.identity");
        std::fs::copy(identity, home.join("eyot.identity")).unwrap();
    }
}

/// The store is as it stood behind one of the requests, not before the last that a sync covered.
fn agree(
    memory: &mut Memory,
    found: &[Device],
    there: &BTreeSet<(usize, u64)>,
    stats: &crate::store::Stats,
) {
    let mut devices = vec![Device::default(); DEVICES.len()];
    let mut agreed = (memory.covered == 0 && devices == found).then_some(0);
    for (i, asked) in memory.asked.iter().enumerate() {
        devices[asked.device].takes(asked);
        if i + 1 >= memory.covered && devices == found {
            agreed = Some(i + 1);
        }
    }
    let agreed = agreed.unwrap_or_else(|| {
        panic!(
            "{found:?} is no state since request {} of {}",
            memory.covered,
            memory.asked.len()
        )
    });
    memory.asked.truncate(agreed);
    memory.covered = agreed;
    let effects = |(device, state): (usize, &Device)| {
        (1..=state.last_effect).map(move |number| (device, number))
    };
    let committed: BTreeSet<_> = found.iter().enumerate().flat_map(effects).collect();
    assert!(
        there.is_subset(&committed),
        "effects of a commit that is not there"
    );
    for gone in committed.difference(there) {
        assert!(memory.delivered.contains(gone), "{gone:?} is missing");
    }
    memory.delivered.retain(|effect| committed.contains(effect));
    let mut buffered = 0;
    for (lane, book) in stats.lanes {
        assert!(book.balanced(), "invariant 2: {lane:?} {book:?}");
        assert_eq!(book.evicted, 0);
        buffered += book.buffered;
    }
    assert_eq!(buffered, there.len() as u64);
    let enqueued: u64 = stats.lanes.iter().map(|(_, book)| book.enqueued).sum();
    assert_eq!(enqueued, committed.len() as u64);
    assert_eq!((stats.effect_gaps, stats.refused), (0, 0));
}

/// Many seeds, on a few threads.
fn seeds(seeds: std::ops::Range<u64>, weather: Weather) -> (u32, u32) {
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let totals = Mutex::new((0, 0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let memory = std::panic::catch_unwind(|| live(seed, weather));
                    let memory = memory.unwrap_or_else(|_| panic!("seed {seed}"));
                    let mut totals = totals.lock().unwrap();
                    totals.0 += memory.cuts;
                    totals.1 += memory.set_aside;
                }
            });
        }
    });
    totals.into_inner().unwrap()
}

#[test]
fn invariant_1_2_7_what_was_synced_survives_power_cuts_whole() {
    let weather = Weather {
        failing: 0,
        power_cut: true,
    };
    let (cuts, set_aside) = seeds(0..700, weather);
    assert!(cuts > 1_500, "{cuts}");
    assert_eq!(set_aside, 0);
}

#[test]
fn invariant_7_boots_after_power_cuts_on_a_disk_whose_syncs_fail() {
    let weather = Weather {
        failing: 150,
        power_cut: true,
    };
    let (cuts, _) = seeds(0..150, weather);
    assert!(cuts > 100, "{cuts}");
}
