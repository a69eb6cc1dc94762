//! A payload as a flat tree, whatever its format.
//!
//! Nodes lie in the order of the text, each with the index of what follows its subtree, so that
//! walking past something costs nothing. Text is kept as a position: in the payload where it stands
//! there as it is, in `scratch` otherwise. A [`Doc`] owns no payload and is used again and again, so
//! reading a message allocates nothing once its room has been made.

mod item;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::format::FormatError;
pub use item::{Item, Items};

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
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "mostly it is known what kind it is")]
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
