//! Many records as one block of columns.
//!
//! ```text
//! length (4 bytes) · compressed: version · groups · (shape · kind · rows · columns) for each
//! columns: position, device, number (as what it adds to the device's last), time of the oldest
//!          reading in ms, then one for each hole of the shape
//! ```

use std::collections::{BTreeMap, HashMap};

use eyot_pipeline::time::Timestamp;

use super::column::{self, Column, Floats, Reader};
use super::text::{self, Rendered, Value};

/// First byte of the columns.
const VERSION: u8 = 1;
/// Higher levels gain next to nothing on columns.
const LEVEL: i32 = 3;
/// Largest block that is unpacked: a damaged one must not ask for all memory.
const LARGEST: usize = 64 << 20;
/// Columns beside those of the shape.
const HEAD: usize = 4;

/// A record to be folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Unfolded {
    pub(in crate::store) seq: i64,
    pub(in crate::store) device: i64,
    /// The device's name.
    pub(in crate::store) name: String,
    pub(in crate::store) number: u64,
    pub(in crate::store) kind: String,
    pub(in crate::store) oldest: Timestamp,
    pub(in crate::store) body: Vec<u8>,
}

/// Where a record of a block is, and what is known of it without its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) struct Entry {
    pub(in crate::store) seq: i64,
    pub(in crate::store) device: i64,
    pub(in crate::store) number: u64,
    pub(in crate::store) oldest: Timestamp,
    group: usize,
    row: usize,
}

/// A block, unpacked.
#[derive(Debug)]
pub(in crate::store) struct Block {
    /// By position.
    pub(in crate::store) entries: Vec<Entry>,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    shape: Vec<u8>,
    kind: String,
    columns: Vec<Column>,
}

/// A group while it is gathered.
#[derive(Default)]
struct Gathered {
    head: [Vec<i64>; HEAD],
    columns: Vec<Gathering>,
}

enum Gathering {
    Integers(Vec<i64>),
    Floats(Floats),
}

/// Folds records, which are in the order of their positions. Those that cannot be are left out; the
/// positions of those that were are returned with the block.
pub(in crate::store) fn fold(records: &[Unfolded]) -> (Vec<i64>, Vec<u8>) {
    let mut groups: BTreeMap<(Vec<u8>, &str), Gathered> = BTreeMap::new();
    let mut last: HashMap<i64, u64> = HashMap::new();
    let mut folded = Vec::with_capacity(records.len());
    for record in records {
        let name = escaped(&record.name);
        let split = str::from_utf8(&record.body)
            .ok()
            .and_then(|body| text::split(body, &name, record.number));
        let Some((shape, values)) = split else {
            continue;
        };
        let group = groups.entry((shape, &record.kind)).or_default();
        let before = last.insert(record.device, record.number).unwrap_or(0);
        let number = record.number.wrapping_sub(before).cast_signed();
        let oldest = record.oldest.0.div_euclid(1_000_000);
        let head = [record.seq, record.device, number, oldest];
        for (column, value) in group.head.iter_mut().zip(head) {
            column.push(value);
        }
        for (at, value) in values.into_iter().enumerate() {
            group.push(at, value);
        }
        folded.push(record.seq);
    }
    let mut columns = vec![VERSION];
    column::write_number(groups.len() as u64, &mut columns);
    for ((shape, kind), group) in groups {
        column::write_bytes(&shape, &mut columns);
        column::write_bytes(kind.as_bytes(), &mut columns);
        group.write(&mut columns);
    }
    // It fails only without memory; then nothing was folded.
    match zstd::bulk::compress(&columns, LEVEL) {
        Ok(body) => {
            let length = (columns.len() as u32).to_le_bytes();
            (folded, [&length, &body[..]].concat())
        }
        Err(_) => (Vec::new(), Vec::new()),
    }
}

impl Gathered {
    fn push(&mut self, at: usize, value: Value<'_>) {
        if self.columns.len() == at {
            self.columns.push(match value {
                Value::Float(..) => Gathering::Floats(Floats::default()),
                _ => Gathering::Integers(Vec::new()),
            });
        }
        // Records of one shape have the same kinds of values.
        match (&mut self.columns[at], value) {
            (
                Gathering::Integers(column),
                Value::Integer(value) | Value::Time(value) | Value::Hex(value),
            ) => column.push(value),
            (Gathering::Floats(column), Value::Float(value, text)) => column.push(value, text),
            _ => debug_assert!(false, "shapes say what their values are"),
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        column::write_number(self.head[0].len() as u64, out);
        let columns = self.columns.into_iter().map(|column| match column {
            Gathering::Integers(values) => Column::Integers(values),
            Gathering::Floats(values) => values.finish(),
        });
        let head = self.head.into_iter().map(Column::Integers);
        let mut written: Vec<Column> = Vec::new();
        for column in head.chain(columns) {
            match written.iter().position(|earlier| *earlier == column) {
                Some(same) => Column::write_repeat(same, out),
                None => column.write(&written, out),
            }
            written.push(column);
        }
    }
}

impl Block {
    /// Unpacks a block; `None` if it is damaged.
    pub(in crate::store) fn unpack(body: &[u8]) -> Option<Self> {
        let (length, body) = body.split_first_chunk()?;
        let length = u32::from_le_bytes(*length) as usize;
        if length > LARGEST {
            return None;
        }
        let columns = zstd::bulk::decompress(body, length).ok()?;
        let mut from = Reader(&columns);
        if from.byte()? != VERSION {
            return None;
        }
        let mut block = Self {
            entries: Vec::new(),
            groups: Vec::new(),
        };
        for _ in 0..from.number()? {
            block.read_group(&mut from)?;
        }
        block.entries.sort_unstable_by_key(|entry| entry.seq);
        let mut last: HashMap<i64, u64> = HashMap::new();
        for entry in &mut block.entries {
            let before = last.get(&entry.device).copied().unwrap_or(0);
            entry.number = entry.number.wrapping_add(before);
            last.insert(entry.device, entry.number);
        }
        Some(block)
    }

    fn read_group(&mut self, from: &mut Reader<'_>) -> Option<()> {
        let shape = from.bytes()?.to_vec();
        let kind = String::from_utf8(from.bytes()?.to_vec()).ok()?;
        let rows = usize::try_from(from.number()?).ok()?;
        let count = HEAD + text::floats(&shape).len();
        let mut columns: Vec<Column> = Vec::with_capacity(count);
        for _ in 0..count {
            let column = Column::read(from, rows, &columns)?;
            columns.push(column);
        }
        let rest = columns.split_off(HEAD);
        let head: Vec<&Vec<i64>> = columns
            .iter()
            .map(|column| match column {
                Column::Integers(values) => Some(values),
                _ => None,
            })
            .collect::<Option<_>>()?;
        let group = self.groups.len();
        self.entries.extend((0..rows).map(|row| Entry {
            seq: head[0][row],
            device: head[1][row],
            number: head[2][row].cast_unsigned(),
            oldest: Timestamp::from_millis(head[3][row]),
            group,
            row,
        }));
        self.groups.push(Group {
            shape,
            kind,
            columns: rest,
        });
        Some(())
    }

    /// The index of the record at a position.
    pub(in crate::store) fn find(&self, seq: i64) -> Option<usize> {
        self.entries
            .binary_search_by_key(&seq, |entry| entry.seq)
            .ok()
    }

    /// The record at an index, of the device of that name.
    pub(in crate::store) fn unfold(&self, index: usize, name: String) -> Option<Unfolded> {
        let entry = self.entries.get(index)?;
        let group = &self.groups[entry.group];
        let values = group.columns.iter().map(|column| match column {
            Column::Integers(values) => Rendered::Integer(values[entry.row]),
            Column::Singles(values) => Rendered::Single(values[entry.row]),
            Column::Doubles(values) => Rendered::Double(values[entry.row]),
            Column::Decimals(digits, values) => {
                let scale = 10_f64.powi(i32::from(*digits));
                Rendered::Double(values[entry.row] as f64 / scale)
            }
        });
        let body = text::join(&group.shape, &escaped(&name), entry.number, values)?;
        Some(Unfolded {
            seq: entry.seq,
            device: entry.device,
            name,
            number: entry.number,
            kind: group.kind.clone(),
            oldest: entry.oldest,
            body,
        })
    }
}

/// A name as it stands between quotes.
fn escaped(name: &str) -> String {
    let mut quoted = serde_json::Value::from(name).to_string();
    quoted.pop();
    quoted.split_off(1)
}
