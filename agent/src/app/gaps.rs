//! What nobody knows after a stop without warning.

use std::collections::HashMap;

use eyot_pipeline::Timestamp;

use crate::config::Source;
use crate::store::{Gap, SourceState};

/// The gaps that a stop without warning leaves: one for each source that may have lost something then, since it is not
/// journaled or the broker forgets what it could not deliver. They begin when the books were stored last.
pub(super) fn after_unclean_stop(
    sources: &[Source],
    books: &HashMap<String, SourceState>,
    now: Timestamp,
) -> Vec<Gap> {
    let gap = |source: &Source| {
        let stored_at = books.get(&source.name)?.stored_at;
        // Before books were stored there was nothing to lose, by a version that did not note when, nobody knows.
        (stored_at.0 > 0 && may_lose(source)).then(|| Gap {
            source: source.name.clone(),
            since: stored_at.min(now),
            until: now,
        })
    };
    sources.iter().filter_map(gap).collect()
}

fn may_lose(source: &Source) -> bool {
    let at_most_once = || {
        let decoder = source.mapping.decoder();
        decoder.is_ok_and(|decoder| decoder.subscriptions().iter().any(|(_, qos)| *qos == 0))
    };
    !source.journaled || at_most_once()
}
