//! Numbers that are written as text or as 16-bit words.

use crate::Value;

/// Reads a decimal number and gives what stands behind it. Nothing is guessed: no separators between
/// thousands, no half an exponent, no base but ten.
pub(super) fn decimal(text: &str) -> Option<(Value, &str)> {
    let bytes = text.as_bytes();
    let digits_from = |at: usize| count_digits(&bytes[at..]);
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits_from(at);
    at += whole;
    let mut is_whole = true;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        fraction = digits_from(at + 1);
        at += 1 + fraction;
        is_whole = false;
    }
    if whole + fraction == 0 {
        return None;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits_from(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
            is_whole = false;
        }
    }
    let (number, rest) = text.split_at(at);
    let whole = is_whole.then(|| self::whole(number)).flatten();
    let value = match whole {
        Some(value) => value,
        None => Value::F64(number.parse().ok()?),
    };
    // `1.2.3` and `12:30` are no numbers with something behind them.
    let ends = rest
        .chars()
        .next()
        .is_none_or(|c| !matches!(c, '.' | ',' | ':' | '-' | '+'));
    ends.then_some((value, rest))
}

fn whole(number: &str) -> Option<Value> {
    number
        .parse()
        .map(Value::I64)
        .or_else(|_| number.parse().map(Value::U64))
        .ok()
}

fn count_digits(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| b.is_ascii_digit()).count()
}

/// The same with a comma as decimal sign; dots only where they separate thousands.
pub(super) fn decimal_comma(text: &str) -> Option<(Value, &str)> {
    let end = text
        .find(|c: char| !matches!(c, '0'..='9' | '.' | ',' | '+' | '-'))
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let (whole, fraction) = number
        .split_once(',')
        .map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    if fraction.is_some_and(|fraction| count_digits(fraction.as_bytes()) < fraction.len()) {
        return None;
    }
    let digits = whole.trim_start_matches(['+', '-']);
    let mut groups = digits.split('.');
    let first = groups.next().unwrap_or_default();
    let mut grouped = false;
    for group in groups {
        grouped = true;
        if group.len() != 3 {
            return None;
        }
    }
    if grouped && !(1..=3).contains(&first.len()) {
        return None;
    }
    let mut plain = [0; 64];
    let mut len = 0;
    for byte in number.bytes().filter(|byte| *byte != b'.') {
        *plain.get_mut(len)? = if byte == b',' { b'.' } else { byte };
        len += 1;
    }
    match decimal(std::str::from_utf8(&plain[..len]).ok()?)? {
        (value, "") => Some((value, rest)),
        _ => None,
    }
}

/// Reads a number in base 16, with or without `0x`.
pub(super) fn hex(text: &str) -> Option<Value> {
    let digits = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .unwrap_or(text);
    // `from_str_radix` would take a sign.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok().map(unsigned)
}

/// A number in base 16 that has only decimal digits, so that a format took it for a decimal one.
pub(super) fn digits_as_hex(value: Value) -> Option<Value> {
    let (Value::I64(_) | Value::U64(_)) = value else {
        return None;
    };
    let mut rest = whole_number(value).and_then(|value| u64::try_from(value).ok())?;
    let (mut result, mut shift) = (0_u64, 0);
    while rest > 0 {
        if shift >= u64::BITS {
            return None;
        }
        result |= (rest % 10) << shift;
        shift += 4;
        rest /= 10;
    }
    Some(unsigned(result))
}

/// A 16-bit word, which may have been read as signed.
pub(super) fn word(value: Value) -> Option<u16> {
    let value = match value {
        Value::F64(value) if value.fract() == 0.0 && value.abs() < 65_536.0 => value as i128,
        value => whole_number(value)?,
    };
    match i32::try_from(value).ok()? {
        value @ -32_768..=65_535 => Some((value & 0xffff) as u16),
        _ => None,
    }
}

pub(super) fn f32_of(high: u16, low: u16) -> Value {
    Value::F64(f32::from_bits(bits(high, low)).into())
}

pub(super) fn u32_of(high: u16, low: u16) -> Value {
    Value::I64(bits(high, low).into())
}

fn bits(high: u16, low: u16) -> u32 {
    u32::from(high) << 16 | u32::from(low)
}

fn unsigned(value: u64) -> Value {
    i64::try_from(value).map_or(Value::U64(value), Value::I64)
}

/// Whether two numbers are the same, whatever they are kept in.
pub(super) fn same(a: Value, b: Value) -> bool {
    match (whole_number(a), whole_number(b)) {
        (Some(a), Some(b)) => a == b,
        #[expect(
            clippy::float_cmp,
            reason = "a sentinel is one value and not those near it"
        )]
        _ => a.as_f64() == b.as_f64(),
    }
}

fn whole_number(value: Value) -> Option<i128> {
    match value {
        Value::I64(value) => Some(value.into()),
        Value::U64(value) => Some(value.into()),
        _ => None,
    }
}
