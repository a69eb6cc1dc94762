//! Whose turn it is when records have to go.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

fn mixed(device: i64, lanes: &str) -> Commit {
    let records = (1..).zip(lanes.chars()).map(|(number, lane)| match lane {
        'a' => record(Lane::Alert, number),
        _ => record(Lane::Summary, number),
    });
    Commit {
        position: 0,
        told_until: eyot_pipeline::Timestamp(0),
        checkpoint: None,
        device,
        records: records.collect(),
        on_commit: None,
    }
}

/// What is left of a commit's alerts and summaries in an outbox of four.
async fn left(lanes: &str, when_full: WhenFull) -> [Vec<u64>; 2] {
    let dir = TempDir::new().unwrap();
    let quotas = Quotas {
        records: 4,
        when_full,
        ..QUOTAS
    };
    let store = Store::open(Options {
        quotas,
        ..options(dir.path())
    })
    .unwrap();
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    let commit = mixed(device.id, lanes);
    store.handle.commit(commit).await.unwrap();
    store.handle.flush().await.unwrap();
    [
        numbers(&store.handle, Lane::Alert).await,
        numbers(&store.handle, Lane::Summary).await,
    ]
}

#[tokio::test]
async fn the_least_urgent_lane_gives_way_and_alerts_go_last() {
    use WhenFull::{DropNewest, DropOldest};
    let left = async |lanes, when_full| left(lanes, when_full).await;
    assert_eq!(left("assass", DropOldest).await, [vec![1, 4], vec![5, 6]]);
    assert_eq!(left("assass", DropNewest).await, [vec![1, 4], vec![2, 3]]);
    assert_eq!(
        left("saaaaas", DropOldest).await,
        [vec![3, 4, 5, 6], vec![]]
    );
    assert_eq!(
        left("saaaaas", DropNewest).await,
        [vec![2, 3, 4, 5], vec![]]
    );
}

#[tokio::test]
async fn a_smaller_quota_holds_from_the_first_commit_on() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path());
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    for from in [1, 501] {
        let commit = summaries(device.id, from..from + 500);
        store.handle.commit(commit).await.unwrap();
    }
    store.thread.shutdown().await.unwrap();
    let store = Store::open(Options {
        quotas: Quotas {
            records: 10,
            ..QUOTAS
        },
        ..options(dir.path())
    })
    .unwrap();
    store.handle.open_device("pump", "pumps").await.unwrap();
    let expected: Vec<u64> = (991..=1_000).collect();
    assert_eq!(numbers(&store.handle, Lane::Summary).await, expected);
}

#[tokio::test]
async fn records_that_waited_too_long_go_though_nothing_else_happens() {
    static CLOCK: AtomicI64 = AtomicI64::new(0);
    let set = |time: Timestamp| CLOCK.store(time.0, Ordering::SeqCst);
    let dir = TempDir::new().unwrap();
    let store = Store::open(Options {
        quotas: Quotas {
            age: Some(Span::from_secs(3_600)),
            ..QUOTAS
        },
        clock: || Timestamp(CLOCK.load(Ordering::SeqCst)),
        ..options(dir.path())
    })
    .unwrap();
    let device = store.handle.open_device("pump", "pumps").await.unwrap();
    let commit = async |lane, number| {
        let mut commit = summaries(device.id, [number]);
        commit.records[0].lane = lane;
        store.handle.commit(commit).await.unwrap();
        store.handle.flush().await.unwrap();
    };
    set(NOW);
    commit(Lane::Summary, 1).await;
    commit(Lane::Alert, 2).await;
    set(NOW + Span::from_secs(3_000));
    commit(Lane::Summary, 3).await;
    set(NOW + Span::from_secs(3_601));
    let gone = async {
        while numbers(&store.handle, Lane::Alert).await == [2] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("alert too old", gone).await;
    assert_eq!(numbers(&store.handle, Lane::Summary).await, [3]);
    let told = losses(&store.handle).await;
    let told: Vec<_> = told
        .iter()
        .map(|loss| {
            (
                loss["lane"].as_str().unwrap(),
                loss["reason"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [("alert", "age"), ("summary", "age")]);
}
