//! What an agent that does not run has left in its database.

use serde_json::{Value, json};

use crate::app::{broker_dropped_view, gaps_view};
use crate::books::Ledger;
use crate::clock::rfc3339;
use crate::config::Config;
use crate::ops::Equation;
use crate::store::{Reader, StoreError};

/// The same as a running agent shows, as far as the database has it.
pub(super) fn read(config: &Config) -> Result<Value, StoreError> {
    let store = Reader::open(&config.agent.data_dir)?;
    // All as if journaled, since whatever is in flight is so only until the next start says what became of it.
    let ledger = Ledger::new(config.sources.iter().map(|source| (&*source.name, true)));
    let devices = store.devices()?;
    ledger.restore(store.books()?, &devices);
    ledger.settle(&devices);
    let sources = ledger.books().iter().map(|book| {
        let counts = book.snapshot();
        json!({
            "name": &**book.source(),
            "messages": Equation::messages(&counts),
            "readings": Equation::readings(&counts),
            "unmapped_fields": counts.unmapped_fields,
            "broker_dropped": broker_dropped_view(book.broker_drops()),
        })
    });
    let lanes = store.lanes()?.map(|(lane, book)| {
        json!({
            "lane": lane.name(),
            "enqueued": book.enqueued,
            "delivered": book.delivered,
            "buffered": book.buffered,
            "evicted": book.evicted,
        })
    });
    let letters = store.letter_counts()?;
    Ok(json!({
        "agent": config.agent.name,
        "as_of": rfc3339(store.as_of()),
        "clean_stop": store.clean_stop()?,
        "sources": sources.collect::<Value>(),
        "lanes": lanes,
        "store": {
            "db_bytes": store.bytes(),
            "dead_letters": letters.kept,
            "dead_letters_evicted": letters.evicted,
            "dead_letters_dropped": letters.dropped,
            "dead_letters_replayed": letters.replayed,
        },
        "devices": { "known": devices.len() },
        "gaps": gaps_view(&store.gaps()?),
    }))
}
