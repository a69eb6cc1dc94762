//! From readings to messages: which readings share one, its topic and its bytes.

use std::fmt;
use std::iter::Peekable;
use std::str::FromStr;

use eyot_pipeline::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Message;
use super::fleet::{Event, device_name, site_name};
use super::pace::Due;
use super::pump::CHANNELS;

/// The form of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// One reading: `{"ts":1767225600123,"v":41.5}`.
    Reading,
    /// A device's sample: `{"ts":1767225600123,"vibration":2.1,"temperature":41.5,…}`.
    Object,
    /// One reading's number alone: `41.5`.
    Value,
    /// One reading as a line of CSV under [`CSV_HEADER`], for people and scripts.
    #[value(skip)]
    Csv,
}

/// The columns of [`Form::Csv`]; times are RFC 3339.
pub const CSV_HEADER: &str = "send_at,time,device,channel,value";

impl Form {
    /// The topics used unless others are asked for.
    pub const fn default_topic(self) -> &'static str {
        match self {
            Self::Object => "plant/{site}/{device}",
            Self::Reading | Self::Value | Self::Csv => "plant/{site}/{device}/{channel}",
        }
    }
}

/// A topic with `{site}`, `{device}` and `{channel}` to be filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Site,
    Device,
    Channel,
}

/// The text is no topic to publish to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// A name in braces that means nothing.
    #[error("topic `{topic}`: `{{{name}}}` is none of {{site}}, {{device}} and {{channel}}")]
    UnknownName {
        /// The topic as written.
        topic: String,
        /// What stands in the braces.
        name: String,
    },
    /// A brace without its partner.
    #[error("topic `{topic}`: a brace is not closed")]
    Unclosed {
        /// The topic as written.
        topic: String,
    },
    /// A filter, or nothing at all.
    #[error("topic `{topic}` cannot be published to: it is empty or has a wildcard (`+`, `#`)")]
    NotATopic {
        /// The topic as written.
        topic: String,
    },
    /// A message without a channel of its own cannot fill one in, and one that has must name it.
    #[error("topic `{topic}`: {why}")]
    Channel {
        /// The topic as written.
        topic: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The messages know no site.
    #[error("topic `{topic}`: a recording has no site; write it out")]
    Site {
        /// The topic as written.
        topic: String,
    },
}

impl FromStr for Topic {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, TopicError> {
        let topic = || text.to_owned();
        if text.is_empty() || text.contains(['+', '#']) {
            return Err(TopicError::NotATopic { topic: topic() });
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| TopicError::Unclosed { topic: topic() })?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(match name {
                "site" => Part::Site,
                "device" => Part::Device,
                "channel" => Part::Channel,
                _ => {
                    return Err(TopicError::UnknownName {
                        topic: topic(),
                        name: name.to_owned(),
                    });
                }
            });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }
}

impl fmt::Display for Topic {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Site => f.write_str("{site}"),
            Part::Device => f.write_str("{device}"),
            Part::Channel => f.write_str("{channel}"),
        })
    }
}

impl Topic {
    /// The topic with its names filled in.
    pub fn fill(&self, site: &str, device: &str, channel: &str) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text,
                Part::Site => site,
                Part::Device => device,
                Part::Channel => channel,
            })
            .collect()
    }

    /// This topic, if it can be filled in for messages that do or do not have a channel of their own.
    pub fn for_channels(self, one_each: bool) -> Result<Self, TopicError> {
        let why = match (one_each, self.0.contains(&Part::Channel)) {
            (true, false) => "a message is one channel's, so it needs {channel}",
            (false, true) => "a message holds several channels, so it cannot have {channel}",
            _ => return Ok(self),
        };
        Err(TopicError::Channel {
            topic: self.to_string(),
            why,
        })
    }

    /// This topic, if it can be filled in without a site.
    pub fn without_site(self) -> Result<Self, TopicError> {
        if self.0.contains(&Part::Site) {
            return Err(TopicError::Site {
                topic: self.to_string(),
            });
        }
        Ok(self)
    }
}

/// Turns samples into messages.
#[derive(Debug, Clone)]
pub struct Encoder {
    form: Form,
    topic: Topic,
    /// Size that JSON objects are brought up to with a `pad` field, bytes; 0 for none.
    pad: usize,
}

impl Encoder {
    /// An encoder for `form`; JSON objects smaller than `pad` bytes are filled up with a `pad` field.
    pub fn new(form: Form, topic: Topic, pad: usize) -> Result<Self, TopicError> {
        let topic = topic.for_channels(form != Form::Object)?;
        Ok(Self { form, topic, pad })
    }

    /// The message for a sample.
    pub fn encode(&self, sample: &Sample) -> Message {
        let device = device_name(sample.device);
        let event = sample.first();
        let channel = CHANNELS[event.channel].name;
        let payload = match self.form {
            Form::Reading => json(event.time, [("v", event.value)], self.pad),
            Form::Object => {
                let fields = sample.events.iter();
                let fields = fields.map(|event| (CHANNELS[event.channel].name, event.value));
                json(event.time, fields, self.pad)
            }
            Form::Value => event.value.to_string().into_bytes(),
            Form::Csv => {
                let (send_at, time) = (super::rfc3339(event.send_at), super::rfc3339(event.time));
                format!("{send_at},{time},{device},{channel},{}", event.value).into_bytes()
            }
        };
        Message {
            topic: self.topic.fill(&site_name(sample.device), &device, channel),
            payload,
        }
    }
}

/// `{"ts": milliseconds, field: value, …}`, at least `size` bytes long if a `pad` field can make it so.
pub(super) fn json<'a>(
    time: Timestamp,
    fields: impl IntoIterator<Item = (&'a str, f64)> + Clone,
    size: usize,
) -> Vec<u8> {
    const PAD_FIELD: &[u8] = br#","pad":"""#;
    let mut bytes = serde_json::to_vec(&Object { time, fields })
        .unwrap_or_else(|error| unreachable!("text keys and finite numbers are JSON: {error}"));
    if let Some(filler) = size.checked_sub(bytes.len() + PAD_FIELD.len()) {
        bytes.truncate(bytes.len() - 1);
        bytes.extend_from_slice(&PAD_FIELD[..PAD_FIELD.len() - 1]);
        bytes.resize(bytes.len() + filler, b'x');
        bytes.extend_from_slice(b"\"}");
    }
    bytes
}

struct Object<F> {
    time: Timestamp,
    fields: F,
}

impl<'a, F: IntoIterator<Item = (&'a str, f64)> + Clone> Serialize for Object<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("ts", &self.time.0.div_euclid(1_000_000))?;
        for (name, value) in self.fields.clone() {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

/// Readings of one device that travel in one message; at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Number of the device.
    pub device: u32,
    /// The readings, by channel.
    pub events: Vec<Event>,
}

impl Sample {
    /// The first of its readings, which speaks for all: they share times and delivery.
    pub fn first(&self) -> &Event {
        &self.events[0]
    }
}

impl Due for Sample {
    fn due(&self) -> Timestamp {
        self.first().send_at
    }
}

/// Groups events into samples.
#[derive(Debug, Clone)]
pub struct Samples<I: Iterator<Item = Event>> {
    events: Peekable<I>,
    together: bool,
}

impl<I: Iterator<Item = Event>> Samples<I> {
    /// One sample an event, or, for [`Form::Object`], one for all events of a device with the same
    /// event time and send time.
    pub fn new(events: I, form: Form) -> Self {
        Self {
            events: events.peekable(),
            together: form == Form::Object,
        }
    }
}

impl<I: Iterator<Item = Event>> Iterator for Samples<I> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        let first = self.events.next()?;
        let mut events = vec![first];
        while self.together {
            let belongs = |event: &Event| {
                (event.device, event.time, event.send_at)
                    == (first.device, first.time, first.send_at)
            };
            match self.events.next_if(belongs) {
                Some(event) => events.push(event),
                None => break,
            }
        }
        Some(Sample {
            device: first.device,
            events,
        })
    }
}

#[cfg(test)]
mod tests;
