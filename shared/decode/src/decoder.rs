//! All rules of a source together.

mod build;
#[cfg(test)]
mod tests;
mod work;

use crate::config::{self, Retained};
use crate::fault::Faults;
use crate::format::{Read, Request};
use crate::json::Unmapped;
use crate::rule::{Buffers, Rule};
use crate::topic::{Pattern, Topics};
use crate::{Doc, Event, Fate, Fault, Message, MessageResult};

use build::Builder;
use work::Work;

/// Makes readings of messages, as a configuration says.
#[derive(Debug)]
pub struct Decoder {
    rules: Vec<Rule>,
    readers: Vec<Box<dyn Read>>,
    /// The reader of each rule.
    reader_of: Vec<usize>,
    /// What is to be ignored, then the rules that have a topic.
    topics: Topics,
    /// What each of those stands for; `None` is to be ignored.
    targets: Vec<Option<usize>>,
    /// The first rule without a topic, which takes all others.
    any: Option<usize>,
    filters: Vec<(Pattern, u8)>,
    report_unmapped: bool,
    doc: Doc,
    buffers: Buffers,
    unmapped: Unmapped,
    requests: Vec<Request>,
    /// Text that had to be converted to UTF-8.
    converted: String,
}

impl Decoder {
    /// Compiles a mapping.
    ///
    /// `ignore` are topic filters of messages to pass over, `retained` holds for rules that say nothing
    /// about replayed messages, and `file` reads the text of a lookup table by its name.
    ///
    /// # Errors
    /// All faults of all rules.
    pub fn compile(
        rules: &[config::Rule],
        ignore: &[String],
        retained: Retained,
        file: &mut dyn FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, Vec<Fault>> {
        let mut builder = Builder {
            file,
            retained,
            faults: Vec::new(),
            rules: Vec::new(),
            readers: Vec::new(),
            reader_of: Vec::new(),
            patterns: Vec::new(),
            any: None,
        };
        let mut ignored = Vec::new();
        for text in ignore {
            match Pattern::parse(text) {
                Ok(pattern) => ignored.push(pattern),
                // It belongs to no rule, so that it is told as a fault of all of them.
                Err(error) => Faults::new(rules.len(), &mut builder.faults).add(&["ignore"], error),
            }
        }
        for (index, rule) in rules.iter().enumerate() {
            builder.add(index, rule, &rules[..index]);
        }
        if !builder.faults.is_empty() {
            return Err(builder.faults);
        }
        let mut topics = Topics::default();
        let mut targets = Vec::new();
        for pattern in ignored {
            topics.add(pattern);
            targets.push(None);
        }
        let mut filters = Vec::new();
        for (pattern, rule) in builder.patterns {
            if !builder.rules[rule].plan.ignores() {
                filters.push((pattern.clone(), rules[rule].qos.unwrap_or(1)));
            }
            topics.add(pattern);
            targets.push(Some(rule));
        }
        Ok(Self {
            rules: builder.rules,
            readers: builder.readers,
            reader_of: builder.reader_of,
            topics,
            targets,
            any: builder.any,
            filters,
            report_unmapped: false,
            doc: Doc::new(),
            buffers: Buffers::default(),
            unmapped: Unmapped::default(),
            requests: Vec::new(),
            converted: String::new(),
        })
    }

    /// Whether fields that nothing maps are looked for and told as [`Event::Unmapped`]. At first not.
    pub fn report_unmapped(&mut self, report: bool) {
        self.report_unmapped = report;
    }

    /// Has every payload read as a whole, also where a rule looks only at some places.
    #[cfg(test)]
    pub(crate) fn read_whole(&mut self) {
        let rules = self.rules.iter_mut();
        rules.for_each(|rule| rule.plan.selection = None);
    }

    /// How many rules look only at some places.
    #[cfg(test)]
    pub(crate) fn selective(&self) -> usize {
        let rules = self.rules.iter();
        rules.filter(|rule| rule.plan.selection.is_some()).count()
    }

    /// Name of a rule by its position; `""` if there is none.
    #[must_use]
    pub fn rule_name(&self, rule: usize) -> &str {
        self.rules.get(rule).map_or("", |rule| &rule.plan.name)
    }

    /// MQTT filters to subscribe to, each with its quality of service. What another one lets through
    /// already is left out, since brokers may send a message once for every filter that it matches
    /// (MQTT 5.0 §3.3.4).
    #[must_use]
    pub fn subscriptions(&self) -> Vec<(String, u8)> {
        let filters = self
            .filters
            .iter()
            .map(|(pattern, qos)| (pattern.filter(), *qos));
        let filters: Vec<_> = filters
            .filter_map(|(text, qos)| Some((Pattern::parse(&text).ok()?, text, qos)))
            .collect();
        let mut chosen: Vec<(String, u8)> = Vec::new();
        for (i, (pattern, text, qos)) in filters.iter().enumerate() {
            let covered = filters.iter().enumerate().any(|(j, (wide, other, _))| {
                j != i && wide.covers(pattern) && (other != text || j < i)
            });
            if !covered {
                let below = filters.iter().filter(|(narrow, ..)| pattern.covers(narrow));
                chosen.push((
                    text.clone(),
                    below.map(|(.., qos)| *qos).max().unwrap_or(*qos),
                ));
            }
        }
        chosen
    }

    /// Everything that a message comes to, piece by piece.
    pub fn message(
        &mut self,
        message: &Message<'_>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> MessageResult {
        let hit = self.topics.find(message.topic);
        let rule = match hit.pattern.map(|at| self.targets[at]) {
            Some(None) => {
                return MessageResult {
                    rule: None,
                    fate: Fate::IgnoredByConfig,
                };
            }
            Some(Some(rule)) => Some(rule),
            None => self.any,
        };
        let Some(index) = rule else {
            return MessageResult {
                rule,
                fate: Fate::IgnoredNoRule,
            };
        };
        let mut work = Work {
            rule: &mut self.rules[index],
            reader: &mut *self.readers[self.reader_of[index]],
            captures: &hit.captures,
            report_unmapped: self.report_unmapped,
            doc: &mut self.doc,
            buffers: &mut self.buffers,
            unmapped: &mut self.unmapped,
            requests: &mut self.requests,
            converted: &mut self.converted,
        };
        MessageResult {
            rule,
            fate: work.message(message, sink),
        }
    }
}
