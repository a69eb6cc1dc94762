//! What the driver waits for.

use std::future::pending;

use eyot_pipeline::forward::{Fetch, Item, Outcome};
use futures_util::future::BoxFuture;

use super::encode::Row;
use crate::error::chain;
use crate::mqtt::PublishError;
use crate::store::{OutRow, StoreError};

/// What became of a parcel, by its id.
pub(super) type Settled = (u64, Result<(), PublishError>);

/// Something happened.
pub(super) enum Event {
    Stop,
    /// The connection came up or went down; `false`: there will be none any more.
    Link(bool),
    Settled(Settled),
    Fetched(Fetch, Result<Vec<OutRow>, StoreError>),
    Newest(Result<i64, StoreError>),
    /// The outbox has new records; `false`: there will be none any more.
    Replenished(bool),
    Buried(Result<(), StoreError>),
    Time,
}

/// The result of what is under way; never, while nothing is. Cancel safe: the future stays in its place.
pub(super) async fn under_way<T>(slot: &mut Option<BoxFuture<'static, T>>) -> T {
    match slot {
        Some(future) => {
            let result = future.await;
            *slot = None;
            result
        }
        None => pending().await,
    }
}

/// What the forwarder is told of a `PUBACK` or its absence.
pub(super) fn outcome(result: Result<(), PublishError>) -> Outcome {
    /// MQTT 5: packet identifier in use, quota exceeded. Neither is the record's fault.
    const BUSY: [u8; 2] = [0x91, 0x97];

    match result {
        Ok(()) => Outcome::Delivered,
        Err(PublishError::Lost) => Outcome::Lost,
        Err(PublishError::Refused { code, .. }) if BUSY.contains(&code) => Outcome::Busy,
        Err(error) => Outcome::Refused(chain(&error)),
    }
}

pub(super) fn item(row: OutRow) -> Item<Row> {
    Item {
        seq: row.seq,
        bytes: row.body.len(),
        oldest: row.oldest,
        record: Row {
            device: row.device,
            body: row.body.into(),
        },
    }
}
