//! JSON read by a general parser: what the own one has to agree with.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{Doc, DocError, Scalar};

/// Reads a text into `doc`.
///
/// # Errors
/// In words, if it is no JSON or a number in it is beyond a double.
pub(super) fn read(
    text: &str,
    embedded: &[(Box<str>, Box<str>)],
    doc: &mut Doc,
) -> Result<(), String> {
    doc.begin(text).map_err(|error| error.to_string())?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let key = "";
    Node { doc, key, embedded }
        .deserialize(&mut reader)
        .and_then(|()| reader.end())
        .map_err(|error| error.to_string())
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
