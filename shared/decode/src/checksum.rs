//! Checksums that several protocols share.

use crc::{CRC_16_ARC, Crc, NoTable};

/// Serial lines are slow, so there is no table.
const ARC: Crc<u16, NoTable> = Crc::<u16, NoTable>::new(&CRC_16_ARC);

/// CRC-16/ARC: of P1 telegrams (P1 Companion Standard 5.0.2) and of SDI-12 responses (SDI-12 1.4
/// §4.4.12).
pub(crate) fn crc16(bytes: &[u8]) -> u16 {
    ARC.checksum(bytes)
}

/// All bytes by exclusive or: of NMEA 0183 sentences.
pub(crate) fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

/// The number that exactly so many hexadecimal digits stand for.
pub(crate) fn hex(digits: &[u8], count: usize) -> Option<u16> {
    if digits.len() != count || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
