//! What a device takes of memory, by formula.
//!
//! With c channels, n = `max_window_readings`, p panes in the longest window and in those that may be revised, w frames that wait
//! for slower channels (`frame_wait`, `out_of_orderness` and a window's length, over the hop), r frames that may be revised, e features
//! beyond those of every window and points of the model's raster, of all channels together, h windows in the history of a robust
//! z-score, m numbers that the model takes, and s senders; on a machine of 64 bits:
//!
//! | | bytes at most |
//! |---|---|
//! | device and channels | 1,168 + 288 · ⌈c⌉; 104 · ⌈c⌉ more with windows of one channel each |
//! | readings in windows | 16 · c · ⌈n⌉ |
//! | panes | 168 · c · ⌈p⌉, and 280 · c · p with features that merge beyond those of every window |
//! | frames that wait | 72 · ⌈w⌉ + w · (112 · ⌈c⌉ + 16 · e) |
//! | frames that may be revised | 104 · ⌈r⌉ + r · (112 · ⌈c⌉ + 16 · e) |
//! | detectors | for each channel that is watched, 72 + 4 · h a feature of the robust z-score, 96 one of the control chart |
//! | model | 8 · ⌈m⌉ |
//! | channels that are computed | 32 KiB an input, and 48 KiB for a correlation |
//! | senders with numbers or clocks | 304 · ⌈s⌉ + 248 · s + 32 · ⌈c⌉ + 192 · c |
//! | room to compute in | 16 · n; 24 · n with features of all values, 36 · n with spectra, 44 · n with envelopes |
//!
//! ⌈ ⌉ is the next power of two, 4 at least, since vectors double. What a call takes only while it runs is not in it. The code asks the
//! compiler for the sizes, so only this text can be out of date; a test holds what it says against what the
//! allocator counts.

use super::Device;
use super::scoring::KEPT_FRAMES;
use super::senders;
use super::watch::Watch;
use crate::channel::{self, Channel};
use crate::config::{ChannelConfig, ClassConfig};
use crate::detect;
use crate::frame;
use crate::grid;
use crate::window::LatePolicy;

/// Bytes of one device at most, by what they are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// The device and its channels themselves, with what does not grow.
    pub base: usize,
    /// Readings in windows.
    pub readings: usize,
    /// Panes of overlapping windows.
    pub panes: usize,
    /// Frames that wait for channels.
    pub waiting: usize,
    /// Frames that may be revised.
    pub revisable: usize,
    /// What detectors remember of past windows.
    pub detectors: usize,
    /// What the model has learnt of the device.
    pub model: usize,
    /// What waits for computed channels.
    pub computed: usize,
    /// Numbers and clocks of senders: one for each of so many senders.
    pub senders: usize,
    /// Room to compute in.
    pub room: usize,
}

impl Memory {
    /// Of a device of a class whose model takes so many numbers, 0 without one, and with at most so many senders, 0 if none has
    /// numbers or a clock of its own.
    #[must_use]
    pub fn of(class: &ClassConfig, model: usize, senders: usize) -> Self {
        let unlisted = class.unlisted.as_ref().map_or(0, |unlisted| unlisted.max);
        let channels = class.channels.len() + unlisted;
        let watched = class.channels.iter().filter(|channel| channel.detect);
        let watched = watched.count() + unlisted;
        let verdicts = if class.window.is_aligned() {
            1
        } else {
            channels
        };
        let base = size_of::<Device>()
            + grown(unlisted) * size_of::<std::sync::Arc<ChannelConfig>>()
            + grown(channels) * (size_of::<Channel>() + size_of::<detect::ChannelDetectors>())
            + grown(verdicts) * size_of::<Watch>()
            + class.virtuals.len() * size_of::<grid::Grid>();
        let raster = |channel: &ChannelConfig| channel.raster.map_or(0, |r| r.points.into());
        let points: usize = class.channels.iter().map(raster).sum();
        let extra = channels * class.features.len() + points;
        let frames = |count| frame::bytes(count, channels, extra);
        Self {
            base,
            readings: channels.saturating_mul(channel::readings_bytes(class)),
            panes: channels.saturating_mul(channel::panes_bytes(class)),
            waiting: frames(waiting(class)),
            revisable: match class.late {
                LatePolicy::Revise { windows } if class.window.is_aligned() => {
                    let most = (windows as usize).max(KEPT_FRAMES) + 1;
                    frame::kept_bytes(most, channels, extra)
                        + channels * grown(most) * size_of::<crate::Timestamp>()
                }
                _ => 0,
            },
            detectors: watched.saturating_mul(detect::bytes(&class.detectors)),
            model: 2 * grown(model) * size_of::<f32>(),
            computed: class.virtuals.iter().map(grid::bytes).sum(),
            senders: senders::bytes(senders, channels),
            room: channel::room_bytes(class),
        }
    }

    /// All of it.
    #[must_use]
    pub fn total(self) -> usize {
        let parts = [
            self.base,
            self.readings,
            self.panes,
            self.waiting,
            self.revisable,
            self.detectors,
            self.model,
            self.computed,
            self.senders,
            self.room,
        ];
        parts.into_iter().fold(0, usize::saturating_add)
    }
}

/// Places of a vector that has grown to hold so many.
pub(crate) fn grown(count: usize) -> usize {
    match count {
        0 => 0,
        count => count.max(4).checked_next_power_of_two().unwrap_or(count),
    }
}

/// Frames that wait for slower channels at most: one goes when any channel has gone on from a watermark `frame_wait`
/// past its end, and what closes by silence closes all windows of the newest reading.
fn waiting(class: &ClassConfig) -> usize {
    let Some((length, hop)) = class.window.length().zip(class.window.period()) else {
        return 0;
    };
    let spans = [class.frame_wait, class.out_of_orderness, length];
    let behind = spans
        .iter()
        .fold(0, |sum: i64, span| sum.saturating_add(span.0));
    usize::try_from(behind / hop.0.max(1))
        .unwrap_or(usize::MAX)
        .saturating_add(3)
}
