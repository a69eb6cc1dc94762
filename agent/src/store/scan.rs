//! Looks at every row of a large database, a few after each commit, so that damage shows before it is needed and no start
//! waits for it. What is found is reported as if a commit had met it.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Rows of one slice at most, and bytes after which it ends.
const ROWS: usize = 256;
const BYTES: usize = 1 << 20;

/// How far it has come.
pub(super) struct Scan {
    /// Tables that are left, the one at hand last.
    tables: Vec<String>,
    /// Row of the table at hand behind which it goes on.
    after: i64,
    /// Bytes looked at.
    pub(super) bytes: u64,
}

impl Scan {
    /// Of everything that has rows with numbers; the others are small, and read at each start.
    pub(super) fn new(db: &Connection) -> rusqlite::Result<Self> {
        let mut tables = db.prepare(
            "SELECT name FROM sqlite_schema
             WHERE type = 'table' AND sql NOT LIKE '%WITHOUT ROWID%' AND name NOT LIKE 'sqlite_%'",
        )?;
        let tables = tables.query_map([], |row| row.get(0))?;
        Ok(Self {
            tables: tables.collect::<rusqlite::Result<_>>()?,
            after: i64::MIN,
            bytes: 0,
        })
    }

    /// Looks at the next rows; `false` once there are none left.
    ///
    /// # Errors
    /// What SQLite says of rows that cannot be read; they are passed over, with the rest of their table.
    pub(super) fn step(&mut self, db: &Connection) -> rusqlite::Result<bool> {
        let Some(table) = self.tables.last() else {
            return Ok(false);
        };
        match rows_behind(db, table, self.after) {
            Ok((Some(last), bytes)) => {
                self.after = last;
                self.bytes += bytes as u64;
            }
            Ok((None, _)) => self.next_table(),
            Err(error) => {
                self.next_table();
                return Err(error);
            }
        }
        Ok(true)
    }

    fn next_table(&mut self) {
        self.tables.pop();
        self.after = i64::MIN;
    }
}

/// Reads rows behind `after` to the last byte: the number of the last one, and how many bytes they had.
fn rows_behind(db: &Connection, table: &str, after: i64) -> rusqlite::Result<(Option<i64>, usize)> {
    let query =
        format!("SELECT rowid, * FROM \"{table}\" WHERE rowid > ?1 ORDER BY rowid LIMIT {ROWS}");
    let mut statement = db.prepare_cached(&query)?;
    let columns = statement.column_count();
    let mut rows = statement.query([after])?;
    let (mut last, mut bytes) = (None, 0);
    while bytes < BYTES
        && let Some(row) = rows.next()?
    {
        last = Some(row.get(0)?);
        for column in 1..columns {
            bytes += match row.get_ref(column)? {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
                ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 8,
            };
        }
    }
    Ok((last, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows that a scan has seen by their bytes, and what it complained of.
    fn scan(db: &Connection) -> (u64, Vec<rusqlite::Error>) {
        let mut scan = Scan::new(db).unwrap();
        let mut errors = Vec::new();
        loop {
            match scan.step(db) {
                Ok(true) => {}
                Ok(false) => return (scan.bytes, errors),
                Err(error) => errors.push(error),
            }
        }
    }

    #[test]
    fn every_row_is_looked_at_and_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(
            "PRAGMA page_size = 1024;
             CREATE TABLE a (body BLOB);
             CREATE TABLE b (body BLOB);
             CREATE TABLE c (key TEXT PRIMARY KEY) WITHOUT ROWID;
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
             INSERT INTO a SELECT zeroblob(1000) FROM n;
             INSERT INTO b VALUES (zeroblob(5000000)), (NULL);",
        )
        .unwrap();
        let (bytes, errors) = scan(&db);
        assert_eq!(bytes, 3_000 * 1_000 + 5_000_000 + 8);
        assert!(errors.is_empty(), "{errors:?}");
        db.close().unwrap();
        let mut file = std::fs::read(&path).unwrap();
        // Pages in the middle: of the first table, the larger part of the front half.
        let at = file.len() / 5;
        file[at..at + 4_096].fill(0xA5);
        std::fs::write(&path, file).unwrap();
        let (_, errors) = scan(&Connection::open(&path).unwrap());
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(
            super::super::StoreError::is_damage(&errors[0]),
            "{errors:?}"
        );
    }
}
