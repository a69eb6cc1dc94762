//! Invariant 8: health says what is wrong while it is wrong, and no longer.

use eyot::app::{Agent, Builder};
use eyot::ops::Status;
use eyot_lab::child;
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
