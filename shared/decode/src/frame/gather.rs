//! The bytes of the frame under way, and what becomes of them.

use super::{Frame, FrameError, Sink};

/// The bytes received since the last frame ended.
#[derive(Debug)]
pub(super) struct Gather {
    bytes: Vec<u8>,
    limit: usize,
    /// The limit was passed and reported; the rest is dropped.
    too_long: bool,
    /// How much may still be put down to a port that was opened in the middle of a frame.
    partial: usize,
}

impl Gather {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit,
            too_long: false,
            partial: limit,
        }
    }

    /// What was gathered; nothing once it is too long.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the limit was passed.
    pub(super) fn too_long(&self) -> bool {
        self.too_long
    }

    /// Adds a byte. A frame that gets too long is reported at once, and what follows of it dropped.
    pub(super) fn add(&mut self, byte: u8, sink: &mut Sink<'_>) {
        if self.too_long {
            return;
        }
        if self.bytes.len() >= self.limit {
            self.bad(FrameError::TooLong(self.limit), sink);
            self.too_long = true;
            return;
        }
        self.bytes.push(byte);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.too_long = false;
    }

    /// It was a whole frame; its first `len` bytes are to be handed out.
    pub(super) fn good(&mut self, len: usize, sink: &mut Sink<'_>) {
        let frame = trim_nul(self.bytes.get(..len).unwrap_or(&self.bytes));
        if !is_blank(frame) {
            self.partial = 0;
            sink(Frame::Good(frame));
        }
        self.clear();
    }

    /// It was a frame from its beginning on, and something is wrong with it.
    pub(super) fn bad(&mut self, why: FrameError, sink: &mut Sink<'_>) {
        if !is_blank(&self.bytes) {
            let bytes = &self.bytes;
            sink(Frame::Bad { bytes, why });
        }
        self.clear();
    }

    /// It may be the end of a frame whose beginning was never received; if it can't, it is bad.
    pub(super) fn lost(&mut self, why: FrameError, sink: &mut Sink<'_>) {
        let len = self.bytes.len();
        if len > self.partial {
            return self.bad(why, sink);
        }
        if !is_blank(&self.bytes) {
            self.partial -= len;
            sink(Frame::Partial(&self.bytes));
        }
        self.clear();
    }
}

/// Line ends, and NUL: a serial line makes one of a break.
fn is_blank(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| byte.is_ascii_whitespace() || *byte == 0)
}

/// Without NULs and line ends around it; spaces and tabs may be empty columns.
fn trim_nul(mut bytes: &[u8]) -> &[u8] {
    while let [0 | b'\r' | b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., 0 | b'\r' | b'\n'] = bytes {
        bytes = rest;
    }
    bytes
}
