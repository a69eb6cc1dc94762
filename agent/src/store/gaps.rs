//! Times of which nobody knows what was lost.

use eyot_pipeline::time::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::{Gap, Gaps};

/// Gaps kept; how many there were is known for ever.
const KEPT: u64 = 1_000;

/// Writes gaps down. One that began at the same time is the same one, and lasts longer.
pub(super) fn add(db: &Connection, gaps: &[Gap]) -> rusqlite::Result<()> {
    let tx = db.unchecked_transaction()?;
    for gap in gaps {
        // Not an upsert, which would use up a number even where it only updates.
        let longer = tx
            .prepare_cached(
                "UPDATE gaps SET until = MAX(until, ?3), at_most = ?4 WHERE source = ?1 AND since = ?2",
            )?
            .execute((&gap.source, gap.since.0, gap.until.0, gap.at_most))?;
        if longer == 0 {
            tx.prepare_cached(
                "INSERT INTO gaps (source, since, until, at_most) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((&gap.source, gap.since.0, gap.until.0, gap.at_most))?;
        }
    }
    tx.prepare_cached("DELETE FROM gaps WHERE id <= (SELECT MAX(id) FROM gaps) - ?1")?
        .execute([KEPT])?;
    tx.commit()
}

/// How many there were, and the last of them.
pub(super) fn summary(db: &Connection) -> rusqlite::Result<Gaps> {
    let last = db
        .prepare_cached(
            "SELECT id, source, since, until, at_most FROM gaps ORDER BY id DESC LIMIT 1",
        )?
        .query_row([], |row| {
            let gap = Gap {
                source: row.get(1)?,
                since: Timestamp(row.get(2)?),
                until: Timestamp(row.get(3)?),
                at_most: row.get(4)?,
            };
            Ok((row.get(0)?, gap))
        })
        .optional()?;
    Ok(last.map_or_else(Gaps::default, |(count, last)| Gaps {
        count,
        last: Some(last),
    }))
}
