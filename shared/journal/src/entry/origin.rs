//! What readings have beyond channel, time and value, and what is told of their senders. Nearly no reading has any of
//! it, so an entry without any has not a byte of it.
//!
//! ```text
//! length varint | told varint | told… | stretches        nothing behind the length: all readings are plain;
//!                                                        one byte: these are the bits of all of them
//!
//! told       before varint, after the one before | sender u8 | flags u8 | [boot u32] | [modulus varint] | [around varint]
//!            flags: 1 boot, 2 modulus, 4 around (ns) follow; 8: of the gateway's clock, by varint (ns) follows and,
//!            with 16, the boot id u128 of a clock that is not set
//! stretch    count varint | bits u8 | [sender u8] | [number signed, after the newest before]
//!            bits: as of `Origin`; 16: each leads, with the next number; 32: a sender follows
//! ```
//!
//! In a stretch that leads only the first reading does: it is one message.

use eyot_pipeline::reading::{Origin, Sender};
use eyot_pipeline::{ClockStep, GatewayClock, Reading, Span};

use super::{Telling, Told};
use crate::varint::{self, Cursor, Malformed};

const BOOT: u8 = 1;
const MODULUS: u8 = 2;
const AROUND: u8 = 4;
const CLOCK: u8 = 8;
const UNSET: u8 = 16;

const STEPS: u8 = 16;
const SENDER: u8 = 32;

/// Whether there is anything to write.
pub(super) fn is_needed(readings: &[Reading], told: &[Told]) -> bool {
    !told.is_empty()
        || readings
            .iter()
            .any(|reading| reading.origin != Origin::default())
}

/// Appends what readings have, with the length before it.
pub(super) fn write(out: &mut Vec<u8>, scratch: &mut Vec<u8>, readings: &[Reading], told: &[Told]) {
    scratch.clear();
    if let Some(bits) = all_alike(readings, told) {
        scratch.push(bits);
    } else if is_needed(readings, told) {
        write_told(scratch, told);
        write_stretches(scratch, readings);
    }
    varint::put_bytes(out, scratch);
}

/// The bits of all readings, if they have the same and nothing beyond them: as those of messages without a time do.
fn all_alike(readings: &[Reading], told: &[Told]) -> Option<u8> {
    let (first, others) = readings.split_first()?;
    let origin = first.origin;
    let simple = Origin::from_parts(origin.bits(), 0, 0).is_some_and(|simple| simple == origin);
    let bare = simple && origin.number().is_none() && !origin.leads();
    let alike = bare && origin != Origin::default() && told.is_empty();
    (alike && others.iter().all(|other| other.origin == origin)).then_some(origin.bits())
}

fn write_told(out: &mut Vec<u8>, told: &[Told]) {
    varint::put(out, told.len() as u64);
    let mut at = 0;
    for Told { before, what } in told {
        varint::put(out, u64::from(before.saturating_sub(at)));
        at = at.max(*before);
        let sender = match what {
            Telling::Sender(sender) => sender,
            Telling::Clock(step) => {
                write_clock(out, *step);
                continue;
            }
        };
        let has = |is: bool, flag| if is { flag } else { 0 };
        let flags = has(sender.boot.is_some(), BOOT)
            | has(sender.modulus != 0, MODULUS)
            | has(sender.around.is_some(), AROUND);
        out.extend([sender.sender, flags]);
        if let Some(boot) = sender.boot {
            out.extend(boot.to_le_bytes());
        }
        if sender.modulus != 0 {
            varint::put(out, u64::from(sender.modulus));
        }
        if let Some(around) = sender.around {
            varint::put_signed(out, around.0);
        }
    }
}

fn write_clock(out: &mut Vec<u8>, step: ClockStep) {
    let boot = match step.clock {
        GatewayClock::Set => None,
        GatewayClock::Unset { boot } => Some(boot),
    };
    out.extend([0, CLOCK | if boot.is_some() { UNSET } else { 0 }]);
    varint::put_signed(out, step.by.0);
    if let Some(boot) = boot {
        out.extend(boot.to_le_bytes());
    }
}

fn write_stretches(out: &mut Vec<u8>, mut readings: &[Reading]) {
    let mut number = 0;
    while let Some(first) = readings.first() {
        let origin = first.origin;
        let steps = stretch(readings, |at, of| {
            let next = origin.number()?.checked_add(at)?;
            (origin.leads() && of == origin.with_number(next)).then_some(())
        });
        let follows = origin.following();
        let same = stretch(readings, |_, of| (of == follows).then_some(()));
        let (n, bits) = if steps > same {
            (steps, origin.bits() | STEPS)
        } else {
            (same, origin.bits())
        };
        varint::put(out, n as u64);
        let sender = if origin.sender() == 0 { 0 } else { SENDER };
        out.push(bits | sender);
        if sender != 0 {
            out.push(origin.sender());
        }
        if let Some(now) = origin.number() {
            varint::put_signed(out, i64::from(now) - i64::from(number));
            number = now;
            if bits & STEPS != 0 {
                number += (n - 1) as u32;
            }
        }
        readings = &readings[n..];
    }
}

/// The first reading, and those after it that `goes_on` takes, with how far they are from it.
fn stretch(readings: &[Reading], goes_on: impl Fn(u32, Origin) -> Option<()>) -> usize {
    let others = (1..).zip(&readings[1..]);
    1 + others
        .take_while(|(at, reading)| goes_on(*at, reading.origin).is_some())
        .count()
}

/// Origins of the readings of an input, in their order, and then those of plain ones for ever.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origins<'a> {
    cursor: Cursor<'a>,
    number: u32,
    left: u64,
    /// Of the next reading.
    next: Origin,
    steps: bool,
}

/// What is told of senders, in its order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tellings<'a> {
    cursor: Cursor<'a>,
    left: u64,
    at: u32,
}

impl<'a> Origins<'a> {
    /// Of what [`write`] has written, without the length.
    pub(super) fn new(bytes: &'a [u8]) -> Result<(Self, Tellings<'a>), Malformed> {
        match *bytes {
            [] => return Ok(Default::default()),
            [bits] => {
                let origins = Self {
                    next: Origin::from_parts(bits, 0, 0).ok_or(Malformed)?,
                    left: u64::MAX,
                    ..Self::default()
                };
                return Ok((origins, Tellings::default()));
            }
            _ => {}
        }
        let mut told = Tellings {
            cursor: Cursor::new(bytes),
            ..Tellings::default()
        };
        told.left = told.cursor.count()? as u64;
        let mut rest = told;
        while rest.read()?.is_some() {}
        let origins = Self {
            cursor: rest.cursor,
            ..Self::default()
        };
        Ok((origins, told))
    }

    /// Whether there is one for each of `count` readings and no more, or none at all.
    pub(super) fn check(mut self, count: u64) -> Result<(), Malformed> {
        let mut sum = 0_u64;
        let is_empty = self.cursor.is_empty();
        while !self.cursor.is_empty() {
            self.stretch()?;
            sum = sum.checked_add(self.left).ok_or(Malformed)?;
            if self.steps {
                let last = u64::from(self.next.number().ok_or(Malformed)?) + (self.left - 1);
                self.number = u32::try_from(last).map_err(|_| Malformed)?;
            }
        }
        if sum == count || is_empty {
            Ok(())
        } else {
            Err(Malformed)
        }
    }

    fn stretch(&mut self) -> Result<(), Malformed> {
        self.left = self.cursor.varint()?;
        let bits = self.cursor.byte()?;
        let sender = if bits & SENDER == 0 {
            0
        } else {
            self.cursor.byte()?
        };
        let origin = Origin::from_parts(bits & !(STEPS | SENDER), sender, 0).ok_or(Malformed)?;
        self.steps = bits & STEPS != 0;
        self.next = origin;
        if origin.number().is_some() {
            let number = i64::from(self.number).checked_add(self.cursor.signed()?);
            let number = number.and_then(|number| u32::try_from(number).ok());
            self.number = number.ok_or(Malformed)?;
            self.next = origin.with_number(self.number);
        }
        if self.left == 0 {
            Err(Malformed)
        } else {
            Ok(())
        }
    }
}

#[expect(
    clippy::copy_iterator,
    reason = "a part of an input, which is a view and is copied with it"
)]
impl Iterator for Origins<'_> {
    type Item = Origin;

    fn next(&mut self) -> Option<Origin> {
        if self.left == 0 && (self.cursor.is_empty() || self.stretch().is_err()) {
            return Some(Origin::default());
        }
        self.left -= 1;
        let origin = self.next;
        if self.steps {
            if self.left > 0 {
                self.number = self.number.wrapping_add(1);
                self.next = origin.with_number(self.number);
            }
        } else {
            self.next = origin.following();
        }
        Some(origin)
    }
}

impl Tellings<'_> {
    fn read(&mut self) -> Result<Option<Told>, Malformed> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let step = self.cursor.number()?;
        self.at = self.at.checked_add(step).ok_or(Malformed)?;
        let mut sender = Sender {
            sender: self.cursor.byte()?,
            ..Sender::default()
        };
        let flags = self.cursor.byte()?;
        if flags & CLOCK != 0 {
            let what = Telling::Clock(self.clock(flags)?);
            let before = self.at;
            return Ok(Some(Told { before, what }));
        }
        if flags & !(BOOT | MODULUS | AROUND) != 0 {
            return Err(Malformed);
        }
        if flags & BOOT != 0 {
            sender.boot = Some(u32::from_le_bytes(self.cursor.array()?));
        }
        if flags & MODULUS != 0 {
            sender.modulus = self.cursor.number()?;
        }
        if flags & AROUND != 0 {
            sender.around = Some(Span(self.cursor.signed()?));
        }
        Ok(Some(Told {
            before: self.at,
            what: Telling::Sender(sender),
        }))
    }

    fn clock(&mut self, flags: u8) -> Result<ClockStep, Malformed> {
        let by = Span(self.cursor.signed()?);
        let clock = match flags {
            CLOCK => GatewayClock::Set,
            flags if flags == CLOCK | UNSET => GatewayClock::Unset {
                boot: u128::from_le_bytes(self.cursor.array()?),
            },
            _ => return Err(Malformed),
        };
        Ok(ClockStep { by, clock })
    }
}

#[expect(
    clippy::copy_iterator,
    reason = "a part of an input, which is a view and is copied with it"
)]
impl Iterator for Tellings<'_> {
    type Item = Told;

    fn next(&mut self) -> Option<Told> {
        self.read().ok().flatten()
    }
}
