//! Topics that differ only in a device or a channel.

use std::collections::BTreeMap;

use super::shape::Kind;

/// Topics with more levels than this are nothing that devices send.
pub(super) const LEVELS: usize = 32;

/// This many different levels with the same below them are names of the same kind of thing.
const SEVERAL: usize = 3;

/// Last levels that say what a message is, and not whose.
const GENERIC: [&str; 20] = [
    "attributes",
    "data",
    "events",
    "info",
    "json",
    "measurement",
    "measurements",
    "reading",
    "readings",
    "result",
    "sensor",
    "sensors",
    "state",
    "stats",
    "status",
    "telemetry",
    "up",
    "update",
    "value",
    "values",
];

/// Topics of one form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) kind: Kind,
    levels: Vec<Level>,
    /// The last level is the channel.
    channel: bool,
    /// The level that a device without a capture is named after.
    named_after: usize,
}

/// One level.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Text(String),
    Any,
}

/// The forms of `topics`, each with the positions of those that have it.
pub(super) fn groups(kind: Kind, topics: &[&str]) -> Vec<(Group, Vec<usize>)> {
    let split: Vec<Vec<&str>> = topics.iter().map(|t| t.split('/').collect()).collect();
    let mut by_length: BTreeMap<usize, Vec<Rest<'_>>> = BTreeMap::new();
    for (at, levels) in split.iter().enumerate() {
        let rest = Rest { levels, at };
        by_length.entry(levels.len()).or_default().push(rest);
    }
    let mut groups: Vec<(Group, Vec<usize>)> = Vec::new();
    for (length, rests) in by_length {
        let channel = kind == Kind::Number && length > 1;
        for (levels, members) in generalise(&rests, channel) {
            let group = Group::new(kind, levels, channel);
            // Naming a device may make two forms the same.
            match groups.iter_mut().find(|(other, _)| *other == group) {
                Some((_, all)) => all.extend(members),
                None => groups.push((group, members)),
            }
        }
    }
    groups
}

/// The levels of a topic that are still to be looked at, and its position.
#[derive(Clone, Copy)]
struct Rest<'t> {
    levels: &'t [&'t str],
    at: usize,
}

type Forms = BTreeMap<Vec<Level>, Vec<usize>>;

/// The forms of topics that have as many levels each. The last level of all is a channel's name if `channel`.
fn generalise(topics: &[Rest<'_>], channel: bool) -> Forms {
    let mut children: BTreeMap<&str, Vec<Rest<'_>>> = BTreeMap::new();
    let mut forms = Forms::new();
    for Rest { levels, at } in topics.iter().copied() {
        match levels {
            [] => forms.entry(Vec::new()).or_default().push(at),
            [level, levels @ ..] => {
                let rest = Rest { levels, at };
                children.entry(level).or_default().push(rest);
            }
        }
    }
    let mut below: BTreeMap<Vec<Level>, Vec<(&str, Vec<usize>)>> = BTreeMap::new();
    for (level, topics) in children {
        for (form, members) in generalise(&topics, channel) {
            below.entry(form).or_default().push((level, members));
        }
    }
    for (rest, names) in below {
        let any = names.len() >= SEVERAL || (channel && rest.is_empty());
        for (name, members) in names {
            // In a rule's topic, braces mean something else.
            let level = if any || looks_like_id(name) || name.contains(['{', '}']) {
                Level::Any
            } else {
                Level::Text(name.to_owned())
            };
            let form = [&[level], &*rest].concat();
            forms.entry(form).or_default().extend(members);
        }
    }
    forms
}

/// A number, or an end of at least six hexadecimal digits: `a4cf12d03b5e`, `esp-a4cf12`, a UUID.
fn looks_like_id(level: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let last = level.rsplit(['-', '_']).next().unwrap_or(level);
    let compact: String = last.chars().filter(|c| *c != ':').collect();
    let hex = compact.len() >= 6
        && compact.bytes().all(|b| b.is_ascii_hexdigit())
        // `facade` is a word.
        && compact.bytes().any(|b| b.is_ascii_digit());
    digits(level) || hex
}

impl Group {
    fn new(kind: Kind, mut levels: Vec<Level>, channel: bool) -> Self {
        let end = levels.len() - usize::from(channel);
        let mut named_after = end.saturating_sub(1);
        if let Level::Text(last) = &levels[named_after]
            && !channel
            && GENERIC.contains(&last.to_lowercase().as_str())
        {
            named_after = named_after.saturating_sub(1);
        }
        let known = levels[..end].contains(&Level::Any);
        // A first level that may be anything would take what belongs to others.
        if !known && named_after > 0 {
            levels[named_after] = Level::Any;
        }
        Self {
            kind,
            levels,
            channel,
            named_after,
        }
    }

    /// Levels that are the device, by their positions.
    fn devices(&self) -> Vec<usize> {
        let end = self.levels.len() - usize::from(self.channel);
        let any = (0..end).filter(|at| self.levels[*at] == Level::Any);
        any.collect()
    }

    /// The topic of a rule, with captures.
    pub(super) fn topic(&self) -> String {
        let devices = self.devices();
        self.join(|at| {
            if devices.last() == Some(&at) {
                "{device}".to_owned()
            } else if devices.contains(&at) {
                format!("{{level{}}}", at + 1)
            } else {
                "{channel}".to_owned()
            }
        })
    }

    /// The same as an MQTT filter.
    pub(super) fn filter(&self) -> String {
        self.join(|_| "+".to_owned())
    }

    fn join(&self, any: impl Fn(usize) -> String) -> String {
        let levels = self
            .levels
            .iter()
            .enumerate()
            .map(|(at, level)| match level {
                // In a rule's topic, braces mean something else.
                Level::Text(text) if text.contains(['{', '}']) => "+".to_owned(),
                Level::Text(text) => text.clone(),
                Level::Any => any(at),
            });
        levels.collect::<Vec<_>>().join("/")
    }

    /// Template of the device's name, where `{device}` alone does not do.
    pub(super) fn device(&self) -> Option<String> {
        match &*self.devices() {
            [] => match &self.levels[self.named_after] {
                Level::Text(text) if text.is_empty() => Some("unnamed".to_owned()),
                Level::Text(text) => Some(text.clone()),
                Level::Any => None,
            },
            [_] => None,
            [before @ .., _] => {
                let captures = before.iter().map(|at| format!("{{level{}}}-", at + 1));
                Some(captures.collect::<String>() + "{device}")
            }
        }
    }

    /// The channel's name, where the topic does not say.
    pub(super) fn channel(&self) -> Option<&'static str> {
        (self.kind == Kind::Number && !self.channel).then_some("value")
    }

    /// What a rule could be called.
    pub(super) fn name(&self) -> String {
        let texts = self.levels.iter().filter_map(|level| match level {
            Level::Text(text) if !text.is_empty() => Some(text.as_str()),
            _ => None,
        });
        let name = texts.collect::<Vec<_>>().join("-");
        if name.is_empty() {
            "any".to_owned()
        } else {
            name
        }
    }

    /// Whether its first level may be anything.
    pub(super) fn begins_anywhere(&self) -> bool {
        self.levels[0] == Level::Any
    }

    /// The smaller, the earlier its rule: what is said in so many words comes before what may be anything.
    pub(super) fn precedence(&self) -> (usize, String) {
        let any = self.levels.iter().filter(|level| **level == Level::Any);
        (any.count(), self.filter())
    }
}
