//! Records that wait for the gateway's clock to be set.

use std::sync::atomic::{AtomicI64, Ordering};

use eyot_pipeline::ledger::LaneBook;
use eyot_pipeline::time::Span;

use super::*;
use crate::store::UnsetBoot;

const UNSET: UnsetBoot = UnsetBoot {
    boot: 7,
    base: Timestamp(5),
};

fn held(number: u64, boot: u128) -> Record {
    let body = format!(
        r#"{{"clock":{{"boot":"x","unset":"all"}},"time":"2026-01-01T00:00:00Z","n":{number}}}"#
    );
    Record {
        body: body.into_bytes(),
        unset: Some(boot),
        ..record(Lane::Summary, number)
    }
}

fn commit(device: i64, records: Vec<Record>) -> Commit {
    Commit {
        records,
        ..summaries(device, [])
    }
}

async fn bodies(store: &Store) -> Vec<String> {
    let rows = store.handle.fetch(Lane::Summary, 0, 100).await.unwrap();
    let text = |row: OutRow| String::from_utf8(row.body).unwrap();
    rows.into_iter().map(text).collect()
}

async fn summary_book(store: &Store) -> (LaneBook, u64) {
    let stats = store.handle.stats().await.unwrap();
    let (_, book) = stats.lanes[Lane::Summary as usize];
    assert!(book.balanced(), "{book:?}");
    (book, stats.held)
}

#[tokio::test]
async fn what_waits_survives_a_crash_and_leaves_in_order_with_its_times_moved() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    store.handle.clock_unset(Some(UNSET)).await.unwrap();
    let device = store.handle.open_device("m-1", "any").await.unwrap().id;
    let records = vec![held(1, 7), held(2, 7), record(Lane::Alert, 3)];
    store.handle.commit(commit(device, records)).await.unwrap();
    store.handle.flush().await.unwrap();
    assert_eq!(bodies(&store).await, [""; 0]);
    let (book, waiting) = summary_book(&store).await;
    assert_eq!((book.enqueued, book.buffered, waiting), (2, 2, 2));

    let image = crash_image(dir.path());
    let store = open(image.path());
    assert_eq!(store.unset, [UNSET]);
    store.handle.clock_unset(Some(UNSET)).await.unwrap();
    store
        .handle
        .clock_set(7, Span::from_secs(60))
        .await
        .unwrap();
    store.handle.flush().await.unwrap();
    let bodies = bodies(&store).await;
    assert_eq!(bodies.len(), 2);
    for (number, body) in (1..).zip(&bodies) {
        assert!(body.contains("2026-01-01T00:01:00Z") && body.contains("\"moved_ms\":60000"));
        assert!(body.contains(&format!("\"n\":{number}")), "{body}");
    }
    let (book, waiting) = summary_book(&store).await;
    assert_eq!((book.enqueued, book.buffered, waiting), (2, 2, 0));
    let told = store.handle.fetch(Lane::Loss, 0, 100).await.unwrap();
    assert_eq!(told.len(), 1);
    assert!(String::from_utf8_lossy(&told[0].body).contains("\"move_ms\":60000"));
    // It is told once, whatever is said again.
    store
        .handle
        .clock_set(7, Span::from_secs(60))
        .await
        .unwrap();
    assert_eq!(
        store.handle.fetch(Lane::Loss, 0, 100).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn what_waits_in_vain_or_for_too_long_leaves_as_it_is() {
    static CLOCK: AtomicI64 = AtomicI64::new(0);
    let dir = TempDir::new().unwrap();
    let store = Store::open(Options {
        clock: || NOW + Span::from_secs(CLOCK.load(Ordering::Relaxed)),
        ..options(dir.path())
    })
    .unwrap();
    store.handle.clock_unset(Some(UNSET)).await.unwrap();
    let device = store.handle.open_device("m-1", "any").await.unwrap().id;
    // Of a start that is over, and of this one.
    let records = vec![held(1, 6), held(2, 7)];
    store.handle.commit(commit(device, records)).await.unwrap();
    store.handle.flush().await.unwrap();
    let as_it_is = |number| String::from_utf8(held(number, 0).body).unwrap();
    assert_eq!(bodies(&store).await, [as_it_is(1)]);

    CLOCK.store(599, Ordering::Relaxed);
    let records = vec![held(3, 7)];
    store.handle.commit(commit(device, records)).await.unwrap();
    store.handle.flush().await.unwrap();
    assert_eq!(bodies(&store).await.len(), 1);
    CLOCK.store(600, Ordering::Relaxed);
    let records = vec![held(4, 7)];
    store.handle.commit(commit(device, records)).await.unwrap();
    store.handle.flush().await.unwrap();
    assert_eq!(bodies(&store).await, [as_it_is(1), as_it_is(2)]);
    assert_eq!(summary_book(&store).await.1, 2);
}
