//! Subscriptions: what the rules want, and no longer what an earlier configuration wanted.

use crate::error::chain;
use crate::link::LinkStatus;
use crate::mqtt::{Client, QoS};
use crate::store::StoreHandle;

/// Subscribes to `filters`, and unsubscribes from what was subscribed to before and is not wanted any
/// more: the broker may still have the session of an older configuration. The source counts as connected
/// once the broker has agreed, since before that it would miss what is published. Not from the polling
/// task, which the acknowledgement needs.
pub(super) async fn subscribe(
    client: Client,
    store: StoreHandle,
    source: String,
    filters: Vec<(String, u8)>,
    status: LinkStatus,
) {
    match try_subscribe(&client, &store, &source, &filters).await {
        Ok(()) => {
            tracing::debug!(source, ?filters, "subscribed");
            status.connected();
        }
        Err(error) => {
            tracing::error!(source, error, "cannot subscribe");
            status.failed(error);
        }
    }
}

async fn try_subscribe(
    client: &Client,
    store: &StoreHandle,
    source: &str,
    filters: &[(String, u8)],
) -> Result<(), String> {
    let wanted: Vec<String> = filters.iter().map(|(filter, _)| filter.clone()).collect();
    // Both before anything is asked for: whenever the agent dies, what is remembered covers it.
    let before = match store.swap_subscriptions(source, wanted.clone()).await {
        Ok(before) => before,
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(
                source,
                error,
                "subscriptions of an earlier run are not known"
            );
            Vec::new()
        }
    };
    let with_qos: Vec<(&str, QoS)> = filters
        .iter()
        .map(|(filter, qos)| {
            let qos = QoS::try_from(*qos).unwrap_or(QoS::AtLeastOnce);
            (filter.as_str(), qos)
        })
        .collect();
    let ack = client.subscribe(&with_qos).await;
    let ack = ack.map_err(|error| chain(&error))?;
    ack.await.map_err(|error| chain(&error))?;
    for filter in before.iter().filter(|filter| !wanted.contains(filter)) {
        tracing::info!(source, filter, "no longer wanted: unsubscribed");
        let gone = client.unsubscribe(filter).await;
        gone.map_err(|error| chain(&error))?;
    }
    Ok(())
}
