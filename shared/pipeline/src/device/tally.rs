//! What became of readings, counted.

use crate::ledger::ReadingFate;

/// What became of the readings of one input, as (fate, count) with counts above 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(Vec<(ReadingFate, u64)>);

impl Tally {
    pub(super) fn add(&mut self, fate: ReadingFate) {
        self.count(fate, 1);
    }

    /// Counts `n` readings that met `fate`.
    pub fn count(&mut self, fate: ReadingFate, n: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == fate) {
            Some((_, count)) => *count += n,
            None if n > 0 => self.0.push((fate, n)),
            None => {}
        }
    }

    /// The fates and their counts.
    pub fn iter(&self) -> impl Iterator<Item = (ReadingFate, u64)> {
        self.0.iter().copied()
    }

    /// Readings that met `fate`.
    #[must_use]
    pub fn get(&self, fate: ReadingFate) -> u64 {
        self.iter()
            .filter(|(f, _)| *f == fate)
            .map(|(_, n)| n)
            .sum()
    }

    /// Readings in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, n)| n).sum()
    }

    /// Forgets everything, keeping the room.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
