//! A recorded table (CSV) as the readings of one device.
//!
//! A recording is read as a whole before anything is sent, so that what is wrong with it is known first; a
//! million rows of eight columns take about 170 MB.

use std::io::Read;

use eyot_pipeline::{Span, Timestamp};

use super::Message;
use super::pace::Due;
use super::payload::{Topic, json};
pub use super::time_form::TimeForm;

/// How to read a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Between two cells, one byte.
    pub delimiter: u8,
    /// Column of the event time; `None`: the first.
    pub time: Option<String>,
    /// Columns that are channels.
    pub values: Values,
}

/// Which columns are channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Values {
    /// All but the time and these.
    AllBut(Vec<String>),
    /// These: column in the file, and the name it is published under.
    Only(Vec<(String, String)>),
}

/// A table in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Name of the time column.
    pub time_column: String,
    /// How it is written.
    pub time_form: TimeForm,
    /// Names that the channels are published under.
    pub channels: Vec<String>,
    /// The rows with a time and at least one value, in the order of the file; at least one.
    pub rows: Vec<Row>,
    /// What could not be used.
    pub flaws: Flaws,
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Event time as recorded.
    pub time: Timestamp,
    /// When it is sent, in recorded time: the latest event time up to here, since the file's order is the sending order.
    pub due: Timestamp,
    /// One cell a channel; `None` for what is empty or no number.
    pub values: Vec<Option<f64>>,
}

impl Due for &Row {
    fn due(&self) -> Timestamp {
        self.due
    }
}

/// What could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flaws {
    /// Rows left out: the time cannot be read, or there is no value.
    pub rows: u64,
    /// Cells left out because they hold no finite number.
    pub cells: u64,
    /// Cells that are empty.
    pub empty: u64,
    /// Where the first [`Flaws::EXAMPLES`] rows and cells are and what is wrong with them.
    pub examples: Vec<Flaw>,
}

/// One thing that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Line in the file, from 1.
    pub line: u64,
    /// Column.
    pub column: String,
    /// What stands there.
    pub text: String,
}

impl Flaws {
    /// How many are described one by one.
    pub const EXAMPLES: usize = 20;

    fn note(&mut self, line: u64, column: &str, text: &str) {
        if self.examples.len() < Self::EXAMPLES {
            self.examples.push(Flaw {
                line,
                column: column.to_owned(),
                text: text.to_owned(),
            });
        }
    }
}

/// A table that cannot be played back.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file cannot be read as CSV.
    #[error("cannot read {file} as CSV")]
    Csv {
        /// File.
        file: String,
        /// Why.
        #[source]
        source: csv::Error,
    },
    /// The header has no such column.
    #[error("{file} has no column `{column}`; its columns are {header}{hint}")]
    NoColumn {
        /// File.
        file: String,
        /// Column asked for.
        column: String,
        /// Columns there are.
        header: String,
        /// What may have been meant; may be empty.
        hint: String,
    },
    /// Nothing is left once the time and the excluded columns are taken away.
    #[error("{file} has no column but the time; its columns are {header}{hint}")]
    NoValues {
        /// File.
        file: String,
        /// Columns there are.
        header: String,
        /// What may have been meant; may be empty.
        hint: String,
    },
    /// The first row's time has an unknown form.
    #[error(
        "{file}, line {line}: `{text}` in column `{column}` is no time: write RFC 3339, \
         2026-03-09 10:14:33 (UTC), or seconds or milliseconds since the epoch, or name another time column"
    )]
    NoTime {
        /// File.
        file: String,
        /// Line, from 1.
        line: u64,
        /// The time column.
        column: String,
        /// What stands there.
        text: String,
    },
    /// There are no rows, or none that could be used.
    #[error("{file} has no row to play back ({skipped} were left out)")]
    NoRows {
        /// File.
        file: String,
        /// Rows that could not be used.
        skipped: u64,
    },
}

impl Recording {
    /// Reads a table; `file` is its name in errors.
    pub fn read(input: impl Read, file: &str, layout: &Layout) -> Result<Self, RecordingError> {
        let broken = |source| RecordingError::Csv {
            file: file.to_owned(),
            source,
        };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(layout.delimiter)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(input);
        let header = Header {
            file,
            names: reader.headers().map_err(broken)?.clone(),
        };
        let time = match &layout.time {
            Some(name) => header.find(name)?,
            None => 0,
        };
        let columns = header.channels(time, &layout.values)?;
        let time_column = header.names.get(time).unwrap_or_default().to_owned();

        let mut form = None;
        let mut rows: Vec<Row> = Vec::new();
        let mut flaws = Flaws::default();
        for record in reader.into_records() {
            let record = record.map_err(broken)?;
            let line = record.position().map_or(0, csv::Position::line);
            let text = record.get(time).unwrap_or_default();
            let known =
                match form {
                    Some(known) => known,
                    None => *form.insert(TimeForm::detect(text).ok_or_else(|| {
                        RecordingError::NoTime {
                            file: file.to_owned(),
                            line,
                            column: time_column.clone(),
                            text: text.to_owned(),
                        }
                    })?),
                };
            let Some(at) = known.parse(text) else {
                flaws.rows += 1;
                flaws.note(line, &time_column, text);
                continue;
            };
            let values: Vec<_> = columns
                .iter()
                .map(|(index, _)| {
                    let cell = record.get(*index).unwrap_or_default();
                    let value = cell.parse().ok().filter(|value: &f64| value.is_finite());
                    if cell.is_empty() {
                        flaws.empty += 1;
                    } else if value.is_none() {
                        flaws.cells += 1;
                        flaws.note(line, header.names.get(*index).unwrap_or_default(), cell);
                    }
                    value
                })
                .collect();
            if values.iter().all(Option::is_none) {
                flaws.rows += 1;
                continue;
            }
            rows.push(Row {
                time: at,
                due: rows.last().map_or(at, |row| row.due.max(at)),
                values,
            });
        }
        let Some(time_form) = form.filter(|_| !rows.is_empty()) else {
            return Err(RecordingError::NoRows {
                file: file.to_owned(),
                skipped: flaws.rows,
            });
        };
        Ok(Self {
            time_column,
            time_form,
            channels: columns.into_iter().map(|(_, name)| name).collect(),
            rows,
            flaws,
        })
    }

    /// Event time of the first row.
    pub fn first(&self) -> Timestamp {
        self.rows[0].time
    }

    /// The latest event time.
    pub fn last(&self) -> Timestamp {
        self.rows[self.rows.len() - 1].due
    }

    /// From the first row to the latest.
    pub fn length(&self) -> Span {
        self.last() - self.first()
    }

    /// Values in all rows.
    pub fn readings(&self) -> usize {
        let values = self.rows.iter().flat_map(|row| &row.values);
        values.filter(|value| value.is_some()).count()
    }

    /// The rows moved by `offset` in time, their distances kept.
    #[must_use]
    pub fn moved(mut self, offset: Span) -> Self {
        for row in &mut self.rows {
            row.time = row.time + offset;
            row.due = row.due + offset;
        }
        self
    }

    /// The message for a row: `{"ts": milliseconds, channel: value, …}`.
    pub fn message(&self, row: &Row, topic: &Topic, device: &str) -> Message {
        let cells = self.channels.iter().zip(&row.values);
        let fields = cells.filter_map(|(name, value)| Some((name.as_str(), (*value)?)));
        Message {
            topic: topic.fill("", device, ""),
            payload: json(row.time, fields, 0),
        }
    }
}

struct Header<'a> {
    file: &'a str,
    names: csv::StringRecord,
}

impl Header<'_> {
    fn find(&self, column: &str) -> Result<usize, RecordingError> {
        self.names
            .iter()
            .position(|name| name == column)
            .ok_or_else(|| RecordingError::NoColumn {
                file: self.file.to_owned(),
                column: column.to_owned(),
                header: self.list(),
                hint: self.hint(column),
            })
    }

    /// Index and published name of every channel.
    fn channels(
        &self,
        time: usize,
        values: &Values,
    ) -> Result<Vec<(usize, String)>, RecordingError> {
        let channels: Vec<_> = match values {
            Values::Only(columns) => columns
                .iter()
                .map(|(column, name)| Ok((self.find(column)?, name.clone())))
                .collect::<Result<_, _>>()?,
            Values::AllBut(excluded) => {
                for column in excluded {
                    self.find(column)?;
                }
                let named = self.names.iter().enumerate();
                named
                    .filter(|&(index, name)| {
                        index != time && !excluded.iter().any(|other| other == name)
                    })
                    .map(|(index, name)| (index, name.to_owned()))
                    .collect()
            }
        };
        if channels.is_empty() {
            return Err(RecordingError::NoValues {
                file: self.file.to_owned(),
                header: self.list(),
                hint: self.hint(""),
            });
        }
        Ok(channels)
    }

    fn list(&self) -> String {
        let quoted: Vec<_> = self.names.iter().map(|name| format!("`{name}`")).collect();
        quoted.join(", ")
    }

    /// What may have been meant by a column that is not there.
    fn hint(&self, column: &str) -> String {
        if let (1, Some(only)) = (self.names.len(), self.names.get(0))
            && let Some(delimiter) = only.chars().find(|c| [';', '\t', '|', ','].contains(c))
        {
            return format!("; is the delimiter {delimiter:?}?");
        }
        let likeness =
            |name: &str| strsim::jaro_winkler(&name.to_lowercase(), &column.to_lowercase());
        self.names
            .iter()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
            .filter(|name| likeness(name) > 0.75)
            .map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
    }
}

#[cfg(test)]
mod tests;
