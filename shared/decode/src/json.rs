//! JSON, straight into a [`Doc`].

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use indexmap::IndexMap;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::format::{FormatError, Input, Read, Request};
use crate::{Doc, DocError, Scalar};

/// Keys of texts that are JSON of their own, and what they are read under.
type Embedded = Box<[(Box<str>, Box<str>)]>;

/// Reader of JSON (RFC 8259).
#[derive(Debug, Default)]
pub(crate) struct Json {
    embedded: Embedded,
}

impl Json {
    pub(crate) fn new(embedded: &IndexMap<String, String>) -> Self {
        Self {
            embedded: embedded
                .iter()
                .map(|(key, under)| (key.as_str().into(), under.as_str().into()))
                .collect(),
        }
    }
}

impl Read for Json {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        _requests: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        let text = input.text.ok_or_else(|| not_text(input.bytes))?;
        // A byte order mark and the end of a C string are no part of the text.
        let text = text.trim_start_matches('\u{feff}').trim_end_matches('\0');
        doc.begin(text)
            .map_err(|error| FormatError(error.to_string()))?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let embedded = &self.embedded;
        let key = "";
        Node { doc, key, embedded }
            .deserialize(&mut reader)
            .and_then(|()| reader.end())
            .map_err(|error| FormatError(describe(&error, text)))?;
        Ok(text)
    }
}

/// Says where bytes stop being UTF-8.
pub(crate) fn not_text(bytes: &[u8]) -> FormatError {
    let at = match std::str::from_utf8(bytes) {
        Ok(_) => 0,
        Err(error) => error.valid_up_to(),
    };
    let byte = bytes.get(at).copied().unwrap_or_default();
    FormatError(format!(
        "not UTF-8: byte 0x{byte:02x} at position {}; if the device writes Latin-1, set charset = \"latin1\"",
        at + 1
    ))
}

/// `invalid json: …`, with the place. A bare word that only lenient writers take for a number (C's
/// `printf` writes `nan` and `inf`) is called by its name.
fn describe(error: &serde_json::Error, text: &str) -> String {
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

/// What comes next in the text, and the key it goes under.
struct Node<'d> {
    doc: &'d mut Doc,
    key: &'d str,
    embedded: &'d [(Box<str>, Box<str>)],
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'d> Node<'d> {
    fn push(self, value: Scalar<'_>) {
        self.doc.push(self.key, value);
    }

    /// What a text is read under if it is JSON of its own. What is not stays a text.
    fn embeds(&self, text: &str) -> Option<&'d str> {
        let mut embedded = self.embedded.iter();
        let (_, under) = embedded.find(|(key, _)| **key == *self.key)?;
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        Some(under)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.push(Scalar::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.push(Scalar::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.push(Scalar::Int(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.push(Scalar::Uint(value));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.push(Scalar::Float(value));
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        if let Some(key) = self.embeds(value) {
            let node = Node {
                key,
                // What is embedded in what is embedded is text: nesting has an end.
                embedded: &[],
                doc: self.doc,
            };
            let mut reader = serde_json::Deserializer::from_str(value);
            return node.deserialize(&mut reader).map_err(E::custom);
        }
        self.push(Scalar::Text(value));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { doc, key, embedded } = self;
        doc.open_array(key).map_err(too_deep::<A::Error>)?;
        while items
            .next_element_seed(Node {
                doc: &mut *doc,
                key: "",
                embedded,
            })?
            .is_some()
        {}
        doc.close();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { doc, key, embedded } = self;
        doc.open_object(key).map_err(too_deep::<A::Error>)?;
        while let Some(key) = entries.next_key_seed(Key)? {
            entries.next_value_seed(Node {
                doc: &mut *doc,
                key: &key,
                embedded,
            })?;
        }
        doc.close();
        Ok(())
    }
}

fn too_deep<E: Error>(error: DocError) -> E {
    E::custom(error)
}

/// A key, borrowed from the text unless it holds escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
