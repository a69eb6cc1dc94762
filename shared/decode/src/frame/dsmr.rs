//! P1 telegrams of smart meters: `/…` to `!` and a CRC-16 over all of it, both signs included
//! (P1 Companion Standard 5.0.2). Before DSMR 4 there is no CRC.

use super::gather::Gather;
use super::{FrameError, Protocol, Sink};
use crate::checksum;

#[derive(Debug, Default)]
pub(super) struct Dsmr {
    /// Within a telegram, not between two.
    inside: bool,
    /// The last byte ended a line.
    after_line: bool,
    /// Where the CRC begins, behind the `!`.
    crc: Option<usize>,
}

impl Dsmr {
    fn end(&mut self, gather: &mut Gather, sink: &mut Sink<'_>) {
        self.inside = false;
        let bytes = gather.bytes();
        let crc = self.crc.take().unwrap_or_default().min(bytes.len());
        let (telegram, digits) = bytes.split_at(crc);
        if digits.is_empty() {
            return gather.good(usize::MAX, sink);
        }
        let computed = checksum::crc16(telegram);
        match checksum::hex(digits, 4) {
            Some(stated) if stated == computed => gather.good(usize::MAX, sink),
            Some(stated) => gather.bad(FrameError::Checksum { stated, computed }, sink),
            None => gather.bad(FrameError::NoChecksum, sink),
        }
    }
}

impl Protocol for Dsmr {
    fn byte(&mut self, byte: u8, gather: &mut Gather, sink: &mut Sink<'_>) {
        let is_line_end = matches!(byte, b'\r' | b'\n');
        let after_line = std::mem::replace(&mut self.after_line, is_line_end);
        match byte {
            b'/' => {
                if self.inside {
                    gather.bad(FrameError::Incomplete, sink);
                } else {
                    gather.lost(FrameError::Stray, sink);
                }
                self.inside = true;
                self.crc = None;
                gather.add(byte, sink);
            }
            b'\r' | b'\n' if self.crc.is_some() => self.end(gather, sink),
            _ => {
                gather.add(byte, sink);
                let len = gather.bytes().len();
                if byte == b'!' && after_line && self.inside && !gather.too_long() {
                    self.crc.get_or_insert(len);
                }
                if self.crc.is_some_and(|at| len == at + 4) {
                    self.end(gather, sink);
                }
            }
        }
    }

    fn finish(&mut self, gather: &mut Gather, sink: &mut Sink<'_>) {
        if self.crc.is_some() {
            self.end(gather, sink);
        } else if self.inside {
            gather.bad(FrameError::Incomplete, sink);
        } else if is_bare(gather.bytes()) {
            gather.good(usize::MAX, sink);
        } else {
            gather.lost(FrameError::Stray, sink);
        }
        *self = Self::default();
    }
}

/// Whether it is nothing but lines like `1-0:1.8.0(…)`: a telegram that somebody took the frame off. The
/// end of one that was cut has its `!`.
fn is_bare(bytes: &[u8]) -> bool {
    let mut lines = bytes
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .filter(|line| !line.is_empty());
    lines.all(|line| match line {
        [b'0'..=b'9', b'-', b'0'..=b'9', b':', rest @ ..] => {
            rest.contains(&b'(') && rest.ends_with(b")")
        }
        [b'(', .., b')'] => true,
        _ => false,
    })
}
