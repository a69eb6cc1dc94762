//! VE.Direct text blocks (Victron, VE.Direct Protocol).
//!
//! ```text
//! CR LF label TAB value  CR LF label TAB value  …  CR LF Checksum TAB byte
//! ```
//! All these bytes add up to 0 modulo 256. HEX frames, `:` to LF, come anywhere, in the middle of a field
//! too, and do not count.

use super::gather::Gather;
use super::{FrameError, Protocol, Sink};

#[derive(Debug, Default)]
pub(super) struct VeDirect {
    state: State,
    /// Within a HEX frame.
    hex: bool,
    /// Between two blocks: the last byte was a CR.
    after_cr: bool,
    /// Sum of the block so far.
    sum: u8,
    /// Where the line of the block under way begins.
    line: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// Between two blocks.
    #[default]
    Between,
    /// In a block.
    Block,
    /// The next byte is the checksum, whatever it looks like.
    Checksum,
}

impl VeDirect {
    /// Whether the byte belongs to a HEX frame.
    fn is_hex(&mut self, byte: u8) -> bool {
        if self.hex {
            self.hex = byte == b':' || byte.is_ascii_hexdigit();
            // Anything but LF shows that the frame has lost its end, and is text again.
            return self.hex || byte == b'\n';
        }
        // A checksum may be a colon.
        let is_checksum = self.state == State::Checksum && self.sum.wrapping_add(byte) == 0;
        self.hex = byte == b':' && !is_checksum;
        self.hex
    }

    fn between(&mut self, byte: u8, gather: &mut Gather, sink: &mut Sink<'_>) {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        if !(after_cr && byte == b'\n') {
            return gather.add(byte, sink);
        }
        gather.lost(FrameError::Stray, sink);
        self.state = State::Block;
        self.sum = 0;
        self.in_block(b'\r', gather, sink);
        self.in_block(b'\n', gather, sink);
    }

    fn in_block(&mut self, byte: u8, gather: &mut Gather, sink: &mut Sink<'_>) {
        gather.add(byte, sink);
        if gather.too_long() {
            gather.clear();
            self.state = State::Between;
            return;
        }
        self.sum = self.sum.wrapping_add(byte);
        let bytes = gather.bytes();
        match byte {
            b'\n' => self.line = bytes.len(),
            b'\t' if bytes[self.line..].eq_ignore_ascii_case(b"checksum\t") => {
                self.state = State::Checksum;
            }
            _ => {}
        }
    }

    fn checksum(&mut self, byte: u8, gather: &mut Gather, sink: &mut Sink<'_>) {
        self.state = State::Between;
        let sum = self.sum.wrapping_add(byte);
        if sum == 0 {
            self.after_cr = false;
            return gather.good(self.line, sink);
        }
        // If the checksum was lost, this is the beginning of the next block.
        self.after_cr = byte == b'\r';
        gather.lost(FrameError::Sum(sum), sink);
    }
}

impl Protocol for VeDirect {
    fn byte(&mut self, byte: u8, gather: &mut Gather, sink: &mut Sink<'_>) {
        if self.is_hex(byte) {
            return;
        }
        match self.state {
            State::Between => self.between(byte, gather, sink),
            State::Block => self.in_block(byte, gather, sink),
            State::Checksum => self.checksum(byte, gather, sink),
        }
    }

    fn finish(&mut self, gather: &mut Gather, sink: &mut Sink<'_>) {
        let why = match self.state {
            State::Between => FrameError::Stray,
            State::Block | State::Checksum => FrameError::Incomplete,
        };
        gather.lost(why, sink);
        *self = Self::default();
    }
}
