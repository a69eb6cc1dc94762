//! Where a topic leads, remembered topic by topic.

use std::collections::HashMap;
use std::sync::Arc;

use eyot_pipeline::reading::ChannelIndex;

use super::topic;
use crate::actors::{DeviceEntry, Resolution};
use crate::config::{DecoderConfig, Rule, TimeFormat};
use crate::decode::{self, Decode};

/// Topics remembered. Beyond it all are forgotten: a source with more of them than this has other
/// troubles than looking names up again.
const REMEMBERED: usize = 100_000;

/// A rule ready for use.
pub(super) struct CompiledRule {
    pub(super) name: String,
    pub(super) decoder: Box<dyn Decode>,
    /// Channel names of the decoder's values, where the mapping gives them.
    pub(super) channels: Vec<Option<String>>,
    /// How the time field is written, if there is one.
    pub(super) time_format: Option<TimeFormat>,
    template: crate::config::TopicTemplate,
}

/// Where a topic leads.
#[derive(Debug, Clone)]
pub(super) enum Route {
    /// To a device.
    Device {
        /// Which.
        entry: Arc<DeviceEntry>,
        /// And to which of its channels.
        channel: Channel,
    },
    /// The payload names the device.
    InPayload {
        /// The channel, as far as the topic says.
        channel: TopicChannel,
    },
    /// No class takes the device.
    NoClass,
    /// There are too many devices.
    LimitReached,
}

/// A channel as the topic tells it.
#[derive(Debug, Clone)]
pub(super) struct TopicChannel(Option<String>);

impl TopicChannel {
    /// The route, now that the device is known.
    pub(super) fn of(&self, device: Resolution) -> Route {
        let entry = match device {
            Resolution::Device(entry) => entry,
            Resolution::NoClass => return Route::NoClass,
            Resolution::LimitReached => return Route::LimitReached,
        };
        let channel = match &self.0 {
            None => Channel::InPayload,
            Some(name) => match entry.class.config.channel_index(name) {
                Some(index) => Channel::Known(index),
                None => Channel::Unknown,
            },
        };
        Route::Device { entry, channel }
    }
}

/// A channel as the route knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// This one.
    Known(ChannelIndex),
    /// The payload or the mapping says.
    InPayload,
    /// The topic says, and the class has no such channel.
    Unknown,
}

/// The rules of a source, and the topics seen.
pub(super) struct Router {
    rules: Vec<CompiledRule>,
    /// Position in `routes` by topic.
    seen: HashMap<Box<str>, usize, ahash::RandomState>,
    /// Rule and route.
    routes: Vec<(usize, Route)>,
}

impl Router {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let compile = |rule: &Rule| {
            let (decoder, channels) = decode::decoder(&rule.decoder);
            CompiledRule {
                name: rule.name.clone(),
                decoder,
                channels,
                time_format: match &rule.decoder {
                    DecoderConfig::Json(json) => json.time.as_ref().map(|_| json.time_format),
                    DecoderConfig::Value => None,
                },
                template: rule.topic.clone(),
            }
        };
        Self {
            rules: rules.iter().map(compile).collect(),
            seen: HashMap::default(),
            routes: Vec::new(),
        }
    }

    /// The rule and the route of a topic; `None` if no rule matches. `resolve` finds a device.
    pub(super) fn route(
        &mut self,
        topic: &str,
        resolve: impl FnOnce(&str) -> Resolution,
    ) -> Option<(&CompiledRule, &Route)> {
        let at = match self.seen.get(topic) {
            Some(at) => *at,
            None => self.learn(topic, resolve)?,
        };
        let (rule, route) = &self.routes[at];
        Some((&self.rules[*rule], route))
    }

    /// Finds the route of a topic that was not seen before, and remembers it.
    fn learn(&mut self, topic: &str, resolve: impl FnOnce(&str) -> Resolution) -> Option<usize> {
        let (rule, captures) = self
            .rules
            .iter()
            .enumerate()
            .find_map(|(i, rule)| Some((i, topic::capture(&rule.template, topic)?)))?;
        let channel = TopicChannel(captures.channel);
        let route = match captures.device {
            Some(name) => channel.of(resolve(&name)),
            None => Route::InPayload { channel },
        };
        if self.routes.len() >= REMEMBERED {
            self.seen.clear();
            self.routes.clear();
        }
        let at = self.routes.len();
        self.routes.push((rule, route));
        self.seen.insert(topic.into(), at);
        Some(at)
    }
}
