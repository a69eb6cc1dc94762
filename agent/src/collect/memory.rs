//! Records in memory, for tests and for what looks at a run as it goes.

use std::collections::HashMap;
use std::convert::Infallible;

use super::message::{Arrived, Content, Record, read};
use super::{CollectError, Outcome, Ranges, Sink, Stream};

/// A sink that nothing outlives. It grows without bound; what has been looked at may be taken out.
#[derive(Debug, Default)]
pub struct Memory {
    prefix: String,
    /// Each record once, with the message that brought it, in the order of arrival.
    pub records: Vec<(Arrived, Record)>,
    /// Records that came again.
    pub repeated: u64,
    /// What was no record: topic and reason.
    pub rubbish: Vec<String>,
    /// The latest status of every agent, as JSON.
    pub status: HashMap<String, String>,
    /// The numbers seen, which say what is new.
    pub seen: HashMap<Stream, Ranges>,
}

impl Memory {
    /// An empty one. `prefix` is what agents begin their topics with.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            ..Self::default()
        }
    }

    fn take(&mut self, content: Content, message: &Arrived, outcome: &mut Outcome) {
        match content {
            Content::Record(record) => {
                let seen = self.seen.entry(record.id.stream.clone()).or_default();
                if seen.insert(record.id.number) {
                    outcome.records += 1;
                    self.records.push((message.clone(), record));
                } else {
                    outcome.repeated += 1;
                    self.repeated += 1;
                }
            }
            Content::Status {
                agent,
                body: Some(body),
            } => {
                self.status.insert(agent, body);
            }
            Content::Status { agent, body: None } => {
                self.status.remove(&agent);
            }
            Content::Rubbish(rubbish) => {
                let topic = String::from_utf8_lossy(&message.topic);
                self.rubbish.push(format!("{topic}: {}", rubbish.detail));
                outcome.rubbish += 1;
            }
        }
    }
}

impl Sink for Memory {
    fn commit(&mut self, burst: &[Arrived]) -> Result<Outcome, CollectError> {
        let mut outcome = Outcome::default();
        let prefix = self.prefix.clone();
        for message in burst {
            let Ok(()) = read::<Infallible>(&prefix, message, |content| {
                self.take(content, message, &mut outcome);
                Ok(())
            });
        }
        Ok(outcome)
    }

    fn missing(&self) -> Result<u64, CollectError> {
        let missing = self.seen.values().map(|seen| {
            let (first, _) = seen.iter().next().unwrap_or((1, 0));
            let (_, last) = seen.iter().last().unwrap_or((1, 0));
            (last + 1 - first) - seen.count()
        });
        Ok(missing.sum())
    }
}
