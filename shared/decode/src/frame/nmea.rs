//! NMEA 0183 sentences: `$GPGLL,…*hh` and, for what is encapsulated, `!AIVDM,…*hh`.

use super::gather::Gather;
use super::{FrameError, Protocol, Sink};
use crate::checksum;

#[derive(Debug, Default)]
pub(super) struct Nmea {
    /// Within a sentence, not between two.
    inside: bool,
    /// Where the `*` before the checksum stands.
    star: Option<usize>,
}

impl Nmea {
    fn end(&mut self, gather: &mut Gather, sink: &mut Sink<'_>) {
        self.inside = false;
        let bytes = gather.bytes();
        // Of old talkers the standard asks for no checksum.
        let Some(star) = self.star.take() else {
            return gather.good(usize::MAX, sink);
        };
        let (sentence, digits) = bytes.split_at(star.min(bytes.len()));
        let computed = u16::from(checksum::xor(sentence.get(1..).unwrap_or_default()));
        match checksum::hex(digits.get(1..).unwrap_or_default(), 2) {
            Some(stated) if stated == computed => gather.good(usize::MAX, sink),
            Some(stated) => gather.bad(FrameError::Checksum { stated, computed }, sink),
            None => gather.bad(FrameError::NoChecksum, sink),
        }
    }

    /// What stands between two sentences. A tag block (NMEA 0183 4.10), `\…\`, belongs there.
    fn between(gather: &mut Gather, sink: &mut Sink<'_>) {
        match gather.bytes() {
            [b'\\', .., b'\\'] => gather.clear(),
            _ => gather.lost(FrameError::Stray, sink),
        }
    }
}

impl Protocol for Nmea {
    fn byte(&mut self, byte: u8, gather: &mut Gather, sink: &mut Sink<'_>) {
        match byte {
            // Both are reserved: they stand at the beginning only.
            b'$' | b'!' => {
                if self.inside {
                    gather.bad(FrameError::Incomplete, sink);
                } else {
                    Self::between(gather, sink);
                }
                self.inside = true;
                self.star = None;
                gather.add(byte, sink);
            }
            b'\r' | b'\n' if self.inside => self.end(gather, sink),
            b'\r' | b'\n' => Self::between(gather, sink),
            _ => {
                if byte == b'*' && self.inside && !gather.too_long() {
                    self.star = Some(gather.bytes().len());
                }
                gather.add(byte, sink);
                if self.star.is_some_and(|at| gather.bytes().len() == at + 3) {
                    self.end(gather, sink);
                }
            }
        }
    }

    fn finish(&mut self, gather: &mut Gather, sink: &mut Sink<'_>) {
        if self.inside {
            gather.bad(FrameError::Incomplete, sink);
        } else {
            Self::between(gather, sink);
        }
        *self = Self::default();
    }
}
