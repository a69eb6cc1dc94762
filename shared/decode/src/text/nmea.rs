//! NMEA 0183 sentences: `$GPRMC,…*hh`.
//!
//! Every sentence has its fields as they stand there, `f1`, `f2`, …, and those that are understood have
//! names beside them: positions in degrees, what belongs together in one.

mod fields;
mod sentence;

use super::{begin, number, numbered, start_of, unfit};
use crate::checksum;
use crate::format::{FormatError, Input, Read, Request};
use crate::{Doc, Scalar};

use fields::Fields;

/// Reads sentences: an array of `{talker, type, valid, …, f1, f2, …}`.
#[derive(Debug, Default)]
pub(crate) struct Nmea {
    key: String,
}

impl Nmea {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn sentence(&mut self, sentence: &Sentence<'_>, doc: &mut Doc) -> Result<(), FormatError> {
        doc.open_object("").map_err(unfit)?;
        doc.push("talker", Scalar::Text(sentence.talker));
        doc.push("type", Scalar::Text(sentence.kind));
        // What makers call their own sentences says nothing about the fields.
        let known = if sentence.talker == "P" {
            ""
        } else {
            sentence.kind
        };
        sentence::push(known, &sentence.fields, doc)?;
        for (index, field) in sentence.fields.iter().enumerate() {
            let key = numbered(&mut self.key, 'f', index + 1);
            doc.push(key, number::field(field));
        }
        doc.close();
        Ok(())
    }
}

impl Read for Nmea {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        _requests: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        let text = begin(&input, doc)?;
        doc.open_array("").map_err(unfit)?;
        let mut good = 0;
        let mut fault = None;
        for line in text.lines() {
            // A tag block may stand before the sentence, and anything at all before a line's first.
            let Some(at) = line.find(['$', '!']) else {
                continue;
            };
            match Sentence::parse(&line[at..]) {
                Ok(sentence) => {
                    good += 1;
                    self.sentence(&sentence, doc)?;
                }
                Err(error) => {
                    doc.open_object("").map_err(unfit)?;
                    doc.push("invalid", Scalar::Text(&error.0));
                    doc.close();
                    fault = Some(error);
                }
            }
        }
        doc.close();
        if good > 0 {
            return Ok(text);
        }
        Err(fault.unwrap_or_else(|| {
            let start = start_of(text);
            FormatError(format!(
                "no NMEA sentence, which begins with `$` or `!`, in `{start}`"
            ))
        }))
    }
}

/// A sentence in its parts.
struct Sentence<'t> {
    /// Who talks: two letters, or `P` for a maker's own sentence.
    talker: &'t str,
    /// What it says: three letters, or all of a maker's.
    kind: &'t str,
    fields: Fields<'t>,
}

impl<'t> Sentence<'t> {
    /// `line` begins with `$` or `!`.
    fn parse(line: &'t str) -> Result<Self, FormatError> {
        let body = line[1..].trim_end();
        let body = match body.split_once('*') {
            Some((body, stated)) => {
                let computed = u16::from(checksum::xor(body.as_bytes()));
                if checksum::hex(stated.as_bytes(), 2) != Some(computed) {
                    return Err(FormatError(format!(
                        "the checksum of the sentence `{}` is `{}`, its characters give `{computed:02X}`: \
                         garbled on the line",
                        start_of(line),
                        start_of(stated)
                    )));
                }
                body
            }
            None => body,
        };
        let (address, fields) = body.split_once(',').unwrap_or((body, ""));
        let talker = if address.starts_with('P') { 1 } else { 2 };
        match address.split_at_checked(talker) {
            Some((talker, kind)) if !kind.is_empty() && is_word(address) => Ok(Self {
                talker,
                kind,
                fields: Fields::new(fields),
            }),
            _ => Err(FormatError(format!(
                "`{}` is no NMEA sentence: behind the `{}` stand the letters of talker and type",
                start_of(line),
                &line[..1]
            ))),
        }
    }
}

fn is_word(address: &str) -> bool {
    address.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
