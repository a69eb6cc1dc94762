//! The journal's thread: what sources and timers bring is appended in groups, and only then acknowledged and
//! handed to the devices.
//!
//! ```text
//! source ──Append──▶ bounded channel ──▶ thread: gather → commit → Append::committed ──▶ books, PUBACK, devices
//! ```
//!
//! Commits follow the natural burst. Whatever has come while the last commit was under way goes into the next
//! one; if the disk takes its time to sync, a part of that time is waited for company first, since the broker sends
//! more as soon as it is acknowledged something. Nothing ever waits longer than `max_wait` for company.
//!
//! A commit that fails is tried again for as long as it takes; the channel fills, sources stop reading, and the
//! brokers keep what they have.

mod shared;
mod thread;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use eyot_journal::{
    DeviceInput, Disk, FileError, Journal, Letter, Reader, RealDisk, Recovery, SourcePart,
};
use eyot_pipeline::{Span, Timestamp};
use tokio::sync::{mpsc, oneshot};

use self::shared::Shared;
use self::thread::{Request, Worker};

/// Bursts that wait for the journal at most.
const CHANNEL: usize = 64;

/// Something to be appended as one entry.
pub trait Append: Send {
    /// Gateway time of admission, in whole microseconds.
    fn admitted(&self) -> Timestamp;
    /// The source's part.
    fn source(&self) -> Option<SourcePart<'_>> {
        None
    }
    /// Dead letters, which go into the source's part.
    fn letters<'a>(&'a self, _: &mut Vec<Letter<'a>>) {}
    /// What the devices are told.
    fn inputs<'a>(&'a self, inputs: &mut Vec<DeviceInput<'a>>);
    /// How often the gateway's clock had stepped when its times were taken; `None`: it is about a step itself.
    fn steps(&self) -> Option<u64>;
    /// The clock has stepped since, and the devices have been told: what is by it is to be by the new time.
    fn move_times(&mut self, _: Span) {}
    /// The journal has no room for readings: they are given up, and the source's part says so from now on.
    fn shed(&mut self) {}
    /// The journal has it, at `position`. Called on the journal's thread, in the order of positions, so it must be
    /// quick.
    fn committed(self: Box<Self>, position: u64);
}

/// How to open a journal.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its folder; created if it is not there.
    pub dir: PathBuf,
    /// Bytes of all segments together.
    pub max_bytes: u64,
    /// Whether every commit is synced, so that it survives the loss of power.
    pub sync: bool,
    /// Longest wait of a commit for company.
    pub max_wait: Duration,
    /// Positions up to here were used before, whatever is left of the journal.
    pub used: u64,
    /// Sync takes this much longer: a slow disk, for tests. `None` otherwise.
    pub slow_sync: Option<Duration>,
}

/// Why the journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder.
    #[error("cannot use the folder {dir} for the journal")]
    Folder {
        /// Which.
        dir: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The segments.
    #[error("cannot open the journal")]
    Journal(#[from] FileError),
    /// No thread.
    #[error("cannot start the journal's thread")]
    Spawn(#[source] std::io::Error),
}

/// Sends to the journal; cheap to clone. When the last handle is dropped the thread ends.
#[derive(Clone)]
pub struct JournalHandle<D: Disk = RealDisk> {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared<D>>,
}

/// The journal's thread.
pub struct JournalThread(JoinHandle<()>);

impl JournalThread {
    /// Waits until the last handle is dropped and everything is written.
    pub fn join(self) {
        let _ = self.0.join();
    }
}

/// Opens a journal and starts its thread. Blocks on the disk: not for a tokio worker.
///
/// # Errors
/// If the folder cannot be used. Damage is no error: `Recovery` tells of it.
pub fn open(options: &Options) -> Result<(JournalHandle, JournalThread, Recovery), OpenError> {
    let disk = RealDisk::open(&options.dir).map_err(|source| OpenError::Folder {
        dir: options.dir.clone(),
        source,
    })?;
    open_on(disk, options)
}

/// The same on any disk.
///
/// # Errors
/// If it cannot be used.
pub(crate) fn open_on<D: Disk>(
    disk: D,
    options: &Options,
) -> Result<(JournalHandle<D>, JournalThread, Recovery), OpenError> {
    let sizes = eyot_journal::Options {
        max_bytes: options.max_bytes,
        segment_bytes: (options.max_bytes / 32).clamp(64 << 10, 8 << 20),
        at_least: options.used + 1,
    };
    let (journal, recovery) = Journal::open(disk, sizes)?;
    let (requests, port) = mpsc::channel(CHANNEL);
    let shared = Arc::new(Shared::new(&journal, options));
    let worker = Worker::new(journal, options, Arc::clone(&shared), port);
    let thread = std::thread::Builder::new()
        .name("eyot-journal".into())
        .spawn(move || worker.run())
        .map_err(OpenError::Spawn)?;
    let handle = JournalHandle { requests, shared };
    Ok((handle, JournalThread(thread), recovery))
}

impl<D: Disk> JournalHandle<D> {
    /// Hands over what is to be appended; waits only for room in the channel. Should the thread be gone, what it
    /// was told is unacknowledged, and comes again.
    pub async fn append(&self, append: impl Append + 'static) {
        let _ = self.requests.send(Request::Append(Box::new(append))).await;
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// Gives it back if there is no room.
    pub fn try_append<A: Append + 'static>(&self, append: A) -> Result<(), A> {
        match self.requests.try_reserve() {
            Ok(permit) => {
                permit.send(Request::Append(Box::new(append)));
                Ok(())
            }
            Err(_) => Err(append),
        }
    }

    /// Reads from a position on.
    pub fn reader(&self, from: u64) -> Reader<D> {
        self.shared.reader(from)
    }

    /// Position of the last entry that is committed and of which everyone has been told.
    pub fn committed(&self) -> u64 {
        self.shared.committed()
    }

    /// Deletes the segments that hold nothing from `position` on.
    pub async fn remove_before(&self, position: u64) {
        let (done, removed) = oneshot::channel();
        let request = Request::RemoveBefore(position, done);
        if self.requests.send(request).await.is_ok() {
            let _ = removed.await;
        }
    }

    /// Resolves once everything handed over before is committed and has been told so.
    pub async fn barrier(&self) {
        let (done, passed) = oneshot::channel();
        if self.requests.send(Request::Barrier(done)).await.is_ok() {
            let _ = passed.await;
        }
    }

    /// Shows the journal without keeping it open.
    pub fn view(&self) -> JournalView<D> {
        JournalView(Arc::clone(&self.shared))
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes()
    }

    /// Bytes that all segments may have.
    pub fn max_bytes(&self) -> u64 {
        self.shared.max_bytes
    }

    /// Whether commits are synced.
    pub fn survives_power_loss(&self) -> bool {
        self.shared.sync
    }

    /// The position behind the oldest segment, if that is not the one being written.
    pub fn first_closed_end(&self) -> Option<u64> {
        self.shared.first_closed_end()
    }

    /// The position that has about half of the bytes before it.
    pub fn middle(&self) -> u64 {
        self.shared.middle()
    }
}

/// The journal as others may see it.
#[derive(Clone)]
pub struct JournalView<D: Disk = RealDisk>(Arc<Shared<D>>);

impl<D: Disk> JournalView<D> {
    /// What has happened since the start.
    pub fn status(&self) -> Status {
        self.0.status()
    }
}

/// How the journal stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Bytes of all segments.
    pub bytes: u64,
    /// Bytes that they may have.
    pub max_bytes: u64,
    /// Entries committed since the start.
    pub entries: u64,
    /// Readings among them.
    pub readings: u64,
    /// Bytes written for them.
    pub written: u64,
    /// Commits that took them.
    pub commits: u64,
    /// Why it cannot commit at present; `None` while it can.
    pub failing: Option<String>,
    /// Whether there is no room for readings.
    pub full: bool,
}
