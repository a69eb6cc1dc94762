//! What a device remembers of its senders: their numbers, their clocks, and when they were started.
//!
//! Several readings of one message share its number, so there are two kinds of trackers. One for the sender tells
//! gaps and restarts; it is asked once for each message. One for each channel tells repetitions; it is asked once for
//! each message and channel, and begins anew whenever the sender does. Both are made when the first number comes.
//!
//! Everything here is told by the journal and kept in checkpoints, so that it is the same after a restart.

use serde::{Deserialize, Serialize};

use super::{Device, grown};
use crate::boot_clock::{BootClock, Run as ClockRun};
use crate::config::OutOfSkew;
use crate::lean;
use crate::ledger::ReadingFate;
use crate::reading::{ChannelIndex, Clock, Origin, Reading, Sender};
use crate::sequence::{Sequence, Verdict};
use crate::time::{Span, Timestamp};

/// What happened to numbers and clocks of a device, counted from its first reading on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TimeCounts {
    /// Numbers that were passed over.
    pub missed: u64,
    /// Those of them that came after all.
    pub filled: u64,
    /// Counters that were started again.
    pub restarts: u64,
    /// Senders that were started again, by their boot id or their clock.
    pub reboots: u64,
    /// Clocks that went around.
    pub wraps: u64,
    /// Readings from the future that were given the time of their arrival.
    pub restamped_future: u64,
    /// Readings from too long ago that were given it.
    pub restamped_past: u64,
}

impl TimeCounts {
    /// Numbers that have not come.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missed.saturating_sub(self.filled)
    }

    /// Every count and its name, as in metrics and output.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, u64); 7] {
        [
            ("missed", self.missed),
            ("filled", self.filled),
            ("restarts", self.restarts),
            ("reboots", self.reboots),
            ("wraps", self.wraps),
            ("restamped_future", self.restamped_future),
            ("restamped_past", self.restamped_past),
        ]
    }
}

/// All that there is to remember.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Senders {
    pub(super) counts: TimeCounts,
    #[serde(deserialize_with = "lean::collect")]
    known: Vec<State>,
    /// By channel index, as far as there is anything to say.
    #[serde(deserialize_with = "lean::collect")]
    channels: Vec<Memory>,
}

/// One sender.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    told: Sender,
    run: Run,
    /// The run before this one, some of whose messages may still be on their way.
    previous: Option<Box<Run>>,
    /// The latest epoch given away.
    epochs: u32,
    /// Messages so far.
    message: u64,
}

/// A sender from one start to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Run {
    boot: Option<u32>,
    /// Another one after each start, so that channels see it.
    epoch: u32,
    sequence: Sequence,
    clock: BootClock,
    /// Whether the clock was ever heard.
    clocked: bool,
}

/// What is remembered of a channel.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Memory {
    numbers: Option<Box<Numbers>>,
    /// When a time was last replaced, and what was added to it.
    restamped: Option<(Timestamp, Span)>,
}

/// The numbers of a channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Numbers {
    epoch: u32,
    /// The message that the channel was last in.
    message: u64,
    /// Whether that was a repetition.
    repeated: bool,
    /// When the newest number was measured.
    newest_time: Timestamp,
    sequence: Sequence,
}

/// A time as far as it tells old from new, and whether it does: one that cannot be does not.
fn by_own_clock(
    origin: Origin,
    time: Timestamp,
    now: Timestamp,
    latest: Timestamp,
) -> (Timestamp, bool) {
    let own_clock = origin.clock() != Clock::Arrival && time <= latest;
    (if own_clock { time } else { now }, own_clock)
}

fn modulus(told: &Sender) -> u64 {
    match told.modulus {
        0 => 1 << 32,
        modulus => u64::from(modulus),
    }
}

impl Run {
    fn new(told: &Sender, epoch: u32) -> Self {
        Self {
            boot: told.boot,
            epoch,
            sequence: Sequence::new(Some(modulus(told))),
            clock: BootClock::new(told.around),
            clocked: false,
        }
    }
}

impl State {
    fn new(told: Sender) -> Self {
        Self {
            run: Run::new(&told, 0),
            told,
            previous: None,
            epochs: 0,
            message: 0,
        }
    }

    /// The counter was started again.
    fn restart_numbers(&mut self) {
        self.epochs = self.epochs.wrapping_add(1);
        self.run.epoch = self.epochs;
        self.run.sequence.restart();
    }

    /// Takes in what the sender is. Whether it was started again.
    fn learn(&mut self, told: Sender) -> bool {
        let was = self.told;
        // A message that says nothing of its run belongs to the present one.
        let boot = told.boot.or(was.boot);
        self.told = Sender { boot, ..told };
        if (was.modulus, was.around) != (told.modulus, told.around) {
            self.epochs = self.epochs.wrapping_add(1);
            self.run = Run::new(&self.told, self.epochs);
            self.previous = None;
        }
        if self.run.boot == boot {
            return false;
        }
        if self.run.boot.is_none() {
            self.run.boot = boot;
            return false;
        }
        if let Some(previous) = &mut self.previous
            && previous.boot == boot
        {
            std::mem::swap(&mut **previous, &mut self.run);
            return false;
        }
        self.epochs = self.epochs.wrapping_add(1);
        let fresh = Run::new(&self.told, self.epochs);
        self.previous = Some(Box::new(std::mem::replace(&mut self.run, fresh)));
        true
    }

    /// Whether a device can have got here.
    fn is_sound(&self) -> bool {
        let mut runs = std::iter::once(&self.run).chain(self.previous.as_deref());
        runs.all(|run| {
            run.sequence.is_sound(modulus(&self.told)) && run.clock.is_sound(self.told.around)
        })
    }
}

impl Senders {
    /// What a sender is, before its readings come.
    pub(super) fn learn(&mut self, told: Sender) {
        let counts = &mut self.counts;
        match self.known.iter_mut().find(|s| s.told.sender == told.sender) {
            None => self.known.push(State::new(told)),
            Some(state) => counts.reboots += u64::from(state.learn(told)),
        }
    }

    /// The same with channels where they are now; `None` if no device can have got here.
    pub(super) fn renumbered(
        mut self,
        count: usize,
        new: impl Fn(usize) -> Option<ChannelIndex>,
    ) -> Option<Self> {
        let largest = self
            .counts
            .named()
            .iter()
            .all(|(_, n)| i64::try_from(*n).is_ok());
        if !largest || !self.known.iter().all(State::is_sound) {
            return None;
        }
        let mut channels = vec![Memory::default(); count];
        for (old, memory) in std::mem::take(&mut self.channels).into_iter().enumerate() {
            let sound = |numbers: &Numbers| numbers.sequence.is_sound_at_all();
            if !memory.numbers.as_deref().is_none_or(sound) {
                return None;
            }
            if let Some(place) = new(old).and_then(|new| channels.get_mut(usize::from(new))) {
                *place = memory;
            }
        }
        while channels.last().is_some_and(Memory::is_empty) {
            channels.pop();
        }
        self.channels = channels;
        Some(self)
    }

    /// The gateway's clock shows `by` more from now on.
    pub(super) fn step(&mut self, by: Span) {
        for state in &mut self.known {
            state.run.clock.step(by);
            if let Some(previous) = &mut state.previous {
                previous.clock.step(by);
            }
        }
        for memory in &mut self.channels {
            memory.restamped = None;
        }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_empty(&self) -> bool {
        self.counts == TimeCounts::default() && self.known.is_empty() && self.channels.is_empty()
    }

    fn memory(&mut self, channel: ChannelIndex) -> &mut Memory {
        let at = usize::from(channel);
        if at >= self.channels.len() {
            self.channels.resize_with(at + 1, Memory::default);
        }
        &mut self.channels[at]
    }

    /// Where the sender of a reading is among those known.
    fn place(&mut self, sender: u8) -> usize {
        let known = self.known.iter().position(|s| s.told.sender == sender);
        known.unwrap_or_else(|| {
            self.known.push(State::new(Sender {
                sender,
                ..Sender::default()
            }));
            self.known.len() - 1
        })
    }

    /// The message of `readings[0]` begins, which may be followed by others of it.
    fn begin(&mut self, readings: &[Reading], now: Timestamp, latest: Timestamp) {
        let Some(first) = readings.first() else {
            return;
        };
        let origin = first.origin;
        let at = self.place(origin.sender());
        let (counts, state) = (&mut self.counts, &mut self.known[at]);
        state.message = state.message.wrapping_add(1);
        let mut time = first.time;
        if origin.clock() == Clock::SinceBoot {
            let around = state.told.around;
            let longest = longest(readings, around);
            let (by_id, before) = (state.run.boot.is_some(), state.run.clock.times_around());
            let run = state.run.clock.hear(longest, now, by_id);
            match run {
                ClockRun::Started if state.run.clocked => {
                    counts.reboots += 1;
                    state.restart_numbers();
                }
                ClockRun::Started => {}
                ClockRun::On => {
                    let times = state.run.clock.times_around();
                    counts.wraps += times.saturating_sub(before);
                }
            }
            state.run.clocked = true;
            time = state.run.clock.at(Span(first.time.0)).unwrap_or(now);
        }
        let Some(number) = origin.number() else {
            return;
        };
        let (time, own_clock) = by_own_clock(origin, time, now, latest);
        let sequence = &mut state.run.sequence;
        match sequence.take(u64::from(number), time, own_clock) {
            Verdict::Ahead { missed } => counts.missed += missed,
            Verdict::Filled => counts.filled += 1,
            Verdict::Restarted => {
                counts.restarts += 1;
                // The tracker has begun anew already.
                state.epochs = state.epochs.wrapping_add(1);
                state.run.epoch = state.epochs;
            }
            Verdict::Seen | Verdict::Early => {}
        }
    }

    /// Whether a numbered reading is a repetition.
    fn repeats(
        &mut self,
        reading: &Reading,
        number: u32,
        now: Timestamp,
        latest: Timestamp,
    ) -> bool {
        let at = self.place(reading.origin.sender());
        let number = u64::from(number);
        let (time, own_clock) = by_own_clock(reading.origin, reading.time, now, latest);
        let Self {
            counts,
            known,
            channels,
        } = self;
        let state = &mut known[at];
        let index = usize::from(reading.channel);
        if index >= channels.len() {
            channels.resize_with(index + 1, Memory::default);
        }
        let fresh = |state: &State| Numbers {
            epoch: state.run.epoch,
            message: 0,
            repeated: false,
            newest_time: Timestamp::MIN,
            sequence: Sequence::new(Some(modulus(&state.told))),
        };
        let memory = &mut channels[index].numbers;
        let numbers = memory.get_or_insert_with(|| Box::new(fresh(state)));
        if numbers.epoch != state.run.epoch || !numbers.sequence.is_sound(modulus(&state.told)) {
            **numbers = fresh(state);
        }
        if numbers.message == state.message {
            return numbers.repeated;
        }
        // The channel's newest number once more, and measured later: a counter that began where it had stopped.
        let again =
            numbers.sequence.newest() == Some(number) && own_clock && time > numbers.newest_time;
        if again {
            counts.restarts += 1;
            state.restart_numbers();
            state.run.sequence.take(number, time, own_clock);
            **numbers = fresh(state);
        }
        numbers.message = state.message;
        // Whether it was started again is the sender's matter.
        let verdict = numbers.sequence.take(number, Timestamp::MIN, true);
        numbers.repeated = verdict == Verdict::Seen;
        if matches!(verdict, Verdict::Ahead { .. }) {
            numbers.newest_time = time;
        }
        numbers.repeated
    }

    /// When a count was shown, as far as is known.
    fn map(&mut self, reading: &Reading, now: Timestamp) -> Timestamp {
        let at = self.place(reading.origin.sender());
        let clock = &self.known[at].run.clock;
        clock.at(Span(reading.time.0)).unwrap_or(now)
    }
}

impl Memory {
    fn is_empty(&self) -> bool {
        self.numbers.is_none() && self.restamped.is_none()
    }
}

/// The longest count of a message, of which `readings[0]` is the first.
fn longest(readings: &[Reading], around: Option<Span>) -> Span {
    let Some(first) = readings.first() else {
        return Span::ZERO;
    };
    let sender = first.origin.sender();
    let others = readings[1..]
        .iter()
        .filter(|other| other.origin.sender() == sender);
    let mut ahead = 0;
    for other in others.take_while(|other| !other.origin.leads()) {
        let step = other.time.0.saturating_sub(first.time.0);
        let step = match around {
            Some(around) if around.0 > 0 => {
                let step = step.rem_euclid(around.0);
                if step > around.0 / 2 { 0 } else { step }
            }
            _ => step,
        };
        ahead = step.max(ahead);
    }
    let count = first.time.0.saturating_add(ahead);
    match around {
        Some(around) if around.0 > 0 => Span(count.rem_euclid(around.0)),
        _ => Span(count),
    }
}

impl Device {
    /// Puts the first of `readings` on the gateway's time line, or says why it goes no further. The others are
    /// looked at as far as they are of the same message.
    pub(super) fn place_in_time(
        &mut self,
        readings: &[Reading],
        now: Timestamp,
    ) -> Result<Reading, ReadingFate> {
        let mut reading = readings[0];
        let latest = self.moment(now).latest;
        if !reading.origin.is_plain() {
            if reading.origin.leads() {
                self.senders.begin(readings, now, latest);
            }
            if reading.origin.clock() == Clock::SinceBoot {
                reading.time = self.senders.map(&reading, now);
            }
            if let Some(number) = reading.origin.number()
                && self.senders.repeats(&reading, number, now, latest)
            {
                return Err(ReadingFate::Duplicate);
            }
        }
        let (skew, time) = (self.class.skew, reading.time);
        if time > latest {
            if skew.future == OutOfSkew::Restamp {
                self.senders.counts.restamped_future += 1;
                reading = self.restamp(reading, now, latest);
            }
        } else if skew.max_past.is_some_and(|most| time < now - most)
            && self.is_set()
            && time >= Timestamp::YEAR_2000
        {
            if skew.past == OutOfSkew::Reject {
                return Err(ReadingFate::RejectedOld);
            }
            self.senders.counts.restamped_past += 1;
            reading = self.restamp(reading, now, latest);
        }
        Ok(reading)
    }

    /// The time of arrival; of readings that came together the first has it, and the others keep their distances.
    fn restamp(&mut self, mut reading: Reading, now: Timestamp, latest: Timestamp) -> Reading {
        reading.origin = reading.origin.with_clock(Clock::Arrival);
        let memory = self.senders.memory(reading.channel);
        if let Some((at, shift)) = memory.restamped
            && at == now
        {
            let time = reading.time + shift;
            if time <= latest && now - time <= self.class.max_future_skew {
                reading.time = time;
                return reading;
            }
        }
        memory.restamped = Some((now, now - reading.time));
        reading.time = now;
        reading
    }
}

/// Bytes of what is remembered of so many senders, and of the channels that they send, at most.
pub(super) fn bytes(senders: usize, channels: usize) -> usize {
    if senders == 0 {
        return 0;
    }
    let channel = grown(channels) * size_of::<Memory>() + channels * size_of::<Numbers>();
    grown(senders) * size_of::<State>() + senders * size_of::<Run>() + channel
}
