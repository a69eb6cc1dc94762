//! The database: outbox, device numbering, books and dead letters in one SQLite file.
//!
//! One dedicated thread owns the only writing connection. Callers hold a [`StoreHandle`]; the
//! thread gathers what is waiting (for at most `commit_interval`) into one transaction, so that
//! effects, the device's last effect number, the lanes' books and the sources' books change
//! together or not at all. Two bounded channels lead to it:
//!
//! - *intake* (commits, dead letters, devices, flushes), first in, first out. When the disk cannot
//!   keep pace it fills and senders wait: that is the back-pressure;
//! - *service* (fetches, deliveries, statistics), which never waits behind intake, since
//!   delivering is what makes room.
//!
//! A transaction that fails (disk full, I/O error) is kept and retried; nothing of it is dropped. On a full
//! disk the outbox gives up records that wait, by its policy, and the reserved room lets it do so.
//!
//! ```text
//! eyot.db                 the database, with -wal and -shm beside it while it is open
//! eyot.lock               held while an agent runs on the folder
//! eyot.headroom           room held back for when the disk is full
//! eyot.identity           copy of agent uuid and store epoch, for when the database is lost
//! eyot.db.corrupt-<time>  a database that could not be used, set aside
//! eyot.db.salvage         the same while it is being read
//! eyot.db.damaged         says that it is to be, since damage was found while it was in use
//! ```

mod batch;
mod books;
mod boot;
mod checkpoints;
mod dead_letters;
mod downsample;
mod error;
mod fold;
mod gaps;
mod handle;
mod headroom;
mod held;
mod identity;
mod loss;
mod message;
mod offline;
mod outbox;
mod pace;
mod retention;
mod salvage;
mod scan;
mod schema;
mod tallies;
#[cfg(test)]
mod tests;
mod thread;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eyot_pipeline::retention::Quotas;
use eyot_pipeline::time::{Span, Timestamp};

pub use books::Books;
pub use downsample::Merge;
pub use error::StoreError;
pub use fold::Fold;
pub use handle::{StoreHandle, StoreThread};
pub use headroom::has_room_to_start;
pub use identity::Identity;
pub use loss::DEVICE as LOSS_DEVICE;
pub use message::{
    BrokerDrops, Checkpoint, Commit, Committed, DeadLetter, DeadLetterRow, DeviceRow, Eviction,
    Gap, Gaps, KnownDevice, OutRow, Record, SourceState, Stats,
};
pub use offline::{Leave, LetterCounts, Reader, is_in_use, leave};
pub use pace::Pace;
pub use salvage::Salvage;
pub use tallies::Tallies;

/// CRC-32C of every stored blob, checked when it is read.
static CRC: crc::Crc<u32, crc::Table<16>> =
    crc::Crc::<u32, crc::Table<16>>::new(&crc::CRC_32_ISCSI);

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    /// Folder of the database; created if it is not there.
    pub dir: PathBuf,
    /// How long a commit waits for company.
    pub commit_interval: Duration,
    /// The agent's name, for loss records.
    pub agent: Arc<str>,
    /// What the outbox may hold, and what goes beyond that.
    pub quotas: Quotas,
    /// When summaries are folded.
    pub fold: Fold,
    /// How two summaries become one.
    pub merge: Merge,
    /// Bytes of disk held back for when it is full; 0 for none: then senders wait until there is room.
    pub headroom: u64,
    /// How long everything waits on a disk that is full to the last byte of that, before records are given up.
    pub patience: Duration,
    /// Dead letters kept; beyond it the oldest go, counted.
    pub dead_letters: usize,
    /// Requests that each of the two channels holds before senders wait.
    pub channel: usize,
    /// Gateway time.
    pub clock: fn() -> Timestamp,
    /// How long records wait for the gateway's clock to be set, if their times are by it.
    pub hold_unsynced: Span,
    /// A record with its times moved.
    pub moved: Moved,
    /// The sources' live books. Put [`Store::books`] back into them before the first commit is sent:
    /// nothing is saved before.
    pub books: Arc<dyn Books>,
    /// How old the stored books may get while there are commits: 0 to save them with every one, longer if a
    /// journal has what they count.
    pub books_interval: Duration,
    /// How much longer than that everything but alerts waits.
    pub pace: Pace,
    /// Sleep this long in every commit: a slow disk, for tests of back-pressure. `None` otherwise.
    pub slow_commit: Option<Duration>,
    /// SQLite's file system, by the name it is registered under: one with faults, for tests. `None` otherwise.
    pub vfs: Option<String>,
}

/// A record whose times were by a clock that was not set, with all of them so much later; `None` if it is none.
pub type Moved = fn(&[u8], Span) -> Option<Vec<u8>>;

/// A start of the gateway in which its clock was not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsetBoot {
    /// Which.
    pub boot: u128,
    /// What the gateway's time was, less the time since that start.
    pub base: Timestamp,
}

/// An open store.
pub struct Store {
    /// Sends requests; cheap to clone.
    pub handle: StoreHandle,
    /// Stops it.
    pub thread: StoreThread,
    /// What record ids are made of.
    pub identity: Identity,
    /// The sources' books as they were stored last. What was in flight then is the caller's to account for.
    pub books: HashMap<String, SourceState>,
    /// Every device ever opened.
    pub devices: Vec<KnownDevice>,
    /// Starts of the gateway of which it is not known how far off its clock was.
    pub unset: Vec<UnsetBoot>,
    /// Where an unusable database was set aside to, if one was.
    pub set_aside: Option<PathBuf>,
    /// What this one has of it: the rest is lost.
    pub salvage: Option<Salvage>,
    /// Whether the last run ended without [`StoreThread::shutdown`].
    pub unclean_stop: bool,
}

impl Store {
    /// Opens the store in `options.dir` and starts its thread. Blocks on the disk: not for a tokio
    /// worker. A database that cannot be used is set aside and replaced by one with the next store
    /// epoch and what can be read of it.
    ///
    /// # Errors
    /// If the folder cannot be used, another agent holds it, or the schema is newer than this
    /// version of eyot.
    pub fn open(options: Options) -> Result<Self, StoreError> {
        let lock = boot::lock(&options.dir)?;
        let (mut loaded, left) = match boot::load(&options) {
            Err(StoreError::Open { source, .. })
                if headroom::is_disk_full(&source) && headroom::give_at_start(&options.dir) =>
            {
                boot::load(&options)?
            }
            loaded => loaded?,
        };
        let (set_aside, salvage) = left.map(|left| (left.path, left.salvage)).unzip();
        let (identity, clean_stop) = (loaded.identity, loaded.clean_stop);
        let books = loaded.ledger.stored();
        let devices = std::mem::take(&mut loaded.devices);
        let unset = std::mem::take(&mut loaded.unset);
        let (handle, thread) = handle::start(options, lock, loaded)?;
        Ok(Self {
            handle,
            thread,
            identity,
            books,
            devices,
            unset,
            set_aside,
            salvage,
            unclean_stop: !clean_stop,
        })
    }
}
