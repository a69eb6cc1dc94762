//! The lanes' books, the quotas and the loss records against a naive model of the outbox.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const DEVICES: usize = 3;
const RECORDS: u64 = 12;
/// About ten records.
const BYTES: u64 = 1_120;

#[derive(Debug, Clone)]
enum Step {
    /// A device commits new effects, one for each lane given.
    Commit(usize, Vec<Lane>),
    /// A device commits its last effects again.
    Replay(usize, u64),
    /// The upstream acknowledges the rows at these places of a lane, some perhaps twice.
    Deliver(Lane, Vec<prop::sample::Index>),
    /// The upstream does not want the row at this place.
    GiveUp(Lane, prop::sample::Index, Reason),
    /// Orderly stop and start.
    Restart,
    /// `kill -9` and start.
    Crash,
}

fn lane() -> impl Strategy<Value = Lane> {
    prop::sample::select(vec![Lane::Alert, Lane::Summary])
}

fn any_lane() -> impl Strategy<Value = Lane> {
    prop::sample::select(Lane::ALL.to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..DEVICES, prop::collection::vec(lane(), 0..8))
            .prop_map(|(device, lanes)| Step::Commit(device, lanes)),
        2 => (0..DEVICES, 0..5_u64).prop_map(|(device, n)| Step::Replay(device, n)),
        4 => (any_lane(), prop::collection::vec(any::<prop::sample::Index>(), 0..6))
            .prop_map(|(lane, rows)| Step::Deliver(lane, rows)),
        1 => (lane(), any::<prop::sample::Index>(), prop::sample::select(Reason::ALL.to_vec()))
            .prop_map(|(lane, row, reason)| Step::GiveUp(lane, row, reason)),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ]
}

/// What should be in the outbox.
struct Model {
    quotas: Quotas,
    /// Folding changes what records take up.
    folds: bool,
    /// Device and effect number of a record, oldest first, in each lane.
    waiting: BTreeMap<Lane, Vec<(usize, u64)>>,
    books: BTreeMap<Lane, LaneBook>,
    evicted: BTreeMap<(String, String), u64>,
    effects: [Vec<Lane>; DEVICES],
    /// Rows that were delivered once: acknowledging them again means nothing.
    stale: Vec<(Lane, i64)>,
    /// Every loss record ever seen, by its id.
    losses: BTreeMap<String, Value>,
    losses_delivered: u64,
}

fn bytes_of(number: u64) -> u64 {
    100 + record(Lane::Summary, number).body.len() as u64
}

impl Model {
    fn new(quotas: Quotas, folds: bool) -> Self {
        Self {
            quotas,
            folds,
            waiting: BTreeMap::new(),
            books: BTreeMap::new(),
            evicted: BTreeMap::new(),
            effects: Default::default(),
            stale: Vec::new(),
            losses: BTreeMap::new(),
            losses_delivered: 0,
        }
    }

    fn commit(&mut self, device: usize, lanes: &[Lane]) {
        for &lane in lanes {
            self.effects[device].push(lane);
            let number = self.effects[device].len() as u64;
            self.waiting.entry(lane).or_default().push((device, number));
            self.books.entry(lane).or_default().enqueued += 1;
        }
        for lane in [Lane::Summary, Lane::Alert] {
            while self.is_full() && !self.waiting.entry(lane).or_default().is_empty() {
                let last = self.waiting[&lane].len() - 1;
                let newest_first = self.quotas.when_full == WhenFull::DropNewest;
                let at = if newest_first { last } else { 0 };
                self.evict(lane, at, Reason::Quota);
            }
        }
    }

    fn evict(&mut self, lane: Lane, at: usize, reason: Reason) {
        self.waiting.get_mut(&lane).unwrap().remove(at);
        self.books.get_mut(&lane).unwrap().evicted += 1;
        let key = (lane.name().to_owned(), reason.name().to_owned());
        *self.evicted.entry(key).or_default() += 1;
    }

    fn is_full(&self) -> bool {
        let records = || self.waiting.values().flatten();
        let bytes: u64 = records().map(|(_, number)| bytes_of(*number)).sum();
        records().count() as u64 > self.quotas.records || bytes > self.quotas.bytes
    }

    /// Effects `from` (counted from 1) onwards of a device, as it would commit them.
    fn records(&self, device: usize, from: u64) -> Vec<Record> {
        (1..)
            .zip(&self.effects[device])
            .skip(from as usize - 1)
            .map(|(number, &lane)| record(lane, number))
            .collect()
    }
}

/// A store, its folder, and its devices' keys.
struct World {
    dir: TempDir,
    store: Store,
    devices: Vec<i64>,
}

impl World {
    async fn open(dir: TempDir, model: &Model) -> Self {
        let rows = if model.folds { 3 } else { u64::MAX };
        let store = Store::open(Options {
            quotas: model.quotas,
            fold: Fold {
                after: Span(-1),
                rows,
            },
            ..options(dir.path())
        })
        .unwrap();
        let mut devices = Vec::new();
        for device in 0..DEVICES {
            let name = device.to_string();
            devices.push(store.handle.open_device(&name, "any").await.unwrap().id);
        }
        Self {
            dir,
            store,
            devices,
        }
    }

    async fn run(self, step: &Step, model: &mut Model) -> Self {
        let handle = &self.store.handle;
        match step {
            Step::Commit(device, lanes) => {
                let from = model.effects[*device].len() as u64 + 1;
                model.commit(*device, lanes);
                let records = model.records(*device, from);
                self.commit(*device, records).await;
            }
            Step::Replay(device, n) => {
                let from = (model.effects[*device].len() as u64).saturating_sub(*n) + 1;
                let records = model.records(*device, from);
                self.commit(*device, records).await;
            }
            Step::Deliver(Lane::Loss, indexes) => {
                let rows = all(handle, Lane::Loss).await;
                let mut picked: Vec<_> = Vec::new();
                if !rows.is_empty() {
                    picked.extend(indexes.iter().map(|i| (Lane::Loss, i.get(&rows).seq)));
                }
                picked.sort_unstable();
                picked.dedup();
                model.losses_delivered += picked.len() as u64;
                handle.delivered(picked).await.unwrap();
            }
            Step::GiveUp(lane, index, reason) => {
                let rows = all(handle, *lane).await;
                if !rows.is_empty() {
                    let at = index.index(rows.len());
                    model.evict(*lane, at, *reason);
                    let row = vec![(*lane, rows[at].seq)];
                    handle.give_up(row, *reason).await.unwrap();
                }
            }
            Step::Deliver(lane, indexes) => {
                let rows = all(handle, *lane).await;
                if !rows.is_empty() {
                    let picked: Vec<_> = indexes
                        .iter()
                        .map(|index| (*lane, index.get(&rows).seq))
                        .collect();
                    let waiting = model.waiting.entry(*lane).or_default();
                    let before = waiting.len();
                    let mut place = 0;
                    waiting.retain(|_| {
                        place += 1;
                        !picked.contains(&(*lane, rows[place - 1].seq))
                    });
                    model.books.entry(*lane).or_default().delivered +=
                        (before - waiting.len()) as u64;
                    model.stale.extend(picked);
                }
                handle.delivered(model.stale.clone()).await.unwrap();
            }
            Step::Restart => {
                self.store.thread.shutdown().await.unwrap();
                return Self::open(self.dir, model).await;
            }
            Step::Crash => {
                let image = crash_image(self.dir.path());
                return Self::open(image, model).await;
            }
        }
        self
    }

    async fn commit(&self, device: usize, records: Vec<Record>) {
        let commit = Commit {
            position: 0,
            told_until: eyot_pipeline::Timestamp(0),
            checkpoint: None,
            device: self.devices[device],
            records,
            on_commit: None,
        };
        self.store.handle.commit(commit).await.unwrap();
    }

    async fn check(&self, model: &mut Model) {
        let handle = &self.store.handle;
        handle.flush().await.unwrap();
        let stats = handle.stats().await.unwrap();
        let mut held = (0, 0);
        for (lane, book) in stats.lanes {
            let rows = all(handle, lane).await;
            let bytes: usize = rows.iter().map(|row| row.body.len() + 100).sum();
            if lane == Lane::Summary && model.folds {
                assert_eq!(stats.lane_bytes[lane as usize] == 0, rows.is_empty());
            } else {
                assert_eq!(stats.lane_bytes[lane as usize], bytes as u64);
            }
            assert!(book.balanced(), "{lane:?}: {book:?}");
            if lane == Lane::Loss {
                assert_eq!(book.delivered, model.losses_delivered);
                continue;
            }
            let waiting: Vec<(usize, u64)> = rows
                .iter()
                .map(|row| (row.device.parse().unwrap(), row.number))
                .collect();
            assert_eq!(
                waiting,
                model.waiting.get(&lane).cloned().unwrap_or_default()
            );
            let expected = LaneBook {
                buffered: rows.len() as u64,
                ..model.books.get(&lane).copied().unwrap_or_default()
            };
            assert_eq!(book, expected, "{lane:?}");
            held = (held.0 + book.buffered, held.1 + bytes as u64);
        }
        let most = (model.quotas.records, model.quotas.bytes);
        assert!(held.0 <= most.0 && held.1 <= most.1, "{held:?}");
        assert_eq!((stats.effect_gaps, stats.refused), (0, 0));
        let counted = stats.evictions.iter().map(|e| {
            let key = (e.lane.name().to_owned(), e.reason.clone());
            (key, e.n)
        });
        assert_eq!(counted.collect::<BTreeMap<_, _>>(), model.evicted);
        self.check_losses(model).await;
    }

    /// Everything given up is told exactly once.
    async fn check_losses(&self, model: &mut Model) {
        for loss in losses(&self.store.handle).await {
            let id = loss["id"].as_str().unwrap().to_owned();
            let first = model.losses.entry(id).or_insert_with(|| loss.clone());
            assert_eq!(*first, loss, "changed after it was sent");
        }
        let mut told: BTreeMap<(String, String), u64> = BTreeMap::new();
        for loss in model.losses.values() {
            let text = |key: &str| loss[key].as_str().unwrap().to_owned();
            *told.entry((text("lane"), text("reason"))).or_default() +=
                loss["count"].as_u64().unwrap();
        }
        assert_eq!(told, model.evicted);
    }
}

fn run(steps: &[Step], quotas: Quotas, folds: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut model = Model::new(quotas, folds);
        let mut world = World::open(TempDir::new().unwrap(), &model).await;
        for step in steps {
            world = world.run(step, &mut model).await;
            world.check(&mut model).await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn invariant_2_and_6_the_outbox_balances_and_keeps_its_quota_at_every_step(
        steps in prop::collection::vec(step(), 1..24),
        when_full in prop::sample::select(vec![WhenFull::DropOldest, WhenFull::DropNewest]),
    ) {
        let quotas = Quotas { records: RECORDS, bytes: BYTES, when_full, ..QUOTAS };
        run(&steps, quotas, false);
    }

    #[test]
    fn invariant_2_and_6_folding_changes_nothing_but_the_room_it_takes(
        steps in prop::collection::vec(step(), 1..24),
        when_full in prop::sample::select(vec![WhenFull::DropOldest, WhenFull::DropNewest]),
    ) {
        run(&steps, Quotas { records: RECORDS, when_full, ..QUOTAS }, true);
    }
}
