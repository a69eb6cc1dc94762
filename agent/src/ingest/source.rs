//! The actor of an MQTT source: it keeps a connection, and polls it in a task of its own.

use std::sync::Arc;

use eyot_pipeline::backoff::Backoff;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

use super::{Ingest, Message, Surroundings, topic};
use crate::books::Book;
use crate::clock;
use crate::config;
use crate::error::chain;
use crate::link::LinkStatus;
use crate::mqtt::{self, Client, Event, EventLoop, MqttError, QoS};

/// How long a farewell to the broker may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// Pauses between attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What a source's actor is sent.
#[derive(Debug)]
pub enum SourceMessage {
    /// The polling task has ended, which it never should.
    Ended(String),
}

/// What a source's actor is started with.
#[derive(Clone)]
pub struct SourceArguments {
    /// Its configuration.
    pub source: config::Source,
    /// Its books.
    pub book: Arc<Book>,
    /// The rest of the agent.
    pub around: Surroundings,
    /// Shown to others.
    pub status: LinkStatus,
}

/// Keeps one MQTT source going.
pub struct SourceActor;

/// The actor's state.
pub struct SourceState {
    client: Client,
    polling: JoinHandle<()>,
}

impl Actor for SourceActor {
    type Msg = SourceMessage;
    type State = SourceState;
    type Arguments = SourceArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<SourceMessage>,
        args: SourceArguments,
    ) -> Result<SourceState, ActorProcessingErr> {
        let options =
            mqtt::Options::subscriber(args.source.broker.clone(), args.source.receive_maximum);
        let (client, events) = mqtt::connect(&options)?;
        let polling = tokio::spawn(poll(myself, args, client.clone(), events));
        Ok(SourceState { client, polling })
    }

    async fn handle(
        &self,
        _: ActorRef<SourceMessage>,
        message: SourceMessage,
        _: &mut SourceState,
    ) -> Result<(), ActorProcessingErr> {
        let SourceMessage::Ended(why) = message;
        Err(why.into())
    }

    async fn post_stop(
        &self,
        _: ActorRef<SourceMessage>,
        state: &mut SourceState,
    ) -> Result<(), ActorProcessingErr> {
        // The broker keeps the session and what it has not been able to deliver.
        let _ = state.client.disconnect().await;
        if timeout(FAREWELL, &mut state.polling).await.is_err() {
            state.polling.abort();
        }
        Ok(())
    }
}

/// Polls until the connection is closed for good.
async fn poll(
    actor: ActorRef<SourceMessage>,
    args: SourceArguments,
    client: Client,
    mut events: EventLoop,
) {
    let SourceArguments {
        source,
        book,
        around,
        status,
    } = args;
    let mut ingest = Ingest::new(&source, book, around);
    let mut subscribing: Option<JoinHandle<()>> = None;
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
    loop {
        match events.poll().await {
            Ok(event) => {
                let now = clock::now();
                let mut next = Some(event);
                while let Some(event) = next {
                    match event {
                        Event::Publish(publish) => {
                            let message = Message {
                                topic: &publish.topic,
                                payload: &publish.payload,
                                retained: publish.retain,
                            };
                            ingest.message(message, now);
                        }
                        Event::Connected(connected) => {
                            tracing::info!(
                                source = source.name,
                                host = source.broker.host,
                                port = source.broker.port,
                                session_present = connected.session_present,
                                "source connected"
                            );
                            backoff.reset();
                            // Also with a session: its subscriptions may be those of an older config.
                            let subscribe =
                                subscribe(client.clone(), source.clone(), status.clone());
                            subscribing = Some(tokio::spawn(subscribe));
                        }
                    }
                    next = events.buffered();
                }
                ingest.flush(now);
            }
            Err(MqttError::Closed) => break,
            Err(error) => {
                // Over before the status says so, or it would call the lost connection a good one.
                if let Some(task) = subscribing.take() {
                    task.abort();
                    let _ = task.await;
                }
                let pause = backoff.next(rand::random());
                let error = chain(&error);
                tracing::warn!(
                    source = source.name,
                    error,
                    ?pause,
                    "source is not connected"
                );
                status.failed(error);
                tokio::time::sleep(pause).await;
            }
        }
    }
    let _ = actor.cast(SourceMessage::Ended("the connection was closed".into()));
}

/// Subscribes to what the rules want; the source counts as connected once the broker has agreed, since
/// before that it would miss what is published. Not from the polling task, which the acknowledgement
/// needs.
async fn subscribe(client: Client, source: config::Source, status: LinkStatus) {
    let mut filters: Vec<(String, QoS)> = Vec::new();
    for rule in &source.rules {
        let qos = QoS::try_from(rule.qos).unwrap_or(QoS::AtLeastOnce);
        let filter = topic::filter(&rule.topic);
        match filters.iter_mut().find(|(known, _)| *known == filter) {
            Some((_, known)) => *known = (*known).max(qos),
            None => filters.push((filter, qos)),
        }
    }
    let result = match client.subscribe(&filters).await {
        Ok(ack) => ack.await.map_err(|error| chain(&error)),
        Err(error) => Err(chain(&error)),
    };
    match result {
        Ok(()) => {
            tracing::debug!(source = source.name, ?filters, "subscribed");
            status.connected();
        }
        Err(error) => {
            tracing::error!(source = source.name, error, "cannot subscribe");
            status.failed(error);
        }
    }
}
