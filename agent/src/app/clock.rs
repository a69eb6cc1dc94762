//! The gateway's clock at a start: what it is worth, what the devices are to be told of it, and who hears of it once it is
//! set.

use std::collections::HashMap;
use std::time::Duration;

use eyot_pipeline::gateway::{ClockStep, GatewayClock, STEP};
use eyot_pipeline::{Span, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Trust};
use crate::config;
use crate::error::chain;
use crate::store::{SourceState, Store, StoreHandle, UnsetBoot};

/// How often it is looked whether the clock was set.
const LOOK: Duration = Duration::from_millis(200);

/// What gateway time has begun with.
pub(super) struct Begun {
    /// What the devices are to be told that are known already.
    pub(super) step: Option<ClockStep>,
    /// The start of the gateway in which its clock is not set, if it is not.
    unset: Option<UnsetBoot>,
    /// Starts in which it was not, and what their times are to be moved by.
    known: Option<(u128, Span)>,
    /// Steps until then.
    steps: u64,
}

impl Begun {
    /// From here on there is gateway time. `books` say what the latest time is that is known.
    pub(super) fn new(
        config: &config::Clock,
        store: &Store,
        books: &HashMap<String, SourceState>,
    ) -> Self {
        let last = books.values().map(|state| state.stored_at).max();
        let last = last.filter(|at| *at > Timestamp(0));
        let of = |boot| store.unset.iter().find(|unset| unset.boot == boot);
        let trust = Trust {
            rtc: config.rtc,
            synchronised: config.synchronised.clone(),
        };
        let line = clock::begin(trust, |boot| Some(of(boot)?.base), last);
        let mut begun = Self {
            step: None,
            unset: None,
            known: None,
            steps: clock::steps(),
        };
        let (by, clock) = (Span::ZERO, line.clock);
        match line.clock {
            GatewayClock::Unset { boot } => {
                tracing::warn!(
                    now = clock::rfc3339(clock::now()),
                    "the gateway's clock is not set: times are counted from a guess until it is"
                );
                let base = line.base;
                begun.unset = Some(UnsetBoot { boot, base });
                begun.step = Some(ClockStep { by, clock });
            }
            GatewayClock::Set => {
                if let Some(unset) = of(clock::boot()) {
                    // It was set while no agent was there.
                    let by = line.base - unset.base;
                    begun.known = Some((unset.boot, by));
                    begun.step = Some(ClockStep { by, clock });
                } else if !store.unset.is_empty() {
                    begun.step = Some(ClockStep { by, clock });
                } else if let Some(by) = last.map(|last| clock::now() - last)
                    && by.0 <= -STEP.0
                {
                    tracing::warn!(%by, "the gateway's clock was set back since the last run");
                    begun.step = Some(ClockStep { by, clock });
                }
            }
        }
        begun
    }

    /// Tells the store, now and once the clock is set.
    pub(super) async fn tell(self, store: StoreHandle, stop: CancellationToken) {
        if let Some((boot, by)) = self.known {
            log(store.clock_set(boot, by).await);
        }
        log(store.clock_unset(self.unset).await);
        let Some(UnsetBoot { boot, .. }) = self.unset else {
            return;
        };
        tokio::spawn(async move {
            while clock::gateway() != GatewayClock::Set {
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = stop.cancelled() => return,
                }
            }
            log(store.clock_set(boot, clock::added_since(self.steps)).await);
        });
    }
}

fn log(result: Result<(), crate::store::StoreError>) {
    if let Err(error) = result {
        let error = chain(&error);
        tracing::error!(error, "cannot note what the gateway's clock is worth");
    }
}
