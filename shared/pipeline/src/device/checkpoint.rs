//! A device's state as bytes, and a device from them.
//!
//! The first byte is the version of the format, the rest is [`Saved`] as postcard writes it, from version 3 on
//! [`Senders`], and from version 4 on [`SavedGateway`]. A device that is
//! restored under the configuration and model it was saved under does from then on what the other
//! would have done, to the last bit. Under another configuration it keeps what still has a
//! meaning: channels are found again by name, whatever their index is now.
//!
//! Bytes, give or take the lengths of small numbers: 50, and for each
//!
//! | | bytes |
//! |---|---|
//! | channel | 36 and its name; not listed: its unit as well |
//! | reading that is kept | 11 at a millisecond apart, 13 at ten seconds |
//! | pane | 150, with features beyond those of every window 300 |
//! | robust z-score of a channel | 13 and 4 a window in its history |
//! | control chart of a channel | 37 at most |
//! | flatline of a channel | 14 |
//! | frame that waits for channels or may be revised | 40, and 84 a channel in it |
//! | sender with numbers or a clock | 200 at most, twice that after a start |
//! | channel with numbers | 180 at most |
//! | channel, if any has its times by the gateway's clock | 1 |
//! | model | 3, its name and version, 4 an input |
//!
//! With four channels and the default detectors these are 0.4 KiB at first and 2.7 KiB with histories of 60 windows,
//! plus the readings.
//!
//! What is read is not trusted: the store checks its own checksums, but a checkpoint that no device
//! can have written is refused here, so that a restored device never panics either.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::senders::Senders;
use super::silence::Silence;
use super::watch::Watch;
use super::{Device, Status};
use crate::channel::{Channel, SavedChannel};
use crate::config::{ChannelConfig, ClassConfig};
use crate::detect::{SavedDetectors, Tuning};
use crate::effect::{DegradedReason, Detector, Verdict};
use crate::feature::Feature;
use crate::frame::Frames;
use crate::gateway::GatewayClock;
use crate::grid::Grid;
use crate::lean;
use crate::model::{Baseline, Model};
use crate::reading::ChannelIndex;
use crate::time::Timestamp;
use crate::window::WindowSpec;

mod v1;

/// The format that is written of a device with times by the gateway's clock.
const VERSION: u8 = 4;
/// The same without them, of a device of whose senders there is something to say.
const WITHOUT_GATEWAY: u8 = 3;
/// The same without either.
const WITHOUT_SENDERS: u8 = 2;
/// Numbers beyond it are no device's: it would take longer than the world has.
const MAX_NUMBER: u64 = i64::MAX as u64;

/// Why bytes do not give a device.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is nothing.
    #[error("the checkpoint is empty")]
    Empty,
    /// It was written by a later release, or is something else.
    #[error("the checkpoint has format version {0}; this release reads versions 1 to 4")]
    Version(u8),
    /// It ends too early, or is not what the format allows.
    #[error("the checkpoint cannot be read")]
    Malformed(#[source] postcard::Error),
    /// It can be read, but no device can have been in that state.
    #[error("the checkpoint contradicts itself: {0}")]
    Inconsistent(&'static str),
}

/// A device and what it could not take along.
#[derive(Debug)]
pub struct Restored {
    /// The device.
    pub device: Device,
    /// What was lost or starts afresh because the configuration or the model has changed.
    pub reset: Vec<Reset>,
}

/// Something that a changed configuration has cost a device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reset {
    /// The class has a channel no longer.
    #[error("channel `{name}` is gone, with {readings} readings that were in no record yet")]
    Channel {
        /// Its name.
        name: String,
        /// Readings in its open windows and in closed ones that waited for other channels, lost.
        readings: u64,
    },
    /// Windows are others: what is open will be cut anew, and what is closed is not revised.
    #[error("open windows are now {window}")]
    Windows {
        /// What they are now.
        window: WindowSpec,
    },
    /// A detector has other parameters and starts to learn again.
    #[error("detector {} has other parameters and learns anew", .0.name())]
    Detector(Detector),
    /// The model is another or gone: what was learnt about the old one is of no use.
    #[error("the model is another or gone, and so is its baseline")]
    Model,
}

/// Version 2 of the format, and the first part of version 3, in the order in which it is written.
#[derive(Serialize, Deserialize)]
struct Saved {
    next_effect: u64,
    window: WindowSpec,
    #[serde(deserialize_with = "lean::collect")]
    features: Vec<Feature>,
    tuning: Tuning,
    /// In the order of their index, the listed ones first.
    #[serde(deserialize_with = "lean::collect")]
    channels: Vec<SavedPart>,
    /// Its channel indices are positions in `channels`.
    frames: Frames,
    /// One for the device, or one for each channel, by `window`.
    #[serde(deserialize_with = "lean::collect")]
    watches: Vec<Watch>,
    silence: Silence,
    dirty_since: Option<Timestamp>,
    model: Option<SavedModel>,
    newest: Option<Timestamp>,
    score: Option<f64>,
    windows: u64,
    alerts: u64,
    degraded: Option<DegradedReason>,
}

#[derive(Serialize, Deserialize)]
struct SavedPart {
    name: String,
    /// There if the class did not list it.
    unlisted: Option<Unlisted>,
    state: SavedChannel,
    detectors: SavedDetectors,
}

/// What a channel that is not listed has of its own.
#[derive(Serialize, Deserialize)]
struct Unlisted {
    unit: Option<String>,
}

/// What is known of the gateway's clock, and which channels' times are by it, in the order of their index.
#[derive(Default, Serialize, Deserialize)]
struct SavedGateway {
    clock: GatewayClock,
    #[serde(deserialize_with = "lean::collect")]
    channels: Vec<bool>,
    /// Of channels that are computed.
    #[serde(deserialize_with = "lean::collect")]
    grids: Vec<SavedGrid>,
}

/// A channel that is computed.
#[derive(Serialize, Deserialize)]
struct SavedGrid {
    /// Its name, and those of its inputs.
    name: String,
    #[serde(deserialize_with = "lean::collect")]
    inputs: Vec<String>,
    grid: Grid,
}

impl SavedGateway {
    /// Whether it is as it would be without it.
    fn is_empty(&self) -> bool {
        self.clock == GatewayClock::Set && !self.channels.contains(&true) && self.grids.is_empty()
    }
}

#[derive(Serialize, Deserialize)]
struct SavedModel {
    name: String,
    version: String,
    baseline: Baseline,
}

impl Device {
    /// Appends everything that the device knows to `out`, see the head of this module.
    pub fn checkpoint(&self, out: &mut Vec<u8>) {
        let gateway = SavedGateway {
            clock: self.gateway,
            channels: self.channels.iter().map(Channel::is_by_gateway).collect(),
            grids: self.save_grids(),
        };
        let written = if !gateway.is_empty() {
            out.push(VERSION);
            postcard::to_io(&(self.save(), &self.senders, gateway), out)
        } else if self.senders.is_empty() {
            out.push(WITHOUT_SENDERS);
            postcard::to_io(&self.save(), out)
        } else {
            out.push(WITHOUT_GATEWAY);
            postcard::to_io(&(self.save(), &self.senders), out)
        };
        debug_assert!(
            written.is_ok(),
            "a vector takes all, and all lengths are known"
        );
    }

    /// A device that goes on from a checkpoint.
    ///
    /// # Errors
    /// When the bytes are not those of a checkpoint.
    pub fn restore(
        class: Arc<ClassConfig>,
        model: Option<Model>,
        bytes: &[u8],
    ) -> Result<Restored, RestoreError> {
        let none = Senders::default;
        let (saved, senders, gateway) = match bytes.split_first() {
            None => return Err(RestoreError::Empty),
            Some((&VERSION, bytes)) => read::<(Saved, Senders, SavedGateway)>(bytes)?,
            Some((&WITHOUT_GATEWAY, bytes)) => {
                let (saved, senders) = read::<(Saved, Senders)>(bytes)?;
                (saved, senders, SavedGateway::default())
            }
            Some((&WITHOUT_SENDERS, bytes)) => (read(bytes)?, none(), SavedGateway::default()),
            Some((&v1::VERSION, bytes)) => {
                let saved = read::<v1::Saved>(bytes)?.into();
                (saved, none(), SavedGateway::default())
            }
            Some((&other, _)) => return Err(RestoreError::Version(other)),
        };
        check(&saved)?;
        let mut reset = Vec::new();
        let mut device = Self::new(class, model, saved.next_effect - 1);
        let window = device.class.window;
        let asked = saved.features == device.class.features;
        let same = saved.window == window && asked;
        let held = saved.channels.iter().any(|part| part.state.has_contents());
        if held && !same {
            reset.push(Reset::Windows { window });
        }
        let changed = saved.tuning.changed(&Tuning::of(&device.class.detectors));
        reset.extend(changed.into_iter().map(Reset::Detector));
        let mut indices = Vec::new();
        for (position, part) in saved.channels.iter().enumerate() {
            let index = device.place(part);
            match index {
                Some(index) => device.resume(usize::from(index), part, &saved.tuning, same)?,
                None => reset.push(Reset::Channel {
                    name: part.name.clone(),
                    readings: saved
                        .frames
                        .readings_of(position)
                        .saturating_add(part.state.held() as u64),
                }),
            }
            indices.push(index);
        }
        device.frames = saved
            .frames
            .renumbered(|old| indices.get(usize::from(old)).copied().flatten())
            .ok_or(RestoreError::Inconsistent("frames out of order"))?;
        if let Some(saved) = saved.model
            && !device.resume_model(saved)
        {
            reset.push(Reset::Model);
            // It may want readings at other instants.
            let features = device.class.features.len();
            device.frames.forget_extra(features);
        }
        if !same {
            device.frames.forget_kept();
        }
        if !asked {
            device.frames.forget_extra(0);
        }
        device.resume_watches(&saved.watches, saved.window, &indices);
        device.silence = saved.silence;
        device.senders = senders
            .renumbered(device.channels.len(), |old| {
                indices.get(old).copied().flatten()
            })
            .ok_or(RestoreError::Inconsistent("numbers of no counter"))?;
        device.gateway = gateway.clock;
        device.resume_grids(gateway.grids)?;
        for (index, by_gateway) in indices.iter().zip(gateway.channels) {
            let place = index.and_then(|index| device.channels.get_mut(usize::from(index)));
            if let Some(channel) = place {
                channel.set_by_gateway(by_gateway);
            }
        }
        device.dirty_since = saved.dirty_since.filter(|_| same);
        let before = device.channels.iter().map(Channel::frontier_before);
        device.ahead = before.max().unwrap_or(Timestamp::MIN);
        device.status = Status {
            newest: saved.newest,
            score: saved.score,
            windows: saved.windows,
            alerts: saved.alerts,
            degraded: saved.degraded.filter(|_| device.model.is_some()),
            ..Status::default()
        };
        Ok(Restored { device, reset })
    }

    fn save(&self) -> Saved {
        let listed = self.class.channels.len();
        let configs = self
            .class
            .channels
            .iter()
            .chain(self.unlisted.iter().map(Arc::as_ref));
        let states = self.channels.iter().zip(&self.detectors);
        let part =
            |(index, (config, (channel, detectors))): (usize, (&ChannelConfig, (&Channel, _)))| {
                SavedPart {
                    name: config.name.clone(),
                    unlisted: (index >= listed).then(|| Unlisted {
                        unit: config.unit.clone(),
                    }),
                    state: channel.save(),
                    detectors: crate::detect::ChannelDetectors::save(detectors),
                }
            };
        Saved {
            next_effect: self.next_effect,
            window: self.class.window,
            features: self.class.features.clone(),
            tuning: Tuning::of(&self.class.detectors),
            channels: configs.zip(states).enumerate().map(part).collect(),
            frames: self.frames.clone(),
            watches: self.watches.clone(),
            silence: self.silence,
            dirty_since: self.dirty_since,
            model: self.model.as_ref().map(|(model, baseline)| SavedModel {
                name: model.id().name.clone(),
                version: model.id().version.clone(),
                baseline: baseline.clone(),
            }),
            newest: self.status.newest,
            score: self.status.score,
            windows: self.status.windows,
            alerts: self.status.alerts,
            degraded: self.status.degraded,
        }
    }

    /// The index of a saved channel. One that the class neither lists nor listed is added again as
    /// long as the class takes such channels.
    fn place(&mut self, part: &SavedPart) -> Option<ChannelIndex> {
        if let Some(index) = self.class.channel_index(&part.name) {
            return Some(index);
        }
        let rules = self.class.unlisted.as_ref()?;
        let found = part.unlisted.as_ref()?;
        if self.unlisted.len() >= rules.max {
            return None;
        }
        let index = ChannelIndex::try_from(self.channels.len()).ok()?;
        let config = ChannelConfig {
            name: part.name.clone(),
            unit: found.unit.clone().or_else(|| rules.channel.unit.clone()),
            ..rules.channel.clone()
        };
        self.add_channel(&Arc::new(config));
        Some(index)
    }

    fn resume(
        &mut self,
        index: usize,
        part: &SavedPart,
        tuning: &Tuning,
        same: bool,
    ) -> Result<(), RestoreError> {
        let listed = self.class.channels.len();
        let config = match index.checked_sub(listed) {
            None => &self.class.channels[index],
            Some(beyond) => self.unlisted[beyond].as_ref(),
        };
        self.channels[index] = Channel::resume(&part.state, config, &self.class, same).ok_or(
            RestoreError::Inconsistent("readings out of order or out of range"),
        )?;
        self.detectors[index]
            .resume(&part.detectors, tuning, &self.class.detectors)
            .ok_or(RestoreError::Inconsistent(
                "a detector has learnt what none can",
            ))
    }

    /// Goes on from what was remembered of windows. Where channels are judged together now and were not, or
    /// the other way round, an open episode stays open with the first.
    fn resume_watches(
        &mut self,
        saved: &[Watch],
        were: WindowSpec,
        indices: &[Option<ChannelIndex>],
    ) {
        let together = self.class.window.is_aligned();
        if !together && !were.is_aligned() {
            for (watch, index) in saved.iter().zip(indices) {
                let place = index.and_then(|index| self.watches.get_mut(usize::from(index)));
                if let Some(place) = place {
                    *place = watch.clone();
                }
            }
            return;
        }
        let open = |watch: &&Watch| watch.verdict.verdict() == Verdict::Anomalous;
        let kept = saved.iter().find(open).or(saved.first());
        if let (Some(kept), Some(place)) = (kept, self.watches.first_mut()) {
            *place = kept.clone();
        }
    }

    fn save_grids(&self) -> Vec<SavedGrid> {
        let name = |index: &ChannelIndex| {
            let channel = self.class.channels.get(usize::from(*index));
            channel.map_or_else(String::new, |channel| channel.name.clone())
        };
        let grids = self.class.virtuals.iter().zip(&self.grids);
        grids
            .map(|(config, grid)| SavedGrid {
                name: name(&config.channel),
                inputs: config.inputs.iter().map(name).collect(),
                grid: grid.clone(),
            })
            .collect()
    }

    /// Computed channels go on where they have the same inputs; the others begin anew.
    fn resume_grids(&mut self, saved: Vec<SavedGrid>) -> Result<(), RestoreError> {
        let fresh = self.save_grids();
        for saved in saved {
            let same = |grid: &SavedGrid| grid.name == saved.name && grid.inputs == saved.inputs;
            let Some(at) = fresh.iter().position(same) else {
                continue;
            };
            if !saved.grid.is_sound() {
                return Err(RestoreError::Inconsistent("readings of a computed channel"));
            }
            if saved.grid.fits(&self.class.virtuals[at]) {
                self.grids[at] = saved.grid;
            }
        }
        Ok(())
    }

    /// Whether the present model is the one that was saved, and goes on from there.
    fn resume_model(&mut self, saved: SavedModel) -> bool {
        match &mut self.model {
            Some((model, baseline))
                if (&model.id().name, &model.id().version) == (&saved.name, &saved.version)
                    && model.accepts(&saved.baseline) =>
            {
                *baseline = saved.baseline;
                true
            }
            _ => false,
        }
    }
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, RestoreError> {
    let (saved, rest) = postcard::take_from_bytes::<T>(bytes).map_err(RestoreError::Malformed)?;
    if !rest.is_empty() {
        return Err(RestoreError::Inconsistent("bytes follow its end"));
    }
    Ok(saved)
}

/// Checks what concerns the whole.
fn check(saved: &Saved) -> Result<(), RestoreError> {
    let numbers = [saved.next_effect, saved.windows, saved.alerts];
    if saved.next_effect == 0 || numbers.iter().any(|number| *number > MAX_NUMBER) {
        return Err(RestoreError::Inconsistent("numbers out of range"));
    }
    let mut names: Vec<&str> = saved
        .channels
        .iter()
        .map(|part| part.name.as_str())
        .collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(RestoreError::Inconsistent("a channel occurs twice"));
    }
    Ok(())
}
