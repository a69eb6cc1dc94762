//! Paths of fields that nothing maps, found while a text is gone through.

use crate::scope::WHOLE;

/// Fields that nothing maps.
#[derive(Debug, Default)]
pub(crate) struct Unmapped {
    /// Whether they are looked for.
    pub(super) wanted: bool,
    /// Their paths, and those that lead to them.
    pub(super) paths: String,
    /// Where each path begins and ends.
    spans: Vec<(usize, usize)>,
    /// A key that has escapes in it.
    pub(super) key: String,
}

impl Unmapped {
    /// Forgets all of them. `wanted`: whether the next ones are looked for.
    pub(crate) fn begin(&mut self, wanted: bool) {
        self.wanted = wanted;
        self.paths.clear();
        self.spans.clear();
    }

    /// Their paths, in the order of the text.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let path = |(start, end): &(usize, usize)| self.paths.get(*start..*end);
        self.spans.iter().filter_map(path)
    }

    /// Begins a path.
    pub(super) fn start(&mut self, path: &str) -> usize {
        let start = self.paths.len();
        self.paths.push_str(path);
        start
    }

    /// The path from `start` to the end is one of them.
    pub(super) fn add(&mut self, start: usize) {
        if self.paths.len() == start {
            self.paths.push_str(WHOLE);
        }
        self.spans.push((start, self.paths.len()));
    }
}
