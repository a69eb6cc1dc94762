//! Formats of lines of text, most of them from serial lines.

mod csv;
mod dsmr;
mod key_value;
mod nmea;
mod number;
mod sdi12;
#[cfg(test)]
mod tests;
mod ve_direct;

use std::fmt::Write as _;

pub(crate) use csv::Csv;
pub(crate) use dsmr::Dsmr;
pub(crate) use key_value::KeyValue;
pub(crate) use nmea::Nmea;
pub(crate) use sdi12::Sdi12;
pub(crate) use ve_direct::VeDirect;

use crate::format::{FormatError, Input};
use crate::{Doc, DocError};

/// The payload's text, with `doc` begun on it and a byte order mark passed over.
fn begin<'p>(input: &Input<'p>, doc: &mut Doc) -> Result<&'p str, FormatError> {
    let text = input.text.ok_or_else(|| {
        let at = std::str::from_utf8(input.bytes).map_or_else(|error| error.valid_up_to(), str::len);
        FormatError(format!(
            "not text: byte {} is not UTF-8; if the device writes Latin-1, set `charset = \"latin1\"`",
            at + 1
        ))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    doc.begin(text).map_err(unfit)?;
    Ok(text)
}

/// A payload that is too large or too deep.
fn unfit(error: DocError) -> FormatError {
    FormatError(error.to_string())
}

/// The beginning of a text, for messages.
fn start_of(text: &str) -> &str {
    let text = text.trim();
    text.char_indices()
        .nth(40)
        .map_or(text, |(at, _)| &text[..at])
}

/// A key like `c1`, written into `room`.
fn numbered(room: &mut String, letter: char, number: usize) -> &str {
    room.clear();
    // Writing to a string does not fail.
    let _ = write!(room, "{letter}{number}");
    room
}
