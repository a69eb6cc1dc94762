//! Every number and truth value is a reading: which ones, and what they are called.

use super::channels::Named;
use super::run::Run;
use crate::config::LeafText;
use crate::glob::Glob;
use crate::path::Path;
use crate::scope::Place;
use crate::value::{Outcome, Sent};
use crate::{Item, Reason, Scalar};

/// Which leaves are readings, and what they are called.
#[derive(Debug)]
pub(super) struct Leaves {
    pub below: Option<Path>,
    pub include: Vec<Glob>,
    pub exclude: Vec<Glob>,
    pub rename: Vec<(Glob, String)>,
    pub join: Box<str>,
    pub text: LeafText,
}

/// Whether a leaf is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// The configuration names it.
    ByName,
    /// As all are.
    AsAll,
    /// The configuration leaves it out.
    Excluded,
    /// The configuration takes others.
    No,
}

impl Leaves {
    fn takes(&self, name: &str) -> Taken {
        let among = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(name));
        if among(&self.exclude) {
            Taken::Excluded
        } else if self.include.is_empty() {
            Taken::AsAll
        } else if among(&self.include) {
            Taken::ByName
        } else {
            Taken::No
        }
    }

    /// Writes the new name, in which `*` is what the first `*` of the old one stands for.
    fn rename(&self, name: &str, out: &mut String) {
        out.clear();
        let found = self
            .rename
            .iter()
            .find_map(|(old, new)| Some((old.capture(name)?, new)));
        match found.map(|(star, new)| (star, new.split_once('*').unwrap_or((new, "")), new)) {
            None => out.push_str(name),
            Some((_, _, new)) if !new.contains('*') => out.push_str(new),
            Some((star, (head, tail), _)) => out.extend([head, star, tail]),
        }
    }
}

impl<'d> Run<'_, 'd> {
    /// Every leaf of the element.
    pub(super) fn leaves(&mut self, leaves: &Leaves) {
        let base = match &leaves.below {
            Some(path) => path.get(&self.scope()),
            None => Some(self.scope().element()),
        };
        if let Some(base) = base {
            self.names.raw.clear();
            self.leaf_or_below(leaves, base, base);
        }
    }

    fn leaf_or_below(&mut self, leaves: &Leaves, base: Item<'d>, item: Item<'d>) {
        if self.known.used.has(item) && item.scalar().is_some() {
            return;
        }
        // Many senders wrap every value in an array of one.
        let inner = item.index(0).filter(|_| item.len() == 1).unwrap_or(item);
        if let Some(scalar) = inner.scalar() {
            self.leaf(leaves, base, item, scalar);
        } else if item.is_array() && self.is_one(leaves, item) {
            self.leaf(leaves, base, item, Scalar::Int(0));
        } else {
            let before = self.names.raw.len();
            for (i, child) in item.items().enumerate() {
                let place = Place::new(item, i, child);
                place.write_step(self.root, &leaves.join, &mut self.names.raw);
                self.leaf_or_below(leaves, base, child);
                self.names.raw.truncate(before);
            }
        }
    }

    /// Whether an array is one leaf: a block of samples, or two words of a number.
    fn is_one(&mut self, leaves: &Leaves, item: Item<'d>) -> bool {
        let number = |item: Item<'_>| {
            matches!(
                item.scalar(),
                Some(Scalar::Int(_) | Scalar::Uint(_) | Scalar::Float(_))
            )
        };
        if item.is_empty() || !item.items().all(number) {
            return false;
        }
        if self.plan.samples.is_some() {
            return true;
        }
        leaves.rename(&self.names.raw, &mut self.at.path);
        item.len() == 2 && self.name_channel(None).is_some_and(|spec| spec.words)
    }

    /// A leaf. Text counts only where `channels` says how to read it, `null` only where the
    /// configuration names the channel: otherwise nobody knows that a number belongs there.
    fn leaf(&mut self, leaves: &Leaves, base: Item<'d>, item: Item<'d>, scalar: Scalar<'_>) {
        let taken = leaves.takes(&self.names.raw);
        match taken {
            Taken::Excluded => self.known.mapped.set(item),
            Taken::No => {}
            Taken::ByName | Taken::AsAll => {
                leaves.rename(&self.names.raw, &mut self.at.path);
                if !self.prepare_value(base, item) {
                    return;
                }
                let Some(spec) = self.name_channel(None) else {
                    return self.reject_name(item);
                };
                let counts = match scalar {
                    Scalar::Text(_) if spec.named == Named::Exactly => true,
                    Scalar::Text(_) if leaves.text == LeafText::Readable => {
                        let found = spec.reader.read(item, Sent::default());
                        matches!(found, Outcome::Value { .. } | Outcome::Missing(Reason::Nan))
                    }
                    Scalar::Text(_) => spec.reader.takes_text(),
                    Scalar::Null => spec.named != Named::Not || taken == Taken::ByName,
                    _ => true,
                };
                if counts || spec.ignore {
                    self.read(item, spec);
                }
            }
        }
    }
}
