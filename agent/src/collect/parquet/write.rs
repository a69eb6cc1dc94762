//! One Parquet file.

use std::fs::File;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;

use crate::collect::CollectError;
use crate::collect::database::Database;

/// The columns, in this order in [`group`] as well. Described in docs/collect.md.
const COLUMNS: &str = "
    message record {
        REQUIRED BINARY agent (STRING);
        REQUIRED INT64 epoch;
        REQUIRED BINARY device (STRING);
        REQUIRED INT64 number;
        REQUIRED BINARY schema (STRING);
        REQUIRED BINARY kind (STRING);
        OPTIONAL INT64 time_start (TIMESTAMP(MICROS, true));
        OPTIONAL INT64 time_end (TIMESTAMP(MICROS, true));
        REQUIRED INT64 received_at (TIMESTAMP(MICROS, true));
        REQUIRED BINARY body (STRING);
    }";

/// Rows of a row group: what is in memory at a time.
const GROUP: usize = 10_000;
/// Bytes of bodies of a row group.
const GROUP_BYTES: usize = 16 << 20;

/// Columns of a row group.
#[derive(Default)]
struct Rows {
    agent: Vec<ByteArray>,
    epoch: Vec<i64>,
    device: Vec<ByteArray>,
    number: Vec<i64>,
    schema: Vec<ByteArray>,
    kind: Vec<ByteArray>,
    start: Vec<Option<i64>>,
    end: Vec<Option<i64>>,
    received: Vec<i64>,
    body: Vec<ByteArray>,
    bytes: usize,
}

impl Rows {
    fn push(&mut self, row: &rusqlite::Row<'_>) -> rusqlite::Result<()> {
        let text = |index: usize| row.get::<_, String>(index).map(|text| text.as_str().into());
        let time = |index: usize| {
            row.get::<_, Option<String>>(index)
                .map(|text| text.and_then(|text| micros(&text)))
        };
        self.agent.push(text(0)?);
        self.epoch.push(row.get(1)?);
        self.device.push(text(2)?);
        self.number.push(row.get(3)?);
        self.schema.push(text(4)?);
        self.kind.push(text(5)?);
        self.start.push(time(6)?);
        self.end.push(time(7)?);
        self.received.push(time(8)?.unwrap_or(0));
        let body: ByteArray = text(9)?;
        self.bytes += body.len();
        self.body.push(body);
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.body.len() >= GROUP || self.bytes >= GROUP_BYTES
    }
}

fn micros(text: &str) -> Option<i64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(time.as_microsecond())
}

/// Writes the rows with these numbers to a file and syncs it.
pub(super) fn rows(
    database: &Database,
    which: RangeInclusive<i64>,
    path: &Path,
) -> Result<(), CollectError> {
    let writing = |source| CollectError::Parquet {
        path: path.to_owned(),
        source,
    };
    let file = File::create(path).map_err(CollectError::file("create", path))?;
    let synced = file
        .try_clone()
        .map_err(CollectError::file("create", path))?;
    let columns = parse_message_type(COLUMNS).map_err(writing)?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let mut writer = SerializedFileWriter::new(file, Arc::new(columns), Arc::new(properties))
        .map_err(writing)?;
    let reading = CollectError::database("read records", &database.path);
    let mut select = database
        .db
        .prepare_cached(
            "SELECT agent, epoch, device, number, schema, kind, time_start, time_end, received_at, body
             FROM records WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq",
        )
        .map_err(&reading)?;
    let mut found = select
        .query([which.start(), which.end()])
        .map_err(&reading)?;
    let mut rows = Rows::default();
    while let Some(row) = found.next().map_err(&reading)? {
        rows.push(row).map_err(&reading)?;
        if rows.is_full() {
            group(&mut writer, &rows).map_err(writing)?;
            rows = Rows::default();
        }
    }
    if !rows.body.is_empty() {
        group(&mut writer, &rows).map_err(writing)?;
    }
    writer.close().map_err(writing)?;
    synced.sync_all().map_err(CollectError::file("sync", path))
}

/// Writes a row group, column by column.
fn group(writer: &mut SerializedFileWriter<File>, rows: &Rows) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    texts(&mut group, &rows.agent)?;
    numbers(&mut group, &rows.epoch)?;
    texts(&mut group, &rows.device)?;
    numbers(&mut group, &rows.number)?;
    texts(&mut group, &rows.schema)?;
    texts(&mut group, &rows.kind)?;
    optional(&mut group, &rows.start)?;
    optional(&mut group, &rows.end)?;
    numbers(&mut group, &rows.received)?;
    texts(&mut group, &rows.body)?;
    group.close()?;
    Ok(())
}

type Group<'w> = SerializedRowGroupWriter<'w, File>;

fn texts(group: &mut Group<'_>, values: &[ByteArray]) -> Result<(), ParquetError> {
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<ByteArrayType>()
            .write_batch(values, None, None)?;
        column.close()?;
    }
    Ok(())
}

fn numbers(group: &mut Group<'_>, values: &[i64]) -> Result<(), ParquetError> {
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<Int64Type>()
            .write_batch(values, None, None)?;
        column.close()?;
    }
    Ok(())
}

fn optional(group: &mut Group<'_>, values: &[Option<i64>]) -> Result<(), ParquetError> {
    if let Some(mut column) = group.next_column()? {
        let there: Vec<i64> = values.iter().flatten().copied().collect();
        let levels: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
        column
            .typed::<Int64Type>()
            .write_batch(&there, Some(&levels), None)?;
        column.close()?;
    }
    Ok(())
}
