//! The sources' books, shared between those who write in them.
//!
//! One lock for each source, taken once for a burst or a batch: a snapshot is therefore always
//! balanced, whatever happens at the same time.

use std::sync::{Arc, Mutex, PoisonError};

use eyot_pipeline::ledger::SourceBook;

/// The live books of one source.
#[derive(Debug)]
pub struct Book {
    source: String,
    inner: Mutex<SourceBook>,
}

impl Book {
    /// The source's name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Makes entries that belong together.
    pub fn enter<T>(&self, entries: impl FnOnce(&mut SourceBook) -> T) -> T {
        // A panic while entering leaves counts that are each still true.
        entries(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The books as they stand.
    pub fn snapshot(&self) -> SourceBook {
        self.enter(|book| book.clone())
    }
}

/// The books of all sources.
#[derive(Debug, Clone)]
pub struct Ledger(Arc<[Arc<Book>]>);

impl Ledger {
    /// Empty books for these sources.
    pub fn new<'a>(sources: impl IntoIterator<Item = &'a str>) -> Self {
        let book = |source: &str| {
            Arc::new(Book {
                source: source.to_owned(),
                inner: Mutex::default(),
            })
        };
        Self(sources.into_iter().map(book).collect())
    }

    /// The books of all sources, in the order of the configuration.
    pub fn books(&self) -> &[Arc<Book>] {
        &self.0
    }
}

impl crate::store::Books for Ledger {
    fn snapshot(&self) -> Vec<(String, SourceBook)> {
        self.0
            .iter()
            .map(|book| (book.source.clone(), book.snapshot()))
            .collect()
    }
}
