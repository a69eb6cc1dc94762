//! Reading a table around its damage.

use std::time::Instant;

use rusqlite::{Connection, Row};

/// A table with an integer key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    /// What to read beside the key, which comes first.
    pub(super) columns: &'static str,
}

/// Why a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// There are no more rows.
    Rows,
    /// What comes next cannot be read.
    Damage,
    /// There is no time left.
    Time,
}

/// Visits every row that can be read, each once. Where a page is damaged, the rows behind it are looked for by
/// larger and larger keys, and what lies between is read from the other end.
///
/// Returns whether there was time for all of it.
///
/// # Errors
/// Those of `visit`, which end it.
pub(super) fn rows(
    db: &Connection,
    table: Table,
    deadline: Instant,
    mut visit: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<bool> {
    let mut after = 0;
    let mut resumed = None;
    loop {
        let (end, reached) = pass(db, table, (after, i64::MAX), false, deadline, &mut visit)?;
        match end {
            End::Rows => return Ok(true),
            End::Time => return Ok(false),
            End::Damage => {}
        }
        if let Some(reached) = reached {
            after = reached;
        } else if let Some(resumed) = resumed.take() {
            // Its key can be read and the rest of it cannot.
            after = resumed;
        }
        let next = match behind(db, table, after, deadline) {
            Ok(next) => next,
            Err(Late) => return Ok(false),
        };
        let between = (after, next.unwrap_or(i64::MAX));
        let (end, _) = pass(db, table, between, true, deadline, &mut visit)?;
        if end == End::Time {
            return Ok(false);
        }
        let Some(next) = next else { return Ok(true) };
        after = next - 1;
        resumed = Some(next);
    }
}

/// Visits the rows strictly between two keys, in one direction. Returns why it ended, and the last key.
fn pass(
    db: &Connection,
    table: Table,
    between: (i64, i64),
    down: bool,
    deadline: Instant,
    visit: &mut impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<(End, Option<i64>)> {
    let Table { name, key, columns } = table;
    let order = if down { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT {key}, {columns} FROM {name} NOT INDEXED WHERE {key} > ?1 AND {key} < ?2 ORDER BY {key} {order}"
    );
    let mut reached = None;
    let Ok(mut statement) = db.prepare_cached(&sql) else {
        return Ok((End::Damage, reached));
    };
    let Ok(mut rows) = statement.query(between) else {
        return Ok((End::Damage, reached));
    };
    loop {
        if Instant::now() >= deadline {
            return Ok((End::Time, reached));
        }
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok((End::Rows, reached)),
            Err(_) => return Ok((End::Damage, reached)),
        };
        let in_order =
            |at: &i64| reached.is_none_or(|last| if down { *at < last } else { *at > last });
        match row.get::<_, i64>(0) {
            Ok(at) if in_order(&at) => reached = Some(at),
            // A page that belongs elsewhere.
            _ => return Ok((End::Damage, reached)),
        }
        visit(row)?;
    }
}

struct Late;

/// The first key behind damage right after `after` that can be reached; `None` if there is none.
fn behind(
    db: &Connection,
    table: Table,
    after: i64,
    deadline: Instant,
) -> Result<Option<i64>, Late> {
    let Table { name, key, .. } = table;
    let sql =
        format!("SELECT {key} FROM {name} NOT INDEXED WHERE {key} >= ?1 ORDER BY {key} LIMIT 1");
    let mut step: i64 = 1;
    loop {
        if Instant::now() >= deadline {
            return Err(Late);
        }
        let probe = after.saturating_add(step);
        let found = db.prepare_cached(&sql).and_then(|mut statement| {
            let mut rows = statement.query([probe])?;
            rows.next()?.map(|row| row.get(0)).transpose()
        });
        match found {
            Ok(found) => return Ok(found.filter(|&at: &i64| at >= probe)),
            Err(_) if probe == i64::MAX => return Ok(None),
            Err(_) => step = step.saturating_mul(2),
        }
    }
}

/// Visits the rows of a small table from the start to the first damage, and from the end to the last: some of them
/// twice. Rows that `visit` cannot use are passed over.
pub(super) fn both_ways(
    db: &Connection,
    sql: &str,
    mut visit: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) {
    for order in ["ASC", "DESC"] {
        let Ok(mut statement) = db.prepare(&format!("{sql} {order}")) else {
            return;
        };
        let Ok(mut rows) = statement.query([]) else {
            return;
        };
        loop {
            match rows.next() {
                Ok(Some(row)) => drop(visit(row)),
                Ok(None) => return,
                Err(_) => break,
            }
        }
    }
}
