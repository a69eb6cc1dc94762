//! A recorded table as the readings of one device.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::Path;

use anyhow::Context;
use eyot_pipeline::Span;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Arrived, RecordingArgs, ReplayArgs};
use crate::sim::pace::{self, Pace, Paced};
use crate::sim::payload::Topic;
use crate::sim::replay::{Layout, Recording, TimeForm, Values};
use crate::sim::{self, Publish};

/// `--columns`: how a kind of table is laid out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnMap {
    time: Option<String>,
    delimiter: Option<char>,
    /// Column in the file → name of the channel.
    columns: BTreeMap<String, String>,
}

/// Publishes the table, its times moved to now.
pub(super) async fn publish<P: Publish>(
    args: &ReplayArgs,
    connect: impl AsyncFnOnce(&str) -> anyhow::Result<P>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (device, topic) = names(&args.recording)?;
    let recording = read(&args.recording)?;
    let mut publish = connect(&args.broker).await?;
    let pace = Pace::ending_now(recording.length(), sim::now(), args.speed);
    let offset = pace.start - recording.first();
    let recording = recording.moved(offset);
    let mut sent = 0;
    let paced = pace::run(
        recording.rows.iter(),
        |row| {
            sent += row.values.iter().flatten().count();
            recording.message(row, &topic, device)
        },
        &pace,
        args.qos,
        &mut publish,
        stop,
    )
    .await
    .with_context(|| format!("cannot publish to {}", args.broker))?;
    crate::cli::report(
        &Summary::new(device, &recording, offset, &paced, sent),
        args.json,
    )
}

/// The messages that a broker would carry, each arriving at its row's time.
pub(super) fn messages(args: &RecordingArgs) -> anyhow::Result<Vec<Arrived>> {
    let (device, topic) = names(args)?;
    let recording = read(args)?;
    let rows = recording.rows.iter();
    Ok(rows
        .map(|row| Arrived {
            at: row.due,
            message: recording.message(row, &topic, device),
            retained: false,
        })
        .collect())
}

fn names(args: &RecordingArgs) -> anyhow::Result<(&str, Topic)> {
    let device = args.device.as_deref();
    Ok((
        device.context("say with --device whose readings these are")?,
        args.topic.clone().for_channels(false)?.without_site()?,
    ))
}

fn read(args: &RecordingArgs) -> anyhow::Result<Recording> {
    let layout = layout(args)?;
    let file = args.file().display().to_string();
    let input = File::open(args.file()).with_context(|| format!("cannot open {file}"))?;
    let recording = Recording::read(input, &file, &layout)?;
    tracing::info!(
        file,
        rows = recording.rows.len(),
        channels = ?recording.channels,
        time_column = recording.time_column,
        time_form = recording.time_form.description(),
        "read the recording"
    );
    let flaws = &recording.flaws;
    for flaw in &flaws.examples {
        let (line, column, text) = (flaw.line, &flaw.column, &flaw.text);
        tracing::warn!(file, line, column, text, "left out what cannot be read");
    }
    if flaws.rows + flaws.cells > flaws.examples.len() as u64 {
        let (rows, cells) = (flaws.rows, flaws.cells);
        tracing::warn!(file, rows, cells, "left out more than was listed");
    }
    Ok(recording)
}

fn layout(args: &RecordingArgs) -> anyhow::Result<Layout> {
    let map = match &args.columns {
        Some(file) => Some(read_map(file)?),
        None => None,
    };
    let same_name = |column: &String| (column.clone(), column.clone());
    let (time, delimiter, values) = match map {
        Some(map) => (
            map.time,
            map.delimiter,
            Values::Only(map.columns.into_iter().collect()),
        ),
        None if args.values.is_empty() => (None, None, Values::AllBut(args.exclude.clone())),
        None => (
            None,
            None,
            Values::Only(args.values.iter().map(same_name).collect()),
        ),
    };
    let delimiter = args.delimiter.or(delimiter).unwrap_or(',');
    Ok(Layout {
        delimiter: u8::try_from(delimiter)
            .ok()
            .filter(u8::is_ascii)
            .with_context(|| format!("delimiter `{delimiter}` is not an ASCII character"))?,
        time: args.time.clone().or(time),
        values,
    })
}

fn read_map(file: &Path) -> anyhow::Result<ColumnMap> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the columns from {}", file.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is no column map", file.display()))
}

/// The outcome.
#[derive(Debug, Serialize)]
struct Summary {
    device: String,
    time_form: TimeForm,
    /// Rows sent.
    rows: u64,
    /// Values sent in them.
    readings: usize,
    rows_left_out: u64,
    cells_left_out: u64,
    empty_cells: u64,
    /// Event times of the first row and of the latest, as recorded and as sent.
    recorded: [String; 2],
    sent: [String; 2],
    /// Sent minus recorded.
    offset_ms: i64,
    elapsed_s: f64,
    behind_ms: u64,
}

impl Summary {
    /// `recording` as it was sent, moved by `offset`.
    fn new(
        device: &str,
        recording: &Recording,
        offset: Span,
        paced: &Paced,
        readings: usize,
    ) -> Self {
        let sent = [recording.first(), recording.last()];
        Self {
            device: device.to_owned(),
            time_form: recording.time_form,
            rows: paced.messages,
            readings,
            rows_left_out: recording.flaws.rows,
            cells_left_out: recording.flaws.cells,
            empty_cells: recording.flaws.empty,
            recorded: sent.map(|time| sim::rfc3339(time - offset)),
            sent: sent.map(sim::rfc3339),
            offset_ms: offset.as_millis(),
            elapsed_s: paced.elapsed.as_secs_f64(),
            behind_ms: u64::try_from(paced.behind.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "sent {} rows ({} readings) as {} in {:.1} s; left out {} rows and {} cells, {} cells were empty",
            self.rows,
            self.readings,
            self.device,
            self.elapsed_s,
            self.rows_left_out,
            self.cells_left_out,
            self.empty_cells,
        )?;
        writeln!(f, "first row {} sent as {}", self.recorded[0], self.sent[0])?;
        writeln!(f, "last row  {} sent as {}", self.recorded[1], self.sent[1])?;
        write!(f, "offset    {} ms (sent − recorded)", self.offset_ms)
    }
}
