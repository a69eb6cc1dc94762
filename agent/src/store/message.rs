//! What goes in and out of the store.

use std::borrow::Cow;

use eyot_pipeline::ledger::{Lane, LaneBook, SourceBook};
use eyot_pipeline::retention::Reason;
use eyot_pipeline::time::{Span, Timestamp};
use tokio::sync::oneshot;

use super::{LetterCounts, StoreError, Tallies, UnsetBoot};

/// A device as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// Key for [`Commit::device`].
    pub id: i64,
    /// Number of its last committed effect; 0 before the first.
    pub last_effect: u64,
    /// Journal position of the last input with committed effects; 0 before the first.
    pub last_position: u64,
    /// End of the newest window that a record tells of, by event time; 0 where it is not known.
    pub told_until: Timestamp,
    /// Where to start from; `None`: from nothing.
    pub checkpoint: Option<Checkpoint>,
}

/// A device's state machine as it stood behind an input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Journal position of that input; 0 without a journal.
    pub position: u64,
    /// What became of its readings by then.
    pub tallies: Tallies,
    /// Name and unit of its channels beyond those that the class lists, in order.
    pub channels: Vec<(String, Option<String>)>,
    /// The state machine, in the pipeline's encoding.
    pub body: Vec<u8>,
}

/// What the store knows of a device without loading its state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownDevice {
    /// Its name.
    pub name: String,
    /// Position of its checkpoint; 0 without one.
    pub position: u64,
    /// As in [`Checkpoint::tallies`].
    pub tallies: Tallies,
    /// As in [`Checkpoint::channels`].
    pub channels: Vec<(String, Option<String>)>,
}

/// What a broker has said of the messages that it has dropped, for all of its clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrokerDrops {
    /// The last number it gave; it counts from its own start.
    pub told: Option<u64>,
    /// How many it has dropped since it was first asked.
    pub total: u64,
}

impl BrokerDrops {
    /// The broker says a number; `true` if it has dropped something since the last one.
    pub fn tell(&mut self, n: u64) -> bool {
        let rise = match self.told.replace(n) {
            // What was before that is none of this agent's.
            None => 0,
            Some(before) if n >= before => n - before,
            // It has started again.
            Some(_) => n,
        };
        self.total += rise;
        rise > 0
    }
}

/// A source's books as the store keeps them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceState {
    /// The books. Of a journaled source those of its messages alone: what became of readings in devices is
    /// in the devices' checkpoints.
    pub book: SourceBook,
    /// Journal position that they cover; 0 without a journal.
    pub position: u64,
    /// Dead letters that they count and the store does not have yet.
    pub letters: Vec<DeadLetter>,
    /// Dead letters that they count and that came too fast to be kept.
    pub letters_evicted: u64,
    /// What the broker has dropped.
    pub broker: BrokerDrops,
    /// When the store wrote them; 0 if that is not known. Of no meaning on the way there.
    pub stored_at: Timestamp,
}

/// A time of which nobody knows what a source lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Name of the source.
    pub source: String,
    /// When it began at the earliest.
    pub since: Timestamp,
    /// When it ended.
    pub until: Timestamp,
    /// How many messages were lost at most; `None` if nothing says.
    pub at_most: Option<u64>,
}

/// All gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gaps {
    /// How many there were, ever.
    pub count: u64,
    /// The last one.
    pub last: Option<Gap>,
}

/// An effect in its stored form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Lane of the outbox.
    pub lane: Lane,
    /// The device's effect number, from 1, dense.
    pub number: u64,
    /// What the body is, like `summary`.
    pub kind: &'static str,
    /// Event time of the oldest reading behind it: its age is counted from there.
    pub oldest: Timestamp,
    /// The encoded record.
    pub body: Vec<u8>,
    /// There if it waits for the gateway's clock to be set: its times are by that, in this start of the gateway.
    pub unset: Option<u128>,
}

/// Waits for a [`Commit`] to be durable: holds its admission permits and settles its readings.
pub trait Committed: Send {
    /// The transaction ended at `at`. Called on the store's thread, so it must be quick. A guard
    /// that is dropped without this call belongs to effects that were not committed.
    fn committed(self: Box<Self>, at: Timestamp);
}

/// Effects of one device, committed together with its last effect number.
pub struct Commit {
    /// From [`DeviceRow::id`].
    pub device: i64,
    /// Journal position of the last input behind it; 0 without a journal.
    pub position: u64,
    /// End of the newest window that the records tell of.
    pub told_until: Timestamp,
    /// In order of their numbers. Those committed before are skipped, so that a replay commits once.
    /// May be empty: then the guard alone waits its turn.
    pub records: Vec<Record>,
    /// Replaces the device's checkpoint.
    pub checkpoint: Option<Box<Checkpoint>>,
    /// Told once the records are durable.
    pub on_commit: Option<Box<dyn Committed>>,
}

/// A message that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// When it arrived.
    pub at: Timestamp,
    /// Name of the source it came through.
    pub source: String,
    /// Its topic.
    pub topic: String,
    /// Reason in the books.
    pub reason: Cow<'static, str>,
    /// What exactly was wrong.
    pub detail: String,
    /// Raw bytes, the first of them if there were too many.
    pub payload: Vec<u8>,
    /// Bytes of the whole payload.
    pub payload_len: usize,
    /// Of the journal's entry that it is in; empty if it is in none.
    pub trace_id: String,
}

/// A stored dead letter. Identical letters (source, topic, reason, payload) share a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// Key; grows with time.
    pub id: i64,
    /// When the newest of them arrived.
    pub at: Timestamp,
    /// Name of the source.
    pub source: String,
    /// Topic.
    pub topic: String,
    /// Reason in the books.
    pub reason: String,
    /// What was wrong with the first of them.
    pub detail: String,
    /// The first bytes of the payload, or `None` if what is stored fails its checksum.
    pub payload: Option<Vec<u8>>,
    /// Bytes of the whole payload.
    pub payload_len: u64,
    /// How many there were.
    pub count: u64,
    /// Of the journal's entry that the newest of them is in; empty if it is in none.
    pub trace_id: String,
}

/// A record waiting in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutRow {
    /// Position in the outbox; grows with time, never used twice.
    pub seq: i64,
    /// Its lane.
    pub lane: Lane,
    /// Name of the device.
    pub device: String,
    /// See [`Record::kind`].
    pub kind: String,
    /// The device's effect number.
    pub number: u64,
    /// Event time of the oldest reading behind it: its age is counted from there.
    pub oldest: Timestamp,
    /// The encoded record, exactly as committed.
    pub body: Vec<u8>,
}

/// Records given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eviction {
    /// Of which lane.
    pub lane: Lane,
    /// Name of a [`Reason`].
    pub reason: String,
    /// How many, ever.
    pub n: u64,
}

/// The state of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// The lanes' books, most urgent first.
    pub lanes: [(Lane, LaneBook); Lane::ALL.len()],
    /// Bytes that each of them takes up.
    pub lane_bytes: [u64; Lane::ALL.len()],
    /// Blocks of folded summaries.
    pub blocks: u64,
    /// Summaries that wait in them.
    pub folded: u64,
    /// What `evicted` is made of.
    pub evictions: Vec<Eviction>,
    /// Devices ever opened.
    pub devices: u64,
    /// What became of dead letters.
    pub dead_letters: LetterCounts,
    /// Records that wait for the gateway's clock to be set.
    pub held: u64,
    /// Times of which nobody knows what was lost.
    pub gaps: Gaps,
    /// Effects whose number did not follow the one before: a bug, or effects lost before commit.
    pub effect_gaps: u64,
    /// Records refused because their device was never opened here: a bug.
    pub refused: u64,
    /// Bytes of the database and its write-ahead log.
    pub file_bytes: u64,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// Requests in order of arrival; they wait when the disk does.
pub(super) enum Intake {
    Commit(Commit),
    DeadLetter(DeadLetter),
    OpenDevice(OpenDevice),
    Flush(oneshot::Sender<()>),
}

pub(super) struct OpenDevice {
    pub(super) name: String,
    pub(super) class: String,
    pub(super) reply: oneshot::Sender<DeviceRow>,
}

/// Requests that overtake intake.
pub(super) enum Service {
    Fetch {
        lane: Lane,
        after: i64,
        limit: usize,
        reply: Reply<Vec<OutRow>>,
    },
    Delivered(Vec<(Lane, i64)>),
    GiveUp(Vec<(Lane, i64)>, Reason),
    Newest(Reply<i64>),
    Stats(Reply<Stats>),
    /// The gateway's clock is not set in this start of it; `None`: it is.
    ClockUnset(Option<UnsetBoot>, Reply<()>),
    /// It was set: times of that start are to be moved by so much.
    ClockSet(u128, Span, Reply<()>),
    /// Makes what is committed survive the loss of power.
    Sync(Reply<()>),
    Subscriptions {
        source: String,
        filters: Vec<String>,
        reply: Reply<Vec<String>>,
    },
    Gaps {
        gaps: Vec<Gap>,
        reply: Reply<()>,
    },
    DeadLetters {
        limit: usize,
        reply: Reply<Vec<DeadLetterRow>>,
    },
    /// Makes the disk full at this many pages.
    #[cfg(test)]
    PageLimit(u32),
}
