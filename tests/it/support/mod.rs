//! What the tests share: a configuration, an agent, a publisher, and patience with a limit.

mod agent;
mod child;
mod feed;
mod setup;
mod watch;

use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) use agent::{assert_dense, content, health, records, settled, start, subscribed};
pub(crate) use child::{ChildAgent, eyot, run, write};
pub(crate) use feed::{Feeder, T0, reading, second, waves};
pub(crate) use setup::Setup;
pub(crate) use watch::Watch;

/// How long anything may take before a test gives up. Far more than it takes, for slow machines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `look` finds something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(
            Instant::now() < deadline,
            "waited {PATIENCE:?} for {what}, in vain"
        );
        sleep(Duration::from_millis(5)).await;
    }
}
