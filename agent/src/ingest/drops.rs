//! What the broker says of the messages that it has dropped itself. No message of the plant.

use std::sync::Arc;

use eyot_pipeline::Timestamp;

use crate::books::Book;
use crate::config;

/// Listens to the broker's own count.
pub(super) struct Drops {
    topic: Option<String>,
    book: Arc<Book>,
    /// Whether it was said that the broker makes no sense.
    complained: bool,
}

impl Drops {
    pub(super) fn new(source: &config::Source, book: &Arc<Book>) -> Self {
        Self {
            topic: source.drops_topic.clone(),
            book: Arc::clone(book),
            complained: false,
        }
    }

    /// Whether that is the topic of the count.
    pub(super) fn is_told_by(&self, topic: &[u8]) -> bool {
        let told = self.topic.as_ref();
        told.is_some_and(|told| told.as_bytes() == topic)
    }

    /// Takes the count in.
    pub(super) fn tell(&mut self, payload: &[u8], now: Timestamp) {
        let text = String::from_utf8_lossy(payload);
        match text.trim().parse() {
            Ok(dropped) => self.book.broker_told(dropped, now),
            Err(_) if self.complained => {}
            Err(_) => {
                self.complained = true;
                let (source, topic) = (self.book.source(), self.topic.as_deref());
                tracing::warn!(%source, topic, payload = %text, "the broker says that it has dropped what is no whole number");
            }
        }
    }
}
