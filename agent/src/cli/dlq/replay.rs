//! Publishing dead letters again.

use std::fmt;

use anyhow::Context;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::show::is_cut;
use crate::cli::publisher::BrokerPublisher;
use crate::config::{Config, Source};
use crate::sim::Publish;
use crate::store::{self, DeadLetterRow, Leave};

/// Letters that are published before any of them leaves: what comes twice should this be interrupted.
const TOGETHER: usize = 200;

/// What became of the letters.
#[derive(Debug, Default, Serialize)]
pub(super) struct Outcome {
    /// Letters that were published and have left.
    pub(super) replayed: usize,
    /// Messages that they stood for.
    pub(super) messages: u64,
    /// Those that are left where they are.
    pub(super) refused: Vec<Refused>,
}

/// A letter that cannot be published again.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    id: i64,
    why: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            replayed, messages, ..
        } = self;
        write!(f, "replayed {replayed} dead letters of {messages} messages")?;
        for Refused { id, why } in &self.refused {
            write!(f, "\nleft {id}: {why}")?;
        }
        Ok(())
    }
}

/// Publishes each letter to its source's broker, on its own topic, and lets it leave once the broker has it.
pub(super) async fn run(
    config: &Config,
    letters: Vec<DeadLetterRow>,
    stop: &CancellationToken,
) -> anyhow::Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut left = letters;
    for source in &config.sources {
        let (of_source, others) = left.into_iter().partition(|l| l.source == source.name);
        left = others;
        of_one(config, source, of_source, &mut outcome, stop).await?;
    }
    for letter in left {
        let why = format!("the configuration has no source `{}`", letter.source);
        outcome.refused.push(Refused { id: letter.id, why });
    }
    Ok(outcome)
}

async fn of_one(
    config: &Config,
    source: &Source,
    mut letters: Vec<DeadLetterRow>,
    outcome: &mut Outcome,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    letters.retain(|letter| match refusal(letter) {
        Some(why) => {
            outcome.refused.push(Refused { id: letter.id, why });
            false
        }
        None => true,
    });
    if letters.is_empty() {
        return Ok(());
    }
    let mut broker = source.broker.clone();
    broker.client_id = format!("eyot-dlq-{}", uuid::Uuid::new_v4().simple());
    let to = || format!("source {}", source.name);
    let mut publisher = BrokerPublisher::to(broker).await.with_context(to)?;
    for some in letters.chunks(TOGETHER) {
        if stop.is_cancelled() {
            break;
        }
        for letter in some {
            let payload = letter.payload.clone().unwrap_or_default();
            let sent = publisher.publish(&letter.topic, 1, payload).await;
            sent.with_context(to)?;
        }
        publisher.settle().await.with_context(to)?;
        outcome.messages += store::leave(&config.agent.data_dir, some, Leave::Replayed)?;
        outcome.replayed += some.len();
    }
    publisher.finish().await.with_context(to)
}

/// Why a letter cannot be published again.
fn refusal(letter: &DeadLetterRow) -> Option<String> {
    let Some(payload) = &letter.payload else {
        return Some("it is damaged: what is stored fails its checksum".to_owned());
    };
    if is_cut(letter) {
        return Some(format!(
            "only the first {} of its {} bytes were kept; raise [limits] dead_letter_bytes to keep more of those to come",
            payload.len(),
            letter.payload_len
        ));
    }
    let topic = &letter.topic;
    let bad = topic.is_empty() || topic.contains(['+', '#', '\0', '\u{fffd}']);
    bad.then(|| format!("`{}` is no topic to publish to", topic.escape_default()))
}
