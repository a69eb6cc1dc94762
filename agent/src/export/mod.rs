//! Features as a table, for training: one row for each window of a device, one column for each feature of a channel.
//!
//! They are computed by the very devices that an agent runs, so a model sees in training what it will see on the
//! gateway. What they say goes to a database beside the file first ([`Rows`]): a revision, or a channel that was slow, comes after
//! what it belongs to. Memory holds names, a row and what the form of the table needs.

mod csv;
mod parquet;
mod rows;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use eyot_pipeline::Timestamp;
use eyot_pipeline::effect::WindowSummary;
use globset::GlobMatcher;

pub use self::csv::Csv;
pub use self::parquet::Parquet;
pub use self::rows::Rows;

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
    /// When the last of them was known.
    pub created: Timestamp,
    /// What ended the window.
    pub closed_by: &'r str,
    /// Which revision of it this is: the last one.
    pub revision: u32,
    /// The device's verdict after it.
    pub verdict: &'r str,
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

/// Microseconds since 1970, as every form has them.
fn micros(time: Timestamp) -> i64 {
    time.0.div_euclid(1_000)
}
