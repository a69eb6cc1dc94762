//! Checks `[[source]]` and its rules.

use indexmap::IndexMap;

use super::{Check, broker};
use crate::config::raw::{self, Decoder};
use crate::config::tree::Node;
use crate::config::{
    DecoderConfig, FieldPath, JsonConfig, Rule, Source, TopicLevel, TopicTemplate, ValueMapping,
    default,
};

impl Check<'_, '_> {
    /// Checks the sources; `None` stands for one that was reported, so that indices hold.
    pub(super) fn sources(
        &mut self,
        raw: Vec<raw::Source>,
        at: &Node<'_>,
        agent: &str,
        channels: &[&str],
    ) -> Vec<Option<Source>> {
        if raw.is_empty() {
            self.report
                .value(at, "there is no source to read from")
                .help("add a [[source]] with a name, a url and a [[source.rule]]");
        }
        self.unique_names(raw.iter().map(|source| source.name.as_str()), at);
        raw.into_iter()
            .enumerate()
            .map(|(index, source)| self.source(source, &at.index(index), agent, channels))
            .collect()
    }

    fn source(
        &mut self,
        raw: raw::Source,
        at: &Node<'_>,
        agent: &str,
        channels: &[&str],
    ) -> Option<Source> {
        let rules_at = at.key("rule");
        if raw.rule.is_empty() {
            self.report
                .value(at, "the source has no rule, so it would read nothing")
                .help("add a [[source.rule]] with a name, a topic and a decoder");
        }
        self.unique_names(raw.rule.iter().map(|rule| rule.name.as_str()), &rules_at);
        let rules: Vec<Option<Rule>> = raw
            .rule
            .iter()
            .enumerate()
            .map(|(index, rule)| self.rule(rule, &rules_at.index(index), channels))
            .collect();
        self.shadowed_rules(&rules, &rules_at);
        let broker = self.broker(&broker::Keys::from(&raw), at, || {
            format!("eyot-{agent}-{}", raw.name)
        })?;
        Some(Source {
            name: raw.name,
            broker,
            receive_maximum: raw.receive_maximum,
            retained: raw.retained,
            rules: rules.into_iter().flatten().collect(),
        })
    }

    /// The first rule that matches wins, so a second one for the same topics never would.
    fn shadowed_rules(&mut self, rules: &[Option<Rule>], at: &Node<'_>) {
        for (index, rule) in rules.iter().enumerate() {
            let Some(rule) = rule else { continue };
            let mut earlier = rules[..index].iter().flatten();
            if let Some(first) = earlier.find(|first| same_topics(&first.topic, &rule.topic)) {
                let message = format!(
                    "this rule is never reached: `{}` before it takes the same topics",
                    first.name
                );
                self.report.value(&at.index(index).key("topic"), message);
            }
        }
    }

    fn rule(&mut self, raw: &raw::Rule, at: &Node<'_>, channels: &[&str]) -> Option<Rule> {
        match raw.qos {
            0 | 1 => {}
            2 => self
                .report
                .value(&at.key("qos"), "2 is not supported")
                .help("1 loses nothing, and duplicates are recognised here"),
            _ => self
                .report
                .value(&at.key("qos"), "there are 0 and 1")
                .help("1 loses nothing when the agent or the link is down"),
        }
        let topic: Option<TopicTemplate> = self.parse(&raw.topic, &at.key("topic"));
        let decoder = match raw.decoder {
            Decoder::Json => self.json(raw, at, channels).map(DecoderConfig::Json),
            Decoder::Value => {
                self.no_json_keys(at);
                Some(DecoderConfig::Value)
            }
        };
        if let Some(topic) = &topic {
            self.device_and_channel(raw, topic, at);
        }
        Some(Rule {
            name: raw.name.clone(),
            topic: topic?,
            qos: raw.qos,
            decoder: decoder?,
        })
    }

    fn no_json_keys(&mut self, at: &Node<'_>) {
        for key in [
            "time",
            "time_format",
            "device",
            "channel",
            "value",
            "values",
        ] {
            let node = at.key(key);
            if node.exists() {
                self.report
                    .key(&node, "a bare value has no fields")
                    .help("leave it out, or set decoder = \"json\"");
            }
        }
    }

    fn json(&mut self, raw: &raw::Rule, at: &Node<'_>, channels: &[&str]) -> Option<JsonConfig> {
        let [time, device, channel, value] = [
            (&raw.time, "time"),
            (&raw.device, "device"),
            (&raw.channel, "channel"),
            (&raw.value, "value"),
        ]
        .map(|(path, key)| {
            let path = path.as_deref()?;
            self.parse::<FieldPath>(path, &at.key(key))
        });
        if raw.time_format.is_some() && raw.time.is_none() {
            self.report.value(
                &at.key("time_format"),
                "there is no `time` to be in this format",
            );
        }
        let values_at = at.key("values");
        let many = raw
            .values
            .as_ref()
            .map(|values| self.values(values, &values_at, channels));
        let values = match (&raw.value, many) {
            (Some(_), None) => value.map(ValueMapping::One),
            (None, Some(many)) => Some(ValueMapping::Many(many)),
            (Some(_), Some(_)) => {
                let message = "there are both `value` and `values`; keep one";
                self.report.value(&at.key("value"), message);
                None
            }
            (None, None) => {
                self.report
                    .value(at, "the rule says nothing about where the values are")
                    .help(
                        "add value = \"field\", or [source.rule.values] with channel = \"field\"",
                    );
                None
            }
        };
        Some(JsonConfig {
            time,
            time_format: raw.time_format.unwrap_or(default::TIME_FORMAT),
            device,
            channel,
            values: values?,
        })
    }

    fn values(
        &mut self,
        values: &IndexMap<String, String>,
        at: &Node<'_>,
        channels: &[&str],
    ) -> Vec<(String, FieldPath)> {
        if values.is_empty() {
            self.report
                .value(at, "no values are listed")
                .help("write channel = \"field\" for each");
        }
        let mut many = Vec::with_capacity(values.len());
        for (channel, path) in values {
            let node = at.key(channel);
            if !channels.contains(&channel.as_str()) {
                let message = format!("no class has a channel `{channel}`");
                let fault = self.report.key(&node, message);
                fault.did_you_mean(channel, channels.iter().copied());
            }
            if let Some(path) = self.parse(path, &node) {
                many.push((channel.clone(), path));
            }
        }
        many
    }

    /// Every reading needs a device and a channel, each from one place.
    fn device_and_channel(&mut self, raw: &raw::Rule, topic: &TopicTemplate, at: &Node<'_>) {
        let json = raw.decoder == Decoder::Json;
        let captured = |level| topic.levels.contains(&level).then_some("the topic");
        let from_field = |field: &Option<String>, name| (json && field.is_some()).then_some(name);
        let mapped = (json && raw.values.is_some()).then_some("`values`");
        for (what, places) in [
            (
                "device",
                [
                    captured(TopicLevel::Device),
                    from_field(&raw.device, "the key `device`"),
                    None,
                ],
            ),
            (
                "channel",
                [
                    captured(TopicLevel::Channel),
                    from_field(&raw.channel, "the key `channel`"),
                    mapped,
                ],
            ),
        ] {
            let given: Vec<&str> = places.into_iter().flatten().collect();
            if given.is_empty() {
                let message = format!("nothing says which {what} a reading is of");
                let help = if json {
                    format!("capture {{{what}}} in the topic, or add {what} = \"field\"")
                } else {
                    format!("capture {{{what}}} in the topic")
                };
                self.report.value(&at.key("topic"), message).help(help);
            } else if given.len() > 1 {
                let message = format!(
                    "the {what} is given by {}; keep one",
                    given.join(" and by ")
                );
                self.report.value(&at.key("topic"), message);
            }
        }
    }
}

/// Whether two templates subscribe to the same topics, whatever they capture.
fn same_topics(a: &TopicTemplate, b: &TopicTemplate) -> bool {
    let literal = |level: &TopicLevel| match level {
        TopicLevel::Literal(text) => Some(text.clone()),
        _ => None,
    };
    a.levels
        .iter()
        .map(literal)
        .eq(b.levels.iter().map(literal))
}
