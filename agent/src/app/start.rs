//! Starting an agent, part by part.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use eyot_pipeline::Span;
use eyot_pipeline::model::{BindError, Model, give_readings};
use eyot_pipeline::restart::RestartPolicy;
use eyot_pipeline::scorer::Scorer;
use ractor::{Actor, ActorRef};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Agent;
use super::clock::Begun;
use super::gaps;
use super::journal::Opened;
use super::status::StatusReport;
use super::supervisor::{Children, Supervisor};
use super::view::{self, AgentView, Disk};
use super::wear::Wear;
use crate::actors::{ClassRuntime, Fleet, FleetActor, FleetArguments, FleetMessage};
use crate::books::Ledger;
use crate::clock;
use crate::config::{self, Config, Durability};
use crate::error::chain;
use crate::ingest::{Assets, SourceArguments, Surroundings};
use crate::journal::{self, JournalHandle};
use crate::link::LinkStatus;
use crate::models::{self, ModelError};
use crate::ops::{self, Metrics, Phase};
use crate::record::{self, Encoder, Trace};
use crate::store::{self, Pace, Store, StoreError, StoreHandle};
use crate::uplink::UplinkArguments;

/// Summaries in a folded block.
const FOLD_ROWS: u64 = 1_024;
/// Requests that wait for the store at most.
const STORE_CHANNEL: usize = 1024;
/// How long everything waits on a disk that is full to the last byte, before records are given up.
const FULL_DISK_PATIENCE: Duration = Duration::from_mins(1);
/// How old the stored books may be, where the journal has what they count.
const BOOKS_INTERVAL: Duration = Duration::from_secs(10);
/// Pause before a failed device is started for the first time again.
const FIRST_PAUSE: Span = Span::from_millis(100);

/// Why the agent did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error("cannot open the store")]
    Store(#[from] StoreError),
    /// The page's address.
    #[error(
        "cannot listen on {address} for the page and metrics; change [http] listen or stop what uses it"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The journal.
    #[error("cannot open the journal")]
    Journal(#[from] journal::OpenError),
    /// The journal's contents.
    #[error("cannot read the journal")]
    ReadJournal(#[from] eyot_journal::FileError),
    /// No thread.
    #[error("cannot start a thread to catch up")]
    Spawn(#[source] std::io::Error),
    /// A model does not fit its class.
    #[error("class {class}")]
    Model {
        /// Which.
        class: String,
        /// Why.
        source: BindError,
    },
    /// An actor.
    #[error("cannot start {part}")]
    Actor {
        /// Which.
        part: &'static str,
        /// Why.
        source: ractor::SpawnErr,
    },
}

/// An agent about to start.
pub struct Builder {
    config: Config,
    scorers: HashMap<String, Arc<dyn Scorer>>,
    slow_commit: Option<Duration>,
    slow_sync: Option<Duration>,
}

impl Builder {
    /// An agent as configured.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            scorers: HashMap::new(),
            slow_commit: None,
            slow_sync: None,
        }
    }

    /// Uses this scorer for a class instead of the model in its folder.
    #[must_use]
    pub fn scorer(mut self, class: &str, scorer: Arc<dyn Scorer>) -> Self {
        self.scorers.insert(class.to_owned(), scorer);
        self
    }

    /// Makes every commit take this much longer, as a slow disk would.
    #[must_use]
    pub fn slow_commit(mut self, by: Duration) -> Self {
        self.slow_commit = Some(by);
        self
    }

    /// Makes every sync of the journal take this much longer.
    #[must_use]
    pub fn slow_sync(mut self, by: Duration) -> Self {
        self.slow_sync = Some(by);
        self
    }

    /// Starts everything.
    pub async fn start(mut self) -> Result<Agent, StartError> {
        let mut faults = Vec::new();
        let fleet = Arc::new(self.fleet(&mut faults)?);
        let config = self.config;
        let listener = match &config.http {
            Some(http) => Some(listen(http.listen).await?),
            None => None,
        };
        let http = listener.as_ref().and_then(|l| l.local_addr().ok());

        let sources = config.sources.iter();
        let ledger = Ledger::new(sources.map(|source| (source.name.as_str(), source.journaled)));
        let pace = Pace::default();
        let opening = (self.slow_commit, pace.clone());
        let (mut store, begun) = open_store(&config, &ledger, opening, &mut faults).await?;
        let classes = config.classes.iter();
        let metrics = Metrics::new(classes.map(|class| class.pipeline.name.as_str()));
        let metrics = Arc::new(metrics);
        let stop = CancellationToken::new();
        let mut journal =
            Opened::open(&config, self.slow_sync, &mut store, &ledger, &mut faults).await?;
        let handle = journal.as_ref().map(|journal| journal.handle.clone());
        let recent = journal
            .as_mut()
            .map(|journal| std::mem::take(&mut journal.tails.recent));
        let fleet_actor =
            start_fleet(&config, &fleet, &store, &ledger, handle.clone(), &metrics).await?;
        let journal = if let Some(journal) = journal {
            let parts = (&fleet, &fleet_actor, &ledger, &store.handle, &stop);
            Some(journal.resume(parts).await?)
        } else {
            fleet.knows(std::mem::take(&mut store.devices));
            None
        };
        if let Some(step) = begun.step {
            fleet.begin_clock(step, handle.as_ref()).await;
        }
        begun.tell(store.handle.clone(), stop.clone()).await;
        // From here on the live books are what is to be stored.
        store.handle.flush().await?;
        let around = Surroundings {
            fleet: Arc::clone(&fleet),
            fleet_actor: fleet_actor.clone(),
            store: store.handle.clone(),
            journal: handle,
            trace: Trace::new(&store.identity),
            dead_letter_bytes: config.limits.dead_letter_bytes,
            recent: Arc::new(recent.unwrap_or_default()),
            assets: Arc::new(Assets::new(&config.assets)),
        };
        let disk = Disk {
            journal: around.journal.as_ref().map(JournalHandle::view),
            wear: Arc::new(Wear::new(&config.store, pace)),
        };
        tokio::spawn(Arc::clone(&disk.wear).follow(stop.clone()));
        let models: Vec<_> = models(&fleet).collect();
        let mut children = Children {
            sources: source_arguments(&config, &ledger, &around),
            uplink: None,
        };
        let uplink_status = config.uplink.as_ref().map(|_| LinkStatus::default());
        let view = Arc::new(AgentView::new(
            (&config, Arc::clone(&metrics)),
            fleet,
            ledger.clone(),
            children.sources.iter().map(|s| s.status.clone()).collect(),
            uplink_status.clone(),
            faults,
            disk,
        ));
        let shown = (&view, &metrics, uplink_status.unwrap_or_default());
        children.uplink = uplink_arguments(&config, &around, shown, models);
        let name = &config.agent.name;
        show(name, &view, metrics, &store.handle, listener, &stop);
        let supervisor = spawn("the sources", Supervisor, children).await?;
        view.set_phase(Phase::Running);
        tracing::info!(
            agent = config.agent.name,
            version = env!("CARGO_PKG_VERSION"),
            sources = config.sources.len(),
            page = http.map(|address| format!("http://{address}/")),
            "agent started"
        );
        Ok(Agent {
            shutdown_timeout: config.agent.shutdown_timeout,
            has_uplink: config.uplink.is_some(),
            store: store.handle,
            store_thread: store.thread,
            journal,
            fleet_actor,
            supervisor,
            ledger,
            view,
            stop,
            http,
        })
    }

    /// The table of devices, with the models loaded and verified.
    fn fleet(&mut self, faults: &mut Vec<String>) -> Result<Fleet, StartError> {
        let limits = &self.config.limits;
        let mut classes = Vec::new();
        for class in &self.config.classes {
            let scorer = self.scorers.remove(&class.pipeline.name);
            classes.push(Arc::new(class_runtime(class, scorer, faults)?));
        }
        Ok(Fleet::new(
            classes,
            limits.devices,
            limits.readings_in_flight,
            limits.readings_in_flight_per_device,
        ))
    }
}

fn uplink_arguments(
    config: &Config,
    around: &Surroundings,
    (view, metrics, status): (&Arc<AgentView>, &Arc<Metrics>, LinkStatus),
    models: Vec<(String, String, String)>,
) -> Option<UplinkArguments> {
    config.uplink.as_ref().map(|uplink| UplinkArguments {
        uplink: uplink.clone(),
        agent: config.agent.name.as_str().into(),
        dead_letter_bytes: config.limits.dead_letter_bytes,
        store: around.store.clone(),
        metrics: Arc::clone(metrics),
        status,
        report: Arc::new(StatusReport::new(
            Arc::clone(view),
            Arc::clone(metrics),
            around.journal.clone(),
            config,
            models.into_iter(),
        )),
    })
}

/// Keeps what is shown fresh, and shows it.
fn show(
    name: &str,
    view: &Arc<AgentView>,
    metrics: Arc<Metrics>,
    store: &StoreHandle,
    listener: Option<TcpListener>,
    stop: &CancellationToken,
) {
    let follow = view::follow_store(Arc::clone(view), store.clone(), stop.clone());
    tokio::spawn(follow);
    if let Some(listener) = listener {
        let (name, view, stop) = (name.to_owned(), Arc::clone(view), stop.clone());
        tokio::spawn(async move { ops::serve(listener, &name, view, metrics, stop).await });
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })
}

/// A class with its model. A model that cannot be used is reported and left out: the statistical
/// detectors carry on (invariant 7).
pub(crate) fn class_runtime(
    class: &config::Class,
    scorer: Option<Arc<dyn Scorer>>,
    faults: &mut Vec<String>,
) -> Result<ClassRuntime, StartError> {
    let name = &class.pipeline.name;
    let scorer = match (&class.model, scorer) {
        (_, Some(scorer)) => Some(scorer),
        (Some(folder), None) => models::load(folder)
            .inspect_err(|error: &ModelError| {
                let error = chain(error);
                tracing::error!(class = name, error, "model is not used");
                faults.push(format!("class {name} runs without its model: {error}"));
            })
            .ok(),
        (None, None) => None,
    };
    let mut pipeline = Arc::clone(&class.pipeline);
    if let Some(scorer) = &scorer {
        give_readings(scorer.inputs(), &mut pipeline);
    }
    let model = scorer
        .map(|scorer| Model::bind(scorer, &pipeline))
        .transpose()
        .map_err(|source| StartError::Model {
            class: name.clone(),
            source,
        })?;
    Ok(ClassRuntime {
        devices: class.devices.clone(),
        config: pipeline,
        model,
    })
}

async fn open_store(
    config: &Config,
    ledger: &Ledger,
    (slow_commit, pace): (Option<Duration>, Pace),
    faults: &mut Vec<String>,
) -> Result<(Store, Begun), StoreError> {
    let journaled = config.journal.durability > Durability::Memory;
    let options = store::Options {
        dir: config.agent.data_dir.clone(),
        commit_interval: config.store.commit_interval,
        agent: config.agent.name.as_str().into(),
        quotas: config.outbox.quotas,
        fold: store::Fold {
            after: config.outbox.fold_after,
            rows: FOLD_ROWS,
        },
        merge: record::merge,
        headroom: config.store.headroom,
        // Waiting loses nothing as long as there is something to wait in.
        patience: if journaled {
            FULL_DISK_PATIENCE
        } else {
            Duration::ZERO
        },
        dead_letters: config.limits.dead_letters,
        books_interval: if journaled {
            BOOKS_INTERVAL
        } else {
            Duration::ZERO
        },
        pace,
        channel: STORE_CHANNEL,
        clock: clock::now,
        hold_unsynced: config.clock.hold_unsynced,
        moved: record::moved,
        books: Arc::new(ledger.clone()),
        slow_commit,
        vfs: None,
    };
    let mut store = tokio::task::spawn_blocking(|| Store::open(options))
        .await
        .map_err(|_| StoreError::Panicked)??;
    let books = std::mem::take(&mut store.books);
    let begun = Begun::new(&config.clock, &store, &books);
    if store.unclean_stop {
        tracing::warn!("the last run ended without an orderly stop");
        let gaps = gaps::after_unclean_stop(
            &config.sources,
            &books,
            config.limits.readings_in_flight as u64,
            clock::now(),
        );
        if let Err(error) = store.handle.gaps(gaps).await {
            tracing::error!(
                error = chain(&error),
                "cannot note that something may be lost"
            );
        }
    }
    ledger.restore(books, &store.devices);
    if let Some(path) = &store.set_aside {
        let salvage = store.salvage.as_ref().map(ToString::to_string);
        faults.push(format!(
            "the database could not be used and was set aside as {}; {}",
            path.display(),
            salvage.unwrap_or_default()
        ));
    }
    Ok((store, begun))
}

fn span(duration: Duration) -> Span {
    Span(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

async fn start_fleet(
    config: &Config,
    fleet: &Arc<Fleet>,
    store: &Store,
    ledger: &Ledger,
    journal: Option<JournalHandle>,
    metrics: &Arc<Metrics>,
) -> Result<ActorRef<FleetMessage>, StartError> {
    let arguments = FleetArguments {
        fleet: Arc::clone(fleet),
        policy: RestartPolicy {
            restarts: config.limits.restarts,
            window: span(config.limits.restart_window),
            first_pause: FIRST_PAUSE,
        },
        ledger: ledger.clone(),
        journal,
        store: store.handle.clone(),
        metrics: Arc::clone(metrics),
        encoder: Encoder::new(&config.agent.name, &store.identity),
    };
    spawn("the fleet", FleetActor, arguments).await
}

/// The sources that the supervisor is to keep running.
fn source_arguments(
    config: &Config,
    ledger: &Ledger,
    around: &Surroundings,
) -> Vec<SourceArguments> {
    let sources = config.sources.iter().zip(ledger.books());
    sources
        .map(|(source, book)| SourceArguments {
            source: source.clone(),
            book: Arc::clone(book),
            around: around.clone(),
            status: LinkStatus::default(),
        })
        .collect()
}

/// Class, name and version of each model in use.
fn models(fleet: &Fleet) -> impl Iterator<Item = (String, String, String)> {
    fleet.classes().iter().filter_map(|class| {
        let id = class.model.as_ref()?.id();
        Some((
            class.config.name.clone(),
            id.name.clone(),
            id.version.clone(),
        ))
    })
}

/// Starts an actor without a name: ractor's names are global to the process.
async fn spawn<A: Actor>(
    part: &'static str,
    actor: A,
    arguments: A::Arguments,
) -> Result<ActorRef<A::Msg>, StartError> {
    match Actor::spawn(None, actor, arguments).await {
        Ok((actor, _)) => Ok(actor),
        Err(source) => Err(StartError::Actor { part, source }),
    }
}
