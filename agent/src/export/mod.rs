//! Features as a table, for training: one row for each window of a device, one column for each feature of a channel.
//!
//! They are computed by the very devices that an agent runs, so a model sees in training what it will see on the
//! gateway. Twice: the first time through it is found out which columns there are and which windows are revised, so that
//! rows can be written as they come and memory does not grow with them.

mod csv;
mod parquet;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::path::Path;

use eyot_pipeline::effect::WindowSummary;
use eyot_pipeline::feature::Feature;
use eyot_pipeline::{Device, Effect, Numbered, Timestamp};
use globset::GlobMatcher;

pub use self::csv::Csv;
pub use self::parquet::Parquet;
use crate::direct::Output;

/// Columns of a table at most, so that a class that takes whatever channels come does not make one of millions.
pub const MOST_COLUMNS: usize = 10_000;

/// Which rows there are to be.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of devices with such names; `None`: of all.
    pub devices: Option<GlobMatcher>,
    /// Of windows that end then or later.
    pub from: Option<Timestamp>,
    /// Of windows that end before.
    pub to: Option<Timestamp>,
}

impl Filter {
    fn takes(&self, device: &str, window: &WindowSummary) -> bool {
        self.devices
            .as_ref()
            .is_none_or(|names| names.is_match(device))
            && self.from.is_none_or(|from| window.end >= from)
            && self.to.is_none_or(|to| window.end < to)
    }
}

/// A feature of a channel.
#[derive(Debug, Clone, PartialEq)]
struct Column {
    channel: String,
    feature: Feature,
}

/// The first time through: which columns there are, and which windows are revised.
#[derive(Debug, Default)]
pub struct Survey {
    filter: Filter,
    columns: Vec<Column>,
    /// Where those of a channel are.
    channels: HashMap<String, Vec<usize>>,
    /// The last revision of each window of a device that has any.
    revised: HashMap<(String, Timestamp, Timestamp), u32>,
    rows: u64,
}

/// A row, except for its features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'r> {
    /// Name of the device.
    pub entity: &'r str,
    /// Its class.
    pub class: &'r str,
    /// End of the window: from then on its features could be known.
    pub end: Timestamp,
    /// Start of the window.
    pub start: Timestamp,
    /// When they were known.
    pub created: Timestamp,
    /// What ended the window.
    pub closed_by: &'static str,
    /// Which revision of it this is: the last one.
    pub revision: u32,
    /// The device's verdict after it.
    pub verdict: &'static str,
    /// What detectors and model made of it.
    pub score: Option<f64>,
}

/// Names of the columns before the features, in the order in which they are written.
pub const KEYS: [&str; 9] = [
    "entity_id",
    "event_timestamp",
    "created_timestamp",
    "window_start",
    "class",
    "closed_by",
    "revision",
    "verdict",
    "score",
];

/// A table under way.
pub trait Table {
    /// Adds a row; `features` in the order of the columns.
    ///
    /// # Errors
    /// When it cannot be written.
    fn row(&mut self, row: &Row<'_>, features: &[Option<f64>]) -> io::Result<()>;

    /// Completes it.
    ///
    /// # Errors
    /// When it cannot be written.
    fn close(self: Box<Self>) -> io::Result<()>;
}

/// The second time through: rows, as they come.
pub struct Rows {
    survey: Survey,
    table: Box<dyn Table>,
    features: Vec<Option<f64>>,
    /// Rows so far.
    pub rows: u64,
}

impl Survey {
    /// Of what the filter lets through.
    pub fn new(filter: Filter) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// Names of the columns of features: channel and feature, with two underscores in between.
    pub fn names(&self) -> Vec<String> {
        let name = |column: &Column| format!("{}__{}", column.channel, column.feature);
        self.columns.iter().map(name).collect()
    }

    /// Rows that there will be.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows into a table that has these columns.
    pub fn into_rows(self, table: Box<dyn Table>) -> Rows {
        Rows {
            features: vec![None; self.columns.len()],
            survey: self,
            table,
            rows: 0,
        }
    }

    fn learn(&mut self, device: &Device, window: &WindowSummary) -> io::Result<()> {
        for part in &window.channels {
            let Some(channel) = device.channel(part.channel) else {
                continue;
            };
            // Devices of several classes may have channels of one name.
            let known = self.channels.entry(channel.name.clone()).or_default();
            for feature in features(device).filter(|feature| feature.is_of(channel.kind)) {
                if known.iter().any(|at| self.columns[*at].feature == feature) {
                    continue;
                }
                known.push(self.columns.len());
                self.columns.push(Column {
                    channel: channel.name.clone(),
                    feature,
                });
            }
        }
        if self.columns.len() > MOST_COLUMNS {
            let message = format!(
                "there are more than {MOST_COLUMNS} columns; take fewer devices, or list the channels of their class"
            );
            return Err(io::Error::other(message));
        }
        Ok(())
    }
}

/// What a device's windows hold, of any channel.
fn features(device: &Device) -> impl Iterator<Item = Feature> {
    let asked = device.class().features.iter().copied();
    Feature::BASIC.into_iter().chain(asked)
}

impl Output for Survey {
    fn effect(&mut self, name: &str, device: &Device, numbered: &Numbered) -> io::Result<()> {
        let Effect::Window(window) = &numbered.effect else {
            return Ok(());
        };
        if !self.filter.takes(name, window) {
            return Ok(());
        }
        if window.revision > 0 {
            let place = (name.to_owned(), window.start, window.end);
            self.revised.insert(place, window.revision);
        } else {
            self.rows += 1;
        }
        self.learn(device, window)
    }
}

impl Output for Rows {
    fn effect(&mut self, name: &str, device: &Device, numbered: &Numbered) -> io::Result<()> {
        let Effect::Window(window) = &numbered.effect else {
            return Ok(());
        };
        if !self.survey.filter.takes(name, window) {
            return Ok(());
        }
        if !self.survey.revised.is_empty() {
            let place = (name.to_owned(), window.start, window.end);
            let last = self.survey.revised.get(&place);
            // A straggler before it is part of the revision.
            if last.is_some_and(|last| *last != window.revision) {
                return Ok(());
            }
        }
        self.features.fill(None);
        let asked = &device.class().features;
        for part in &window.channels {
            let Some(channel) = device.channel(part.channel) else {
                continue;
            };
            for &at in self
                .survey
                .channels
                .get(&channel.name)
                .into_iter()
                .flatten()
            {
                self.features[at] = part.value(self.survey.columns[at].feature, asked);
            }
        }
        let row = Row {
            entity: name,
            class: &device.class().name,
            end: window.end,
            start: window.start,
            created: window.scored_at,
            closed_by: window.closed_by.name(),
            revision: window.revision,
            verdict: window.verdict.name(),
            score: window.score.as_ref().and_then(|score| score.fused),
        };
        self.rows += 1;
        self.table.row(&row, &self.features)
    }
}

impl Rows {
    /// Completes the table. Returns how many rows it has.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn close(self) -> io::Result<u64> {
        self.table.close()?;
        Ok(self.rows)
    }
}

/// A table of the kind that the file's name asks for; `None` if it asks for none that is known.
///
/// # Errors
/// When the file cannot be created.
pub fn table(
    path: &Path,
    columns: &[String],
    written: &Path,
) -> Option<io::Result<Box<dyn Table>>> {
    match path.extension()?.to_str()? {
        "csv" => Some(Csv::create(written, columns).map(|table| Box::new(table) as Box<dyn Table>)),
        "parquet" => {
            Some(Parquet::create(written, columns).map(|table| Box::new(table) as Box<dyn Table>))
        }
        _ => None,
    }
}
