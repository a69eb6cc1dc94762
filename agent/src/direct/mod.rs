//! A source's messages through its decoder and its devices in one thread: no broker, no actors, no database.
//!
//! Time is what the messages say: `now` is the arrival of the message at hand, and timers fire at the very
//! instant that was asked for. The same messages therefore give the same bytes, however fast they are played
//! back and on whichever machine.

mod devices;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use eyot_decode::{Decoder, Message};
use eyot_pipeline::Timestamp;
use eyot_pipeline::ledger::{MessageFate, ReadingFate, SourceBook};
use uuid::Uuid;

use self::devices::{Devices, Place};
use crate::app::{StartError, class_runtime};
use crate::config::{Config, Source};
use crate::ingest::{Assets, Collect, Nowhere, Voice, Voices, World};
use crate::record::Encoder;
use crate::store::Identity;

/// In the ids of records, in place of an agent that has a database.
const NOBODY: Identity = Identity {
    agent: Uuid::nil(),
    store_epoch: 0,
};

/// One source and its devices, run by the messages that it is given.
pub struct Direct {
    decoder: Decoder,
    run: Run,
    letters: Vec<DeadLetter>,
}

/// The way of a message behind the decoder.
struct Run {
    assets: Assets,
    devices: Devices,
    book: SourceBook,
    voices: Voices,
    now: Timestamp,
}

/// A message that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its topic.
    pub topic: String,
    /// What is wrong with it, and which rule says so.
    pub detail: String,
}

/// How a run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What became of every message and reading.
    pub book: SourceBook,
    /// Devices heard.
    pub devices: usize,
    /// Summaries written.
    pub summaries: u64,
    /// Alerts written.
    pub alerts: u64,
    /// The first [`Direct::LETTERS`] messages that could not be decoded.
    pub letters: Vec<DeadLetter>,
}

impl Direct {
    /// How many dead letters are described one by one.
    pub const LETTERS: usize = 20;

    /// `source` of `config`, with the classes, models and assets that are configured.
    ///
    /// # Errors
    /// [`StartError::Model`] when a model asks for channels that its class has not.
    ///
    /// # Panics
    /// If the source's mapping has faults, which a checked configuration has not.
    pub fn new(config: &Config, source: &Source) -> Result<Self, StartError> {
        let mut decoder = source.mapping.decoder().expect("a checked mapping");
        decoder.report_unmapped(true);
        Ok(Self {
            decoder,
            run: Run::new(config)?,
            letters: Vec::new(),
        })
    }

    /// Takes a message in and writes the records that come of it to `out`, one JSON object a line. A message that
    /// says that it arrived before the one before it arrives together with that one.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn message(&mut self, message: &Message<'_>, out: &mut dyn Write) -> io::Result<()> {
        let now = self.run.advance(message.arrival);
        let message = Message {
            arrival: now,
            ..*message
        };
        let mut collect = self.run.collect();
        let result = self
            .decoder
            .message(&message, &mut |event| collect.event(event));
        let fate = match collect.fate(result.fate) {
            Ok(fate) => fate,
            Err(error) => {
                let rule = result.rule.map_or("", |rule| self.decoder.rule_name(rule));
                self.bury(message.topic, format!("rule {rule}: {error}"));
                MessageFate::DeadLetteredPayload
            }
        };
        self.run.settle(fate);
        self.run.devices.write(out)
    }

    fn bury(&mut self, topic: &str, detail: String) {
        if self.letters.len() < Self::LETTERS {
            let topic = topic.to_owned();
            self.letters.push(DeadLetter { topic, detail });
        }
    }

    /// Closes what is open, as an agent does that is stopped at the arrival of the last message.
    ///
    /// # Errors
    /// When `out` takes no more.
    pub fn finish(mut self, out: &mut dyn Write) -> io::Result<Outcome> {
        self.run.devices.stop(self.run.now);
        self.run.devices.write(out)?;
        let Run { devices, book, .. } = self.run;
        Ok(Outcome {
            book,
            devices: devices.len(),
            summaries: devices.summaries(),
            alerts: devices.alerts(),
            letters: self.letters,
        })
    }
}

impl Run {
    fn new(config: &Config) -> Result<Self, StartError> {
        let mut faults = Vec::new();
        let classes = config
            .classes
            .iter()
            .map(|class| class_runtime(class, None, &mut faults))
            .collect::<Result<_, _>>()?;
        let encoder = Encoder::new(&config.agent.name, &NOBODY);
        Ok(Self {
            assets: Assets::new(&config.assets),
            devices: Devices::new(classes, config.limits.devices, encoder),
            book: SourceBook::default(),
            voices: Voices::default(),
            now: Timestamp(i64::MIN),
        })
    }

    /// A message arrives: fires the timers that were due before, and returns the time that it is now.
    fn advance(&mut self, arrival: Timestamp) -> Timestamp {
        self.now = self.now.max(arrival);
        self.devices.wake(self.now);
        self.now
    }

    fn collect(&mut self) -> Collect<&mut Self> {
        self.voices.next_message();
        Collect::new(self)
    }

    /// The message is through: its readings go to their devices.
    fn settle(&mut self, fate: MessageFate) {
        self.book.receive_messages(1);
        self.book.settle_messages(fate, 1);
        self.devices.deliver(self.now, &mut self.book);
    }
}

impl World for &mut Run {
    type Place = (Place, u8);

    fn place(&mut self, device: &str, channel: &str, unit: &str) -> Result<(Place, u8), Nowhere> {
        let (device, channel, sender) = self.assets.member(device, channel);
        let place = self.devices.place(device, channel, unit)?;
        Ok((place, sender))
    }

    fn receive(&mut self, n: u64) {
        self.book.receive_readings(n);
    }

    fn stage(
        &mut self,
        (place, sender): (Place, u8),
        time: Timestamp,
        value: f64,
        unit: &str,
        voice: &Voice,
    ) -> bool {
        let Some((value, key)) = self.devices.convert(place, value, unit) else {
            return false;
        };
        let (origin, told) = self.voices.hear(key, sender, voice, self.now);
        self.devices.stage(place, time, value, origin, told);
        true
    }

    fn settle(&mut self, fate: ReadingFate, n: u64) {
        self.book.settle_readings(fate, n);
    }

    fn unmapped(&mut self, _: &str) {
        self.book.unmapped_fields += 1;
    }

    fn liveness(&mut self, _: &str, _: bool) {}

    /// There is nobody to ask.
    fn request(&mut self, _: &str, _: &[u8]) {}
}
