//! A segment file: its name, its header, and the frames that entries are put in.

use std::ops::Range;

use crate::Position;
use crate::varint::{self, Cursor};

pub(crate) mod scan;
pub(crate) mod window;

static CRC: crc::Crc<u32, crc::Table<16>> =
    crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);

const MAGIC: [u8; 8] = *b"EYOTJRNL";
const VERSION: u16 = 2;
/// The earliest that is read: what came later is only added.
const EARLIEST: u16 = 1;

/// Bytes of a header.
pub(crate) const HEADER: usize = 32;
/// What a frame holds is at least: the low bits of its position, flags, admission, number of inputs.
const MIN_CONTENT: usize = 5;
/// At most, so that reading takes bounded memory.
pub(crate) const MAX_CONTENT: usize = 16 << 20;
/// Bytes of the shortest frame.
pub(crate) const MIN_FRAME: usize = 1 + CRC_BYTES + MIN_CONTENT;

const CRC_BYTES: usize = 4;
const LOW_BYTES: usize = 2;
/// Spreads positions over a checksum; odd, so that different ones stay different.
const SPREAD: u32 = 0x9e37_79b1;

/// Positions that a file may be named after, so that adding to them never overflows.
const POSITIONS: Range<Position> = 1..1 << 62;

/// A segment's file name: its first position, in digits that sort.
pub(crate) fn name(first: Position) -> String {
    format!("{first:020}.seg")
}

/// The first position of a file of that name, if it is a segment.
pub(crate) fn first_of(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(".seg")?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits
        .parse()
        .ok()
        .filter(|first| POSITIONS.contains(first))
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Position of the first entry.
    pub(crate) first: Position,
    /// What admissions count from, in µs since the epoch.
    pub(crate) base: i64,
}

/// Why a header is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadHeader {
    #[error("the header fails its checksum")]
    Checksum,
    #[error("format version {0} is not known")]
    Version(u16),
    #[error("the header is of another segment")]
    Name,
}

impl Header {
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&self.first.to_le_bytes());
        out.extend_from_slice(&self.base.to_le_bytes());
        let crc = CRC.checksum(&out[start..]);
        out.extend_from_slice(&crc.to_le_bytes());
    }

    /// Reads the header of the segment that is named after `first`.
    pub(crate) fn read(bytes: &[u8; HEADER], first: Position) -> Result<Self, BadHeader> {
        let mut cursor = Cursor::new(bytes);
        let mut fields = || {
            let magic = cursor.array()? == MAGIC;
            let version = u16::from_le_bytes(cursor.array()?);
            cursor.take(2)?;
            let first = u64::from_le_bytes(cursor.array()?);
            let base = i64::from_le_bytes(cursor.array()?);
            let crc = u32::from_le_bytes(cursor.array()?);
            Ok::<_, varint::Malformed>((magic, version, Self { first, base }, crc))
        };
        let Ok((true, version, header, crc)) = fields() else {
            return Err(BadHeader::Checksum);
        };
        if CRC.checksum(&bytes[..HEADER - CRC_BYTES]) != crc {
            Err(BadHeader::Checksum)
        } else if !(EARLIEST..=VERSION).contains(&version) {
            Err(BadHeader::Version(version))
        } else if header.first != first {
            Err(BadHeader::Name)
        } else {
            Ok(header)
        }
    }
}

/// Appends a frame around what `body` appends.
///
/// # Errors
/// The length of the content, if it is too long for a frame; what was appended is to be thrown away.
pub(crate) fn put_frame(
    out: &mut Vec<u8>,
    position: Position,
    body: impl FnOnce(&mut Vec<u8>),
) -> Result<(), usize> {
    // Nearly every length takes one byte; the others are moved.
    let start = out.len();
    out.extend_from_slice(&[0; 1 + CRC_BYTES]);
    out.extend_from_slice(&(position as u16).to_le_bytes());
    body(out);
    let content = start + 1 + CRC_BYTES;
    let length = out.len() - content;
    if length > MAX_CONTENT {
        return Err(length);
    }
    let crc = CRC.checksum(&out[content..]) ^ spread(position);
    out[start + 1..content].copy_from_slice(&crc.to_le_bytes());
    if length < 0x80 {
        out[start] = length as u8;
    } else {
        let mut prefix = [0; 4];
        let bytes = varint::write_short(&mut prefix, length);
        let end = out.len();
        out.resize(end + bytes - 1, 0);
        out.copy_within(start + 1..end, start + bytes);
        out[start..start + bytes].copy_from_slice(&prefix[..bytes]);
    }
    Ok(())
}

fn spread(position: Position) -> u32 {
    (position as u32).wrapping_mul(SPREAD)
}

/// What stands at some place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// An entry.
    Good {
        /// Its position.
        position: Position,
        /// Its body, after the low bits of the position.
        body: Range<usize>,
    },
    /// Cannot be told before so many bytes are there.
    Short(usize),
    /// No entry. So many bytes were summed up to find out.
    Bad { summed: usize },
}

/// Looks for an entry at the front of `bytes`, whose position is `expected` or at most `ahead` more. At most
/// `longest` bytes are summed up for it.
pub(crate) fn frame(bytes: &[u8], expected: Position, ahead: u64, longest: usize) -> Frame {
    let mut cursor = Cursor::new(bytes);
    let Ok(length) = cursor.varint() else {
        let short = bytes.len() < 10 && bytes.iter().all(|byte| *byte >= 0x80);
        return if short {
            Frame::Short(10)
        } else {
            Frame::Bad { summed: 0 }
        };
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if !(MIN_CONTENT..=longest.min(MAX_CONTENT)).contains(&length) {
        return Frame::Bad { summed: 0 };
    }
    let content = bytes.len() - cursor.len() + CRC_BYTES;
    let (Ok(crc), Ok(low)) = (cursor.array(), cursor.array()) else {
        return Frame::Short(content + LOW_BYTES);
    };
    // What is far off is no entry, which spares summing it up.
    let distance = u16::from_le_bytes(low).wrapping_sub(expected as u16);
    if u64::from(distance) > ahead {
        return Frame::Bad { summed: 0 };
    }
    let end = content + length;
    let Some(summed) = bytes.get(content..end) else {
        return Frame::Short(end);
    };
    let spread_position = CRC.checksum(summed) ^ u32::from_le_bytes(crc);
    // Of all positions with these low bits one has this checksum, if any.
    let mut position = expected.saturating_add(u64::from(distance));
    while spread(position) != spread_position {
        position = match position.checked_add(1 << 16) {
            Some(next) if next - expected <= ahead => next,
            _ => return Frame::Bad { summed: length },
        };
    }
    Frame::Good {
        position,
        body: content + LOW_BYTES..end,
    }
}
