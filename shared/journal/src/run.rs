//! Readings in runs: of one channel, equally spaced. A block of samples stays one, and a single reading is a
//! run of one.
//!
//! ```text
//! channel varint | shape | [count varint] | start signed | [interval signed] | values
//!
//! shape   bit 0: there are more than one, so that count and interval follow
//!         bits 1–2: the unit of start and interval: ns, µs, ms, s, the largest that is exact
//!         bits 3–7: how the values are written (`value`)
//! start   in units after the reading before, or after the admission
//! ```

use eyot_pipeline::Reading;
use eyot_pipeline::reading::ChannelIndex;

use crate::value::{self, Kind, Values};
use crate::varint::{self, Cursor, Malformed};

const UNITS: [i64; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

/// Appends `readings`; times count from `admitted`, in ns. `channel` gives the number of a channel.
#[inline]
pub(crate) fn write(
    out: &mut Vec<u8>,
    mut readings: &[Reading],
    admitted: i64,
    values: &mut value::Writer,
    mut channel: impl FnMut(ChannelIndex) -> u32,
) {
    let mut before = admitted;
    while let Some(first) = readings.first() {
        let (n, interval) = split(readings);
        let (run, rest) = readings.split_at(n);
        varint::put(out, u64::from(channel(first.channel)));
        let unit = unit(first.time.0, interval);
        let size = UNITS[usize::from(unit)];
        let shape = out.len();
        out.push(unit << 1);
        if n > 1 {
            out[shape] |= 1;
            varint::put(out, n as u64);
        }
        // Wrapping there and back again gives the same time, whatever the two are.
        let start = (first.time.0 / size).wrapping_sub(before.div_euclid(size));
        varint::put_signed(out, start);
        if n > 1 {
            varint::put_signed(out, interval / size);
        }
        let kind = values.write(out, run);
        out[shape] |= kind.number() << 3;
        before = run[n - 1].time.0;
        readings = rest;
    }
}

/// Length and interval in ns of the run at the front.
#[inline]
fn split(readings: &[Reading]) -> (usize, i64) {
    let [first, second, ..] = readings else {
        return (readings.len(), 0);
    };
    if second.channel != first.channel {
        return (1, 0);
    }
    let interval = second.time.0.wrapping_sub(first.time.0);
    let goes_on = |pair: &&[Reading]| {
        pair[1].channel == first.channel && pair[1].time.0.wrapping_sub(pair[0].time.0) == interval
    };
    (
        1 + readings.windows(2).take_while(goes_on).count(),
        interval,
    )
}

/// The largest unit in which both are whole, as its place in [`UNITS`].
#[inline]
fn unit(time: i64, interval: i64) -> u8 {
    let exact = |size: i64| time % size == 0 && interval % size == 0;
    if exact(UNITS[2]) {
        if exact(UNITS[3]) { 3 } else { 2 }
    } else {
        u8::from(exact(UNITS[1]))
    }
}

/// What comes before the values of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// Number of the channel in the segment's dictionary.
    pub(crate) channel: u32,
    /// Readings, at least one.
    pub(crate) count: usize,
    start: i64,
    interval: i64,
    kind: Kind,
}

impl Head {
    /// Event time of the `i`th reading, in ns.
    #[inline]
    pub(crate) fn time(&self, i: usize) -> i64 {
        self.start
            .wrapping_add(self.interval.wrapping_mul(i.cast_signed() as i64))
    }

    pub(crate) const fn values(&self) -> Values {
        Values::new(self.kind)
    }
}

/// Reads runs. After each [`Runs::head`] its values have to be read or skipped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runs<'a> {
    pub(crate) cursor: Cursor<'a>,
    before: i64,
}

impl<'a> Runs<'a> {
    pub(crate) const fn new(cursor: Cursor<'a>, admitted: i64) -> Self {
        Self {
            cursor,
            before: admitted,
        }
    }

    #[inline]
    pub(crate) fn head(&mut self) -> Result<Option<Head>, Malformed> {
        if self.cursor.is_empty() {
            return Ok(None);
        }
        let channel = self.cursor.number()?;
        let shape = self.cursor.byte()?;
        let many = shape & 1 != 0;
        let size = UNITS[usize::from((shape >> 1) & 3)];
        let kind = Kind::new(shape >> 3)?;
        let count = if many { self.cursor.count()? } else { 1 };
        if count == 0 {
            return Err(Malformed);
        }
        let start = self
            .before
            .div_euclid(size)
            .wrapping_add(self.cursor.signed()?);
        let interval = if many { self.cursor.signed()? } else { 0 };
        let head = Head {
            channel,
            count,
            start: start.wrapping_mul(size),
            interval: interval.wrapping_mul(size),
            kind,
        };
        self.before = head.time(count - 1);
        Ok(Some(head))
    }

    #[inline]
    pub(crate) fn skip_values(&mut self, head: &Head) -> Result<(), Malformed> {
        head.kind.skip(&mut self.cursor, head.count)
    }
}
