//! What `eyot collect` has collected, from its database (docs/collect.md).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use eyot::collect::Report;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use super::truth::Key;

/// One channel of one summary.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// Store epoch of the record.
    pub(super) epoch: u64,
    /// Number of the record among its device's.
    pub(super) number: u64,
    pub(super) count: u64,
    pub(super) sum: f64,
}

/// All there is.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) records: u64,
    pub(super) alerts: u64,
    /// Records that came again.
    pub(super) repeated: u64,
    /// Numbers missing, and in the first epoch those below a device's first, by store epoch.
    pub(super) missing: BTreeMap<u64, u64>,
    pub(super) rubbish: Vec<String>,
    /// Records of each store epoch.
    pub(super) epochs: BTreeMap<u64, u64>,
    pub(super) parts: BTreeMap<Key, Vec<Part>>,
}

/// Reads a collector's database, which may be in use.
pub(super) fn read(database: &Path) -> anyhow::Result<Collected> {
    let report = Report::read(database)?;
    let mut collected = Collected {
        records: report.records,
        repeated: report.repeated,
        rubbish: report.rubbish.iter().map(|r| format!("{r:?}")).collect(),
        ..Collected::default()
    };
    for stream in &report.gaps {
        let ranges = || stream.unexplained.iter().chain(&stream.explained);
        let numbers: u64 = ranges().map(|gap| gap.last - gap.first + 1).sum();
        let epoch = u64::from(stream.epoch);
        // What was saved of a damaged database goes on with its numbers.
        let before_first = if epoch == 1 { stream.before_first } else { 0 };
        *collected.missing.entry(epoch).or_default() += numbers + before_first;
    }
    let db = open(database)?;
    let mut rows = db.prepare("SELECT epoch, device, number, kind, body FROM records")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (epoch, device, number): (i64, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (kind, body): (String, String) = (row.get(3)?, row.get(4)?);
        let epoch = epoch.unsigned_abs();
        *collected.epochs.entry(epoch).or_default() += 1;
        if kind != "summary" {
            collected.alerts += u64::from(kind == "alert");
            continue;
        }
        let body: Value = serde_json::from_str(&body)?;
        let start = body["window"]["start"].as_str().context("no window")?;
        let start = start.parse::<jiff::Timestamp>()?.as_millisecond();
        for (channel, features) in body["channels"].as_object().into_iter().flatten() {
            let count = features["count"].as_u64().context("no count")?;
            let mean = features["mean"].as_f64().context("no mean")?;
            let key = Key {
                device: device.clone(),
                channel: channel.clone(),
                start,
            };
            collected.parts.entry(key).or_default().push(Part {
                epoch,
                number: number.unsigned_abs(),
                count,
                sum: mean * count as f64,
            });
        }
    }
    Ok(collected)
}

/// End of the latest window of which there is a summary of every one of so many devices, in milliseconds since the
/// epoch. None while there is no such window.
pub(super) fn frontier(database: &Path, devices: u32) -> anyhow::Result<Option<i64>> {
    let query = "SELECT count(*), min(time_end) FROM latest WHERE schema = 'eyot.summary.v1'";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?));
    let (count, end): (i64, Option<String>) = open(database)?.query_row(query, [], row)?;
    match end {
        Some(end) if count >= i64::from(devices) => {
            Ok(Some(end.parse::<jiff::Timestamp>()?.as_millisecond()))
        }
        _ => Ok(None),
    }
}

/// Records so far.
pub(super) fn records(database: &Path) -> anyhow::Result<u64> {
    let query = "SELECT coalesce(sum(seen), 0) FROM streams";
    let records: i64 = open(database)?.query_row(query, [], |row| row.get(0))?;
    Ok(records.unsigned_abs())
}

fn open(database: &Path) -> anyhow::Result<Connection> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(db)
}
