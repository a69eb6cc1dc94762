//! From what a broker carries to a configuration to start from.
//!
//! Pure: what was heard goes in, a [`Proposal`] comes out. First the profiles are asked (`offer`); what is left
//! is grouped by its topics (`group`) and payloads (`shape`).

mod group;
mod hint;
mod offer;
mod shape;
#[cfg(test)]
mod tests;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use self::group::Group;
use self::hint::Hint;
pub use self::offer::{Offer, Taken, offers};
use self::shape::{Kind, Time};
pub use self::write::Keys;

/// A message that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Whether the broker replays it.
    pub retained: bool,
}

/// What could be made of it.
#[derive(Debug, Default)]
pub struct Proposal {
    messages: usize,
    topics: usize,
    profiles: Vec<ProfileSource>,
    rules: Vec<Rule>,
    /// Filters that the rules must not take, since a profile does.
    ignore: Vec<String>,
    hints: Vec<Hint>,
    strange: Vec<Strange>,
}

/// A source with a profile.
#[derive(Debug, PartialEq, Eq)]
struct ProfileSource {
    profile: String,
    /// First levels that it has won, each with the messages that it takes and all that there are.
    levels: Vec<(String, usize, usize)>,
    /// Filters of what it would take and another has won.
    ignore: Vec<String>,
}

/// A rule.
#[derive(Debug)]
struct Rule {
    group: Group,
    time: Option<Time>,
    messages: usize,
    topics: usize,
    retained: usize,
    example: Observed,
}

/// A topic that nothing was made of.
#[derive(Debug)]
struct Strange {
    messages: usize,
    why: &'static str,
    example: Observed,
}

impl Proposal {
    /// Whether there is no source in it: nothing was heard, or nothing of it was understood.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.profiles.is_empty() && self.rules.is_empty()
    }
}

/// What `observed`, in the order of hearing, suggests. Each of the `offers` is of the same messages.
#[must_use]
pub fn propose(observed: &[Observed], offers: &[Offer]) -> Proposal {
    let topics: BTreeSet<&str> = observed.iter().map(|o| o.topic.as_str()).collect();
    let mut proposal = Proposal {
        messages: observed.len(),
        topics: topics.len(),
        ..Proposal::default()
    };
    let mut left = Vec::new();
    for (i, message) in observed.iter().enumerate() {
        match hint::read(message) {
            Some(hints) => proposal.hints.extend(hints),
            None => left.push(i),
        }
    }
    let levels = by_level(observed, &left);
    let winners = offer::winners(&levels, offers);
    proposal.profiles = offer::sources(&levels, offers, &winners);
    left.retain(|i| !winners.contains_key(first_level(&observed[*i].topic)));
    for (level, winner) in &winners {
        let indices = levels[level].iter();
        let missed = indices.filter(|i| offers[*winner].takes[**i] == Taken::No);
        for indices in by_topic(observed, missed).into_values() {
            let why = "its profile does not take it";
            proposal.strange.push(Strange::new(observed, &indices, why));
        }
    }
    proposal.rules(observed, &left);
    if proposal
        .rules
        .iter()
        .any(|rule| rule.group.begins_anywhere())
    {
        proposal.ignore = winners.keys().map(|level| format!("{level}/#")).collect();
    }
    proposal
}

impl Proposal {
    /// Makes rules of the messages at `left`.
    fn rules(&mut self, observed: &[Observed], left: &[usize]) {
        let mut of_kind: BTreeMap<Kind, Vec<(&str, Vec<usize>)>> = BTreeMap::new();
        for (topic, indices) in by_topic(observed, left.iter()) {
            // The newest message is as good as any to tell what a topic carries.
            let newest = indices.last().map_or(&[][..], |i| &observed[*i].payload);
            match Kind::of(newest) {
                Some(_) if topic.split('/').count() > group::LEVELS => {
                    let why = "its topic has too many levels";
                    self.strange.push(Strange::new(observed, &indices, why));
                }
                Some(kind) => of_kind.entry(kind).or_default().push((topic, indices)),
                None => {
                    let why = "no number, no JSON object and no JSON array of objects with numbers";
                    self.strange.push(Strange::new(observed, &indices, why));
                }
            }
        }
        let mut rules = Vec::new();
        for (kind, topics) in of_kind {
            let names: Vec<&str> = topics.iter().map(|(topic, _)| *topic).collect();
            for (group, members) in group::groups(kind, &names) {
                let indices: Vec<usize> = members
                    .iter()
                    .flat_map(|member| topics[*member].1.iter().copied())
                    .collect();
                rules.push((Rule::new(group, observed, &indices, members.len()), indices));
            }
        }
        // The first rule that matches takes a message: what is said in so many words comes first.
        rules.sort_by_key(|(rule, _)| (rule.group.precedence(), usize::MAX - rule.messages));
        for (rule, indices) in rules {
            let filter = rule.group.filter();
            if self
                .rules
                .iter()
                .any(|other| other.group.filter() == filter)
            {
                let why = "other payloads on the same topics are more frequent";
                self.strange.push(Strange::new(observed, &indices, why));
            } else {
                self.rules.push(rule);
            }
        }
    }
}

impl Rule {
    fn new(group: Group, observed: &[Observed], indices: &[usize], topics: usize) -> Self {
        let payloads = indices.iter().map(|i| &*observed[*i].payload);
        let messages = indices.iter().map(|i| &observed[*i]);
        Self {
            time: shape::time(group.kind, payloads),
            messages: indices.len(),
            topics,
            retained: messages.filter(|message| message.retained).count(),
            example: observed[indices[indices.len() - 1]].clone(),
            group,
        }
    }
}

impl Strange {
    fn new(observed: &[Observed], indices: &[usize], why: &'static str) -> Self {
        Self {
            messages: indices.len(),
            why,
            example: observed[indices[indices.len() - 1]].clone(),
        }
    }
}

fn first_level(topic: &str) -> &str {
    topic.split('/').next().unwrap_or_default()
}

/// Positions of the messages at `left` by the first level of their topics.
fn by_level<'o>(observed: &'o [Observed], left: &[usize]) -> BTreeMap<&'o str, Vec<usize>> {
    let mut levels: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for i in left {
        let level = first_level(&observed[*i].topic);
        levels.entry(level).or_default().push(*i);
    }
    levels
}

/// Positions of some messages by their topics; none is empty.
fn by_topic<'o, 'i>(
    observed: &'o [Observed],
    indices: impl Iterator<Item = &'i usize>,
) -> BTreeMap<&'o str, Vec<usize>> {
    let mut topics: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for i in indices {
        topics.entry(&observed[*i].topic).or_default().push(*i);
    }
    topics
}
