//! Numbers as devices write them.

use crate::Scalar;

/// A field whose meaning nobody has said: a number if it is certainly one, `Null` if it is empty.
///
/// `007` stays text, since it may be an identifier whose zeros count; so does a whole number of more than
/// 64 bits.
pub(super) fn field(text: &str) -> Scalar<'_> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_padded = digits.len() > 1 && digits.starts_with('0');
    if is_padded && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Scalar::Text(text);
    }
    padded(text)
}

/// A field that the protocol says is no identifier: zeros in front don't count.
pub(super) fn padded(text: &str) -> Scalar<'_> {
    let text = text.trim();
    if text.is_empty() {
        return Scalar::Null;
    }
    parse(text).unwrap_or(Scalar::Text(text))
}

/// A field with a comma as decimal sign, and dots between thousands if at all.
pub(super) fn with_comma(text: &str) -> Scalar<'_> {
    let text = text.trim();
    if !text.contains(['.', ',']) {
        return field(text);
    }
    // Longer than any number that a double can tell from its neighbour.
    let mut plain = [0; 32];
    let mut len = 0;
    let (whole, _) = text.split_once(',').unwrap_or((text, ""));
    if text.len() > plain.len() || !are_thousands(whole) {
        return Scalar::Text(text);
    }
    for byte in text.bytes().filter(|byte| *byte != b'.') {
        plain[len] = if byte == b',' { b'.' } else { byte };
        len += 1;
    }
    let plain = std::str::from_utf8(&plain[..len]).unwrap_or_default();
    match parse(plain) {
        Some(Scalar::Float(value)) => Scalar::Float(value),
        Some(Scalar::Int(value)) => Scalar::Int(value),
        _ => Scalar::Text(text),
    }
}

/// `12`, `1.234` and `1.234.567`, but not `12.5` or `01.02.2024`.
fn are_thousands(whole: &str) -> bool {
    let whole = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    let mut groups = whole.split('.');
    let first = groups.next().unwrap_or_default();
    let mut rest = groups.peekable();
    (rest.peek().is_none() || (1..=3).contains(&first.len())) && rest.all(|group| group.len() == 3)
}

/// A decimal number: sign, digits, point, exponent. Not `inf`, `nan` or `0x1F`.
fn parse(text: &str) -> Option<Scalar<'static>> {
    let is_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !is_number {
        return None;
    }
    if text.contains(['.', 'e', 'E']) {
        let value: f64 = text.parse().ok()?;
        return value.is_finite().then_some(Scalar::Float(value));
    }
    let int = text.parse().map(Scalar::Int);
    int.or_else(|_| text.parse().map(Scalar::Uint)).ok()
}

/// As a number, for what is calculated with.
pub(super) fn float(text: &str) -> Option<f64> {
    match parse(text.trim())? {
        Scalar::Float(value) => Some(value),
        Scalar::Int(value) => Some(value as f64),
        _ => None,
    }
}
