//! Profiles: what the messages of whole families of devices mean, ready to use.

use indexmap::IndexMap;
use serde::Deserialize;

use crate::config::{Channel, Retained, Rule};
use crate::{Framing, Mapping};

/// A profile as its file says; see `config/profiles`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is for, in one line.
    pub description: String,
    /// First levels of its topics, which a source may replace.
    pub base: Option<String>,
    /// How bytes become frames, if they come from a serial line.
    pub framing: Option<Framing>,
    /// MQTT filters of topics to pass over.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// What to do with messages that the broker replays.
    pub retained: Option<Retained>,
    /// IANA zone of times that name none.
    pub time_zone: Option<String>,
    /// How messages become readings.
    pub rule: Vec<Rule>,
    /// What is known of channels.
    #[serde(default)]
    pub channels: IndexMap<String, Channel>,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every profile that ships.
        const SHIPPED: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../config/profiles/", $name, ".toml"))),)*
        ];
    };
}

shipped!(
    "advantech",
    "aws-iot-shadow",
    "azure-iot",
    "chirpstack",
    "csv",
    "csv-continental",
    "esphome",
    "helium",
    "home-assistant",
    "ifm-iolink",
    "json",
    "kepserver",
    "key-value",
    "mbmd",
    "moxa-iothinx",
    "neuron",
    "nmea",
    "opcua-json",
    "p1",
    "sdi12",
    "senml",
    "senml-cbor",
    "shelly",
    "siemens-databus",
    "sparkplug",
    "tags",
    "tasmota",
    "telegraf",
    "telegraf-json",
    "teltonika",
    "the-things-stack",
    "thin-edge",
    "twincat",
    "uns",
    "value",
    "ve-direct",
    "venus-os",
    "wago",
    "weintek",
    "wise-paas",
    "wmbusmeters",
    "zigbee2mqtt",
);

/// Names and descriptions of the profiles.
pub fn profiles() -> impl Iterator<Item = (&'static str, String)> {
    SHIPPED
        .iter()
        .filter_map(|(name, _)| Some((*name, Profile::named(name)?.description)))
}

impl Profile {
    /// The profile of that name.
    pub fn named(name: &str) -> Option<Self> {
        let (_, text) = SHIPPED.iter().find(|(known, _)| *known == name)?;
        // A test reads every one of them.
        toml::from_str(text).ok()
    }

    /// Its mapping, as it is; `zone` is that of times that name none.
    pub fn mapping(self, zone: Option<&str>) -> Mapping {
        let mut rules = self.rule;
        let zone = zone.or(self.time_zone.as_deref());
        for rule in &mut rules {
            rule.inherit(&self.channels, zone);
        }
        Mapping {
            rules,
            ignore: self.ignore,
            retained: self.retained.unwrap_or_default(),
            framing: self.framing,
            ..Mapping::default()
        }
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// Puts other first levels before its topics.
    pub fn rebase(&mut self, onto: &str) {
        let Some(base) = &self.base else { return };
        let topics = self.rule.iter_mut().filter_map(|rule| rule.topic.as_mut());
        for topic in topics.chain(&mut self.ignore) {
            if let Some(rest) = topic.strip_prefix(base.as_str()) {
                *topic = format!("{onto}{rest}");
            }
        }
    }
}

impl Rule {
    /// Takes over what it does not say itself: channels, and the zone of times that name none.
    pub fn inherit(&mut self, channels: &IndexMap<String, Channel>, zone: Option<&str>) {
        for (name, channel) in channels {
            if !self.channels.contains_key(name) {
                self.channels.insert(name.clone(), channel.clone());
            }
        }
        if self.time_zone.is_none() {
            self.time_zone = zone.map(str::to_owned);
        }
    }
}

#[cfg(test)]
mod tests {
    use eyot_pipeline::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::Message;

    #[test]
    fn every_profile_can_be_read() {
        for (name, text) in SHIPPED {
            if let Err(error) = toml::from_str::<Profile>(text) {
                panic!("{name}: {error}");
            }
            let mapping = Profile::named(name).unwrap().mapping(None);
            if let Err(faults) = mapping.decoder() {
                panic!("{name}: {faults:#?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn no_payload_panics(payload in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..64),
            r#"[{\["]{1,3}(params|ZbReceived|state|fields|:|,|[0-9]|\}|\]|"|\{){0,20}"#
                .prop_map(String::into_bytes),
        ]) {
            for name in Profile::names() {
                let mapping = Profile::named(name).unwrap().mapping(None);
                let mut decoder = mapping.decoder().unwrap();
                for rule in &mapping.rules {
                    let topic = rule.topic.as_deref().unwrap_or_default();
                    // Nearly each of its topics, with the captures' names in place of what they stand for.
                    let topic: String = topic.replace(['{', '}', '+', '#'], "").replace("...", "/x");
                    let message = Message {
                        topic: &topic,
                        payload: &payload,
                        retained: false,
                        arrival: Timestamp(0),
                    };
                    decoder.message(&message, &mut |_| {});
                }
            }
        }
    }
}
