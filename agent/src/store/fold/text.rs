//! A JSON text taken apart: what many records have in common, and the values that differ.
//!
//! Nothing is known here of what a record means, so a new field needs nothing new here. The common part is the
//! text itself with holes in it; texts with the same holes share columns.
//!
//! ```text
//! {"id":"…/1/pump-15/49","device":"pump-15","window":{"start":"2026-…Z"},"mean":38.3,"count":5}
//! {"id":"…/1/<row>","device":"<name>","window":{"start":"<time>"},"mean":<float>,"count":<integer>}
//! ```

use eyot_pipeline::time::Timestamp;

use crate::clock::rfc3339;

/// Begins a hole. JSON has no such byte: it is escaped in strings.
const HOLE: u8 = 0;
const NAME: u8 = b'n';
const ROW: u8 = b'r';
const TIME: u8 = b't';
const INTEGER: u8 = b'i';
const FLOAT: u8 = b'f';
const HEX: u8 = b'x';

/// Says in a record to which precision its numbers are kept.
const MARK: &[u8] = b",\"precision\":\"f32\"}";
const MARKED: &[u8] = b"\"precision\":";

/// A value that differs from record to record.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// A whole number.
    Integer(i64),
    /// A number with a point or an exponent, and how it was written.
    Float(f64, &'a str),
    /// An instant, in milliseconds.
    Time(i64),
    /// What sixteen hexadecimal digits mean.
    Hex(i64),
}

/// What a value is rendered from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rendered {
    Integer(i64),
    Single(f32),
    Double(f64),
}

/// Takes a record of the device of that name (as it is written in JSON, without quotes) and number
/// apart. `None` if it holds what no JSON holds.
pub(super) fn split<'a>(
    body: &'a str,
    device: &str,
    number: u64,
) -> Option<(Vec<u8>, Vec<Value<'a>>)> {
    let row = format!("/{device}/{number}");
    let bytes = body.as_bytes();
    let mut shape = Vec::with_capacity(bytes.len());
    let mut values = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            HOLE => return None,
            b'"' => {
                let end = at + 1 + string_end(&bytes[at + 1..])?;
                let inside = &body[at + 1..end];
                let is_key = bytes.get(end + 1) == Some(&b':');
                shape.push(byte);
                if is_key {
                    shape.extend_from_slice(inside.as_bytes());
                } else if inside == device {
                    shape.extend([HOLE, NAME]);
                } else if let Some(prefix) = inside.strip_suffix(&row) {
                    shape.extend_from_slice(prefix.as_bytes());
                    shape.extend([b'/', HOLE, ROW]);
                } else if let Some(time) = time(inside) {
                    shape.extend([HOLE, TIME]);
                    values.push(Value::Time(time));
                } else if let Some(number) = hex(inside) {
                    shape.extend([HOLE, HEX]);
                    values.push(Value::Hex(number));
                } else {
                    shape.extend_from_slice(inside.as_bytes());
                }
                shape.push(byte);
                at = end + 1;
            }
            b'-' | b'0'..=b'9' => {
                let len = bytes[at..]
                    .iter()
                    .take_while(|byte| {
                        matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')
                    })
                    .count();
                let text = &body[at..at + len];
                match self::number(text) {
                    Some(value @ Value::Integer(_)) => {
                        shape.extend([HOLE, INTEGER]);
                        values.push(value);
                    }
                    Some(value) => {
                        shape.extend([HOLE, FLOAT]);
                        values.push(value);
                    }
                    None => shape.extend_from_slice(text.as_bytes()),
                }
                at += len;
            }
            _ => {
                shape.push(byte);
                at += 1;
            }
        }
    }
    if shape.ends_with(b"}") && !shape.windows(MARKED.len()).any(|part| part == MARKED) {
        shape.pop();
        shape.extend_from_slice(MARK);
    }
    Some((shape, values))
}

/// Puts a record together again.
pub(super) fn join(
    shape: &[u8],
    device: &str,
    number: u64,
    mut values: impl Iterator<Item = Rendered>,
) -> Option<Vec<u8>> {
    let mut body = Vec::with_capacity(shape.len() + shape.len() / 2);
    let mut rest = shape;
    while let Some(at) = rest.iter().position(|byte| *byte == HOLE) {
        body.extend_from_slice(&rest[..at]);
        let kind = *rest.get(at + 1)?;
        rest = &rest[at + 2..];
        match kind {
            NAME => body.extend_from_slice(device.as_bytes()),
            ROW => body.extend_from_slice(format!("{device}/{number}").as_bytes()),
            TIME => match values.next()? {
                Rendered::Integer(ms) => {
                    body.extend_from_slice(rfc3339(Timestamp::from_millis(ms)).as_bytes());
                }
                _ => return None,
            },
            HEX => match values.next()? {
                Rendered::Integer(number) => {
                    body.extend_from_slice(format!("{number:016x}").as_bytes());
                }
                _ => return None,
            },
            _ => write_number(values.next()?, &mut body),
        }
    }
    body.extend_from_slice(rest);
    Some(body)
}

/// The kinds of values that fill the holes of a shape, in order: whether each is a float.
pub(super) fn floats(shape: &[u8]) -> Vec<bool> {
    shape
        .windows(2)
        .filter(|pair| pair[0] == HOLE && matches!(pair[1], TIME | INTEGER | FLOAT | HEX))
        .map(|pair| pair[1] == FLOAT)
        .collect()
}

fn write_number(value: Rendered, body: &mut Vec<u8>) {
    // Writing numbers to memory cannot fail.
    let _ = match value {
        Rendered::Integer(value) => serde_json::to_writer(body, &value),
        Rendered::Single(value) => serde_json::to_writer(body, &value),
        Rendered::Double(value) => serde_json::to_writer(body, &value),
    };
}

/// Where the string ends that begins here.
fn string_end(bytes: &[u8]) -> Option<usize> {
    let mut escaped = false;
    bytes.iter().position(|byte| {
        let end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        end
    })
}

/// An instant written the one way, to the millisecond.
fn time(text: &str) -> Option<i64> {
    if text.len() < 20 || !text.ends_with('Z') {
        return None;
    }
    let time =
        Timestamp(i64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()?);
    let ms = time.0.saturating_add(500_000).div_euclid(1_000_000);
    (rfc3339(time) == text).then_some(ms)
}

/// Sixteen hexadecimal digits, as trace ids have them.
fn hex(text: &str) -> Option<i64> {
    let digits = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 16 || !digits {
        return None;
    }
    u64::from_str_radix(text, 16).ok().map(u64::cast_signed)
}

/// A number that is written again as it was, or nearly so.
fn number(text: &str) -> Option<Value<'_>> {
    if text.contains(['.', 'e', 'E']) {
        let value: f64 = text.parse().ok()?;
        return value.is_finite().then_some(Value::Float(value, text));
    }
    let value: i64 = text.parse().ok()?;
    (value.to_string() == text).then_some(Value::Integer(value))
}
