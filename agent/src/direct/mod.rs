//! What was received, through its devices in one thread: no broker, no actors, no database.
//!
//! It comes from a recording, through a source's decoder, or from a journal. Time is what that says: `now` is the arrival
//! of the message at hand, and timers fire at the very instant that was asked for. The same input therefore gives the same
//! output, however fast it is played back and on whichever machine.

mod devices;
mod output;
#[cfg(test)]
mod tests;

use std::io;

use eyot_decode::{Decoder, Message};
use eyot_journal::EntryRef;
use eyot_pipeline::Timestamp;
use eyot_pipeline::ledger::{MessageFate, ReadingFate, SourceBook};
use uuid::Uuid;

use self::devices::{Devices, Place};
pub use self::output::{Lines, Output};
use crate::app::{StartError, class_runtime};
use crate::config::{Config, Source};
use crate::ingest::{Assets, Collect, Nowhere, Voice, Voices, World};
use crate::store::Identity;

/// In the ids of records, in place of an agent that has a database.
pub const NOBODY: Identity = Identity {
    agent: Uuid::nil(),
    store_epoch: 0,
};

/// One source and its devices, run by the messages that it is given.
pub struct Direct<O> {
    decoder: Decoder,
    run: Run<O>,
    letters: Vec<DeadLetter>,
}

/// The devices of all sources, run by the entries of a journal.
pub struct FromJournal<O> {
    run: Run<O>,
}

/// The way of a reading behind decoder or journal.
struct Run<O> {
    assets: Assets,
    devices: Devices<O>,
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
    /// Windows that were left out, since they may lack readings from before a journal began; each as often as it was said.
    pub incomplete: u64,
    /// The first [`LETTERS`] messages that could not be decoded.
    pub letters: Vec<DeadLetter>,
}

/// How many dead letters are described one by one.
pub const LETTERS: usize = 20;

impl<O: Output> Direct<O> {
    /// `source` of `config`, with the classes, models and assets that are configured; what comes of it goes to `output`.
    ///
    /// # Errors
    /// [`StartError::Model`] when a model asks for channels that its class has not.
    ///
    /// # Panics
    /// If the source's mapping has faults, which a checked configuration has not.
    pub fn new(config: &Config, source: &Source, output: O) -> Result<Self, StartError> {
        let mut decoder = source.mapping.decoder().expect("a checked mapping");
        decoder.report_unmapped(true);
        Ok(Self {
            decoder,
            run: Run::new(config, output)?,
            letters: Vec::new(),
        })
    }

    /// Takes a message in. One that says that it arrived before the one before it arrives together with that one.
    ///
    /// # Errors
    /// When the output takes no more.
    pub fn message(&mut self, message: &Message<'_>) -> io::Result<()> {
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
        self.run.devices.check()
    }

    fn bury(&mut self, topic: &str, detail: String) {
        if self.letters.len() < LETTERS {
            let topic = topic.to_owned();
            self.letters.push(DeadLetter { topic, detail });
        }
    }

    /// Closes what is open, as an agent does that is stopped at the arrival of the last message.
    ///
    /// # Errors
    /// When the output takes no more.
    pub fn finish(self) -> io::Result<(Outcome, O)> {
        self.run.finish(self.letters)
    }
}

impl<O: Output> FromJournal<O> {
    /// The devices of `config`, in whose classes and models the journal's readings are seen anew: what the devices had learnt
    /// before is not in it.
    ///
    /// # Errors
    /// [`StartError::Model`] when a model asks for channels that its class has not.
    pub fn new(config: &Config, output: O) -> Result<Self, StartError> {
        Ok(Self {
            run: Run::new(config, output)?,
        })
    }

    /// What arrived before `first` is not there: windows that may lack some of it are left out.
    pub fn begins(&mut self, first: Timestamp) {
        self.run.devices.begin(first);
    }

    /// Takes an entry in. Timers are the devices' own: those in the journal are of the configuration that it was written
    /// under.
    ///
    /// # Errors
    /// When the output takes no more.
    pub fn entry(&mut self, entry: &EntryRef<'_>) -> io::Result<()> {
        // It goes back when the gateway's clock was set back.
        self.run.now = entry.admitted();
        self.run.devices.wake(entry.admitted());
        for input in entry.inputs().filter(|input| !input.is_timer()) {
            let n = input.count();
            self.run.book.receive_readings(n);
            let (fate, lost) = match self.run.devices.stage_input(&input) {
                Ok(orphans) => (ReadingFate::DroppedConfigChanged, orphans),
                Err(Nowhere::LimitReached) => (ReadingFate::RejectedDeviceLimit, n),
                Err(Nowhere::NoClass | Nowhere::NoChannel) => {
                    (ReadingFate::DroppedConfigChanged, n)
                }
            };
            self.run.book.settle_readings(fate, lost);
            self.run
                .devices
                .deliver(entry.admitted(), &mut self.run.book);
        }
        self.run.devices.check()
    }

    /// Closes what is open, as an agent does that is stopped after the last entry.
    ///
    /// # Errors
    /// When the output takes no more.
    pub fn finish(self) -> io::Result<(Outcome, O)> {
        self.run.finish(Vec::new())
    }
}

impl<O: Output> Run<O> {
    fn new(config: &Config, output: O) -> Result<Self, StartError> {
        let mut faults = Vec::new();
        let classes = config
            .classes
            .iter()
            .map(|class| class_runtime(class, None, &mut faults))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            assets: Assets::new(&config.assets),
            devices: Devices::new(classes, config.limits.devices, output),
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

    fn finish(mut self, letters: Vec<DeadLetter>) -> io::Result<(Outcome, O)> {
        self.devices.stop(self.now);
        self.devices.check()?;
        let outcome = Outcome {
            book: self.book,
            devices: self.devices.len(),
            incomplete: self.devices.incomplete(),
            letters,
        };
        Ok((outcome, self.devices.into_output()))
    }
}

impl<O: Output> World for &mut Run<O> {
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
