//! What the journal still has, under another configuration.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use eyot_journal::{RealDisk, Snapshot, Step};
use eyot_pipeline::Timestamp;

use super::ReplayArgs;
use super::direct::{Destination, Summary};
use crate::config::Config;
use crate::direct::{FromJournal, Lines, NOBODY, Outcome, Output};
use crate::error::chain;
use crate::record::Encoder;
use crate::store::Identity;

/// Which part of the journal.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct SpanArgs {
    /// Begin with what arrived then, in RFC 3339 [default: the first that the journal has]
    #[arg(long, value_name = "TIME", value_parser = time, requires = "journal")]
    pub from: Option<Timestamp>,
    /// End before what arrived then [default: the last]
    #[arg(long, value_name = "TIME", value_parser = time, requires = "journal")]
    pub to: Option<Timestamp>,
}

fn time(text: &str) -> Result<Timestamp, String> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| format!("`{text}` is no time; write it like 2026-11-21T07:00:00Z"))?;
    i64::try_from(time.as_nanosecond())
        .map(Timestamp)
        .map_err(|_| format!("{text} is too far away"))
}

/// Plays it.
pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<()> {
    let config = Config::load(args.config.as_deref().unwrap_or(Path::new("")))?;
    let out = BufWriter::new(Destination::new(args.out.as_deref())?);
    let revision = now_in_minutes();
    let encoder = Encoder::new(&config.agent.name, &identity(&config, revision));
    let lines = Lines::new(encoder, out).revising(revision);
    let played = play(&config, args.span, lines)?;
    let (outcome, mut lines) = (played.outcome, played.output);
    lines
        .out()
        .flush()
        .with_context(|| Destination::failing(args.out.as_deref()))?;
    let records = Some((lines.summaries, lines.alerts));
    let summary = Summary::new(None, &outcome, records, played.recorded);
    summary.print(args.out.is_some(), args.json)
}

/// What came of a journal.
pub(in crate::cli) struct Played<O> {
    pub(in crate::cli) outcome: Outcome,
    pub(in crate::cli) output: O,
    /// When the first entry arrived, and the last.
    pub(in crate::cli) recorded: [Option<Timestamp>; 2],
}

/// Plays the journal of `config` into its devices.
pub(in crate::cli) fn play<O: Output>(
    config: &Config,
    span: SpanArgs,
    output: O,
) -> anyhow::Result<Played<O>> {
    let folder = config.agent.data_dir.join("journal");
    let disk = RealDisk::read_only(&folder).with_context(|| {
        format!(
            "there is no journal to read at {}: no agent has run there, or it has none",
            folder.display()
        )
    })?;
    let mut snapshot = Snapshot::new(disk)?;
    let mut journal = FromJournal::new(config, output)?;
    let mut recorded = [None; 2];
    // Whether entries came before the first that is played.
    let mut is_part = false;
    loop {
        let step = match snapshot.step() {
            Ok(Some(step)) => step,
            Ok(None) => break,
            Err(error) => {
                let error = chain(&error);
                let gap = snapshot.skip_segment();
                tracing::warn!(
                    error,
                    ?gap,
                    "a part of the journal cannot be read and is passed over"
                );
                if gap.is_none() {
                    break;
                }
                continue;
            }
        };
        match step {
            Step::Entry(entry) => {
                let at = entry.admitted();
                let before = span.from.is_some_and(|from| at < from);
                is_part |= before || entry.position() > 1;
                if before || span.to.is_some_and(|to| at >= to) {
                    continue;
                }
                if is_part && recorded[0].is_none() {
                    journal.begins(at);
                }
                recorded = [recorded[0].or(Some(at)), Some(at)];
                journal
                    .entry(&entry)
                    .context("cannot write what comes of it")?;
            }
            Step::Skipped(gap) => {
                tracing::warn!(
                    from = gap.from,
                    to = gap.to,
                    "the journal lacks these entries"
                );
            }
        }
    }
    let (outcome, output) = journal.finish().context("cannot write what comes of it")?;
    Ok(Played {
        outcome,
        output,
        recorded,
    })
}

/// The agent's own, under an epoch that no store has: the records are its own, and are not those that it has made.
fn identity(config: &Config, revision: u32) -> Identity {
    let stored = Identity::read(&config.agent.data_dir).ok().flatten();
    Identity {
        agent: stored.map_or(NOBODY.agent, |identity| identity.agent),
        store_epoch: revision,
    }
}

/// Larger than that of every revision that an agent makes, and of every replay before.
fn now_in_minutes() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(1, |since| {
        u32::try_from(since.as_secs() / 60).unwrap_or(u32::MAX)
    })
}
