//! Entries, coming out.

use eyot_pipeline::reading::{ChannelIndex, Origin};
use eyot_pipeline::{Reading, Timestamp};

use super::Told;
use super::flag;
use super::origin::{Origins, Tellings};
use super::source::SourceRef;
use crate::Position;
use crate::dictionary::Dictionary;
use crate::run::{Head, Runs};
use crate::varint::{Cursor, Malformed};

/// Readings that are decoded at once, on the stack.
const PIECE: usize = 64;

/// An entry as it was read. It was checked before it was handed out, so nothing in it can fail.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    position: Position,
    flags: u8,
    admitted: i64,
    source: Option<SourceRef<'a>>,
    inputs: Cursor<'a>,
    dictionary: &'a Dictionary,
}

/// The definitions of a body.
pub(crate) fn definitions(body: &[u8]) -> Result<&[u8], Malformed> {
    let mut cursor = Cursor::new(body);
    let flags = cursor.byte()?;
    cursor.varint()?;
    if flags & flag::DEFINITIONS == 0 {
        return Ok(&[]);
    }
    cursor.bytes()
}

impl<'a> EntryRef<'a> {
    /// Takes a body apart down to its inputs.
    pub(crate) fn new(
        body: &'a [u8],
        position: Position,
        base: i64,
        dictionary: &'a Dictionary,
    ) -> Result<Self, Malformed> {
        let mut cursor = Cursor::new(body);
        let flags = cursor.byte()?;
        let micros = base.wrapping_add(cursor.signed()?);
        if flags & flag::DEFINITIONS != 0 {
            cursor.bytes()?;
        }
        let source = if flags & flag::SOURCE == 0 {
            None
        } else {
            Some(SourceRef::new(&mut cursor, flags, dictionary)?)
        };
        let mut entry = Self {
            position,
            flags,
            admitted: micros.wrapping_mul(1_000),
            source,
            inputs: cursor,
            dictionary,
        };
        if flags & flag::PLAIN != 0 {
            let add = |sum: u64, input: InputRef<'_>| sum.saturating_add(input.count());
            let readings = entry.inputs().fold(0, add);
            if let Some(source) = &mut entry.source {
                source.plain = Some(readings);
            }
        }
        Ok(entry)
    }

    /// Whether everything in it can be read and every name is known.
    pub(crate) fn check(&self) -> Result<(), Malformed> {
        let mut inputs = self.inputs();
        while let Some(input) = inputs.read()? {
            input.check()?;
        }
        if inputs.cursor.is_empty() {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    /// Its position.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Gateway time at which it was admitted, in whole microseconds.
    #[must_use]
    pub const fn admitted(&self) -> Timestamp {
        Timestamp(self.admitted)
    }

    /// What it means for the books, if it is a burst of a source.
    #[must_use]
    pub const fn source(&self) -> Option<SourceRef<'a>> {
        self.source
    }

    /// What the devices are told, in this order.
    #[must_use]
    pub fn inputs(&self) -> Inputs<'a> {
        let mut inputs = Inputs {
            cursor: self.inputs,
            left: 1,
            flags: self.flags,
            admitted: self.admitted,
            dictionary: self.dictionary,
        };
        if self.flags & flag::ONE == 0 {
            // Checked: a count that cannot be read is found by `check` as an input that cannot.
            inputs.left = inputs.cursor.count().unwrap_or(usize::MAX);
        }
        inputs
    }
}

/// The inputs of an entry.
#[derive(Clone)]
pub struct Inputs<'a> {
    cursor: Cursor<'a>,
    left: usize,
    flags: u8,
    admitted: i64,
    dictionary: &'a Dictionary,
}

impl<'a> Inputs<'a> {
    fn read(&mut self) -> Result<Option<InputRef<'a>>, Malformed> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let head = self.cursor.varint()?;
        let one = self.flags & flag::ONE != 0;
        let number = if one { head } else { head >> 1 };
        let number = u32::try_from(number).map_err(|_| Malformed)?;
        let mut input = InputRef {
            device: self.dictionary.device(number)?,
            count: 0,
            runs: None,
            origins: Origins::default(),
            told: Tellings::default(),
            dictionary: self.dictionary,
        };
        if !one && head & 1 == 1 {
            return Ok(Some(input));
        }
        let single = one && self.flags & flag::SINGLE != 0;
        input.count = if single { 1 } else { self.cursor.varint()? };
        if self.flags & flag::ORIGINS != 0 {
            (input.origins, input.told) = Origins::new(self.cursor.bytes()?)?;
        }
        let runs = if one {
            self.cursor.take(self.cursor.len())?
        } else {
            self.cursor.bytes()?
        };
        input.runs = Some(Runs::new(Cursor::new(runs), self.admitted));
        Ok(Some(input))
    }
}

impl<'a> Iterator for Inputs<'a> {
    type Item = InputRef<'a>;

    fn next(&mut self) -> Option<InputRef<'a>> {
        self.read().ok().flatten()
    }
}

/// What one device is told.
#[derive(Clone, Copy)]
pub struct InputRef<'a> {
    device: &'a str,
    count: u64,
    runs: Option<Runs<'a>>,
    origins: Origins<'a>,
    told: Tellings<'a>,
    dictionary: &'a Dictionary,
}

impl<'a> InputRef<'a> {
    /// The device's name.
    #[must_use]
    pub const fn device(&self) -> &'a str {
        self.device
    }

    /// Whether its timer fired; otherwise readings arrived.
    #[must_use]
    pub const fn is_timer(&self) -> bool {
        self.runs.is_none()
    }

    /// How many readings there are. They are not looked at for it.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Calls `with` with the readings, in their order: channel, unit, and some readings of that channel as
    /// (event time, value). A long run comes in several pieces.
    pub fn for_each_run(
        &self,
        mut with: impl FnMut(&'a str, Option<&'a str>, &[(Timestamp, f64)]),
    ) {
        let Some(mut runs) = self.runs else { return };
        while let Ok(Some(head)) = runs.head() {
            let Ok((channel, unit)) = self.dictionary.channel(head.channel) else {
                return;
            };
            let piece = |readings: &[(Timestamp, f64)]| with(channel, unit, readings);
            if read_run(&mut runs, &head, piece).is_err() {
                return;
            }
        }
    }

    /// Appends the readings and what the device is told meanwhile, in their order, and returns how many were left out.
    /// `channel` finds where a channel of that name and unit is now; `None`: nowhere, and its readings are left out.
    pub fn read(
        &self,
        mut channel: impl FnMut(&str, &str) -> Option<ChannelIndex>,
        readings: &mut Vec<Reading>,
        told: &mut Vec<Told>,
    ) -> u64 {
        let (mut origins, mut tellings) = (self.origins(), self.told().peekable());
        let (mut orphans, mut seen) = (0, 0_u32);
        // A message whose first reading is gone begins with the one after it.
        let mut led: Option<Origin> = None;
        self.for_each_run(|name, unit, run| {
            let channel = channel(name, unit.unwrap_or_default());
            for &(time, value) in run {
                while let Some(mut telling) = tellings.next_if(|telling| telling.before <= seen) {
                    telling.before = readings.len() as u32;
                    told.push(telling);
                }
                seen += 1;
                let mut origin = origins.next().unwrap_or_default();
                if led.take_if(|gone| gone.following() == origin).is_some() {
                    origin = origin.leading();
                }
                let Some(channel) = channel else {
                    orphans += 1;
                    led = origin.leads().then_some(origin);
                    continue;
                };
                led = None;
                readings.push(Reading {
                    time,
                    value,
                    channel,
                    origin,
                });
            }
        });
        told.extend(tellings.map(|telling| Told {
            before: readings.len() as u32,
            ..telling
        }));
        orphans
    }

    /// What the readings have beyond channel, time and value, in their order.
    #[must_use]
    pub const fn origins(&self) -> Origins<'a> {
        self.origins
    }

    /// What the device is told of its senders meanwhile.
    #[must_use]
    pub const fn told(&self) -> Tellings<'a> {
        self.told
    }

    fn check(&self) -> Result<(), Malformed> {
        self.origins.check(self.count)?;
        let Some(mut runs) = self.runs else {
            return Ok(());
        };
        let mut count = 0;
        while let Some(head) = runs.head()? {
            self.dictionary.channel(head.channel)?;
            runs.skip_values(&head)?;
            count += head.count as u64;
        }
        if count == self.count {
            Ok(())
        } else {
            Err(Malformed)
        }
    }
}

fn read_run(
    runs: &mut Runs<'_>,
    head: &Head,
    mut with: impl FnMut(&[(Timestamp, f64)]),
) -> Result<(), Malformed> {
    let mut values = head.values();
    if head.count == 1 {
        let value = values.next(&mut runs.cursor)?;
        with(&[(Timestamp(head.time(0)), value)]);
        return Ok(());
    }
    let mut piece = [(Timestamp(0), 0.0); PIECE];
    let mut done = 0;
    while done < head.count {
        let n = (head.count - done).min(PIECE);
        for (i, slot) in piece[..n].iter_mut().enumerate() {
            let value = values.next(&mut runs.cursor)?;
            *slot = (Timestamp(head.time(done + i)), value);
        }
        with(&piece[..n]);
        done += n;
    }
    Ok(())
}
