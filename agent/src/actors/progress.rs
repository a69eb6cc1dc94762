//! How far a device has come in the journal, what the store has of that, and when to write down more.

use std::sync::Arc;

use eyot_pipeline::device::Tally;
use eyot_pipeline::{Device, Span, Timestamp};

use super::entry::DeviceEntry;
use crate::store::{Checkpoint, DeviceRow, Tallies};

/// A checkpoint is due when the journal holds this many times its size for the device: then checkpoints are a
/// small part of what is written.
const TAIL_FACTOR: u64 = 64;
/// Bytes of a reading in the journal, roughly.
const READING_BYTES: u64 = 12;
/// A checkpoint is due after so many readings at the latest: replaying them takes about a second.
const MAX_READINGS: u64 = 2_000_000;
/// Checkpoints are put off no further than to so many times as much, to write less: a start reads as much more.
const MAX_PACE: f64 = 8.0;
/// The size of a checkpoint before there was one.
const FIRST_BYTES: u64 = 4_096;

/// Where a device stands.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub(super) struct Progress {
    /// Position of the last input taken in; 0 before the first.
    pub(super) position: u64,
    /// What became of the readings up to there that the journal had.
    pub(super) tallies: Tallies,
    /// Effects of inputs up to here are committed: they come again, and are not committed again.
    committed: u64,
    /// Number of the last effect among them.
    last_effect: u64,
    /// End of the newest window that they tell of.
    told_until: Timestamp,
    /// Whether the input at hand is one of those.
    repeating: bool,
    /// Whether none has come yet that is not.
    behind: bool,
    /// Whether what the journal brings is not what the device is any more: a checkpoint has to go with the next effects.
    mended: bool,
    /// The device's name.
    device: Arc<str>,
    /// Position of an input that is passed over; 0 for none.
    poison: u64,
    /// Readings since the last checkpoint.
    readings: u64,
    /// Whether anything at all was taken in since.
    dirty: bool,
    /// Bytes of the last checkpoint.
    checkpoint_bytes: u64,
}

impl Progress {
    /// The device as the store has it, and where it stands.
    pub(super) fn resume(entry: &DeviceEntry, row: DeviceRow) -> (Device, Self) {
        let (class, model) = (&entry.class.config, &entry.class.model);
        let mut progress = Self {
            position: 0,
            tallies: Tallies::default(),
            committed: row.last_position,
            last_effect: row.last_effect,
            told_until: row.told_until,
            repeating: false,
            behind: true,
            mended: false,
            device: Arc::clone(&entry.name),
            poison: 0,
            readings: 0,
            dirty: false,
            checkpoint_bytes: FIRST_BYTES,
        };
        let Some(checkpoint) = row.checkpoint else {
            // What the journal has brings its effects again, by the same numbers; without any, they go on.
            let first = if row.last_position == 0 {
                row.last_effect
            } else {
                0
            };
            return (
                Device::new(Arc::clone(class), model.clone(), first),
                progress,
            );
        };
        progress.position = checkpoint.position;
        progress.tallies = checkpoint.tallies;
        progress.checkpoint_bytes = checkpoint.body.len() as u64;
        match Device::restore(Arc::clone(class), model.clone(), &checkpoint.body) {
            Ok(restored) => {
                for reset in &restored.reset {
                    tracing::warn!(device = %entry.name, %reset, "a part of the checkpoint does not fit the configuration any more");
                }
                let mut device = restored.device;
                if row.last_position == 0 && device.next_effect() <= row.last_effect {
                    // No journal has what came since: its windows would be told twice.
                    device.forget_windows(told_until(row.told_until, &device));
                }
                if row.last_position <= checkpoint.position {
                    device.skip_effects_to(row.last_effect + 1);
                }
                (device, progress)
            }
            Err(error) => {
                tracing::error!(device = %entry.name, %error, "checkpoint cannot be used; the device starts afresh");
                let device = Device::new(Arc::clone(class), model.clone(), row.last_effect);
                (device, progress)
            }
        }
    }

    /// A device that knows nothing, before the input at `poison`, which it failed at twice. Everything before that
    /// has met its fate.
    pub(super) fn afresh(entry: &DeviceEntry, row: &DeviceRow, poison: u64) -> (Device, Self) {
        tracing::error!(
            device = %entry.name, position = poison,
            "device failed twice at the same input: it starts afresh, without what it knew and without that input"
        );
        let (class, model) = (&entry.class.config, &entry.class.model);
        let progress = Self {
            position: poison - 1,
            tallies: entry.tallies(),
            committed: row.last_position,
            last_effect: row.last_effect,
            told_until: row.told_until,
            repeating: false,
            behind: true,
            mended: false,
            device: Arc::clone(&entry.name),
            poison,
            readings: 0,
            dirty: false,
            checkpoint_bytes: FIRST_BYTES,
        };
        (
            Device::new(Arc::clone(class), model.clone(), row.last_effect),
            progress,
        )
    }

    /// Whether the input at hand is to be passed over.
    pub(super) fn is_poison(&self) -> bool {
        self.poison > 0 && self.position == self.poison
    }

    /// Goes on to an input. `false` if it was taken in before.
    pub(super) fn advance(&mut self, position: u64, device: &mut Device) -> bool {
        if position > 0 {
            if position <= self.position {
                return false;
            }
            self.position = position;
        }
        self.repeating = position > 0 && position <= self.committed;
        if !self.repeating && std::mem::take(&mut self.behind) {
            let next = self.last_effect + 1;
            if device.next_effect() != next {
                // Inputs that no journal had, or that were lost with a damaged part of it, had effects, too: what is
                // in the windows may have been told.
                tracing::warn!(
                    device = %self.device,
                    next,
                    after_replay = device.next_effect(),
                    "the journal lacks inputs that had effects: windows that they may have closed are not told again"
                );
                device.forget_windows(told_until(self.told_until, device));
                device.number_effects_from(next);
                // Whoever goes through that again must not find out anew.
                self.mended = true;
            }
        }
        self.dirty = true;
        true
    }

    /// Counts what became of the readings of an input.
    pub(super) fn count(&mut self, position: u64, source: &Arc<str>, tally: &Tally) {
        if position > 0 {
            self.tallies.add(source, tally);
            self.readings += tally.total();
        }
    }

    /// Whether the effects of the input at hand are committed already.
    pub(super) fn is_repeating(&self) -> bool {
        self.repeating
    }

    /// Whether enough has come since the last checkpoint.
    /// `pace` is how many times as long as usual to wait for that, to write less.
    pub(super) fn wants_checkpoint(&self, pace: f64) -> bool {
        let tail =
            (self.checkpoint_bytes * TAIL_FACTOR / READING_BYTES) as f64 * pace.min(MAX_PACE);
        self.mended || self.readings > (tail as u64).min(MAX_READINGS)
    }

    /// Whether anything has come since the last checkpoint.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Writes down how things stand.
    pub(super) fn checkpoint(&mut self, device: &Device) -> Checkpoint {
        let mut body = Vec::with_capacity(self.checkpoint_bytes as usize);
        device.checkpoint(&mut body);
        self.readings = 0;
        self.dirty = false;
        self.mended = false;
        self.checkpoint_bytes = body.len() as u64;
        let unlisted = device.unlisted();
        Checkpoint {
            position: self.position,
            tallies: self.tallies.clone(),
            channels: unlisted
                .iter()
                .map(|channel| (channel.name.clone(), channel.unit.clone()))
                .collect(),
            body,
        }
    }
}

/// End of the newest window that was told; where a database of an earlier version does not know, all that it holds.
fn told_until(known: Timestamp, device: &Device) -> Timestamp {
    if known > Timestamp::default() {
        known
    } else {
        device.newest().map_or(known, |newest| newest + Span(1))
    }
}
