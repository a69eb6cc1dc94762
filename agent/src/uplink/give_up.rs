//! What becomes of refused records: a dead letter first, and then they leave the outbox.
//!
//! Dead letters wait for the disk like every commit, and deliveries must not wait with them, since they
//! make room. So this goes on beside the driver's loop, one group at a time.

use std::collections::VecDeque;
use std::future::pending;

use eyot_pipeline::ledger::Lane;
use eyot_pipeline::retention::Reason;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::clock;
use crate::store::{DeadLetter, StoreError, StoreHandle};

/// Name of the uplink among the sources of dead letters.
const SOURCE: &str = "uplink";

/// A refused record.
pub(super) struct Refused {
    pub(super) row: (Lane, i64),
    pub(super) letter: DeadLetter,
}

/// The letter of a record that was to go to `topic`, with at most so many bytes of it and the trace that the record has.
pub(super) fn letter(topic: &str, detail: &str, body: &[u8], limit: usize) -> DeadLetter {
    #[derive(Default, serde::Deserialize)]
    struct Traced {
        trace_id: Option<String>,
    }
    let traced: Traced = serde_json::from_slice(body).unwrap_or_default();
    DeadLetter {
        trace_id: traced.trace_id.unwrap_or_default(),
        at: clock::now(),
        source: SOURCE.to_owned(),
        topic: topic.to_owned(),
        reason: Reason::Rejected.name().into(),
        detail: detail.to_owned(),
        payload: body[..body.len().min(limit)].to_vec(),
        payload_len: body.len(),
    }
}

/// Refused records on their way out.
pub(super) struct Undertaker {
    store: StoreHandle,
    waiting: VecDeque<Refused>,
    at_work: Option<BoxFuture<'static, Result<(), StoreError>>>,
}

impl Undertaker {
    pub(super) fn new(store: StoreHandle) -> Self {
        Self {
            store,
            waiting: VecDeque::new(),
            at_work: None,
        }
    }

    pub(super) fn take(&mut self, refused: Refused) {
        self.waiting.push_back(refused);
        self.go_on();
    }

    /// Resolves when one is done; never while there is none. Cancel safe. Call [`Self::go_on`] afterwards.
    pub(super) async fn done(&mut self) -> Result<(), StoreError> {
        match &mut self.at_work {
            Some(work) => {
                let result = work.await;
                self.at_work = None;
                result
            }
            None => pending().await,
        }
    }

    pub(super) fn go_on(&mut self) {
        if self.at_work.is_some() {
            return;
        }
        let Some(Refused { row, letter }) = self.waiting.pop_front() else {
            return;
        };
        let store = self.store.clone();
        let work = async move {
            store.dead_letter(letter).await?;
            store.give_up(vec![row], Reason::Rejected).await
        };
        self.at_work = Some(work.boxed());
    }
}
