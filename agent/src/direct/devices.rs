//! The devices, in the order in which they were first heard.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use eyot_decode::Conversion;
use eyot_journal::{InputRef, Telling, Told};
use eyot_pipeline::config::{ChannelConfig, ClassConfig};
use eyot_pipeline::device::Tally;
use eyot_pipeline::ledger::SourceBook;
use eyot_pipeline::reading::{ChannelIndex, Origin, Sender};
use eyot_pipeline::window::WindowSpec;
use eyot_pipeline::{Device, Effect, Input, Numbered, Reading, Span, Timestamp};

use super::Output;
use crate::actors::ClassRuntime;
use crate::ingest::Nowhere;

/// A channel of a device, by their positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    device: usize,
    channel: ChannelIndex,
}

/// All devices of a run.
pub(super) struct Devices<O> {
    classes: Vec<ClassRuntime>,
    limit: usize,
    output: O,
    /// Why the output takes no more.
    failed: Option<io::Error>,
    known: Vec<Known>,
    /// Position in `known`.
    by_name: HashMap<String, usize>,
    /// Which of them are to be woken, and when.
    timers: BTreeSet<(Timestamp, usize)>,
    /// Those that have staged readings, in the order of hearing.
    heard: Vec<usize>,
    effects: Vec<Numbered>,
    /// What arrived before is not there.
    begun: Timestamp,
    /// Windows left out for that.
    incomplete: u64,
}

/// A device that was heard.
struct Known {
    name: String,
    device: Device,
    channels: HashMap<String, ChannelIndex>,
    /// The conversion used last on each channel, and from which unit; `None` if there is none.
    conversions: HashMap<ChannelIndex, (String, Option<Conversion>)>,
    staged: Vec<Reading>,
    /// What it is told beside them.
    told: Vec<Told>,
    wake_at: Option<Timestamp>,
}

impl<O: Output> Devices<O> {
    pub(super) fn new(classes: Vec<ClassRuntime>, limit: usize, output: O) -> Self {
        Self {
            classes,
            limit,
            output,
            failed: None,
            known: Vec::new(),
            by_name: HashMap::new(),
            timers: BTreeSet::new(),
            heard: Vec::new(),
            effects: Vec::new(),
            begun: Timestamp::MIN,
            incomplete: 0,
        }
    }

    /// From now on windows are left out of which readings may have arrived before `first`.
    pub(super) fn begin(&mut self, first: Timestamp) {
        self.begun = first;
    }

    /// How many windows were left out.
    pub(super) fn incomplete(&self) -> u64 {
        self.incomplete
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether the output has taken everything so far.
    pub(super) fn check(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// What everything goes to.
    #[cfg(test)]
    pub(super) fn output(&mut self) -> &mut O {
        &mut self.output
    }

    /// What everything went to.
    pub(super) fn into_output(self) -> O {
        self.output
    }

    /// Where readings of that device and channel go; a device or a channel that is new is made known. `unit`
    /// is that of the first reading.
    pub(super) fn place(
        &mut self,
        device: &str,
        channel: &str,
        unit: &str,
    ) -> Result<Place, Nowhere> {
        let at = self.device(device)?;
        let channel = self.known[at].channel(channel, unit);
        channel
            .map(|channel| Place {
                device: at,
                channel,
            })
            .ok_or(Nowhere::NoChannel)
    }

    fn device(&mut self, name: &str) -> Result<usize, Nowhere> {
        match self.by_name.get(name) {
            Some(at) => Ok(*at),
            None => self.learn(name),
        }
    }

    fn learn(&mut self, name: &str) -> Result<usize, Nowhere> {
        let class = self.classes.iter().find(|c| c.devices.is_match(name));
        let class = class.ok_or(Nowhere::NoClass)?;
        if self.known.len() >= self.limit {
            return Err(Nowhere::LimitReached);
        }
        let at = self.known.len();
        self.known.push(Known {
            name: name.to_owned(),
            device: Device::new(Arc::clone(&class.config), class.model.clone(), 0),
            channels: HashMap::new(),
            conversions: HashMap::new(),
            staged: Vec::new(),
            told: Vec::new(),
            wake_at: None,
        });
        self.by_name.insert(name.to_owned(), at);
        Ok(at)
    }

    /// `value`, which is in `unit`, in the channel's unit, and a number of the device's own; `None` if that cannot be.
    pub(super) fn convert(&mut self, place: Place, value: f64, unit: &str) -> Option<(f64, u32)> {
        let value = self.known[place.device].convert(place.channel, value, unit)?;
        Some((value, place.device as u32))
    }

    /// Keeps a reading until the message is through, and what its device is to be told before it.
    pub(super) fn stage(
        &mut self,
        place: Place,
        time: Timestamp,
        value: f64,
        origin: Origin,
        told: Option<Sender>,
    ) {
        let known = &mut self.known[place.device];
        let before = known.staged.len() as u32;
        known.told.extend(told.map(|sender| Told {
            before,
            what: Telling::Sender(sender),
        }));
        if known.staged.is_empty() {
            self.heard.push(place.device);
        }
        known.staged.push(Reading {
            time,
            value,
            channel: place.channel,
            origin,
        });
    }

    /// Keeps what a journal has for a device. Returns how many of its readings are of channels that it no longer has.
    pub(super) fn stage_input(&mut self, input: &InputRef<'_>) -> Result<u64, Nowhere> {
        let at = self.device(input.device())?;
        let known = &mut self.known[at];
        let (mut readings, mut told) = (Vec::new(), Vec::new());
        let orphans = input.read(
            |name, unit| known.channel(name, unit),
            &mut readings,
            &mut told,
        );
        (known.staged, known.told) = (readings, told);
        self.heard.push(at);
        Ok(orphans)
    }

    /// Hands over what is staged, and settles it in `book`.
    pub(super) fn deliver(&mut self, now: Timestamp, book: &mut SourceBook) {
        for at in std::mem::take(&mut self.heard) {
            let readings = std::mem::take(&mut self.known[at].staged);
            let mut from = 0;
            for told in std::mem::take(&mut self.known[at].told) {
                let before = (told.before as usize).clamp(from, readings.len());
                self.take(at, now, &readings[from..before], book);
                let input = match told.what {
                    Telling::Sender(sender) => Input::Sender(sender),
                    Telling::Clock(step) => Input::Clock { now, step },
                };
                self.handle(at, input);
                from = before;
            }
            self.take(at, now, &readings[from..], book);
        }
    }

    fn take(&mut self, at: usize, now: Timestamp, readings: &[Reading], book: &mut SourceBook) {
        if readings.is_empty() {
            return;
        }
        for (fate, n) in self.handle(at, Input::Readings { now, readings }).iter() {
            book.settle_readings(fate, n);
        }
    }

    /// Fires every timer that is due by `now`, in the order of their times.
    pub(super) fn wake(&mut self, now: Timestamp) {
        while let Some((due, at)) = self.timers.first().copied().filter(|(due, _)| *due <= now) {
            self.handle(at, Input::Timer { now: due });
        }
    }

    /// Closes what is open.
    pub(super) fn stop(&mut self, now: Timestamp) {
        for at in 0..self.known.len() {
            self.handle(at, Input::Stop { now });
        }
    }

    fn handle(&mut self, at: usize, input: Input<'_>) -> Tally {
        let known = &mut self.known[at];
        let mut tally = Tally::default();
        known.device.handle(input, &mut tally, &mut self.effects);
        let complete = complete_from(self.begun, known.device.class());
        for numbered in self.effects.drain(..) {
            if let Effect::Window(window) = &numbered.effect
                && window.start < complete
            {
                self.incomplete += 1;
                continue;
            }
            let taken = self.output.effect(&known.name, &known.device, &numbered);
            self.failed = self.failed.take().or(taken.err());
        }
        let wake_at = known.device.wake_at();
        if wake_at != known.wake_at {
            if let Some(old) = known.wake_at {
                self.timers.remove(&(old, at));
            }
            self.timers.extend(wake_at.map(|new| (new, at)));
            known.wake_at = wake_at;
        }
        tally
    }
}

/// From here on windows have all their readings, if those are there that arrived from `begun` on.
fn complete_from(begun: Timestamp, class: &ClassConfig) -> Timestamp {
    let before = match class.window {
        // Had one come less than this before it, a session would have begun earlier.
        WindowSpec::Session { gap, .. } => gap,
        _ => Span::ZERO,
    };
    begun + class.max_future_skew + before
}

impl Known {
    /// The channel of that name; where the class takes channels that it does not list, a new one is added.
    fn channel(&mut self, name: &str, unit: &str) -> Option<ChannelIndex> {
        if let Some(index) = self.channels.get(name) {
            return Some(*index);
        }
        let class = self.device.class();
        let index = match class.channel_index(name) {
            Some(index) if class.is_virtual(index) => return None,
            Some(index) => index,
            None => self.add_channel(name, unit)?,
        };
        self.channels.insert(name.to_owned(), index);
        Some(index)
    }

    fn add_channel(&mut self, name: &str, unit: &str) -> Option<ChannelIndex> {
        let class = self.device.class();
        let rules = class.unlisted.as_ref()?;
        let count = self.device.channel_count();
        if count - class.channels.len() >= rules.max {
            return None;
        }
        let unit = (!unit.is_empty()).then(|| unit.to_owned());
        let config = Arc::new(ChannelConfig {
            name: name.to_owned(),
            unit: unit.or_else(|| rules.channel.unit.clone()),
            ..rules.channel.clone()
        });
        let input = Input::Channel { config: &config };
        // A new channel has no effects, and there is no reading to be tallied.
        self.device
            .handle(input, &mut Tally::default(), &mut Vec::new());
        ChannelIndex::try_from(count).ok()
    }

    /// `value`, which is in `unit`, in the channel's unit; `None` if that cannot be.
    fn convert(&mut self, channel: ChannelIndex, value: f64, unit: &str) -> Option<f64> {
        let own = self.device.channel(channel)?.unit.as_deref();
        let Some(own) = own.filter(|own| !matches!(unit, "" | "bool") && *own != unit) else {
            return Some(value);
        };
        if self
            .conversions
            .get(&channel)
            .is_none_or(|(from, _)| from != unit)
        {
            let conversion = eyot_decode::conversion(unit, own);
            self.conversions
                .insert(channel, (unit.to_owned(), conversion));
        }
        let (_, conversion) = self.conversions.get(&channel)?;
        Some(conversion.as_ref()?.apply(value))
    }
}
