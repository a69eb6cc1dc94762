//! Loss records: shared while they wait, closed once they are on their way, few in any case.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

/// A store of at most `records` records, and a device in it.
async fn small(dir: &Path, records: u64, clock: fn() -> Timestamp) -> (Store, i64) {
    let store = Store::open(Options {
        quotas: Quotas { records, ..QUOTAS },
        clock,
        ..options(dir)
    })
    .unwrap();
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    (store, device.id)
}

async fn commit(store: &Store, device: i64, numbers: impl IntoIterator<Item = u64>) {
    let commit = summaries(device, numbers);
    store.handle.commit(commit).await.unwrap();
    store.handle.flush().await.unwrap();
}

#[tokio::test]
async fn evictions_share_a_record_until_it_is_fetched() {
    let dir = TempDir::new().unwrap();
    let (store, device) = small(dir.path(), 10, || NOW).await;
    let mut changed = store.handle.changed();
    commit(&store, device, 1..=12).await;
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    commit(&store, device, 13..=15).await;
    let first = losses(&store.handle).await;
    assert_eq!(
        first,
        [serde_json::json!({
            "schema": "eyot.loss.v1",
            "id": format!("{}/1/_loss/1", store.identity.agent),
            "agent": "gateway-1",
            "lane": "summary",
            "reason": "quota",
            "count": 5,
            "from": "2026-01-01T00:00:00Z",
            "to": "2026-01-01T00:00:00Z",
            "records": [{"device": "pump", "from": 1, "to": 5}],
            "unlisted": 0,
        })]
    );
    commit(&store, device, 16..=16).await;
    let both = losses(&store.handle).await;
    assert_eq!(both[0], first[0]);
    assert_eq!(
        both[1]["id"].as_str().unwrap().rsplit('/').next(),
        Some("2")
    );
    assert_eq!(both[1]["records"][0]["from"], 6);
    let row = &all(&store.handle, Lane::Loss).await[0];
    assert_eq!((row.device.as_str(), row.kind.as_str()), ("_loss", "loss"));
    assert_eq!(store.handle.stats().await.unwrap().devices, 1);
}

#[tokio::test]
async fn only_so_many_devices_are_listed() {
    let dir = TempDir::new().unwrap();
    let (store, _) = small(dir.path(), 1, || NOW).await;
    for n in 0..101 {
        let name = format!("pump-{n}");
        let device = store.handle.open_device(&name, "pumps").await.unwrap();
        commit(&store, device.id, [1]).await;
    }
    let losses = losses(&store.handle).await;
    let [loss] = &losses[..] else {
        panic!("{losses:?}")
    };
    assert_eq!(loss["records"].as_array().unwrap().len(), 64);
    assert_eq!(
        (&loss["count"], &loss["unlisted"]),
        (&100.into(), &36.into())
    );
}

#[tokio::test]
async fn invariant_6_loss_records_are_bounded_too() {
    static CLOCK: AtomicI64 = AtomicI64::new(NOW.0);
    let dir = TempDir::new().unwrap();
    let clock = || Timestamp(CLOCK.fetch_add(Span::from_secs(61).0, Ordering::SeqCst));
    let (store, device) = small(dir.path(), 1, clock).await;
    for number in 1..=400 {
        commit(&store, device, [number]).await;
    }
    let waiting = book(&store.handle, Lane::Loss).await.buffered;
    assert_eq!(waiting, 256, "one a minute, up to a number");
    // Closing each by a fetch makes new ones, up to another.
    for number in 401..=1_100 {
        commit(&store, device, [number]).await;
        all(&store.handle, Lane::Loss).await;
        let book = book(&store.handle, Lane::Loss).await;
        assert!(book.buffered <= 512 && book.balanced(), "{book:?}");
    }
    let stats = store.handle.stats().await.unwrap();
    let [(_, alerts), (_, losses), (_, summaries)] = stats.lanes;
    assert_eq!((alerts.evicted, summaries.evicted), (0, 1_099));
    assert!(losses.evicted > 0);
    assert!(
        stats
            .evictions
            .iter()
            .any(|e| e.lane == Lane::Loss && e.n == losses.evicted)
    );
}
