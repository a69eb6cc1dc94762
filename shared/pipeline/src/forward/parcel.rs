//! What is sent at once, and what can become of it.

use crate::ledger::Lane;
use crate::time::Timestamp;

/// A record as the forwarder knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<T> {
    /// Its sequence number in the outbox.
    pub seq: i64,
    /// Its size in bytes.
    pub bytes: usize,
    /// Event time of the oldest reading behind it: its age is counted from there.
    pub oldest: Timestamp,
    /// Whatever the driver needs to send it.
    pub record: T,
}

/// Records of one lane that are sent together: one, or a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel<T> {
    /// What [`super::Forwarder::settled`] knows it by; another one each time it is sent.
    pub id: u64,
    /// Their lane.
    pub lane: Lane,
    /// The records, at least one, by sequence number.
    pub items: Vec<Item<T>>,
    /// Their bytes together.
    pub bytes: usize,
    /// Whether it goes out in the form of a batch, be it of one record.
    pub batch: bool,
    /// When the last of them expires.
    pub expires: Option<Timestamp>,
    /// How often sending it failed.
    pub(super) failures: u32,
    /// How often it was refused for its own sake.
    pub(super) refusals: u32,
}

impl<T> Parcel<T> {
    /// These records, not sent yet.
    #[must_use]
    pub fn new(lane: Lane, items: Vec<Item<T>>, batch: bool) -> Self {
        Self {
            id: 0,
            lane,
            bytes: items.iter().map(|item| item.bytes).sum(),
            items,
            batch,
            expires: None,
            failures: 0,
            refusals: 0,
        }
    }

    /// Two parcels of half as many records.
    pub(super) fn halves(mut self) -> [Self; 2] {
        let second = self.items.split_off(self.items.len() / 2);
        [self.items, second].map(|items| Self::new(self.lane, items, self.batch))
    }
}

/// What became of a parcel that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream acknowledged it.
    Delivered,
    /// The upstream said no, for this reason.
    Refused(String),
    /// The upstream cannot take anything at present, whatever it is.
    Busy,
    /// It is larger than the upstream allows, in these words.
    TooLarge(String),
    /// The connection was lost, and nobody knows.
    Lost,
}

/// Records that will not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenUp<T> {
    /// Their lane.
    pub lane: Lane,
    /// The records.
    pub items: Vec<Item<T>>,
    /// Why not.
    pub why: Why,
}

impl<T> GivenUp<T> {
    pub(super) fn of(parcel: Parcel<T>, why: Why) -> Self {
        Self {
            lane: parcel.lane,
            items: parcel.items,
            why,
        }
    }
}

/// Why a record is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is older than anybody wants it.
    Expired,
    /// The upstream refused it as often as it was allowed to; its last words.
    Rejected(String),
}
