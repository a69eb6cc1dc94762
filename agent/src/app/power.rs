//! Journal and database on one disk, and the power goes: with devices, recovery, catching up and retention as they
//! are, and only the source played by the test.
//!
//! The source is one that sends what was not acknowledged again. In the end the outbox and the books have to be what
//! they are without any cut, to the byte, apart from the epoch in the ids and the clock's times.

use eyot_pipeline::reading::Origin;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use eyot_journal::testing::{FaultDisk, Random};
use eyot_journal::{DeviceInput, SourcePart};
use eyot_pipeline::ledger::{Lane, MessageFate, SourceBook};
use eyot_pipeline::restart::RestartPolicy;
use eyot_pipeline::{Reading, Span, Timestamp};
use eyot_test_vfs::FaultVfs;
use ractor::Actor;
use serde_json::Value;
use tempfile::TempDir;

use super::recover;
use crate::actors::{
    self, CatchUp, DeviceEntry, Feed, Fleet, FleetActor, FleetArguments, FleetMessage, Resolution,
};
use crate::books::{Book, Ledger};
use crate::config::Config;
use crate::journal::{self, Append};
use crate::ops::Metrics;
use crate::record::Encoder;
use crate::store::{self, Store};

/// 2096: no timer of the wall clock is due before.
const T0: i64 = 4_000_000_000;
const BURSTS: u64 = 150;
const DEVICES: [&str; 4] = ["m-1", "m-2", "m-3", "m-4"];
const PATIENCE: Duration = Duration::from_secs(10);

const CONFIG: &str = r#"
    agent = { data_dir = "data" }
    journal = { durability = "power" }
    source = [{ name = "plant", url = "mqtt://localhost", rule = [
        { name = "r", topic = "{device}/{channel}", decoder = "value" }] }]
    class = [{ name = "machine", devices = ["m-*"], window = "1s", out_of_orderness = "100ms",
        idle_timeout = "1h", channels = { speed = {}, heat = { max = 50 } } }]
"#;

/// What a source brings at once: device, readings.
fn burst(number: u64) -> (Timestamp, Vec<(&'static str, Vec<Reading>)>) {
    let mut random = Random::new(number);
    let ns = (T0 * 1_000 + number.cast_signed() * 200) * 1_000_000;
    let admitted = Timestamp(ns);
    let mut inputs = Vec::new();
    for device in DEVICES {
        if random.chance(700) {
            let reading = |_| Reading {
                // Some late, some twice, some out of range.
                time: Timestamp(ns - random.below(30).cast_signed() as i64 * 50_000_000),
                value: 20.0 + random.below(400) as f64 / 10.0,
                channel: random.below(2) as u16,
                origin: Origin::default(),
            };
            inputs.push((device, (0..3).map(reading).collect()));
        }
    }
    (admitted, inputs)
}

/// It, on its way into the journal.
struct Burst {
    number: u64,
    admitted: Timestamp,
    stages: Vec<(Arc<DeviceEntry>, Vec<Reading>)>,
    book: Arc<Book>,
    fleet: Arc<Fleet>,
    acknowledged: Arc<AtomicU64>,
}

impl Append for Burst {
    fn steps(&self) -> Option<u64> {
        Some(crate::clock::steps())
    }

    fn admitted(&self) -> Timestamp {
        self.admitted
    }

    fn source(&self) -> Option<SourcePart<'_>> {
        Some(SourcePart {
            name: self.book.source(),
            messages: &[(MessageFate::Decoded, 1)],
            settled: &[],
            unmapped: 0,
            letters: &[],
            deliveries: &[],
        })
    }

    fn inputs<'a>(&'a self, inputs: &mut Vec<DeviceInput<'a>>) {
        let input =
            |(entry, readings): &'a (Arc<DeviceEntry>, Vec<Reading>)| DeviceInput::Readings {
                key: entry.key(),
                names: &**entry,
                readings,
                told: &[],
            };
        inputs.extend(self.stages.iter().map(input));
    }

    fn committed(self: Box<Self>, position: u64) {
        let mut came_to = SourceBook::default();
        came_to.receive_messages(1);
        came_to.settle_messages(MessageFate::Decoded, 1);
        let readings = self
            .stages
            .iter()
            .map(|(_, readings)| readings.len() as u64);
        came_to.receive_readings(readings.sum());
        self.book.journaled(position, &came_to, []);
        self.acknowledged.store(self.number + 1, Ordering::Release);
        for (entry, readings) in self.stages {
            let feed = Feed {
                position,
                admitted: self.admitted,
                arrived: Some(Instant::now()),
                book: &self.book,
                readings,
                told: Vec::new(),
                orphans: 0,
            };
            self.fleet.feed(&entry, feed);
        }
    }
}

/// What there is in the end.
#[derive(Debug)]
struct Outcome {
    /// By device and number of the effect.
    records: BTreeMap<(String, u64), Value>,
    book: SourceBook,
}

impl Outcome {
    fn must_be(&self, uncut: &Self, seed: u64) {
        assert_eq!(self.book, uncut.book, "seed {seed}");
        let all: BTreeSet<_> = self.records.keys().chain(uncut.records.keys()).collect();
        for key in all {
            let (got, expected) = (self.records.get(key), uncut.records.get(key));
            assert_eq!(got, expected, "seed {seed}: {key:?}");
        }
    }
}

struct World {
    disk: FaultDisk,
    folder: TempDir,
    config: Config,
    acknowledged: Arc<AtomicU64>,
    random: Random,
    /// Whether the agent is stopped in order now and then.
    stops: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            stops: false,
            disk: FaultDisk::new(seed),
            folder: tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| TempDir::new().unwrap()),
            config: Config::parse(CONFIG, "test.toml", Path::new(".")).unwrap(),
            acknowledged: Arc::default(),
            random: Random::new(!seed),
        }
    }

    /// One run of the agent, to the end of what the source has or of the power.
    fn live(&mut self) -> Option<Outcome> {
        let vfs = FaultVfs::new(self.disk.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let ledger = Ledger::new([("plant", true)]);
        let opened = Store::open(store::Options {
            dir: self.folder.path().to_owned(),
            commit_interval: Duration::ZERO,
            agent: "gateway".into(),
            quotas: self.config.outbox.quotas,
            fold: store::Fold {
                // Folding rounds to single precision, and the output is compared to the bit.
                after: Span::from_secs(365 * 24 * 3_600),
                rows: 16,
            },
            merge: crate::record::merge,
            headroom: 0,
            patience: Duration::ZERO,
            dead_letters: 10,
            channel: 64,
            clock: crate::clock::now,
            hold_unsynced: eyot_pipeline::Span::from_secs(600),
            moved: crate::record::moved,
            books: Arc::new(ledger.clone()),
            books_interval: Duration::from_secs(10),
            slow_commit: None,
            pace: store::Pace::default(),
            vfs: Some(vfs.name().to_owned()),
        });
        let mut store = match opened {
            Ok(store) => store,
            Err(error) => {
                assert!(self.disk.is_off(), "{error}");
                return None;
            }
        };
        assert!(store.set_aside.is_none());
        let mut parts = None;
        let outcome = runtime.block_on(self.run(&mut store, &ledger, &mut parts));
        // As a crash would have it: no one finishes anything.
        drop(runtime);
        let Store { handle, thread, .. } = store;
        drop(handle);
        if let Some((catch_up, thread)) = parts {
            drop::<Option<CatchUp>>(catch_up);
            journal::JournalThread::join(thread);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let _ = runtime.block_on(thread.shutdown());
        outcome
    }

    async fn run(
        &mut self,
        store: &mut Store,
        ledger: &Ledger,
        parts: &mut Option<(Option<CatchUp>, journal::JournalThread)>,
    ) -> Option<Outcome> {
        ledger.restore(std::mem::take(&mut store.books), &store.devices);
        let options = recover::options(&self.config, store).unwrap();
        let (journal, thread, _) = match journal::open_on(self.disk.clone(), &options) {
            Ok(opened) => opened,
            Err(error) => {
                assert!(self.disk.is_off(), "{error}");
                return None;
            }
        };
        let parts = &mut parts.insert((None, thread)).0;
        let known = std::mem::take(&mut store.devices);
        let trace = crate::record::Trace::new(&store.identity);
        let tails = match recover::read(&journal, (ledger, &trace), known, &[]) {
            Ok(tails) => tails,
            Err(error) => {
                assert!(self.disk.is_off(), "{error}");
                return None;
            }
        };
        assert!(tails.losses.is_empty(), "{:?}", tails.losses);
        let book = &ledger.books()[0];
        let received = book.snapshot().messages;
        let acknowledged = self.acknowledged.load(Ordering::Acquire);
        assert!(
            received >= acknowledged,
            "invariant 1: {received} of {acknowledged}"
        );
        // From here on what was sent is as good as acknowledged, whether or not the source was told.
        self.acknowledged.store(received, Ordering::Release);

        let mut faults = Vec::new();
        let class = super::class_runtime(&self.config.classes[0], None, &mut faults).unwrap();
        let fleet = Arc::new(Fleet::new(vec![Arc::new(class)], 100, 10_000, 200));
        let arguments = FleetArguments {
            fleet: Arc::clone(&fleet),
            policy: RestartPolicy {
                restarts: 0,
                window: Span::from_secs(60),
                first_pause: Span::from_millis(1),
            },
            ledger: ledger.clone(),
            journal: None,
            store: store.handle.clone(),
            metrics: Arc::new(Metrics::default()),
            encoder: Encoder::new("gateway", &store.identity),
        };
        let (actor, _) = Actor::spawn(None, FleetActor, arguments).await.unwrap();
        let disk = self.disk.clone();
        let work = async {
            tails
                .resume(&fleet, &actor, ledger, &store.handle)
                .await
                .ok()?;
            let catch_up = CatchUp::start(Arc::clone(&fleet), journal.clone(), ledger.clone());
            *parts = Some(catch_up.unwrap());
            for number in received..BURSTS {
                let (admitted, inputs) = burst(number);
                let stage = |(name, readings): (&str, Vec<Reading>)| {
                    let Resolution::Device(entry) = fleet.resolve(name, &actor) else {
                        panic!("{name}")
                    };
                    (entry, readings)
                };
                journal
                    .append(Burst {
                        number,
                        admitted,
                        stages: inputs.into_iter().map(stage).collect(),
                        book: Arc::clone(book),
                        fleet: Arc::clone(&fleet),
                        acknowledged: Arc::clone(&self.acknowledged),
                    })
                    .await;
                match self.random.below(20) {
                    0..4 => journal.barrier().await,
                    4 => {
                        let upto = self.random.number() % 200;
                        actors::ask_for_checkpoints(&fleet, upto);
                    }
                    // A failing disk is a reason to do it another time.
                    5 => drop(actors::shorten(&fleet, &journal, &store.handle).await),
                    6 if self.stops && self.random.chance(100) => {
                        // An orderly stop, and the power goes right then.
                        journal.barrier().await;
                        let timeout = Duration::from_secs(5);
                        let _ = ractor::call!(actor, |done| FleetMessage::Stop { timeout, done });
                        return None;
                    }
                    _ => {}
                }
            }
            journal.barrier().await;
            self.settled(&book.clone()).await;
            store.handle.flush().await.ok()?;
            Some(outcome(store, book).await)
        };
        tokio::select! {
            outcome = work => outcome,
            () = until_off(&disk) => None,
        }
    }

    async fn settled(&self, book: &Book) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let book = book.snapshot();
            assert!(book.balanced(), "invariant 2: {book:?}");
            if book.readings_in_flight == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{book:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

async fn until_off(disk: &FaultDisk) {
    while !disk.is_off() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn outcome(store: &Store, book: &Book) -> Outcome {
    let mut records = BTreeMap::new();
    for lane in Lane::ALL {
        for row in store.handle.fetch(lane, 0, usize::MAX).await.unwrap() {
            let mut record: Value = serde_json::from_slice(&row.body).unwrap();
            let id = record["id"].as_str().unwrap().to_owned();
            let own = format!("/{}/{}", row.device, row.number);
            assert!(id.ends_with(&own), "{id} is not {own}");
            record["id"] = own.into();
            if let Some(episode) = record["episode"].as_str() {
                let parts: Vec<_> = episode.rsplit('/').take(2).collect();
                record["episode"] = parts.join("/").into();
            }
            // What is sent again has another place in the journal.
            record.as_object_mut().unwrap().remove("trace_id");
            if let Some(freshness) = record["freshness"].as_object_mut() {
                freshness.remove("scored_at");
                freshness.remove("age_of_oldest_ms");
            }
            let twice = records.insert((row.device, row.number), record);
            assert!(twice.is_none(), "{id} twice");
        }
    }
    let stats = store.handle.stats().await.unwrap();
    assert_eq!((stats.effect_gaps, stats.refused), (0, 0));
    for (lane, book) in stats.lanes {
        assert!(book.balanced() && book.evicted == 0, "{lane:?} {book:?}");
    }
    Outcome {
        records,
        book: book.snapshot(),
    }
}

/// Returns how often the power went.
fn through_cuts(seed: u64, uncut: &Outcome) -> u32 {
    let mut world = World::new(seed);
    world.stops = true;
    let mut cuts = 0;
    for _ in 0..8 {
        let range = if world.random.chance(200) { 50 } else { 250 };
        world.disk.stop_after(world.random.number() % range);
        let outcome = world.live();
        cuts += u32::from(world.disk.is_off());
        world.disk.restart_after_power_cut();
        if let Some(outcome) = outcome {
            outcome.must_be(uncut, seed);
        }
    }
    world.stops = false;
    let outcome = world.live().expect("no cut this time");
    outcome.must_be(uncut, seed);
    cuts
}

#[test]
fn invariant_1_2_3_after_power_cuts_the_output_is_as_without_them() {
    let uncut = World::new(1).live().unwrap();
    assert!(uncut.records.len() > 50, "{}", uncut.records.len());
    assert_eq!(uncut.book.messages, BURSTS);
    if let Ok(seed) = std::env::var("EYOT_SEED") {
        through_cuts(seed.parse().unwrap(), &uncut);
        return;
    }
    let (next, cuts) = (AtomicU64::new(0), Mutex::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= 60 {
                        return;
                    }
                    let cut = through_cuts(seed, &uncut);
                    *cuts.lock().unwrap() += cut;
                }
            });
        }
    });
    let cuts = *cuts.lock().unwrap();
    assert!(cuts > 200, "{cuts}");
}
