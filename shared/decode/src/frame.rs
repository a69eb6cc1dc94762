//! From a stream of bytes to frames: where one begins, where it ends, and whether it is whole.
//!
//! A [`Framer`] looks at one byte at a time, so what it hands out never depends on how the bytes were
//! cut on their way. What it can't make out is handed out too, and never silently dropped:
//! [`Frame::Bad`], or [`Frame::Partial`] if all that is wrong with it is that the port was opened while
//! it was being sent.

mod dsmr;
mod gather;
mod line;
mod nmea;
#[cfg(test)]
mod tests;
mod ve_direct;

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use gather::Gather;
use line::{Lines, Unit};

/// The most bytes a frame may have, unless said otherwise.
pub const DEFAULT_LIMIT: usize = 64 * 1024;

/// How a stream of bytes is divided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// Lines, ended by LF, CR or both; empty ones are passed over.
    #[default]
    Line,
    /// Blocks of lines, ended by an empty line.
    Block,
    /// NMEA 0183 sentences, `$…*hh` or `!…*hh`.
    Nmea,
    /// P1 telegrams of smart meters, `/…!hhhh`.
    Dsmr,
    /// VE.Direct text blocks; HEX frames between and in them are passed over.
    VeDirect,
    /// SDI-12 responses: lines.
    Sdi12,
}

/// A piece of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A whole frame whose checksum, if it has one, is right. Without its line end, and in a VE.Direct
    /// block without the checksum, which need not be text.
    Good(&'a [u8]),
    /// Anything else that is not blank.
    Bad {
        /// What was received.
        bytes: &'a [u8],
        /// What is wrong with it.
        why: FrameError,
    },
    /// What came before the first whole frame, at most as many bytes as a frame may have: the port was
    /// opened in the middle of one, which is not an error.
    Partial(&'a [u8]),
}

/// Why a piece of a stream is not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than the limit; the bytes are its beginning.
    #[error("longer than {0} bytes: the end was lost, or the framing is not the port's")]
    TooLong(usize),
    /// Another checksum than its bytes give.
    #[error(
        "the checksum in it is {stated:02X}, its bytes give {computed:02X}: garbled on the line"
    )]
    Checksum {
        /// The one in it.
        stated: u16,
        /// The one of its bytes.
        computed: u16,
    },
    /// Something that is not a checksum where it has to be.
    #[error("no checksum where there has to be one: garbled on the line")]
    NoChecksum,
    /// Bytes of a VE.Direct block whose sum is not 0.
    #[error("its bytes add up to {0:02X} and not to 00: garbled on the line")]
    Sum(u8),
    /// The next frame began or the stream ended before its end.
    #[error("it has no end: bytes were lost, or the sender stopped in the middle")]
    Incomplete,
    /// Between two frames and part of none.
    #[error("it belongs to no frame: garbled on the line, or the framing is not the port's")]
    Stray,
}

/// Cuts a stream of bytes into frames.
///
/// Sentences, telegrams and VE.Direct blocks have a start that can be told, so after a fault, or if the
/// stream is joined in its middle, the next whole frame is taken again. Lines and blocks of lines have
/// none: their first one is trusted unless [`Framer::joining`] says that the stream was already on.
#[derive(Debug)]
pub struct Framer {
    gather: Gather,
    protocol: Box<dyn Protocol>,
}

impl Framer {
    /// For a stream from its beginning. A frame may have `limit` bytes at most.
    #[must_use]
    pub fn new(framing: Framing, limit: usize) -> Self {
        let protocol: Box<dyn Protocol> = match framing {
            Framing::Line | Framing::Sdi12 => Box::new(Lines::new(Unit::Line)),
            Framing::Block => Box::new(Lines::new(Unit::Block)),
            Framing::Nmea => Box::new(nmea::Nmea::default()),
            Framing::Dsmr => Box::new(dsmr::Dsmr::default()),
            Framing::VeDirect => Box::new(ve_direct::VeDirect::default()),
        };
        let gather = Gather::new(limit);
        Self { gather, protocol }
    }

    /// The stream was already on when the port was opened: what comes before the first end of a line
    /// (of a block) is [`Frame::Partial`]. If the line is silent before the first byte, [`Framer::finish`]
    /// says so, and the first line is whole.
    #[must_use]
    pub fn joining(mut self) -> Self {
        self.protocol.join();
        self
    }

    /// Takes bytes in and hands out every frame and fault that ends in them.
    pub fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Frame<'_>)) {
        self.protocol.push(bytes, &mut self.gather, sink);
    }

    /// The stream ended, or has paused for longer than its sender would within a frame: hands out what
    /// is left. A line or block without its end is good, as the last of a file often is. What comes next
    /// is the beginning of a frame.
    pub fn finish(&mut self, sink: &mut dyn FnMut(Frame<'_>)) {
        self.protocol.finish(&mut self.gather, sink);
    }
}

/// Takes frames.
type Sink<'s> = dyn FnMut(Frame<'_>) + 's;

/// The rules of one framing.
trait Protocol: Send + fmt::Debug {
    /// Takes one byte.
    fn byte(&mut self, byte: u8, gather: &mut Gather, sink: &mut Sink<'_>);

    /// Nothing more will come.
    fn finish(&mut self, gather: &mut Gather, sink: &mut Sink<'_>);

    /// The first frame may have lost its beginning.
    fn join(&mut self) {}

    /// Takes bytes one by one.
    fn push(&mut self, bytes: &[u8], gather: &mut Gather, sink: &mut Sink<'_>) {
        for &byte in bytes {
            self.byte(byte, gather, sink);
        }
    }
}
