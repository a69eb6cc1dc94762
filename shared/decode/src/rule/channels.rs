//! What is known of channels, found by their name.

use std::collections::HashMap;

use super::keys::Keys;
use super::parts::transpose;
use crate::config::{self, Kind, Number, Report};
use crate::fault::Faults;
use crate::glob::Glob;
use crate::template::Template;
use crate::value::ValueReader;

/// What is known of channels.
#[derive(Debug)]
pub(super) struct Channels {
    /// In the order of the file; the last is for all others.
    specs: Vec<Spec>,
    names: HashMap<Box<str>, usize, ahash::RandomState>,
    globs: Vec<(Glob, usize)>,
}

/// What is known of a channel.
#[derive(Debug)]
pub(super) struct Spec {
    pub reader: ValueReader,
    /// Template of the unit that its values come in.
    pub from: Option<Template>,
    pub kind: Option<Kind>,
    pub report: Option<Report>,
    pub ignore: bool,
    pub named: Named,
    /// Two words are one number.
    pub words: bool,
}

/// How the configuration names a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// By its name.
    Exactly,
    /// By a pattern.
    Pattern,
    /// Not at all.
    Not,
}

impl Channels {
    /// From the specs and their names or patterns, in the order of the file, and what is for all others.
    fn new(listed: Vec<(Glob, Spec)>, other: Spec) -> Self {
        let (mut specs, mut names, mut globs) = (Vec::new(), HashMap::default(), Vec::new());
        for (at, (glob, spec)) in listed.into_iter().enumerate() {
            if glob.is_name() {
                names.insert(glob.as_str().into(), at);
            } else {
                globs.push((glob, at));
            }
            specs.push(spec);
        }
        specs.push(other);
        Self {
            specs,
            names,
            globs,
        }
    }

    /// Position of what is known of the channel: the first in the file whose name or pattern matches.
    pub(super) fn position(&self, channel: &str) -> usize {
        let mut best = self.specs.len() - 1;
        if !self.names.is_empty()
            && let Some(at) = self.names.get(channel)
        {
            best = *at;
        }
        let earlier = self.globs.iter().take_while(|(_, at)| *at < best);
        earlier
            .into_iter()
            .find(|(glob, _)| glob.matches(channel))
            .map_or(best, |(_, at)| *at)
    }

    /// What is known, by its position.
    pub(super) fn at(&self, position: usize) -> &Spec {
        &self.specs[position]
    }

    /// What is known of the channel.
    pub(super) fn find(&self, channel: &str) -> &Spec {
        self.at(self.position(channel))
    }

    /// The same, to change them.
    pub(super) fn units_mut(&mut self) -> impl Iterator<Item = &mut Template> {
        self.specs.iter_mut().filter_map(|spec| spec.from.as_mut())
    }

    /// Whether every number of every channel is only scaled, offset and converted.
    pub(super) fn are_linear(&self) -> bool {
        self.specs.iter().all(|spec| spec.reader.is_linear())
    }

    /// Templates of units.
    pub(super) fn units(&self) -> impl Iterator<Item = &Template> {
        self.specs.iter().filter_map(|spec| spec.from.as_ref())
    }
}

/// Whether two words are one number.
fn is_two_words(number: Number) -> bool {
    matches!(
        number,
        Number::F32Words | Number::F32WordsSwapped | Number::U32Words | Number::U32WordsSwapped
    )
}

/// What a rule knows of channels.
pub(super) fn compile(
    rule: &config::Rule,
    keys: &Keys,
    faults: &mut Faults<'_>,
) -> Option<Channels> {
    let specs: Vec<_> = rule
        .channels
        .iter()
        .map(|(name, channel)| Some((Glob::new(name), spec(name, channel, keys, faults)?)))
        .collect();
    let mut other = spec("", &config::Channel::default(), keys, faults)?;
    other.named = Named::Not;
    Some(Channels::new(
        specs.into_iter().collect::<Option<_>>()?,
        other,
    ))
}

fn spec(
    name: &str,
    channel: &config::Channel,
    keys: &Keys,
    faults: &mut Faults<'_>,
) -> Option<Spec> {
    let mut plain = channel.clone();
    // A unit that the payload says is no unit that could be checked here.
    let from = plain.from.take_if(|from| from.contains('{'));
    let from = from.map(|from| keys.template(&from, &["channels", name, "from"], faults));
    let reader = ValueReader::compile(&plain).map_err(|errors| {
        for (key, message) in errors {
            faults.add(&["channels", name, key], message);
        }
    });
    Some(Spec {
        reader: reader.ok()?,
        from: transpose(from)?,
        kind: channel.kind,
        report: channel.report,
        ignore: channel.ignore,
        named: if name.contains('*') {
            Named::Pattern
        } else {
            Named::Exactly
        },
        words: is_two_words(channel.format),
    })
}
