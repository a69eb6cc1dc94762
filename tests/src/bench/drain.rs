//! How fast messages of `QoS` 1 come in, and what they cost: a queue that the broker has kept is taken over, by a
//! bare subscriber that acknowledges and by agents that journal first.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use eyot::mqtt::{self, Event, MqttError, QoS};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::{load, value};
use crate::broker::free_port;
use crate::child::{self, Process};
use crate::collector::local_broker;
use crate::mosquitto::Mosquitto;

/// How long a queue may take to empty.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often an agent's count is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long a broker keeps the session of a subscriber that is away.
const SESSION: Duration = Duration::from_hours(1);

/// One queue taken over.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Drain {
    /// Messages a second.
    pub(super) rate: f64,
    /// CPU time for each, user and system, in microseconds.
    pub(super) cpu_us: f64,
}

/// A queue of `messages` at a broker with `window` messages under way at once.
pub(super) struct Queue {
    broker: Mosquitto,
    messages: u64,
    /// Whether the messages come while the subscriber is there. Mosquitto 2.0 does not keep to its window with a queue
    /// that is taken over: it sends all of it once the first are acknowledged.
    live: bool,
}

impl Queue {
    pub(super) fn new(messages: u64, window: u16) -> anyhow::Result<Self> {
        Ok(Self {
            broker: Mosquitto::start(&format!(
                "max_queued_messages 0\nmax_queued_bytes 0\nset_tcp_nodelay true\nmax_inflight_messages {window}"
            ))?,
            messages,
            live: false,
        })
    }

    /// Not kept for the subscriber, but sent while it is there.
    pub(super) fn live(self) -> Self {
        Self { live: true, ..self }
    }

    /// Taken over by [`bare`].
    pub(super) async fn by_bare(&self) -> anyhow::Result<Drain> {
        let (port, messages) = (self.broker.port.to_string(), self.messages.to_string());
        let arguments = ["drain", "--port", &port, "--messages", &messages];
        let log = tempfile::NamedTempFile::new()?;
        let start = || {
            let mut command = Command::new(std::env::current_exe()?);
            Process::start(command.args(arguments), log.path())
        };
        let mut process = start()?;
        sleep(Duration::from_secs(1)).await;
        let filling = load::fill(self.broker.port, self.messages);
        if self.live {
            tokio::spawn(filling);
        } else {
            process.signal("-KILL");
            process.wait(PATIENCE)?;
            filling.await?;
            process = start()?;
        }
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = process.ended() {
                break status;
            }
            anyhow::ensure!(Instant::now() < deadline, "the queue does not empty");
            sleep(LOOK).await;
        };
        anyhow::ensure!(status.success(), "the bare subscriber failed: {status}");
        child::last_json(log.path())
    }

    /// Taken over by an agent that speaks this version of MQTT and has these lines in its `[journal]`, run as `command`
    /// says.
    pub(super) async fn by_agent(
        &self,
        folder: &Path,
        (version, journal): (&str, &str),
        command: impl Fn() -> anyhow::Result<Command>,
    ) -> anyhow::Result<Drain> {
        std::fs::create_dir_all(folder)?;
        let page = format!("127.0.0.1:{}", free_port()?);
        let config = folder.join("bench.toml");
        let text = load::configuration(self.broker.port, &page, 1)?;
        let text = text.replace("url = ", &format!("version = \"{version}\"\nurl = "));
        std::fs::write(&config, format!("{text}\n[journal]\n{journal}\n"))?;
        let start = || {
            let mut command = command()?;
            Process::start(
                command.arg("--config").arg(&config),
                &folder.join("agent.log"),
            )
        };
        let mut process = start()?;
        healthy(&page).await?;
        let filling = load::fill(self.broker.port, self.messages);
        if self.live {
            tokio::spawn(filling);
        } else {
            process.terminate();
            process.wait(PATIENCE)?;
            filling.await?;
            process = start()?;
        }
        let count = async || {
            let (_, metrics) = child::get(&page, "/metrics")?;
            let sample = "eyot_messages_received_total{source=\"plant\"}";
            anyhow::Ok((value(&metrics, sample), Instant::now()))
        };
        let deadline = Instant::now() + PATIENCE;
        let (mut first, mut cpu) = (None, 0.0);
        loop {
            anyhow::ensure!(process.ended().is_none(), "the agent has ended");
            anyhow::ensure!(Instant::now() < deadline, "the queue does not empty");
            if let Ok((n, at)) = count().await {
                let used = child::cost(process.pid())?.cpu;
                match first {
                    None if n > 0 => (first, cpu) = (Some((n, at)), used),
                    Some((from, begun)) if n >= self.messages => {
                        process.terminate();
                        process.wait(PATIENCE)?;
                        let taken = (n - from) as f64;
                        return Ok(Drain {
                            rate: taken / (at - begun).as_secs_f64(),
                            cpu_us: (used - cpu) * 1e6 / taken,
                        });
                    }
                    _ => {}
                }
            }
            sleep(LOOK).await;
        }
    }
}

/// Waits until an agent says that it is healthy.
pub(super) async fn healthy(page: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !child::get(page, "/healthz").is_ok_and(|(status, _)| status == 200) {
        anyhow::ensure!(
            Instant::now() < deadline,
            "the agent did not become healthy"
        );
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Takes `messages` messages, acknowledging each, and prints how long that took as JSON.
///
/// # Errors
/// When the options are not valid; never in practice.
pub async fn bare(port: u16, messages: u64) -> anyhow::Result<bool> {
    let mut broker = local_broker(port, "bare-drain");
    broker.session_expiry = SESSION;
    let options = mqtt::Options::subscriber(broker, 1_000);
    let (client, mut events) = mqtt::connect(&options)?;
    let (mut count, mut first) = (0_u64, None);
    loop {
        match events.poll().await {
            Ok(Event::Publish(publish)) => {
                count += u64::from(!publish.payload.is_empty());
                let cpu = || child::cost(std::process::id()).map(|cost| cost.cpu);
                let (begun, before) = match first {
                    Some(first) => first,
                    None => *first.insert((Instant::now(), cpu()?)),
                };
                if count == messages {
                    let drain = Drain {
                        rate: count as f64 / begun.elapsed().as_secs_f64(),
                        cpu_us: (cpu()? - before) * 1e6 / count as f64,
                    };
                    println!("{}", serde_json::to_string(&drain)?);
                    return Ok(true);
                }
            }
            Ok(Event::Connected(connected)) if !connected.session_present => {
                let client = client.clone();
                tokio::spawn(
                    async move { client.subscribe(&[("plant/#", QoS::AtLeastOnce)]).await },
                );
            }
            Ok(Event::Connected(_)) => {}
            Err(MqttError::Closed) => return Ok(false),
            Err(error) => return Err(error).context("the bare subscriber lost its broker"),
        }
    }
}
