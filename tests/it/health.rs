//! Invariant 8: health says what is wrong while it is wrong, and no longer.

use std::time::Duration;

use eyot::app::{Agent, Builder};
use eyot::mqtt::{self, QoS};
use eyot::ops::Status;
use eyot_lab::child;
use eyot_lab::collector::local_broker;
use eyot_lab::mosquitto::Mosquitto;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Feeder, Setup, health, settled, subscribed, until, waves};

/// What `/healthz` answers.
async fn healthz(agent: &Agent) -> (u16, Value) {
    let address = agent.http().unwrap().to_string();
    let get = move || child::get(&address, "/healthz").unwrap();
    let (status, body) = tokio::task::spawn_blocking(get).await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn invariant_8_health_is_degraded_while_a_broker_is_away_and_healthy_after() {
    let (mut plant, mut shore) = (Mosquitto::start("").unwrap(), Mosquitto::start("").unwrap());
    let folder = TempDir::new().unwrap();
    let setup = Setup {
        http: Some("127.0.0.1:0"),
        ..Setup::default()
    };
    let config = setup.config(plant.port, Some(shore.port), folder.path());
    let agent = subscribed(Builder::new(config)).await;
    let healthy = async || {
        until("health", async || {
            (healthz(&agent).await.0 == 200).then_some(())
        })
        .await;
        assert_eq!(health(&agent), (Status::Healthy, vec![]));
    };
    let degraded = async |why: &str| {
        let body = until("the fault to be noticed", async || {
            let (status, body) = healthz(&agent).await;
            (status == 503).then_some(body)
        })
        .await;
        assert_eq!(body["status"], "degraded");
        let reasons = body["reasons"].as_array().unwrap();
        assert_eq!(reasons.len(), 1, "{body}");
        assert!(reasons[0].as_str().unwrap().starts_with(why), "{body}");
    };

    healthy().await;
    let port = plant.port;
    plant.kill();
    degraded(&format!(
        "source plant is not connected to mqtt://127.0.0.1:{port}"
    ))
    .await;
    plant.resume().unwrap();
    healthy().await;
    // Healthy means subscribed, too: nothing that is published from now on may be missed.
    let sent = Feeder::to(plant.port).send(&waves("m-1", 0..3, 20.0)).await;
    settled(&agent, sent).await;

    let port = shore.port;
    shore.kill();
    degraded(&format!(
        "the uplink is not connected to mqtt://127.0.0.1:{port}"
    ))
    .await;
    shore.resume().unwrap();
    healthy().await;
}

/// Has a subscriber of `filter` at a broker go away, whose session stays.
async fn leave_a_session(port: u16, filter: &str) {
    let mut broker = local_broker(port, "sleeper");
    broker.session_expiry = Duration::from_hours(1);
    let (client, mut events) = mqtt::connect(&mqtt::Options::subscriber(broker, 10)).unwrap();
    let polling = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let subscribed = client.subscribe(&[(filter, QoS::AtLeastOnce)]).await;
    subscribed.unwrap().await.unwrap();
    client.disconnect().await.unwrap();
    let _ = polling.await;
}

#[tokio::test]
async fn invariant_2_what_the_broker_drops_is_told_and_kept() {
    let plant = Mosquitto::start("sys_interval 1\nmax_queued_messages 5").unwrap();
    let folder = TempDir::new().unwrap();
    let setup = Setup {
        http: Some("127.0.0.1:0"),
        source: "drops_topic = \"$SYS/broker/publish/messages/dropped\"",
        ..Setup::default()
    };
    leave_a_session(plant.port, "other/#").await;
    let agent = subscribed(Builder::new(setup.config(plant.port, None, folder.path()))).await;
    let dropped = async |agent: &Agent, n: u64| {
        until("the broker's count", async || {
            let view = agent.view();
            let dropped = view.overview().sources[0].broker_dropped?;
            (dropped.total == n).then_some(())
        })
        .await;
    };
    dropped(&agent, 0).await;
    assert_eq!(health(&agent), (Status::Healthy, vec![]));
    let feeder = Feeder::to(plant.port);
    let other = |n: i64| vec![("other/thing".to_owned(), "1".to_owned()); n as usize];
    feeder.send(&other(12)).await;
    dropped(&agent, 7).await;
    let (status, reasons) = health(&agent);
    assert_eq!(status, Status::Degraded);
    assert!(
        reasons[0].starts_with("the broker of source plant has dropped messages of its clients, 7"),
        "{reasons:?}"
    );
    // It is no message of the plant.
    let sent = feeder.send(&waves("m-1", 0..3, 20.0)).await;
    assert_eq!(settled(&agent, sent).await.messages, sent);
    agent.stop().await.unwrap();
    // What is dropped while the agent is away is found, too.
    feeder.send(&other(4)).await;
    let agent = subscribed(Builder::new(setup.config(plant.port, None, folder.path()))).await;
    dropped(&agent, 11).await;
    agent.stop().await.unwrap();
}
