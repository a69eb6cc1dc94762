//! Sets of record numbers. What a device has sent is dense but for gaps, so ranges say it in little room.

use std::collections::BTreeMap;

/// A set of numbers, kept as ranges that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    /// By first number: the last one, inclusive.
    by_first: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Whether `number` is in it.
    pub fn contains(&self, number: u64) -> bool {
        self.at_or_before(number)
            .is_some_and(|(_, last)| number <= last)
    }

    /// Adds one number; false if it was in it already.
    pub fn insert(&mut self, number: u64) -> bool {
        let new = !self.contains(number);
        if new {
            self.insert_range(number, number);
        }
        new
    }

    /// Adds all numbers from `first` to `last`, both inclusive; none if `last` is before `first`.
    pub fn insert_range(&mut self, mut first: u64, mut last: u64) {
        if last < first {
            return;
        }
        // From the right: whatever overlaps or touches becomes part of the new range.
        while let Some((other_first, other_last)) = self.at_or_before(last.saturating_add(1)) {
            if other_last.saturating_add(1) < first {
                break;
            }
            self.by_first.remove(&other_first);
            first = first.min(other_first);
            last = last.max(other_last);
        }
        self.by_first.insert(first, last);
    }

    /// The ranges, first and last number, in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.by_first.iter().map(|(first, last)| (*first, *last))
    }

    /// How many numbers are in it.
    pub fn count(&self) -> u64 {
        self.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// What is in this set and not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Self::default();
        for (first, last) in self.iter() {
            let mut next = first;
            let before = other.at_or_before(first).into_iter();
            let within = other
                .by_first
                .range(first.saturating_add(1)..)
                .take_while(|(from, _)| **from <= last)
                .map(|(from, to)| (*from, *to));
            for (from, to) in before.chain(within) {
                if from > next {
                    left.insert_range(next, from - 1);
                }
                next = next.max(to.saturating_add(1));
            }
            left.insert_range(next, last);
        }
        left
    }

    /// The last range that begins at `number` or before it.
    fn at_or_before(&self, number: u64) -> Option<(u64, u64)> {
        let (first, last) = self.by_first.range(..=number).next_back()?;
        Some((*first, *last))
    }
}

impl FromIterator<(u64, u64)> for Ranges {
    fn from_iter<T: IntoIterator<Item = (u64, u64)>>(ranges: T) -> Self {
        let mut set = Self::default();
        for (first, last) in ranges {
            set.insert_range(first, last);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn naive(ranges: &Ranges) -> BTreeSet<u64> {
        ranges
            .iter()
            .flat_map(|(first, last)| first..=last)
            .collect()
    }

    fn assert_apart(ranges: &Ranges) {
        let list: Vec<_> = ranges.iter().collect();
        for pair in list.windows(2) {
            assert!(pair[0].1 + 1 < pair[1].0, "{list:?}");
        }
    }

    proptest! {
        #[test]
        fn a_set_of_ranges_is_a_set(numbers in prop::collection::vec(1_u64..60, 0..120)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(ranges.insert(number), set.insert(number));
            }
            assert_apart(&ranges);
            prop_assert_eq!(ranges.count(), set.len() as u64);
            for number in 0..61 {
                prop_assert_eq!(ranges.contains(number), set.contains(&number));
            }
            prop_assert_eq!(naive(&ranges), set);
        }

        #[test]
        fn ranges_unite_and_are_taken_away(
            these in prop::collection::vec((1_u64..60, 0_u64..9), 0..12),
            those in prop::collection::vec((1_u64..60, 0_u64..9), 0..12),
        ) {
            let set = |list: &[(u64, u64)]| -> Ranges {
                list.iter().map(|(first, more)| (*first, first + more)).collect()
            };
            let numbers = |list: &[(u64, u64)]| -> BTreeSet<u64> {
                list.iter().flat_map(|(first, more)| *first..=first + more).collect()
            };
            let left = set(&these).without(&set(&those));
            assert_apart(&set(&these));
            assert_apart(&left);
            prop_assert_eq!(naive(&set(&these)), numbers(&these));
            prop_assert_eq!(naive(&left), &numbers(&these) - &numbers(&those));
        }
    }

    #[test]
    fn the_ends_of_the_numbers_are_numbers() {
        let mut ranges = Ranges::default();
        assert!(ranges.insert(u64::MAX) && ranges.insert(0) && ranges.insert(u64::MAX - 1));
        assert!(!ranges.insert(u64::MAX));
        assert_eq!(
            ranges.iter().collect::<Vec<_>>(),
            [(0, 0), (u64::MAX - 1, u64::MAX)]
        );
        ranges.insert_range(9, 3);
        assert_eq!(ranges.count(), 3);
    }
}
