//! Numbers: once from their digits, where that is exact, which it nearly always is (W. D. Clinger, How to read
//! floating point numbers accurately, 1990).

#![expect(clippy::inline_always, reason = "as in `scan`")]

use super::Scanner;
use crate::Scalar;

/// The powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
/// Up to here a double holds every whole number.
const EXACT: u64 = 1 << 53;

impl Scanner<'_> {
    /// A number to the nearest double, or exactly if it is a whole one. What no double can hold is
    /// infinite.
    #[inline(always)]
    pub(in crate::json) fn number(&mut self) -> Option<Scalar<'static>> {
        let start = self.at;
        let bytes = self.text.as_bytes().get(start..)?;
        let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
        let negative = byte(0) == b'-';
        let first = usize::from(negative);
        // With more than 19 digits it is no use, and not used.
        let (whole, mut mantissa) = digits(bytes, first, 0);
        let mut at = first + whole;
        if whole == 0 || whole > 1 && byte(first) == b'0' {
            return None;
        }
        if !matches!(byte(at), b'.' | b'e' | b'E') {
            self.at += at;
            return self.integer(start, negative, mantissa, whole);
        }
        let mut fraction = 0;
        if byte(at) == b'.' {
            (fraction, mantissa) = digits(bytes, at + 1, mantissa);
            at += 1 + fraction;
            if fraction == 0 {
                return None;
            }
        }
        self.at += at;
        let mut exponent = -i64::try_from(fraction).ok()?;
        if matches!(byte(at), b'e' | b'E') {
            exponent += self.exponent()?;
        }
        if whole + fraction <= 19
            && mantissa <= EXACT
            && let Some(power) = POWERS.get(exponent.unsigned_abs() as usize)
        {
            // Both are exact, so that the result is rounded once.
            let size = mantissa as f64;
            let size = if exponent < 0 {
                size / power
            } else {
                size * power
            };
            return Some(Scalar::Float(if negative { -size } else { size }));
        }
        let number = self.text.get(start..self.at)?.parse().ok()?;
        Some(Scalar::Float(number))
    }

    /// A whole number: exactly, unless it is beyond 64 bits.
    #[inline(always)]
    fn integer(
        &self,
        start: usize,
        negative: bool,
        size: u64,
        digits: usize,
    ) -> Option<Scalar<'static>> {
        // So many fit.
        if digits <= 18 {
            let number = size.cast_signed();
            return Some(match (negative, number) {
                (false, number) => Scalar::Int(number),
                // There is a negative zero, but not among the whole numbers.
                (true, 0) => Scalar::Float(-0.0),
                (true, number) => Scalar::Int(-number),
            });
        }
        let text = self.text.get(start..self.at)?;
        let uint = |_| text.parse().map(Scalar::Uint);
        let float = |_| text.parse().map(Scalar::Float);
        let number = text.parse().map(Scalar::Int).or_else(uint).or_else(float);
        number.ok()
    }

    #[inline(always)]
    fn exponent(&mut self) -> Option<i64> {
        self.at += 1;
        let negative = self.byte() == b'-';
        self.at += usize::from(matches!(self.byte(), b'+' | b'-'));
        let mut size = 0;
        let start = self.at;
        while let digit @ b'0'..=b'9' = self.byte() {
            // Far beyond what a double can hold is far enough.
            size = i64::min(size * 10 + i64::from(digit - b'0'), 1 << 40);
            self.at += 1;
        }
        let there = self.at > start;
        there.then_some(if negative { -size } else { size })
    }
}

/// The digits from `at` on: how many, and what they come to behind `number`.
#[inline(always)]
fn digits(bytes: &[u8], at: usize, number: u64) -> (usize, u64) {
    let (mut n, mut number) = (0, number);
    let mut bytes = bytes.get(at..).unwrap_or_default();
    while let Some((first, rest)) = bytes.split_first_chunk::<8>()
        && let Some(eight) = eight(u64::from_le_bytes(*first))
    {
        number = number.wrapping_mul(100_000_000).wrapping_add(eight);
        n += 8;
        bytes = rest;
    }
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
        n += 1;
    }
    (n, number)
}

/// Eight digits at once, the first in the lowest byte; `None` if they are not all digits (D. Lemire, Quickly parsing
/// eight digits, 2018: neighbours are put together, then pairs of them, then those).
#[inline(always)]
fn eight(bytes: u64) -> Option<u64> {
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    // A digit has a 3 in its upper half, and still has it with 6 added.
    let above = bytes.wrapping_add(0x0606_0606_0606_0606);
    if bytes & HIGH != ZEROS || above & HIGH != ZEROS {
        return None;
    }
    let digits = bytes - ZEROS;
    let pairs = (digits.wrapping_mul(10) + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100) + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul(10_000) + (fours >> 32)) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_at_once_are_the_number() {
        for text in ["00000000", "12345678", "99999999", "00000001", "90000000"] {
            let bytes = u64::from_le_bytes(*text.as_bytes().first_chunk().unwrap());
            assert_eq!(eight(bytes), Some(text.parse().unwrap()), "{text}");
        }
        for at in 0..8 {
            for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
                let mut text = *b"12345678";
                text[at] = byte;
                assert_eq!(eight(u64::from_le_bytes(text)), None, "{text:?}");
            }
        }
    }
}
