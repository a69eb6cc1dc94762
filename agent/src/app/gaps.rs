//! What nobody knows after a stop without warning.

use std::collections::HashMap;

use eyot_pipeline::Timestamp;

use crate::config::Source;
use crate::store::{Gap, SourceState};

/// The gaps that a stop without warning leaves: one for each source that may have lost something then, since it is not
/// journaled or the broker forgets what it could not deliver. They begin when the books were stored last, and `in_flight`
/// readings may have been under way by then.
pub(super) fn after_unclean_stop(
    sources: &[Source],
    books: &HashMap<String, SourceState>,
    in_flight: u64,
    now: Timestamp,
) -> Vec<Gap> {
    let gap = |source: &Source| {
        let stored_at = books.get(&source.name)?.stored_at;
        // Before books were stored there was nothing to lose, by a version that did not note when, nobody knows.
        (stored_at.0 > 0 && may_lose(source)).then(|| {
            let since = stored_at.min(now);
            let sent = |rate: f64| (rate * (now - since).as_secs_f64()).ceil() as u64;
            let under_way = if source.journaled { 0 } else { in_flight };
            Gap {
                source: source.name.clone(),
                since,
                until: now,
                at_most: source.rate.map(|rate| sent(rate) + under_way),
            }
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
