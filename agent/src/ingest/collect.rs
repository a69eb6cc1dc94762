//! What one message comes to: its events become staged readings and entries in the books.

use eyot_decode::{Event, Fate, Reason, Time};
use eyot_pipeline::ledger::{MessageFate, ReadingFate};
use eyot_pipeline::{Span, Timestamp};

use super::voices::Voice;

/// Where what is found in messages goes.
pub(crate) trait World {
    /// A channel of a device.
    type Place: Copy;

    /// Where readings of that device and channel go; what is new is made known. `unit` is theirs.
    fn place(&mut self, device: &str, channel: &str, unit: &str) -> Result<Self::Place, Nowhere>;
    /// `n` readings were found.
    fn receive(&mut self, n: u64);
    /// Keeps a received reading until the message is through; `false` if `unit` is not one of the channel's.
    /// `voice` is what its message says about it.
    fn stage(
        &mut self,
        place: Self::Place,
        time: Timestamp,
        value: f64,
        unit: &str,
        voice: &Voice,
    ) -> bool;
    /// `n` received readings go no further.
    fn settle(&mut self, fate: ReadingFate, n: u64);
    /// A field that nothing maps, by its path or, where the mapping names a channel that the class has
    /// not, by that channel.
    fn unmapped(&mut self, path: &str);
    /// A device came or went.
    fn liveness(&mut self, device: &str, online: bool);
    /// The decoder wants this to be published.
    fn request(&mut self, topic: &str, payload: &[u8]);
}

/// Why readings have no place to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nowhere {
    /// No class takes the device.
    NoClass,
    /// The device's class has no such channel.
    NoChannel,
    /// There are as many devices as there may be.
    LimitReached,
}

/// Takes the events of one message.
pub(crate) struct Collect<W> {
    world: W,
    /// Readings and signs of life that someone takes.
    taken: u64,
    no_class: bool,
    last_values: bool,
    /// Whether any reading has no time but that of its arrival.
    arrival: bool,
}

impl<W: World> Collect<W> {
    /// For one message.
    pub(crate) fn new(world: W) -> Self {
        Self {
            world,
            taken: 0,
            no_class: false,
            last_values: false,
            arrival: false,
        }
    }

    /// What became of the message, as the decoder and the world see it together.
    ///
    /// # Errors
    /// It is a dead letter, for this reason.
    pub(crate) fn fate(&self, decoded: Fate) -> Result<MessageFate, String> {
        Ok(match decoded {
            Fate::Decoded if self.taken > 0 => MessageFate::Decoded,
            Fate::Decoded if self.no_class => MessageFate::IgnoredNoClass,
            Fate::Decoded if self.last_values => MessageFate::IgnoredRetained,
            Fate::Decoded | Fate::IgnoredUnmapped => MessageFate::IgnoredUnmapped,
            Fate::IgnoredByConfig => MessageFate::IgnoredByConfig,
            Fate::IgnoredNoRule => MessageFate::IgnoredNoRule,
            Fate::IgnoredRetained => MessageFate::IgnoredRetained,
            Fate::IgnoredEmpty => MessageFate::IgnoredEmpty,
            Fate::DeadLetter(error) => return Err(error),
        })
    }

    /// Whether any reading has no time but that of its arrival, so that it would be another one if it came again.
    pub(crate) fn takes_arrival_time(&self) -> bool {
        self.arrival
    }

    /// Takes one event.
    pub(crate) fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Reading(reading) => {
                self.readings(&reading, 0, &[reading.value.as_f64()]);
            }
            Event::Block {
                first,
                interval_ns,
                values,
            } => self.readings(&first, interval_ns, values),
            Event::Missing {
                device,
                channel,
                reason,
                ..
            }
            | Event::Rejected {
                device,
                channel,
                reason,
                ..
            } => self.none(device, channel, fate(reason)),
            Event::Unmapped { path } => self.world.unmapped(path),
            Event::Liveness { device, online } => {
                self.taken += 1;
                self.world.liveness(device, online);
            }
            Event::Request { topic, payload } => self.world.request(topic, payload),
        }
    }

    /// `values[i]` at the time of `first` + i × `interval_ns`.
    fn readings(&mut self, first: &eyot_decode::Reading<'_>, interval_ns: i64, values: &[f64]) {
        if first.last_value_only {
            self.last_values = true;
            return;
        }
        let (time, voice) = (self.time(first.time), Voice::of(first));
        let n = values.len() as u64;
        match self.world.place(first.device, first.channel, first.unit) {
            Ok(place) => {
                self.taken += n;
                self.world.receive(n);
                for (i, value) in (0..).zip(values) {
                    let time = time + Span(interval_ns.saturating_mul(i));
                    if !self.world.stage(place, time, *value, first.unit, &voice) {
                        self.world.settle(ReadingFate::RejectedUnit, 1);
                    }
                }
            }
            Err(Nowhere::LimitReached) => self.settle(ReadingFate::RejectedDeviceLimit, n),
            Err(Nowhere::NoChannel) => self.world.unmapped(first.channel),
            Err(Nowhere::NoClass) => self.no_class = true,
        }
    }

    /// A place without a value.
    fn none(&mut self, device: &str, channel: &str, fate: ReadingFate) {
        if device.is_empty() {
            self.settle(fate, 1);
            return;
        }
        match self.world.place(device, channel, "") {
            Ok(_) | Err(Nowhere::LimitReached) => self.settle(fate, 1),
            Err(Nowhere::NoChannel) => self.world.unmapped(channel),
            Err(Nowhere::NoClass) => self.no_class = true,
        }
    }

    /// Readings that go no further.
    fn settle(&mut self, fate: ReadingFate, n: u64) {
        self.taken += n;
        self.world.receive(n);
        self.world.settle(fate, n);
    }

    /// Event time, or what the sender's own clock shows: the device matches it to the gateway's.
    fn time(&mut self, time: Time) -> Timestamp {
        match time {
            Time::Payload(time) => time,
            Time::Arrival(time) => {
                self.arrival = true;
                time
            }
            Time::DeviceClock(clock) => {
                self.arrival = true;
                Timestamp(clock)
            }
        }
    }
}

fn fate(reason: Reason) -> ReadingFate {
    match reason {
        Reason::Null => ReadingFate::MissingNull,
        Reason::Nan => ReadingFate::MissingNan,
        Reason::Unavailable => ReadingFate::MissingUnavailable,
        Reason::Sentinel => ReadingFate::MissingSentinel,
        Reason::Quality => ReadingFate::MissingQuality,
        Reason::Value => ReadingFate::RejectedValue,
        Reason::Time => ReadingFate::RejectedTime,
        Reason::Before2000 => ReadingFate::RejectedPast,
        Reason::Unit => ReadingFate::RejectedUnit,
        Reason::Name => ReadingFate::RejectedName,
    }
}
