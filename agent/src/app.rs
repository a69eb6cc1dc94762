//! Wires the parts together, and takes them apart again in order.
//!
//! Models are loaded before anything is touched, the store is opened before anyone can send to it, and
//! sources start last. Stopping goes the other way round: sources first, then devices, so that what
//! is open gets closed and committed, then the uplink and the store.

mod clock;
mod gaps;
mod journal;
#[cfg(test)]
mod power;
mod recover;
mod start;
mod status;
mod supervisor;
mod view;
mod wear;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ractor::{ActorRef, call_t};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

pub(crate) use self::start::class_runtime;
pub use self::start::{Builder, StartError};
use self::supervisor::SupervisorMessage;
use self::view::AgentView;
pub(crate) use self::view::{broker_dropped as broker_dropped_view, gaps as gaps_view};
use crate::actors::FleetMessage;
use crate::books::Ledger;
use crate::error::chain;
use crate::ops::{Phase, View};
use crate::store::{StoreError, StoreHandle, StoreThread};

/// Part of the shutdown time that the uplink gets for what is still in the outbox.
const UPLINK_SHARE: f64 = 0.4;

/// The least time for the last part of a stop.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// A running agent.
pub struct Agent {
    shutdown_timeout: Duration,
    has_uplink: bool,
    store: StoreHandle,
    store_thread: StoreThread,
    journal: Option<journal::Running>,
    fleet_actor: ActorRef<FleetMessage>,
    supervisor: ActorRef<SupervisorMessage>,
    ledger: Ledger,
    view: Arc<AgentView>,
    stop: CancellationToken,
    http: Option<SocketAddr>,
}

impl Agent {
    /// Where the page is.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// What ops shows.
    pub fn view(&self) -> Arc<dyn View> {
        Arc::clone(&self.view) as Arc<dyn View>
    }

    /// The sources' books.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The store.
    pub fn store(&self) -> &StoreHandle {
        &self.store
    }

    /// Stops in order, within the configured time.
    pub async fn stop(mut self) -> Result<(), StoreError> {
        tracing::info!(timeout = ?self.shutdown_timeout, "agent stops");
        let deadline = Instant::now() + self.shutdown_timeout;
        let left = || deadline.saturating_duration_since(Instant::now());
        self.view.set_phase(Phase::Stopping);
        if call_t!(
            self.supervisor,
            SupervisorMessage::StopSources,
            millis(left())
        )
        .is_err()
        {
            tracing::warn!("sources did not stop in time");
        }
        if let Some(journal) = &mut self.journal {
            if timeout_at(deadline, journal.handle.barrier())
                .await
                .is_err()
            {
                tracing::warn!(
                    "the journal did not take everything in time; the brokers have the rest"
                );
            }
            journal.stop_reading().await;
        }
        let wait = left().mul_f64(1.0 - UPLINK_SHARE);
        let request = |done| FleetMessage::Stop {
            timeout: wait,
            done,
        };
        match call_t!(self.fleet_actor, request, millis(left())) {
            Ok(0) => {}
            Ok(devices) => tracing::warn!(devices, "devices did not finish in time"),
            Err(error) => tracing::warn!(error = chain(&error), "devices did not finish in time"),
        }
        self.fleet_actor.stop(None);
        if timeout_at(deadline, self.store.flush()).await.is_err() {
            tracing::warn!("the store did not commit everything in time; it goes on doing so");
        }
        if self.has_uplink {
            self.drain_outbox(deadline).await;
        }
        let _ = self
            .supervisor
            .stop_and_wait(None, Some(left().max(LAST_WAIT)))
            .await;
        if let Some(journal) = self.journal {
            let limit = deadline.max(Instant::now() + LAST_WAIT);
            if timeout_at(limit, journal.close()).await.is_err() {
                tracing::warn!("the journal did not close in time");
            }
        }
        drop(self.store);
        let result = self.store_thread.shutdown().await;
        self.stop.cancel();
        tracing::info!("agent stopped");
        result
    }

    /// Gives the uplink time for what is in the outbox, as long as it gets anything done.
    async fn drain_outbox(&self, deadline: Instant) {
        let mut before = u64::MAX;
        while let Ok(stats) = self.store.stats().await {
            let buffered: u64 = stats.lanes.iter().map(|(_, book)| book.buffered).sum();
            if buffered == 0 || buffered == before || Instant::now() >= deadline {
                if buffered > 0 {
                    tracing::info!(buffered, "records stay in the outbox for the next start");
                }
                return;
            }
            before = buffered;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}
