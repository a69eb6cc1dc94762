//! Names and their numbers. Each segment has numbers of its own, which are given away as names come up first,
//! inside the entry that needs them:
//!
//! ```text
//! kind u8 | number varint | text            devices (0), sources (2)
//! kind u8 | number varint | text | text     fates (3): term, reason
//! kind u8 | number varint | text | unit     channels (1): name; 0, or 1 and a text
//! ```
//!
//! The number is written down, so that those after a lost definition keep their meaning.

use std::collections::HashMap;

use eyot_pipeline::ledger::{MessageFate, ReadingFate};
use eyot_pipeline::reading::ChannelIndex;

use crate::entry::DeviceNames;
use crate::varint::{self, Cursor, Malformed};

const DEVICE: u8 = 0;
const CHANNEL: u8 = 1;
const SOURCE: u8 = 2;
const FATE: u8 = 3;

/// A number, good in the segment that it was given away in.
#[derive(Debug, Clone, Copy, Default)]
struct Given {
    segment: u32,
    number: u32,
}

#[derive(Debug, Default)]
struct Device {
    given: Given,
    channels: Vec<Given>,
}

/// What has a number already in the segment being written. Nothing allocates once a name is known.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Counts segments, so that a new one forgets everything without touching it. 0 is none.
    segment: u32,
    /// By the caller's key, and by channel index within.
    devices: Vec<Device>,
    given_devices: u32,
    channels: HashMap<Vec<u8>, u32>,
    sources: Vec<Box<str>>,
    message_fates: [Given; MessageFate::COUNT],
    reading_fates: [Given; ReadingFate::COUNT],
    fates: u32,
    /// Definitions that came up since [`Known::take`].
    fresh: Vec<u8>,
    scratch: Vec<u8>,
}

impl Known {
    /// A new segment begins.
    pub(crate) fn forget(&mut self) {
        self.segment += 1;
        self.given_devices = 0;
        self.channels.clear();
        self.sources.clear();
        self.fates = 0;
        self.fresh.clear();
    }

    /// Definitions that came up since they were cleared last.
    pub(crate) fn fresh(&mut self) -> &mut Vec<u8> {
        &mut self.fresh
    }

    #[inline]
    pub(crate) fn device(&mut self, key: u32, names: &dyn DeviceNames) -> u32 {
        let key = key as usize;
        if key >= self.devices.len() {
            self.devices.resize_with(key + 1, Device::default);
        }
        let device = &mut self.devices[key];
        if device.given.segment != self.segment {
            device.given = Given {
                segment: self.segment,
                number: self.given_devices,
            };
            self.given_devices += 1;
            self.fresh.push(DEVICE);
            varint::put(&mut self.fresh, u64::from(device.given.number));
            varint::put_text(&mut self.fresh, names.device());
        }
        device.given.number
    }

    /// The channel of a device that has a number.
    #[inline]
    pub(crate) fn channel(
        &mut self,
        key: u32,
        index: ChannelIndex,
        names: &dyn DeviceNames,
    ) -> u32 {
        let channels = &mut self.devices[key as usize].channels;
        let place = usize::from(index);
        if place >= channels.len() {
            channels.resize(place + 1, Given::default());
        }
        let given = channels[place];
        if given.segment == self.segment {
            return given.number;
        }
        let number = self.define_channel(index, names);
        self.devices[key as usize].channels[place] = Given {
            segment: self.segment,
            number,
        };
        number
    }

    /// Devices share the numbers of channels that are called the same and have the same unit.
    fn define_channel(&mut self, index: ChannelIndex, names: &dyn DeviceNames) -> u32 {
        let text = &mut self.scratch;
        text.clear();
        names.channel(index, &mut |name, unit| {
            text.clear();
            varint::put_text(text, name);
            text.push(u8::from(unit.is_some()));
            if let Some(unit) = unit {
                varint::put_text(text, unit);
            }
        });
        if text.is_empty() {
            // Names that do not know their own channel; an empty name keeps the entry whole.
            text.extend_from_slice(&[0, 0]);
        }
        if let Some(&number) = self.channels.get(text) {
            return number;
        }
        let number = self.channels.len() as u32;
        self.channels.insert(text.clone(), number);
        self.fresh.push(CHANNEL);
        varint::put(&mut self.fresh, u64::from(number));
        self.fresh.extend_from_slice(text);
        number
    }

    #[inline]
    pub(crate) fn source(&mut self, name: &str) -> u32 {
        if let Some(number) = self.sources.iter().position(|known| **known == *name) {
            return number as u32;
        }
        let number = self.sources.len() as u32;
        self.sources.push(name.into());
        self.fresh.push(SOURCE);
        varint::put(&mut self.fresh, u64::from(number));
        varint::put_text(&mut self.fresh, name);
        number
    }

    pub(crate) fn message_fate(&mut self, fate: MessageFate) -> u32 {
        let given = self.message_fates[fate as usize];
        if given.segment == self.segment {
            return given.number;
        }
        let given = self.define_fate(fate.term(), fate.reason());
        self.message_fates[fate as usize] = given;
        given.number
    }

    pub(crate) fn reading_fate(&mut self, fate: ReadingFate) -> u32 {
        let given = self.reading_fates[fate as usize];
        if given.segment == self.segment {
            return given.number;
        }
        let given = self.define_fate(fate.term(), fate.reason());
        self.reading_fates[fate as usize] = given;
        given.number
    }

    fn define_fate(&mut self, term: &str, reason: &str) -> Given {
        let number = self.fates;
        self.fates += 1;
        self.fresh.push(FATE);
        varint::put(&mut self.fresh, u64::from(number));
        varint::put_text(&mut self.fresh, term);
        varint::put_text(&mut self.fresh, reason);
        Given {
            segment: self.segment,
            number,
        }
    }
}

/// Name and unit.
type Channel = (Box<str>, Option<Box<str>>);

/// The names of a segment, as far as it was read.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    devices: Vec<Option<Box<str>>>,
    channels: Vec<Option<Channel>>,
    sources: Vec<Option<Box<str>>>,
    fates: Vec<Option<(Box<str>, Box<str>)>>,
}

impl Dictionary {
    /// Takes definitions. None has a number of `limit` or more, which bounds what damage can cost.
    pub(crate) fn define(&mut self, definitions: &[u8], limit: usize) -> Result<(), Malformed> {
        let mut cursor = Cursor::new(definitions);
        while !cursor.is_empty() {
            let kind = cursor.byte()?;
            let number = cursor.number()? as usize;
            if number >= limit {
                return Err(Malformed);
            }
            match kind {
                DEVICE => put(&mut self.devices, number, cursor.text()?.into()),
                SOURCE => put(&mut self.sources, number, cursor.text()?.into()),
                FATE => {
                    let fate = (cursor.text()?.into(), cursor.text()?.into());
                    put(&mut self.fates, number, fate);
                }
                CHANNEL => {
                    let name = cursor.text()?.into();
                    let unit = match cursor.byte()? {
                        0 => None,
                        1 => Some(cursor.text()?.into()),
                        _ => return Err(Malformed),
                    };
                    put(&mut self.channels, number, (name, unit));
                }
                _ => return Err(Malformed),
            }
        }
        Ok(())
    }

    pub(crate) fn device(&self, number: u32) -> Result<&str, Malformed> {
        get(&self.devices, number).map(AsRef::as_ref)
    }

    pub(crate) fn source(&self, number: u32) -> Result<&str, Malformed> {
        get(&self.sources, number).map(AsRef::as_ref)
    }

    pub(crate) fn channel(&self, number: u32) -> Result<(&str, Option<&str>), Malformed> {
        get(&self.channels, number).map(|(name, unit)| (name.as_ref(), unit.as_deref()))
    }

    pub(crate) fn fate(&self, number: u32) -> Result<(&str, &str), Malformed> {
        get(&self.fates, number).map(|(term, reason)| (term.as_ref(), reason.as_ref()))
    }
}

fn put<T>(table: &mut Vec<Option<T>>, number: usize, value: T) {
    if number >= table.len() {
        table.resize_with(number + 1, || None);
    }
    table[number] = Some(value);
}

fn get<T>(table: &[Option<T>], number: u32) -> Result<&T, Malformed> {
    table
        .get(number as usize)
        .and_then(Option::as_ref)
        .ok_or(Malformed)
}
