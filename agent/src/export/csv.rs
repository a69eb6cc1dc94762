//! A table as comma-separated values.

use std::fs::File;
use std::io;
use std::path::Path;

use eyot_pipeline::Timestamp;

use super::{KEYS, Row, Table, micros};

/// With a header; times in RFC 3339, what is not there empty, numbers with the shortest digits that give the same double.
pub struct Csv {
    writer: csv::Writer<File>,
    fields: Vec<String>,
}

impl Csv {
    /// A file with these features.
    ///
    /// # Errors
    /// When it cannot be created or written.
    pub fn create(path: &Path, columns: &[String]) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(File::create(path)?);
        let keys = KEYS.iter().copied();
        writer.write_record(keys.chain(columns.iter().map(String::as_str)))?;
        Ok(Self {
            writer,
            fields: Vec::new(),
        })
    }
}

impl Table for Csv {
    fn row(&mut self, row: &Row<'_>, features: &[Option<f64>]) -> io::Result<()> {
        self.fields.clear();
        self.fields.extend([
            row.entity.to_owned(),
            time(row.end),
            time(row.created),
            time(row.start),
            row.class.to_owned(),
            row.closed_by.to_owned(),
            row.revision.to_string(),
            row.verdict.to_owned(),
            number(row.score),
        ]);
        self.fields.extend(features.iter().copied().map(number));
        Ok(self.writer.write_record(&self.fields)?)
    }

    fn close(mut self: Box<Self>) -> io::Result<()> {
        self.writer.flush()?;
        self.writer
            .into_inner()
            .map_err(|error| io::Error::other(error.to_string()))?
            .sync_all()
    }
}

/// RFC 3339 in UTC, to the microsecond, whether it needs that or not: pandas takes the form of a column from its first row.
fn time(time: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(micros(time))
        .map_or_else(|_| String::new(), |time| format!("{time:.6}"))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| format!("{value:?}"))
}
