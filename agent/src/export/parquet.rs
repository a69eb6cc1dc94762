//! A table as a Parquet file.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::{Compression, Repetition, Type as PhysicalType, ZstdLevel};
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use ::parquet::schema::parser::parse_message_type;
use ::parquet::schema::types::Type;

use super::{Row, Table, micros};

/// Values of a row group: what is in memory at a time, eight bytes each.
const GROUP_VALUES: usize = 1 << 20;

/// Times are UTC in microseconds, what is not there is null.
pub struct Parquet {
    writer: SerializedFileWriter<File>,
    file: File,
    /// Rows of a group.
    group: usize,
    keys: Keys,
    features: Vec<Vec<Option<f64>>>,
}

#[derive(Default)]
struct Keys {
    entity: Vec<ByteArray>,
    end: Vec<i64>,
    created: Vec<i64>,
    start: Vec<i64>,
    class: Vec<ByteArray>,
    closed_by: Vec<ByteArray>,
    revision: Vec<i32>,
    verdict: Vec<ByteArray>,
    score: Vec<Option<f64>>,
}

/// The columns before the features, in the order of [`super::KEYS`] and of [`Parquet::write`].
const KEYS: &str = "
    REQUIRED BINARY entity_id (STRING);
    REQUIRED INT64 event_timestamp (TIMESTAMP(MICROS, true));
    REQUIRED INT64 created_timestamp (TIMESTAMP(MICROS, true));
    REQUIRED INT64 window_start (TIMESTAMP(MICROS, true));
    REQUIRED BINARY class (STRING);
    REQUIRED BINARY closed_by (STRING);
    REQUIRED INT32 revision;
    REQUIRED BINARY verdict (STRING);
    OPTIONAL DOUBLE score;";

impl Parquet {
    /// A file with these features.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: &Path, columns: &[String]) -> io::Result<Self> {
        let file = File::create(path)?;
        let schema = schema(columns).map_err(other)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let writer =
            SerializedFileWriter::new(file.try_clone()?, Arc::new(schema), Arc::new(properties));
        Ok(Self {
            writer: writer.map_err(other)?,
            file,
            group: (GROUP_VALUES / (columns.len() + super::KEYS.len())).max(1),
            keys: Keys::default(),
            features: vec![Vec::new(); columns.len()],
        })
    }

    fn write(&mut self) -> Result<(), ParquetError> {
        let keys = std::mem::take(&mut self.keys);
        if keys.entity.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        texts(&mut group, &keys.entity)?;
        times(&mut group, &keys.end)?;
        times(&mut group, &keys.created)?;
        times(&mut group, &keys.start)?;
        texts(&mut group, &keys.class)?;
        texts(&mut group, &keys.closed_by)?;
        if let Some(mut column) = group.next_column()? {
            column
                .typed::<Int32Type>()
                .write_batch(&keys.revision, None, None)?;
            column.close()?;
        }
        texts(&mut group, &keys.verdict)?;
        doubles(&mut group, &keys.score)?;
        for feature in &mut self.features {
            doubles(&mut group, feature)?;
            feature.clear();
        }
        group.close()?;
        Ok(())
    }
}

impl Table for Parquet {
    fn row(&mut self, row: &Row<'_>, features: &[Option<f64>]) -> io::Result<()> {
        let keys = &mut self.keys;
        keys.entity.push(row.entity.into());
        keys.end.push(micros(row.end));
        keys.created.push(micros(row.created));
        keys.start.push(micros(row.start));
        keys.class.push(row.class.into());
        keys.closed_by.push(row.closed_by.into());
        keys.revision
            .push(i32::try_from(row.revision).unwrap_or(i32::MAX));
        keys.verdict.push(row.verdict.into());
        keys.score.push(row.score);
        for (column, value) in self.features.iter_mut().zip(features) {
            column.push(*value);
        }
        if self.keys.entity.len() >= self.group {
            self.write().map_err(other)?;
        }
        Ok(())
    }

    fn close(mut self: Box<Self>) -> io::Result<()> {
        self.write().map_err(other)?;
        self.writer.close().map_err(other)?;
        self.file.sync_all()
    }
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

fn times(group: &mut Group<'_>, values: &[i64]) -> Result<(), ParquetError> {
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<Int64Type>()
            .write_batch(values, None, None)?;
        column.close()?;
    }
    Ok(())
}

fn doubles(group: &mut Group<'_>, values: &[Option<f64>]) -> Result<(), ParquetError> {
    if let Some(mut column) = group.next_column()? {
        let there: Vec<f64> = values.iter().flatten().copied().collect();
        let levels: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
        column
            .typed::<DoubleType>()
            .write_batch(&there, Some(&levels), None)?;
        column.close()?;
    }
    Ok(())
}

fn schema(columns: &[String]) -> Result<Type, ParquetError> {
    let keys = parse_message_type(&format!("message features {{{KEYS}}}"))?;
    let mut fields = keys.get_fields().to_vec();
    for name in columns {
        let column = Type::primitive_type_builder(name, PhysicalType::DOUBLE)
            .with_repetition(Repetition::OPTIONAL)
            .build()?;
        fields.push(Arc::new(column));
    }
    Type::group_type_builder("features")
        .with_fields(fields)
        .build()
}

fn other(error: ParquetError) -> io::Error {
    io::Error::other(error)
}
