//! CBOR (RFC 8949) item by item, without a copy of what lies in one piece.

use std::borrow::Cow;

use ciborium_ll::{Decoder, Error, Header, simple};

use super::number::Number;
use super::record::Values;
use crate::format::FormatError;

/// Tag of a decimal fraction (RFC 8949 §3.4.4).
const DECIMAL_FRACTION: u64 = 4;
/// How deep what is passed over may be nested.
const MAX_DEPTH: usize = 32;

/// Bytes of CBOR and how far they have been read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wire<'p> {
    bytes: &'p [u8],
    pub at: usize,
}

impl<'p> Wire<'p> {
    pub(super) fn new(bytes: &'p [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn wrong(&self, what: &str) -> FormatError {
        FormatError(format!("not SenML in CBOR: byte {}: {what}", self.at))
    }

    /// The next header as it is.
    fn raw(&mut self) -> Result<Header, FormatError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut decoder = Decoder::from(rest);
        let header = decoder.pull().map_err(|error| match error {
            Error::Io(_) => self.wrong("the payload ends within the pack"),
            Error::Syntax(_) => self.wrong("no CBOR begins like this"),
        })?;
        self.at += decoder.offset();
        Ok(header)
    }

    /// The next header, with the last of the tags before it; tags say how to read a thing and are
    /// not needed here, but for one.
    fn tagged(&mut self) -> Result<(Header, Option<u64>), FormatError> {
        let mut last = None;
        loop {
            match self.raw()? {
                Header::Tag(tag) => last = Some(tag),
                header => return Ok((header, last)),
            }
        }
    }

    /// The next header.
    pub(super) fn header(&mut self) -> Result<Header, FormatError> {
        self.tagged().map(|(header, _)| header)
    }

    /// Calls `one` for each element of an array, or entry of a map, whose header has just been read.
    pub(super) fn each(
        &mut self,
        len: Option<usize>,
        mut one: impl FnMut(&mut Self) -> Result<(), FormatError>,
    ) -> Result<(), FormatError> {
        if let Some(len) = len {
            return (0..len).try_for_each(|_| one(self));
        }
        while !self.take_break()? {
            one(self)?;
        }
        Ok(())
    }

    fn take_break(&mut self) -> Result<bool, FormatError> {
        let mut ahead = *self;
        let is_break = ahead.raw()? == Header::Break;
        if is_break {
            *self = ahead;
        }
        Ok(is_break)
    }

    fn take_bytes(&mut self, len: usize) -> Result<&'p [u8], FormatError> {
        let end = self.at.checked_add(len);
        let bytes = end.and_then(|end| self.bytes.get(self.at..end));
        let bytes = bytes.ok_or_else(|| self.wrong("the payload ends within the pack"))?;
        self.at += len;
        Ok(bytes)
    }

    /// Text whose header has just been read.
    pub(super) fn text_of(&mut self, len: Option<usize>) -> Result<Cow<'p, str>, FormatError> {
        if let Some(len) = len {
            let bytes = self.take_bytes(len)?;
            return std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|_| self.wrong("this text is not UTF-8"));
        }
        let mut text = String::new();
        self.each(None, |wire| match wire.raw()? {
            Header::Text(Some(len)) => {
                text.push_str(&wire.text_of(Some(len))?);
                Ok(())
            }
            _ => Err(wire.wrong("a piece of a text has to be text")),
        })?;
        Ok(text.into())
    }

    fn data_of(&mut self, len: Option<usize>) -> Result<Cow<'p, [u8]>, FormatError> {
        if let Some(len) = len {
            return self.take_bytes(len).map(Cow::Borrowed);
        }
        let mut data = Vec::new();
        self.each(None, |wire| match wire.raw()? {
            Header::Bytes(Some(len)) => {
                data.extend_from_slice(wire.take_bytes(len)?);
                Ok(())
            }
            _ => Err(wire.wrong("a piece of a byte string has to be bytes")),
        })?;
        Ok(data.into())
    }

    /// `[exponent, mantissa]` to the base of 10, whose header has just been read.
    fn decimal_fraction(&mut self, len: Option<usize>) -> Result<Number, FormatError> {
        let mut parts = [0; 2];
        let mut read = 0;
        self.each(len, |wire| {
            let part = wire.header().ok().and_then(whole);
            let (Some(part), Some(slot)) = (part, parts.get_mut(read)) else {
                return Err(wire.wrong("a decimal fraction has two parts, both whole numbers"));
            };
            *slot = part;
            read += 1;
            Ok(())
        })?;
        if read < 2 {
            return Err(self.wrong("a decimal fraction has two parts"));
        }
        Ok(decimal(parts))
    }

    fn pass_over(&mut self, depth: usize) -> Result<(), FormatError> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("nested too deep"));
        }
        match self.header()? {
            Header::Text(len) => self.text_of(len).map(drop),
            Header::Bytes(len) => self.data_of(len).map(drop),
            Header::Array(len) => self.each(len, |wire| wire.pass_over(depth + 1)),
            Header::Map(len) => self.each(len, |wire| {
                wire.pass_over(depth + 1)?;
                wire.pass_over(depth + 1)
            }),
            Header::Break => Err(self.wrong("an end of nothing")),
            _ => Ok(()),
        }
    }
}

impl<'p> Values<'p> for Wire<'p> {
    type Error = FormatError;

    fn number(&mut self) -> Result<Option<Number>, FormatError> {
        let (header, tag) = self.tagged()?;
        if is_null(header) {
            return Ok(None);
        }
        if let Some(whole) = whole(header) {
            return Ok(Some(Number::Int(whole)));
        }
        match header {
            Header::Float(value) => Ok(Some(Number::Float(value))),
            Header::Array(len) if tag == Some(DECIMAL_FRACTION) => {
                self.decimal_fraction(len).map(Some)
            }
            _ => Err(self.wrong("this should be a number")),
        }
    }

    fn text(&mut self) -> Result<Option<Cow<'p, str>>, FormatError> {
        match self.header()? {
            header if is_null(header) => Ok(None),
            Header::Text(len) => self.text_of(len).map(Some),
            _ => Err(self.wrong("this should be text")),
        }
    }

    fn truth(&mut self) -> Result<Option<bool>, FormatError> {
        match self.header()? {
            header if is_null(header) => Ok(None),
            Header::Simple(simple::FALSE) => Ok(Some(false)),
            Header::Simple(simple::TRUE) => Ok(Some(true)),
            _ => Err(self.wrong("this should be true or false")),
        }
    }

    fn data(&mut self) -> Result<Option<Cow<'p, str>>, FormatError> {
        match self.header()? {
            header if is_null(header) => Ok(None),
            Header::Bytes(len) => Ok(Some(base64url(&self.data_of(len)?).into())),
            _ => Err(self.wrong("this should be a byte string")),
        }
    }

    fn skip(&mut self) -> Result<(), FormatError> {
        self.pass_over(0)
    }
}

fn is_null(header: Header) -> bool {
    matches!(header, Header::Simple(simple::NULL | simple::UNDEFINED))
}

pub(super) fn whole(header: Header) -> Option<i128> {
    match header {
        Header::Positive(value) => Some(i128::from(value)),
        Header::Negative(value) => Some(!i128::from(value)),
        _ => None,
    }
}

fn decimal([exponent, mantissa]: [i128; 2]) -> Number {
    let power = u32::try_from(exponent).ok();
    let power = power.and_then(|power| 10_i128.checked_pow(power));
    if let Some(whole) = power.and_then(|power| mantissa.checked_mul(power)) {
        return Number::Int(whole);
    }
    // Reading it as text rounds once, as arithmetic would not.
    let value = format!("{mantissa}e{exponent}").parse();
    Number::Float(value.unwrap_or(f64::NAN))
}

/// Without padding, as `vd` has it in JSON (RFC 8428 §5).
fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digits = (0..=group.len()).map(|i| DIGITS[(bits >> (18 - 6 * i)) as usize & 63]);
        text.extend(digits.map(char::from));
    }
    text
}
