//! From a broker to a sink: receive a burst, commit it, acknowledge it.
//!
//! One task polls the connection and hands what arrives to the other through a bounded channel; the other commits, on a
//! thread that may block, and acknowledges. Acknowledging never waits, so the channel is part of no cycle. While the sink
//! cannot commit nothing is acknowledged: the broker stops sending at its in-flight window, and keeps the rest.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Arrived, CollectError, Outcome, Sink};
use crate::clock;
use crate::config::Broker;
use crate::error::chain;
use crate::mqtt::{
    self, AckToken, Acker, Client, Event, EventLoop, MqttError, Publish, QoS, SubscribeError,
};

/// Messages that the broker may have under way unacknowledged, and the largest burst.
const IN_FLIGHT: u16 = 1_000;
/// Largest message. Batches are larger than what an agent takes in.
const LARGEST_MESSAGE: u32 = 16 << 20;
/// Bytes of messages in memory at most, but for one message, in units.
const UNITS: u32 = 64 << 10;
/// Bytes of a unit.
const UNIT: usize = 1 << 10;
/// First and longest pause between two attempts, at the broker and at the sink.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// How often the sink is tended.
const TEND: Duration = Duration::from_secs(1);
/// How long the farewell to the broker may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// What to collect.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Where, and as whom.
    pub broker: Broker,
    /// Whether to begin with a session of no past, instead of the one that the broker has kept.
    pub clean: bool,
    /// Topics to subscribe to.
    pub filters: Vec<String>,
    /// Stop once subscribed and without a record for so long.
    pub idle: Option<Duration>,
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether the connection stands and the broker has granted the subscription.
    pub subscribed: bool,
    /// What became of the messages of this run.
    pub outcome: Outcome,
    /// Numbers missing in all that is kept.
    pub missing: u64,
    /// Why nothing is committed at the moment.
    pub trouble: Option<String>,
}

/// A message, until it is committed.
struct Delivery {
    arrived: Arrived,
    token: Option<AckToken>,
    room: OwnedSemaphorePermit,
}

/// Collects until `stop` is cancelled, or nothing has come for as long as was asked for.
///
/// # Errors
/// When the broker does not allow it, or the sink fails in a way that does not pass.
pub async fn listen<S: Sink>(
    listen: Listen,
    sink: S,
    progress: watch::Sender<Progress>,
    stop: &CancellationToken,
) -> Result<(), CollectError> {
    let mut options = mqtt::Options::journaled_subscriber(listen.broker.clone(), IN_FLIGHT);
    options.clean = listen.clean;
    options.max_packet_size = LARGEST_MESSAGE;
    let (client, events) = mqtt::connect(&options)?;
    let progress = Arc::new(progress);
    let mut keeper = Keeper {
        sink: Some(sink),
        acker: client.acker(),
        progress: Arc::clone(&progress),
        stop: stop.clone(),
    };
    let filters = listen.filters.clone();
    let before = keeper
        .blocking(move |sink| sink.swap_filters(&filters))
        .await?;
    let (refused, refusal) = mpsc::channel(1);
    let (sender, receiver) = mpsc::channel(usize::from(IN_FLIGHT));
    let link = Link {
        client: client.clone(),
        dropped: before
            .into_iter()
            .filter(|filter| !listen.filters.contains(filter))
            .collect(),
        filters: listen.filters,
        progress,
        refused,
    };
    // Dropped with this future, it ends.
    let mut polling = JoinSet::new();
    polling.spawn(link.poll(events, sender));
    let result = keeper.run(receiver, refusal, listen.idle).await;
    let _ = client.disconnect().await;
    let _ = timeout(FAREWELL, polling.join_next()).await;
    result
}

/// The half that keeps.
struct Keeper<S> {
    /// Away while it works.
    sink: Option<S>,
    acker: Option<Acker>,
    progress: Arc<watch::Sender<Progress>>,
    stop: CancellationToken,
}

impl<S: Sink> Keeper<S> {
    async fn run(
        &mut self,
        mut receiver: mpsc::Receiver<Delivery>,
        mut refusal: mpsc::Receiver<SubscribeError>,
        idle: Option<Duration>,
    ) -> Result<(), CollectError> {
        let mut ticks = interval(TEND);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut since = Instant::now();
        let mut burst = Vec::new();
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(error) = refusal.recv() => return Err(CollectError::Subscribe(error)),
                _ = ticks.tick() => self.tend(false).await?,
                count = receiver.recv_many(&mut burst, usize::from(IN_FLIGHT)) => {
                    if count == 0 {
                        break;
                    }
                    if self.keep(&mut burst).await? {
                        since = Instant::now();
                    }
                    continue;
                }
            }
            if !self.progress.borrow().subscribed {
                since = Instant::now();
            }
            if idle.is_some_and(|idle| since.elapsed() >= idle) {
                break;
            }
        }
        self.tend(true).await
    }

    /// Commits a burst, however often that has to be tried, and acknowledges it. True if there was more in it than agents'
    /// statuses.
    async fn keep(&mut self, burst: &mut Vec<Delivery>) -> Result<bool, CollectError> {
        let mut arrived = Vec::with_capacity(burst.len());
        let mut tokens = Vec::with_capacity(burst.len());
        let mut room = Vec::with_capacity(burst.len());
        for delivery in burst.drain(..) {
            arrived.push(delivery.arrived);
            tokens.extend(delivery.token);
            room.push(delivery.room);
        }
        let arrived = Arc::new(arrived);
        let mut pause = PAUSES.0;
        let outcome = loop {
            let burst = Arc::clone(&arrived);
            match self.blocking(move |sink| sink.commit(&burst)).await {
                Ok(outcome) => break outcome,
                Err(error) if error.passes() => {
                    let error = chain(&error);
                    tracing::warn!(
                        error,
                        messages = arrived.len(),
                        ?pause,
                        "cannot commit: nothing is acknowledged until it can"
                    );
                    self.progress
                        .send_modify(|progress| progress.trouble = Some(error));
                    tokio::select! {
                        () = self.stop.cancelled() => return Ok(false),
                        () = sleep(pause) => {}
                    }
                    pause = (2 * pause).min(PAUSES.1);
                }
                Err(error) => return Err(error),
            }
        };
        drop((arrived, room));
        if let Some(acker) = &self.acker {
            acker.ack(&tokens);
        }
        self.progress.send_modify(|progress| {
            if progress.trouble.take().is_some() {
                tracing::info!("commits again");
            }
            progress.outcome += outcome;
        });
        Ok(outcome != Outcome::default())
    }

    /// Lets the sink do what is due. What it cannot do is due again.
    async fn tend(&mut self, last: bool) -> Result<(), CollectError> {
        let now = clock::now();
        let tended = self
            .blocking(move |sink| {
                sink.tend(now, last)?;
                sink.missing()
            })
            .await;
        match tended {
            Ok(missing) => {
                self.progress.send_if_modified(|progress| {
                    std::mem::replace(&mut progress.missing, missing) != missing
                });
                Ok(())
            }
            Err(error) if error.passes() && !last => {
                tracing::warn!(error = chain(&error), "not yet");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Does something with the sink where it may block.
    async fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut S) -> Result<T, CollectError> + Send + 'static,
    ) -> Result<T, CollectError> {
        let mut sink = self.sink.take().ok_or(CollectError::Panicked)?;
        let done = spawn_blocking(move || {
            let result = work(&mut sink);
            (sink, result)
        });
        let (sink, result) = done.await.map_err(|_| CollectError::Panicked)?;
        self.sink = Some(sink);
        result
    }
}

/// The half that receives.
struct Link {
    client: Client,
    filters: Vec<String>,
    /// Subscriptions of an earlier run that the session may still have.
    dropped: Vec<String>,
    progress: Arc<watch::Sender<Progress>>,
    refused: mpsc::Sender<SubscribeError>,
}

impl Link {
    /// Polls until the connection is closed for good or nobody listens.
    async fn poll(self, mut events: EventLoop, sender: mpsc::Sender<Delivery>) {
        let link = Arc::new(self);
        let room = Arc::new(Semaphore::new(UNITS as usize));
        let mut subscribing: Option<JoinHandle<()>> = None;
        let mut pause = PAUSES.0;
        loop {
            match events.poll().await {
                Ok(event) => {
                    let now = clock::now();
                    let mut next = Some(event);
                    while let Some(event) = next {
                        match event {
                            Event::Publish(publish) => {
                                let Some(delivery) = delivery(publish, now, &room).await else {
                                    return;
                                };
                                // Nobody listens at the end: what is not acknowledged comes again.
                                if sender.send(delivery).await.is_err() {
                                    farewell(events).await;
                                    return;
                                }
                            }
                            Event::Connected(connected) => {
                                tracing::info!(
                                    session_present = connected.session_present,
                                    "connected"
                                );
                                pause = PAUSES.0;
                                let link = Arc::clone(&link);
                                // Not here: the queue may be full, and polling empties it.
                                subscribing = Some(tokio::spawn(link.subscribe()));
                            }
                        }
                        next = events.buffered();
                    }
                }
                Err(MqttError::Closed) => return,
                Err(error) => {
                    // Over before the progress says so, or it would call the lost connection a good one.
                    if let Some(task) = subscribing.take() {
                        task.abort();
                        let _ = task.await;
                    }
                    tracing::warn!(error = chain(&error), ?pause, "not connected");
                    link.progress
                        .send_modify(|progress| progress.subscribed = false);
                    sleep(pause).await;
                    pause = (2 * pause).min(PAUSES.1);
                }
            }
        }
    }

    /// Makes the broker's subscriptions those of this run.
    async fn subscribe(self: Arc<Self>) {
        for filter in &self.dropped {
            if let Err(error) = self.client.unsubscribe(filter).await {
                tracing::warn!(filter, error = chain(&error), "cannot unsubscribe");
            }
        }
        let filters: Vec<_> = self
            .filters
            .iter()
            .map(|filter| (filter, QoS::AtLeastOnce))
            .collect();
        let granted = match self.client.subscribe(&filters).await {
            Ok(answer) => answer.await,
            Err(error) => {
                tracing::warn!(error = chain(&error), "cannot subscribe");
                return;
            }
        };
        match granted {
            Ok(()) => {
                tracing::info!("subscribed");
                self.progress
                    .send_modify(|progress| progress.subscribed = true);
            }
            // The next connection asks again.
            Err(SubscribeError::Lost) => {}
            Err(error) => {
                let _ = self.refused.try_send(error);
            }
        }
    }
}

async fn delivery(
    publish: Publish,
    at: eyot_pipeline::Timestamp,
    room: &Arc<Semaphore>,
) -> Option<Delivery> {
    let units = (publish.payload.len() / UNIT) as u32 + 1;
    let room = Arc::clone(room)
        .acquire_many_owned(units.min(UNITS))
        .await
        .ok()?;
    Some(Delivery {
        arrived: Arrived {
            topic: publish.topic,
            payload: publish.payload,
            at,
        },
        token: publish.ack,
        room,
    })
}

/// Polls on for the farewell and for acknowledgements that are still to be written.
async fn farewell(mut events: EventLoop) {
    while events.poll().await.is_ok() {}
}
