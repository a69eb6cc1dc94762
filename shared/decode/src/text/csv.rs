//! Separated columns.

mod header;
mod row;

use super::{begin, number, numbered, unfit};
use crate::config::Separated;
use crate::format::{FormatError, Input, Read, Request};
use crate::{Doc, Scalar};

use row::{Row, Separator};

/// Reads rows: an array of objects, by the names of the columns.
///
/// Names come from the configuration, or from a header, which is remembered until another one comes;
/// without either they are `c1`, `c2`, …
#[derive(Debug)]
pub(crate) struct Csv {
    separator: Option<Separator>,
    comment: String,
    decimal_comma: bool,
    /// The names are the configuration's, and headers are passed over.
    fixed: bool,
    columns: Vec<String>,
    /// What the header was separated by.
    by: Option<Separator>,
    row: Row,
    key: String,
}

impl Csv {
    pub(crate) fn new(spec: &Separated) -> Self {
        Self {
            separator: spec.separator.as_deref().and_then(Separator::new),
            comment: spec.comment.clone().unwrap_or_else(|| String::from("#")),
            decimal_comma: spec.decimal_comma,
            fixed: !spec.columns.is_empty(),
            columns: spec.columns.clone(),
            by: None,
            row: Row::default(),
            key: String::new(),
        }
    }

    /// What separates the columns of a line: what is configured, what separated the header, or else what
    /// the line looks like.
    fn separator(&self, line: &str) -> Separator {
        let known = self.separator.as_ref().or(self.by.as_ref());
        known.map_or_else(|| Separator::guess(line, self.decimal_comma), Clone::clone)
    }

    /// Whether the row that was read is a header; if so, its names count from now on.
    fn is_header(&mut self, text: &str, separator: &Separator) -> bool {
        let known = if self.fixed { &[] } else { &self.columns[..] };
        let is_header = header::is_header(&self.row, text, self.decimal_comma, known);
        if is_header && !self.fixed {
            self.columns.clear();
            for index in 0..self.row.len() {
                let name = self.row.text(index, text);
                let is_usable = !name.is_empty() && !self.columns.iter().any(|other| other == name);
                let name = if is_usable {
                    name
                } else {
                    numbered(&mut self.key, 'c', index + 1)
                };
                self.columns.push(name.to_owned());
            }
            self.by = Some(separator.clone());
        }
        is_header
    }

    fn push(&mut self, text: &str, doc: &mut Doc) -> Result<(), FormatError> {
        doc.open_object("").map_err(unfit)?;
        for index in 0..self.row.len() {
            let field = self.row.text(index, text);
            let value = match field {
                "" => Scalar::Null,
                field if self.decimal_comma => number::with_comma(field),
                field => number::field(field),
            };
            match self.columns.get(index) {
                Some(name) => doc.push(name, value),
                None => doc.push(numbered(&mut self.key, 'c', index + 1), value),
            }
        }
        let (found, expected) = (self.row.len(), self.columns.len());
        if expected > 0 && found != expected {
            // Text, so that nobody takes it for a reading.
            let extra = format!("{found} columns instead of {expected}");
            doc.push("_extra", Scalar::Text(&extra));
        }
        doc.close();
        Ok(())
    }
}

impl Read for Csv {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        _requests: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        let text = begin(&input, doc)?;
        doc.open_array("").map_err(unfit)?;
        let mut at = 0;
        while at < text.len() {
            let line = row::line(&text[at..]);
            let is_comment =
                !self.comment.is_empty() && line.trim_start().starts_with(&self.comment);
            if line.trim().is_empty() || is_comment {
                at += line.len() + 1;
                continue;
            }
            let mut separator = self.separator(line);
            let mut next = self.row.read(text, at, &separator);
            // A board with other firmware may begin again with another separator.
            if self.separator.is_none() && self.row.len() == 1 {
                separator = Separator::guess(line, self.decimal_comma);
                next = self.row.read(text, at, &separator);
            }
            at = next;
            if !self.is_header(text, &separator) {
                self.row.drop_last_if_empty(text, self.columns.len());
                self.push(text, doc)?;
            }
        }
        doc.close();
        Ok(text)
    }
}
