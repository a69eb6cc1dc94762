//! From the old database into the new one, table by table.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use eyot_pipeline::ledger::Lane;
use rusqlite::{Connection, params};

use super::Salvage;
use super::row::{self, LARGEST, count};
use super::scan::{self, Table, both_ways};
use crate::store::schema::{self, key};
use crate::store::{books, checkpoints, fold, held, loss, outbox};

/// Rows that one transaction takes.
const ROWS: u32 = 1_000;

const DEVICES: Table = Table {
    name: "devices",
    key: "id",
    columns: "name, class, last_effect, last_position",
};
const OUTBOX: Table = Table {
    name: "outbox",
    key: "seq",
    columns: "lane, device, effect, kind, oldest, body, crc, at",
};
const HELD: Table = Table {
    name: "held",
    key: "id",
    columns: "boot, device, effect, kind, oldest, body, crc, at",
};
const BLOCKS: Table = Table {
    name: "blocks",
    key: "first",
    columns: "last, rows, level, at, body, crc",
};
const DEAD_LETTERS: Table = Table {
    name: "dead_letters",
    key: "id",
    columns: "at, source, topic, reason, detail, payload, payload_len, crc, count, trace_id",
};
/// The same in a database of a time when entries had no names.
const UNNAMED_LETTERS: Table = Table {
    columns: "at, source, topic, reason, detail, payload, payload_len, crc, count, ''",
    ..DEAD_LETTERS
};

/// What the old books say of a lane: enqueued, delivered, evicted.
type LaneRow = (u64, u64, u64);

pub(super) struct Copy<'a> {
    pub(super) db: &'a Connection,
    pub(super) salvage: Salvage,
    deadline: Instant,
    /// Rows in the transaction that is open.
    rows: u32,
    lanes: [Option<LaneRow>; Lane::ALL.len()],
    /// By lane and reason.
    evictions: BTreeMap<(i64, String), u64>,
    /// Last effect that is there, of each device that is.
    devices: HashMap<i64, u64>,
}

impl<'a> Copy<'a> {
    pub(super) fn new(db: &'a Connection, deadline: Instant) -> Self {
        Self {
            db,
            salvage: Salvage::default(),
            deadline,
            rows: 0,
            lanes: [None; Lane::ALL.len()],
            evictions: BTreeMap::new(),
            devices: HashMap::new(),
        }
    }

    /// Copies all there is. `Err` says why not.
    pub(super) fn everything(&mut self, old: &Connection) -> Result<(), String> {
        let result = self.tables(old);
        if !self.db.is_autocommit() {
            let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
            self.db.execute_batch(end).map_err(|e| e.to_string())?;
        }
        match result {
            Ok(true) => Ok(()),
            Ok(false) => Err("it took too long".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What is most precious comes first. `false` if there was no time for all of it.
    fn tables(&mut self, old: &Connection) -> rusqlite::Result<bool> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        self.lanes(old);
        self.ledger(old)?;
        self.small(old)?;
        let in_time =
            self.devices(old)? && self.outbox(old)? && self.held(old)? && self.blocks(old)?;
        self.number_on(old)?;
        Ok(in_time && self.letters(old)?)
    }

    fn wrote(&mut self) -> rusqlite::Result<()> {
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS) {
            self.db.execute_batch("COMMIT; BEGIN IMMEDIATE")?;
        }
        Ok(())
    }

    fn lanes(&mut self, old: &Connection) {
        for lane in Lane::ALL {
            let row = old.query_row(
                "SELECT enqueued, delivered, evicted FROM lanes WHERE lane = ?1",
                [outbox::code(lane)],
                |row| Ok((count(row, 0)?, count(row, 1)?, count(row, 2)?)),
            );
            let row = match row {
                // It was never used.
                Err(rusqlite::Error::QueryReturnedNoRows) => Some((0, 0, 0)),
                row => row.ok().filter(|(all, out, evicted)| *all >= out + evicted),
            };
            self.lanes[lane as usize] = row;
        }
        let evictions = &mut self.evictions;
        both_ways(
            old,
            "SELECT lane, reason, n FROM evictions ORDER BY lane",
            |row| {
                evictions.insert((row.get(0)?, row.get(1)?), count(row, 2)?);
                Ok(())
            },
        );
    }

    /// The books of the sources whose books are whole.
    fn ledger(&mut self, old: &Connection) -> rusqlite::Result<()> {
        let mut sources: BTreeMap<String, BTreeMap<[String; 3], i64>> = BTreeMap::new();
        both_ways(
            old,
            "SELECT source, side, term, reason, n FROM ledger ORDER BY source",
            |row| {
                let entry = [row.get(1)?, row.get(2)?, row.get(3)?];
                let n = row.get(4)?;
                sources.entry(row.get(0)?).or_default().insert(entry, n);
                Ok(())
            },
        );
        for (source, entries) in sources {
            if !books::balanced(entries.iter().map(|(entry, n)| (entry, *n))) {
                tracing::error!(source, "the books of this source are damaged");
                continue;
            }
            for ([side, term, reason], n) in entries {
                self.db
                    .prepare_cached(
                        "INSERT OR REPLACE INTO ledger (source, side, term, reason, n)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute((&source, side, term, reason, n))?;
                self.wrote()?;
            }
            self.salvage.sources += 1;
        }
        Ok(())
    }

    fn small(&mut self, old: &Connection) -> rusqlite::Result<()> {
        let counters = [
            key::CLEAN_STOP,
            key::DEAD_LETTERS_EVICTED,
            key::EFFECT_GAPS,
            key::REFUSED,
        ];
        for counter in counters {
            if let Ok(Some(n)) = schema::meta::<i64>(old, counter) {
                schema::set_meta(self.db, counter, n)?;
            }
        }
        let mut filters: Vec<(String, String)> = Vec::new();
        both_ways(
            old,
            "SELECT source, filter FROM subscriptions ORDER BY source",
            |row| {
                filters.push((row.get(0)?, row.get(1)?));
                Ok(())
            },
        );
        for filter in filters {
            self.db
                .prepare_cached(
                    "INSERT OR IGNORE INTO subscriptions (source, filter) VALUES (?1, ?2)",
                )?
                .execute(filter)?;
        }
        Ok(())
    }

    /// Devices, and their checkpoints.
    fn devices(&mut self, old: &Connection) -> rusqlite::Result<bool> {
        let mut found: Vec<(i64, String, String, i64, i64)> = Vec::new();
        let in_time = scan::rows(old, DEVICES, self.deadline, |row| {
            if let Ok(device) = row::device(row) {
                found.push(device);
            }
            Ok(())
        })?;
        // Names are in their index as well, on pages of its own; numbers are not.
        both_ways(old, "SELECT id, name FROM devices ORDER BY name", |row| {
            found.push((row.get(0)?, row.get(1)?, String::new(), 0, 0));
            Ok(())
        });
        for (id, name, class, last_effect, last_position) in found {
            let sound = |text: &str| !text.chars().any(char::is_control);
            let small = |n: i64| (0..LARGEST).contains(&n);
            if id < 1
                || name.is_empty()
                || !sound(&name)
                || !sound(&class)
                || !small(last_effect)
                || !small(last_position)
            {
                continue;
            }
            let inserted = self
                .db
                .prepare_cached(
                    "INSERT OR IGNORE INTO devices (id, name, class, last_effect, last_position)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((id, &name, class, last_effect, last_position))?;
            // Also what was copied by an earlier attempt.
            if self.devices.contains_key(&id) || inserted == 0 && !self.has(id, &name)? {
                continue;
            }
            self.devices.insert(id, 0);
            self.salvage.devices += u64::from(name != loss::DEVICE);
            self.wrote()?;
            if let Ok(Some(checkpoint)) = checkpoints::load(old, &name, id) {
                checkpoints::save(self.db, id, &checkpoint)?;
                self.db
                    .prepare_cached(
                        "UPDATE devices SET last_position = ?2 WHERE id = ?1 AND last_position = 0",
                    )?
                    .execute((id, checkpoint.position))?;
                self.salvage.checkpoints += 1;
                self.wrote()?;
            }
        }
        Ok(in_time)
    }

    fn has(&self, id: i64, name: &str) -> rusqlite::Result<bool> {
        self.db
            .prepare_cached("SELECT COUNT(*) FROM devices WHERE id = ?1 AND name = ?2")?
            .query_row((id, name), |row| row.get(0))
    }

    fn outbox(&mut self, old: &Connection) -> rusqlite::Result<bool> {
        let deadline = self.deadline;
        scan::rows(old, OUTBOX, deadline, |row| {
            let Ok(record) = row::record(row) else {
                return Ok(());
            };
            let intact = outbox::checksum(record.device, record.effect, &record.body) == record.crc;
            let Some(last) = self.devices.get_mut(&record.device).filter(|_| intact) else {
                return Ok(());
            };
            *last = record.effect.max(*last);
            self.db
                .prepare_cached(
                    "INSERT OR IGNORE INTO outbox (seq, lane, device, effect, kind, oldest, body, crc, at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    record.seq,
                    record.lane,
                    record.device,
                    record.effect,
                    record.kind,
                    record.oldest,
                    record.body,
                    record.crc,
                    record.at
                ])?;
            self.wrote()
        })
    }

    /// What waits for the gateway's clock, and what is known of that.
    fn held(&mut self, old: &Connection) -> rusqlite::Result<bool> {
        let mut boots: Vec<([u8; 16], i64, Option<i64>)> = Vec::new();
        both_ways(
            old,
            "SELECT boot, base, moved FROM boots ORDER BY boot",
            |row| {
                boots.push((row.get(0)?, row.get(1)?, row.get(2)?));
                Ok(())
            },
        );
        for boot in boots {
            self.db
                .prepare_cached(
                    "INSERT OR IGNORE INTO boots (boot, base, moved) VALUES (?1, ?2, ?3)",
                )?
                .execute(boot)?;
            self.wrote()?;
        }
        let deadline = self.deadline;
        scan::rows(old, HELD, deadline, |row| {
            let Ok(record) = row::held(row) else {
                return Ok(());
            };
            let intact = outbox::checksum(record.device, record.effect, &record.body) == record.crc;
            let Some(last) = self.devices.get_mut(&record.device).filter(|_| intact) else {
                return Ok(());
            };
            *last = record.effect.max(*last);
            self.db
                .prepare_cached(
                    "INSERT OR IGNORE INTO held (id, boot, device, effect, kind, oldest, body, crc, at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                )?
                .execute(params![
                    record.id,
                    record.boot,
                    record.device,
                    record.effect,
                    record.kind,
                    record.oldest,
                    record.body,
                    record.crc,
                    record.at
                ])?;
            self.wrote()
        })
    }

    fn blocks(&mut self, old: &Connection) -> rusqlite::Result<bool> {
        let deadline = self.deadline;
        scan::rows(old, BLOCKS, deadline, |row| {
            let Ok(block) = row::block(row) else {
                return Ok(());
            };
            let numbers = fold::numbers(block.first, &block.body, block.crc);
            let Some(numbers) = numbers.filter(|numbers| numbers.len() == block.rows) else {
                return Ok(());
            };
            for (device, number) in numbers {
                if let Some(last) = self.devices.get_mut(&device) {
                    *last = number.max(*last);
                }
            }
            self.db
                .prepare_cached(
                    "INSERT OR IGNORE INTO blocks (first, last, rows, level, at, body, crc)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    block.first,
                    block.last,
                    block.rows,
                    block.level,
                    block.at,
                    block.body,
                    block.crc
                ])?;
            // Where it cannot be known which have left, all go out again, by the ids that they had.
            let left = old
                .prepare_cached("SELECT n, places FROM blocks_left WHERE block = ?1")
                .and_then(|mut left| {
                    left.query_row([block.first], |row| {
                        Ok((row.get::<_, u64>(0)?, row.get::<_, Vec<u8>>(1)?))
                    })
                });
            let ones = |places: &[u8]| -> u64 {
                places.iter().map(|byte| u64::from(byte.count_ones())).sum()
            };
            if let Ok((n, places)) = left
                && places.len() == block.rows.div_ceil(8)
                && n == ones(&places)
            {
                self.db
                    .prepare_cached(
                        "INSERT OR IGNORE INTO blocks_left (block, n, places) VALUES (?1, ?2, ?3)",
                    )?
                    .execute((block.first, n, places))?;
            }
            self.wrote()
        })
    }

    /// No number and no position is given twice.
    fn number_on(&mut self, old: &Connection) -> rusqlite::Result<()> {
        for (id, last) in &self.devices {
            self.db
                .prepare_cached(
                    "UPDATE devices SET last_effect = MAX(last_effect, ?2) WHERE id = ?1",
                )?
                .execute((id, last))?;
        }
        let sequence = "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'";
        let before = old.query_row(sequence, [], |row| count(row, 0));
        let last: u64 = self.db.query_row(
            "SELECT MAX((SELECT IFNULL(MAX(seq), 0) FROM outbox),
                        (SELECT IFNULL(MAX(last), 0) FROM blocks))",
            [],
            |row| row.get(0),
        )?;
        self.db
            .execute("DELETE FROM sqlite_sequence WHERE name = 'outbox'", [])?;
        self.db.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES ('outbox', ?1)",
            [before.unwrap_or(0).max(last)],
        )?;
        Ok(())
    }

    fn letters(&mut self, old: &Connection) -> rusqlite::Result<bool> {
        let deadline = self.deadline;
        let named = old.prepare("SELECT trace_id FROM dead_letters LIMIT 0");
        let table = if named.is_ok() {
            DEAD_LETTERS
        } else {
            UNNAMED_LETTERS
        };
        scan::rows(old, table, deadline, |row| {
            let Ok(letter) = row::letter(row) else {
                return Ok(());
            };
            self.db
                .prepare_cached(
                    "INSERT OR IGNORE INTO dead_letters
                         (id, at, source, topic, reason, detail, payload, payload_len, crc, count, trace_id)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute(letter)?;
            self.salvage.dead_letters += 1;
            self.wrote()
        })
    }

    /// Makes the lanes' books balance with what is there now.
    pub(super) fn finish(mut self) -> Salvage {
        let mut expected = Some(0);
        if let Err(error) = self.balance(&mut expected) {
            self.salvage.cut_short = Some(error.to_string());
        }
        self.salvage.of_records = expected;
        self.salvage
    }

    fn balance(&mut self, expected: &mut Option<u64>) -> rusqlite::Result<()> {
        let tx = self.db.unchecked_transaction()?;
        for lane in Lane::ALL {
            let number = outbox::code(lane);
            let buffered: u64 = tx
                .prepare_cached("SELECT COUNT(*) FROM outbox WHERE lane = ?1")?
                .query_row([number], |row| row.get(0))?;
            let folded: u64 = if lane == fold::LANE {
                tx.query_row(
                    "SELECT (SELECT IFNULL(SUM(rows), 0) FROM blocks)
                          - (SELECT IFNULL(SUM(n), 0) FROM blocks_left)",
                    [],
                    |row| row.get(0),
                )?
            } else {
                0
            };
            let held: u64 = if lane == held::LANE {
                tx.query_row("SELECT COUNT(*) FROM held", [], |row| row.get(0))?
            } else {
                0
            };
            let buffered = buffered + folded + held;
            self.salvage.records += buffered;
            let stored = self.lanes[lane as usize];
            let (enqueued, delivered, evicted) = stored.unwrap_or_default();
            let waiting = enqueued - delivered - evicted;
            *expected = stored.and(*expected).map(|all| all + waiting);
            let lost = waiting.saturating_sub(buffered);
            if lost > 0 {
                self.salvage.lost.push((lane, lost));
            }
            let enqueued = delivered + evicted + buffered + lost;
            if enqueued == 0 {
                continue;
            }
            tx.execute(
                "INSERT OR REPLACE INTO lanes (lane, enqueued, delivered, evicted) VALUES (?1, ?2, ?3, ?4)",
                (number, enqueued, delivered, evicted + lost),
            )?;
            let mut reasons: BTreeMap<&str, u64> = self
                .evictions
                .range((number, String::new())..(number + 1, String::new()))
                .map(|((_, reason), n)| (reason.as_str(), *n))
                .collect();
            if reasons.values().sum::<u64>() > evicted {
                reasons.clear();
            }
            // Those of which the reason is lost as well.
            let rest = evicted - reasons.values().sum::<u64>();
            if rest > 0 {
                *reasons.entry("corrupt").or_default() += rest;
            }
            for (reason, n) in reasons {
                tx.execute(
                    "INSERT OR REPLACE INTO evictions (lane, reason, n) VALUES (?1, ?2, ?3)",
                    (number, reason, n),
                )?;
            }
        }
        tx.commit()
    }
}
