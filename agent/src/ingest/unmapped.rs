//! Fields that nothing maps: counted every time, named once.

use std::collections::HashSet;
use std::sync::Arc;

use crate::books::Book;

/// Paths named at most. A sender that makes up new keys all the time is named no further.
const NAMED: usize = 1_000;

/// The paths of one source that were named already.
#[derive(Debug)]
pub(super) struct Unmapped {
    book: Arc<Book>,
    named: HashSet<Box<str>, ahash::RandomState>,
}

impl Unmapped {
    pub(super) fn new(book: &Arc<Book>) -> Self {
        Self {
            book: Arc::clone(book),
            named: HashSet::default(),
        }
    }

    /// Names a path in the log and lists it when it is met for the first time.
    pub(super) fn found(&mut self, path: &str) {
        if self.named.contains(path) || self.named.len() >= NAMED {
            return;
        }
        self.named.insert(path.into());
        self.book.list_unmapped(path);
        tracing::info!(
            source = %self.book.source(),
            path,
            "no rule maps this field; it is ignored"
        );
    }
}
