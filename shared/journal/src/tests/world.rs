//! Entries that own what they say, and names for devices.

use eyot_pipeline::ledger::{MessageFate, ReadingFate};
use eyot_pipeline::reading::{ChannelIndex, Origin, Sender};
use eyot_pipeline::{ClockStep, GatewayClock, Reading, Span, Timestamp};

use crate::testing::Random;
use crate::{
    Delivery, DeviceInput, DeviceNames, Disk, Entry, EntryRef, FileError, Gap, Journal, Letter,
    Options, Position, Reader, SourcePart, Step, Telling, Told as Heard, admission,
};

/// 2027-01-15.
pub(crate) const ORIGIN: i64 = 1_800_000_000_000_000_000;

pub(crate) const OPTIONS: Options = Options {
    max_bytes: 1 << 30,
    segment_bytes: 4 << 10,
    at_least: 1,
};

/// A device called after its key, with channels called after their index; some have a unit.
pub(crate) struct Names(String);

impl Names {
    pub(crate) fn new(key: u32) -> Self {
        Self(format!("device-{key}"))
    }
}

impl DeviceNames for Names {
    fn device(&self) -> &str {
        &self.0
    }

    fn channel(&self, index: ChannelIndex, with: &mut dyn FnMut(&str, Option<&str>)) {
        let (name, unit) = channel(index);
        with(&name, unit);
    }
}

fn channel(index: ChannelIndex) -> (String, Option<&'static str>) {
    (format!("channel-{index}"), (index % 2 == 1).then_some("°C"))
}

/// What an entry says, in the words of the reader.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Said {
    pub(crate) admitted: i64,
    pub(crate) source: Option<Source>,
    pub(crate) inputs: Vec<Input>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) messages: Vec<(MessageFate, u64)>,
    pub(crate) settled: Vec<(ReadingFate, u64)>,
    pub(crate) unmapped: u64,
    pub(crate) letters: Vec<(String, Vec<u8>)>,
    pub(crate) deliveries: Vec<Delivery>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    Timer(u32),
    /// Channel, time, bits of the value.
    Readings(u32, Vec<(ChannelIndex, i64, u64)>),
    /// The same, with what they have beyond that, and what is told.
    Numbered(u32, Vec<(ChannelIndex, i64, u64)>, Vec<Origin>, Vec<Heard>),
}

impl Said {
    /// One reading of one device, as the commonest source sends it.
    pub(crate) fn reading(number: u64) -> Self {
        let value = f64::from(2_000 + (number % 100) as u32) / 100.0;
        let admitted = ORIGIN + number.cast_signed() * 1_000_000;
        let reading = (0, admitted - 5_000_000, value.to_bits());
        Self {
            admitted,
            source: Some(Source {
                name: "mqtt".to_owned(),
                messages: vec![(MessageFate::Decoded, 1)],
                ..Source::default()
            }),
            inputs: vec![Input::Readings((number % 3) as u32, vec![reading])],
        }
    }

    /// Anything that an agent might say.
    pub(crate) fn random(random: &mut Random) -> Self {
        let mut said = Self::reading(random.number() % 1_000_000);
        for _ in 0..random.below(3) {
            let key = random.below(6) as u32;
            said.inputs.push(match random.below(4) {
                0 => Input::Timer(key),
                1 => {
                    let mut origins = vec![Origin::default().leading()];
                    origins.resize_with(600, || origin(random));
                    let told: Vec<_> = (0..random.below(3))
                        .map(|at| told(random, at as u32))
                        .collect();
                    let readings = readings(random);
                    origins.truncate(readings.len());
                    if readings.is_empty() && told.is_empty() {
                        Input::Timer(key)
                    } else {
                        Input::Numbered(key, readings, origins, told)
                    }
                }
                _ => Input::Readings(key, readings(random)),
            });
        }
        if random.chance(300) {
            said.inputs.remove(0);
        }
        match random.below(4) {
            0 => said.source = None,
            1 => {
                let source = said.source.insert(Source::default());
                source.name = format!("source-{}", random.below(3));
                source.unmapped = random.number() % 3;
                for _ in 0..random.below(3) {
                    let fate = MessageFate::ALL[random.below(MessageFate::COUNT)];
                    source.messages.push((fate, random.number() % 1_000));
                    let fate = ReadingFate::ALL[random.below(ReadingFate::COUNT)];
                    source.settled.push((fate, random.number()));
                    source.letters.push(("a/topic".to_owned(), vec![0xff; 9]));
                    source.deliveries.push(Delivery {
                        packet: random.number() as u16,
                        content: random.number() as u32,
                    });
                }
            }
            _ => {}
        }
        said
    }

    /// What comes back of an entry.
    pub(crate) fn of(entry: &EntryRef<'_>) -> Self {
        let source = entry.source().map(|source| Source {
            name: source.name().to_owned(),
            messages: source
                .messages()
                .map(|(fate, n)| (fate.of_message().unwrap(), n))
                .collect(),
            settled: source
                .settled()
                .map(|(fate, n)| (fate.of_reading().unwrap(), n))
                .collect(),
            unmapped: source.unmapped(),
            deliveries: source.deliveries().collect(),
            letters: source
                .letters()
                .map(|letter| {
                    assert_eq!((letter.reason, letter.detail), ("payload", "it is ü"));
                    assert_eq!(letter.payload_len, 1 << 40);
                    (letter.topic.to_owned(), letter.payload.to_owned())
                })
                .collect(),
        });
        let number = |name: &str| name.rsplit('-').next().unwrap().parse::<u32>().unwrap();
        let inputs = entry.inputs().map(|input| {
            let key = number(input.device());
            assert_eq!(input.device(), Names::new(key).device());
            if input.is_timer() {
                return Input::Timer(key);
            }
            let mut readings = Vec::new();
            input.for_each_run(|name, unit, run| {
                let index = number(name) as ChannelIndex;
                assert_eq!(channel(index), (name.to_owned(), unit));
                readings.extend(run.iter().map(|(t, v)| (index, t.0, v.to_bits())));
            });
            assert_eq!(readings.len() as u64, input.count());
            let origins: Vec<_> = input.origins().take(readings.len()).collect();
            let told: Vec<_> = input.told().collect();
            let plain = origins.iter().all(|origin| *origin == Origin::default());
            if plain && told.is_empty() {
                return Input::Readings(key, readings);
            }
            Input::Numbered(key, readings, origins, told)
        });
        Self {
            admitted: entry.admitted().0,
            source,
            inputs: inputs.collect(),
        }
    }
}

/// Often one that goes on from others.
pub(crate) fn origin(random: &mut Random) -> Origin {
    let number = match random.below(4) {
        0 => random.number() as u32,
        _ => random.below(4) as u32 + 250,
    };
    let sender = if random.chance(100) {
        random.below(3) as u8
    } else {
        0
    };
    let bits = if random.chance(700) {
        12
    } else {
        random.below(16) as u8
    };
    Origin::from_parts(bits, sender, number).unwrap_or_default()
}

pub(crate) fn told(random: &mut Random, before: u32) -> Heard {
    let sender = Sender {
        sender: random.below(3) as u8,
        boot: random.chance(500).then(|| random.number() as u32),
        modulus: if random.chance(500) {
            random.number() as u32
        } else {
            0
        },
        around: random
            .chance(500)
            .then(|| Span(random.number().cast_signed())),
    };
    let what = match random.below(4) {
        0 => Telling::Clock(ClockStep {
            by: Span(random.number().cast_signed()),
            clock: match random.below(2) {
                0 => GatewayClock::Set,
                _ => GatewayClock::Unset {
                    boot: u128::from(random.number()) << 40,
                },
            },
        }),
        _ => Telling::Sender(sender),
    };
    Heard { before, what }
}

fn readings(random: &mut Random) -> Vec<(ChannelIndex, i64, u64)> {
    let mut readings = Vec::new();
    for _ in 0..random.below(4) {
        let channel = random.below(5) as ChannelIndex;
        let start = ORIGIN + random.below(1_000_000).cast_signed() as i64 * 1_000;
        let interval = random.below(3).cast_signed() as i64 * 1_000_000;
        for i in 0..=random.below(150).cast_signed() as i64 {
            let value = match random.below(8) {
                0 => f64::from_bits(random.number()),
                1 => f64::from(random.below(1 << 20) as f32 / 3.0),
                _ => random.below(5_000) as f64 / 100.0,
            };
            readings.push((channel, start + i * interval, value.to_bits()));
        }
    }
    readings
}

/// Commits entries that say this.
pub(crate) fn commit<D: Disk>(
    journal: &mut Journal<D>,
    said: &[Said],
    sync: bool,
) -> Result<std::ops::Range<Position>, crate::CommitError> {
    with_entries(said, |entries| journal.commit(entries, sync))
}

/// Lends entries that say this.
pub(crate) fn with_entries<T>(said: &[Said], with: impl FnOnce(&[Entry<'_>]) -> T) -> T {
    let names: Vec<_> = (0..10).map(Names::new).collect();
    let readings: Vec<Vec<Vec<Reading>>> = said
        .iter()
        .map(|said| said.inputs.iter().map(readings_of).collect())
        .collect();
    let inputs: Vec<Vec<DeviceInput<'_>>> = said
        .iter()
        .zip(&readings)
        .map(|(said, readings)| {
            let inputs = said.inputs.iter().zip(readings);
            inputs
                .map(|(input, readings)| device_input(input, readings, &names))
                .collect()
        })
        .collect();
    let letters: Vec<Vec<Letter<'_>>> = said.iter().map(letters_of).collect();
    let entries: Vec<_> = said
        .iter()
        .zip(&inputs)
        .zip(&letters)
        .map(|((said, inputs), letters)| Entry {
            admitted: admission(Timestamp(said.admitted + 999)),
            source: said.source.as_ref().map(|source| SourcePart {
                name: &source.name,
                messages: &source.messages,
                settled: &source.settled,
                unmapped: source.unmapped,
                letters,
                deliveries: &source.deliveries,
            }),
            inputs,
        })
        .collect();
    with(&entries)
}

fn device_input<'a>(
    input: &'a Input,
    readings: &'a [Reading],
    names: &'a [Names],
) -> DeviceInput<'a> {
    match *input {
        Input::Timer(key) => DeviceInput::Timer {
            key,
            names: &names[key as usize],
        },
        Input::Readings(key, _) => DeviceInput::Readings {
            key,
            names: &names[key as usize],
            readings,
            told: &[],
        },
        Input::Numbered(key, _, _, ref told) => DeviceInput::Readings {
            key,
            names: &names[key as usize],
            readings,
            told,
        },
    }
}

fn readings_of(input: &Input) -> Vec<Reading> {
    let (readings, origins) = match input {
        Input::Readings(_, readings) => (readings, &[][..]),
        Input::Numbered(_, readings, origins, _) => (readings, &origins[..]),
        Input::Timer(_) => return Vec::new(),
    };
    let mut origins = origins.iter();
    let mut reading = |&(channel, time, bits): &(ChannelIndex, i64, u64)| Reading {
        time: Timestamp(time),
        value: f64::from_bits(bits),
        channel,
        origin: origins.next().copied().unwrap_or_default(),
    };
    readings.iter().map(&mut reading).collect()
}

fn letters_of(said: &Said) -> Vec<Letter<'_>> {
    let letters = said.source.iter().flat_map(|source| &source.letters);
    letters
        .map(|(topic, payload)| Letter {
            topic,
            reason: "payload",
            detail: "it is ü",
            payload,
            payload_len: 1 << 40,
        })
        .collect()
}

/// Everything a reader tells up to a position.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Told {
    pub(crate) entries: Vec<(Position, Said)>,
    pub(crate) gaps: Vec<Gap>,
}

pub(crate) fn read_to<D: Disk>(reader: &mut Reader<D>, up_to: Position) -> Result<Told, FileError> {
    let mut told = Told::default();
    let mut expected = reader.position();
    while let Some(step) = reader.next(up_to)? {
        match step {
            Step::Entry(entry) => {
                assert_eq!(entry.position(), expected, "every position is told about");
                expected += 1;
                told.entries.push((entry.position(), Said::of(&entry)));
            }
            Step::Skipped(gap) => {
                assert_eq!(gap.from, expected, "every position is told about");
                assert!(gap.to >= gap.from);
                expected = gap.to + 1;
                told.gaps.push(gap);
            }
        }
        assert_eq!(reader.position(), expected);
    }
    Ok(told)
}

/// Everything there is from a position on.
pub(crate) fn read_all<D: Disk>(journal: &Journal<D>, from: Position) -> Told {
    read_to(&mut journal.reader(from), journal.last()).unwrap()
}
