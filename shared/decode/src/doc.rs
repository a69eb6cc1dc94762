//! A payload as a flat tree, whatever its format.
//!
//! Nodes lie in the order of the text, each with the index of what follows its subtree, so that
//! walking past something costs nothing. Text is kept as a position: in the payload where it stands
//! there as it is, in `scratch` otherwise. A [`Doc`] owns no payload and is used again and again, so
//! reading a message allocates nothing once its room has been made.

use std::fmt;
use std::ops::Range;

use crate::format::FormatError;

/// The most bytes a payload may have.
const MAX_PAYLOAD: usize = 1 << 30;
/// Set in [`Text::start`] for text in `scratch`.
const IN_SCRATCH: u32 = 1 << 31;
/// How deep a tree may be.
const MAX_DEPTH: usize = 128;

/// A tree that a payload was read into.
#[derive(Debug, Default, Clone)]
pub struct Doc {
    nodes: Vec<Node>,
    scratch: String,
    /// Where the payload stands in memory, to recognise text that lies in it.
    payload: Range<usize>,
    /// Containers that are open while it is being built.
    open: Vec<u32>,
    /// If only some places of the payload were read: the node of each, or [`NOWHERE`].
    slots: Vec<u32>,
    /// Numbers of arrays that have no nodes of their own.
    numbers: Vec<f64>,
}

/// In place of a node: what stands there is not in the payload.
const NOWHERE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Node {
    key: Text,
    kind: Kind,
    /// Index of the node after this one's subtree.
    next: u32,
}

/// A position, see [`IN_SCRATCH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text {
    start: u32,
    len: u32,
}

impl Text {
    /// No text, and the key of an element of an array and of the root.
    pub(crate) const NONE: Self = Self { start: 0, len: 0 };
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(Text),
    /// Number of elements.
    Array(u32),
    /// Number of entries.
    Object(u32),
    /// An array whose elements stand in `numbers` from `start` on.
    Numbers {
        start: u32,
        len: u32,
    },
}

/// A value without parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    /// There, and says that it has no value.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond `i64::MAX`; smaller ones are [`Scalar::Int`].
    Uint(u64),
    /// Any other number; may be NaN where a format has it.
    Float(f64),
    /// Text.
    Text(&'a str),
}

/// Why a payload does not fit into a [`Doc`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocError {
    /// Larger than 1 GiB.
    #[error("the payload has {0} bytes; there may be {MAX_PAYLOAD}")]
    TooLarge(usize),
    /// Deeper than 128.
    #[error("nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

impl From<DocError> for FormatError {
    fn from(error: DocError) -> Self {
        Self(error.to_string())
    }
}

impl Doc {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Empties it for the next payload. `payload` is what [`Doc::root`] will be given again: text
    /// pushed from within it is remembered by its position. Formats that are not text pass `""`.
    ///
    /// # Errors
    /// If the payload is too large.
    pub fn begin(&mut self, payload: &str) -> Result<(), DocError> {
        self.nodes.clear();
        self.scratch.clear();
        self.open.clear();
        self.slots.clear();
        self.numbers.clear();
        if payload.len() > MAX_PAYLOAD {
            return Err(DocError::TooLarge(payload.len()));
        }
        let start = payload.as_ptr() as usize;
        self.payload = start..start + payload.len();
        Ok(())
    }

    /// Adds a value to the container that is open; `key` is `""` within an array.
    #[inline]
    pub fn push(&mut self, key: &str, value: Scalar<'_>) {
        let key = self.text(key);
        self.add_scalar(key, value);
    }

    /// The same for a key that has been put into it.
    #[inline]
    pub(crate) fn add_scalar(&mut self, key: Text, value: Scalar<'_>) {
        let kind = match value {
            Scalar::Null => Kind::Null,
            Scalar::Bool(value) => Kind::Bool(value),
            Scalar::Int(value) => Kind::Int(value),
            Scalar::Uint(value) => i64::try_from(value).map_or(Kind::Uint(value), Kind::Int),
            Scalar::Float(value) => Kind::Float(value),
            Scalar::Text(text) => Kind::Text(self.text(text)),
        };
        self.add(key, kind);
    }

    /// The same for a text that has been put into it.
    #[inline]
    pub(crate) fn add_text(&mut self, key: Text, text: Text) {
        self.add(key, Kind::Text(text));
    }

    /// Opens an array as the next element or entry.
    ///
    /// # Errors
    /// If it is nested too deep.
    pub fn open_array(&mut self, key: &str) -> Result<(), DocError> {
        let key = self.text(key);
        self.open_array_at(key)
    }

    /// The same for a key that has been put into it.
    pub(crate) fn open_array_at(&mut self, key: Text) -> Result<(), DocError> {
        self.open(key, Kind::Array(0))
    }

    /// Opens an object as the next element or entry.
    ///
    /// # Errors
    /// If it is nested too deep.
    pub fn open_object(&mut self, key: &str) -> Result<(), DocError> {
        let key = self.text(key);
        self.open_object_at(key)
    }

    /// The same for a key that has been put into it.
    pub(crate) fn open_object_at(&mut self, key: Text) -> Result<(), DocError> {
        self.open(key, Kind::Object(0))
    }

    /// Closes the container opened last.
    pub fn close(&mut self) {
        let end = self.nodes.len() as u32;
        if let Some(at) = self.open.pop() {
            self.nodes[at as usize].next = end;
        }
    }

    /// The whole, once everything is closed; `None` if nothing was pushed. `payload` is what
    /// [`Doc::begin`] was given.
    #[must_use]
    pub fn root<'a>(&'a self, payload: &'a str) -> Option<Item<'a>> {
        let doc = self;
        (!self.nodes.is_empty()).then_some(Item {
            doc,
            payload,
            at: 0,
        })
    }

    /// Makes it one that holds only some places of the payload, which have so many slots: an empty object,
    /// and behind it whatever is found, each thing claimed by its slot before it is added.
    pub(crate) fn begin_slots(&mut self, slots: usize) {
        self.slots.resize(slots, NOWHERE);
        self.add(Text::NONE, Kind::Object(0));
    }

    /// What is added next is what stands in the slot; `false` if it is taken.
    #[inline]
    pub(crate) fn claim(&mut self, slot: usize) -> bool {
        let next = self.nodes.len() as u32;
        std::mem::replace(&mut self.slots[slot], next) == NOWHERE
    }

    /// Begins an array of numbers alone.
    pub(crate) fn pack(&mut self) -> Pack<'_> {
        let start = self.numbers.len();
        Pack { doc: self, start }
    }

    fn open(&mut self, key: Text, kind: Kind) -> Result<(), DocError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(DocError::TooDeep);
        }
        let at = self.nodes.len() as u32;
        self.add(key, kind);
        self.open.push(at);
        Ok(())
    }

    #[inline]
    fn add(&mut self, key: Text, kind: Kind) {
        if let Some(&parent) = self.open.last()
            && let Kind::Array(n) | Kind::Object(n) = &mut self.nodes[parent as usize].kind
        {
            *n += 1;
        }
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node { key, kind, next });
    }

    /// Puts a text into it, which is nowhere in the tree yet.
    #[inline]
    pub(crate) fn text(&mut self, text: &str) -> Text {
        let len = text.len() as u32;
        if len == 0 {
            return Text::NONE;
        }
        let start = text.as_ptr() as usize;
        if self.payload.start <= start && start + text.len() <= self.payload.end {
            let start = (start - self.payload.start) as u32;
            return Text { start, len };
        }
        let start = self.scratch.len() as u32 | IN_SCRATCH;
        self.scratch.push_str(text);
        Text { start, len }
    }

    /// The same for what `write` adds to the text it is given.
    pub(crate) fn text_with(&mut self, write: impl FnOnce(&mut String)) -> Text {
        let start = self.scratch.len();
        write(&mut self.scratch);
        let len = (self.scratch.len() - start) as u32;
        let start = start as u32 | IN_SCRATCH;
        Text { start, len }
    }
}

/// An array of numbers while it is put together.
pub(crate) struct Pack<'d> {
    doc: &'d mut Doc,
    start: usize,
}

impl Pack<'_> {
    #[inline]
    pub(crate) fn push(&mut self, number: f64) {
        self.doc.numbers.push(number);
    }

    /// It is none.
    pub(crate) fn give_up(self) {
        self.doc.numbers.truncate(self.start);
    }

    /// Adds it.
    pub(crate) fn done(self) {
        let len = (self.doc.numbers.len() - self.start) as u32;
        let start = self.start as u32;
        self.doc.add(Text::NONE, Kind::Numbers { start, len });
    }
}

/// One node of a [`Doc`].
#[derive(Clone, Copy)]
pub struct Item<'a> {
    doc: &'a Doc,
    payload: &'a str,
    at: u32,
}

impl<'a> Item<'a> {
    /// Its key in the object around it; `""` in an array and at the root.
    #[must_use]
    #[inline]
    pub fn key(&self) -> &'a str {
        self.text(self.node().key)
    }

    /// Its value, unless it is a container.
    #[must_use]
    #[inline]
    pub fn scalar(&self) -> Option<Scalar<'a>> {
        Some(match self.node().kind {
            Kind::Null => Scalar::Null,
            Kind::Bool(value) => Scalar::Bool(value),
            Kind::Int(value) => Scalar::Int(value),
            Kind::Uint(value) => Scalar::Uint(value),
            Kind::Float(value) => Scalar::Float(value),
            Kind::Text(text) => Scalar::Text(self.text(text)),
            Kind::Array(_) | Kind::Object(_) | Kind::Numbers { .. } => return None,
        })
    }

    /// Whether it is an array.
    #[must_use]
    #[inline]
    pub fn is_array(&self) -> bool {
        matches!(self.node().kind, Kind::Array(_) | Kind::Numbers { .. })
    }

    /// Whether it is an object.
    #[must_use]
    #[inline]
    pub fn is_object(&self) -> bool {
        matches!(self.node().kind, Kind::Object(_))
    }

    /// How many elements or entries it has; 0 if it is no container.
    #[must_use]
    pub fn len(&self) -> usize {
        match self.node().kind {
            Kind::Array(n) | Kind::Object(n) | Kind::Numbers { len: n, .. } => n as usize,
            _ => 0,
        }
    }

    /// Whether it has no elements or entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its elements or entries, in order; none if it is no container.
    #[must_use]
    #[inline]
    pub fn items(&self) -> Items<'a> {
        let node = self.node();
        let first = self.at + 1;
        let end = match node.kind {
            Kind::Array(_) | Kind::Object(_) => node.next,
            _ => first,
        };
        Items {
            doc: self.doc,
            payload: self.payload,
            at: first,
            end,
        }
    }

    /// The entry of that key, the last if there are several; `None` if it is no object.
    #[must_use]
    #[inline]
    pub fn get(&self, key: &str) -> Option<Self> {
        if !self.is_object() {
            return None;
        }
        // Lengths are compared first: they tell most keys apart and lie in the node itself.
        let same = |item: &Self| item.node().key.len as usize == key.len() && item.key() == key;
        self.items().filter(same).last()
    }

    /// The element at `index`, counted from the end if it is negative; `None` if it is no array.
    #[must_use]
    pub fn index(&self, index: i64) -> Option<Self> {
        let Kind::Array(len) = self.node().kind else {
            return None;
        };
        let index = if index < 0 {
            index + i64::from(len)
        } else {
            index
        };
        self.items().nth(usize::try_from(index).ok()?)
    }

    /// Its elements, if it is an array of numbers that have no nodes of their own; [`Self::items`] does not
    /// have them.
    pub(crate) fn numbers(&self) -> Option<&'a [f64]> {
        let Kind::Numbers { start, len } = self.node().kind else {
            return None;
        };
        let start = start as usize;
        self.doc.numbers.get(start..start + len as usize)
    }

    /// Of a tree that holds only some places of its payload: what stands in the slot, if anything does. The
    /// outer `None` is any other tree.
    #[inline]
    #[expect(clippy::option_option, reason = "there or not, and known or not")]
    pub(crate) fn in_slot(&self, slot: usize) -> Option<Option<Self>> {
        let at = *self.doc.slots.get(slot)?;
        Some((at != NOWHERE).then_some(Self { at, ..*self }))
    }

    /// Its position: the same for the same node, and greater for whatever stands further on.
    pub(crate) fn id(&self) -> u32 {
        self.at
    }

    /// The node of that position in the same tree.
    #[inline]
    pub(crate) fn node_at(&self, id: u32) -> Option<Self> {
        ((id as usize) < self.doc.nodes.len()).then_some(Self { at: id, ..*self })
    }

    /// Whether the node of that position is this one or below it.
    pub(crate) fn holds(&self, id: u32) -> bool {
        (self.at..self.node().next).contains(&id)
    }

    #[inline]
    fn node(&self) -> Node {
        self.doc.nodes[self.at as usize]
    }

    #[inline]
    fn text(&self, text: Text) -> &'a str {
        let (from, start) = if text.start & IN_SCRATCH == 0 {
            (self.payload, text.start)
        } else {
            (self.doc.scratch.as_str(), text.start & !IN_SCRATCH)
        };
        let start = start as usize;
        from.get(start..start + text.len as usize)
            .unwrap_or_default()
    }
}

impl fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scalar) = self.scalar() {
            return scalar.fmt(f);
        }
        if let Some(numbers) = self.numbers() {
            return numbers.fmt(f);
        }
        if self.is_array() {
            return f.debug_list().entries(self.items()).finish();
        }
        let entries = self.items().map(|item| (item.key(), item));
        f.debug_map().entries(entries).finish()
    }
}

/// The elements or entries of an [`Item`].
#[derive(Clone)]
pub struct Items<'a> {
    doc: &'a Doc,
    payload: &'a str,
    at: u32,
    end: u32,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        if self.at >= self.end {
            return None;
        }
        let item = Item {
            doc: self.doc,
            payload: self.payload,
            at: self.at,
        };
        self.at = item.node().next;
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_reads_as_it_was_written() {
        let payload = "temperature and more";
        let mut doc = Doc::new();
        for _ in 0..2 {
            doc.begin(payload).unwrap();
            doc.open_object("").unwrap();
            doc.push(&payload[..11], Scalar::Float(21.5));
            doc.open_array(&String::from("list")).unwrap();
            doc.push("", Scalar::Int(1));
            doc.open_array("").unwrap();
            doc.close();
            doc.push("", Scalar::Uint(u64::MAX));
            doc.close();
            doc.push("list", Scalar::Null);
            doc.close();
        }
        let root = doc.root(payload).unwrap();
        assert_eq!(root.len(), 3);
        assert_eq!(
            root.get("temperature").unwrap().scalar(),
            Some(Scalar::Float(21.5))
        );
        assert_eq!(
            root.get("list").unwrap().scalar(),
            Some(Scalar::Null),
            "the last of two entries of one key counts"
        );
        let list = root.items().nth(1).unwrap();
        assert_eq!(list.key(), "list");
        assert_eq!(list.len(), 3);
        assert_eq!(
            list.index(-1).unwrap().scalar(),
            Some(Scalar::Uint(u64::MAX))
        );
        assert!(list.index(1).unwrap().is_empty());
        assert!(list.index(3).is_none());
        assert_eq!(
            format!("{root:?}"),
            r#"{"temperature": Float(21.5), "list": [Int(1), [], Uint(18446744073709551615)], "list": Null}"#
        );
    }

    #[test]
    fn depth_is_bounded() {
        let mut doc = Doc::new();
        doc.begin("").unwrap();
        for _ in 0..MAX_DEPTH {
            doc.open_array("").unwrap();
        }
        assert_eq!(doc.open_array(""), Err(DocError::TooDeep));
    }
}
