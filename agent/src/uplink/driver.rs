//! The forwarder's loop: does what it says, tells it what happened.

use std::io;

use eyot_pipeline::forward::{Action, Fetch, Forwarder, Outcome};
use eyot_pipeline::ledger::Lane;
use eyot_pipeline::{Span, Timestamp};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::actor::UplinkArguments;
use super::encode::{Encoder, Message, Row};
use super::event::{Event, Settled, item, under_way};
use super::give_up::Undertaker;
use super::heartbeat::Heartbeat;
use super::hours::Watchman;
use super::link;
use super::settle::GROUP;
use crate::clock;
use crate::error::chain;
use crate::mqtt::{Client, MqttError, QoS};
use crate::store::{OutRow, StoreError};

/// How long acknowledgements are waited for at the end.
const LAST_ACKS: Duration = Duration::from_millis(500);

/// Why the driver cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum DriverError {
    /// Nothing comes out of the outbox.
    #[error("the uplink cannot use the store")]
    Store(#[from] StoreError),
    /// The task that polls has ended.
    #[error("the uplink's connection was closed")]
    Closed,
    /// No memory for a compressor, presumably.
    #[error("the uplink cannot compress")]
    Compressor(#[source] io::Error),
}

/// What was asked for, and what came.
type Fetched = (Fetch, Result<Vec<OutRow>, StoreError>);

/// The loop's state.
pub(super) struct Driver {
    pub(super) args: UplinkArguments,
    client: Client,
    link: watch::Receiver<link::State>,
    connections: u64,
    up: bool,
    stop: CancellationToken,
    pub(super) forwarder: Forwarder<Row>,
    acks: FuturesUnordered<BoxFuture<'static, Settled>>,
    fetch: Option<BoxFuture<'static, Fetched>>,
    newest: Option<BoxFuture<'static, Result<i64, StoreError>>>,
    pub(super) delivered: Vec<(Lane, i64)>,
    pub(super) report_due: Option<Instant>,
    pub(super) undertaker: Undertaker,
    watchman: Watchman,
    heartbeat: Heartbeat,
    /// Where the forwarder's time begins. Wall clocks are set; this one only runs.
    started: Instant,
}

impl Driver {
    pub(super) fn new(
        args: UplinkArguments,
        client: Client,
        link: watch::Receiver<link::State>,
        heartbeat: Heartbeat,
        stop: CancellationToken,
    ) -> Self {
        Self {
            forwarder: Forwarder::new(args.uplink.policy.clone()),
            client,
            link,
            connections: 0,
            up: false,
            stop,
            acks: FuturesUnordered::new(),
            fetch: None,
            newest: None,
            delivered: Vec::new(),
            report_due: None,
            undertaker: Undertaker::new(args.store.clone()),
            watchman: Watchman::new(args.uplink.schedule.clone()),
            heartbeat,
            started: Instant::now(),
            args,
        }
    }

    /// Until it is told to stop.
    pub(super) async fn run(mut self) -> Result<(), DriverError> {
        let mut encoder = Encoder::new(&self.args.uplink.topic_prefix, &self.args.agent)
            .map_err(DriverError::Compressor)?;
        let mut changed = self.args.store.changed();
        loop {
            self.keep_time().await?;
            let until = self.pump(&mut encoder).await?;
            let due = self.due(until);
            let event = tokio::select! {
                () = self.stop.cancelled() => Event::Stop,
                link = self.link.changed() => Event::Link(link.is_ok()),
                Some(settled) = self.acks.next() => Event::Settled(settled),
                (fetch, rows) = under_way(&mut self.fetch) => Event::Fetched(fetch, rows),
                newest = under_way(&mut self.newest) => Event::Newest(newest),
                changed = changed.changed() => Event::Replenished(changed.is_ok()),
                result = self.undertaker.done() => Event::Buried(result),
                () = sleep_until(due) => Event::Time,
            };
            match event {
                Event::Stop => return self.farewell().await,
                event => self.handle(event).await?,
            }
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), DriverError> {
        let now = self.now();
        match event {
            Event::Link(false) => return Err(DriverError::Closed),
            Event::Link(true) => self.look_at_link(now),
            Event::Settled(settled) => {
                self.settle(settled);
                // What came with it needs no look at anything else.
                while let Some(Some(settled)) = self.acks.next().now_or_never() {
                    self.settle(settled);
                }
                if self.delivered.len() >= GROUP.0 {
                    self.report().await?;
                }
            }
            Event::Fetched(fetch, rows) => {
                let items = rows?.into_iter().map(item).collect();
                self.forwarder.fetched(fetch, items, now);
            }
            Event::Newest(newest) => self.forwarder.split(newest?, now),
            Event::Replenished(true) => self.forwarder.replenished(),
            Event::Replenished(false) => return Err(StoreError::Gone.into()),
            Event::Buried(result) => {
                result?;
                self.undertaker.go_on();
            }
            Event::Time | Event::Stop => {}
        }
        Ok(())
    }

    /// Does what the forwarder wants until it waits, and returns until when.
    async fn pump(&mut self, encoder: &mut Encoder) -> Result<Option<Timestamp>, DriverError> {
        loop {
            let (now, wall) = (self.now(), clock::now());
            let store = &self.args.store;
            match self.forwarder.poll(now, wall) {
                Action::Wait(until) => return Ok(until),
                Action::AskNewest => {
                    let store = store.clone();
                    self.newest = Some(async move { store.newest().await }.boxed());
                }
                Action::Fetch(fetch) => {
                    let store = store.clone();
                    let rows = async move {
                        let rows = store.fetch(fetch.lane, fetch.after, fetch.limit).await;
                        (fetch, rows)
                    };
                    self.fetch = Some(rows.boxed());
                }
                Action::GiveUp(given_up) => self.give_up(given_up, encoder).await?,
                Action::Send(parcel) => {
                    let id = parcel.id;
                    let expiry = parcel.expires.map(|at| duration(at - wall));
                    match encoder.message(parcel) {
                        Ok(message) => self.publish(id, message, expiry, now).await?,
                        Err(error) => self.refused(id, Outcome::Refused(chain(&error))),
                    }
                }
            }
        }
    }

    async fn publish(
        &mut self,
        id: u64,
        message: Message,
        expiry: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), DriverError> {
        let Message { topic, payload } = message;
        self.forwarder.charge(topic.len() + payload.len(), now);
        let published = self
            .client
            .publish_expiring(&topic, QoS::AtLeastOnce, false, payload, expiry)
            .await;
        match published {
            Ok(ack) => self
                .acks
                .push(ack.into_future().map(move |result| (id, result)).boxed()),
            Err(MqttError::Closed) => return Err(DriverError::Closed),
            Err(error @ MqttError::TooLarge { .. }) => {
                self.refused(id, Outcome::TooLarge(chain(&error)));
            }
            Err(error) => self.refused(id, Outcome::Refused(chain(&error))),
        }
        Ok(())
    }

    fn look_at_link(&mut self, now: Timestamp) {
        let state = *self.link.borrow_and_update();
        if self.up && (!state.up || state.connections != self.connections) {
            self.forwarder.disconnected(now, rand::random());
        }
        if state.up && state.connections != self.connections {
            self.forwarder.connected();
            self.heartbeat.renew(Instant::now());
        }
        self.up = state.up;
        self.connections = state.connections;
    }

    /// Whatever is due because of the time alone.
    async fn keep_time(&mut self) -> Result<(), DriverError> {
        let now = Instant::now();
        if self.report_due.is_some_and(|due| due <= now) {
            self.report().await?;
        }
        if let Some(allowed) = self.watchman.look(now, clock::now()) {
            self.forwarder.allow(allowed);
        }
        if self.up
            && let Some(status) = self.heartbeat.beat(now)
        {
            let topic = &self.heartbeat.topic;
            let published = self
                .client
                .publish(topic, QoS::AtLeastOnce, true, status)
                .await;
            if let Err(error) = published {
                tracing::warn!(error = chain(&error), "status not published");
            }
        }
        Ok(())
    }

    /// When to look again though nothing happens.
    fn due(&self, until: Option<Timestamp>) -> Instant {
        let until = until.map(|until| self.started + duration(until - Timestamp::default()));
        let beat = self.up.then(|| self.heartbeat.next());
        let due = [until, self.report_due, self.watchman.due(), beat];
        // A day is as good as for ever.
        let day = Instant::now() + Duration::from_hours(24);
        due.into_iter().flatten().min().unwrap_or(day)
    }

    /// Takes what acknowledgements still come, and says goodbye.
    async fn farewell(mut self) -> Result<(), DriverError> {
        let end = Instant::now() + LAST_ACKS;
        while self.up
            && let Ok(Some(settled)) = timeout_at(end, self.acks.next()).await
        {
            self.settle(settled);
        }
        self.report().await?;
        if self.up {
            let (topic, status) = (&self.heartbeat.topic, self.heartbeat.farewell());
            let _ = self
                .client
                .publish(topic, QoS::AtLeastOnce, true, status)
                .await;
        }
        Ok(())
    }

    /// The forwarder's time.
    pub(super) fn now(&self) -> Timestamp {
        let since = self.started.elapsed().as_nanos();
        Timestamp(i64::try_from(since).unwrap_or(i64::MAX))
    }
}

fn duration(span: Span) -> Duration {
    Duration::from_nanos(u64::try_from(span.0).unwrap_or(0))
}
