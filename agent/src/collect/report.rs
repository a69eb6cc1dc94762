//! What has been collected, and what is missing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rusqlite::Connection;
use serde::Serialize;

use super::database::Database;
use super::{CollectError, Ranges};

/// Streams that are listed one by one.
const STREAMS: usize = 1_000;
/// Ranges of a stream that are listed one by one, of each sort.
const RANGES: usize = 100;

/// All there is to say of a database.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Records collected, each counted once.
    pub records: u64,
    /// Records that came again.
    pub repeated: u64,
    /// Agents, by uuid.
    pub agents: u64,
    /// Devices, of each store epoch of each agent.
    pub streams: u64,
    /// Numbers that are missing without an explanation, above the first one collected of their stream.
    pub unexplained: u64,
    /// Numbers below the first one collected of their stream: sent before we listened, or lost.
    pub before_first: u64,
    /// Numbers that agents have announced as lost and that did not come.
    pub explained: u64,
    /// Those, by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Losses announced without numbers, by reason.
    pub announced: BTreeMap<String, u64>,
    /// Streams of which something is missing, up to 1,000.
    pub gaps: Vec<StreamReport>,
    /// How many more there are.
    pub gaps_left_off: u64,
    /// What was no record.
    pub rubbish: Vec<RubbishReport>,
    /// The latest status of every agent.
    pub status: Vec<StatusReport>,
    /// Complete Parquet files.
    pub files: u64,
}

/// What is missing of one stream.
#[derive(Debug, Serialize)]
pub struct StreamReport {
    /// The agent's uuid.
    pub agent: String,
    /// The agent's name, if a record has told it.
    pub name: Option<String>,
    /// Store epoch.
    pub epoch: u32,
    /// Device.
    pub device: String,
    /// Records collected.
    pub seen: u64,
    /// The smallest number collected.
    pub first: Option<u64>,
    /// The largest one.
    pub last: Option<u64>,
    /// Missing numbers that nobody has explained, up to 100 ranges.
    pub unexplained: Vec<Gap>,
    /// How many more ranges there are.
    pub unexplained_left_off: u64,
    /// Missing numbers that were announced, up to 100 ranges.
    pub explained: Vec<Gap>,
    /// How many more ranges there are.
    pub explained_left_off: u64,
    /// Unexplained numbers before the first one collected.
    pub before_first: u64,
}

/// Missing numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// From.
    pub first: u64,
    /// To, inclusive.
    pub last: u64,
    /// Why, if it was announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What was no record for one reason.
#[derive(Debug, Serialize)]
pub struct RubbishReport {
    /// The reason.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// When last.
    pub received_at: String,
    /// The last one's topic.
    pub topic: String,
    /// What exactly was wrong with it.
    pub detail: String,
    /// The beginning of its payload.
    pub sample: String,
}

/// What an agent has said of itself last.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    /// The agent's name.
    pub agent: String,
    /// When.
    pub received_at: String,
    /// What.
    pub status: serde_json::Value,
}

impl Report {
    /// Reads the database at `path`, which may be in use.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn read(path: &Path) -> Result<Self, CollectError> {
        let mut db = Database::look(path)?;
        Self::of(&mut db).map_err(CollectError::database("read the report", path))
    }

    fn of(db: &mut Connection) -> rusqlite::Result<Self> {
        // One transaction: one state.
        let db = db.transaction()?;
        let mut report = Self::default();
        (
            report.records,
            report.repeated,
            report.streams,
            report.agents,
        ) = db.query_row(
            "SELECT coalesce(sum(seen), 0), coalesce(sum(repeated), 0), count(*),
               count(DISTINCT agent) FROM streams",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?;
        report.files = db.query_row("SELECT count(*) FROM files WHERE complete", [], |row| {
            row.get(0)
        })?;
        report.streams(&db)?;
        report.announced = db
            .prepare("SELECT reason, sum(n) FROM lost_counts GROUP BY reason")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        report.rubbish = db
            .prepare("SELECT reason, n, received_at, topic, detail, payload FROM rubbish ORDER BY n DESC")?
            .query_map([], |row| {
                Ok(RubbishReport {
                    reason: row.get(0)?,
                    count: row.get(1)?,
                    received_at: row.get(2)?,
                    topic: row.get(3)?,
                    detail: row.get(4)?,
                    sample: String::from_utf8_lossy(&row.get::<_, Vec<u8>>(5)?).into_owned(),
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        report.status = db
            .prepare("SELECT agent, received_at, body FROM status ORDER BY agent")?
            .query_map([], |row| {
                Ok(StatusReport {
                    agent: row.get(0)?,
                    received_at: row.get(1)?,
                    status: serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default(),
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(report)
    }

    /// Goes through the streams that are not simply 1, 2, 3…
    fn streams(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let mut select = db.prepare(
            "SELECT id, agent, (SELECT name FROM agents AS a WHERE a.agent = s.agent), epoch, device,
               seen, first, last
             FROM streams AS s
             WHERE seen < coalesce(last, 0) OR EXISTS (SELECT 1 FROM lost WHERE stream = s.id)
             ORDER BY agent, epoch, device",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let mut stream = StreamReport {
                agent: row.get(1)?,
                name: row.get(2)?,
                epoch: row.get(3)?,
                device: row.get(4)?,
                seen: row.get(5)?,
                first: row.get(6)?,
                last: row.get(7)?,
                unexplained: Vec::new(),
                unexplained_left_off: 0,
                explained: Vec::new(),
                explained_left_off: 0,
                before_first: 0,
            };
            if !self.stream(db, row.get(0)?, &mut stream)? {
                continue;
            }
            if self.gaps.len() < STREAMS {
                self.gaps.push(stream);
            } else {
                self.gaps_left_off += 1;
            }
        }
        Ok(())
    }

    /// Finds what is missing of one stream; false if nothing is.
    fn stream(
        &mut self,
        db: &Connection,
        id: i64,
        stream: &mut StreamReport,
    ) -> rusqlite::Result<bool> {
        let seen: Ranges = db
            .prepare_cached("SELECT first, last FROM seen WHERE stream = ?1")?
            .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut lost: BTreeMap<String, Ranges> = BTreeMap::new();
        let mut announced =
            db.prepare_cached("SELECT first, last, reason FROM lost WHERE stream = ?1")?;
        let mut rows = announced.query([id])?;
        while let Some(row) = rows.next()? {
            let ranges = lost.entry(row.get(2)?).or_default();
            ranges.insert_range(row.get(0)?, row.get(1)?);
        }
        let mut missing: Ranges = lost.values().flat_map(Ranges::iter).collect();
        missing.insert_range(1, stream.last.unwrap_or(0));
        missing = missing.without(&seen);
        let found = missing.count() > 0;
        for (reason, ranges) in lost {
            let rest = missing.without(&ranges);
            let explained = missing.without(&rest);
            self.explained += explained.count();
            if explained.count() > 0 {
                *self.reasons.entry(reason.clone()).or_default() += explained.count();
            }
            for (first, last) in explained.iter() {
                let reason = Some(reason.clone());
                list(
                    &mut stream.explained,
                    &mut stream.explained_left_off,
                    Gap {
                        first,
                        last,
                        reason,
                    },
                );
            }
            missing = rest;
        }
        for (first, last) in missing.iter() {
            if stream.first.is_some_and(|lowest| last < lowest) {
                stream.before_first += last - first + 1;
                continue;
            }
            self.unexplained += last - first + 1;
            list(
                &mut stream.unexplained,
                &mut stream.unexplained_left_off,
                Gap {
                    first,
                    last,
                    reason: None,
                },
            );
        }
        self.before_first += stream.before_first;
        Ok(found)
    }
}

fn list(listed: &mut Vec<Gap>, left_off: &mut u64, gap: Gap) {
    if listed.len() < RANGES {
        listed.push(gap);
    } else {
        *left_off += 1;
    }
}

/// Lines of gaps that people are shown.
const SHOWN: usize = 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rubbish: u64 = self.rubbish.iter().map(|rubbish| rubbish.count).sum();
        writeln!(
            f,
            "{} of {} of {}; {} came again, {rubbish} not records",
            many(self.records, "record"),
            many(self.streams, "device"),
            many(self.agents, "agent"),
            self.repeated
        )?;
        if self.files > 0 {
            writeln!(f, "{}, complete", many(self.files, "file"))?;
        }
        match self.unexplained {
            0 => writeln!(f, "no number is missing without an explanation")?,
            n => writeln!(f, "missing without an explanation: {}", many(n, "number"))?,
        }
        if self.explained > 0 {
            let reasons = by_reason(&self.reasons);
            writeln!(
                f,
                "missing and announced: {}: {reasons}",
                many(self.explained, "number")
            )?;
        }
        if !self.announced.is_empty() {
            let reasons = by_reason(&self.announced);
            writeln!(f, "announced as lost, without numbers: {reasons}")?;
        }
        if self.before_first > 0 {
            writeln!(
                f,
                "below the first of their device: {}, sent before anybody listened or lost",
                many(self.before_first, "number")
            )?;
        }
        for stream in self.gaps.iter().take(SHOWN) {
            writeln!(f, "  {stream}")?;
        }
        let more = self.gaps_left_off + self.gaps.len().saturating_sub(SHOWN) as u64;
        if more > 0 {
            writeln!(f, "  and {more} more devices; --json lists them")?;
        }
        for RubbishReport {
            reason,
            count,
            topic,
            detail,
            sample,
            ..
        } in &self.rubbish
        {
            let sample: String = sample.chars().take(60).collect();
            writeln!(
                f,
                "no record: {reason} {count}, last on {topic}: {detail}: {sample:?}"
            )?;
        }
        for status in &self.status {
            write!(f, "status of {}: {}", status.agent, status.received_at)?;
            match status.status.get("state").and_then(|state| state.as_str()) {
                Some(state) => writeln!(f, ", {state}")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for StreamReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agent = self.name.as_ref().unwrap_or(&self.agent);
        write!(f, "{agent} {} (epoch {}):", self.device, self.epoch)?;
        let mut parted = "";
        if self.before_first > 0 {
            let first = self.first.unwrap_or(0);
            write!(f, " {} before {first}", self.before_first)?;
            parted = ";";
        }
        for (gaps, left_off) in [
            (&self.unexplained, self.unexplained_left_off),
            (&self.explained, self.explained_left_off),
        ] {
            for gap in gaps.iter().take(5) {
                write!(f, "{parted} {gap}")?;
                parted = ",";
            }
            let more = left_off + gaps.len().saturating_sub(5) as u64;
            if more > 0 {
                write!(f, " and {more} more ranges")?;
            }
            parted = if gaps.is_empty() { parted } else { ";" };
        }
        Ok(())
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)?;
        } else {
            write!(f, "{}-{}", self.first, self.last)?;
        }
        match &self.reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

fn many(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn by_reason(counts: &BTreeMap<String, u64>) -> String {
    let parts: Vec<String> = counts
        .iter()
        .map(|(reason, n)| format!("{reason} {n}"))
        .collect();
    parts.join(", ")
}
