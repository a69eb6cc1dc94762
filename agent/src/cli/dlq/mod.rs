//! `eyot dlq`: messages that could not be decoded, and what is to become of them.

mod replay;
mod show;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::show::{Letter, List, Whole};
use crate::config::Config;
use crate::store::{self, DeadLetterRow, Leave, Reader};

/// As many letters as there may be.
const ALL: usize = u32::MAX as usize;

/// What `eyot dlq` is told.
#[derive(Debug, Args)]
pub struct DlqArgs {
    /// Configuration file, whose database has them
    #[arg(long, value_name = "FILE", global = true, default_value = "eyot.toml")]
    config: PathBuf,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List them, newest first
    List {
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Print one, whole
    Show {
        /// Its number
        id: i64,
    },
    /// Publish them again, for the configuration as it is now
    Replay {
        #[command(flatten)]
        which: Which,
        /// Although no agent runs: the broker keeps them if it still has the agent's session
        #[arg(long)]
        queue: bool,
    },
    /// Throw them away, counted
    Drop {
        #[command(flatten)]
        which: Which,
    },
    /// Write them as JSON lines, for `eyot decode --dump`
    Export {
        /// Where to; standard output if it is not said
        file: Option<PathBuf>,
    },
}

/// Which of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Their numbers
    #[arg(value_name = "ID")]
    ids: Vec<i64>,
    /// All
    #[arg(long)]
    all: bool,
    /// All that are there for this reason
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
}

impl Which {
    /// Those of `letters`, oldest first.
    fn choose(&self, mut letters: Vec<DeadLetterRow>) -> anyhow::Result<Vec<DeadLetterRow>> {
        for id in &self.ids {
            if letters.iter().all(|letter| letter.id != *id) {
                bail!("there is no dead letter {id}");
            }
        }
        letters.retain(|letter| {
            let for_it = self.reason.as_ref() == Some(&letter.reason);
            self.all || for_it || self.ids.contains(&letter.id)
        });
        letters.reverse();
        Ok(letters)
    }
}

/// Does what was asked for. False if some of the letters are left that were to be replayed.
pub async fn run(args: &DlqArgs, stop: &CancellationToken) -> anyhow::Result<bool> {
    let config = Config::load(&args.config).map_err(|faults| anyhow::anyhow!("{faults}"))?;
    let dir = &config.agent.data_dir;
    let letters = |limit| Reader::open(dir)?.dead_letters(limit);
    match &args.command {
        Command::List { limit } => {
            let list = List {
                counts: Reader::open(dir)?.letter_counts()?,
                letters: letters(*limit)?,
            };
            print(
                &list,
                &list.letters.iter().map(Letter).collect::<Vec<_>>(),
                args.json,
            )?;
        }
        Command::Show { id } => {
            let letters = letters(ALL)?;
            let letter = letters.iter().find(|letter| letter.id == *id);
            let letter = letter.with_context(|| format!("there is no dead letter {id}"))?;
            print(&Whole(letter), &Letter(letter), args.json)?;
        }
        Command::Drop { which } => {
            let chosen = which.choose(letters(ALL)?)?;
            let messages = store::leave(dir, &chosen, Leave::Dropped)?;
            let text = format!(
                "dropped {} dead letters of {messages} messages",
                chosen.len()
            );
            let dropped = json!({"letters": chosen.len(), "messages": messages});
            print(&text, &json!({"dropped": dropped}), args.json)?;
        }
        Command::Replay { which, queue } => {
            if !queue && !store::is_in_use(dir)? {
                bail!(
                    "the agent is not running, so nobody may be there to take them: start it, or \
                     say --queue if the broker still has its session"
                );
            }
            let chosen = which.choose(letters(ALL)?)?;
            let outcome = replay::run(&config, chosen, stop).await?;
            print(&outcome, &outcome, args.json)?;
            return Ok(outcome.refused.is_empty());
        }
        Command::Export { file } => export(&letters(ALL)?, file.as_deref())?,
    }
    Ok(true)
}

/// One line for each, oldest first.
#[expect(clippy::print_stderr, reason = "a command speaks to its terminal")]
fn export(letters: &[DeadLetterRow], file: Option<&Path>) -> anyhow::Result<()> {
    let mut to: Box<dyn Write> = match file {
        Some(path) => {
            let file = File::create(path);
            Box::new(file.with_context(|| format!("cannot write {}", path.display()))?)
        }
        None => Box::new(io::stdout()),
    };
    let mut to = BufWriter::new(&mut to);
    let mut cut = 0;
    for letter in letters.iter().rev() {
        let Some(line) = show::dump_line(letter) else {
            eprintln!("dead letter {} is damaged and left out", letter.id);
            continue;
        };
        cut += usize::from(show::is_cut(letter));
        writeln!(to, "{line}")?;
    }
    to.flush()?;
    if cut > 0 {
        eprintln!("{cut} of them are cut: they were longer than [limits] dead_letter_bytes");
    }
    Ok(())
}

/// For people, or as one line of JSON.
fn print(
    text: &impl std::fmt::Display,
    value: &impl serde::Serialize,
    json: bool,
) -> anyhow::Result<()> {
    if json {
        super::say(serde_json::to_string(value)?);
    } else {
        super::say(text);
    }
    Ok(())
}
