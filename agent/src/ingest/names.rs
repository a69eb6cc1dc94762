//! From the names in messages to devices and their channels, remembered name by name.

use std::collections::HashMap;
use std::sync::Arc;

use eyot_decode::Conversion;
use eyot_pipeline::reading::ChannelIndex;

use super::Surroundings;
use super::collect::Nowhere;
use crate::actors::{DeviceEntry, Resolution};

/// Channels remembered, over all devices. Beyond it all are forgotten: a source with more of them than
/// this has other troubles than looking names up again.
const REMEMBERED: usize = 100_000;

/// A channel of a device.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) entry: Arc<DeviceEntry>,
    pub(super) channel: ChannelIndex,
    /// Which of the device's senders it is of.
    pub(super) sender: u8,
    /// The channel's unit; `None`: it takes whatever comes.
    unit: Option<Box<str>>,
    /// The unit that came last, and how it becomes the channel's; `None` if it does not.
    last: Option<Box<(Box<str>, Option<Conversion>)>>,
}

impl Slot {
    /// `value`, which is in `unit`, in the channel's unit; `None` if that cannot be.
    pub(super) fn convert(&mut self, value: f64, unit: &str) -> Option<f64> {
        let Some(own) = &self.unit else {
            return Some(value);
        };
        if unit.is_empty() || *unit == **own || unit == "bool" {
            return Some(value);
        }
        if self.last.as_ref().is_none_or(|last| *last.0 != *unit) {
            let conversion = eyot_decode::conversion(unit, own);
            self.last = Some(Box::new((unit.into(), conversion)));
        }
        let conversion = self.last.as_ref()?.1.as_ref()?;
        Some(conversion.apply(value))
    }
}

/// The names of one source.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Position in `slots`, by device and channel.
    known: HashMap<Box<str>, HashMap<Box<str>, usize, ahash::RandomState>, ahash::RandomState>,
    slots: Vec<Result<Slot, Nowhere>>,
}

impl Names {
    /// Position of the slot that readings of that device and channel go to; `unit` is theirs. It holds
    /// until the next call.
    pub(super) fn place(
        &mut self,
        device: &str,
        channel: &str,
        unit: &str,
        around: &Surroundings,
    ) -> Result<usize, Nowhere> {
        let known = self.known.get(device).and_then(|of| of.get(channel));
        let at = match known {
            Some(at) => *at,
            None => self.learn(device, channel),
        };
        let slot = &mut self.slots[at];
        // A device for which there was no room may find some later.
        if matches!(slot, Err(Nowhere::LimitReached)) {
            *slot = find(device, channel, unit, around);
        }
        match slot {
            Ok(_) => Ok(at),
            Err(nowhere) => Err(*nowhere),
        }
    }

    /// The slot at a position that [`Names::place`] gave.
    pub(super) fn slot(&mut self, at: usize) -> Option<&mut Slot> {
        self.slots.get_mut(at)?.as_mut().ok()
    }

    /// Remembers the names; where they lead is still to be found.
    fn learn(&mut self, device: &str, channel: &str) -> usize {
        if self.slots.len() >= REMEMBERED {
            *self = Self::default();
        }
        let at = self.slots.len();
        self.slots.push(Err(Nowhere::LimitReached));
        let channels = self.known.entry(device.into()).or_default();
        channels.insert(channel.into(), at);
        at
    }
}

fn find(device: &str, channel: &str, unit: &str, around: &Surroundings) -> Result<Slot, Nowhere> {
    // A channel of an asset goes to the asset, whoever sends it.
    let (device, channel, sender) = around.assets.member(device, channel);
    let entry = match around.fleet.resolve(device, &around.fleet_actor) {
        Resolution::Device(entry) => entry,
        Resolution::NoClass => return Err(Nowhere::NoClass),
        Resolution::LimitReached => return Err(Nowhere::LimitReached),
    };
    let channel = entry.channel(channel, unit).ok_or(Nowhere::NoChannel)?;
    Ok(Slot {
        unit: entry.unit(channel).map(Into::into),
        entry,
        channel,
        sender,
        last: None,
    })
}
