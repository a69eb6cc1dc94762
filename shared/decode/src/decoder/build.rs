//! Compiling rule by rule, with what can only be said of several together.

use crate::Fault;
use crate::config::{self, Format, Retained};
use crate::fault::Faults;
use crate::format::Read;
use crate::formats::reader;
use crate::rule::{Files, Rule, compile};
use crate::topic::Pattern;

/// Compiles rule by rule.
pub(super) struct Builder<'b> {
    pub file: &'b mut Files<'b>,
    pub retained: Retained,
    pub faults: Vec<Fault>,
    pub rules: Vec<Rule>,
    pub readers: Vec<Box<dyn Read>>,
    pub reader_of: Vec<usize>,
    /// Topics, each with its rule.
    pub patterns: Vec<(Pattern, usize)>,
    pub any: Option<usize>,
}

impl Builder<'_> {
    pub(super) fn add(&mut self, index: usize, rule: &config::Rule, earlier: &[config::Rule]) {
        let faults = &mut Faults::new(index, &mut self.faults);
        if earlier.iter().any(|other| other.name == rule.name) {
            faults.help(
                &["name"],
                format!("another rule is called `{}`", rule.name),
                "give each rule a name of its own",
            );
        }
        let pattern = rule
            .topic
            .as_ref()
            .map(|topic| faults.check(&["topic"], Pattern::parse(topic)));
        let first = match &pattern {
            None => self.any,
            Some(Some(pattern)) => self
                .patterns
                .iter()
                .find(|(other, _)| other.covers(pattern))
                .map(|(_, rule)| *rule),
            Some(None) => None,
        };
        if let Some(first) = first {
            let message = format!(
                "rule `{}`, which comes first, takes all of its messages already",
                earlier[first].name
            );
            faults.help(
                &["topic"],
                message,
                "put the narrower topic first, or tell the messages apart within one rule",
            );
        }
        let pattern = pattern.flatten();
        let retained = rule.retained.unwrap_or(self.retained);
        let compiled = compile(rule, pattern.as_ref(), retained, self.file, faults);
        match pattern {
            Some(pattern) => self.patterns.push((pattern, index)),
            None if rule.topic.is_none() => self.any = self.any.or(Some(index)),
            None => {}
        }
        if let Some(mut compiled) = compiled {
            // What a source says about replayed messages is about values; whether a device is there
            // is always worth knowing, unless its own rule says otherwise.
            if compiled.plan.is_liveness() && rule.retained.is_none() {
                compiled.plan.retained = Retained::Accept;
            }
            self.rules.push(compiled);
        }
        self.add_reader(rule, earlier);
    }

    /// In Sparkplug one message explains another (births name the aliases of data, deaths belong to
    /// births), so that all of its rules have one reader.
    fn add_reader(&mut self, rule: &config::Rule, earlier: &[config::Rule]) {
        let shares = |other: &config::Rule| {
            rule.decoder == Format::Sparkplug && other.decoder == Format::Sparkplug
        };
        let reader_of = if let Some(other) = earlier.iter().position(shares) {
            self.reader_of[other]
        } else {
            self.readers.push(reader(rule));
            self.readers.len() - 1
        };
        self.reader_of.push(reader_of);
    }
}
