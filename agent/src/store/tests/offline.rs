//! The database from outside: read and written to while a store is open on it, and when none is.

use super::*;
use crate::store::{Gap, Leave, Pace, Reader, is_in_use, leave};

#[tokio::test]
async fn what_is_stored_can_be_read_beside_the_store_and_without_it() {
    let dir = TempDir::new().unwrap();
    assert!(!is_in_use(dir.path()).unwrap());
    assert!(matches!(
        Reader::open(dir.path()),
        Err(StoreError::NoDatabase { .. })
    ));
    let ledger = Arc::new(Ledger::default());
    let mut book = SourceBook::default();
    book.receive_messages(3);
    ledger.set("plant", book.clone());
    let store = Store::open(Options {
        books: ledger,
        ..options(dir.path())
    })
    .unwrap();
    store.handle.dead_letter(letter("a", b"x")).await.unwrap();
    store.handle.flush().await.unwrap();

    let check = |in_use: bool| {
        assert_eq!(is_in_use(dir.path()).unwrap(), in_use);
        let reader = Reader::open(dir.path()).unwrap();
        let books = reader.books().unwrap();
        assert_eq!(books["plant"].book, book);
        assert_eq!(books["plant"].stored_at, NOW);
        assert_eq!(reader.dead_letters(9).unwrap().len(), 1);
        assert_eq!(reader.letter_counts().unwrap().kept, 1);
        assert_eq!(reader.lanes().unwrap()[0].1, LaneBook::default());
        assert_eq!(reader.clean_stop().unwrap(), !in_use);
        assert!(reader.as_of() > Timestamp(0) && reader.bytes() > 0);
    };
    check(true);
    drop(store.handle);
    store.thread.shutdown().await.unwrap();
    check(false);
}

#[tokio::test]
async fn letters_leave_as_they_were_read_and_those_that_came_since_stay() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    for payload in [b"a", b"a", b"b"] {
        store
            .handle
            .dead_letter(letter("a", payload))
            .await
            .unwrap();
    }
    store.handle.flush().await.unwrap();
    let read = Reader::open(dir.path()).unwrap().dead_letters(9).unwrap();
    // The same once more, after it was read.
    store.handle.dead_letter(letter("a", b"a")).await.unwrap();
    store.handle.flush().await.unwrap();

    assert_eq!(leave(dir.path(), &read[..1], Leave::Dropped).unwrap(), 1);
    assert_eq!(leave(dir.path(), &read, Leave::Replayed).unwrap(), 2);
    assert_eq!(leave(dir.path(), &read[..1], Leave::Dropped).unwrap(), 0);
    let left = store.handle.dead_letters(9).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(
        (left[0].payload.as_deref(), left[0].count),
        (Some(&b"a"[..]), 1)
    );
    let counts = store.handle.stats().await.unwrap().dead_letters;
    assert_eq!((counts.kept, counts.dropped, counts.replayed), (1, 1, 2));
    // The store goes on as if nothing had been.
    store.handle.dead_letter(letter("a", b"a")).await.unwrap();
    store.handle.flush().await.unwrap();
    assert_eq!(store.handle.dead_letters(9).await.unwrap()[0].count, 2);
}

#[tokio::test]
async fn gaps_are_counted_and_one_that_goes_on_is_one() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let gap = |since, until| Gap {
        source: "plant".into(),
        since: Timestamp(since),
        until: Timestamp(until),
        at_most: (until > 25).then_some(until.unsigned_abs()),
    };
    store.handle.gaps(vec![gap(10, 20)]).await.unwrap();
    store.handle.gaps(vec![gap(10, 30)]).await.unwrap();
    let gaps = store.handle.stats().await.unwrap().gaps;
    assert_eq!((gaps.count, gaps.last), (1, Some(gap(10, 30))));
    let many = (100..1_400).map(|n| gap(n, n + 1)).collect();
    store.handle.gaps(many).await.unwrap();
    let gaps = Reader::open(dir.path()).unwrap().gaps().unwrap();
    assert_eq!(gaps.last, Some(gap(1_399, 1_400)));
    assert_eq!(gaps.count, 1_301);
}

#[tokio::test]
async fn commits_that_are_put_off_wait_and_alerts_take_them_along() {
    let dir = TempDir::new().unwrap();
    let pace = Pace::default();
    // A minute each, far beyond the test's patience.
    pace.set(600.0);
    let store = Store::open(Options {
        commit_interval: Duration::from_millis(100),
        pace,
        ..options(dir.path())
    })
    .unwrap();
    let device = store.handle.open_device("pump", "pump").await.unwrap();
    let commit = |number, lane, kind| Commit {
        device: device.id,
        position: 0,
        told_until: eyot_pipeline::Timestamp(0),
        records: vec![Record {
            lane,
            number,
            kind,
            oldest: NOW,
            body: b"{}".to_vec(),
            unset: None,
        }],
        checkpoint: None,
        on_commit: None,
    };
    let mut changed = store.handle.changed();
    store
        .handle
        .commit(commit(1, Lane::Summary, "summary"))
        .await
        .unwrap();
    tokio::time::timeout(Duration::from_millis(500), changed.changed())
        .await
        .expect_err("it waits");
    store
        .handle
        .commit(commit(2, Lane::Alert, "alert"))
        .await
        .unwrap();
    tokio::time::timeout(PATIENCE, changed.changed())
        .await
        .unwrap()
        .unwrap();
    for lane in [Lane::Summary, Lane::Alert] {
        assert_eq!(store.handle.fetch(lane, 0, 9).await.unwrap().len(), 1);
    }
}
