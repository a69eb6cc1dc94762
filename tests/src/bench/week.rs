//! A long outage: how many hours of summaries an outbox of 2 GB holds, and how many `eyot check` says it does.

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
const ROOM: u64 = 2_000_000_000;
/// Windows between two looks.
const LOOK: u64 = 60;
/// Hours of a week.
const WEEK: f64 = 168.0;

static CLOCK: AtomicI64 = AtomicI64::new(0);

/// What came of it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Week {
    /// Hours after which the first summary had to be given up, by the gateway's clock.
    hours: f64,
    /// What `eyot check` says for the same configuration.
    predicted_hours: f64,
    /// Bytes of a summary, as the quota counts them: nearly all of them folded.
    bytes_each: f64,
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
    let mut bytes_each = 0.0;
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
            let records = book.enqueued;
            backlog.store.thread.shutdown().await?;
            return Ok(Week {
                hours: (n * WINDOW) as f64 / 3_600.0,
                predicted_hours: predicted()?,
                bytes_each,
                file_bytes: stats.file_bytes,
                records,
                took_s: begun.elapsed().as_secs_f64(),
            });
        }
        bytes_each = stats.lane_bytes[Lane::Summary as usize] as f64 / book.buffered.max(1) as f64;
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
    Estimate::of(&config)
        .hours()
        .ok_or_else(|| anyhow::anyhow!("there is no estimate"))
}

impl Week {
    /// Prints it with its limits.
    pub(super) fn print(&self) {
        let off = self.predicted_hours / self.hours - 1.0;
        println!(
            "an outbox of 2 GB holds                     {:.1} h of 100 summaries/s   (at least {WEEK}: {}), {:.1} B each (at most 33: {})",
            self.hours,
            held(self.hours >= WEEK),
            self.bytes_each,
            held(self.bytes_each <= 33.0)
        );
        println!(
            "  eyot check says                           {:.1} h, off by {:+.0} %   (at most 20: {})",
            self.predicted_hours,
            off * 100.0,
            held(off.abs() <= 0.2)
        );
    }
}
