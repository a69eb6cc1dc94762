//! Keeps the samples of a stream at equal distances, although its packets' times jitter.
//!
//! A packet says (or its arrival says) when it was, never quite exactly, while the sensor took its
//! samples at a steady pace. So a packet begins where the one before it ended, and is only pulled
//! gently to its own time: by 1/16 of the difference, which averages jitter away, and by no more than a
//! quarter of the interval, so that two samples at a seam are 3/4 to 5/4 of an interval apart and times
//! always grow. A sensor whose pace is off by up to a quarter of the interval a packet is followed
//! for as long as it lasts, at up to 16 times that distance.
//!
//! Where the difference is more than an interval and more than half the packet (samples were lost, the
//! sensor was switched off, its pace is not what the configuration says), the stream starts again at
//! the packet's own time.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use eyot_pipeline::Timestamp;

/// How many streams are remembered. Then all are forgotten, which costs each of them one seam.
const MAX_STREAMS: usize = 65_536;
/// The share of the difference that a packet is pulled by is one in this many.
const PULL: i64 = 16;

/// Where the streams are, by device and channel.
#[derive(Debug, Default)]
pub(crate) struct Joiner {
    devices: HashMap<String, HashMap<String, Stream>>,
    streams: usize,
}

/// The last packet of a stream.
#[derive(Debug, Clone, Copy)]
struct Stream {
    /// Time of its first sample as the packet had it.
    anchored: Timestamp,
    /// Time of its first sample as it was given out.
    first: Timestamp,
    /// Time of the sample that would come after its last.
    next: Timestamp,
}

impl Joiner {
    /// Time of the first of `n` samples, `interval_ns` nanoseconds apart, in a packet that says it is
    /// `anchored`. A packet that comes again right after itself gets the same time again.
    pub(crate) fn first(
        &mut self,
        device: &str,
        channel: &str,
        anchored: Timestamp,
        interval_ns: i64,
        n: usize,
    ) -> Timestamp {
        if n == 0 || interval_ns <= 0 {
            return anchored;
        }
        let duration = i64::try_from(n).map_or(i64::MAX, |n| n.saturating_mul(interval_ns));
        let known = self
            .devices
            .get_mut(device)
            .and_then(|channels| channels.get_mut(channel));
        let first = match known.as_deref() {
            Some(stream) if stream.anchored == anchored => stream.first,
            Some(stream) => stream.join(anchored, interval_ns, duration),
            None => anchored,
        };
        let stream = Stream {
            anchored,
            first,
            next: Timestamp(first.0.saturating_add(duration)),
        };
        match known {
            Some(known) => *known = stream,
            None => self.remember(device, channel, stream),
        }
        first
    }

    fn remember(&mut self, device: &str, channel: &str, stream: Stream) {
        if self.streams >= MAX_STREAMS {
            self.devices.clear();
            self.streams = 0;
        }
        self.streams += 1;
        self.devices
            .entry(device.to_owned())
            .or_default()
            .insert(channel.to_owned(), stream);
    }
}

impl Stream {
    fn join(&self, anchored: Timestamp, interval_ns: i64, duration: i64) -> Timestamp {
        let difference = anchored.0.saturating_sub(self.next.0);
        if difference.saturating_abs() > interval_ns.max(duration / 2) {
            return anchored;
        }
        let most = interval_ns / 4;
        let pull = (difference / PULL).clamp(-most, most);
        Timestamp(self.next.0.saturating_add(pull))
    }
}
