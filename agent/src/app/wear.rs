//! How much the process writes, and putting commits off while that is too much.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eyot_pipeline::Timestamp;
use eyot_pipeline::wear::{self, Meter, Rates};
use tokio_util::sync::CancellationToken;

use crate::config;
use crate::ops::{self, WearView};
use crate::store::Pace;

/// How often it is looked: what is shown is this old at most.
const LOOK: Duration = Duration::from_secs(10);

/// What is known of it.
pub(super) struct Wear {
    pace: Pace,
    /// Bytes that may be written in a day.
    budget: Option<u64>,
    /// Bytes that the medium can take.
    endurance: Option<u64>,
    state: Mutex<State>,
}

struct State {
    since: Instant,
    meter: Meter,
    /// When waits were changed last.
    paced: Timestamp,
    view: Option<WearView>,
}

impl Wear {
    pub(super) fn new(store: &config::Store, pace: Pace) -> Self {
        let wear = Self {
            pace,
            budget: store.max_written_per_day,
            endurance: store.flash_endurance,
            state: Mutex::new(State {
                since: Instant::now(),
                meter: Meter::default(),
                paced: Timestamp(0),
                view: None,
            }),
        };
        wear.look();
        wear
    }

    /// As of the last look; `None` where the system does not say.
    pub(super) fn view(&self) -> Option<WearView> {
        self.lock().view.clone()
    }

    /// Looks every few seconds until the agent stops.
    pub(super) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(LOOK))
            .await
            .is_some()
        {
            self.look();
        }
    }

    fn look(&self) {
        let Some(written) = ops::written() else {
            return;
        };
        let mut state = self.lock();
        let elapsed = i64::try_from(state.since.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let now = Timestamp(elapsed);
        state.meter.note(now, written.to_storage);
        let rates = state.meter.rates();
        if let (Some(budget), Some(rates)) = (self.budget, rates)
            && now - state.paced >= wear::EVERY
        {
            state.paced = now;
            self.keep_to(budget, rates);
        }
        let pace = self.pace.factor();
        state.view = Some(WearView {
            written_bytes: written.to_storage,
            call_bytes: written.by_calls,
            bytes_per_day: rates.map(|rates| rates.hours),
            measured_s: state.meter.covers().as_millis().unsigned_abs() / 1_000,
            budget_per_day: self.budget,
            pace,
            beyond_budget: self
                .budget
                .zip(rates)
                .is_some_and(|(budget, rates)| wear::is_beyond(pace, rates, budget)),
            lifetime_days: self
                .endurance
                .zip(rates.filter(|rates| rates.hours > 0))
                .map(|(endurance, rates)| endurance as f64 / rates.hours as f64),
        });
    }

    fn keep_to(&self, budget: u64, rates: Rates) {
        let before = self.pace.factor();
        let after = wear::pace(before, rates, budget);
        let stretched = |factor: f64| factor > 1.0;
        if stretched(before) != stretched(after) {
            let (recent, hours) = (rates.recent, rates.hours);
            tracing::info!(
                budget,
                recent,
                hours,
                put_off = stretched(after),
                "whether commits are put off to write less has changed"
            );
        }
        self.pace.set(after);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
