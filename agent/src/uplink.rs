//! The uplink: carries out what the pipeline's forwarder decides.
//!
//! Records are fetched from the outbox, published with QoS 1 and deleted when `PUBACK` has come,
//! not before. Without a connection they stay where they are.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use eyot_pipeline::backoff::Backoff;
use eyot_pipeline::forward::{Forwarder, Position};
use eyot_pipeline::{Span, Timestamp};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

use crate::clock;
use crate::config;
use crate::error::chain;
use crate::link::LinkStatus;
use crate::mqtt::{self, Client, Event, EventLoop, MqttError, QoS};
use crate::ops::{Metrics, Stage};
use crate::store::{OutRow, StoreHandle};

/// How long a farewell to the broker may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// Pause after the upstream did not take a record.
const RETRY: Duration = Duration::from_secs(1);

/// What the uplink's actor is sent.
#[derive(Debug)]
pub enum UplinkMessage {
    /// The connection stands.
    Connected,
    /// The connection is lost.
    Disconnected,
    /// The outbox has new records.
    Replenished,
    /// The upstream acknowledged a record, or did not.
    Settled {
        /// Which.
        position: Position,
        /// Event time of the oldest reading behind it.
        oldest: Timestamp,
        /// What happened instead of an acknowledgement.
        error: Option<String>,
    },
    /// Try again.
    Retry,
    /// A background task has ended, which it never should.
    Ended(String),
}

/// What the uplink's actor is started with.
#[derive(Clone)]
pub struct UplinkArguments {
    /// Its configuration.
    pub uplink: config::Uplink,
    /// The agent's name, for topics.
    pub agent: Arc<str>,
    /// Where the records are.
    pub store: StoreHandle,
    /// Where delivery is measured.
    pub metrics: Arc<Metrics>,
    /// Shown to others.
    pub status: LinkStatus,
}

/// Keeps the uplink going.
pub struct UplinkActor;

/// The actor's state.
pub struct UplinkState {
    args: UplinkArguments,
    client: Client,
    forwarder: Forwarder,
    connected: bool,
    topics: HashMap<(String, usize), Arc<str>>,
    tasks: [JoinHandle<()>; 2],
}

impl Actor for UplinkActor {
    type Msg = UplinkMessage;
    type State = UplinkState;
    type Arguments = UplinkArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<UplinkMessage>,
        args: UplinkArguments,
    ) -> Result<UplinkState, ActorProcessingErr> {
        let limit = args.uplink.in_flight;
        let options = mqtt::Options::publisher(args.uplink.broker.clone(), limit);
        let (client, events) = mqtt::connect(&options)?;
        let polling = tokio::spawn(poll(
            myself.clone(),
            events,
            args.uplink.backoff,
            args.status.clone(),
        ));
        let watching = tokio::spawn(watch(myself, args.store.clone()));
        Ok(UplinkState {
            forwarder: Forwarder::new(usize::from(limit)),
            connected: false,
            topics: HashMap::new(),
            tasks: [polling, watching],
            client,
            args,
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<UplinkMessage>,
        message: UplinkMessage,
        state: &mut UplinkState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            UplinkMessage::Connected => state.connected = true,
            UplinkMessage::Disconnected => state.connected = false,
            UplinkMessage::Replenished => state.forwarder.replenished(),
            UplinkMessage::Retry => {}
            UplinkMessage::Settled {
                position,
                oldest,
                error,
            } => state.settle(&myself, position, oldest, error).await?,
            UplinkMessage::Ended(why) => return Err(why.into()),
        }
        state.send(&myself).await
    }

    async fn post_stop(
        &self,
        _: ActorRef<UplinkMessage>,
        state: &mut UplinkState,
    ) -> Result<(), ActorProcessingErr> {
        state.tasks[1].abort();
        let _ = state.client.disconnect().await;
        if timeout(FAREWELL, &mut state.tasks[0]).await.is_err() {
            state.tasks[0].abort();
        }
        Ok(())
    }
}

impl UplinkState {
    /// Sends as much as the forwarder wants.
    async fn send(&mut self, myself: &ActorRef<UplinkMessage>) -> Result<(), ActorProcessingErr> {
        while self.connected
            && let Some(fetch) = self.forwarder.wants()
        {
            let rows = self
                .args
                .store
                .fetch(fetch.lane, fetch.after, fetch.limit)
                .await?;
            let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
            self.forwarder.sending(fetch, &seqs);
            for row in rows {
                self.publish(myself, row).await;
            }
        }
        Ok(())
    }

    async fn publish(&mut self, myself: &ActorRef<UplinkMessage>, row: OutRow) {
        let topic = self.topic(&row);
        let position = Position {
            lane: row.lane,
            seq: row.seq,
        };
        let settled = move |error| UplinkMessage::Settled {
            position,
            oldest: row.oldest,
            error,
        };
        let body = Bytes::from(row.body);
        match self
            .client
            .publish_tracked(&topic, QoS::AtLeastOnce, false, body)
            .await
        {
            Ok(ack) => {
                let myself = myself.clone();
                tokio::spawn(async move {
                    let error = ack.await.err().map(|error| chain(&error));
                    let _ = myself.cast(settled(error));
                });
            }
            Err(error) => {
                let _ = myself.cast(settled(Some(chain(&error))));
            }
        }
    }

    async fn settle(
        &mut self,
        myself: &ActorRef<UplinkMessage>,
        position: Position,
        oldest: Timestamp,
        error: Option<String>,
    ) -> Result<(), ActorProcessingErr> {
        let Some(error) = error else {
            if self.forwarder.acknowledged(position) {
                let age: Span = clock::now() - oldest;
                self.args.metrics.record_freshness(Stage::Delivery, age);
                self.args
                    .store
                    .delivered(vec![(position.lane, position.seq)])
                    .await?;
            }
            return Ok(());
        };
        tracing::warn!(
            lane = position.lane.name(),
            seq = position.seq,
            error,
            "record not taken, will be sent again"
        );
        // One pause for all that failed: what is still under way keeps its turn.
        self.forwarder.failed(position);
        if self.connected {
            self.connected = false;
            drop(myself.send_after(RETRY, || UplinkMessage::Connected));
        }
        Ok(())
    }

    /// `{prefix}/{agent}/{lane}/{device}`, with what MQTT reserves made harmless.
    fn topic(&mut self, row: &OutRow) -> Arc<str> {
        let Self { topics, args, .. } = self;
        if let Some(topic) = topics.get(&(row.device.clone(), row.lane as usize)) {
            return Arc::clone(topic);
        }
        let device = row.device.replace(['+', '#', '\0'], "_");
        let topic: Arc<str> = format!(
            "{}/{}/{}/{device}",
            args.uplink.topic_prefix,
            args.agent,
            row.lane.name()
        )
        .into();
        topics.insert((row.device.clone(), row.lane as usize), Arc::clone(&topic));
        topic
    }
}

/// Polls the connection until it is closed for good.
async fn poll(
    actor: ActorRef<UplinkMessage>,
    mut events: EventLoop,
    (first, largest): (Duration, Duration),
    status: LinkStatus,
) {
    let mut backoff = Backoff::new(first, largest);
    loop {
        match events.poll().await {
            Ok(Event::Connected(_)) => {
                tracing::info!("uplink connected");
                backoff.reset();
                status.connected();
                let _ = actor.cast(UplinkMessage::Connected);
            }
            Ok(Event::Publish(_)) => {}
            Err(MqttError::Closed) => break,
            Err(error) => {
                let pause = backoff.next(rand::random());
                let error = chain(&error);
                tracing::warn!(error, ?pause, "uplink is not connected");
                status.failed(error);
                let _ = actor.cast(UplinkMessage::Disconnected);
                tokio::time::sleep(pause).await;
            }
        }
    }
    let _ = actor.cast(UplinkMessage::Ended("the connection was closed".into()));
}

/// Tells the actor of new records.
async fn watch(actor: ActorRef<UplinkMessage>, store: StoreHandle) {
    let mut changed = store.changed();
    while changed.changed().await.is_ok() {
        if actor.cast(UplinkMessage::Replenished).is_err() {
            return;
        }
    }
}
