//! Many pumps at once: a lazy stream of readings in the order in which they are sent.
//!
//! ```text
//! pump-0001  rounds ─▶ delivery ─▶ pending ─┐
//! pump-0002  rounds ─▶ delivery ─▶ pending ─┼─▶ heap by send time ─▶ Event, Event, …
//!   ⋮                                       ┘
//! ```
//!
//! A device samples its channels in rounds, at irregular intervals; delivery holds a few readings
//! back and sends a few twice. A device keeps only what it has sampled and not yet sent (a
//! `max_delay` of readings at most, and whatever a `late_burst` holds), and the heap holds one entry a device.
//!
//! Each device has random streams of its own: with one seed, `pump-0001` says the same in a fleet
//! of one and in a fleet of ten thousand.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use eyot_pipeline::{Span, Timestamp};

use super::fault::{Fault, FaultError, FaultPlan};
use super::pump::{CHANNELS, Pump};
use super::random::Random;
use super::symptom::{Dispatch, Symptoms};

/// What to simulate.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetConfig {
    /// Everything random follows from it.
    pub seed: u64,
    /// How many devices.
    pub devices: u32,
    /// Event time at which the run begins.
    pub start: Timestamp,
    /// Length of the run: event times lie in `[start, start + duration)`.
    pub duration: Span,
    /// Mean interval between two readings of a channel, at least 10 ms; each comes up to 20 % of it early or late.
    pub period: Span,
    /// Every channel of a device is read at the same instant and travels with the others; without it most
    /// rounds spread over milliseconds, and now and then a channel is read well after the others.
    pub aligned: bool,
    /// Probability that a device is one that is switched off now and then.
    pub stops: f64,
    /// Share of readings held back, at random, by up to `max_delay`.
    pub delayed: f64,
    /// Share of readings sent twice, the second time at most `max_delay` after their event time.
    pub duplicates: f64,
    /// See `delayed`.
    pub max_delay: Span,
    /// What goes wrong.
    pub faults: FaultPlan,
}

impl FleetConfig {
    /// A quiet fleet: no faults, no stops; 3 % of the readings late by up to 1.5 s, 1 % twice.
    pub fn new(seed: u64, devices: u32, start: Timestamp, duration: Span) -> Self {
        Self {
            seed,
            devices,
            start,
            duration,
            period: Span::from_secs(1),
            aligned: false,
            stops: 0.0,
            delayed: 0.03,
            duplicates: 0.01,
            max_delay: Span::from_millis(1_500),
            faults: FaultPlan::None,
        }
    }
}

/// One reading on its way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// When it is sent, in simulated time.
    pub send_at: Timestamp,
    /// Number of the device, from 0.
    pub device: u32,
    /// Index of the channel in [`CHANNELS`].
    pub channel: usize,
    /// Event time by the device's clock, whole milliseconds.
    pub time: Timestamp,
    /// Value in the channel's unit, four decimals.
    pub value: f64,
    /// How it travels.
    pub delivery: Delivery,
}

/// How a reading travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Within milliseconds.
    Prompt,
    /// Held back on the way.
    Delayed,
    /// Sent once more.
    Duplicate,
}

/// The name of device `number`: `pump-0001` is number 0.
pub fn device_name(number: u32) -> String {
    format!("pump-{:04}", u64::from(number) + 1)
}

/// The site of device `number`: one of four halls.
pub fn site_name(number: u32) -> String {
    format!("hall-{}", number % 4 + 1)
}

/// The devices, merged: an iterator over events by `send_at`, ties by device.
#[derive(Debug, Clone)]
pub struct Fleet {
    devices: Vec<Device>,
    next: BinaryHeap<Reverse<(Timestamp, u32)>>,
    truth: Vec<Fault>,
}

impl Fleet {
    /// The fleet that `config` describes, with its faults scheduled.
    pub fn new(config: &FleetConfig) -> Result<Self, FaultError> {
        let truth =
            config
                .faults
                .schedule(config.seed, config.devices, config.start, config.duration)?;
        let mut devices: Vec<Device> = (0..config.devices)
            .map(|index| {
                let from = truth.partition_point(|fault| fault.device < index);
                let to = truth.partition_point(|fault| fault.device <= index);
                Device::new(config, index, Symptoms::new(config.seed, &truth[from..to]))
            })
            .collect();
        let next = (0..)
            .zip(&mut devices)
            .filter_map(|(index, device)| Some(Reverse((device.next_send()?, index))))
            .collect();
        Ok(Self {
            devices,
            next,
            truth,
        })
    }

    /// Every fault there will be, by device and then by time.
    pub fn truth(&self) -> &[Fault] {
        &self.truth
    }

    /// Events sampled and not yet sent.
    #[cfg(test)]
    pub(super) fn pending(&self) -> usize {
        self.devices.iter().map(|device| device.pending.len()).sum()
    }
}

impl Iterator for Fleet {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let Reverse((_, index)) = self.next.pop()?;
        let device = &mut self.devices[index as usize];
        let event = device.pending.pop_front();
        if let Some(send_at) = device.next_send() {
            self.next.push(Reverse((send_at, index)));
        }
        event
    }
}

/// One device: its pump, and what it has sampled but not sent.
#[derive(Debug, Clone)]
struct Device {
    index: u32,
    plan: Sampling,
    random: Random,
    pump: Pump,
    symptoms: Symptoms,
    /// Number of the next round.
    round: i64,
    /// By send time.
    pending: VecDeque<Event>,
}

/// When and how a device samples; the same for all but the phase.
#[derive(Debug, Clone, Copy)]
struct Sampling {
    start: Timestamp,
    end: Timestamp,
    /// Nominal time of round 0.
    first: Timestamp,
    period: Span,
    aligned: bool,
    delayed: f64,
    duplicates: f64,
    max_delay: Span,
}

/// Rounds come up to this share of a period before or after their nominal time.
const JITTER: f64 = 0.2;
/// Share of readings taken well after the rest of their round, and the part of a period after which they
/// are: with the jitter that leaves a channel's readings in order of time.
const STRAGGLERS: f64 = 0.03;
const STRAGGLE: f64 = 0.3;
/// Between two channels of a round otherwise.
const CHANNEL_STEP: Span = Span::from_millis(1);

/// One way from the device to the broker.
struct Journey {
    delay: Span,
    delivery: Delivery,
    again: Option<Span>,
}

impl Device {
    fn new(config: &FleetConfig, index: u32, symptoms: Symptoms) -> Self {
        let mut random = Random::new(config.seed, u64::from(index) << 1);
        let phase = random.between(JITTER, 1.0 + JITTER);
        Self {
            index,
            plan: Sampling {
                start: config.start,
                end: config.start + config.duration,
                first: config.start + part(config.period, phase),
                period: config.period,
                aligned: config.aligned,
                delayed: config.delayed,
                duplicates: config.duplicates,
                max_delay: config.max_delay,
            },
            pump: Pump::new(&mut random, config.stops),
            random,
            symptoms,
            round: 0,
            pending: VecDeque::new(),
        }
    }

    /// When the next pending event is sent; samples as far ahead as it takes to be sure.
    fn next_send(&mut self) -> Option<Timestamp> {
        loop {
            let earliest = self.nominal() - part(self.plan.period, JITTER);
            let first = self.pending.front().map(|event| event.send_at);
            if first.is_some_and(|first| first < earliest) || earliest >= self.plan.end {
                return first;
            }
            self.sample_round();
        }
    }

    /// Nominal time of the next round.
    fn nominal(&self) -> Timestamp {
        self.plan.first + self.plan.period.times(self.round)
    }

    fn sample_round(&mut self) {
        let plan = self.plan;
        let jitter = self.random.between(-JITTER, JITTER);
        let time = self.nominal() + part(plan.period, jitter);
        self.round += 1;
        self.pump
            .advance(time - plan.start, self.symptoms.condition(time));
        let mut journey = self.journey();
        for channel in 0..CHANNELS.len() {
            let time = whole_millis(time + self.lag(channel));
            let condition = self.symptoms.condition(time);
            let value = self
                .pump
                .read(channel, time - plan.start, condition, &mut self.random);
            let value = self.symptoms.distort(channel, time, value);
            if !plan.aligned {
                journey = self.journey();
            }
            if time < plan.end {
                self.send(channel, time, (value * 1e4).round() / 1e4, &journey);
            }
        }
    }

    /// How long after the round's beginning `channel` is read.
    fn lag(&mut self, channel: usize) -> Span {
        let straggles = self.random.chance(STRAGGLERS);
        if self.plan.aligned {
            Span::ZERO
        } else if straggles {
            part(self.plan.period, STRAGGLE)
        } else {
            part(CHANNEL_STEP, channel as f64)
        }
    }

    /// Draws how a message travels.
    fn journey(&mut self) -> Journey {
        let random = &mut self.random;
        let latency = Span((random.between(2.0, 8.0) * 1e6) as i64);
        let held_back = part(self.plan.max_delay, random.unit());
        let (delay, delivery) = if random.chance(self.plan.delayed) {
            (latency.max(held_back), Delivery::Delayed)
        } else {
            (latency, Delivery::Prompt)
        };
        let rest = Span(self.plan.max_delay.0 - delay.0).max(Span::ZERO);
        let again = Span(delay.0 + part(rest, random.between(0.05, 1.0)).0);
        Journey {
            delay,
            delivery,
            again: random.chance(self.plan.duplicates).then_some(again),
        }
    }

    fn send(&mut self, channel: usize, time: Timestamp, value: f64, journey: &Journey) {
        let (leaves, stamp, delivery) = match self.symptoms.dispatch(time) {
            Dispatch::At(stamp) => (time, stamp, journey.delivery),
            Dispatch::HeldUntil(end) => (end, time, Delivery::Delayed),
            Dispatch::Lost => return,
        };
        let mut queue = |delay, delivery| {
            let event = Event {
                send_at: leaves + delay,
                device: self.index,
                channel,
                time: stamp,
                value,
                delivery,
            };
            let place = self
                .pending
                .partition_point(|other| other.send_at <= event.send_at);
            self.pending.insert(place, event);
        };
        queue(journey.delay, delivery);
        if let Some(delay) = journey.again {
            queue(delay, Delivery::Duplicate);
        }
    }
}

/// `share` of `span`.
fn part(span: Span, share: f64) -> Span {
    Span((span.0 as f64 * share) as i64)
}

fn whole_millis(time: Timestamp) -> Timestamp {
    Timestamp(time.0 - time.0.rem_euclid(1_000_000))
}
