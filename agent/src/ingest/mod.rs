//! From messages to devices: bytes to readings, readings to batches.
//!
//! An [`Ingest`] belongs to one source. Messages of a burst are decoded and staged device by device;
//! [`Ingest::flush`] admits what is staged and hands each device one batch. This is where the journal
//! will stand: between staging and admission, and before the acknowledgement.

mod assets;
mod collect;
mod names;
mod source;
mod subscription;
mod unmapped;

use std::sync::Arc;
use std::time::Instant;

use eyot_decode::Decoder;
use eyot_pipeline::ledger::{MessageFate, ReadingFate, SourceBook};
use eyot_pipeline::{Reading, Timestamp};
use ractor::ActorRef;

pub use self::assets::Assets;
pub(crate) use self::collect::{Collect, Nowhere, World};
use self::names::Names;
pub use self::source::{SourceActor, SourceArguments, SourceMessage};
use self::unmapped::Unmapped;
use crate::actors::{Batch, DeviceEntry, Fleet, FleetMessage, Permit};
use crate::books::Book;
use crate::config;
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
    /// Which channels belong together.
    pub assets: Arc<Assets>,
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

/// Something that a decoder wants to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

/// Readings of one device waiting for the end of the burst.
struct Stage {
    entry: Arc<DeviceEntry>,
    readings: Vec<Reading>,
}

/// One source's way in.
pub struct Ingest {
    decoder: Decoder,
    names: Names,
    book: Arc<Book>,
    around: Surroundings,
    /// One for each device heard in this burst, in the order of hearing.
    stages: Vec<Stage>,
    entries: Entries,
    unmapped: Unmapped,
    requests: Vec<Request>,
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
    ///
    /// # Panics
    /// If the source's mapping has faults, which a checked configuration has not.
    pub fn new(source: &config::Source, book: Arc<Book>, around: Surroundings) -> Self {
        let mut decoder = source.mapping.decoder().expect("a checked mapping");
        decoder.report_unmapped(true);
        Self {
            decoder,
            names: Names::default(),
            stages: Vec::new(),
            entries: Entries::default(),
            unmapped: Unmapped::new(&source.name),
            requests: Vec::new(),
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
        let Ok(topic) = std::str::from_utf8(message.topic) else {
            let detail = "the topic is not UTF-8".to_owned();
            return self.dead_letter(message, MessageFate::DeadLetteredTopic, detail);
        };
        let whole = eyot_decode::Message {
            topic,
            payload: message.payload,
            retained: message.retained,
            arrival: now,
        };
        let mut collect = Collect::new(
            now,
            Live {
                now,
                around: &self.around,
                names: &mut self.names,
                stages: &mut self.stages,
                entries: &mut self.entries,
                unmapped: &mut self.unmapped,
                requests: &mut self.requests,
            },
        );
        let result = self
            .decoder
            .message(&whole, &mut |event| collect.event(event));
        match collect.fate(result.fate) {
            Ok(fate) => fate,
            Err(error) => {
                let rule = result.rule.map_or("", |rule| self.decoder.rule_name(rule));
                let detail = format!("rule {rule}: {error}");
                self.dead_letter(message, MessageFate::DeadLetteredPayload, detail)
            }
        }
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

    /// What the decoder has asked for since this was last called.
    pub(crate) fn requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    /// MQTT filters that the rules want, each with the quality of service.
    pub(crate) fn subscriptions(&self) -> Vec<(String, u8)> {
        self.decoder.subscriptions()
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

/// The running agent, as the events of one message see it.
struct Live<'i> {
    now: Timestamp,
    around: &'i Surroundings,
    names: &'i mut Names,
    stages: &'i mut Vec<Stage>,
    entries: &'i mut Entries,
    unmapped: &'i mut Unmapped,
    requests: &'i mut Vec<Request>,
}

/// Requests kept of one burst at most.
const MAX_REQUESTS: usize = 64;

impl World for Live<'_> {
    type Place = usize;

    fn place(&mut self, device: &str, channel: &str, unit: &str) -> Result<usize, Nowhere> {
        self.names.place(device, channel, unit, self.around)
    }

    fn receive(&mut self, n: u64) {
        self.entries.readings += n;
    }

    fn stage(&mut self, place: usize, time: Timestamp, value: f64, unit: &str) -> bool {
        let Some(slot) = self.names.slot(place) else {
            return false;
        };
        let Some(value) = slot.convert(value, unit) else {
            return false;
        };
        let channel = slot.channel;
        staged(self.stages, &slot.entry).push(Reading {
            time,
            value,
            channel,
        });
        true
    }

    fn settle(&mut self, fate: ReadingFate, n: u64) {
        self.entries.settled[fate as usize] += n;
    }

    fn unmapped(&mut self, path: &str) {
        self.entries.unmapped += 1;
        self.unmapped.found(path);
    }

    fn liveness(&mut self, device: &str, online: bool) {
        self.around.fleet.liveness(device, online, self.now);
    }

    fn request(&mut self, topic: &str, payload: &[u8]) {
        if self.requests.len() < MAX_REQUESTS {
            self.requests.push(Request {
                topic: topic.to_owned(),
                payload: payload.to_vec(),
            });
        }
    }
}

fn staged<'s>(stages: &'s mut Vec<Stage>, entry: &Arc<DeviceEntry>) -> &'s mut Vec<Reading> {
    // Readings of a device come in runs, so it is nearly always the last one.
    let known = stages.iter().rposition(|s| Arc::ptr_eq(&s.entry, entry));
    let at = known.unwrap_or_else(|| {
        stages.push(Stage {
            entry: Arc::clone(entry),
            readings: Vec::new(),
        });
        stages.len() - 1
    });
    &mut stages[at].readings
}
