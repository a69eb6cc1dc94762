//! Lines, and blocks of lines.

use super::gather::Gather;
use super::{FrameError, Protocol, Sink};

/// What is a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Every line.
    Line,
    /// All lines up to an empty one.
    Block,
}

/// Lines one by one, or joined until an empty one.
#[derive(Debug)]
pub(super) struct Lines {
    unit: Unit,
    /// The last byte was a CR, whose LF is no second line end.
    after_cr: bool,
    /// Nothing visible stands in this line so far.
    empty: bool,
    /// The beginning of this frame was never received.
    cut: bool,
}

impl Lines {
    pub(super) fn new(unit: Unit) -> Self {
        Self {
            unit,
            after_cr: false,
            empty: true,
            cut: false,
        }
    }

    fn end(&mut self, gather: &mut Gather, sink: &mut Sink<'_>) {
        if std::mem::take(&mut self.cut) {
            gather.lost(FrameError::Incomplete, sink);
        } else {
            gather.good(usize::MAX, sink);
        }
    }
}

impl Protocol for Lines {
    fn byte(&mut self, byte: u8, gather: &mut Gather, sink: &mut Sink<'_>) {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match byte {
            b'\n' if after_cr => {}
            b'\r' | b'\n' => {
                let empty = std::mem::replace(&mut self.empty, true);
                if empty || self.unit == Unit::Line {
                    self.end(gather, sink);
                } else {
                    gather.add(b'\n', sink);
                }
            }
            _ => {
                self.empty &= byte.is_ascii_whitespace() || byte == 0;
                gather.add(byte, sink);
            }
        }
    }

    fn finish(&mut self, gather: &mut Gather, sink: &mut Sink<'_>) {
        self.end(gather, sink);
        self.after_cr = false;
        self.empty = true;
    }

    fn join(&mut self) {
        self.cut = true;
    }
}
