//! Full disks.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use super::*;

/// Commits in the full-disk tests, bytes of each, and pages until the disk is full: enough for
/// about a third of them.
const COMMITS: u64 = 300;
const BODY: usize = 1000;
const ROOM: u32 = 40;

/// A store whose disk is full, a task that sends more than fits, and the count of guards told.
async fn full(dir: &Path, headroom: u64) -> (Store, tokio::task::JoinHandle<()>, Arc<AtomicU64>) {
    let store = Store::open(Options {
        channel: 8,
        headroom,
        ..options(dir)
    })
    .unwrap();
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    let db = Connection::open(dir.join("eyot.db")).unwrap();
    let pages: u32 = db
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    store.handle.limit_pages(pages + ROOM).await;
    let told = Arc::new(AtomicU64::new(0));
    let (handle, counter) = (store.handle.clone(), Arc::clone(&told));
    let sender = tokio::spawn(async move {
        for number in 1..=COMMITS {
            let counter = Arc::clone(&counter);
            let mut commit = summaries(device.id, [number]);
            commit.records[0].body = vec![number as u8; BODY];
            commit.on_commit = Some(Box::new(Guard(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
            })));
            // Both fail in the one test that stops the store meanwhile.
            let _ = handle.commit(commit).await;
            if number % 10 == 0 {
                // Keeps batches smaller than the room.
                let _ = handle.flush().await;
            }
        }
    });
    let mut degraded = store.handle.degraded();
    let reason = soon("degraded", degraded.wait_for(Option::is_some)).await;
    assert!(reason.unwrap().as_ref().unwrap().contains("full"));
    (store, sender, told)
}

async fn expect_all(store: &Store, told: &AtomicU64) {
    store.handle.flush().await.unwrap();
    assert_eq!(*store.handle.degraded().borrow(), None);
    assert_eq!(told.load(Ordering::SeqCst), COMMITS);
    let book = book(&store.handle, Lane::Summary).await;
    assert_eq!(book.enqueued, COMMITS);
    assert!(book.balanced());
    let stats = store.handle.stats().await.unwrap();
    assert_eq!(stats.effect_gaps, 0);
}

#[tokio::test]
async fn a_full_disk_holds_senders_back_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let (store, sender, told) = full(dir.path(), 0).await;
    let rows = soon("fetch on a full disk", all(&store.handle, Lane::Summary)).await;
    assert_eq!(told.load(Ordering::SeqCst), rows.len() as u64);
    assert!(!sender.is_finished(), "senders are not held back");
    store.handle.limit_pages(1_000_000).await;
    soon("sender", sender).await.unwrap();
    soon("all committed", expect_all(&store, &told)).await;
    let expected: Vec<u64> = (1..=COMMITS).collect();
    assert_eq!(numbers(&store.handle, Lane::Summary).await, expected);
}

#[tokio::test]
async fn deliveries_make_room_on_a_full_disk() {
    let dir = TempDir::new().unwrap();
    let (store, sender, told) = full(dir.path(), 0).await;
    let mut last = 0;
    let drained = async {
        while last < COMMITS {
            for row in all(&store.handle, Lane::Summary).await {
                last = row.number;
                let rows = vec![(row.lane, row.seq)];
                store.handle.delivered(rows).await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("drained", drained).await;
    soon("sender", sender).await.unwrap();
    soon("all committed", expect_all(&store, &told)).await;
    assert_eq!(book(&store.handle, Lane::Summary).await.delivered, COMMITS);
}

#[tokio::test]
async fn stopping_on_a_full_disk_says_what_is_lost_and_keeps_the_rest() {
    let dir = TempDir::new().unwrap();
    let (store, sender, told) = full(dir.path(), 0).await;
    let result = soon("shutdown", store.thread.shutdown()).await;
    assert!(
        matches!(result, Err(StoreError::Unwritten { commits: 1.., .. })),
        "{result:?}"
    );
    soon("sender", sender).await.unwrap();
    let store = open(dir.path());
    assert!(store.unclean_stop);
    let kept = numbers(&store.handle, Lane::Summary).await;
    assert_eq!(kept.len() as u64, told.load(Ordering::SeqCst));
    assert!(book(&store.handle, Lane::Summary).await.balanced());
}

#[tokio::test]
async fn with_reserved_room_a_full_disk_gives_up_the_oldest_and_says_so() {
    let dir = TempDir::new().unwrap();
    let (store, sender, told) = full(dir.path(), 64 * 1024).await;
    soon("sender", sender).await.unwrap();
    store.handle.flush().await.unwrap();
    assert_eq!(told.load(Ordering::SeqCst), COMMITS);
    let why = store.handle.degraded().borrow().clone();
    assert!(
        why.unwrap().contains("full"),
        "records go, which is not in order"
    );
    assert!(!dir.path().join("eyot.headroom").exists());
    let book = book(&store.handle, Lane::Summary).await;
    assert!(book.balanced() && book.evicted > 0, "{book:?}");
    let kept = numbers(&store.handle, Lane::Summary).await;
    let expected: Vec<u64> = (book.evicted + 1..=COMMITS).collect();
    assert_eq!(kept, expected);
    let losses = losses(&store.handle).await;
    let told: u64 = losses.iter().map(|l| l["count"].as_u64().unwrap()).sum();
    assert_eq!(told, book.evicted);
}

/// A small file system of its own; `None` where that is not allowed.
struct Disk(PathBuf);

impl Disk {
    fn of(dir: &Path, bytes: u64) -> Option<Self> {
        let size = format!("size={bytes}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "eyot-test"])
            .arg(dir)
            .output();
        mounted.ok()?.status.success().then(|| Self(dir.to_owned()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test]
async fn invariant_1_while_the_reserved_room_lasts_a_full_disk_costs_no_record() {
    const RECORDS: u64 = 300;
    let dir = TempDir::new().unwrap();
    let Some(_disk) = Disk::of(dir.path(), 8 << 20) else {
        tracing::warn!("skipped: no right to mount a file system");
        return;
    };
    let store = Store::open(Options {
        headroom: 2 << 20,
        ..options(dir.path())
    })
    .unwrap();
    let handle = &store.handle;
    let device = handle.open_device("pump", "pumps").await.unwrap();
    handle.flush().await.unwrap();
    // Nothing waits for the uplink when the disk fills up: what comes then has as good a right to stay.
    let mut other = fs::File::create(dir.path().join("other")).unwrap();
    while std::io::Write::write_all(&mut other, &[1; 4096]).is_ok() {}
    for number in 1..=RECORDS {
        let mut commit = summaries(device.id, [number]);
        commit.records[0].body = vec![number as u8; BODY];
        handle.commit(commit).await.unwrap();
        if number % 20 == 0 {
            soon("flush", handle.flush()).await.unwrap();
        }
    }
    assert!(!dir.path().join("eyot.headroom").exists());
    let book = book(handle, Lane::Summary).await;
    assert_eq!((book.enqueued, book.evicted), (RECORDS, 0));
}

#[tokio::test]
async fn invariant_1_a_disk_that_fills_up_again_before_the_room_is_taken_back_costs_no_record() {
    const RECORDS: u64 = 24;
    let dir = TempDir::new().unwrap();
    let Some(_disk) = Disk::of(dir.path(), 8 << 20) else {
        tracing::warn!("skipped: no right to mount a file system");
        return;
    };
    let store = Store::open(Options {
        headroom: 2 << 20,
        patience: Duration::from_mins(1),
        ..options(dir.path())
    })
    .unwrap();
    let handle = store.handle.clone();
    let device = handle.open_device("pump", "pumps").await.unwrap();
    handle.flush().await.unwrap();
    let other = dir.path().join("other");
    let fill = || {
        let mut file = fs::File::create(&other).unwrap();
        for size in [4096, 1] {
            while std::io::Write::write_all(&mut file, &vec![1; size]).is_ok() {}
        }
    };
    let mut commits = (1..=RECORDS).map(|number| {
        let mut commit = summaries(device.id, [number]);
        commit.records[0].body = vec![number as u8; 16 * BODY];
        commit
    });
    fill();
    while dir.path().join("eyot.headroom").exists() {
        handle.commit(commits.next().unwrap()).await.unwrap();
        soon("flush", handle.flush()).await.unwrap();
    }
    // Whoever has filled the disk takes the room that was given away, too.
    fill();
    for commit in commits {
        handle.commit(commit).await.unwrap();
    }
    let mut degraded = handle.degraded();
    soon("full", degraded.wait_for(Option::is_some))
        .await
        .unwrap();
    let waiting = {
        let handle = handle.clone();
        tokio::spawn(async move { handle.flush().await })
    };
    for _ in 0..10 {
        // Each of these was an attempt, and gives nothing up.
        let book = book(&handle, Lane::Summary).await;
        assert_eq!(book.evicted, 0, "{book:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        !waiting.is_finished(),
        "a disk that is full took everything"
    );
    fs::remove_file(&other).unwrap();
    soon("all committed", waiting).await.unwrap().unwrap();
    let book = book(&handle, Lane::Summary).await;
    assert_eq!((book.enqueued, book.evicted), (RECORDS, 0));
    soon("recovery", degraded.wait_for(Option::is_none))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_file_system_that_fills_up_and_is_cleared_needs_no_restart() {
    const DISK: u64 = 8 << 20;
    let dir = TempDir::new().unwrap();
    let Some(_disk) = Disk::of(dir.path(), DISK) else {
        tracing::warn!("skipped: no right to mount a file system");
        return;
    };
    let store = Store::open(Options {
        headroom: 2 << 20,
        ..options(dir.path())
    })
    .unwrap();
    let handle = &store.handle;
    // Someone else takes a part of it.
    let other = dir.path().join("other");
    fs::write(&other, vec![1; 3 << 20]).unwrap();
    let device = handle.open_device("pump", "pumps").await.unwrap();
    let mut number = 0;
    let mut send = async |n: u64| {
        for _ in 0..n {
            number += 1;
            let mut commit = summaries(device.id, [number]);
            commit.records[0].body = vec![number as u8; BODY];
            handle.commit(commit).await.unwrap();
            if number % 50 == 0 {
                soon("flush", handle.flush()).await.unwrap();
            }
        }
    };
    // Three times what fits.
    send(24_000).await;
    let full = book(handle, Lane::Summary).await;
    assert!(full.evicted > 0 && full.balanced(), "{full:?}");
    assert!(full.buffered > 500, "{full:?}");
    assert!(handle.degraded().borrow().is_some());
    assert!(!dir.path().join("eyot.headroom").exists());

    fs::remove_file(other).unwrap();
    let rows = all(handle, Lane::Summary).await;
    let rows = rows.iter().map(|row| (row.lane, row.seq)).collect();
    handle.delivered(rows).await.unwrap();
    let mut degraded = handle.degraded();
    let recovered = soon("recovery", degraded.wait_for(Option::is_none)).await;
    drop(recovered);
    assert_eq!(
        fs::metadata(dir.path().join("eyot.headroom"))
            .unwrap()
            .len(),
        2 << 20
    );
    send(500).await;
    handle.flush().await.unwrap();
    let after = book(handle, Lane::Summary).await;
    assert!(after.balanced());
    assert_eq!((after.buffered, after.evicted), (500, full.evicted));
    store.thread.shutdown().await.unwrap();
}
