//! A long outage: how many hours of summaries an outbox of 200 MB holds, how many `eyot check` says it does, and what a
//! week would take. Folding looks at a block at a time, so that a week is no different from a day.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use eyot::config::{self, Estimate};
use eyot_pipeline::ledger::Lane;
use eyot_pipeline::{Span, Timestamp};
use serde::Serialize;
use tempfile::TempDir;

use super::backlog::{Backlog, DEVICES, WINDOW};
use super::held;

/// Bytes that the outbox may take up.
const ROOM: u64 = 200_000_000;
/// Windows between two looks.
const LOOK: u64 = 60;
/// Seconds of a week, and those after which a summary is folded.
const WEEK: f64 = 7.0 * 86_400.0;
const YOUNG: f64 = 600.0;

static CLOCK: AtomicI64 = AtomicI64::new(0);

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Week {
    /// Hours after which the first summary had to be given up, by the gateway's clock.
    hours: f64,
    /// What `eyot check` says for the same configuration.
    predicted_hours: f64,
    /// Bytes of a summary as the quota counts them, before it is folded and once it is.
    plain_bytes: f64,
    folded_bytes: f64,
    /// What a week takes at that.
    needed_bytes: f64,
    /// Size of the database in the end.
    file_bytes: u64,
    records: u64,
    took_s: f64,
}

/// Fills an outbox, 100 summaries a second by a clock that is moved on, until the first one has to go.
pub(super) async fn measure() -> anyhow::Result<Week> {
    let begun = Instant::now();
    let folder = TempDir::with_prefix("eyot-bench-")?;
    let now = || Timestamp(CLOCK.load(Ordering::Relaxed));
    CLOCK.store(Backlog::scored(0).0, Ordering::Relaxed);
    let backlog = Backlog::open(folder.path(), ROOM, Span::from_secs(600), now).await?;
    let (mut plain_bytes, mut folded_bytes) = (0.0, 0.0);
    for n in 0.. {
        CLOCK.store(Backlog::scored(n).0, Ordering::Relaxed);
        backlog.add(n).await?;
        if n % LOOK != 0 {
            continue;
        }
        backlog.store.handle.flush().await?;
        let stats = backlog.store.handle.stats().await?;
        let (_, book) = stats.lanes[Lane::Summary as usize];
        if book.evicted > 0 {
            backlog.store.thread.shutdown().await?;
            let rate = DEVICES as f64 / WINDOW as f64;
            return Ok(Week {
                hours: (n * WINDOW) as f64 / 3_600.0,
                predicted_hours: predicted()?,
                plain_bytes,
                folded_bytes,
                needed_bytes: rate * (YOUNG * plain_bytes + (WEEK - YOUNG) * folded_bytes),
                file_bytes: stats.file_bytes,
                records: book.enqueued,
                took_s: begun.elapsed().as_secs_f64(),
            });
        }
        let bytes = stats.lane_bytes[Lane::Summary as usize] as f64;
        if stats.folded == 0 {
            plain_bytes = bytes / book.buffered.max(1) as f64;
        } else {
            let plain = (book.buffered - stats.folded) as f64 * plain_bytes;
            folded_bytes = (bytes - plain) / stats.folded as f64;
        }
    }
    unreachable!("the range has no end")
}

/// What `eyot check` says of such a plant.
fn predicted() -> anyhow::Result<f64> {
    let text = format!(
        r#"
[agent]
name = "bench"
data_dir = "data"

[limits]
devices = {DEVICES}

[outbox]
max_bytes = "{ROOM}B"

[[source]]
name = "plant"
url = "mqtt://127.0.0.1"

[[source.rule]]
name = "reading"
topic = "plant/{{device}}/{{channel}}"
decoder = "value"

[[class]]
name = "pump"
devices = ["pump-*"]
window = "{WINDOW}s"
channels = {{ flow = {{ unit = "m³/h" }} }}
"#
    );
    let folder = TempDir::with_prefix("eyot-bench-")?;
    let path = folder.path().join("bench.toml");
    std::fs::write(&path, text)?;
    let config = config::Config::load(&path).map_err(|faults| anyhow::anyhow!("{faults}"))?;
    Estimate::of(&config, |_| 0)
        .hours()
        .ok_or_else(|| anyhow::anyhow!("there is no estimate"))
}

impl Week {
    /// Prints it with its limits.
    pub(super) fn print(&self) {
        println!(
            "a week at 100 summaries/s takes             {:.2} GB   (at most 2: {}), {:.1} B each once folded (at most 33: {})",
            self.needed_bytes / 1e9,
            held(self.needed_bytes <= 2e9),
            self.folded_bytes,
            held(self.folded_bytes <= 33.0)
        );
        println!(
            "  an outbox of 200 MB holds                 {:.1} h",
            self.hours
        );
        // Without recorded samples it can only say the worst: numbers that are nothing but noise.
        println!(
            "  eyot check says                           {:.1} h at least   (no more than it is: {})",
            self.predicted_hours,
            held(self.predicted_hours <= self.hours)
        );
    }
}
