//! Tables that give names, units and scales by an id.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map;

use crate::Conversion;

use csv::{ReaderBuilder, StringRecord, Trim};

/// A lookup table, read from CSV.
#[derive(Debug)]
pub(crate) struct Table {
    entries: HashMap<String, Entry>,
}

/// What a table says of an id; an empty cell says nothing.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Entry {
    /// Device.
    pub(crate) device: Option<String>,
    /// Channel.
    pub(crate) channel: Option<String>,
    /// Unit that values come in.
    pub(crate) unit: Option<String>,
    /// Factor of its values as they come.
    pub(crate) scale: Option<Conversion>,
    line: u64,
}

/// The columns that a table may have.
const COLUMNS: [&str; 5] = ["id", "device", "channel", "unit", "scale"];

impl Table {
    /// Reads a table with a header. Cells may have spaces around them; one that holds a comma
    /// is quoted, right behind the comma before it.
    ///
    /// # Errors
    /// In words, with the line: a column that is unknown, missing or there twice, a row with too few or too
    /// many cells, an id that is empty or there twice, a scale that is no number.
    pub(crate) fn parse(csv: &str) -> Result<Self, String> {
        let csv = csv.trim_start_matches('\u{feff}');
        let mut reader = ReaderBuilder::new()
            .trim(Trim::All)
            .flexible(true)
            .from_reader(csv.as_bytes());
        let columns = columns(reader.headers().map_err(|error| error.to_string())?)?;
        let mut entries = HashMap::new();
        for row in reader.records() {
            let row = row.map_err(|error| error.to_string())?;
            let line = row.position().map_or(0, csv::Position::line);
            let (id, entry) = entry(&row, &columns, line)?;
            match entries.entry(id) {
                hash_map::Entry::Vacant(place) => place.insert(entry),
                hash_map::Entry::Occupied(other) => {
                    let (id, first) = (other.key(), other.get().line);
                    return Err(format!(
                        "line {line}: the id `{id}` is on line {first} already; remove one of the two"
                    ));
                }
            };
        }
        Ok(Self { entries })
    }

    /// What the table says of an id; `None` if it does not have it.
    pub(crate) fn get(&self, id: &str) -> Option<&Entry> {
        self.entries.get(id)
    }
}

/// The header's columns as positions in [`COLUMNS`].
fn columns(header: &StringRecord) -> Result<Vec<usize>, String> {
    let mut columns = Vec::new();
    for name in header {
        let Some(column) = COLUMNS.iter().position(|known| *known == name) else {
            return Err(format!(
                "line 1: there is no column `{name}`; the first line names the columns: {}",
                COLUMNS.join(", ")
            ));
        };
        if columns.contains(&column) {
            return Err(format!("line 1: the column `{name}` is there twice"));
        }
        columns.push(column);
    }
    if !columns.contains(&0) {
        return Err("line 1: the column `id` is missing".into());
    }
    Ok(columns)
}

fn entry(row: &StringRecord, columns: &[usize], line: u64) -> Result<(String, Entry), String> {
    if row.len() != columns.len() {
        return Err(format!(
            "line {line}: {} cells where the header has {}; a cell that holds a comma needs quotes around it",
            row.len(),
            columns.len()
        ));
    }
    let mut id = String::new();
    let mut entry = Entry {
        line,
        ..Entry::default()
    };
    for (cell, &column) in row.iter().zip(columns).filter(|(cell, _)| !cell.is_empty()) {
        match COLUMNS[column] {
            "id" => cell.clone_into(&mut id),
            "device" => entry.device = Some(cell.into()),
            "channel" => entry.channel = Some(cell.into()),
            "unit" => entry.unit = Some(cell.into()),
            _ => entry.scale = Some(scale(cell, line)?),
        }
    }
    if id.is_empty() {
        return Err(format!("line {line}: the id is empty"));
    }
    Ok((id, entry))
}

fn scale(cell: &str, line: u64) -> Result<Conversion, String> {
    cell.parse()
        .ok()
        .filter(|scale: &f64| scale.is_finite() && *scale != 0.0)
        .map(|scale| Conversion::linear(scale, 0.0))
        .ok_or_else(|| format!("line {line}: the scale `{cell}` is not a number other than 0"))
}
