//! JSON objects by field mapping, in one pass and without building a tree.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use smallvec::smallvec;

use super::{Decode, DecodeError, Decoded, Scalar};
use crate::config::{FieldPath, JsonConfig, ValueMapping};

/// Where a mapped field goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Time,
    Device,
    Channel,
    Value(usize),
}

/// The mapping as a tree of keys.
#[derive(Debug, Default)]
struct Node {
    slots: Vec<Slot>,
    children: Vec<(String, Node)>,
}

impl Node {
    fn insert(&mut self, path: &FieldPath, slot: Slot) {
        let mut node = self;
        for key in &path.0 {
            let known = node.children.iter().position(|(k, _)| k == key);
            let at = known.unwrap_or_else(|| {
                node.children.push((key.clone(), Node::default()));
                node.children.len() - 1
            });
            node = &mut node.children[at].1;
        }
        node.slots.push(slot);
    }

    fn child(&self, key: &str) -> Option<&Self> {
        self.children
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, node)| node)
    }
}

/// Reads a JSON object.
#[derive(Debug)]
pub struct JsonDecoder {
    root: Node,
    values: usize,
}

impl JsonDecoder {
    /// Compiles a mapping.
    pub fn new(config: &JsonConfig) -> Self {
        let mut root = Node::default();
        let named = [
            (&config.time, Slot::Time),
            (&config.device, Slot::Device),
            (&config.channel, Slot::Channel),
        ];
        for (path, slot) in named {
            if let Some(path) = path {
                root.insert(path, slot);
            }
        }
        let paths: Vec<&FieldPath> = match &config.values {
            ValueMapping::One(path) => vec![path],
            ValueMapping::Many(values) => values.iter().map(|(_, path)| path).collect(),
        };
        for (i, path) in paths.iter().enumerate() {
            root.insert(path, Slot::Value(i));
        }
        Self {
            root,
            values: paths.len(),
        }
    }
}

impl Decode for JsonDecoder {
    fn decode<'p>(&self, payload: &'p [u8]) -> Result<Decoded<'p>, DecodeError> {
        let mut decoded = Decoded {
            values: smallvec![Scalar::Absent; self.values],
            ..Decoded::default()
        };
        let mut json = serde_json::Deserializer::from_slice(payload);
        Object {
            node: &self.root,
            decoded: &mut decoded,
        }
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|error| DecodeError(format!("invalid json: {error}")))?;
        Ok(decoded)
    }
}

/// Walks an object along the mapping.
struct Object<'n, 'd, 'p> {
    node: &'n Node,
    decoded: &'d mut Decoded<'p>,
}

impl<'p> DeserializeSeed<'p> for Object<'_, '_, 'p> {
    type Value = ();

    fn deserialize<D: Deserializer<'p>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'p> Visitor<'p> for Object<'_, '_, 'p> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'p>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(child) = map.next_key_seed(Key(self.node))? {
            if let Some(node) = child {
                let decoded = &mut *self.decoded;
                map.next_value_seed(Field { node, decoded })?;
            } else {
                map.next_value::<IgnoredAny>()?;
                self.decoded.unmapped += 1;
            }
        }
        Ok(())
    }
}

/// Looks a key up without copying it.
struct Key<'n>(&'n Node);

impl<'n, 'p> DeserializeSeed<'p> for Key<'n> {
    type Value = Option<&'n Node>;

    fn deserialize<D: Deserializer<'p>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'n> Visitor<'_> for Key<'n> {
    type Value = Option<&'n Node>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.child(key))
    }
}

/// A mapped field: a scalar to keep, or an object to go into.
struct Field<'n, 'd, 'p> {
    node: &'n Node,
    decoded: &'d mut Decoded<'p>,
}

impl<'p> Field<'_, '_, 'p> {
    fn keep(self, scalar: &Scalar<'p>) {
        for slot in &self.node.slots {
            let place = match slot {
                Slot::Time => &mut self.decoded.time,
                Slot::Device => &mut self.decoded.device,
                Slot::Channel => &mut self.decoded.channel,
                Slot::Value(i) => &mut self.decoded.values[*i],
            };
            place.clone_from(scalar);
        }
    }
}

impl<'p> DeserializeSeed<'p> for Field<'_, '_, 'p> {
    type Value = ();

    fn deserialize<D: Deserializer<'p>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'p> Visitor<'p> for Field<'_, '_, 'p> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.keep(&Scalar::Null);
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.keep(&Scalar::Other("a boolean"));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.keep(&Scalar::Int(value));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        let scalar = match i64::try_from(value) {
            Ok(value) => Scalar::Int(value),
            Err(_) => Scalar::Float(value as f64),
        };
        self.keep(&scalar);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.keep(&Scalar::Float(value));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'p str) -> Result<(), E> {
        self.keep(&Scalar::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.keep(&Scalar::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'p>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.keep(&Scalar::Other("an array"));
        Ok(())
    }

    fn visit_map<A: MapAccess<'p>>(self, map: A) -> Result<(), A::Error> {
        let Self { node, decoded } = self;
        Object { node, decoded }.visit_map(map)?;
        if !node.slots.is_empty() {
            Field { node, decoded }.keep(&Scalar::Other("an object"));
        }
        Ok(())
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<(), E> {
        Err(E::custom("bytes in JSON"))
    }
}
