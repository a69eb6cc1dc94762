//! Fields that nothing maps: counted every time, named once.

use std::collections::HashSet;

/// Paths named at most. A sender that makes up new keys all the time is named no further.
const NAMED: usize = 1_000;

/// The paths of one source that were named already.
#[derive(Debug)]
pub(super) struct Unmapped {
    source: String,
    named: HashSet<Box<str>, ahash::RandomState>,
}

impl Unmapped {
    pub(super) fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            named: HashSet::default(),
        }
    }

    /// Names a path in the log when it is met for the first time.
    pub(super) fn found(&mut self, path: &str) {
        if self.named.contains(path) || self.named.len() >= NAMED {
            return;
        }
        self.named.insert(path.into());
        tracing::info!(
            source = self.source,
            path,
            "no rule maps this field; it is ignored"
        );
    }
}
