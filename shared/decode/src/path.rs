//! Paths: where in a payload something stands.

mod parse;
#[cfg(test)]
mod tests;

use crate::Item;
use crate::scope::{Place, Scope};

/// Where in a payload something stands, seen from an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    anchor: Anchor,
    steps: Vec<Step>,
    /// The slot of what stands there in a [`Doc`](crate::Doc) that holds only some places of its payload.
    slot: Option<u32>,
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    /// `$`: at the root.
    Root,
    /// `.`: at the element.
    Element,
    /// At the element or, if it is not there, in what is around it.
    Around,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(Box<str>),
    Index(i64),
    /// The key or index that a name stands for: `meta.{key}.unit`, `times[{i}]`.
    Name(Name),
    /// `@`: the path of the value itself.
    Value,
    /// Every element or entry; only in `each`.
    Every(Every),
}

/// What `*` or a name in braces stands for in `each`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Every {
    /// Position of its name among those of `each`.
    pub name: Option<usize>,
    /// Elements of an array, and no entries of an object.
    pub elements: bool,
}

/// What a name in braces stands for. Numbers are positions among its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// A capture of the topic.
    Topic(usize),
    /// A key or index that `each` has come through.
    Each(usize),
    /// A group of a regular expression of `capture`.
    Group(usize),
    /// The path of the value that is being read.
    Path,
}

/// Something found, and the element that its path began at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'d> {
    pub base: Item<'d>,
    pub item: Item<'d>,
}

impl Path {
    /// What stands there.
    #[inline]
    pub(crate) fn find<'d>(&self, scope: &Scope<'_, 'd>) -> Option<Found<'d>> {
        let base = scope.root;
        if let Some(slot) = self.slot
            && let Some(item) = base.in_slot(slot as usize)
        {
            return item.map(|item| Found { base, item });
        }
        self.look(scope)
    }

    fn look<'d>(&self, scope: &Scope<'_, 'd>) -> Option<Found<'d>> {
        let at = |base| self.descend(base, scope).map(|item| Found { base, item });
        match self.anchor {
            Anchor::Root => at(scope.root),
            Anchor::Element => at(scope.element()),
            Anchor::Around => scope.around().find_map(at),
        }
    }

    /// The same, without where it began.
    #[inline]
    pub(crate) fn get<'d>(&self, scope: &Scope<'_, 'd>) -> Option<Item<'d>> {
        self.find(scope).map(|found| found.item)
    }

    /// Whether it differs from value to value of one element.
    pub(crate) fn is_relative(&self) -> bool {
        let relative = |step: &Step| matches!(step, Step::Value | Step::Name(Name::Path));
        self.steps.iter().any(relative)
    }

    /// Whether it is the element or the root as a whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.steps.is_empty()
    }

    /// Its steps.
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Its keys, if it has nothing else and at least one.
    pub(crate) fn keys(&self) -> Option<Vec<&str>> {
        let keys: Option<Vec<&str>> = self
            .steps
            .iter()
            .map(|step| match step {
                Step::Key(key) => Some(&**key),
                _ => None,
            })
            .collect();
        keys.filter(|keys| !keys.is_empty())
    }

    /// The slot, if there is one.
    #[inline]
    pub(crate) fn slot(&self) -> Option<usize> {
        self.slot.map(|slot| slot as usize)
    }

    /// Where the same thing is found without a way to it.
    pub(crate) fn set_slot(&mut self, slot: u32) {
        self.slot = Some(slot);
    }

    #[inline]
    fn descend<'d>(&self, from: Item<'d>, scope: &Scope<'_, 'd>) -> Option<Item<'d>> {
        self.steps.iter().try_fold(from, |item, step| match step {
            Step::Key(key) => item.get(key),
            Step::Index(index) => item.index(*index),
            Step::Name(Name::Each(at)) => scope.at.place(*at)?.follow(item, scope.root),
            Step::Name(name) => {
                let text = scope.text(*name)?;
                if item.is_array() {
                    item.index(text.parse().ok()?)
                } else {
                    item.get(text)
                }
            }
            Step::Value => {
                let mut trail = scope.at.trail.iter();
                trail.try_fold(item, |item, place: &Place| place.follow(item, scope.root))
            }
            Step::Every(_) => None,
        })
    }
}
