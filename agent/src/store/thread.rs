//! The thread that owns the writing connection: gather, commit, tell.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use eyot_pipeline::retention::Reason;
use eyot_pipeline::time::Span;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::batch::{Batch, Removals};
use super::books::Ledger;
use super::boot::Loaded;
use super::headroom::{Headroom, Relief};
use super::message::{Intake, Service};
use super::outbox::{self, Outbox, Removal};
use super::scan::Scan;
use super::schema::{self, key};
use super::{
    DeviceRow, Options, Stats, StoreError, boot, dead_letters, gaps, headroom, held, loss,
};

/// Books that change without any commit are saved this often, or as often as the options say if that is longer.
const BOOKS_INTERVAL: Duration = Duration::from_secs(1);
/// A batch without an alert waits so many times as long for company: each commit writes the same pages again, and what
/// waits is in the journal.
const UNHURRIED: u32 = 10;
/// No more is folded or merged between two commits once it took so long.
const FOLDING: Duration = Duration::from_millis(10);
/// First and longest pause before a failed transaction is tried again.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// The thread's ends of the channels.
pub(super) struct Ports {
    pub(super) intake: mpsc::Receiver<Intake>,
    pub(super) service: mpsc::Receiver<Service>,
    pub(super) changed: watch::Sender<u64>,
    pub(super) degraded: watch::Sender<Option<String>>,
    pub(super) stop: Arc<Notify>,
}

/// What came out of a transaction.
#[derive(Default)]
struct Written {
    added: u64,
    devices: Vec<DeviceRow>,
}

/// Runs on a runtime of its own, on a thread of its own, where SQLite may block as it likes.
pub(super) struct Worker {
    options: Options,
    ports: Ports,
    db: Connection,
    outbox: Outbox,
    headroom: Headroom,
    ledger: Ledger,
    /// Whether the database is marked as stopped in order; the first transaction takes that back.
    clean_stop: bool,
    /// No request can come any more, and none is left.
    drained: bool,
    /// The database turned out to be damaged.
    damaged: bool,
    /// Everything is being looked at.
    scan: Option<Scan>,
    /// When the books are saved though nobody commits. `None` before the first transaction: until
    /// then the live books may not be restored yet.
    books_due: Option<Instant>,
    /// When the books were saved last.
    books_saved: Option<Instant>,
}

impl Worker {
    pub(super) fn new(options: Options, loaded: Loaded, ports: Ports) -> Self {
        Self {
            scan: loaded
                .scan_due
                .then(|| Scan::new(&loaded.db).ok())
                .flatten(),
            headroom: Headroom::new(&options.dir, options.headroom, options.patience, &loaded.db),
            options,
            ports,
            db: loaded.db,
            outbox: loaded.outbox,
            ledger: loaded.ledger,
            clean_stop: loaded.clean_stop,
            drained: false,
            damaged: false,
            books_due: None,
            books_saved: None,
        }
    }

    /// Until it is told to stop or the last handle is dropped.
    pub(super) async fn run(mut self) -> Result<(), StoreError> {
        while !self.drained {
            let batch = self.gather().await;
            self.write(batch).await?;
            self.upkeep();
        }
        self.close()
    }

    /// Waits for requests until the batch is due, full, or awaited by someone.
    async fn gather(&mut self) -> Batch {
        let mut batch = Batch::default();
        let mut due: Option<Instant> = None;
        loop {
            while !batch.is_full()
                && let Ok(message) = self.ports.intake.try_recv()
            {
                batch.push(message);
            }
            // After intake, so that a flush covers the deliveries sent before it.
            for _ in 0..self.ports.service.len() {
                if let Ok(request) = self.ports.service.try_recv() {
                    self.serve(request, &mut batch.removals);
                }
            }
            if self.drained || batch.is_full() || batch.is_urgent() {
                return batch;
            }
            if !batch.is_empty() {
                let mut wait = self.options.commit_interval;
                if due.is_none() && !batch.is_pressing() {
                    wait = self.options.pace.stretch(wait * UNHURRIED);
                }
                let until = Instant::now() + wait;
                if due.is_none_or(|due| batch.is_pressing() && until < due) {
                    due = Some(until);
                }
            }
            tokio::select! {
                message = self.ports.intake.recv() => match message {
                    Some(message) => batch.push(message),
                    None => self.drained = true,
                },
                Some(request) = self.ports.service.recv() => {
                    self.serve(request, &mut batch.removals);
                }
                () = at(due.or(self.books_due)) => return batch,
                () = self.ports.stop.notified() => self.refuse_more(),
            }
        }
    }

    /// What is in the channels is still served; senders find them closed.
    fn refuse_more(&mut self) {
        self.ports.intake.close();
        self.ports.service.close();
    }

    /// Commits the batch, however long that takes; gives up only when told to stop.
    async fn write(&mut self, mut batch: Batch) -> Result<(), StoreError> {
        let mut pause = RETRY_PAUSE.0;
        loop {
            match self.transact(&batch) {
                Ok(written) => {
                    self.headroom.written();
                    self.report(None);
                    if written.added > 0 {
                        self.ports.changed.send_modify(|n| *n += 1);
                    }
                    batch.committed(written.devices, (self.options.clock)());
                    return Ok(());
                }
                Err(source) if self.ports.intake.is_closed() => {
                    return Err(StoreError::Unwritten {
                        commits: batch.commits.len(),
                        source,
                    });
                }
                Err(error) => {
                    self.report(Some(&error));
                    self.relieve(&error);
                }
            }
            self.wait(pause, &mut batch.removals).await;
            pause = (pause * 2).min(RETRY_PAUSE.1);
            self.make_room(&mut batch.removals);
        }
    }

    /// Pauses, serving all the while.
    async fn wait(&mut self, pause: Duration, removals: &mut Removals) {
        let end = Instant::now() + pause;
        while !self.ports.intake.is_closed() {
            tokio::select! {
                Some(request) = self.ports.service.recv(), if !removals.is_full() => {
                    self.serve(request, removals);
                }
                () = self.ports.stop.notified() => self.refuse_more(),
                () = sleep_until(end) => return,
            }
        }
    }

    /// While the disk is full, deliveries go ahead of the batch. If even that fails, they stay in it.
    fn make_room(&mut self, removals: &mut Removals) {
        if removals.is_empty() && self.headroom.is_held() {
            return;
        }
        let alone = Batch::of(std::mem::take(removals));
        if self.transact(&alone).is_err() {
            *removals = alone.removals;
        }
    }

    /// If the disk is full: gives it the reserved room. The outbox may grow by a part of it; if the disk stays full
    /// even so, records are given up.
    fn relieve(&mut self, error: &rusqlite::Error) {
        if !headroom::is_disk_full(error) {
            return;
        }
        match self.headroom.give(&self.db) {
            Relief::Given(spare) => self.outbox.squeeze(spare),
            Relief::Spent => self.outbox.squeeze(0),
            Relief::None | Relief::Wait => {}
        }
    }

    /// Looks at a few more rows.
    fn scan(&mut self) {
        let Some(scan) = &mut self.scan else { return };
        match scan.step(&self.db) {
            Ok(true) => {}
            Ok(false) => {
                let (bytes, now) = (scan.bytes, (self.options.clock)());
                self.scan = None;
                tracing::info!(bytes, "every row of the database was looked at");
                if let Err(error) = schema::set_meta(&self.db, key::CHECKED_AT, now.0) {
                    tracing::debug!(%error, "cannot note when the database was looked at");
                }
            }
            Err(error) => self.look_for_damage(&error),
        }
    }

    /// What is done beside commits, a little at a time.
    fn upkeep(&mut self) {
        self.scan();
        if self.headroom.take_back(&self.db) {
            self.outbox.relax();
            self.report(None);
        }
        let started = Instant::now();
        while started.elapsed() < FOLDING {
            match self.fold() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, "nothing folded");
                    break;
                }
            }
        }
    }

    /// At most one block of each kind, so that no commit waits for long. False if there was none.
    fn fold(&mut self) -> rusqlite::Result<bool> {
        let Options {
            clock, fold, merge, ..
        } = self.options;
        let mut outbox = self.outbox.clone();
        outbox.now = clock();
        let tx = self.db.transaction()?;
        let worked = outbox.fold_some(&tx, fold)? + outbox.downsample(&tx, fold, merge)? > 0;
        if worked {
            let added = outbox.settle(&tx)?;
            outbox.save(&tx, &self.outbox)?;
            tx.commit()?;
            self.outbox = outbox;
            if added > 0 {
                self.ports.changed.send_modify(|n| *n += 1);
            }
        }
        Ok(worked)
    }

    /// Publishes whether commits fail, and logs it when that changes.
    fn report(&mut self, failure: Option<&rusqlite::Error>) {
        if let Some(error) = failure {
            self.look_for_damage(error);
        }
        if self.damaged {
            return;
        }
        let degraded = self.ports.degraded.borrow().is_some();
        match failure {
            Some(error) if !degraded => {
                tracing::error!(%error, dir = %self.options.dir.display(), "cannot commit, retrying");
                self.ports.degraded.send_replace(Some(error.to_string()));
            }
            None if degraded && self.headroom.is_held() => {
                tracing::info!(dir = %self.options.dir.display(), "commits succeed again");
                self.ports.degraded.send_replace(None);
            }
            _ => {}
        }
    }

    /// If an error says that the database is damaged, it is salvaged at the next start; until then the store goes on
    /// as far as it can, and the journal keeps what it cannot.
    fn look_for_damage(&mut self, error: &rusqlite::Error) {
        if self.damaged || !StoreError::is_damage(error) {
            return;
        }
        self.damaged = true;
        let dir = &self.options.dir;
        tracing::error!(%error, dir = %dir.display(), "the database is damaged: restart the agent to have it salvaged");
        boot::note_damage(dir);
        self.ports.degraded.send_replace(Some(format!(
            "the database is damaged ({error}): restart the agent to have it salvaged"
        )));
    }

    /// Writes the batch and, when they are due, the sources' books; or nothing.
    fn transact(&mut self, batch: &Batch) -> rusqlite::Result<Written> {
        let instant = Instant::now();
        let interval = match self.options.books_interval {
            Duration::ZERO => Duration::ZERO,
            interval => self.options.pace.stretch(interval),
        };
        let fresh = |saved| instant - saved < interval;
        let books_wait = !batch.is_awaited() && self.books_saved.is_some_and(fresh);
        let books = !books_wait && self.ledger.gather();
        let idle = BOOKS_INTERVAL.max(self.options.books_interval);
        self.books_due = Some(instant + self.options.pace.stretch(idle));
        let now = (self.options.clock)();
        let mut outbox = self.outbox.clone();
        outbox.now = now;
        let due =
            outbox.is_due(&self.db, now)? || outbox.is_release_due(&self.db, &self.options)?;
        if batch.is_empty() && !books && !due {
            return Ok(Written::default());
        }
        let mut written = Written::default();
        let tx = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        if self.clean_stop {
            schema::set_meta(&tx, key::CLEAN_STOP, 0)?;
        }
        let removals = &batch.removals;
        outbox.remove(&tx, removals.delivered.iter().copied(), Removal::Delivered)?;
        for &(lane, seq, reason) in &removals.given_up {
            outbox.remove(&tx, [(lane, seq)], Removal::Evicted(reason))?;
        }
        for commit in &batch.commits {
            written.added += outbox.append(&tx, commit)?;
        }
        written.added += outbox.release(&tx, &self.options)?;
        written.added += outbox.settle(&tx)?;
        outbox.save(&tx, &self.outbox)?;
        dead_letters::append(&tx, &batch.letters, self.options.dead_letters)?;
        if books {
            let now = (self.options.clock)();
            self.ledger.save(&tx, self.options.dead_letters, now)?;
        }
        for open in &batch.opens {
            written
                .devices
                .push(outbox::open_device(&tx, &open.name, &open.class)?);
        }
        if let Some(delay) = self.options.slow_commit {
            std::thread::sleep(delay);
        }
        tx.commit()?;
        self.clean_stop = false;
        self.outbox = outbox;
        if books {
            self.ledger.saved();
            self.books_saved = Some(instant);
        }
        Ok(written)
    }

    /// Answers at once from what is committed. Whoever no longer listens needs no answer.
    fn serve(&mut self, request: Service, removals: &mut Removals) {
        match request {
            Service::Fetch {
                lane,
                after,
                limit,
                reply,
            } => {
                let fetched = self
                    .outbox
                    .lend(&self.db, lane, after, limit)
                    .map(|fetched| {
                        let corrupt = fetched.corrupt.into_iter();
                        let corrupt = corrupt.map(|seq| (lane, seq, Reason::Corrupt));
                        removals.given_up.extend(corrupt);
                        fetched.intact
                    });
                if let Err(error) = &fetched {
                    self.look_for_damage(error);
                }
                let _ = reply.send(fetched.map_err(StoreError::reading("outbox")));
            }
            Service::Delivered(rows) => removals.delivered.extend(rows),
            Service::GiveUp(rows, reason) => removals
                .given_up
                .extend(rows.into_iter().map(|(lane, seq)| (lane, seq, reason))),
            Service::Newest(reply) => {
                let newest = outbox::newest(&self.db);
                let _ = reply.send(newest.map_err(StoreError::reading("outbox")));
            }
            Service::Stats(reply) => {
                let _ = reply.send(self.stats().map_err(StoreError::reading("statistics")));
            }
            Service::ClockUnset(unset, reply) => {
                self.outbox.clock_is_unset(unset.map(|unset| unset.boot));
                let begun = held::begin(&self.db, unset);
                let _ = reply.send(begun.map_err(StoreError::reading("starts of the gateway")));
            }
            Service::ClockSet(boot, by, reply) => {
                let set = self.clock_set(boot, by);
                self.books_due = Some(Instant::now());
                let _ = reply.send(set.map_err(StoreError::reading("starts of the gateway")));
            }
            Service::Sync(reply) => {
                let synced = schema::sync(&self.db);
                if let Err(error) = &synced {
                    self.look_for_damage(error);
                }
                let _ = reply.send(synced.map_err(StoreError::reading("write-ahead log")));
            }
            Service::Subscriptions {
                source,
                filters,
                reply,
            } => {
                let before = schema::swap_subscriptions(&self.db, &source, &filters);
                let _ = reply.send(before.map_err(StoreError::reading("subscriptions")));
            }
            Service::Gaps { gaps, reply } => {
                let added = gaps::add(&self.db, &gaps);
                let _ = reply.send(added.map_err(StoreError::reading("gaps")));
            }
            Service::DeadLetters { limit, reply } => {
                let letters = dead_letters::list(&self.db, limit);
                let _ = reply.send(letters.map_err(StoreError::reading("dead letters")));
            }
            #[cfg(test)]
            Service::PageLimit(pages) => {
                let limit = self.db.pragma_update(None, "max_page_count", pages);
                assert_eq!(limit, Ok(()));
            }
        }
    }

    fn clock_set(&mut self, boot: u128, by: Span) -> rusqlite::Result<()> {
        let mut outbox = self.outbox.clone();
        outbox.now = (self.options.clock)();
        let tx = self.db.transaction()?;
        outbox.clock_set(&tx, &self.options.agent, boot, by)?;
        outbox.save(&tx, &self.outbox)?;
        tx.commit()?;
        self.outbox = outbox;
        self.ports.changed.send_modify(|n| *n += 1);
        Ok(())
    }

    fn stats(&self) -> rusqlite::Result<Stats> {
        let devices = self
            .db
            .prepare_cached("SELECT COUNT(*) FROM devices WHERE name <> ?1")?
            .query_row([loss::DEVICE], |row| row.get(0))?;
        let size = |name| {
            let path = self.options.dir.join(name);
            std::fs::metadata(path).map_or(0, |file| file.len())
        };
        Ok(Stats {
            lanes: self.outbox.lanes(),
            lane_bytes: self.outbox.bytes,
            blocks: self.outbox.folded.blocks,
            folded: self.outbox.folded.rows,
            evictions: outbox::evictions(&self.db)?,
            devices,
            dead_letters: dead_letters::counts(&self.db)?,
            held: self.outbox.waiting.rows,
            gaps: gaps::summary(&self.db)?,
            effect_gaps: schema::counter(&self.db, key::EFFECT_GAPS)?,
            refused: schema::counter(&self.db, key::REFUSED)?,
            file_bytes: size("eyot.db") + size("eyot.db-wal"),
        })
    }

    /// Saves what the last guards settled, marks the stop as orderly and closes the database.
    fn close(mut self) -> Result<(), StoreError> {
        self.books_saved = None;
        self.transact(&Batch::default())
            .and_then(|_| schema::set_meta(&self.db, key::CLEAN_STOP, 1))
            .map_err(StoreError::Close)?;
        self.db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            .and_then(|()| self.db.close().map_err(|(_, error)| error))
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "write-ahead log stays behind, to be read at the next start");
            });
        Ok(())
    }
}

/// Never, without a deadline.
async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
