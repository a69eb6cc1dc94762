//! What is committed stays, and nobody is told before it is.

use eyot_pipeline::ledger::{MessageFate, ReadingFate};
use rusqlite::Connection;
use std::sync::mpsc;

use super::*;

/// Every count different and not zero, so that no two can be mixed up unnoticed.
fn varied_book() -> SourceBook {
    let mut book = SourceBook::default();
    book.unmapped_fields = 7;
    for (n, &fate) in (1..).zip(MessageFate::ALL) {
        book.receive_messages(n);
        book.settle_messages(fate, n);
    }
    for (n, &fate) in (100..).zip(ReadingFate::ALL) {
        book.receive_readings(n);
        book.settle_readings(fate, n);
    }
    book
}

#[tokio::test]
async fn an_orderly_stop_keeps_records_numbers_books_and_identity() {
    let dir = TempDir::new().unwrap();
    let ledger = Arc::new(Ledger::default());
    let store = Store::open(Options {
        books: ledger.clone(),
        ..options(dir.path())
    })
    .unwrap();
    assert!(!store.unclean_stop && store.set_aside.is_none() && store.books.is_empty());
    assert_eq!(store.identity.store_epoch, 1);
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    assert_eq!(device.last_effect, 0);
    let mut commit = summaries(device.id, 1..=3);
    commit.records[1].lane = Lane::Alert;
    store.handle.commit(commit).await.unwrap();
    ledger.set("plant", varied_book());
    let identity = store.identity;
    store.thread.shutdown().await.unwrap();
    assert!(!dir.path().join("eyot.db-wal").exists(), "log not merged");

    let store = open(dir.path());
    assert!(!store.unclean_stop);
    assert_eq!(store.identity, identity);
    assert_eq!(store.books["plant"].book, varied_book());
    let reopened = store.handle.open_device("pump", "pumps").await.unwrap();
    assert_eq!((reopened.id, reopened.last_effect), (device.id, 3));
    assert_eq!(numbers(&store.handle, Lane::Summary).await, [1, 3]);
    let alerts = all(&store.handle, Lane::Alert).await;
    let expected = record(Lane::Alert, 2);
    assert_eq!(
        (alerts[0].device.as_str(), alerts[0].kind.as_str()),
        ("pump", "summary")
    );
    assert_eq!(
        (alerts[0].oldest, &alerts[0].body),
        (expected.oldest, &expected.body)
    );
}

#[tokio::test]
async fn dropping_the_last_handle_stops_in_order() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    store
        .handle
        .commit(summaries(device.id, [1]))
        .await
        .unwrap();
    drop(store.handle);
    store.thread.shutdown().await.unwrap();
    let store = open(dir.path());
    assert!(!store.unclean_stop);
    assert_eq!(numbers(&store.handle, Lane::Summary).await, [1]);
}

#[tokio::test]
async fn invariant_1_a_kill_keeps_what_was_committed() {
    let dir = TempDir::new().unwrap();
    let ledger = Arc::new(Ledger::default());
    let store = Store::open(Options {
        books: ledger.clone(),
        ..options(dir.path())
    })
    .unwrap();
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    let mut book = varied_book();
    book.receive_messages(2);
    book.receive_readings(9);
    ledger.set("plant", book.clone());
    store
        .handle
        .commit(summaries(device.id, 1..=500))
        .await
        .unwrap();
    store.handle.flush().await.unwrap();

    let image = crash_image(dir.path());
    let survivor = open(image.path());
    assert!(survivor.unclean_stop && survivor.set_aside.is_none());
    assert_eq!(survivor.identity, store.identity);
    let reopened = survivor.handle.open_device("pump", "pumps").await.unwrap();
    assert_eq!(reopened.last_effect, 500);
    let expected: Vec<u64> = (1..=500).collect();
    assert_eq!(numbers(&survivor.handle, Lane::Summary).await, expected);

    assert_eq!(survivor.books["plant"].book, book);
}

#[tokio::test]
async fn a_replay_commits_each_effect_once() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    for numbers in [1..=4, 1..=4, 3..=6] {
        store
            .handle
            .commit(summaries(device.id, numbers))
            .await
            .unwrap();
    }
    let reopened = store.handle.open_device("pump", "pumps").await.unwrap();
    assert_eq!(reopened.last_effect, 6, "opening waits for earlier commits");
    assert_eq!(
        numbers(&store.handle, Lane::Summary).await,
        [1, 2, 3, 4, 5, 6]
    );
    let stats = store.handle.stats().await.unwrap();
    assert_eq!((stats.effect_gaps, stats.devices), (0, 1));
}

#[tokio::test]
async fn gaps_and_unknown_devices_are_counted() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    let commits = [
        summaries(device.id, [1, 5]),
        summaries(device.id + 1, 1..=3),
    ];
    for commit in commits {
        store.handle.commit(commit).await.unwrap();
    }
    store.handle.flush().await.unwrap();
    let stats = store.handle.stats().await.unwrap();
    assert_eq!((stats.effect_gaps, stats.refused), (1, 3));
    assert_eq!(numbers(&store.handle, Lane::Summary).await, [1, 5]);
}

#[tokio::test]
async fn guards_are_told_only_once_the_records_are_durable() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(Options {
        slow_commit: Some(Duration::from_millis(50)),
        ..options(dir.path())
    })
    .unwrap();
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    let path = dir.path().join("eyot.db");
    let (told, heard) = mpsc::channel();
    store
        .handle
        .commit(Commit {
            on_commit: Some(Box::new(Guard(move |at| {
                // What a second connection sees is what a crash would leave.
                let db = Connection::open(path).unwrap();
                let rows: i64 = db
                    .query_row("SELECT COUNT(*) FROM outbox", [], |row| row.get(0))
                    .unwrap();
                told.send((rows, at)).unwrap();
            }))),
            ..summaries(device.id, 1..=2)
        })
        .await
        .unwrap();
    assert!(heard.try_recv().is_err(), "told before the commit");
    store.handle.flush().await.unwrap();
    assert_eq!(heard.try_recv(), Ok((2, NOW)));
}

#[tokio::test]
async fn reads_do_not_wait_for_the_commit_interval() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(Options {
        commit_interval: Duration::from_hours(1),
        ..options(dir.path())
    })
    .unwrap();
    let mut changed = store.handle.changed();
    let device = soon("open", store.handle.open_device("pump", "pumps"))
        .await
        .unwrap();
    store
        .handle
        .commit(summaries(device.id, [1]))
        .await
        .unwrap();
    let pending = soon("fetch", numbers(&store.handle, Lane::Summary)).await;
    assert!(pending.is_empty(), "only committed rows are seen");
    assert!(!changed.has_changed().unwrap());
    soon("flush", store.handle.flush()).await.unwrap();
    soon("news", changed.changed()).await.unwrap();
    assert_eq!(numbers(&store.handle, Lane::Summary).await, [1]);
    soon("shutdown", store.thread.shutdown()).await.unwrap();
    assert!(matches!(store.handle.flush().await, Err(StoreError::Gone)));
}

#[tokio::test]
async fn books_that_change_without_a_commit_are_saved_all_the_same() {
    let dir = TempDir::new().unwrap();
    let ledger = Arc::new(Ledger::default());
    let store = Store::open(Options {
        books: ledger.clone(),
        ..options(dir.path())
    })
    .unwrap();
    store.handle.open_device("pump", "pumps").await.unwrap();
    ledger.set("plant", varied_book());
    let db = Connection::open(dir.path().join("eyot.db")).unwrap();
    let saved = async {
        let unmapped = "SELECT n FROM ledger WHERE source = 'plant' AND term = 'unmapped'";
        while db.query_row(unmapped, [], |row| row.get(0)) != Ok(7) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("books", saved).await;
}
