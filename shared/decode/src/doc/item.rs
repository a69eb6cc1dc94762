//! The nodes of a tree, seen from outside.

use std::fmt;

use super::{Doc, IN_SCRATCH, Kind, NOWHERE, Node, Scalar, Text};

/// One node of a [`Doc`].
#[derive(Clone, Copy)]
pub struct Item<'a> {
    pub(super) doc: &'a Doc,
    pub(super) payload: &'a str,
    pub(super) at: u32,
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
