//! The agent as ops shows it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eyot_pipeline::GatewayClock;
use eyot_pipeline::Timestamp;
use tokio_util::sync::CancellationToken;

use super::wear::Wear;
use crate::actors::{self, DeviceEntry, Fleet, Liveness};
use crate::books::Ledger;
use crate::clock;
use crate::config::{Broker, Config, Freshness};
use crate::error::chain;
use crate::journal::JournalView;
use crate::link::LinkStatus;
use crate::ops::{
    BrokerDroppedView, ClockView, DeviceCounts, DeviceState, DeviceView, FreshnessView, GapView,
    GapsView, JournalStatusView, LaneView, Limits, Link, Metrics, Overview, Phase, SourceView,
    Stage, StoreView, View,
};
use crate::store::{BrokerDrops, Gaps, LetterCounts, Stats, StoreHandle};

/// How often the store's figures are fetched: they are this old at most.
const STORE_INTERVAL: Duration = Duration::from_millis(500);

/// Everything that ops may look at.
pub(super) struct AgentView {
    agent: String,
    started_at: Timestamp,
    limits: Limits,
    /// Of each class.
    freshness: Vec<(String, Freshness)>,
    metrics: Arc<Metrics>,
    fleet: Arc<Fleet>,
    ledger: Ledger,
    sources: Vec<(String, LinkStatus)>,
    uplink: Option<(String, LinkStatus)>,
    faults: Vec<String>,
    disk: Disk,
    phase: Mutex<Phase>,
    store: Mutex<(Option<Stats>, Option<String>)>,
}

/// What is written, besides the database.
pub(super) struct Disk {
    pub(super) journal: Option<JournalView>,
    pub(super) wear: Arc<Wear>,
}

impl AgentView {
    pub(super) fn new(
        (config, metrics): (&Config, Arc<Metrics>),
        fleet: Arc<Fleet>,
        ledger: Ledger,
        sources: Vec<LinkStatus>,
        uplink: Option<LinkStatus>,
        faults: Vec<String>,
        disk: Disk,
    ) -> Self {
        let brokers = config.sources.iter().map(|source| url(&source.broker));
        let uplink_broker = config.uplink.as_ref().map(|uplink| url(&uplink.broker));
        Self {
            agent: config.agent.name.clone(),
            started_at: clock::now(),
            limits: Limits {
                devices: config.limits.devices as u64,
                readings_in_flight: config.limits.readings_in_flight as u64,
                records: config.outbox.quotas.records,
                dead_letters: config.limits.dead_letters as u64,
            },
            freshness: config
                .classes
                .iter()
                .map(|class| (class.pipeline.name.clone(), class.freshness))
                .collect(),
            metrics,
            fleet,
            ledger,
            sources: brokers.zip(sources).collect(),
            uplink: uplink_broker.zip(uplink),
            faults,
            disk,
            phase: Mutex::new(Phase::Starting),
            store: Mutex::default(),
        }
    }

    fn freshness(&self) -> Vec<FreshnessView> {
        let mut views = Vec::new();
        for (class, limits) in &self.freshness {
            let Freshness {
                admit,
                score,
                commit,
                delivery,
            } = limits;
            for (stage, limit) in Stage::ALL.into_iter().zip([admit, score, commit, delivery]) {
                let recent = self.metrics.freshness_recent(stage, class);
                if recent.is_none() && limit.is_none() {
                    continue;
                }
                views.push(FreshnessView {
                    class: class.clone(),
                    stage,
                    recent_max: recent.as_ref().map(|oldest| oldest.age),
                    device: recent.map(|oldest| oldest.device.to_string()),
                    limit: *limit,
                });
            }
        }
        views
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        *lock(&self.phase) = phase;
    }
}

/// Keeps the store's figures fresh until the agent stops.
pub(super) async fn follow_store(
    view: Arc<AgentView>,
    store: StoreHandle,
    stop: CancellationToken,
) {
    let degraded = store.degraded();
    while let Some(stats) = stop.run_until_cancelled(store.stats()).await {
        match stats {
            Ok(stats) => *lock(&view.store) = (Some(stats), degraded.borrow().clone()),
            // The last figures stay, but nobody may take them for well.
            Err(error) => lock(&view.store).1 = Some(chain(&error)),
        }
        if stop
            .run_until_cancelled(tokio::time::sleep(STORE_INTERVAL))
            .await
            .is_none()
        {
            return;
        }
    }
}

impl View for AgentView {
    fn overview(&self) -> Overview {
        let link = |(broker, status): &(String, LinkStatus)| {
            let (connected, last_error) = status.get();
            Link {
                broker: broker.clone(),
                connected,
                last_error,
            }
        };
        let (stats, degraded) = lock(&self.store).clone();
        let stats = stats.as_ref();
        Overview {
            agent: self.agent.clone(),
            version: env!("CARGO_PKG_VERSION"),
            started_at: self.started_at,
            now: clock::now(),
            phase: *lock(&self.phase),
            sources: self
                .ledger
                .books()
                .iter()
                .zip(&self.sources)
                .map(|(book, source)| SourceView {
                    name: book.source().to_string(),
                    link: link(source),
                    book: book.snapshot(),
                    broker_dropped: broker_dropped(book.broker_drops()),
                    unmapped: book.unmapped(),
                })
                .collect(),
            uplink: self.uplink.as_ref().map(link),
            lanes: stats.map_or_else(Vec::new, lanes),
            journal: self.disk.journal.as_ref().map(journal),
            store: store(stats, degraded),
            wear: self.disk.wear.view(),
            gaps: stats.map_or_else(GapsView::default, |stats| gaps(&stats.gaps)),
            clock: ClockView {
                set: clock::gateway() == GatewayClock::Set,
                steps: clock::steps(),
                records_held: stats.map_or(0, |stats| stats.held),
            },
            freshness: self.freshness(),
            devices: counts(&self.fleet.devices()),
            limits: self.limits,
            faults: self.faults.clone(),
        }
    }

    fn devices(&self) -> Vec<DeviceView> {
        self.fleet
            .devices()
            .iter()
            .map(|entry| device(entry))
            .collect()
    }
}

/// What a broker has dropped as ops shows it.
pub(crate) fn broker_dropped(
    (drops, rose_at): (BrokerDrops, Option<Timestamp>),
) -> Option<BrokerDroppedView> {
    let total = drops.total;
    drops.told.map(|_| BrokerDroppedView { total, rose_at })
}

fn lanes(stats: &Stats) -> Vec<LaneView> {
    let view = |(lane, book)| LaneView {
        lane,
        bytes: stats.lane_bytes[lane as usize],
        evictions: stats
            .evictions
            .iter()
            .filter(|eviction| eviction.lane == lane)
            .map(|eviction| (eviction.reason.clone(), eviction.n))
            .collect(),
        book,
    };
    stats.lanes.map(view).into()
}

fn store(stats: Option<&Stats>, degraded: Option<String>) -> StoreView {
    let letters = stats.map_or_else(LetterCounts::default, |stats| stats.dead_letters);
    StoreView {
        degraded,
        db_bytes: stats.map_or(0, |stats| stats.file_bytes),
        dead_letters: letters.kept,
        dead_letters_evicted: letters.evicted,
        dead_letters_dropped: letters.dropped,
        dead_letters_replayed: letters.replayed,
    }
}

fn journal(view: &JournalView) -> JournalStatusView {
    let status = view.status();
    JournalStatusView {
        bytes: status.bytes,
        max_bytes: status.max_bytes,
        entries: status.entries,
        readings: status.readings,
        written_bytes: status.written,
        commits: status.commits,
        failing: status.failing,
        full: status.full,
    }
}

/// Gaps as ops shows them.
pub(crate) fn gaps(gaps: &Gaps) -> GapsView {
    GapsView {
        count: gaps.count,
        last: gaps.last.clone().map(|gap| GapView {
            source: gap.source,
            since: gap.since,
            until: gap.until,
            at_most: gap.at_most,
        }),
    }
}

fn state(entry: &DeviceEntry) -> DeviceState {
    match entry.state() {
        actors::DeviceState::Starting => DeviceState::Restarting,
        actors::DeviceState::Running | actors::DeviceState::Stopped => DeviceState::Running,
        actors::DeviceState::Quarantined => DeviceState::Quarantined,
    }
}

fn counts(devices: &[Arc<DeviceEntry>]) -> DeviceCounts {
    let mut counts = DeviceCounts::default();
    for entry in devices {
        counts.restarts += entry.restarts();
        counts.time.add(entry.time_counts());
        counts.behind += u64::from(entry.is_behind());
        *match state(entry) {
            DeviceState::Running => &mut counts.running,
            DeviceState::Restarting => &mut counts.restarting,
            DeviceState::Quarantined => &mut counts.quarantined,
        } += 1;
    }
    counts
}

fn device(entry: &DeviceEntry) -> DeviceView {
    let status = entry.status();
    let [processed, late, duplicate, rejected] = entry.counts();
    DeviceView {
        name: entry.name.to_string(),
        class: entry.class.config.name.clone(),
        state: state(entry),
        last_event_time: entry.newest(),
        last_seen: entry.last_seen(),
        freshness_limit: None,
        verdict: status.verdict,
        last_score: status.score,
        model_degraded: status.degraded,
        windows: status.windows,
        alerts: status.alerts,
        processed,
        late,
        duplicate,
        rejected,
        time: status.time.into(),
        restarts: entry.restarts(),
        behind: entry.is_behind(),
        online: match entry.liveness() {
            Liveness::Unknown => None,
            Liveness::Online => Some(true),
            Liveness::Offline => Some(false),
        },
    }
}

fn url(broker: &Broker) -> String {
    let scheme = if broker.tls.is_some() {
        "mqtts"
    } else {
        "mqtt"
    };
    format!("{scheme}://{}:{}", broker.host, broker.port)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
