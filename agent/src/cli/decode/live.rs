//! Messages as they come from a broker.

use std::time::Duration;

use anyhow::Context;
use eyot_decode::Decoder;
use tokio::time::{Instant, timeout_at};

use super::one;
use super::show::Show;
use crate::config::{Broker, BrokerUrl, MqttVersion};
use crate::mqtt::{self, Event, QoS};

/// Subscribes to what the rules want and shows what comes, for so many seconds.
pub(super) fn listen(
    url: &str,
    seconds: u64,
    decoder: &mut Decoder,
    show: &mut Show,
) -> anyhow::Result<()> {
    let url: BrokerUrl = url.parse()?;
    anyhow::ensure!(
        !url.tls,
        "mqtts needs a configuration: use `eyot discover` or --config"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let options = mqtt::Options::subscriber(visitor(url), 1_000);
        let (client, mut events) = mqtt::connect(&options)?;
        let end = Instant::now() + Duration::from_secs(seconds);
        loop {
            let Ok(event) = timeout_at(end, events.poll()).await else {
                return Ok(());
            };
            match event.context("cannot listen to the broker")? {
                Event::Connected(_) => {
                    let filters: Vec<(String, QoS)> = decoder
                        .subscriptions()
                        .into_iter()
                        .map(|(filter, _)| (filter, QoS::AtMostOnce))
                        .collect();
                    let client = client.clone();
                    tokio::spawn(async move {
                        client
                            .subscribe(&filters)
                            .await?
                            .await
                            .map_err(anyhow::Error::from)
                    });
                }
                Event::Publish(publish) => {
                    let topic = String::from_utf8_lossy(&publish.topic);
                    one(
                        decoder,
                        show,
                        &topic,
                        &publish.payload,
                        publish.retain,
                        None,
                    );
                }
            }
        }
    })
}

/// A client that leaves nothing behind on the broker.
pub(crate) fn visitor(url: BrokerUrl) -> Broker {
    Broker {
        host: url.host,
        port: url.port,
        version: MqttVersion::V3,
        client_id: format!("eyot-visitor-{}", std::process::id()),
        keep_alive: Duration::from_secs(30),
        session_expiry: Duration::ZERO,
        credentials: None,
        tls: None,
    }
}
