//! The values of a run: as decimals where that gives back every bit, otherwise as they are.
//!
//! Sensors send decimals: 20.53 is 2053 · 10⁻², two bytes instead of eight. The division by an exact power
//! of ten is rounded correctly, so the same mantissa and exponent give the same bits on every machine; the
//! writer tries it out before it relies on it.

use eyot_pipeline::Reading;

use crate::varint::{self, Cursor, Malformed};

/// Kinds up to this one are decimals with so many digits after the point.
const MAX_EXPONENT: u8 = 15;
const RAW_64: u8 = 16;
const RAW_32: u8 = 17;

/// Beyond it whole numbers are no longer told apart by adding a half.
const MAX_MANTISSA: f64 = (1_u64 << 52) as f64;

const POWERS: [f64; MAX_EXPONENT as usize + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// How the values of a run are written: a number below 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind(u8);

impl Kind {
    pub(crate) const fn new(number: u8) -> Result<Self, Malformed> {
        if number > RAW_32 {
            return Err(Malformed);
        }
        Ok(Self(number))
    }

    pub(crate) const fn number(self) -> u8 {
        self.0
    }

    /// Passes over `n` values.
    pub(crate) fn skip(self, cursor: &mut Cursor<'_>, n: usize) -> Result<(), Malformed> {
        let width = match self.0 {
            RAW_64 => 8,
            RAW_32 => 4,
            _ => {
                for _ in 0..n {
                    cursor.varint()?;
                }
                return Ok(());
            }
        };
        cursor.take(n.checked_mul(width).ok_or(Malformed)?)?;
        Ok(())
    }
}

/// Reads the values of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Values {
    kind: Kind,
    mantissa: i64,
}

impl Values {
    pub(crate) const fn new(kind: Kind) -> Self {
        Self { kind, mantissa: 0 }
    }

    #[inline]
    pub(crate) fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<f64, Malformed> {
        match self.kind.0 {
            RAW_64 => Ok(f64::from_le_bytes(cursor.array()?)),
            RAW_32 => Ok(f64::from(f32::from_le_bytes(cursor.array()?))),
            exponent => {
                self.mantissa = self.mantissa.wrapping_add(cursor.signed()?);
                Ok(self.mantissa as f64 / POWERS[usize::from(exponent.min(MAX_EXPONENT))])
            }
        }
    }
}

/// Writes values. It remembers the exponent that did last, since the next one is likely the same.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    exponent: u8,
}

impl Writer {
    /// Appends the values of `run`, in the shortest of the forms, and says which it was.
    #[inline]
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, run: &[Reading]) -> Kind {
        let start = out.len();
        if let Some(exponent) = self.exponent_of(run) {
            if put_decimals(out, run, exponent) {
                // Half the width is worth a look.
                if out.len() - start > 4 * run.len() && run.iter().all(|r| is_f32(r.value)) {
                    out.truncate(start);
                    return put_f32(out, run);
                }
                return Kind(exponent);
            }
            out.truncate(start);
        }
        if run.iter().all(|reading| is_f32(reading.value)) {
            return put_f32(out, run);
        }
        for reading in run {
            out.extend_from_slice(&reading.value.to_le_bytes());
        }
        Kind(RAW_64)
    }

    /// The smallest exponent that does for every value.
    #[inline]
    fn exponent_of(&mut self, run: &[Reading]) -> Option<u8> {
        let (first, rest) = run.split_first()?;
        let mut exponent = self.smallest(first.value)?;
        for reading in rest {
            if mantissa(reading.value, exponent).is_none() {
                let mut larger = exponent + 1..=MAX_EXPONENT;
                exponent = larger.find(|&e| mantissa(reading.value, e).is_some())?;
            }
        }
        self.exponent = exponent;
        Some(exponent)
    }

    #[inline]
    fn smallest(&self, value: f64) -> Option<u8> {
        let Some(mut m) = mantissa(value, self.exponent) else {
            return (0..=MAX_EXPONENT).find(|&e| mantissa(value, e).is_some());
        };
        let mut exponent = self.exponent;
        while exponent > 0 && m % 10 == 0 {
            m /= 10;
            exponent -= 1;
        }
        Some(exponent)
    }
}

/// The whole number m with m / 10^exponent = `value`, to the bit.
#[inline]
fn mantissa(value: f64, exponent: u8) -> Option<i64> {
    let power = POWERS[usize::from(exponent)];
    let scaled = value * power;
    // Not a number is not below it either.
    if scaled.abs() < MAX_MANTISSA {
        let m = (scaled + 0.5_f64.copysign(scaled)) as i64;
        if (m as f64 / power).to_bits() == value.to_bits() {
            return Some(m);
        }
    }
    None
}

/// Whether it went well; a value that is too large for the exponent of another is not written.
#[inline]
fn put_decimals(out: &mut Vec<u8>, run: &[Reading], exponent: u8) -> bool {
    let mut last = 0;
    for reading in run {
        let Some(m) = mantissa(reading.value, exponent) else {
            return false;
        };
        varint::put_signed(out, m - last);
        last = m;
    }
    true
}

fn is_f32(value: f64) -> bool {
    f64::from(value as f32).to_bits() == value.to_bits()
}

fn put_f32(out: &mut Vec<u8>, run: &[Reading]) -> Kind {
    for reading in run {
        out.extend_from_slice(&(reading.value as f32).to_le_bytes());
    }
    Kind(RAW_32)
}

#[cfg(test)]
mod tests {
    use eyot_pipeline::Timestamp;

    use super::*;

    /// The kind and the bytes that a run of these takes; they come back to the bit.
    fn written(values: &[f64]) -> (u8, usize) {
        let run: Vec<_> = values
            .iter()
            .map(|&value| Reading {
                time: Timestamp(0),
                value,
                channel: 0,
                origin: eyot_pipeline::reading::Origin::default(),
            })
            .collect();
        let mut out = Vec::new();
        let kind = Writer { exponent: 3 }.write(&mut out, &run);
        let (mut cursor, mut back) = (Cursor::new(&out), Values::new(kind));
        for value in values {
            assert_eq!(back.next(&mut cursor).unwrap().to_bits(), value.to_bits());
        }
        assert!(cursor.is_empty());
        let mut cursor = Cursor::new(&out);
        kind.skip(&mut cursor, values.len()).unwrap();
        assert!(cursor.is_empty());
        (kind.number(), out.len())
    }

    #[test]
    fn decimals_take_the_smallest_exponent_that_is_exact() {
        assert_eq!(written(&[20.53]), (2, 2));
        assert_eq!(written(&[20.5, 20.53, 21.0]), (2, 4));
        assert_eq!(written(&[100.0]), (0, 2));
        assert_eq!(written(&[-0.001]), (3, 1));
        assert_eq!(written(&[1013.25]), (2, 3));
        assert_eq!(written(&[0.1 + 0.2]), (RAW_64, 8));
        assert_eq!(written(&[1e-15]), (15, 1));
    }

    #[test]
    fn what_is_no_decimal_keeps_its_bits() {
        assert_eq!(written(&[-0.0]), (RAW_32, 4));
        assert_eq!(written(&[f64::INFINITY, f64::NEG_INFINITY]), (RAW_32, 8));
        let quiet = f64::from_bits(0x7ff8_0000_0000_0001);
        let signalling = f64::from_bits(0x7ff0_0000_0000_0001);
        assert_eq!(written(&[quiet, signalling, 1.5]), (RAW_64, 24));
        assert_eq!(written(&[f64::MIN_POSITIVE, f64::MAX]).0, RAW_64);
        assert_eq!(written(&[f64::from_bits(1)]).0, RAW_64);
        assert_eq!(written(&[f64::from(20.53_f32)]), (RAW_32, 4));
        assert_eq!(written(&[4e15, 0.001]).0, RAW_64);
    }
}
