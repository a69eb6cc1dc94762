//! What is wrong with a text that is no JSON.

use serde::de::IgnoredAny;
use serde_json::Value;

/// `invalid json: …`, with the place. A bare word that only lenient writers take for a number (C's
/// `printf` writes `nan` and `inf`) is called by its name.
pub(super) fn describe(text: &str) -> String {
    let Some(error) = error(text) else {
        return "invalid json: nested too deep".to_owned();
    };
    let (line, column) = (error.line(), error.column());
    let row = text
        .split('\n')
        .nth(line.saturating_sub(1))
        .unwrap_or_default();
    let place = |column: usize| {
        if line > 1 {
            format!("line {line} column {column}")
        } else {
            format!("column {column}")
        }
    };
    if let Some((word, start)) = word_at(row, column)
        && ["nan", "inf", "infinity"]
            .iter()
            .any(|other| word.eq_ignore_ascii_case(other))
    {
        return format!("invalid json: bare {word} at {}", place(start + 1));
    }
    let what = error.to_string();
    let what = what.split(" at line ").next().unwrap_or_default();
    format!("invalid json: {what} at {}", place(column.max(1)))
}

/// Reads it once more, by a parser that tells. One that has to keep what it reads finds fault with numbers
/// beyond a double, too, which are none.
fn error(text: &str) -> Option<serde_json::Error> {
    let error = serde_json::from_str::<Value>(text).err()?;
    if error.to_string().starts_with("number out of range") {
        return serde_json::from_str::<IgnoredAny>(text).err();
    }
    Some(error)
}

/// The word around a column (which counts from 1) and where it begins.
fn word_at(row: &str, column: usize) -> Option<(&str, usize)> {
    let bytes = row.as_bytes();
    let at = column.saturating_sub(1).min(bytes.len());
    // The parser may have stopped behind the first letters or in front of them.
    let start = bytes[..at]
        .iter()
        .rposition(|b| !b.is_ascii_alphabetic())
        .map_or(0, |i| i + 1);
    let len = bytes[start..]
        .iter()
        .take_while(|b| b.is_ascii_alphabetic())
        .count();
    Some((row.get(start..start + len)?, start))
}
