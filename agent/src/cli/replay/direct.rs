//! A recording through the decoder and the devices of a configuration, and the records that come of it.
#![expect(clippy::print_stderr, reason = "a command speaks to its terminal")]

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail};
use eyot_pipeline::Timestamp;
use eyot_pipeline::ledger::{MessageFate, ReadingFate, SourceBook};
use serde::Serialize;

use super::{Arrived, ReplayArgs};
use crate::cli::{render, report};
use crate::clock::rfc3339;
use crate::config::{Config, Source};
use crate::direct::{Direct, Lines, NOBODY, Outcome, Output};
use crate::record::Encoder;

/// Plays the whole recording.
pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref().unwrap_or(Path::new("")))?;
    let source = source(&config, args.source.as_deref())?;
    let messages = args.recording.messages()?;
    let encoder = Encoder::new(&config.agent.name, &NOBODY);
    let out = Destination::new(args.out.as_deref())?;
    let lines = Lines::new(encoder, BufWriter::new(out));
    let (outcome, mut lines) = play(Direct::new(&config, source, lines)?, &messages)
        .and_then(|(outcome, mut lines)| lines.out().flush().map(|()| (outcome, lines)))
        .with_context(|| Destination::failing(args.out.as_deref()))?;
    let records = Some((lines.summaries, lines.alerts));
    lines.out().flush()?;
    let span = [messages.first(), messages.last()].map(|m| m.map(|m| m.at));
    let summary = Summary::new(Some((&source.name, &outcome.book)), &outcome, records, span);
    summary.print(args.out.is_some(), args.json)
}

/// A file, or standard output.
pub(in crate::cli) enum Destination {
    File(File),
    Terminal,
}

impl Destination {
    pub(in crate::cli) fn new(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::Terminal);
        };
        let file = File::create(path)
            .with_context(|| format!("cannot write the records to {}", path.display()))?;
        Ok(Self::File(file))
    }

    pub(in crate::cli) fn failing(path: Option<&Path>) -> String {
        path.map_or_else(
            || "cannot write the records to standard output".to_owned(),
            |path| format!("cannot write the records to {}", path.display()),
        )
    }
}

impl Write for Destination {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Terminal => io::stdout().lock().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Terminal => io::stdout().lock().flush(),
        }
    }
}

pub(in crate::cli) fn source<'c>(
    config: &'c Config,
    name: Option<&str>,
) -> anyhow::Result<&'c Source> {
    let known = || {
        let names = config.sources.iter().map(|source| source.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    match (name, &*config.sources) {
        (Some(name), sources) => sources
            .iter()
            .find(|source| source.name == name)
            .with_context(|| format!("there is no source `{name}`; there are {}", known())),
        (None, [only]) => Ok(only),
        (None, _) => bail!("say with --source which one of {}", known()),
    }
}

/// Plays messages into the devices of a source.
pub(in crate::cli) fn play<O: Output>(
    mut direct: Direct<O>,
    messages: &[Arrived],
) -> io::Result<(Outcome, O)> {
    for arrived in messages {
        let message = eyot_decode::Message {
            topic: &arrived.message.topic,
            payload: &arrived.message.payload,
            retained: arrived.retained,
            arrival: arrived.at,
        };
        direct.message(&message)?;
    }
    let (outcome, output) = direct.finish()?;
    for letter in &outcome.letters {
        let (topic, error) = (&letter.topic, &letter.detail);
        tracing::warn!(topic, error, "a message could not be decoded");
    }
    Ok((outcome, output))
}

/// The outcome.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Summary {
    /// Missing where a journal was played.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Counts>,
    readings: Counts,
    devices: usize,
    /// Windows left out; missing if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    incomplete: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summaries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alerts: Option<u64>,
    /// Arrival of the first message and of the last.
    recorded: [Option<String>; 2],
}

/// What became of messages or readings, as in the ledger: `ignored no_rule`, say.
#[derive(Debug, Serialize)]
struct Counts {
    total: u64,
    fates: BTreeMap<String, u64>,
}

impl Summary {
    /// `records`: how many summaries and alerts came of it. `recorded`: when the first message arrived, and the last.
    pub(in crate::cli) fn new(
        source: Option<(&str, &SourceBook)>,
        outcome: &Outcome,
        records: Option<(u64, u64)>,
        recorded: [Option<Timestamp>; 2],
    ) -> Self {
        let book = &outcome.book;
        let message_fates = MessageFate::ALL.iter();
        let reading_fates = ReadingFate::ALL.iter();
        let messages =
            message_fates.map(|fate| (fate.term(), fate.reason(), book.messages_with(*fate)));
        let readings =
            reading_fates.map(|fate| (fate.term(), fate.reason(), book.readings_with(*fate)));
        Self {
            source: source.map(|(name, _)| name.to_owned()),
            messages: source.map(|_| Counts::new(book.messages, messages)),
            readings: Counts::new(book.readings, readings),
            devices: outcome.devices,
            incomplete: Some(outcome.incomplete).filter(|n| *n > 0),
            summaries: records.map(|(summaries, _)| summaries),
            alerts: records.map(|(_, alerts)| alerts),
            recorded: recorded.map(|time| time.map(rfc3339)),
        }
    }

    /// To standard output, or to standard error if that has the records.
    pub(in crate::cli) fn print(&self, apart: bool, json: bool) -> anyhow::Result<()> {
        if apart {
            return report(self, json);
        }
        eprintln!("{}", render(self, json)?);
        Ok(())
    }
}

impl Counts {
    fn new(total: u64, fates: impl Iterator<Item = (&'static str, &'static str, u64)>) -> Self {
        let met = fates.filter(|(.., n)| *n > 0);
        Self {
            total,
            fates: met
                .map(|(term, reason, n)| (format!("{term} {reason}").trim().to_owned(), n))
                .collect(),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (fate, n)) in self.fates.iter().enumerate() {
            let before = if i == 0 { ": " } else { ", " };
            write!(f, "{before}{n} {fate}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(messages) = &self.messages {
            writeln!(f, "{} messages{messages}", messages.total)?;
        }
        let readings = &self.readings;
        writeln!(f, "{} readings{readings}", readings.total)?;
        match (self.summaries, self.alerts) {
            (Some(summaries), Some(alerts)) => writeln!(
                f,
                "{} records of {} devices: {summaries} summaries, {alerts} alerts",
                summaries + alerts,
                self.devices,
            )?,
            _ => writeln!(f, "{} devices", self.devices)?,
        }
        if let Some(incomplete) = self.incomplete {
            writeln!(
                f,
                "{incomplete} windows left out: they may lack readings that came before"
            )?;
        }
        let [first, last] = self
            .recorded
            .each_ref()
            .map(|time| time.as_deref().unwrap_or("?"));
        write!(f, "recorded from {first} to {last}")
    }
}
