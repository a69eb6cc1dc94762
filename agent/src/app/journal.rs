//! The journal's part of a start, and of a stop.

use std::sync::Arc;
use std::time::Duration;

use ractor::ActorRef;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::recover::{self, Tails};
use super::start::StartError;
use crate::actors::{CatchUp, Fleet, FleetMessage, keep_journal_short};
use crate::books::Ledger;
use crate::config::Config;
use crate::journal::{self, JournalHandle, JournalThread};
use crate::record::Trace;
use crate::store::{Store, StoreError, StoreHandle};

/// A journal that was opened and read through.
pub(super) struct Opened {
    pub(super) handle: JournalHandle,
    thread: JournalThread,
    pub(super) tails: Tails,
}

/// A journal at work.
pub(super) struct Running {
    pub(super) handle: JournalHandle,
    thread: JournalThread,
    catch_up: CatchUp,
    retention: JoinHandle<()>,
}

impl Opened {
    /// Opens the journal and brings the books up to its end; `None` if the configuration wants none.
    pub(super) async fn open(
        config: &Config,
        slow_sync: Option<Duration>,
        store: &mut Store,
        ledger: &Ledger,
        faults: &mut Vec<String>,
    ) -> Result<Option<Self>, StartError> {
        let Some(mut options) = recover::options(config, store) else {
            faults.extend(recover::set_aside(&config.agent.data_dir));
            return Ok(None);
        };
        options.slow_sync = slow_sync;
        let (ledger, known) = (ledger.clone(), std::mem::take(&mut store.devices));
        let (sources, trace) = (config.sources.clone(), Trace::new(&store.identity));
        let opened = tokio::task::spawn_blocking(move || {
            let (handle, thread, recovery) = journal::open(&options)?;
            let tails = recover::read(&handle, (&ledger, &trace), known, &sources)?;
            let opened = Opened {
                handle,
                thread,
                tails,
            };
            Ok::<_, StartError>((opened, recovery))
        });
        let (opened, recovery) = opened.await.map_err(|_| StoreError::Panicked)??;
        let losses = opened.tails.losses.iter().cloned();
        for fault in recover::faults(&recovery).into_iter().chain(losses) {
            tracing::error!(fault, "something is missing");
            faults.push(fault);
        }
        Ok(Some(opened))
    }

    /// Starts the devices that it has something for, and whatever works on it.
    pub(super) async fn resume(
        self,
        (fleet, fleet_actor, ledger, store, stop): (
            &Arc<Fleet>,
            &ActorRef<FleetMessage>,
            &Ledger,
            &StoreHandle,
            &CancellationToken,
        ),
    ) -> Result<Running, StartError> {
        let Self {
            handle,
            thread,
            tails,
        } = self;
        tails.resume(fleet, fleet_actor, ledger, store).await?;
        let catch_up = CatchUp::start(Arc::clone(fleet), handle.clone(), ledger.clone())
            .map_err(StartError::Spawn)?;
        let retention = keep_journal_short(
            Arc::clone(fleet),
            handle.clone(),
            store.clone(),
            stop.clone(),
        );
        Ok(Running {
            handle,
            thread,
            catch_up,
            retention: tokio::spawn(retention),
        })
    }
}

impl Running {
    /// Nothing more is fetched from it.
    pub(super) async fn stop_reading(&mut self) {
        self.retention.abort();
        let _ = (&mut self.retention).await;
    }

    /// Waits until everything is written. All other handles have to be gone.
    pub(super) async fn close(self) {
        let Self {
            handle,
            thread,
            catch_up,
            ..
        } = self;
        let closed = tokio::task::spawn_blocking(move || {
            drop(catch_up);
            drop(handle);
            thread.join();
        });
        let _ = closed.await;
    }
}
