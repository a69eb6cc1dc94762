//! Checks `[[source]]` and its rules.

use std::collections::BTreeMap;

use eyot_decode::config::Rule;
use eyot_decode::{Fault, Mapping, Profile};

use super::{Check, MILLISECOND, broker};
use crate::config::raw;
use crate::config::tree::Node;
use crate::config::{Class, Journal, Publish, Source};

/// The report says why.
struct Reported;

impl Check<'_, '_> {
    /// Checks the sources; `None` stands for one that was reported, so that indices hold.
    pub(super) fn sources(
        &mut self,
        raw: Vec<raw::Source>,
        at: &Node<'_>,
        agent: &str,
    ) -> Vec<Option<Source>> {
        self.some_sources(&raw, at);
        raw.into_iter()
            .enumerate()
            .map(|(index, source)| self.source(source, &at.index(index), agent))
            .collect()
    }

    /// Reports missing sources and names that are not unique.
    pub(super) fn some_sources(&mut self, raw: &[raw::Source], at: &Node<'_>) {
        if raw.is_empty() {
            self.report
                .value(at, "there is no source to read from")
                .help("add a [[source]] with a name, a url and a [[source.rule]] or a profile");
        }
        self.unique_names(raw.iter().map(|source| source.name.as_str()), at);
    }

    fn source(&mut self, raw: raw::Source, at: &Node<'_>, agent: &str) -> Option<Source> {
        let mapping = self.mapping(&raw, at);
        if mapping.as_ref().is_some_and(|m| m.framing.is_some()) {
            let message = "serial lines are not read in this version";
            self.report
                .value(&at.first_of(["framing", "profile"]), message)
                .help("`eyot decode` tries their rules on bytes from a file");
            return None;
        }
        let publish = raw.publish.iter().enumerate().map(|(index, publish)| {
            let at = at.key("publish").index(index);
            self.topic_levels(&publish.topic, &at.key("topic"));
            Publish {
                topic: publish.topic.clone(),
                payload: publish.payload.clone(),
                every: self.duration(&publish.every, &at.key("every"), MILLISECOND.times(1000)),
            }
        });
        let publish = publish.collect();
        let is_topic = |topic: &String| !topic.is_empty() && !topic.contains(['+', '#']);
        if !raw.drops_topic.as_ref().is_none_or(is_topic) {
            let message = "must be one topic, without wildcards";
            self.report.value(&at.key("drops_topic"), message);
        }
        let broker = self.broker(&broker::Keys::from(&raw), at, || {
            format!("eyot-{agent}-{}", raw.name)
        })?;
        Some(Source {
            name: raw.name,
            broker,
            receive_maximum: raw.receive_maximum,
            broker_in_flight: raw.broker_in_flight,
            rate: raw.rate,
            drops_topic: raw.drops_topic,
            journaled: raw.journal,
            mapping: mapping?,
            rebirth: raw.rebirth,
            publish,
        })
    }

    /// A broker that has only so many messages under way sends no more than that for every commit.
    pub(super) fn ceilings(
        &mut self,
        sources: &[Option<Source>],
        journal: &Journal,
        root: &Node<'_>,
    ) {
        for (index, source) in sources.iter().enumerate() {
            let Some(source) = source else { continue };
            let (Some(rate), Some(ceiling)) = (source.rate, source.ceiling(journal)) else {
                continue;
            };
            if rate > ceiling {
                let message = format!(
                    "{rate} messages/s are expected, but with {} under way and commits that wait {:?} the broker sends no more than {ceiling:.0}",
                    source.window(),
                    journal.max_wait
                );
                let at = root.key("source").index(index).key("rate");
                self.report.value(&at, message).help(
                    "shorten [journal] max_wait, raise the broker's max_inflight_messages and broker_in_flight with it, or use version = \"5\"",
                );
            }
        }
    }

    /// What a source's messages mean.
    pub(super) fn mapping(&mut self, raw: &raw::Source, at: &Node<'_>) -> Option<Mapping> {
        let rules_at = at.key("rule");
        let profile = self.profile(raw, at).ok()?;
        if raw.rule.is_empty() && profile.is_none() {
            self.report
                .value(at, "the source has no rule, so it would read nothing")
                .help("add a [[source.rule]] with a name and a topic, or a profile");
            return None;
        }
        let mut rules = raw.rule.clone();
        for rule in &mut rules {
            rule.inherit(&raw.channels, raw.time_zone.as_deref());
        }
        let mut mapping = Mapping {
            ignore: raw.ignore.clone(),
            retained: raw.retained.unwrap_or_default(),
            framing: raw.framing,
            ..Mapping::default()
        };
        if let Some(profile) = profile {
            let zone = raw.time_zone.as_deref().or(profile.time_zone.as_deref());
            for mut rule in profile.rule {
                rule.inherit(&raw.channels, None);
                rule.inherit(&profile.channels, zone);
                rules.push(rule);
            }
            mapping.ignore.extend(profile.ignore);
            mapping.retained = raw.retained.or(profile.retained).unwrap_or_default();
            mapping.framing = raw.framing.or(profile.framing);
        }
        mapping.rules = rules;
        mapping.tables = self.tables(&raw.rule, &rules_at)?;
        if let Err(faults) = mapping.decoder() {
            for fault in faults {
                self.rule_fault(fault, raw, at);
            }
            return None;
        }
        Some(mapping)
    }

    /// The profile that a source names, if it names one; an error if there is none of that name.
    fn profile(&mut self, raw: &raw::Source, at: &Node<'_>) -> Result<Option<Profile>, Reported> {
        let Some(name) = &raw.profile else {
            if raw.base.is_some() {
                let message = "there is no profile whose topics it could be the base of";
                self.report.value(&at.key("base"), message);
            }
            return Ok(None);
        };
        let Some(mut profile) = Profile::named(name) else {
            let message = format!("there is no profile `{name}`");
            let fault = self.report.value(&at.key("profile"), message);
            fault.help("`eyot decode --help` lists them");
            fault.did_you_mean(name, Profile::names());
            return Err(Reported);
        };
        if let Some(base) = &raw.base {
            if profile.base.is_none() {
                let message = format!("the topics of profile `{name}` have no base to replace");
                self.report.value(&at.key("base"), message);
            }
            profile.rebase(base);
        }
        Ok(Some(profile))
    }

    /// Reads the lookup tables.
    fn tables(&mut self, rules: &[Rule], at: &Node<'_>) -> Option<BTreeMap<String, String>> {
        let mut tables = BTreeMap::new();
        let mut complete = true;
        for (index, rule) in rules.iter().enumerate() {
            let Some(lookup) = &rule.lookup else { continue };
            let path = self.base.join(&lookup.file);
            match std::fs::read_to_string(&path) {
                Ok(text) => _ = tables.insert(lookup.file.clone(), text),
                Err(error) => {
                    let message = format!("cannot read {}: {error}", path.display());
                    let at = at.index(index).key("lookup").key("file");
                    self.report.value(&at, message);
                    complete = false;
                }
            }
        }
        complete.then_some(tables)
    }

    /// Channels that a rule names and no class takes, and units that do not convert to the class's.
    pub(super) fn mapped_channels(
        &mut self,
        sources: &[Option<Source>],
        classes: &[Class],
        at: &Node<'_>,
    ) {
        if classes
            .iter()
            .any(|class| class.pipeline.unlisted.is_some())
        {
            return;
        }
        let listed = || classes.iter().flat_map(|class| &class.pipeline.channels);
        for (index, source) in sources.iter().enumerate() {
            let Some(source) = source else { continue };
            let at = at.index(index);
            for (rule_index, rule) in source.mapping.rules.iter().enumerate() {
                let values_at = at.key("rule").index(rule_index).key("values");
                for name in rule.values.keys() {
                    if !listed().any(|channel| channel.name == *name) {
                        let message = format!("no class has a channel `{name}`");
                        let fault = self.report.key(&values_at.key(name), message);
                        fault.did_you_mean(name, listed().map(|channel| channel.name.as_str()));
                    }
                }
                for (name, channel) in &rule.channels {
                    let units = listed().filter(|listed| listed.name == *name);
                    let units = units.filter_map(|listed| listed.unit.as_deref());
                    let Some(from) = &channel.unit else { continue };
                    for to in units {
                        if eyot_decode::conversion(from, to).is_none() {
                            let message =
                                format!("`{from}` does not convert to `{to}`, the class's unit");
                            let rule_at = at.key("rule").index(rule_index);
                            let in_rule = rule_at.key("channels").key(name).key("unit");
                            let in_source = at.key("channels").key(name).key("unit");
                            let node = if in_rule.exists() { in_rule } else { in_source };
                            self.report.value(&node, message);
                        }
                    }
                }
            }
        }
    }

    /// Reports a fault of a rule at the key that it is about.
    fn rule_fault(&mut self, fault: Fault, raw: &raw::Source, at: &Node<'_>) {
        let rule = at.key("rule").index(fault.rule);
        // What a rule takes over from its source stands there.
        let in_rule = fault
            .keys
            .iter()
            .fold(rule.clone(), |node, key| step(&node, key));
        let in_source = fault
            .keys
            .iter()
            .fold(at.clone(), |node, key| step(&node, key));
        let node = if in_rule.exists() {
            in_rule
        } else if in_source.exists() {
            in_source
        } else if fault.rule < raw.rule.len() {
            rule
        } else {
            at.key("profile")
        };
        let reported = self.report.value(&node, fault.message);
        reported.help = fault.help;
    }
}

/// One step down: an index of an array, or a key.
fn step<'t>(node: &Node<'t>, key: &str) -> Node<'t> {
    match key.parse() {
        Ok(index) if node.elements().next().is_some() => node.index(index),
        _ => node.key(key),
    }
}
