//! The callers' side of the store's thread.

use std::fs::File;
use std::sync::Arc;
use std::thread::JoinHandle;

use eyot_pipeline::ledger::Lane;
use eyot_pipeline::retention::Reason;
use eyot_pipeline::time::Span;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::boot::Loaded;
use super::message::{Intake, OpenDevice, Reply, Service};
use super::thread::{Ports, Worker};
use super::{
    Checkpoint, Commit, Committed, DeadLetter, DeadLetterRow, DeviceRow, Gap, Options, OutRow,
    Pace, Stats, StoreError, Tallies, UnsetBoot,
};

/// Sends requests to the store. When the last handle is dropped the store stops in order, as by
/// [`StoreThread::shutdown`].
#[derive(Clone)]
pub struct StoreHandle {
    intake: mpsc::Sender<Intake>,
    service: mpsc::Sender<Service>,
    changed: watch::Receiver<u64>,
    degraded: watch::Receiver<Option<String>>,
    pace: Pace,
}

/// The store's thread. Dropping this leaves it running until the last handle is dropped.
pub struct StoreThread {
    thread: JoinHandle<Result<(), StoreError>>,
    stop: Arc<Notify>,
}

/// Starts the thread on a loaded database.
pub(super) fn start(
    options: Options,
    lock: File,
    loaded: Loaded,
) -> Result<(StoreHandle, StoreThread), StoreError> {
    let (intake, intake_port) = mpsc::channel(options.channel);
    let (service, service_port) = mpsc::channel(options.channel);
    let (changed_port, changed) = watch::channel(0);
    let (degraded_port, degraded) = watch::channel(None);
    let stop = Arc::new(Notify::new());
    let handle = StoreHandle {
        intake,
        service,
        changed,
        degraded,
        pace: options.pace.clone(),
    };
    let ports = Ports {
        intake: intake_port,
        service: service_port,
        changed: changed_port,
        degraded: degraded_port,
        stop: Arc::clone(&stop),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(StoreError::Spawn)?;
    let thread = std::thread::Builder::new()
        .name("eyot-store".into())
        .spawn(move || {
            // Free the folder last, when the database is closed.
            let _lock = lock;
            runtime.block_on(Worker::new(options, loaded, ports).run())
        })
        .map_err(StoreError::Spawn)?;
    Ok((handle, StoreThread { thread, stop }))
}

impl StoreThread {
    /// Commits what was sent, marks the stop as orderly, moves the write-ahead log into the
    /// database and closes it. Requests sent afterwards fail with [`StoreError::Gone`].
    ///
    /// # Errors
    /// If the disk refuses the last commits even now, or the thread panicked.
    pub async fn shutdown(self) -> Result<(), StoreError> {
        self.stop.notify_one();
        tokio::task::spawn_blocking(move || self.thread.join())
            .await
            .map_err(|_| StoreError::Panicked)?
            .map_err(|_| StoreError::Panicked)?
    }
}

impl StoreHandle {
    /// Opens a device, creating it at first sight. Everything sent before is committed first, so
    /// that a device that restarts sees all of its own effects.
    pub async fn open_device(&self, name: &str, class: &str) -> Result<DeviceRow, StoreError> {
        let (reply, answer) = oneshot::channel();
        let (name, class) = (name.to_owned(), class.to_owned());
        let open = OpenDevice { name, class, reply };
        self.send(Intake::OpenDevice(open)).await?;
        answer.await.map_err(|_| StoreError::Gone)
    }

    /// Hands over effects to be committed; waits only for room in the channel.
    /// [`Commit::on_commit`] tells when they are durable.
    pub async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        self.send(Intake::Commit(commit)).await
    }

    /// Moves a device's checkpoint on without its state machine: everything up to `position` has met the fates of
    /// `tallies`, and nothing of it will be asked for again.
    pub async fn move_checkpoint(
        &self,
        name: &str,
        class: &str,
        position: u64,
        tallies: Tallies,
        on_commit: Option<Box<dyn Committed>>,
    ) -> Result<(), StoreError> {
        let row = self.open_device(name, class).await?;
        let before = row.checkpoint.unwrap_or_default();
        let checkpoint = Checkpoint {
            position,
            tallies,
            ..before
        };
        self.commit(Commit {
            device: row.id,
            position: 0,
            told_until: eyot_pipeline::Timestamp(0),
            records: Vec::new(),
            checkpoint: Some(Box::new(checkpoint)),
            on_commit,
        })
        .await
    }

    /// Keeps a message that could not be decoded; waits only for room in the channel.
    pub async fn dead_letter(&self, letter: DeadLetter) -> Result<(), StoreError> {
        self.send(Intake::DeadLetter(letter)).await
    }

    /// Resolves once everything sent before is committed.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let (done, answer) = oneshot::channel();
        self.send(Intake::Flush(done)).await?;
        answer.await.map_err(|_| StoreError::Gone)
    }

    /// Up to `limit` committed records of `lane` behind position `after` (0: from the start),
    /// oldest first. Records that fail their checksum are evicted with reason `corrupt` instead.
    pub async fn fetch(
        &self,
        lane: Lane,
        after: i64,
        limit: usize,
    ) -> Result<Vec<OutRow>, StoreError> {
        self.ask(|reply| Service::Fetch {
            lane,
            after,
            limit,
            reply,
        })
        .await
    }

    /// The upstream has these records (lane and position): they leave with one of the next commits.
    /// Those that are gone already are not counted again.
    pub async fn delivered(&self, rows: Vec<(Lane, i64)>) -> Result<(), StoreError> {
        self.service
            .send(Service::Delivered(rows))
            .await
            .map_err(|_| StoreError::Gone)
    }

    /// The upstream will never have these records: they leave with one of the next commits, and a
    /// loss record says so.
    pub async fn give_up(&self, rows: Vec<(Lane, i64)>, reason: Reason) -> Result<(), StoreError> {
        self.service
            .send(Service::GiveUp(rows, reason))
            .await
            .map_err(|_| StoreError::Gone)
    }

    /// Position of the newest record in the outbox, over all lanes; 0 if there is none.
    pub async fn newest(&self) -> Result<i64, StoreError> {
        self.ask(Service::Newest).await
    }

    /// The committed state of the store.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        self.ask(Service::Stats).await
    }

    /// Resolves once everything committed before survives the loss of power.
    pub async fn sync(&self) -> Result<(), StoreError> {
        self.ask(Service::Sync).await
    }

    /// Remembers what the broker is asked for on behalf of a source, and returns what it was before.
    pub async fn swap_subscriptions(
        &self,
        source: &str,
        filters: Vec<String>,
    ) -> Result<Vec<String>, StoreError> {
        let source = source.to_owned();
        self.ask(|reply| Service::Subscriptions {
            source,
            filters,
            reply,
        })
        .await
    }

    /// The gateway's clock is not set in this start of it; `None`: it is, and what waits for that of other starts waits in
    /// vain.
    pub async fn clock_unset(&self, unset: Option<UnsetBoot>) -> Result<(), StoreError> {
        self.ask(|reply| Service::ClockUnset(unset, reply)).await
    }

    /// The gateway's clock was set: times of that start of it are to be moved by so much. The upstream is told, and what
    /// has waited for it leaves.
    pub async fn clock_set(&self, boot: u128, by: Span) -> Result<(), StoreError> {
        self.ask(|reply| Service::ClockSet(boot, by, reply)).await
    }

    /// Writes down times of which nobody knows what was lost.
    pub async fn gaps(&self, gaps: Vec<Gap>) -> Result<(), StoreError> {
        self.ask(|reply| Service::Gaps { gaps, reply }).await
    }

    /// How much longer than configured commits wait.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Up to `limit` dead letters, newest first.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetterRow>, StoreError> {
        self.ask(|reply| Service::DeadLetters { limit, reply })
            .await
    }

    /// Changes after each commit that added records to the outbox.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.clone()
    }

    /// Why the store cannot commit at present; `None` while it can.
    pub fn degraded(&self) -> watch::Receiver<Option<String>> {
        self.degraded.clone()
    }

    /// Makes the disk full when the database has `pages` pages.
    #[cfg(test)]
    pub(super) async fn limit_pages(&self, pages: u32) {
        let sent = self.service.send(Service::PageLimit(pages)).await;
        assert!(sent.is_ok(), "store has stopped");
        // Answered behind it.
        self.stats().await.unwrap();
    }

    async fn send(&self, message: Intake) -> Result<(), StoreError> {
        self.intake
            .send(message)
            .await
            .map_err(|_| StoreError::Gone)
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Service) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.service
            .send(request(reply))
            .await
            .map_err(|_| StoreError::Gone)?;
        answer.await.map_err(|_| StoreError::Gone)?
    }
}
