//! Pairs: `t=21.5,h=40`, `T:21.5 H:40`, `temp = 21.5 C; rh = 40`.

mod pairs;

use super::{begin, number, start_of, unfit};
use crate::config::Separated;
use crate::format::{FormatError, Input, Read, Request};
use crate::{Doc, Scalar};

/// Reads pairs of all lines: one object.
#[derive(Debug)]
pub(crate) struct KeyValue {
    separator: Option<String>,
    assign: Option<String>,
    comment: Option<String>,
    decimal_comma: bool,
}

impl KeyValue {
    pub(crate) fn new(spec: &Separated) -> Self {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Self {
            separator: filled(&spec.separator),
            assign: filled(&spec.assign),
            comment: filled(&spec.comment),
            decimal_comma: spec.decimal_comma,
        }
    }

    fn push(&self, (key, value): (&str, &str), doc: &mut Doc) {
        let quoted = unquote(value);
        let value = match quoted {
            Some("") => Scalar::Null,
            Some(text) => Scalar::Text(text),
            None if self.decimal_comma => number::with_comma(value),
            None => number::field(value),
        };
        doc.push(unquote(key).unwrap_or(key), value);
    }

    /// Adds the pairs of a line; gives back how many they are.
    fn line(&self, line: &str, doc: &mut Doc) -> usize {
        let guess = if pairs::contains(line, "=") { "=" } else { ":" };
        let assign = self.assign.as_deref().unwrap_or(guess);
        let mut count = 0;
        let mut sink = |pair| {
            count += 1;
            self.push(pair, doc);
        };
        match &self.separator {
            Some(separator) => pairs::separated(line, separator, assign, &mut sink),
            None => pairs::guessed(line, assign, &mut sink),
        }
        count
    }
}

impl Read for KeyValue {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        _requests: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        let text = begin(&input, doc)?;
        doc.open_object("").map_err(unfit)?;
        let is_comment = |line: &str| {
            let comment = self.comment.as_deref();
            comment.is_some_and(|comment| line.trim_start().starts_with(comment))
        };
        let lines = text.split(['\r', '\n']).filter(|line| !is_comment(line));
        let count: usize = lines.map(|line| self.line(line, doc)).sum();
        doc.close();
        if count == 0 {
            let start = start_of(text);
            return Err(FormatError(format!(
                "no pair like `key=value` or `key:value` in `{start}`"
            )));
        }
        Ok(text)
    }
}

/// What stands in quotes.
fn unquote(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}
