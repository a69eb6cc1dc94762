//! From messages to devices: topic to route, payload to readings, readings to batches.
//!
//! An [`Ingest`] belongs to one source. Messages of a burst are decoded and staged device by device;
//! [`Ingest::flush`] admits what is staged and hands each device one batch. This is where the journal
//! will stand: between staging and admission, and before the acknowledgement.

mod route;
mod source;
mod topic;

use std::sync::Arc;
use std::time::Instant;

use eyot_pipeline::ledger::{MessageFate, ReadingFate, SourceBook};
use eyot_pipeline::reading::ChannelIndex;
use eyot_pipeline::{Reading, Timestamp};
use ractor::ActorRef;

use self::route::{Channel, Route, Router};
pub use self::source::{SourceActor, SourceArguments, SourceMessage};
use crate::actors::{Batch, DeviceEntry, Fleet, FleetMessage, Permit};
use crate::books::Book;
use crate::config;
use crate::decode::{self, Decoded, Scalar};
use crate::store::{DeadLetter, StoreHandle};

/// What a source needs from the rest of the agent.
#[derive(Clone)]
pub struct Surroundings {
    /// The devices.
    pub fleet: Arc<Fleet>,
    /// Their supervisor.
    pub fleet_actor: ActorRef<FleetMessage>,
    /// For dead letters.
    pub store: StoreHandle,
}

/// A message as it came.
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    /// Topic, unchecked.
    pub topic: &'m [u8],
    /// Payload.
    pub payload: &'m [u8],
    /// Whether the broker replays it.
    pub retained: bool,
}

/// Readings of one device waiting for the end of the burst.
struct Stage {
    entry: Arc<DeviceEntry>,
    readings: Vec<Reading>,
}

/// One source's way in.
pub struct Ingest {
    router: Router,
    book: Arc<Book>,
    around: Surroundings,
    retained: bool,
    /// One for each device heard in this burst, in the order of hearing.
    stages: Vec<Stage>,
    entries: Entries,
}

/// What the messages of a burst came to, to be entered in the books at once.
#[derive(Default)]
struct Entries {
    messages: [u64; MessageFate::COUNT],
    readings: u64,
    settled: [u64; ReadingFate::COUNT],
    unmapped: u64,
}

impl Entries {
    /// A reading that goes no further.
    fn settle(&mut self, fate: ReadingFate) {
        self.readings += 1;
        self.settled[fate as usize] += 1;
    }

    fn write(&mut self, book: &mut SourceBook) {
        for (fate, n) in MessageFate::ALL.iter().zip(self.messages) {
            book.receive_messages(n);
            book.settle_messages(*fate, n);
        }
        book.receive_readings(self.readings);
        for (fate, n) in ReadingFate::ALL.iter().zip(self.settled) {
            book.settle_readings(*fate, n);
        }
        book.unmapped_fields += self.unmapped;
        *self = Self::default();
    }
}

impl Ingest {
    /// The way in for a source.
    pub fn new(source: &config::Source, book: Arc<Book>, around: Surroundings) -> Self {
        Self {
            router: Router::new(&source.rules),
            retained: source.retained,
            stages: Vec::new(),
            entries: Entries::default(),
            book,
            around,
        }
    }

    /// Decodes a message that arrived at `now` and stages its readings.
    pub fn message(&mut self, message: Message<'_>, now: Timestamp) {
        let fate = self.decode(message, now);
        self.entries.messages[fate as usize] += 1;
    }

    fn decode(&mut self, message: Message<'_>, now: Timestamp) -> MessageFate {
        if message.retained && !self.retained {
            return MessageFate::IgnoredRetained;
        }
        let Ok(topic) = std::str::from_utf8(message.topic) else {
            let detail = "the topic is not UTF-8".to_owned();
            return self.dead_letter(message, MessageFate::DeadLetteredTopic, detail);
        };
        let around = &self.around;
        let Some((rule, route)) = self.router.route(topic, |name| {
            around.fleet.resolve(name, &around.fleet_actor)
        }) else {
            return MessageFate::IgnoredNoRule;
        };
        if matches!(route, Route::NoClass) {
            return MessageFate::IgnoredNoClass;
        }
        let decoded = match rule.decoder.decode(message.payload) {
            Ok(decoded) => decoded,
            Err(error) => {
                let detail = format!("rule {}: {error}", rule.name);
                return self.dead_letter(message, MessageFate::DeadLetteredPayload, detail);
            }
        };
        let entries = &mut self.entries;
        let before = entries.readings;
        entries.unmapped += decoded.unmapped;
        let found = Found::new(&decoded, rule, now);
        // Where the topic does not name the device, the payload does.
        let named;
        let route = match route {
            Route::InPayload { channel } => {
                let Scalar::Text(name) = &decoded.device else {
                    let detail = format!("rule {}: no device name in the payload", rule.name);
                    return self.dead_letter(message, MessageFate::DeadLetteredPayload, detail);
                };
                named = channel.of(around.fleet.resolve(name, &around.fleet_actor));
                &named
            }
            route => route,
        };
        match route {
            Route::Device { entry, channel } => {
                found.stage(entry, *channel, &mut self.stages, entries);
            }
            Route::LimitReached => found.reject(ReadingFate::RejectedDeviceLimit, entries),
            Route::NoClass | Route::InPayload { .. } => return MessageFate::IgnoredNoClass,
        }
        if entries.readings == before {
            return MessageFate::IgnoredUnmapped;
        }
        MessageFate::Decoded
    }

    fn dead_letter(&self, message: Message<'_>, fate: MessageFate, detail: String) -> MessageFate {
        let letter = DeadLetter {
            source: self.book.source().to_owned(),
            topic: String::from_utf8_lossy(message.topic).into_owned(),
            reason: fate.reason(),
            detail,
            payload: message.payload.to_vec(),
        };
        // Without waiting: a flood of rubbish must not stop the readings behind it.
        match self.around.store.try_dead_letter(letter) {
            Ok(()) => fate,
            Err(_) => MessageFate::DroppedStoreFull,
        }
    }

    /// Ends the burst: enters it in the books, admits what is staged and sends it off.
    pub fn flush(&mut self, now: Timestamp) {
        self.book.enter(|book| self.entries.write(book));
        let arrived = Instant::now();
        for stage in self.stages.drain(..) {
            let Stage {
                entry,
                mut readings,
            } = stage;
            let admission =
                Permit::request(&self.around.fleet.gate, &entry, &self.book, readings.len());
            let permit = admission.permit;
            if let Some(fate) = admission.refused {
                let refused = (readings.len() - permit.readings()) as u64;
                self.book.enter(|book| book.settle_readings(fate, refused));
                readings.truncate(permit.readings());
            }
            if readings.is_empty() {
                continue;
            }
            let batch = Batch {
                readings,
                admitted: now,
                arrived,
                permit,
            };
            if let Err(refusal) = entry.deliver(batch) {
                refusal.batch.permit.settle_all(refusal.fate);
            }
        }
    }
}

/// The mapped content of one message.
struct Found<'d, 'p> {
    decoded: &'d Decoded<'p>,
    rule: &'d route::CompiledRule,
    /// Event time, or none if the field is there and cannot be read.
    time: Option<Timestamp>,
}

impl<'d, 'p> Found<'d, 'p> {
    fn new(decoded: &'d Decoded<'p>, rule: &'d route::CompiledRule, now: Timestamp) -> Self {
        let time = match (&decoded.time, rule.time_format) {
            (Scalar::Absent | Scalar::Null, _) | (_, None) => Some(now),
            (scalar, Some(format)) => decode::event_time(scalar, format),
        };
        Self {
            decoded,
            rule,
            time,
        }
    }

    /// Stages every value that is a reading and settles those that are none.
    fn stage(
        &self,
        entry: &Arc<DeviceEntry>,
        channel: Channel,
        stages: &mut Vec<Stage>,
        entries: &mut Entries,
    ) {
        for (i, scalar) in self.decoded.values.iter().enumerate() {
            if *scalar == Scalar::Absent {
                continue;
            }
            let Some(index) = self.channel(entry, channel, i) else {
                entries.unmapped += 1;
                continue;
            };
            match self.reading(index, scalar) {
                Ok(reading) => {
                    entries.readings += 1;
                    stage(stages, entry, reading);
                }
                Err(fate) => entries.settle(fate),
            }
        }
    }

    /// The class's channel that value `i` belongs to; `None` if the class has none of that name.
    fn channel(&self, entry: &DeviceEntry, channel: Channel, i: usize) -> Option<ChannelIndex> {
        let class = &entry.class.config;
        match (&self.rule.channels[i], channel, &self.decoded.channel) {
            (Some(name), _, _) => class.channel_index(name),
            (None, Channel::Known(index), _) => Some(index),
            (None, Channel::InPayload, Scalar::Text(name)) => class.channel_index(name),
            (None, Channel::InPayload | Channel::Unknown, _) => None,
        }
    }

    fn reading(&self, channel: ChannelIndex, scalar: &Scalar<'_>) -> Result<Reading, ReadingFate> {
        let value = match scalar {
            Scalar::Int(n) => *n as f64,
            Scalar::Float(x) => *x,
            Scalar::Null => return Err(ReadingFate::Missing),
            Scalar::Text(_) | Scalar::Other(_) | Scalar::Absent => {
                return Err(ReadingFate::RejectedValue);
            }
        };
        let time = self.time.ok_or(ReadingFate::RejectedTime)?;
        Ok(Reading {
            time,
            value,
            channel,
        })
    }

    fn reject(&self, fate: ReadingFate, entries: &mut Entries) {
        let present = |scalar: &&Scalar<'_>| **scalar != Scalar::Absent;
        for _ in self.decoded.values.iter().filter(present) {
            entries.settle(fate);
        }
    }
}

fn stage(stages: &mut Vec<Stage>, entry: &Arc<DeviceEntry>, reading: Reading) {
    // Readings of a device come in runs, so it is nearly always the last one.
    match stages
        .iter_mut()
        .rev()
        .find(|s| Arc::ptr_eq(&s.entry, entry))
    {
        Some(stage) => stage.readings.push(reading),
        None => stages.push(Stage {
            entry: Arc::clone(entry),
            readings: vec![reading],
        }),
    }
}
