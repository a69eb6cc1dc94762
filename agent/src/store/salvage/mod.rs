//! What can still be read of a database that was set aside goes into the new one.
//!
//! Row by row, around what is damaged: devices with their numbering, checkpoints, records on their way out, books,
//! dead letters. What carries a checksum is taken only if that is right; the rest has to make sense. Records
//! keep their bytes, folded ones their blocks, and with them the ids that they had, so that consumers know those that they have already.
//! What is missing of the outbox is evicted with reason `corrupt`; what is missing of the books shows when the
//! journal is read.
//!
//! Damaged pages of the schema are replaced by those of the new database while this is under way: all databases of a
//! version have the same ones, apart from what SQLite can do without.

mod copy;
mod row;
mod scan;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use eyot_pipeline::ledger::Lane;
use rusqlite::{Connection, OpenFlags};

use copy::Copy;

use super::schema;

/// How long it may take: after that, what is not copied yet is given up.
const LIMIT: Duration = Duration::from_secs(30);
/// Bytes of a page.
const PAGE: usize = schema::PAGE as usize;

/// What was salvaged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvage {
    /// Records that wait in the outbox.
    pub records: u64,
    /// How many there should have been; `None` if even that is lost.
    pub of_records: Option<u64>,
    /// Those that are lost, by lane: they are evicted with reason `corrupt`.
    pub lost: Vec<(Lane, u64)>,
    /// Devices, with the numbers of their effects.
    pub devices: u64,
    /// Their checkpoints.
    pub checkpoints: u64,
    /// Sources with their books.
    pub sources: u64,
    /// Dead letters.
    pub dead_letters: u64,
    /// Why it ended early, if it did.
    pub cut_short: Option<String>,
}

impl fmt::Display for Salvage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "salvaged {}", self.records)?;
        match self.of_records {
            Some(of) => write!(f, " of {of} records")?,
            None => write!(f, " of an unknown number of records")?,
        }
        write!(
            f,
            ", {} devices, {} checkpoints, the books of {} sources and {} dead letters",
            self.devices, self.checkpoints, self.sources, self.dead_letters
        )?;
        if let Some(why) = &self.cut_short {
            write!(f, "; the rest is given up: {why}")?;
        }
        Ok(())
    }
}

/// Copies from the database at `from` into `db`, which is that at `fresh` and new. Can be repeated if it did not
/// come to its end. Never fails: whatever goes wrong, what was salvaged by then is there, and the lanes' books balance.
pub(super) fn salvage(from: &Path, fresh: &Path, db: &mut Connection) -> Salvage {
    let mut copy = Copy::new(db, Instant::now() + LIMIT);
    let result = match Old::open(from, fresh, copy.db) {
        Ok(old) => {
            // Damage is then found before it is followed, and nothing in the file is run.
            let careful = "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF;";
            let _ = old.db.execute_batch(careful);
            copy.everything(&old.db)
        }
        Err(error) => Err(format!("it cannot be opened: {error}")),
    };
    if let Err(why) = result {
        copy.salvage.cut_short = Some(why);
    }
    copy.finish()
}

/// The damaged database, open for reading.
struct Old<'p> {
    db: Connection,
    /// Its own pages where the schema is, to be put back.
    own: Option<(&'p Path, Pages)>,
}

impl<'p> Old<'p> {
    fn open(
        path: &'p Path,
        fresh: &Path,
        new: &Connection,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        if let Ok(db) = connect(path) {
            return Ok(Self { db, own: None });
        }
        // So that the file has what the log has.
        new.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        let own = replace_schema(path, fresh)?;
        match connect(path) {
            Ok(db) => Ok(Self {
                db,
                own: Some((path, own)),
            }),
            Err(error) => {
                put_back(path, &own)?;
                Err(error.into())
            }
        }
    }
}

impl Drop for Old<'_> {
    fn drop(&mut self) {
        if let Some((path, own)) = &self.own
            && let Err(error) = put_back(path, own)
        {
            tracing::warn!(%error, path = %path.display(), "cannot put the schema back");
        }
    }
}

/// A connection that can read the schema.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(db)
}

/// Pages of a database: where each is, and what stands in it.
type Pages = Vec<(u64, Vec<u8>)>;

/// Puts the pages of `fresh` that hold the schema into the database at `path`, and returns what was there. Both got
/// their tables in the same order, so they are the same pages.
fn replace_schema(path: &Path, fresh: &Path) -> io::Result<Pages> {
    let schema = schema_pages(&File::open(fresh)?)?;
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let own = schema.iter().map(|&(offset, _)| {
        let mut page = vec![0; PAGE];
        file.read_exact_at(&mut page, offset)?;
        Ok((offset, page))
    });
    let own = own.collect::<io::Result<_>>()?;
    put_back(path, &schema)?;
    Ok(own)
}

/// The b-tree of the schema, which begins on the first page
/// (<https://www.sqlite.org/fileformat2.html#b_tree_pages>).
fn schema_pages(file: &File) -> io::Result<Pages> {
    const FILE_HEADER: usize = 100;
    const INTERIOR: u8 = 5;

    let mut pages: Pages = Vec::new();
    let mut numbers = vec![1_u32];
    while let Some(number) = numbers.pop() {
        let offset = u64::from(number - 1) * PAGE as u64;
        let mut page = vec![0; PAGE];
        file.read_exact_at(&mut page, offset)?;
        let start = if number == 1 { FILE_HEADER } else { 0 };
        let short = |at: usize| usize::from(u16::from_be_bytes([page[at], page[at + 1]]));
        let child = |at: usize| {
            page.get(at..at + 4)?
                .try_into()
                .ok()
                .map(u32::from_be_bytes)
        };
        if page[start] == INTERIOR {
            let cells = (0..short(start + 3)).map(|cell| short(start + 12 + 2 * cell));
            let children = cells.chain([start + 8]).filter_map(child);
            numbers.extend(children.filter(|&number| number > 1));
        }
        if number == 1 {
            // Its length and its list of free pages are another's: without them SQLite goes by the file.
            page[28..40].fill(0);
        }
        pages.push((offset, page));
    }
    Ok(pages)
}

fn put_back(path: &Path, pages: &Pages) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    pages
        .iter()
        .try_for_each(|(offset, page)| file.write_all_at(page, *offset))
}
