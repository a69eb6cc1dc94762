//! What is left of a damaged database, record by record.

use std::collections::BTreeMap;

use eyot_journal::testing::Random;
use eyot_pipeline::ledger::ReadingFate;
use rusqlite::Connection;

use super::*;
use crate::store::{Checkpoint, Tallies};

const DEVICES: u64 = 5;
const EFFECTS: u64 = 300;

fn body(device: u64, number: u64) -> Vec<u8> {
    let mut random = Random::new(device * 1_000 + number);
    // Some longer than a page.
    let n = if random.chance(30) {
        9_000
    } else {
        50 + random.below(900)
    };
    std::iter::repeat_with(|| random.number() as u8)
        .take(n)
        .collect()
}

fn source_book() -> SourceBook {
    let mut book = SourceBook::default();
    book.receive_readings(12_345);
    book.settle_readings(ReadingFate::Processed, 12_000);
    book
}

/// A database with something in every table, stopped in order.
async fn filled(dir: &Path) -> Identity {
    let ledger = Arc::new(Ledger::default());
    let store = Store::open(Options {
        books: ledger.clone(),
        ..options(dir)
    })
    .unwrap();
    ledger.set("plant", source_book());
    for device in 0..DEVICES {
        let row = store
            .handle
            .open_device(&format!("pump {device}"), "pumps")
            .await;
        let id = row.unwrap().id;
        for number in 1..=EFFECTS {
            let record = Record {
                lane: [Lane::Alert, Lane::Summary][number as usize % 2],
                number,
                kind: "summary",
                oldest: NOW,
                body: body(device, number),
                unset: None,
            };
            let checkpoint = Checkpoint {
                position: number,
                tallies: Tallies::default(),
                channels: vec![("speed".to_owned(), None)],
                body: body(device, 0),
            };
            let commit = Commit {
                device: id,
                position: number,
                told_until: eyot_pipeline::Timestamp(0),
                records: vec![record],
                checkpoint: (number == EFFECTS).then(|| Box::new(checkpoint)),
                on_commit: None,
            };
            store.handle.commit(commit).await.unwrap();
        }
    }
    for n in 0..50 {
        let letter = DeadLetter {
            trace_id: format!("{n:016x}"),
            ..letter("a/b", &[n])
        };
        store.handle.dead_letter(letter).await.unwrap();
    }
    store.handle.flush().await.unwrap();
    let oldest = store.handle.fetch(Lane::Alert, 0, 100).await.unwrap();
    let rows = oldest.iter().map(|row| (row.lane, row.seq)).collect();
    store.handle.delivered(rows).await.unwrap();
    store.handle.flush().await.unwrap();
    store.thread.shutdown().await.unwrap();
    store.identity
}

/// The traces of dead letters.
fn traces(dir: &Path) -> Vec<u64> {
    let db = Connection::open(dir.join("eyot.db")).unwrap();
    let mut select = db
        .prepare("SELECT trace_id FROM dead_letters ORDER BY id")
        .unwrap();
    let traces = select.query_map([], |row| row.get(0)).unwrap();
    let number = |text: rusqlite::Result<String>| u64::from_str_radix(&text.unwrap(), 16).unwrap();
    traces.map(number).collect()
}

#[tokio::test]
async fn letters_of_a_time_without_traces_are_salvaged_too() {
    let dir = TempDir::new().unwrap();
    filled(dir.path()).await;
    let path = dir.path().join("eyot.db");
    let db = Connection::open(&path).unwrap();
    db.execute_batch("ALTER TABLE dead_letters DROP COLUMN trace_id")
        .unwrap();
    drop(db);
    std::fs::rename(&path, dir.path().join("eyot.db.salvage")).unwrap();
    let store = open(dir.path());
    assert_eq!(store.salvage.clone().unwrap().dead_letters, 50);
    store.thread.shutdown().await.unwrap();
}

/// Everything in the outbox, by device and number.
async fn waiting(store: &Store) -> BTreeMap<(String, u64), Vec<u8>> {
    let mut waiting = BTreeMap::new();
    for lane in Lane::ALL {
        for row in all(&store.handle, lane).await {
            let before = waiting.insert((row.device, row.number), row.body);
            assert!(before.is_none(), "twice");
        }
    }
    waiting
}

fn scribble(path: &Path, at: usize, seed: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    let mut random = Random::new(seed);
    for byte in bytes.iter_mut().skip(at).take(1_024) {
        *byte = random.number() as u8;
    }
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn invariant_7_a_kilobyte_of_noise_anywhere_costs_a_few_records_and_says_so() {
    let original = TempDir::new().unwrap();
    let identity = filled(original.path()).await;
    let expected = DEVICES * EFFECTS - 100;
    let file = original.path().join("eyot.db");
    let length = std::fs::metadata(&file).unwrap().len() as usize;
    let mut random = Random::new(7);
    let (mut total, mut set_aside) = (0, 0);
    for seed in 0..100 {
        let dir = TempDir::new().unwrap();
        for file in ["eyot.db", "eyot.identity"] {
            std::fs::copy(original.path().join(file), dir.path().join(file)).unwrap();
        }
        // The first page, which all depends on, a few times for certain.
        let at = if seed < 5 {
            seed as usize * 700
        } else {
            random.below(length)
        };
        scribble(&dir.path().join("eyot.db"), at, seed);

        let store = open(dir.path());
        // What fails its checksum is evicted when it is come by.
        waiting(&store).await;
        store.handle.flush().await.unwrap();
        let found = waiting(&store).await;
        for ((device, number), found) in &found {
            if device == "_loss" {
                continue;
            }
            let device = device.strip_prefix("pump ").unwrap().parse().unwrap();
            assert!(*found == body(device, *number), "seed {seed}");
        }
        let stats = store.handle.stats().await.unwrap();
        let (mut buffered, mut evicted) = (0, 0);
        for (lane, book) in stats.lanes {
            assert!(book.balanced(), "seed {seed}: {lane:?} {book:?}");
            (buffered, evicted) = (buffered + book.buffered, evicted + book.evicted);
        }
        // Beside them a record of the loss.
        let told = losses(&store.handle).await;
        buffered -= told.len() as u64;
        assert_eq!(buffered + told.len() as u64, found.len() as u64);
        let by_reason: u64 = stats.evictions.iter().map(|eviction| eviction.n).sum();
        assert_eq!(by_reason, evicted, "seed {seed}");
        match (&store.set_aside, &store.salvage) {
            (None, None) => assert_eq!(store.identity, identity),
            (Some(aside), Some(salvage)) => {
                set_aside += 1;
                assert!(aside.exists());
                assert_eq!(store.identity.agent, identity.agent);
                assert_eq!(store.identity.store_epoch, identity.store_epoch + 1);
                assert_eq!(salvage.records, buffered, "seed {seed}");
                assert_eq!(salvage.cut_short, None, "seed {seed} at {at}");
                if let Some(of) = salvage.of_records {
                    assert_eq!((of, evicted), (expected, expected - buffered));
                    let told = told.iter().map(|loss| loss["count"].as_u64().unwrap());
                    assert_eq!(told.sum::<u64>(), evicted, "seed {seed}");
                }
                for (source, state) in &store.books {
                    assert_eq!((source.as_str(), &state.book), ("plant", &source_book()));
                }
            }
            _ => panic!("seed {seed}"),
        }
        total += buffered;

        // It goes on from where it was, and is whole at the next start.
        for device in 0..DEVICES {
            let name = format!("pump {device}");
            let row = store.handle.open_device(&name, "pumps").await.unwrap();
            if let Some(checkpoint) = &row.checkpoint {
                assert_eq!(checkpoint.body, body(device, 0));
            }
            let commit = summaries(row.id, [row.last_effect + 1]);
            store.handle.commit(commit).await.unwrap();
        }
        store.handle.flush().await.unwrap();
        assert_eq!(waiting(&store).await.len(), found.len() + DEVICES as usize);
        let after = store.handle.stats().await.unwrap();
        assert_eq!(after.effect_gaps, stats.effect_gaps, "seed {seed}");
        store.thread.shutdown().await.unwrap();
        let store = open(dir.path());
        assert!(store.set_aside.is_none(), "seed {seed}");
        assert_eq!(waiting(&store).await.len(), found.len() + DEVICES as usize);
    }
    assert!(set_aside > 50, "{set_aside}");
    let share = total as f64 / (100 * expected) as f64;
    assert!(share > 0.9, "only {share} of all records were salvaged");
}

#[tokio::test]
async fn a_salvage_that_was_interrupted_is_made_again_once() {
    let dir = TempDir::new().unwrap();
    filled(dir.path()).await;
    let path = dir.path().join("eyot.db");
    let pending = dir.path().join("eyot.db.salvage");
    std::fs::rename(&path, &pending).unwrap();
    let store = open(dir.path());
    let salvage = store.salvage.clone().unwrap();
    assert_eq!(salvage.records, DEVICES * EFFECTS - 100);
    assert_eq!((salvage.devices, salvage.checkpoints), (DEVICES, DEVICES));
    assert_eq!((salvage.sources, salvage.dead_letters), (1, 50));
    assert_eq!(traces(dir.path()), (0..50).collect::<Vec<_>>());
    assert!(!pending.exists() && store.set_aside.unwrap().exists());
    store.thread.shutdown().await.unwrap();
    assert!(open(dir.path()).set_aside.is_none());
}

#[tokio::test]
async fn folded_records_are_salvaged_with_what_has_left_them() {
    let dir = TempDir::new().unwrap();
    let folding = |dir: &Path| {
        Store::open(Options {
            fold: Fold {
                after: Span(-1),
                rows: 10,
            },
            ..options(dir)
        })
        .unwrap()
    };
    let store = folding(dir.path());
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    for number in 1..=45 {
        let commit = summaries(device.id, [number]);
        store.handle.commit(commit).await.unwrap();
        store.handle.flush().await.unwrap();
    }
    let rows = all(&store.handle, Lane::Summary).await;
    let sent = [0, 3, 12, 41].map(|at| (Lane::Summary, rows[at].seq));
    store.handle.delivered(sent.into()).await.unwrap();
    store.handle.flush().await.unwrap();
    assert!(store.handle.stats().await.unwrap().blocks > 1);
    let before = all(&store.handle, Lane::Summary).await;
    store.thread.shutdown().await.unwrap();
    let path = dir.path().join("eyot.db");
    std::fs::rename(&path, dir.path().join("eyot.db.salvage")).unwrap();

    let store = folding(dir.path());
    let salvage = store.salvage.clone().unwrap();
    assert_eq!((salvage.records, salvage.of_records), (41, Some(41)));
    assert_eq!((salvage.devices, salvage.lost), (1, Vec::new()));
    assert_eq!(all(&store.handle, Lane::Summary).await, before);
    let last = before.last().unwrap().seq;
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    assert_eq!(device.last_effect, 45);
    let commit = summaries(device.id, [46]);
    store.handle.commit(commit).await.unwrap();
    store.handle.flush().await.unwrap();
    let rows = all(&store.handle, Lane::Summary).await;
    assert!(rows.last().unwrap().seq > last, "a position is used twice");
    assert!(book(&store.handle, Lane::Summary).await.balanced());
}

#[tokio::test]
async fn damage_found_while_in_use_is_salvaged_at_the_next_start() {
    let dir = TempDir::new().unwrap();
    filled(dir.path()).await;
    let store = open(dir.path());
    // Behind its back, where the outbox has most of its pages.
    let path = dir.path().join("eyot.db");
    let length = std::fs::metadata(&path).unwrap().len() as usize;
    for at in (length / 3..length / 2).step_by(4_096) {
        scribble(&path, at, at as u64);
    }
    let mut failed = false;
    for lane in Lane::ALL {
        failed |= store.handle.fetch(lane, 0, usize::MAX).await.is_err();
    }
    assert!(failed);
    let degraded = store.handle.degraded().borrow().clone().unwrap();
    assert!(degraded.contains("restart the agent"), "{degraded}");
    let _ = store.thread.shutdown().await;
    let store = open(dir.path());
    assert!(store.salvage.is_some_and(|salvage| salvage.records > 500));
    store.thread.shutdown().await.unwrap();
    assert!(open(dir.path()).set_aside.is_none());
}
