//! Topics: patterns with captures, the tree that finds the rule of a topic, and the topics known
//! already.

mod pattern;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashMap;

pub(crate) use pattern::{Pattern, closing};
use tree::Tree;

/// The most topics that are remembered.
const KNOWN: usize = 100_000;

/// Finds which of many patterns takes a topic. Topics repeat, so that what was found once is kept.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    patterns: Vec<Pattern>,
    tree: Tree,
    known: HashMap<Box<str>, usize, ahash::RandomState>,
    hits: Vec<Hit>,
}

/// What a topic comes to.
#[derive(Debug)]
pub(crate) struct Hit {
    /// Position of the pattern that takes it; the first of several.
    pub pattern: Option<usize>,
    /// What its names stand for.
    pub captures: Captures,
}

/// What the names of a pattern stand for in a topic, in the order of [`Pattern::names`]. One text for all
/// of them: they are kept for every topic, and a topic holds no NUL (MQTT 5.0 §1.5.4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Captures {
    text: Box<str>,
    /// Where the first ones end; as long as a topic is at most, if there are not so many.
    ends: [u16; 3],
}

impl Captures {
    pub(crate) fn new<S: AsRef<str>>(texts: &[S]) -> Self {
        let len: usize = texts.iter().map(|text| text.as_ref().len() + 1).sum();
        let mut text = String::with_capacity(len.saturating_sub(1));
        let mut ends = [u16::MAX; 3];
        for (i, one) in texts.iter().enumerate() {
            if i > 0 {
                text.push('\0');
            }
            text.push_str(one.as_ref());
            if let Some(end) = ends.get_mut(i) {
                *end = u16::try_from(text.len()).unwrap_or(u16::MAX);
            }
        }
        let text = text.into();
        Self { text, ends }
    }

    /// The one of that position.
    pub(crate) fn get(&self, at: usize) -> Option<&str> {
        let end = |at: usize| self.ends.get(at).map(|end| usize::from(*end));
        let start = match at.checked_sub(1) {
            None => 0,
            Some(before) => end(before).map_or(usize::MAX, |end| end + 1),
        };
        end(at)
            .and_then(|end| self.text.get(start..end))
            .or_else(|| self.text.split('\0').nth(at))
    }
}

impl Topics {
    /// Adds a pattern behind all others.
    pub(crate) fn add(&mut self, pattern: Pattern) {
        self.tree.add(&pattern, self.patterns.len());
        self.patterns.push(pattern);
    }

    /// What takes the topic.
    pub(crate) fn find(&mut self, topic: &str) -> &Hit {
        let at = match self.known.get(topic) {
            Some(at) => *at,
            None => self.remember(topic),
        };
        &self.hits[at]
    }

    /// Looks for what takes the topic, and keeps it.
    fn remember(&mut self, topic: &str) -> usize {
        // Forgetting everything is as good as forgetting the oldest when there are too many.
        if self.hits.len() >= KNOWN {
            self.known.clear();
            self.hits.clear();
        }
        self.hits.push(self.look(topic));
        self.known.insert(topic.into(), self.hits.len() - 1);
        self.hits.len() - 1
    }

    /// The same without remembering.
    pub(crate) fn look(&self, topic: &str) -> Hit {
        let pattern = self.tree.find(topic);
        let captures = pattern.and_then(|at| self.patterns[at].captures(topic));
        let captures = captures.unwrap_or_default();
        Hit { pattern, captures }
    }
}
