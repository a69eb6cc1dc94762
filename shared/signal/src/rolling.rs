//! Exact quantiles of a sliding window in O(log n) per value.
//!
//! A ring of slots, oldest first, that is a search tree at the same time. The tree is weight-balanced
//! (Adams, 1993; with the parameters (3, 2) that Hirai and Yamamoto, 2011, prove right), so the sizes of
//! its subtrees both balance it and find a rank. No order of values makes it slower.

use core::marker::PhantomData;

use crate::quantile::Position;
use crate::real::Real;

/// One value of the window and its place in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Slot<T> {
    value: T,
    left: Link,
    right: Link,
    /// Values in this subtree, its own included.
    size: u32,
}

impl<T> Slot<T> {
    /// Storage that one value takes: 16 bytes for `f32`, 24 for `f64`.
    pub const BYTES: usize = size_of::<Self>();
}

/// One more than the index of a slot; 0 for none.
type Link = u32;

/// The last values of a series in the order of time and of size, in storage that the caller lends.
#[derive(Debug, Clone, PartialEq)]
pub struct RollingQuantile<T, S> {
    slots: S,
    root: Link,
    /// Where the next value goes.
    next: usize,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Real, S: AsRef<[Slot<T>]> + AsMut<[Slot<T>]>> RollingQuantile<T, S> {
    /// An empty window of as many values as `storage` holds, 2³² − 1 at most.
    pub const fn new(storage: S) -> Self {
        Self {
            slots: storage,
            root: 0,
            next: 0,
            len: 0,
            of: PhantomData,
        }
    }

    /// How many values it holds.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether it holds none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many values it can hold.
    pub fn capacity(&self) -> usize {
        self.slots.as_ref().len().min(u32::MAX as usize)
    }

    /// Adds a value; the oldest goes when the storage is full. O(log n). Values that are not finite, and
    /// any value when there is no storage, are passed over.
    pub fn push(&mut self, value: T) {
        if !value.is_finite() || self.capacity() == 0 {
            return;
        }
        if self.len == self.capacity() {
            self.pop_oldest();
        }
        let mut tree = Tree(self.slots.as_mut());
        tree.0[self.next] = Slot {
            value,
            left: 0,
            right: 0,
            size: 1,
        };
        self.root = tree.insert(self.root, self.next as Link + 1);
        self.next = (self.next + 1) % self.capacity();
        self.len += 1;
    }

    /// Takes the oldest value out. O(log n).
    pub fn pop_oldest(&mut self) -> Option<T> {
        let oldest = self.oldest()?;
        let mut tree = Tree(self.slots.as_mut());
        self.root = tree.remove(self.root, oldest as Link + 1);
        self.len -= 1;
        Some(self.slots.as_ref()[oldest].value)
    }

    /// The values, oldest first: pushed into an empty window they make the same one.
    pub fn values(&self) -> impl Iterator<Item = T> {
        let (slots, capacity) = (self.slots.as_ref(), self.capacity());
        let oldest = self.oldest().unwrap_or(0);
        (0..self.len).map(move |age| slots[(oldest + age) % capacity].value)
    }

    /// The value that `rank` values are no larger than. O(log n).
    pub fn nth(&self, rank: usize) -> Option<T> {
        let slots = self.slots.as_ref();
        let (mut at, mut rank) = (self.root, rank);
        loop {
            let slot = slots.get((at as usize).checked_sub(1)?)?;
            let below = size(slots, slot.left);
            match rank.cmp(&below) {
                core::cmp::Ordering::Equal => return Some(slot.value),
                core::cmp::Ordering::Less => at = slot.left,
                core::cmp::Ordering::Greater => {
                    rank -= below + 1;
                    at = slot.right;
                }
            }
        }
    }

    /// As [`crate::quantile()`], in O(log n). `None` of nothing or if `q` is not in [0, 1].
    pub fn quantile(&self, q: f64) -> Option<T> {
        let position = Position::of(self.len, q)?;
        let lower = self.nth(position.index)?;
        match self.nth(position.index + 1) {
            Some(upper) if position.fraction > 0.0 => Some(position.between(lower, upper)),
            _ => Some(lower),
        }
    }

    /// As [`crate::mad`], in O(log² n), and the values stay what they are.
    pub fn mad(&self) -> Option<(T, T)> {
        let centre = self.quantile(0.5)?;
        let position = Position::of(self.len, 0.5)?;
        let lower = self.deviation(centre, position.index)?;
        match self.deviation(centre, position.index + 1) {
            Some(upper) if position.fraction > 0.0 => {
                Some((centre, position.between(lower, upper)))
            }
            _ => Some((centre, lower)),
        }
    }

    /// The deviation from the median that `rank` deviations are no larger than. Deviations rise both ways
    /// from the median, so they are two sorted halves to be merged as far as the rank.
    fn deviation(&self, centre: T, rank: usize) -> Option<T> {
        let middle = self.len / 2;
        let below = |i: usize| Some(centre - self.nth(middle.checked_sub(i + 1)?)?);
        let above = |i: usize| Some(self.nth(middle + i)? - centre);
        // How many of the lower half come before the rank.
        let mut few = rank.saturating_sub(self.len - middle);
        let mut many = rank.min(middle);
        while few < many {
            let half = usize::midpoint(few, many);
            if below(half)? < above(rank - half - 1)? {
                few = half + 1;
            } else {
                many = half;
            }
        }
        match (below(few), above(rank - few)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    fn oldest(&self) -> Option<usize> {
        let capacity = self.capacity();
        (self.len > 0).then(|| (self.next + capacity - self.len) % capacity)
    }
}

fn size<T>(slots: &[Slot<T>], at: Link) -> usize {
    match at {
        0 => 0,
        at => slots[at as usize - 1].size as usize,
    }
}

/// The slots as a tree. Every method returns the root of the subtree that it has changed.
struct Tree<'a, T>(&'a mut [Slot<T>]);

impl<T: Real> Tree<'_, T> {
    fn at(&mut self, at: Link) -> &mut Slot<T> {
        &mut self.0[at as usize - 1]
    }

    fn size(&self, at: Link) -> usize {
        size(self.0, at)
    }

    /// Equal values are told apart by their slots.
    fn is_before(&mut self, a: Link, b: Link) -> bool {
        let (x, y) = (self.at(a).value, self.at(b).value);
        x.total_cmp(&y).then(a.cmp(&b)).is_lt()
    }

    fn insert(&mut self, at: Link, new: Link) -> Link {
        if at == 0 {
            return new;
        }
        if self.is_before(new, at) {
            let left = self.at(at).left;
            self.at(at).left = self.insert(left, new);
        } else {
            let right = self.at(at).right;
            self.at(at).right = self.insert(right, new);
        }
        self.balanced(at)
    }

    fn remove(&mut self, at: Link, gone: Link) -> Link {
        let Slot { left, right, .. } = *self.at(at);
        if at == gone {
            return self.joined(left, right);
        }
        if self.is_before(gone, at) {
            self.at(at).left = self.remove(left, gone);
        } else {
            self.at(at).right = self.remove(right, gone);
        }
        self.balanced(at)
    }

    /// Of two subtrees that a slot between them has left.
    fn joined(&mut self, left: Link, right: Link) -> Link {
        if left == 0 || right == 0 {
            return left | right;
        }
        let mut first = right;
        while self.at(first).left != 0 {
            first = self.at(first).left;
        }
        let right = self.remove(right, first);
        self.at(first).left = left;
        self.at(first).right = right;
        self.balanced(first)
    }

    fn balanced(&mut self, at: Link) -> Link {
        let Slot { left, right, .. } = *self.at(at);
        let (l, r) = (self.size(left) + 1, self.size(right) + 1);
        if r > 3 * l {
            let Slot {
                left: inner,
                right: outer,
                ..
            } = *self.at(right);
            if self.size(inner) + 1 >= 2 * (self.size(outer) + 1) {
                self.at(at).right = self.turned_right(right);
            }
            self.turned_left(at)
        } else if l > 3 * r {
            let Slot {
                left: outer,
                right: inner,
                ..
            } = *self.at(left);
            if self.size(inner) + 1 >= 2 * (self.size(outer) + 1) {
                self.at(at).left = self.turned_left(left);
            }
            self.turned_right(at)
        } else {
            self.measured(at)
        }
    }

    fn turned_left(&mut self, at: Link) -> Link {
        let up = self.at(at).right;
        self.at(at).right = self.at(up).left;
        self.at(up).left = self.measured(at);
        self.measured(up)
    }

    fn turned_right(&mut self, at: Link) -> Link {
        let up = self.at(at).left;
        self.at(at).left = self.at(up).right;
        self.at(up).right = self.measured(at);
        self.measured(up)
    }

    fn measured(&mut self, at: Link) -> Link {
        let Slot { left, right, .. } = *self.at(at);
        self.at(at).size = (self.size(left) + self.size(right) + 1) as u32;
        at
    }
}

#[cfg(test)]
mod tests;
