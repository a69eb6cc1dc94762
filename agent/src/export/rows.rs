//! What devices say about their windows, sorted, the last word on each.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use eyot_pipeline::effect::{ChannelSummary, ClosedBy, WindowSummary};
use eyot_pipeline::feature::Feature;
use eyot_pipeline::{Device, Effect, Numbered, Timestamp};
use rusqlite::{Connection, params};

use super::{Filter, MOST_COLUMNS, Row, Table};
use crate::direct::Output;

/// One row for each channel of a window. Two summaries of a window meet here: the later one replaces what the earlier
/// one said of the channels that both have.
const SCHEMA: &str = "
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA locking_mode = EXCLUSIVE;
    CREATE TABLE parts (
        device INTEGER, window_end INTEGER, window_start INTEGER, channel INTEGER,
        created INTEGER, closed_by TEXT, revision INTEGER, verdict TEXT, score REAL, features BLOB,
        PRIMARY KEY (device, window_end, window_start, channel)
    ) WITHOUT ROWID;
    BEGIN";
const PUT: &str = "INSERT OR REPLACE INTO parts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
const OF_DEVICE: &str = "
    SELECT window_end, window_start, channel, created, closed_by, revision, verdict, score, features
    FROM parts WHERE device = ?1 ORDER BY window_end, window_start, channel";

/// What a column has of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Column {
    Feature(Feature),
    /// At that instant of the channel's raster, from 0.
    Reading(u16),
}

impl Column {
    fn of(self, part: &ChannelSummary, asked: &[Feature]) -> Option<f64> {
        match self {
            Self::Feature(feature) => part.value(feature, asked),
            Self::Reading(at) => *part.extra.get(asked.len() + usize::from(at))?,
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Feature(feature) => feature.fmt(f),
            Self::Reading(at) => write!(f, "reading_{at}"),
        }
    }
}

/// Keeps the features of windows until all are known.
pub struct Rows {
    db: Connection,
    path: PathBuf,
    filter: Filter,
    /// Names of the columns of features.
    names: Vec<String>,
    /// Where a column of a channel is.
    columns: HashMap<(String, Column), usize>,
    /// The channels of each class, by its name and theirs.
    numbers: HashMap<(String, String), usize>,
    /// Where the columns of each of them are.
    channels: Vec<Vec<(Column, usize)>>,
    /// Number and class of each device.
    devices: HashMap<String, (usize, String)>,
    features: Vec<u8>,
}

impl Rows {
    /// None yet. What they need beyond memory goes to a file of this name, which is gone with them.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn new(path: &Path, filter: Filter) -> io::Result<Self> {
        // What a run that was killed has left.
        let _ = fs::remove_file(path);
        let open = || {
            let db = Connection::open(path)?;
            db.execute_batch(SCHEMA)?;
            Ok(db)
        };
        Ok(Self {
            db: open().map_err(failing(path))?,
            path: path.to_owned(),
            filter,
            names: Vec::new(),
            columns: HashMap::new(),
            numbers: HashMap::new(),
            channels: Vec::new(),
            devices: HashMap::new(),
            features: Vec::new(),
        })
    }

    /// Names of the columns of features: channel and feature, with two underscores in between.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Writes them, by device and then by time, to a table that has these columns. Returns how many there are.
    ///
    /// # Errors
    /// When they cannot be read back or the table not be written.
    pub fn write(&self, mut table: Box<dyn Table>) -> io::Result<u64> {
        let failed = failing(&self.path);
        let mut devices: Vec<_> = self.devices.iter().collect();
        devices.sort_unstable();
        let mut select = self.db.prepare(OF_DEVICE).map_err(&failed)?;
        let mut features = vec![None; self.names.len()];
        let mut rows = 0;
        for (entity, (number, class)) in devices {
            let mut found = select.query([number]).map_err(&failed)?;
            let mut window: Option<Part> = None;
            loop {
                let part = found.next().and_then(|row| row.map(Part::read).transpose());
                let part = part.map_err(&failed)?;
                let place = part.as_ref().map(|part| (part.start, part.end));
                if let Some(done) = window.take_if(|done| Some((done.start, done.end)) != place) {
                    table.row(&done.row(entity, class), &features)?;
                    features.fill(None);
                    rows += 1;
                }
                let Some(part) = part else { break };
                let columns = &self.channels[part.channel];
                for ((_, at), value) in columns.iter().zip(part.values()) {
                    features[*at] = value;
                }
                match &mut window {
                    Some(window) => window.join(part),
                    None => window = Some(part),
                }
            }
        }
        table.close()?;
        Ok(rows)
    }

    fn put(&mut self, name: &str, device: &Device, window: &WindowSummary) -> io::Result<()> {
        let class = device.class();
        let next = self.devices.len();
        let number = if let Some((number, _)) = self.devices.get(name) {
            *number
        } else {
            let new = (next, class.name.clone());
            self.devices.entry(name.to_owned()).or_insert(new).0
        };
        for part in &window.channels {
            let Some(config) = device.channel(part.channel) else {
                continue;
            };
            let place = (class.name.clone(), config.name.clone());
            let channel = if let Some(channel) = self.numbers.get(&place) {
                *channel
            } else {
                let features = Feature::BASIC.into_iter().chain(class.features.clone());
                let features = features.filter(|feature| feature.is_of(config.kind));
                let points = config.raster.map_or(0, |raster| raster.points);
                let readings = (0..points).map(Column::Reading);
                self.learn(place, features.map(Column::Feature).chain(readings))?
            };
            self.features.clear();
            for (column, _) in &self.channels[channel] {
                let value = column.of(part, &class.features).unwrap_or(f64::NAN);
                self.features.extend_from_slice(&value.to_le_bytes());
            }
            let score = window.score.as_ref().and_then(|score| score.fused);
            let values = params![
                number,
                window.end.0,
                window.start.0,
                channel,
                window.scored_at.0,
                window.closed_by.name(),
                window.revision,
                window.verdict.name(),
                score,
                self.features
            ];
            let put = self.db.prepare_cached(PUT);
            put.and_then(|mut put| put.execute(values))
                .map_err(failing(&self.path))?;
        }
        Ok(())
    }

    /// Gives a channel of a class its number, and its columns places.
    fn learn(
        &mut self,
        place: (String, String),
        columns: impl Iterator<Item = Column>,
    ) -> io::Result<usize> {
        let columns = columns.map(|column| {
            let next = self.names.len();
            // Devices of several classes may have channels of one name.
            let at = *self
                .columns
                .entry((place.1.clone(), column))
                .or_insert(next);
            if at == next {
                self.names.push(format!("{}__{column}", place.1));
            }
            (column, at)
        });
        self.channels.push(columns.collect());
        if self.names.len() > MOST_COLUMNS {
            let message = format!(
                "there are more than {MOST_COLUMNS} columns; take fewer devices, or list the channels of their class"
            );
            return Err(io::Error::other(message));
        }
        self.numbers.insert(place, self.channels.len() - 1);
        Ok(self.channels.len() - 1)
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Output for Rows {
    fn effect(&mut self, name: &str, device: &Device, numbered: &Numbered) -> io::Result<()> {
        match &numbered.effect {
            Effect::Window(window) if self.filter.takes(name, window) => {
                self.put(name, device, window)
            }
            _ => Ok(()),
        }
    }
}

/// What is said of a channel of a window; of several of them, what is said of the window.
struct Part {
    start: Timestamp,
    end: Timestamp,
    channel: usize,
    created: Timestamp,
    closed_by: String,
    revision: u32,
    verdict: String,
    score: Option<f64>,
    features: Vec<u8>,
}

impl Part {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            end: Timestamp(row.get(0)?),
            start: Timestamp(row.get(1)?),
            channel: row.get(2)?,
            created: Timestamp(row.get(3)?),
            closed_by: row.get(4)?,
            revision: row.get(5)?,
            verdict: row.get(6)?,
            score: row.get(7)?,
            features: row.get(8)?,
        })
    }

    fn values(&self) -> impl Iterator<Item = Option<f64>> {
        let numbers = self.features.chunks_exact(size_of::<f64>());
        let numbers = numbers.map(|bytes| bytes.try_into().map_or(f64::NAN, f64::from_le_bytes));
        numbers.map(|number| Some(number).filter(|number| number.is_finite()))
    }

    /// Another channel of the same window. What was scored says what became of the window, and a straggler only that it
    /// is there now.
    fn join(&mut self, other: Self) {
        let rank = |part: &Self| (part.closed_by != ClosedBy::Straggler.name(), part.created);
        let created = self.created.max(other.created);
        let revision = self.revision.max(other.revision);
        if rank(&other) > rank(self) {
            *self = other;
        }
        self.created = created;
        self.revision = revision;
    }

    fn row<'r>(&'r self, entity: &'r str, class: &'r str) -> Row<'r> {
        Row {
            entity,
            class,
            end: self.end,
            start: self.start,
            created: self.created,
            closed_by: &self.closed_by,
            revision: self.revision,
            verdict: &self.verdict,
            score: self.score,
        }
    }
}

/// For `map_err` on the database.
fn failing(path: &Path) -> impl Fn(rusqlite::Error) -> io::Error + use<> {
    let path = path.to_owned();
    move |error| {
        let path = path.display();
        io::Error::other(format!(
            "cannot keep rows in {path}, which needs about as much room as they do: {error}"
        ))
    }
}
