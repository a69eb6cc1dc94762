//! Folded records: the same as before, in less room.

use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;

use super::*;

/// Folds whatever makes a block of ten.
const TENS: Fold = Fold {
    after: Span(-1),
    rows: 10,
};

fn folding(dir: &Path) -> Store {
    Store::open(Options {
        fold: TENS,
        ..options(dir)
    })
    .unwrap()
}

async fn commit(store: &Store, numbers: impl IntoIterator<Item = u64>) {
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    for number in numbers {
        let commit = summaries(device.id, [number]);
        store.handle.commit(commit).await.unwrap();
        store.handle.flush().await.unwrap();
    }
}

#[tokio::test]
async fn folded_records_come_out_as_they_went_in() {
    let dir = TempDir::new().unwrap();
    let store = folding(dir.path());
    commit(&store, 1..=25).await;
    let stats = store.handle.stats().await.unwrap();
    assert_eq!((stats.blocks, stats.folded), (2, 20));
    let rows = all(&store.handle, Lane::Summary).await;
    let expected: Vec<u64> = (1..=25).collect();
    assert_eq!(
        rows.iter().map(|row| row.number).collect::<Vec<_>>(),
        expected
    );
    for row in &rows {
        let committed = record(Lane::Summary, row.number);
        assert_eq!(
            (row.device.as_str(), row.kind.as_str()),
            ("pump", "summary")
        );
        assert_eq!((&row.body, row.oldest), (&committed.body, NOW));
    }
    for (after, limit) in [(0, 3), (5, 10), (8, 4), (15, 100), (24, 2)] {
        let some = store
            .handle
            .fetch(Lane::Summary, after, limit)
            .await
            .unwrap();
        let end = rows.len().min(after as usize + limit);
        assert_eq!(some, rows[after as usize..end]);
    }
}

#[tokio::test]
async fn what_left_a_block_has_left_it_for_good() {
    let dir = TempDir::new().unwrap();
    let store = folding(dir.path());
    commit(&store, 1..=20).await;
    let rows = all(&store.handle, Lane::Summary).await;
    let some: Vec<_> = [0, 3, 9, 12].map(|at| (Lane::Summary, rows[at].seq)).into();
    for _ in 0..2 {
        store.handle.delivered(some.clone()).await.unwrap();
        store.handle.flush().await.unwrap();
    }
    let waiting = [2, 3, 5, 6, 7, 8, 9, 11, 12, 14, 15, 16, 17, 18, 19, 20];
    assert_eq!(numbers(&store.handle, Lane::Summary).await, waiting);
    let image = crash_image(dir.path());
    store.thread.shutdown().await.unwrap();
    for dir in [dir.path(), image.path()] {
        let store = folding(dir);
        assert_eq!(numbers(&store.handle, Lane::Summary).await, waiting);
        let all = rows.iter().map(|row| (Lane::Summary, row.seq)).collect();
        store.handle.delivered(all).await.unwrap();
        store.handle.flush().await.unwrap();
        let stats = store.handle.stats().await.unwrap();
        assert_eq!((stats.blocks, stats.folded), (0, 0));
        assert_eq!(stats.lane_bytes, [0; 3]);
        let book = book(&store.handle, Lane::Summary).await;
        assert_eq!((book.delivered, book.buffered), (20, 0));
        let db = Connection::open(dir.join("eyot.db")).unwrap();
        let left: u64 = db
            .query_row("SELECT COUNT(*) FROM blocks_left", [], |row| row.get(0))
            .unwrap();
        assert_eq!(left, 0);
    }
}

#[tokio::test]
async fn a_damaged_block_is_counted_and_holds_nothing_up() {
    let dir = TempDir::new().unwrap();
    let store = folding(dir.path());
    commit(&store, 1..=30).await;
    store.thread.shutdown().await.unwrap();
    let db = Connection::open(dir.path().join("eyot.db")).unwrap();
    db.execute_batch("UPDATE blocks SET body = X'0011' WHERE first = 11")
        .unwrap();
    db.close().unwrap();
    let store = folding(dir.path());
    let expected: Vec<u64> = (1..=10).chain(21..=30).collect();
    assert_eq!(numbers(&store.handle, Lane::Summary).await, expected);
    store.handle.flush().await.unwrap();
    let book = book(&store.handle, Lane::Summary).await;
    assert_eq!((book.buffered, book.evicted), (20, 10));
    assert_eq!(losses(&store.handle).await[0]["reason"], "corrupt");
    assert_eq!(numbers(&store.handle, Lane::Summary).await, expected);
}

#[tokio::test]
async fn only_what_waited_for_long_is_folded_and_in_the_end_goes() {
    static CLOCK: AtomicI64 = AtomicI64::new(NOW.0);
    let after = |seconds| CLOCK.store((NOW + Span::from_secs(seconds)).0, Ordering::SeqCst);
    let dir = TempDir::new().unwrap();
    let store = Store::open(Options {
        fold: Fold {
            after: Span::from_secs(600),
            ..TENS
        },
        quotas: Quotas {
            age: Some(Span::from_secs(6_000)),
            ..QUOTAS
        },
        clock: || Timestamp(CLOCK.load(Ordering::SeqCst)),
        ..options(dir.path())
    })
    .unwrap();
    commit(&store, 1..=15).await;
    after(300);
    commit(&store, 16..=25).await;
    assert_eq!(store.handle.stats().await.unwrap().blocks, 0);
    after(601);
    let folded = async |n| {
        while store.handle.stats().await.unwrap().folded != n {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("fold", folded(10)).await;
    after(6_301);
    soon("too old", folded(0)).await;
    let told = losses(&store.handle).await;
    assert_eq!(told[0]["reason"], "age");
}

/// Numbers in a body, which is made of those of the records that it stands for.
fn stands_for(row: &OutRow) -> Vec<u64> {
    let text = str::from_utf8(&row.body).unwrap().replace("body of ", "");
    text.split('+')
        .map(|number| number.parse().unwrap())
        .collect()
}

#[tokio::test]
async fn a_full_outbox_gets_coarser_and_leaves_no_gap() {
    const RECORDS: u64 = 160;
    let dir = TempDir::new().unwrap();
    let store = Store::open(Options {
        fold: Fold {
            after: Span::from_secs(600),
            rows: 16,
        },
        quotas: Quotas {
            records: RECORDS,
            when_full: WhenFull::Downsample,
            ..QUOTAS
        },
        merge: |older, newer| Some([older, b"+", newer].concat()),
        ..options(dir.path())
    })
    .unwrap();
    let mut devices = Vec::new();
    for name in ["a", "b", "c"] {
        devices.push(store.handle.open_device(name, "any").await.unwrap().id);
    }
    for number in 1..=400 {
        for device in &devices {
            let mut commit = summaries(*device, [number]);
            commit.records[0].lane = if number % 50 == 0 {
                Lane::Alert
            } else {
                Lane::Summary
            };
            store.handle.commit(commit).await.unwrap();
            store.handle.flush().await.unwrap();
        }
        let stats = store.handle.stats().await.unwrap();
        assert!(
            stats.lanes.iter().all(|(_, book)| book.balanced()),
            "{stats:?}"
        );
        let [(_, alerts), _, (_, summaries)] = stats.lanes;
        assert!(alerts.buffered + summaries.buffered <= RECORDS);
    }
    let rows = all(&store.handle, Lane::Summary).await;
    assert!(rows.is_sorted_by_key(|row| row.seq));
    let expected: Vec<u64> = (1..=400).filter(|number| number % 50 != 0).collect();
    for device in ["a", "b", "c"] {
        let of_device = || rows.iter().filter(|row| row.device == device);
        assert_eq!(
            of_device().flat_map(stands_for).collect::<Vec<_>>(),
            expected
        );
        assert!(of_device().all(|row| stands_for(row).last() == Some(&row.number)));
        let coarse: Vec<usize> = of_device().map(|row| stands_for(row).len()).collect();
        assert!(
            coarse.first() > Some(&8) && coarse.last() == Some(&1),
            "{coarse:?}"
        );
    }
    let book = book(&store.handle, Lane::Summary).await;
    assert_eq!(book.evicted, 3 * 392 - rows.len() as u64);
    let [eviction] = &evicted(&store.handle).await[..] else {
        panic!("not merged only")
    };
    assert_eq!(
        (eviction.reason.as_str(), eviction.n),
        ("merged", book.evicted)
    );
    let told = losses(&store.handle).await;
    let told: u64 = told
        .iter()
        .map(|loss| loss["count"].as_u64().unwrap())
        .sum();
    assert_eq!(told, book.evicted);

    let all = rows.iter().map(|row| (Lane::Summary, row.seq)).collect();
    store.handle.delivered(all).await.unwrap();
    store.handle.flush().await.unwrap();
    let stats = store.handle.stats().await.unwrap();
    assert_eq!((stats.blocks, stats.folded, stats.lane_bytes[2]), (0, 0, 0));
}
