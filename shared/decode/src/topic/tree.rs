//! The tree of all patterns, level by level: what they have in common is compared once.

use std::collections::HashMap;

use regex::Regex;

use super::pattern::{Level, Pattern};

/// A tree of patterns. Every node knows the first pattern below it, so that branches which could only
/// bring a later one than was found already are not entered.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    /// First pattern at or below this node.
    first: usize,
    /// Pattern that ends here.
    end: usize,
    /// Pattern that goes on with `#`.
    rest: usize,
    literals: HashMap<Box<str>, usize, ahash::RandomState>,
    any: Option<usize>,
    one: Option<usize>,
    many: Option<usize>,
    parts: Vec<(Regex, usize)>,
}

/// No pattern: later than all.
const NONE: usize = usize::MAX;

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: vec![Node::new()],
        }
    }
}

impl Node {
    fn new() -> Self {
        Self {
            first: NONE,
            end: NONE,
            rest: NONE,
            literals: HashMap::default(),
            any: None,
            one: None,
            many: None,
            parts: Vec::new(),
        }
    }
}

impl Tree {
    /// Adds the pattern of number `index`.
    pub(super) fn add(&mut self, pattern: &Pattern, index: usize) {
        let mut at = 0;
        for level in pattern.levels() {
            let node = &mut self.nodes[at];
            node.first = node.first.min(index);
            at = match level {
                Level::Rest => {
                    node.rest = node.rest.min(index);
                    return;
                }
                level => self.child(at, level),
            };
        }
        let node = &mut self.nodes[at];
        node.first = node.first.min(index);
        node.end = node.end.min(index);
    }

    /// The first pattern that takes the topic.
    pub(super) fn find(&self, topic: &str) -> Option<usize> {
        let mut best = NONE;
        self.walk(0, Some(topic), true, &mut best);
        (best != NONE).then_some(best)
    }

    /// Where a level leads to from a node.
    fn child(&mut self, at: usize, level: &Level) -> usize {
        let new = self.nodes.len();
        let node = &mut self.nodes[at];
        let child = match level {
            Level::Literal(text) => *node.literals.entry(text.clone()).or_insert(new),
            Level::Any => *node.any.get_or_insert(new),
            Level::One(_) => *node.one.get_or_insert(new),
            Level::Many(_) | Level::Rest => *node.many.get_or_insert(new),
            Level::Part(part) => {
                let same = |(regex, _): &&(Regex, usize)| regex.as_str() == part.regex.as_str();
                if let Some((_, child)) = node.parts.iter().find(same) {
                    *child
                } else {
                    node.parts.push((part.regex.clone(), new));
                    new
                }
            }
        };
        if child == new {
            self.nodes.push(Node::new());
        }
        child
    }

    /// Goes on from a node with what is left of the topic; `None` if nothing is left.
    fn walk(&self, at: usize, topic: Option<&str>, top: bool, best: &mut usize) {
        let node = &self.nodes[at];
        if node.first >= *best {
            return;
        }
        // A wildcard in front does not match `$SYS` and its like (MQTT 5.0 §4.7.2).
        let wild = !(top && topic.is_some_and(|topic| topic.starts_with('$')));
        if wild {
            *best = node.rest.min(*best);
        }
        let Some(topic) = topic else {
            *best = node.end.min(*best);
            return;
        };
        let (level, rest) = match topic.split_once('/') {
            Some((level, rest)) => (level, Some(rest)),
            None => (topic, None),
        };
        if let Some(&child) = node.literals.get(level) {
            self.walk(child, rest, false, best);
        }
        if !wild {
            return;
        }
        if let Some(child) = node.any {
            self.walk(child, rest, false, best);
        }
        if let Some(child) = node.one.filter(|_| !level.is_empty()) {
            self.walk(child, rest, false, best);
        }
        for (regex, child) in &node.parts {
            if self.nodes[*child].first < *best && regex.is_match(level) {
                self.walk(*child, rest, false, best);
            }
        }
        if let Some(child) = node.many {
            let mut rest = rest;
            loop {
                self.walk(child, rest, false, best);
                match rest.map(|rest| rest.split_once('/')) {
                    None => break,
                    Some(Some((_, more))) => rest = Some(more),
                    Some(None) => rest = None,
                }
            }
        }
    }
}
