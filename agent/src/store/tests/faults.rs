//! Damage, newer versions and second instances.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;

use super::*;

/// A closed store with 200 summaries of one device.
async fn closed(dir: &Path) -> (PathBuf, Identity) {
    let store = open(dir);
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    let commit = summaries(device.id, 1..=200);
    store.handle.commit(commit).await.unwrap();
    let identity = store.identity;
    store.thread.shutdown().await.unwrap();
    (dir.join("eyot.db"), identity)
}

fn edit(path: &Path, sql: &str) {
    let db = Connection::open(path).unwrap();
    db.execute_batch(sql).unwrap();
    db.close().unwrap();
}

#[tokio::test]
async fn a_second_instance_is_refused() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let error = refusal(options(dir.path()));
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("in use by another eyot"));
    store.thread.shutdown().await.unwrap();
    open(dir.path());
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    let (path, _) = closed(dir.path()).await;
    edit(&path, "PRAGMA user_version = 99");
    let before = fs::read(&path).unwrap();
    let error = refusal(options(dir.path()));
    assert!(
        matches!(error, StoreError::NewerSchema { found: 99, .. }),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn invariant_7_a_corrupt_database_is_set_aside_and_the_agent_boots() {
    type Damage = fn(&Path);
    fn overwrite(path: &Path, from: usize, to: usize) {
        let mut bytes = fs::read(path).unwrap();
        for (n, byte) in bytes[from..to].iter_mut().enumerate() {
            *byte = (n as u8).wrapping_mul(167).wrapping_add(13);
        }
        fs::write(path, bytes).unwrap();
    }
    let ways: [(&str, Damage); 6] = [
        ("schema version", |path| overwrite(path, 60, 600)),
        ("header", |path| overwrite(path, 0, 512)),
        ("all of it", |path| fs::write(path, [0xA5; 10_000]).unwrap()),
        ("pages, found after an unclean stop", |path| {
            edit(path, "UPDATE meta SET value = 0 WHERE key = 'clean_stop'");
            let len = fs::metadata(path).unwrap().len() as usize;
            overwrite(path, len - 8192, len);
        }),
        ("pages, after an orderly stop", |path| {
            let len = fs::metadata(path).unwrap().len() as usize;
            overwrite(path, len / 2, len);
        }),
        ("foreign tables", |path| edit(path, "DROP TABLE outbox")),
    ];
    for (name, damage) in ways {
        let dir = TempDir::new().unwrap();
        let (path, identity) = closed(dir.path()).await;
        damage(&path);
        let damaged = fs::read(&path).unwrap();

        let store = open(dir.path());
        let aside = store.set_aside.expect(name);
        assert!(
            aside.ends_with("eyot.db.corrupt-20260101T000000Z"),
            "{aside:?}"
        );
        assert!(fs::read(aside).unwrap() == damaged, "{name}: changed");
        assert_eq!(store.identity.agent, identity.agent, "{name}");
        assert_eq!(store.identity.store_epoch, 2, "{name}");
        let device = store.handle.open_device("pump", "pumps").await.unwrap();
        let next = device.last_effect + 1;
        store
            .handle
            .commit(summaries(device.id, [next]))
            .await
            .unwrap();
        store.thread.shutdown().await.unwrap();

        damage(&path);
        let store = open(dir.path());
        let aside = store.set_aside.expect(name);
        assert!(
            aside.ends_with("eyot.db.corrupt-20260101T000000Z-1"),
            "{aside:?}"
        );
        assert_eq!(store.identity.store_epoch, 3, "{name}");
    }
}

#[tokio::test]
async fn a_deleted_database_starts_a_new_epoch_and_a_lost_copy_is_written_again() {
    let dir = TempDir::new().unwrap();
    let (path, identity) = closed(dir.path()).await;
    fs::remove_file(path).unwrap();
    let store = open(dir.path());
    assert_eq!(store.identity.agent, identity.agent);
    assert_eq!(store.identity.store_epoch, 2);
    store.thread.shutdown().await.unwrap();

    let copy = dir.path().join("eyot.identity");
    let text = fs::read(&copy).unwrap();
    fs::write(&copy, "nonsense").unwrap();
    assert_eq!(open(dir.path()).identity.store_epoch, 2);
    assert_eq!(fs::read(&copy).unwrap(), text);
}

#[tokio::test]
async fn records_that_fail_their_checksum_are_evicted_and_counted() {
    let dir = TempDir::new().unwrap();
    let (path, _) = closed(dir.path()).await;
    edit(
        &path,
        "UPDATE outbox SET body = X'00' WHERE effect = 2;
         UPDATE outbox SET effect = 999 WHERE effect = 200;
         UPDATE outbox SET crc = -1 WHERE effect = 199;",
    );
    let store = open(dir.path());
    for _ in 0..2 {
        let rows = store.handle.fetch(Lane::Summary, 0, 3).await.unwrap();
        let numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
        assert_eq!(numbers, [1, 3, 4], "the limit counts intact rows");
    }
    assert_eq!(numbers(&store.handle, Lane::Summary).await.len(), 197);
    store.handle.flush().await.unwrap();
    let book = book(&store.handle, Lane::Summary).await;
    assert_eq!((book.buffered, book.evicted), (197, 3));
    assert!(book.balanced());
    let eviction = Eviction {
        lane: Lane::Summary,
        reason: "corrupt".into(),
        n: 3,
    };
    assert_eq!(evicted(&store.handle).await, [eviction]);
}

#[tokio::test]
async fn rows_that_vanish_show_in_the_books() {
    let dir = TempDir::new().unwrap();
    let (path, _) = closed(dir.path()).await;
    edit(&path, "DELETE FROM outbox WHERE effect = 7");
    let book = book(&open(dir.path()).handle, Lane::Summary).await;
    assert_eq!((book.enqueued, book.buffered), (200, 199));
    assert!(!book.balanced());
}
