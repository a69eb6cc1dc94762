//! What is a header.

use super::number;
use super::row::Row;
use crate::Scalar;

/// Words that stand where a value should, so that a row of them is no header.
const VALUES: [&str; 18] = [
    "nan", "inf", "null", "none", "nil", "n/a", "na", "-", "--", "---", "true", "false", "on",
    "off", "ok", "err", "error", "fail",
];

/// Whether a row can only be names: no number, no word for a value, nothing twice.
///
/// Where names are `known`, a single word is none of them but a message between rows, and a row of as
/// many words is a header only if it has one of them: there are rows without any number.
pub(super) fn is_header(row: &Row, text: &str, decimal_comma: bool, known: &[String]) -> bool {
    let names = || (0..row.len()).map(|index| row.text(index, text));
    if !names().all(|name| name.is_empty() || is_name(name, decimal_comma)) {
        return false;
    }
    let is_known = |name: &str| known.iter().any(|other| other == name);
    names().any(|name| !name.is_empty())
        && (known.is_empty()
            || names().any(is_known)
            || (row.len() > 1 && row.len() != known.len()))
}

fn is_name(field: &str, decimal_comma: bool) -> bool {
    let is_value = match number::field(field) {
        Scalar::Text(text) if decimal_comma => !matches!(number::with_comma(text), Scalar::Text(_)),
        Scalar::Text(_) => false,
        _ => true,
    };
    !is_value
        // Dates, times, `21.5 C`.
        && !field.starts_with(|c: char| c.is_ascii_digit() || "+-".contains(c))
        && !VALUES.iter().any(|word| field.eq_ignore_ascii_case(word))
}
