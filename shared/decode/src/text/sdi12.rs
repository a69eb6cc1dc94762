//! SDI-12 responses (SDI-12 1.4 §4.4): `0+3.14-22.5`, with or without the command `0D0!` before it and
//! the CRC behind it.

use super::{begin, number, numbered, start_of, unfit};
use crate::checksum::crc16;
use crate::format::{FormatError, Input, Read, Request};
use crate::{Doc, Scalar};

/// Reads one response: `{address, kind, values, v1, v2, …}`.
#[derive(Debug, Default)]
pub(crate) struct Sdi12 {
    key: String,
}

impl Sdi12 {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn values(&mut self, values: &str, doc: &mut Doc) -> Result<(), FormatError> {
        doc.open_array("values").map_err(unfit)?;
        for value in split(values) {
            doc.push("", scalar(value)?);
        }
        doc.close();
        for (index, value) in split(values).enumerate() {
            doc.push(numbered(&mut self.key, 'v', index + 1), scalar(value)?);
        }
        Ok(())
    }
}

impl Read for Sdi12 {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        _requests: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        let text = begin(&input, doc)?;
        // A break on the line is received as a NUL or some other byte that is not text.
        let line = text.trim_matches(|c: char| !c.is_ascii_graphic());
        let response = line.rsplit_once('!').map_or(line, |(_, response)| response);
        doc.open_object("").map_err(unfit)?;
        let address = response.get(..1).or(line.get(..1)).unwrap_or_default();
        let is_address = |c: char| c.is_ascii_alphanumeric() || c == '?';
        if !address.starts_with(is_address) {
            return Err(FormatError(format!(
                "an SDI-12 response begins with the sensor's address, not with `{}`",
                start_of(line)
            )));
        }
        doc.push("address", Scalar::Text(address));
        match Response::of(response)? {
            Response::Data(values) => {
                doc.push("kind", Scalar::Text("data"));
                self.values(values, doc)?;
            }
            Response::Identification(text) => {
                doc.push("kind", Scalar::Text("identification"));
                doc.push("text", Scalar::Text(text));
            }
            Response::Measurement => doc.push("kind", Scalar::Text("measurement")),
            Response::Acknowledge => doc.push("kind", Scalar::Text("acknowledge")),
            Response::Command => doc.push("kind", Scalar::Text("command")),
        }
        doc.close();
        Ok(text)
    }
}

enum Response<'t> {
    /// Nothing behind the command.
    Command,
    /// The address alone: the sensor is there, or its values are ready.
    Acknowledge,
    /// `atttn`: so many values will be ready in so many seconds.
    Measurement,
    /// Answer to `aI!`.
    Identification(&'t str),
    /// Values, each with its sign.
    Data(&'t str),
}

impl<'t> Response<'t> {
    fn of(response: &'t str) -> Result<Self, FormatError> {
        let Some(rest) = response.get(1..) else {
            return Ok(Self::Command);
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if rest.is_empty() {
            Ok(Self::Acknowledge)
        } else if digits == rest.len() && (4..=6).contains(&digits) {
            Ok(Self::Measurement)
        } else if rest.starts_with(['+', '-']) {
            without_crc(response).map(Self::Data)
        } else if digits >= 2 && rest.len() >= 2 + 8 + 6 {
            Ok(Self::Identification(rest))
        } else if rest.len() == CRC_LEN && is_crc(rest.as_bytes()) {
            // Values asked for with CRC, and none there.
            without_crc(response).map(Self::Data)
        } else {
            Err(FormatError(format!(
                "no SDI-12 response: behind the address there are values with a sign, `tttn` or an \
                 identification, not `{}`",
                start_of(rest)
            )))
        }
    }
}

/// Characters of a CRC.
const CRC_LEN: usize = 3;

/// The values of a data response, once its CRC, if it has one, is found to be right (§4.4.12).
fn without_crc(response: &str) -> Result<&str, FormatError> {
    let bytes = response.as_bytes();
    let at = bytes.len().saturating_sub(CRC_LEN);
    let (data, stated) = bytes.split_at(at);
    if !is_crc(stated) {
        return Ok(&response[1..]);
    }
    let crc = crc16(data);
    let computed = [12, 6, 0].map(|shift| 0x40 | (crc >> shift & 0x3f) as u8);
    if stated != computed {
        return Err(FormatError(format!(
            "the CRC of the SDI-12 response is `{}`, its characters give `{}`: garbled on the line",
            &response[at..],
            computed.map(char::from).iter().collect::<String>()
        )));
    }
    Ok(&response[1..at])
}

/// Six bits a character, none of which is a digit, a sign or a point.
fn is_crc(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| (0x40..0x80).contains(byte))
}

/// The values, cut before each sign.
fn split(values: &str) -> impl Iterator<Item = &str> {
    let mut rest = values;
    std::iter::from_fn(move || {
        let end = rest
            .char_indices()
            .skip(1)
            .find(|(_, c)| matches!(c, '+' | '-'));
        let (value, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = after;
        (!value.is_empty()).then_some(value)
    })
}

fn scalar(value: &str) -> Result<Scalar<'_>, FormatError> {
    match number::padded(value) {
        Scalar::Text(_) => Err(FormatError(format!(
            "`{}` is no value of an SDI-12 response: a sign, digits and a point make one",
            start_of(value)
        ))),
        value => Ok(value),
    }
}
