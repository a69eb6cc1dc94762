//! The task that polls the connection.

use tokio::sync::watch;
use tokio::time::Duration;

use eyot_pipeline::backoff::Backoff;

use crate::error::chain;
use crate::link::LinkStatus;
use crate::mqtt::{Event, EventLoop, MqttError};

/// Whether the connection stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    /// It does.
    pub(super) up: bool,
    /// How many there have been: two looks that find it up may have missed that it was down.
    pub(super) connections: u64,
}

/// Polls until the connection is closed for good. A watch never makes it wait.
pub(super) async fn poll(
    mut events: EventLoop,
    (first, largest): (Duration, Duration),
    status: LinkStatus,
    state: watch::Sender<State>,
) {
    let mut backoff = Backoff::new(first, largest);
    loop {
        match events.poll().await {
            Ok(Event::Connected(_)) => {
                tracing::info!("uplink connected");
                backoff.reset();
                status.connected();
                state.send_modify(|state| {
                    state.up = true;
                    state.connections += 1;
                });
            }
            Ok(Event::Publish(_)) => {}
            Err(MqttError::Closed) => return,
            Err(error) => {
                let pause = backoff.next(rand::random());
                let error = chain(&error);
                tracing::warn!(error, ?pause, "uplink is not connected");
                status.failed(error);
                state.send_modify(|state| state.up = false);
                tokio::time::sleep(pause).await;
            }
        }
    }
}
