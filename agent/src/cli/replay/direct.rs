//! A recording through the decoder and the devices of a configuration, and the records that come of it.
#![expect(clippy::print_stderr, reason = "a command speaks to its terminal")]

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use eyot_pipeline::Timestamp;
use eyot_pipeline::ledger::{MessageFate, ReadingFate};
use serde::Serialize;

use super::dump::Dump;
use super::{Arrived, ReplayArgs, table};
use crate::cli::{render, report};
use crate::clock::rfc3339;
use crate::config::{Config, Source};
use crate::direct::{Direct, Outcome};

/// Plays the whole recording.
pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref().unwrap_or(Path::new("")))?;
    let source = source(&config, args.source.as_deref())?;
    let messages = if args.dump {
        let Dump { messages, timed } = Dump::read(&args.file)?;
        ensure!(
            timed > 0,
            "no message of {} says when it arrived: with --direct that is what the time is; add `at` to the lines",
            args.file.display()
        );
        messages
    } else {
        table::messages(args)?
    };
    let direct = Direct::new(&config, source)?;
    let Some(path) = &args.out else {
        let outcome = play(direct, &messages, &mut io::stdout().lock())
            .context("cannot write the records to standard output")?;
        let summary = Summary::new(&source.name, &messages, &outcome);
        eprintln!("{}", render(&summary, args.json)?);
        return Ok(());
    };
    let outcome = File::create(path)
        .and_then(|mut file| play(direct, &messages, &mut file))
        .with_context(|| format!("cannot write the records to {}", path.display()))?;
    report(&Summary::new(&source.name, &messages, &outcome), args.json)
}

fn source<'c>(config: &'c Config, name: Option<&str>) -> anyhow::Result<&'c Source> {
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

fn play(mut direct: Direct, messages: &[Arrived], out: &mut dyn Write) -> io::Result<Outcome> {
    let mut out = BufWriter::new(out);
    for arrived in messages {
        let message = eyot_decode::Message {
            topic: &arrived.message.topic,
            payload: &arrived.message.payload,
            retained: arrived.retained,
            arrival: arrived.at,
        };
        direct.message(&message, &mut out)?;
    }
    let outcome = direct.finish(&mut out)?;
    out.flush()?;
    for letter in &outcome.letters {
        let (topic, error) = (&letter.topic, &letter.detail);
        tracing::warn!(topic, error, "a message could not be decoded");
    }
    Ok(outcome)
}

/// The outcome.
#[derive(Debug, Serialize)]
struct Summary {
    source: String,
    messages: Counts,
    readings: Counts,
    devices: usize,
    summaries: u64,
    alerts: u64,
    /// Arrival of the first message and of the last.
    recorded: [String; 2],
}

/// What became of messages or readings, as in the ledger: `ignored no_rule`, say.
#[derive(Debug, Serialize)]
struct Counts {
    total: u64,
    fates: BTreeMap<String, u64>,
}

impl Summary {
    fn new(source: &str, messages: &[Arrived], outcome: &Outcome) -> Self {
        let time = |message: Option<&Arrived>| rfc3339(message.map_or(Timestamp(0), |m| m.at));
        let book = &outcome.book;
        let message_fates = MessageFate::ALL.iter();
        let reading_fates = ReadingFate::ALL.iter();
        Self {
            source: source.to_owned(),
            messages: Counts::new(
                book.messages,
                message_fates.map(|fate| (fate.term(), fate.reason(), book.messages_with(*fate))),
            ),
            readings: Counts::new(
                book.readings,
                reading_fates.map(|fate| (fate.term(), fate.reason(), book.readings_with(*fate))),
            ),
            devices: outcome.devices,
            summaries: outcome.summaries,
            alerts: outcome.alerts,
            recorded: [time(messages.first()), time(messages.last())],
        }
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
        let (messages, readings) = (&self.messages, &self.readings);
        writeln!(f, "{} messages{messages}", messages.total)?;
        writeln!(f, "{} readings{readings}", readings.total)?;
        writeln!(
            f,
            "{} records of {} devices: {} summaries, {} alerts",
            self.summaries + self.alerts,
            self.devices,
            self.summaries,
            self.alerts
        )?;
        let [first, last] = &self.recorded;
        write!(f, "recorded from {first} to {last}")
    }
}
