//! Columns of numbers as bytes that compress well.
//!
//! Numbers of one column are alike in their high bytes and noise in their low ones. So the first bytes of
//! all stand together, then the second bytes, and so on: the compressor shrinks the former to almost nothing
//! and leaves the latter alone.
//!
//! ```text
//! integers  1, or 2 · the first (as differences from row to row) · smallest · common divisor · width · planes
//! singles   3 · planes of four bytes, or 7 · index of a similar column · integers: how the bits differ
//! doubles   4 · planes of eight bytes
//! decimals  5 · digits after the point · integers
//! a repeat  6 · index of the column that is the same
//! ```

/// A column of numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Column {
    /// Exact.
    Integers(Vec<i64>),
    /// Floating point in single precision.
    Singles(Vec<f32>),
    /// Floating point, where single precision has no such number.
    Doubles(Vec<f64>),
    /// Exact multiples of a power of ten.
    Decimals(u8, Vec<i64>),
}

/// A column of floating-point numbers while it is gathered.
#[derive(Debug, Default)]
pub(super) struct Floats {
    values: Vec<f64>,
    /// Digits after the point that suffice for all; `None` once there is one with too many.
    decimals: Option<u8>,
}

/// Digits after the point up to which numbers are kept as integers.
const DECIMALS: u8 = 6;

impl Floats {
    /// Adds a number as it was written.
    pub(super) fn push(&mut self, value: f64, text: &str) {
        let decimals = match text.split_once('.') {
            None => None,
            Some((_, digits)) => u8::try_from(digits.len()).ok(),
        };
        let fits =
            decimals.filter(|n| *n <= DECIMALS && value.abs() < 1e9 && !text.contains(['e', 'E']));
        self.decimals = match (self.values.is_empty(), self.decimals, fits) {
            (true, _, fits) => fits,
            (false, Some(most), Some(digits)) => Some(most.max(digits)),
            _ => None,
        };
        self.values.push(value);
    }

    pub(super) fn finish(self) -> Column {
        let single = |value: f64| {
            let single = value as f32;
            single.is_finite() && (single.is_normal() || value == 0.0)
        };
        let cost = |width: u64| width * self.values.len() as u64;
        if let Some(decimals) = self.decimals {
            let scale = 10_f64.powi(i32::from(decimals));
            let scaled: Vec<i64> = self
                .values
                .iter()
                .map(|v| (v * scale).round() as i64)
                .collect();
            // Negative zero has a sign that an integer has not.
            let exact = scaled
                .iter()
                .zip(&self.values)
                .all(|(scaled, value)| (*scaled as f64 / scale).to_bits() == value.to_bits());
            if exact && (size(&scaled) <= cost(4) || !self.values.iter().all(|v| single(*v))) {
                return Column::Decimals(decimals, scaled);
            }
        }
        if self.values.iter().all(|value| single(*value)) {
            return Column::Singles(self.values.iter().map(|value| *value as f32).collect());
        }
        Column::Doubles(self.values)
    }
}

impl Column {
    /// Writes it after `earlier` ones. A root mean square is close to its mean, and so on.
    pub(super) fn write(&self, earlier: &[Self], out: &mut Vec<u8>) {
        match self {
            Self::Integers(values) => write_integers(values, out),
            Self::Singles(values) => {
                let similar = earlier.iter().enumerate().filter_map(|(index, column)| {
                    let differences = column.bits_from(values)?;
                    Some((Packed::of(&differences).bits, index, differences))
                });
                let plain =
                    Packed::of(&values.iter().map(|value| bits(*value)).collect::<Vec<_>>());
                if let Some((cost, index, differences)) = similar.min_by_key(|(cost, ..)| *cost)
                    && cost + 2 * values.len() as u64 <= plain.bits
                {
                    out.push(7);
                    write_number(index as u64, out);
                    write_integers(&differences, out);
                    return;
                }
                out.push(3);
                planes(
                    out,
                    4,
                    &values.iter().map(|value| u64::from(value.to_bits())),
                );
            }
            Self::Doubles(values) => {
                out.push(4);
                planes(out, 8, &values.iter().map(|value| value.to_bits()));
            }
            Self::Decimals(digits, values) => {
                out.extend([5, *digits]);
                write_integers(values, out);
            }
        }
    }

    /// How the bits of singles differ from those of this column.
    fn bits_from(&self, values: &[f32]) -> Option<Vec<i64>> {
        let Self::Singles(column) = self else {
            return None;
        };
        let pairs = values.iter().zip(column);
        Some(
            pairs
                .map(|(value, other)| bits(*value) - bits(*other))
                .collect(),
        )
    }

    /// The column is the same as an earlier one.
    pub(super) fn write_repeat(of: usize, out: &mut Vec<u8>) {
        out.push(6);
        write_number(of as u64, out);
    }

    /// A column of `rows` numbers after `earlier` ones.
    pub(super) fn read(from: &mut Reader<'_>, rows: usize, earlier: &[Self]) -> Option<Self> {
        match from.byte()? {
            kind @ (1 | 2) => Some(Self::Integers(read_integers(kind, from, rows)?)),
            3 => {
                let bits = from.planes(4, rows)?;
                let singles = bits.into_iter().map(|bits| f32::from_bits(bits as u32));
                Some(Self::Singles(singles.collect()))
            }
            4 => {
                let bits = from.planes(8, rows)?;
                Some(Self::Doubles(
                    bits.into_iter().map(f64::from_bits).collect(),
                ))
            }
            5 => {
                let digits = from.byte()?;
                let kind = from.byte()?;
                Some(Self::Decimals(digits, read_integers(kind, from, rows)?))
            }
            6 => {
                let of = usize::try_from(from.number()?).ok()?;
                earlier.get(of).cloned()
            }
            7 => {
                let of = usize::try_from(from.number()?).ok()?;
                let Self::Singles(column) = earlier.get(of)? else {
                    return None;
                };
                let kind = from.byte()?;
                let differences = read_integers(kind, from, rows)?.into_iter();
                let singles = differences.zip(column).map(|(difference, other)| {
                    f32::from_bits(bits(*other).wrapping_add(difference) as u32)
                });
                Some(Self::Singles(singles.collect()))
            }
            _ => None,
        }
    }
}

fn bits(value: f32) -> i64 {
    i64::from(value.to_bits())
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn write_integers(values: &[i64], out: &mut Vec<u8>) {
    let differences = differences(values);
    let plain = Packed::of(values);
    let packed = Packed::of(&differences);
    if packed.bits < plain.bits {
        out.push(2);
        write_number(zigzag(values.first().copied().unwrap_or_default()), out);
        packed.write(out);
    } else {
        out.push(1);
        plain.write(out);
    }
}

/// Bytes that integers take, before compression.
fn size(values: &[i64]) -> u64 {
    let packed = Packed::of(values);
    packed.width() as u64 * packed.values.len() as u64
}

/// What each adds to the one before; nothing for the first.
fn differences(values: &[i64]) -> Vec<i64> {
    let mut last = values.first().copied().unwrap_or_default();
    let step = |value: &i64| value.wrapping_sub(std::mem::replace(&mut last, *value));
    values.iter().map(step).collect()
}

/// Integers less their smallest, over their common divisor.
struct Packed {
    smallest: i64,
    divisor: u64,
    values: Vec<u64>,
    /// Sum of the values' lengths.
    bits: u64,
}

impl Packed {
    fn of(values: &[i64]) -> Self {
        let smallest = values.iter().copied().min().unwrap_or_default();
        let above = |value: &i64| value.wrapping_sub(smallest).cast_unsigned();
        let divisor = values.iter().map(above).fold(0, gcd).max(1);
        let values: Vec<u64> = values.iter().map(|value| above(value) / divisor).collect();
        let bits = values
            .iter()
            .map(|value| u64::from(64 - value.leading_zeros()));
        Self {
            smallest,
            divisor,
            bits: bits.sum(),
            values,
        }
    }

    fn width(&self) -> usize {
        let largest = self.values.iter().copied().max().unwrap_or_default();
        8 - largest.leading_zeros() as usize / 8
    }

    fn write(&self, out: &mut Vec<u8>) {
        write_number(zigzag(self.smallest), out);
        write_number(self.divisor, out);
        out.push(self.width() as u8);
        planes(out, self.width(), &self.values.iter().copied());
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn read_integers(kind: u8, from: &mut Reader<'_>, rows: usize) -> Option<Vec<i64>> {
    let mut sum = match kind {
        1 => None,
        2 => Some(unzigzag(from.number()?)),
        _ => return None,
    };
    let smallest = unzigzag(from.number()?);
    let divisor = from.number()?;
    let width = usize::from(from.byte()?);
    let values = from.planes(width, rows)?.into_iter().map(|value| {
        let value = smallest.wrapping_add(value.wrapping_mul(divisor).cast_signed());
        match &mut sum {
            None => value,
            Some(sum) => {
                *sum = sum.wrapping_add(value);
                *sum
            }
        }
    });
    Some(values.collect())
}

fn planes(out: &mut Vec<u8>, width: usize, values: &(impl Iterator<Item = u64> + Clone)) {
    for place in (0..width).rev() {
        out.extend(values.clone().map(|value| (value >> (8 * place)) as u8));
    }
}

/// Seven bits a byte, the lowest first; the highest bit says that there is more.
pub(super) fn write_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Reads what was written; `None` where it ends too early or makes no sense.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        self.take(len)
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn planes(&mut self, width: usize, rows: usize) -> Option<Vec<u64>> {
        if width > 8 {
            return None;
        }
        let mut values = vec![0_u64; rows];
        for _ in 0..width {
            let plane = self.take(rows)?;
            for (value, byte) in values.iter_mut().zip(plane) {
                *value = *value << 8 | u64::from(*byte);
            }
        }
        Some(values)
    }
}
