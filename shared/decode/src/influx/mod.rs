//! `InfluxDB` line protocol: measurements, one a line.
//!
//! The root is an array of `{measurement, tags: {…}, fields: {…}, time}`; `time` is as it was sent, and
//! absent if it was not. A line that cannot be read is an element `{invalid}` that says where and why,
//! so that the others still count.

mod line;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use line::{Fault, Line, Lines};

use crate::format::{FormatError, Input, Read, Request};
use crate::{Doc, Scalar};

/// Reads `InfluxDB` line protocol.
#[derive(Debug, Default)]
pub(crate) struct Influx;

impl Influx {
    pub(crate) fn new() -> Self {
        Self
    }
}

impl Read for Influx {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        _: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        let Some(text) = input.text else {
            let words = "InfluxDB line protocol is text, and these bytes are not";
            return Err(FormatError(words.into()));
        };
        doc.begin(text)?;
        doc.open_array("")?;
        let mut place = Place::default();
        let mut first_fault = None;
        let mut any_good = false;
        let mut line = Line::default();
        let mut lines = Lines::new(text);
        while let Some(read) = lines.read_next(&mut line) {
            match read {
                Ok(()) => {
                    push(doc, &line)?;
                    any_good = true;
                }
                Err(fault) => {
                    let words = place.describe(text, &fault);
                    push_invalid(doc, &words)?;
                    first_fault.get_or_insert(words);
                }
            }
        }
        doc.close();
        match first_fault {
            Some(words) if !any_good => Err(FormatError(words)),
            _ => Ok(text),
        }
    }
}

fn push(doc: &mut Doc, line: &Line<'_>) -> Result<(), FormatError> {
    doc.open_object("")?;
    let measurement = name(line.measurement);
    doc.push("measurement", Scalar::Text(&measurement));
    doc.open_object("tags")?;
    for (key, value) in &line.tags {
        doc.push(&name(key), Scalar::Text(&name(value)));
    }
    doc.close();
    doc.open_object("fields")?;
    for (key, value) in &line.fields {
        match *value {
            Scalar::Text(text) => {
                let text = unescape(text, &['"', '\\']);
                doc.push(&name(key), Scalar::Text(&text));
            }
            other => doc.push(&name(key), other),
        }
    }
    doc.close();
    if let Some(time) = line.time {
        doc.push("time", Scalar::Int(time));
    }
    doc.close();
    Ok(())
}

fn push_invalid(doc: &mut Doc, words: &str) -> Result<(), FormatError> {
    doc.open_object("")?;
    doc.push("invalid", Scalar::Text(words));
    doc.close();
    Ok(())
}

/// A measurement, key or tag as it is meant.
fn name(raw: &str) -> Cow<'_, str> {
    unescape(raw, &[',', '=', ' '])
}

/// A backslash before anything else stands for itself.
fn unescape<'a>(raw: &'a str, special: &[char]) -> Cow<'a, str> {
    if !raw.contains('\\') {
        return raw.into();
    }
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = chars.next_if(|next| c == '\\' && special.contains(next));
        text.push(escaped.unwrap_or(c));
    }
    text.into()
}

/// How many lines have been counted so far: counting on from there keeps many faults cheap.
#[derive(Debug, Default)]
struct Place {
    counted_to: usize,
    lines: usize,
}

impl Place {
    fn describe(&mut self, text: &str, fault: &Fault) -> String {
        let uncounted = text.get(self.counted_to..fault.at).unwrap_or_default();
        self.lines += uncounted.matches('\n').count();
        self.counted_to = fault.at;
        let before = text.get(..fault.at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before[line_start..].chars().count() + 1;
        let line = self.lines + 1;
        let what = fault.what;
        format!("line {line}, column {column}: {what}")
    }
}
