//! The actor of an MQTT source: it keeps a connection, and polls it in a task of its own.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use eyot_pipeline::backoff::Backoff;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, MissedTickBehavior, sleep_until, timeout};

use super::drops::Drops;
use super::subscription::subscribe;
use super::{Ingest, Message, Request, Surroundings};
use crate::books::Book;
use crate::clock;
use crate::config;
use crate::error::chain;
use crate::journal::JournalHandle;
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
    journal: Option<JournalHandle>,
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
        let (broker, window) = (args.source.broker.clone(), args.source.receive_maximum);
        let options = if args.source.journaled {
            mqtt::Options::journaled_subscriber(broker, window)
        } else {
            mqtt::Options::subscriber(broker, window)
        };
        let (client, events) = mqtt::connect(&options)?;
        let journal = args.around.journal.clone();
        let polling = tokio::spawn(poll(myself, args, client.clone(), events));
        Ok(SourceState {
            client,
            journal,
            polling,
        })
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
        // What has been read is acknowledged first, or the broker would send it again.
        if let Some(journal) = &state.journal {
            let _ = timeout(FAREWELL, journal.barrier()).await;
        }
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
    let store = around.store.clone();
    let mut drops = Drops::new(&source, &book);
    let mut ingest = Ingest::new(&source, book, around, client.acker());
    let publishing = PublishTasks::start(&source, &client, &status);
    let mut subscribing: Option<JoinHandle<()>> = None;
    let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
    loop {
        let polled = {
            // Never dropped half way, which would lose what it has read.
            let mut polling = pin!(events.poll());
            loop {
                let due = ingest.due();
                tokio::select! {
                    biased;
                    polled = &mut polling => break polled,
                    () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => ingest.flush().await,
                }
            }
        };
        match polled {
            Ok(event) => {
                let stamp = clock::stamp();
                ingest.keep_time(stamp).await;
                let mut next = Some(event);
                while let Some(event) = next {
                    match event {
                        Event::Publish(publish) if drops.is_told_by(&publish.topic) => {
                            drops.tell(&publish.payload, stamp.now);
                        }
                        Event::Publish(publish) => {
                            let message = Message {
                                topic: &publish.topic,
                                payload: &publish.payload,
                                retained: publish.retain,
                                ack: publish.ack,
                                packet: publish.pkid,
                                dup: publish.dup,
                            };
                            ingest.message(message, stamp);
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
                            let subscribe = subscribe(
                                client.clone(),
                                store.clone(),
                                source.name.clone(),
                                filters(&ingest, &source),
                                status.clone(),
                            );
                            subscribing = Some(tokio::spawn(subscribe));
                        }
                    }
                    next = events.buffered();
                }
                if ingest.is_full() {
                    ingest.flush().await;
                }
                for request in ingest.requests() {
                    publishing.request(&source, &client, request);
                }
            }
            Err(MqttError::Closed) => {
                ingest.flush().await;
                break;
            }
            Err(error) => {
                ingest.flush().await;
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

/// What is to be subscribed to: what the rules want, and what the broker says of itself.
fn filters(ingest: &Ingest, source: &config::Source) -> Vec<(String, u8)> {
    let drops = source.drops_topic.iter().map(|topic| (topic.clone(), 0));
    ingest.subscriptions().into_iter().chain(drops).collect()
}

/// What a source publishes: only what its configuration says.
struct PublishTasks {
    /// Of `publish`.
    repeating: Vec<JoinHandle<()>>,
    /// When the decoder's last request was passed on.
    last: Mutex<Option<Instant>>,
}

/// The least time between two requests of the decoder.
const REQUEST_PAUSE: Duration = Duration::from_millis(100);

impl PublishTasks {
    fn start(source: &config::Source, client: &Client, status: &LinkStatus) -> Self {
        let repeating = source.publish.iter().cloned().map(|publish| {
            let (client, status, name) = (client.clone(), status.clone(), source.name.clone());
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(publish.every);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    ticks.tick().await;
                    if status.is_connected() {
                        send(
                            &client,
                            &name,
                            &publish.topic,
                            publish.payload.clone().into(),
                        )
                        .await;
                    }
                }
            })
        });
        Self {
            repeating: repeating.collect(),
            last: Mutex::default(),
        }
    }

    /// Passes a request of the decoder on, if the configuration allows it and not too many come.
    fn request(&self, source: &config::Source, client: &Client, request: Request) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = last.is_some_and(|last| last.elapsed() < REQUEST_PAUSE);
        if !source.rebirth || soon {
            tracing::debug!(
                source = source.name,
                topic = request.topic,
                "request not sent"
            );
            return;
        }
        *last = Some(Instant::now());
        tracing::info!(
            source = source.name,
            topic = request.topic,
            "asking for a birth certificate"
        );
        let (client, name) = (client.clone(), source.name.clone());
        // Not here: the queue may be full, and polling empties it.
        tokio::spawn(
            async move { send(&client, &name, &request.topic, request.payload.into()).await },
        );
    }
}

impl Drop for PublishTasks {
    fn drop(&mut self) {
        for task in &self.repeating {
            task.abort();
        }
    }
}

async fn send(client: &Client, source: &str, topic: &str, payload: Bytes) {
    if let Err(error) = client.publish(topic, QoS::AtMostOnce, false, payload).await {
        let error = chain(&error);
        tracing::warn!(source, topic, error, "cannot publish");
    }
}
