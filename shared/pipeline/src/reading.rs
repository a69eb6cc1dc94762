//! What a source hands to a device.

use crate::time::Timestamp;

/// Position of a channel in its device class's list.
pub type ChannelIndex = u16;

/// One measured value of one channel of one device.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Event time: when it was measured, by the sender's clock or, failing that, when it arrived.
    pub time: Timestamp,
    /// The value, in the channel's unit.
    pub value: f64,
    /// Which of the class's channels it belongs to.
    pub channel: ChannelIndex,
}
