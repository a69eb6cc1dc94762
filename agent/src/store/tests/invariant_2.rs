//! The lanes' books against a naive model of the outbox.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const DEVICES: usize = 3;
const QUOTA: usize = 12;

#[derive(Debug, Clone)]
enum Step {
    /// A device commits new effects, one for each lane given.
    Commit(usize, Vec<Lane>),
    /// A device commits its last effects again.
    Replay(usize, u64),
    /// The upstream acknowledges the rows at these places of a lane, some perhaps twice.
    Deliver(Lane, Vec<prop::sample::Index>),
    /// Orderly stop and start.
    Restart,
    /// `kill -9` and start.
    Crash,
}

fn lane() -> impl Strategy<Value = Lane> {
    prop::sample::select(Lane::ALL.to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..DEVICES, prop::collection::vec(lane(), 0..8))
            .prop_map(|(device, lanes)| Step::Commit(device, lanes)),
        2 => (0..DEVICES, 0..5_u64).prop_map(|(device, n)| Step::Replay(device, n)),
        4 => (lane(), prop::collection::vec(any::<prop::sample::Index>(), 0..6))
            .prop_map(|(lane, rows)| Step::Deliver(lane, rows)),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
    ]
}

/// Device and effect number of a record, oldest first, in each lane.
#[derive(Default)]
struct Model {
    waiting: BTreeMap<Lane, Vec<(usize, u64)>>,
    books: BTreeMap<Lane, LaneBook>,
    effects: [Vec<Lane>; DEVICES],
    /// Rows that were delivered once: acknowledging them again means nothing.
    stale: Vec<(Lane, i64)>,
}

impl Model {
    fn commit(&mut self, device: usize, lanes: &[Lane]) {
        for &lane in lanes {
            self.effects[device].push(lane);
            let number = self.effects[device].len() as u64;
            self.waiting.entry(lane).or_default().push((device, number));
            self.books.entry(lane).or_default().enqueued += 1;
        }
        for lane in [Lane::Summary, Lane::Alert] {
            while self.waiting.values().map(Vec::len).sum::<usize>() > QUOTA
                && !self.waiting.entry(lane).or_default().is_empty()
            {
                self.waiting.entry(lane).or_default().remove(0);
                self.books.entry(lane).or_default().evicted += 1;
            }
        }
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
    async fn open(dir: TempDir) -> Self {
        let store = Store::open(Options {
            max_records: QUOTA as u64,
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
                return Self::open(self.dir).await;
            }
            Step::Crash => {
                let image = crash_image(self.dir.path());
                return Self::open(image).await;
            }
        }
        self
    }

    async fn commit(&self, device: usize, records: Vec<Record>) {
        let commit = Commit {
            position: 0,
            checkpoint: None,
            device: self.devices[device],
            records,
            on_commit: None,
        };
        self.store.handle.commit(commit).await.unwrap();
    }

    async fn check(&self, model: &Model) {
        let handle = &self.store.handle;
        handle.flush().await.unwrap();
        let stats = handle.stats().await.unwrap();
        let mut evicted = 0;
        for (lane, book) in stats.lanes {
            let rows = all(handle, lane).await;
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
            assert!(book.balanced(), "{lane:?}: {book:?}");
            evicted += book.evicted;
        }
        assert_eq!(stats.evictions.iter().map(|e| e.n).sum::<u64>(), evicted);
        assert!(stats.evictions.iter().all(|e| e.reason == "quota"));
        assert_eq!((stats.effect_gaps, stats.refused), (0, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn invariant_2_the_outbox_balances_at_every_step(
        steps in prop::collection::vec(step(), 1..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut model = Model::default();
            let mut world = World::open(TempDir::new().unwrap()).await;
            for step in &steps {
                world = world.run(step, &mut model).await;
                world.check(&model).await;
            }
        });
    }
}
