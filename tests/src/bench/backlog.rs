//! A store that is filled without an agent: summaries as a thousand devices with windows of ten seconds make them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eyot::store::{self, Commit, Record, Store};
use eyot_pipeline::ledger::Lane;
use eyot_pipeline::retention::{Quotas, WhenFull};
use eyot_pipeline::{Span, Timestamp};

/// Devices.
pub(super) const DEVICES: u64 = 1_000;
/// A summary of each of them in so many seconds.
pub(super) const WINDOW: u64 = 10;
/// Start of the first window, in seconds since the epoch.
const BEGIN: i64 = 1_790_000_000;

/// The devices of a store.
pub(super) struct Backlog {
    pub(super) store: Store,
    id: String,
    /// Key and name of each.
    devices: Vec<(i64, String)>,
}

impl Backlog {
    /// Opens the store in `folder`, of an agent that is not running, with room for so many bytes. Summaries are folded
    /// once they have waited for `after`.
    pub(super) async fn open(
        folder: &Path,
        bytes: u64,
        after: Span,
        clock: fn() -> Timestamp,
    ) -> anyhow::Result<Self> {
        let store = Store::open(store::Options {
            dir: folder.to_owned(),
            commit_interval: Duration::ZERO,
            agent: "bench".into(),
            quotas: Quotas {
                records: u64::MAX,
                bytes,
                age: None,
                when_full: WhenFull::DropOldest,
            },
            fold: store::Fold { after, rows: 1_024 },
            merge: |_, _| None,
            headroom: 0,
            patience: Duration::ZERO,
            dead_letters: 100,
            channel: 64,
            clock,
            hold_unsynced: Span::ZERO,
            moved: eyot::record::moved,
            books: Arc::new(NoBooks),
            books_interval: Duration::ZERO,
            pace: store::Pace::default(),
            slow_commit: None,
            vfs: None,
        })?;
        let id = format!("{}/{}", store.identity.agent, store.identity.store_epoch);
        let mut devices = Vec::new();
        for device in 0..DEVICES {
            let name = format!("pump-{device:04}");
            devices.push((store.handle.open_device(&name, "pump").await?.id, name));
        }
        Ok(Self { store, id, devices })
    }

    /// Adds the summaries of the `n`th window of all devices, from 0.
    pub(super) async fn add(&self, n: u64) -> anyhow::Result<()> {
        for (device, (key, name)) in (0..).zip(&self.devices) {
            let commit = Commit {
                device: *key,
                position: 0,
                told_until: eyot_pipeline::Timestamp(0),
                records: vec![summary(&self.id, name, device, n + 1)],
                checkpoint: None,
                on_commit: None,
            };
            self.store.handle.commit(commit).await?;
        }
        Ok(())
    }

    /// When that window has been scored, in whole seconds.
    pub(super) fn scored(n: u64) -> Timestamp {
        let end = BEGIN + ((n + 2) * WINDOW).cast_signed();
        Timestamp((end + 2) * 1_000_000_000)
    }
}

/// The sources' books are not this store's matter.
struct NoBooks;

impl store::Books for NoBooks {
    fn take(&self) -> Vec<(String, store::SourceState)> {
        Vec::new()
    }
}

/// The summary of a window of 10 s a while ago, of one channel with eight features.
fn summary(id: &str, name: &str, device: u64, number: u64) -> Record {
    let noise = |n: u64| {
        let mixed = (device * 7_919 + number * 31 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as f64 / 16_777_216.0
    };
    let start =
        jiff::Timestamp::from_second(BEGIN + (number * WINDOW).cast_signed()).unwrap_or_default();
    let end = start + jiff::SignedDuration::from_secs(10);
    let scored = end + jiff::SignedDuration::from_millis(2_000 + (noise(0) * 100.0) as i64);
    let oldest = start + jiff::SignedDuration::from_millis((noise(9) * 100.0) as i64);
    let body = format!(
        r#"{{"schema":"eyot.summary.v1","id":"{id}/{name}/{number}","agent":"bench","device":"{name}","class":"pump","window":{{"start":"{start}","end":"{end}","closed_by":"watermark"}},"channels":{{"flow":{{"unit":"m³/h","count":100,"mean":{},"std":{},"detrended_std":{},"min":{},"max":{},"rms":{},"slope":{},"last":{}}}}},"score":{{"fused":{},"statistical":{}}},"verdict":"normal","freshness":{{"scored_at":"{scored}","oldest":"{oldest}","age_of_oldest_ms":{}}}}}"#,
        33.0 + noise(1),
        noise(2),
        noise(3),
        32.0 + noise(4),
        34.0 + noise(5),
        33.0 + noise(6),
        noise(7) - 0.5,
        33.0 + noise(8),
        noise(10),
        noise(10),
        scored.duration_since(oldest).as_millis(),
    );
    Record {
        lane: Lane::Summary,
        number,
        kind: "summary",
        oldest: Timestamp(i64::try_from(oldest.as_nanosecond()).unwrap_or_default()),
        body: body.into_bytes(),
        unset: None,
    }
}
