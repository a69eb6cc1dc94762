//! Recorded MQTT messages, each to its own topic.

use std::fmt;
use std::path::Path;

use anyhow::{Context, ensure};
use eyot_pipeline::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Arrived, ReplayArgs};
use crate::cli::decode::dump::{Line, lines};
use crate::sim::pace::{self, Pace, Paced};
use crate::sim::{self, Message, Publish};

/// Messages of a dump, in the order of the file.
pub(super) struct Dump {
    pub(super) messages: Vec<Arrived>,
    /// How many say when they arrived.
    pub(super) timed: usize,
}

/// Publishes the dump with the distances that it has.
pub(super) async fn publish<P: Publish>(
    args: &ReplayArgs,
    connect: impl AsyncFnOnce(&str) -> anyhow::Result<P>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let Dump { messages, .. } = Dump::read(args.recording.file())?;
    let recorded = [&messages[0], &messages[messages.len() - 1]].map(|message| message.at);
    let mut publish = connect(&args.broker).await?;
    // The messages keep their times, so the run begins at the first one's.
    let pace = Pace {
        start: recorded[0],
        wall: sim::now(),
        speed: args.speed,
        join_wall: false,
    };
    let paced = pace::run(
        messages.into_iter(),
        |arrived| arrived.message,
        &pace,
        args.qos,
        &mut publish,
        stop,
    )
    .await
    .with_context(|| format!("cannot publish to {}", args.broker))?;
    crate::cli::report(&Summary::new(recorded, &paced), args.json)
}

impl Dump {
    /// Reads a file; there is at least one message in it.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("cannot open {file}"))?;
        let lines: Vec<Line> = lines(&bytes)
            .collect::<Result<_, _>>()
            .with_context(|| format!("{file} is no dump of messages"))?;
        ensure!(!lines.is_empty(), "{file} has no message to play back");
        for (i, line) in lines.iter().enumerate() {
            ensure!(
                !line.topic.is_empty() && !line.topic.contains(['+', '#', '\0']),
                "{file}, message {}: `{}` is no topic to publish to",
                i + 1,
                line.topic
            );
        }
        Ok(Self::new(lines))
    }

    fn new(lines: Vec<Line>) -> Self {
        let timed = lines.iter().filter(|line| line.at.is_some()).count();
        // What comes before the first time comes with it.
        let mut at = lines
            .iter()
            .find_map(|line| line.at)
            .unwrap_or(Timestamp(0));
        let messages = lines.into_iter().map(|line| {
            at = line.at.map_or(at, |own| own.max(at));
            Arrived {
                at,
                message: Message {
                    topic: line.topic,
                    payload: line.payload,
                },
                retained: line.retained,
            }
        });
        Self {
            messages: messages.collect(),
            timed,
        }
    }
}

/// The outcome.
#[derive(Debug, Serialize)]
struct Summary {
    messages: u64,
    /// Arrival of the first message and of the last, as recorded; the same if the dump says nothing.
    recorded: [String; 2],
    elapsed_s: f64,
    behind_ms: u64,
}

impl Summary {
    fn new(recorded: [Timestamp; 2], paced: &Paced) -> Self {
        Self {
            messages: paced.messages,
            recorded: recorded.map(sim::rfc3339),
            elapsed_s: paced.elapsed.as_secs_f64(),
            behind_ms: u64::try_from(paced.behind.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, last] = &self.recorded;
        writeln!(
            f,
            "sent {} messages in {:.1} s",
            self.messages, self.elapsed_s
        )?;
        write!(f, "recorded from {first} to {last}")
    }
}

#[cfg(test)]
mod tests;
