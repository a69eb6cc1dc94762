//! From messages to devices: bytes to readings, readings to batches.
//!
//! An [`Ingest`] belongs to one source. Messages of a burst are decoded and staged device by device;
//! [`Ingest::flush`] hands the burst to the journal, which acknowledges it and gives each device one batch
//! once it is committed. A source without a journal gives them out at once.
//!
//! A burst waits for company for [`COMPANY`] at most, so that messages that come one by one do not cost an entry of the
//! journal each; it does not wait once it is [large](ENOUGH), since by then a broker may have no more under way.

mod assets;
mod burst;
mod collect;
mod drops;
mod names;
mod redelivery;
mod source;
mod subscription;
mod unmapped;
mod voices;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use eyot_decode::Decoder;
use eyot_journal::{Telling, Told};
use eyot_pipeline::ledger::{MessageFate, ReadingFate};
use eyot_pipeline::{Reading, Timestamp};
use ractor::ActorRef;
use tokio::time::Instant;

pub use self::assets::Assets;
use self::burst::{Burst, Parts, Stage};
pub(crate) use self::collect::{Collect, Nowhere, World};
use self::names::Names;
pub use self::redelivery::Recent;
use self::redelivery::delivery;
pub use self::source::{SourceActor, SourceArguments, SourceMessage};
use self::unmapped::Unmapped;
pub(crate) use self::voices::{Voice, Voices};
use crate::actors::{DeviceEntry, Fleet, FleetMessage};
use crate::books::Book;
use crate::clock::Stamp;
use crate::config;
use crate::journal::JournalHandle;
use crate::mqtt::{AckToken, Acker};
use crate::record::Trace;
use crate::store::{DeadLetter, StoreHandle};

/// What a source needs from the rest of the agent.
#[derive(Clone)]
pub struct Surroundings {
    /// The devices.
    pub fleet: Arc<Fleet>,
    /// Their supervisor.
    pub fleet_actor: ActorRef<FleetMessage>,
    /// For subscriptions.
    pub store: StoreHandle,
    /// Where bursts go of sources that are journaled.
    pub journal: Option<JournalHandle>,
    /// What the journal's entries are called.
    pub trace: Trace,
    /// Bytes kept of a dead letter's payload.
    pub dead_letter_bytes: usize,
    /// What the journal has of each source that its broker may send again.
    pub recent: Arc<HashMap<String, Recent>>,
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
    /// What it is acknowledged by, if it wants to be.
    pub ack: Option<AckToken>,
    /// Its packet identifier; 0 if it has none.
    pub packet: u16,
    /// Whether the broker may have sent it before.
    pub dup: bool,
}

/// Something that a decoder wants to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

/// How long a burst waits for company at most.
pub const COMPANY: Duration = Duration::from_millis(1);
/// Messages that are company enough. Brokers that are not told otherwise have 20 under way.
pub const ENOUGH: u64 = 16;

/// One source's way in.
pub struct Ingest {
    decoder: Decoder,
    names: Names,
    book: Arc<Book>,
    around: Surroundings,
    /// Where bursts go; `None`: straight to the devices.
    journal: Option<JournalHandle>,
    acker: Option<Acker>,
    /// What has come of this burst.
    parts: Parts,
    /// When its first message came, and when the last one did.
    opened: Option<Instant>,
    newest: Stamp,
    /// Messages with which it waits no longer.
    enough: u64,
    acks: Vec<AckToken>,
    /// What may be sent again.
    recent: Recent,
    unmapped: Unmapped,
    voices: Voices,
    requests: Vec<Request>,
}

impl Ingest {
    /// The way in for a source.
    ///
    /// # Panics
    /// If the source's mapping has faults, which a checked configuration has not.
    pub fn new(
        source: &config::Source,
        book: Arc<Book>,
        around: Surroundings,
        acker: Option<Acker>,
    ) -> Self {
        let mut decoder = source.mapping.decoder().expect("a checked mapping");
        decoder.report_unmapped(true);
        Self {
            decoder,
            names: Names::default(),
            journal: around.journal.clone().filter(|_| source.journaled),
            acker,
            parts: Parts::default(),
            opened: None,
            newest: Stamp::default(),
            enough: ENOUGH.min(u64::from(source.window()) * 3 / 4),
            acks: Vec::new(),
            recent: around
                .recent
                .get(&source.name)
                .cloned()
                .unwrap_or_else(|| Recent::new(source.window())),
            unmapped: Unmapped::new(&book),
            voices: Voices::default(),
            requests: Vec::new(),
            book,
            around,
        }
    }

    /// Decodes a message that arrived at `stamp` and stages its readings. Call
    /// [`Ingest::keep_time`] before.
    pub fn message(&mut self, message: Message<'_>, stamp: Stamp) {
        self.opened.get_or_insert_with(Instant::now);
        self.newest = stamp;
        let now = stamp.now;
        let known = message.dup
            && self
                .recent
                .contains(delivery(message.packet, message.topic, message.payload));
        let fate = if known {
            MessageFate::IgnoredRedelivered
        } else {
            self.decode(message, now)
        };
        self.parts.came_to.receive_messages(1);
        self.parts.came_to.settle_messages(fate, 1);
        self.acks.extend(message.ack);
    }

    fn decode(&mut self, message: Message<'_>, now: Timestamp) -> MessageFate {
        let Ok(topic) = std::str::from_utf8(message.topic) else {
            let detail = "the topic is not UTF-8".to_owned();
            return self.dead_letter(message, now, MessageFate::DeadLetteredTopic, detail);
        };
        let whole = eyot_decode::Message {
            topic,
            payload: message.payload,
            retained: message.retained,
            arrival: now,
        };
        self.voices.next_message();
        let mut collect = Collect::new(Live {
            now,
            around: &self.around,
            names: &mut self.names,
            parts: &mut self.parts,
            unmapped: &mut self.unmapped,
            voices: &mut self.voices,
            requests: &mut self.requests,
        });
        let result = self
            .decoder
            .message(&whole, &mut |event| collect.event(event));
        let arrival = collect.takes_arrival_time();
        let fate = collect.fate(result.fate);
        if arrival && message.ack.is_some() {
            let delivery = delivery(message.packet, message.topic, message.payload);
            self.recent.push(delivery);
            self.parts.deliveries.push(delivery);
        }
        match fate {
            Ok(fate) => fate,
            Err(error) => {
                let rule = result.rule.map_or("", |rule| self.decoder.rule_name(rule));
                let detail = format!("rule {rule}: {error}");
                self.dead_letter(message, now, MessageFate::DeadLetteredPayload, detail)
            }
        }
    }

    fn dead_letter(
        &mut self,
        message: Message<'_>,
        now: Timestamp,
        fate: MessageFate,
        detail: String,
    ) -> MessageFate {
        let kept = message.payload.len().min(self.around.dead_letter_bytes);
        self.parts.letters.push(DeadLetter {
            trace_id: String::new(),
            at: now,
            source: self.book.source().to_string(),
            topic: String::from_utf8_lossy(message.topic).into_owned(),
            reason: fate.reason().into(),
            detail,
            payload: message.payload[..kept].to_vec(),
            payload_len: message.payload.len(),
        });
        fate
    }

    /// What the decoder has asked for since this was last called.
    pub(crate) fn requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    /// MQTT filters that the rules want, each with the quality of service.
    pub(crate) fn subscriptions(&self) -> Vec<(String, u8)> {
        self.decoder.subscriptions()
    }

    /// When the burst has waited for long enough, if there is one.
    pub fn due(&self) -> Option<Instant> {
        Some(self.opened? + COMPANY)
    }

    /// Whether the burst is so large that it waits no longer.
    pub fn is_full(&self) -> bool {
        self.parts.came_to.messages >= self.enough
    }

    /// Ends the burst if it is from before the gateway's clock was set.
    pub async fn keep_time(&mut self, stamp: Stamp) {
        if self.newest.steps != stamp.steps {
            self.flush().await;
        }
    }

    /// Ends the burst. Waits only for room in the journal's channel: that is the back-pressure of a slow disk, and the
    /// broker has what is not read meanwhile.
    pub async fn flush(&mut self) {
        let Some(opened) = self.opened.take() else {
            return;
        };
        let burst = Burst::new(
            &self.book,
            (&self.around.fleet, &self.around.trace),
            (self.newest, opened.into_std()),
            std::mem::take(&mut self.parts),
            std::mem::take(&mut self.acks),
            self.acker.clone(),
        );
        if let Some(journal) = &self.journal {
            journal.append(burst).await;
        } else {
            burst.deliver();
            // Whether that has got there, nobody knows.
            self.voices.tell_again();
        }
    }
}

/// The running agent, as the events of one message see it.
struct Live<'i> {
    now: Timestamp,
    around: &'i Surroundings,
    names: &'i mut Names,
    parts: &'i mut Parts,
    unmapped: &'i mut Unmapped,
    voices: &'i mut Voices,
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
        self.parts.came_to.receive_readings(n);
    }

    fn stage(
        &mut self,
        place: usize,
        time: Timestamp,
        value: f64,
        unit: &str,
        voice: &Voice,
    ) -> bool {
        let Some(slot) = self.names.slot(place) else {
            return false;
        };
        let Some(value) = slot.convert(value, unit) else {
            return false;
        };
        let (key, sender) = (slot.entry.key(), slot.sender);
        let (origin, told) = self.voices.hear(key, sender, voice, self.now);
        let stage = staged(&mut self.parts.stages, &slot.entry);
        stage.told.extend(told.map(|sender| Told {
            before: stage.readings.len() as u32,
            what: Telling::Sender(sender),
        }));
        stage.readings.push(Reading {
            time,
            value,
            channel: slot.channel,
            origin,
        });
        true
    }

    fn settle(&mut self, fate: ReadingFate, n: u64) {
        self.parts.came_to.settle_readings(fate, n);
    }

    fn unmapped(&mut self, path: &str) {
        self.parts.came_to.unmapped_fields += 1;
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

fn staged<'s>(stages: &'s mut Vec<Stage>, entry: &Arc<DeviceEntry>) -> &'s mut Stage {
    // Readings of a device come in runs, so it is nearly always the last one.
    let known = stages.iter().rposition(|s| Arc::ptr_eq(&s.entry, entry));
    let at = known.unwrap_or_else(|| {
        let news = entry.clock_news().map(|step| Told {
            before: 0,
            what: Telling::Clock(step),
        });
        stages.push(Stage {
            entry: Arc::clone(entry),
            readings: Vec::new(),
            told: news.into_iter().collect(),
        });
        stages.len() - 1
    });
    &mut stages[at]
}
