//! `eyot export`: features as a table, for training.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use eyot_pipeline::Span;
use eyot_pipeline::grid::Align;
use eyot_pipeline::raster::Raster;
use eyot_pipeline::window::Emit;
use globset::Glob;
use serde::Serialize;

use super::replay::direct::{Summary, play, source};
use super::replay::journal::{self, SpanArgs};
use super::replay::{Arrived, RecordingArgs};
use crate::config::{Config, Source};
use crate::direct::{Direct, Output};
use crate::export::{Filter, Rows, table};
use crate::models::MAX_AGE_S;

/// Write the features of all windows to a table, as the agent computes them: one row a window, one column for each feature of a
/// channel.
///
/// What it is made of is a recording, as `eyot replay` reads it, or with --journal what the agent's journal still has. The file
/// is CSV or Parquet, by its name. `entity_id` is the device, `event_timestamp` the end of the window, `created_timestamp` when its
/// features were known; the rest is `channel__feature`, empty where a window does not have it. Of windows that are
/// revised the last revision counts.
///
/// For models that take the readings themselves, --readings adds `channel__reading_0` and so on: each window's readings at so many
/// evenly spaced instants, which is what such a model sees. Where the class has one already, its manifest says how many.
#[derive(Debug, Clone, clap::Args)]
pub struct ExportArgs {
    /// What was recorded.
    #[command(flatten)]
    pub recording: RecordingArgs,
    /// Configuration with the rules, classes and features to use
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Which source of the configuration; needed if there are several
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Take the readings from the agent's journal, which is only read
    #[arg(long, conflicts_with_all = ["file", "dump", "device", "source"])]
    pub journal: bool,
    /// Which part of the journal.
    #[command(flatten)]
    pub span: SpanArgs,
    /// File to write: *.csv or *.parquet
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,
    /// Only devices with such names, like `pump-*`
    #[arg(long, value_name = "PATTERN")]
    pub only: Option<Glob>,
    /// Add the readings at so many instants of each window, evenly spaced
    #[arg(long, value_name = "POINTS", value_parser = clap::value_parser!(u16).range(1..))]
    pub readings: Option<u16>,
    /// What a channel has at an instant between two readings
    #[arg(long, value_enum, default_value_t = Between::Linear, requires = "readings")]
    pub align: Between,
    /// How many seconds away the readings may be that this comes from
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60.0,
        requires = "readings"
    )]
    pub max_age: f64,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

/// What a channel has between its readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Between {
    /// The last reading.
    Last,
    /// What a straight line between two readings has.
    Linear,
    /// The nearest reading.
    Nearest,
}

impl ExportArgs {
    fn raster(&self) -> anyhow::Result<Option<Raster>> {
        ensure!(
            (0.0..=MAX_AGE_S).contains(&self.max_age),
            "--max-age must be a number of seconds up to {MAX_AGE_S}, not {}",
            self.max_age
        );
        Ok(self.readings.map(|points| Raster {
            points,
            align: match self.align {
                Between::Last => Align::Last,
                Between::Linear => Align::Linear,
                Between::Nearest => Align::Nearest,
            },
            max_age: Span((self.max_age * 1e9) as i64),
        }))
    }
}

/// What there is to go through.
enum Input<'a> {
    Messages(&'a Source, Vec<Arrived>),
    Journal(SpanArgs),
}

/// Writes the table.
///
/// # Errors
/// When something cannot be read or written.
pub fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let mut config = Config::load(&args.config)?;
    let raster = args.raster()?;
    for class in &mut config.classes {
        let class = Arc::make_mut(&mut class.pipeline);
        // Also those that nobody would be told of.
        class.emit = Emit::Every;
        for channel in &mut class.channels {
            channel.raster = raster;
        }
        if let Some(unlisted) = &mut class.unlisted {
            unlisted.channel.raster = raster;
        }
    }
    let out = args.out.display();
    let known = args.out.extension().and_then(|ext| ext.to_str());
    if !matches!(known, Some("csv" | "parquet")) {
        bail!("{out} is neither *.csv nor *.parquet");
    }
    ensure!(
        args.force || !args.out.exists(),
        "{out} is there already: say --force to replace it, or give another --out"
    );
    let input = if args.journal {
        Input::Journal(args.span)
    } else {
        Input::Messages(
            source(&config, args.source.as_deref())?,
            args.recording.messages()?,
        )
    };
    let filter = Filter {
        devices: args.only.as_ref().map(Glob::compile_matcher),
        ..Filter::default()
    };
    let part = Part::of(&args.out);
    let creating = || format!("cannot write {out}");
    let rows = Rows::new(&beside(&args.out, "rows"), filter).with_context(creating)?;
    let (rows, played) = input.play(&config, rows)?;
    let columns = rows.names();
    let table = table(&args.out, columns, &part.0)
        .with_context(|| format!("{out} is neither *.csv nor *.parquet"))?
        .with_context(creating)?;
    let written = rows.write(table).with_context(creating)?;
    fs::rename(&part.0, &args.out).with_context(creating)?;
    let report = Report {
        file: args.out.clone(),
        rows: written,
        columns: columns.len(),
        played,
    };
    super::report(&report, args.json)
}

/// The file until it is complete; what fails leaves nothing.
struct Part(PathBuf);

impl Part {
    fn of(path: &Path) -> Self {
        Self(beside(path, "part"))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{ending}"))
}

impl Input<'_> {
    fn play<O: Output>(&self, config: &Config, output: O) -> anyhow::Result<(O, Summary)> {
        match self {
            Self::Messages(source, messages) => {
                let (outcome, output) = play(Direct::new(config, source, output)?, messages)
                    .context("cannot export")?;
                let span = [messages.first(), messages.last()].map(|m| m.map(|m| m.at));
                let book = Some((source.name.as_str(), &outcome.book));
                Ok((output, Summary::new(book, &outcome, None, span)))
            }
            Self::Journal(span) => {
                let played = journal::play(config, *span, output)?;
                let summary = Summary::new(None, &played.outcome, None, played.recorded);
                Ok((played.output, summary))
            }
        }
    }
}

/// The outcome.
#[derive(Debug, Serialize)]
struct Report {
    file: PathBuf,
    rows: u64,
    /// Of features.
    columns: usize,
    #[serde(flatten)]
    played: Summary,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.played)?;
        let (rows, columns, file) = (self.rows, self.columns, self.file.display());
        write!(f, "{rows} rows with {columns} features in {file}")
    }
}
