//! Fields that nothing maps.

use crate::{Item, Scalar};

/// A set of nodes of a payload, by their position.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<u64>);

impl Marks {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a node, with all that is below it.
    pub(super) fn set(&mut self, item: Item<'_>) {
        let (word, bit) = split(item);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= bit;
    }

    pub(super) fn has(&self, item: Item<'_>) -> bool {
        let (word, bit) = split(item);
        self.0.get(word).is_some_and(|marks| marks & bit != 0)
    }
}

fn split(item: Item<'_>) -> (usize, u64) {
    (item.id() as usize / 64, 1 << (item.id() % 64))
}

/// What says that a field is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Fields that say something about values.
    pub used: Marks,
    /// Values, and what the configuration leaves out on purpose.
    pub mapped: Marks,
}

impl Known {
    pub(super) fn clear(&mut self) {
        self.used.clear();
        self.mapped.clear();
    }

    /// Hands out every field below `item` that is not known. An array of values is one field; `null`
    /// is none.
    pub(super) fn unknown<'d>(&self, item: Item<'d>, found: &mut dyn FnMut(Item<'d>)) {
        if self.used.has(item) || self.mapped.has(item) {
            return;
        }
        match item.scalar() {
            Some(Scalar::Null) => {}
            Some(_) => found(item),
            None if item.is_array()
                && !item.is_empty()
                && item.items().all(|child| child.scalar().is_some()) =>
            {
                if item
                    .items()
                    .any(|child| !self.used.has(child) && !self.mapped.has(child))
                {
                    found(item);
                }
            }
            None => item.items().for_each(|child| self.unknown(child, found)),
        }
    }
}
