//! Where in a message the engine stands: what names and paths are looked up in.

use std::fmt::Write;

use crate::path::Name;
use crate::topic::Captures;
use crate::{Item, Scalar};

/// Where in a payload the engine stands. Nodes are kept by their position, so that the room for them
/// outlives the payload.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Nodes from the root to the element, the element last.
    pub around: Vec<u32>,
    /// What `each` has come through, by the position of its name.
    pub each: Vec<Option<Place>>,
    /// Position of the element among its like, and how many there are.
    pub sample: (usize, usize),
    /// From where `leaves` or the value began to the value.
    pub trail: Vec<Place>,
    /// The path of the value, as `{path}`.
    pub path: String,
    /// What the groups of regular expressions matched.
    pub groups: Groups,
}

/// An element or entry of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    node: u32,
    /// In an array.
    index: Option<u32>,
}

/// Texts by position, in room that is used again.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    text: String,
    spans: Vec<Option<(u32, u32)>>,
}

/// What names and paths are looked up in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'s, 'd> {
    pub root: Item<'d>,
    /// Captures of the topic.
    pub topic: &'s Captures,
    pub at: &'s Standing,
}

impl Standing {
    /// Back to the beginning.
    pub(crate) fn clear(&mut self) {
        self.around.clear();
        self.each.clear();
        self.sample = (0, 1);
        self.trail.clear();
        self.path.clear();
        self.groups.clear();
    }

    /// What a name of `each` stands for.
    pub(crate) fn place(&self, name: usize) -> Option<Place> {
        self.each.get(name).copied().flatten()
    }

    /// Has a name of `each` stand for something, or for nothing any more.
    pub(crate) fn set_place(&mut self, name: usize, place: Option<Place>) {
        if self.each.len() <= name {
            self.each.resize(name + 1, None);
        }
        self.each[name] = place;
    }

    /// Writes down the way from `base` to the node `to` below it.
    pub(crate) fn set_trail(&mut self, base: Item<'_>, to: u32) {
        self.trail.clear();
        walk_to(base, to, &mut |place| self.trail.push(place));
    }
}

impl Place {
    /// The `index`th of what is in `parent`.
    pub(crate) fn new(parent: Item<'_>, index: usize, child: Item<'_>) -> Self {
        let index = parent.is_array().then_some(index as u32);
        Self {
            node: child.id(),
            index,
        }
    }

    /// The element or entry of the same index or key in another container.
    pub(crate) fn follow<'d>(&self, item: Item<'d>, root: Item<'d>) -> Option<Item<'d>> {
        match self.index {
            Some(index) => item.index(index.into()),
            None => item.get(root.node_at(self.node)?.key()),
        }
    }

    /// Its key, or its index.
    pub(crate) fn write(&self, root: Item<'_>, out: &mut String) {
        match (self.index, root.node_at(self.node)) {
            (None, Some(item)) => out.push_str(item.key()),
            // Writing into a text does not fail.
            (index, _) => _ = write!(out, "{}", index.unwrap_or_default()),
        }
    }

    /// The same as a step of a path.
    pub(crate) fn write_step(&self, root: Item<'_>, join: &str, out: &mut String) {
        match (self.index, root.node_at(self.node)) {
            (None, Some(item)) => push_key(item.key(), join, 0, out),
            (index, _) => _ = write!(out, "[{}]", index.unwrap_or_default()),
        }
    }
}

/// The path without any keys.
pub(crate) const WHOLE: &str = ".";

/// Adds a key to the path that begins at `start` in `out`, in quotes if it could be taken for several.
pub(crate) fn push_key(key: &str, join: &str, start: usize, out: &mut String) {
    if out.len() > start {
        out.push_str(join);
    }
    let is_several = match join.as_bytes() {
        [] => false,
        [join] => key.as_bytes().contains(join),
        _ => key.contains(join),
    };
    if is_several {
        out.push('"');
        out.push_str(key);
        out.push('"');
    } else {
        out.push_str(key);
    }
}

/// Hands out the places on the way from `base` to the node `to` below it.
pub(crate) fn walk_to(base: Item<'_>, to: u32, place: &mut dyn FnMut(Place)) {
    let mut item = base;
    while item.id() != to {
        let Some((i, child)) = item.items().enumerate().find(|(_, child)| child.holds(to)) else {
            return;
        };
        place(Place::new(item, i, child));
        item = child;
    }
}

/// Writes the path of a node as it is written in a configuration; `.` for the root itself.
pub(crate) fn write_path(root: Item<'_>, to: u32, out: &mut String) {
    out.clear();
    walk_to(root, to, &mut |place| place.write_step(root, ".", out));
    if out.is_empty() {
        out.push_str(WHOLE);
    }
}

impl Groups {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.spans.clear();
    }

    /// Adds the next one; `None` if the group took no part.
    pub(crate) fn push(&mut self, text: Option<&str>) {
        let start = self.text.len() as u32;
        self.text.push_str(text.unwrap_or_default());
        self.spans
            .push(text.map(|_| (start, self.text.len() as u32)));
    }

    fn get(&self, at: usize) -> Option<&str> {
        let (start, end) = (*self.spans.get(at)?)?;
        self.text.get(start as usize..end as usize)
    }
}

impl<'s, 'd> Scope<'s, 'd> {
    /// The element.
    pub(crate) fn element(&self) -> Item<'d> {
        self.around().next().unwrap_or(self.root)
    }

    /// The element and what is around it, outward.
    pub(crate) fn around(&self) -> impl Iterator<Item = Item<'d>> + use<'s, 'd> {
        let root = self.root;
        self.at
            .around
            .iter()
            .rev()
            .filter_map(move |node| root.node_at(*node))
    }

    /// What a name stands for, unless that is an index or a key of `each`.
    pub(crate) fn text(&self, name: Name) -> Option<&'s str> {
        match name {
            Name::Topic(at) => self.topic.get(at),
            Name::Group(at) => self.at.groups.get(at),
            Name::Path => Some(&self.at.path),
            Name::Each(_) => None,
        }
    }

    /// Writes what a name stands for.
    pub(crate) fn write(&self, name: Name, out: &mut String) {
        if let Name::Each(at) = name
            && let Some(place) = self.at.place(at)
        {
            place.write(self.root, out);
        } else if let Some(text) = self.text(name) {
            out.push_str(text);
        }
    }
}

/// Writes a value as text; nothing for `null` and for containers.
pub(crate) fn write_scalar(item: Item<'_>, out: &mut String) {
    // Writing into a text does not fail.
    _ = match item.scalar() {
        None | Some(Scalar::Null) => Ok(()),
        Some(Scalar::Text(text)) => out.write_str(text),
        Some(Scalar::Bool(value)) => write!(out, "{value}"),
        Some(Scalar::Int(value)) => write!(out, "{value}"),
        Some(Scalar::Uint(value)) => write!(out, "{value}"),
        Some(Scalar::Float(value)) => write!(out, "{value}"),
    };
}
