//! The actor: starts the two tasks, and ends when either does.

use std::sync::Arc;

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};
use tokio_util::sync::CancellationToken;

use super::driver::Driver;
use super::heartbeat::{Heartbeat, Report};
use super::link;
use crate::config;
use crate::error::chain;
use crate::link::LinkStatus;
use crate::mqtt::{self, Client};
use crate::ops::Metrics;
use crate::store::StoreHandle;

/// How long a farewell to the broker may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// Places in the request queue beside those for records.
const SPARE_REQUESTS: usize = 8;

/// What the uplink's actor is sent.
#[derive(Debug)]
pub enum UplinkMessage {
    /// A task has ended, which it never should.
    Ended(String),
}

/// What the uplink's actor is started with.
#[derive(Clone)]
pub struct UplinkArguments {
    /// Its configuration.
    pub uplink: config::Uplink,
    /// The agent's name, for topics.
    pub agent: Arc<str>,
    /// Bytes of a refused record that its dead letter keeps.
    pub dead_letter_bytes: usize,
    /// Where the records are.
    pub store: StoreHandle,
    /// Where delivery is measured.
    pub metrics: Arc<Metrics>,
    /// Shown to others.
    pub status: LinkStatus,
    /// What the heartbeat says.
    pub report: Arc<dyn Report>,
}

/// Keeps the uplink going.
pub struct UplinkActor;

/// The actor's state.
pub struct UplinkState {
    client: Client,
    stop: CancellationToken,
    polling: JoinHandle<()>,
    driving: JoinHandle<()>,
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
        let heartbeat = Heartbeat::new(&args.uplink, &args.agent, Arc::clone(&args.report));
        let limit = args.uplink.in_flight;
        let mut options = mqtt::Options::publisher(args.uplink.broker.clone(), limit);
        options.request_capacity += SPARE_REQUESTS;
        options.will = Some(heartbeat.will());
        let (client, events) = mqtt::connect(&options)?;
        let stop = CancellationToken::new();
        let (up_or_down, link) = watch::channel(link::State::default());
        let (backoff, status) = (args.uplink.backoff, args.status.clone());
        let polling = tokio::spawn(link::poll(events, backoff, status, up_or_down));
        let driver = Driver::new(args, client.clone(), link, heartbeat, stop.clone());
        let driving = tokio::spawn(async move {
            if let Err(error) = driver.run().await {
                let _ = myself.cast(UplinkMessage::Ended(chain(&error)));
            }
        });
        Ok(UplinkState {
            client,
            stop,
            polling,
            driving,
        })
    }

    async fn handle(
        &self,
        _: ActorRef<UplinkMessage>,
        message: UplinkMessage,
        _: &mut UplinkState,
    ) -> Result<(), ActorProcessingErr> {
        let UplinkMessage::Ended(why) = message;
        Err(why.into())
    }

    async fn post_stop(
        &self,
        _: ActorRef<UplinkMessage>,
        state: &mut UplinkState,
    ) -> Result<(), ActorProcessingErr> {
        state.stop.cancel();
        let farewell = async {
            let _ = (&mut state.driving).await;
            let _ = state.client.disconnect().await;
            let _ = (&mut state.polling).await;
        };
        let _ = timeout(FAREWELL, farewell).await;
        Ok(())
    }
}

impl Drop for UplinkState {
    /// Also when the actor failed, which skips [`Actor::post_stop`].
    fn drop(&mut self) {
        self.polling.abort();
        self.driving.abort();
    }
}
