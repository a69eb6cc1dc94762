//! `eyot discover`: what a broker carries, as a configuration to start from.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::time::{Instant, timeout_at};

use super::login::Login;
use crate::clock;
use crate::config::Broker;
use crate::discover::{Keys, Observed, offers, propose};
use crate::mqtt::{self, Event, QoS};

/// Messages kept of one topic: enough to see what it carries.
const PER_TOPIC: usize = 20;
/// Topics kept at most.
const TOPICS: usize = 20_000;
/// Bytes of payloads kept at most.
const BYTES: usize = 64 << 20;

/// Listen to a broker for a while and print a configuration for what it carries.
///
/// Profiles that ship with Eyot come first; what they do not take becomes rules by the looks of topics and
/// payloads. Nothing is published. The result is a proposal: read its comments, name what should have better
/// names, and see with `eyot decode` what messages come to.
#[derive(Debug, clap::Args)]
pub struct DiscoverArgs {
    /// Broker to listen to: <mqtt://host[:port]> or <mqtts://host[:port]>
    #[arg(long, value_name = "URL")]
    broker: String,
    /// How long to listen; interrupting ends it sooner
    #[arg(long, value_name = "N", default_value_t = 30)]
    seconds: u64,
    /// Topics to listen to
    #[arg(long, value_name = "FILTER", default_value = "#")]
    topic: String,
    #[command(flatten)]
    login: Login,
}

/// Listens and prints.
///
/// # Errors
/// When the broker cannot be listened to, or nothing comes that could be understood.
pub fn run(args: &DiscoverArgs) -> anyhow::Result<()> {
    let broker = args.login.broker(&args.broker)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut seen = Seen::default();
    runtime.block_on(async {
        tokio::select! {
            result = listen(args, broker, &mut seen) => result,
            interrupted = tokio::signal::ctrl_c() => Ok(interrupted?),
        }
    })?;
    ensure!(
        !seen.messages.is_empty(),
        "nothing came in {} s; listen longer with --seconds, or check --topic and what the user may read",
        args.seconds
    );
    let offers = offers(&seen.messages, clock::now());
    let proposal = propose(&seen.messages, &offers);
    super::say(proposal.to_toml(&keys(args)).trim_end());
    if proposal.is_empty() {
        bail!("nothing of what came was understood, so there is no source to propose");
    }
    Ok(())
}

fn keys(args: &DiscoverArgs) -> Keys {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    Keys {
        url: args.broker.clone(),
        username: args.login.username.clone(),
        password_file: path(&args.login.password_file),
        ca_file: path(&args.login.ca_file),
    }
}

/// Listens until the time is over.
async fn listen(args: &DiscoverArgs, broker: Broker, seen: &mut Seen) -> anyhow::Result<()> {
    let mut options = mqtt::Options::subscriber(broker, 1_000);
    options.clean = true;
    let (client, mut events) = mqtt::connect(&options)?;
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let mut subscribing = None;
    while let Ok(event) = timeout_at(end, events.poll()).await {
        match event.context("cannot listen to the broker")? {
            Event::Connected(_) => {
                let client = client.clone();
                let filter = [(args.topic.clone(), QoS::AtMostOnce)];
                subscribing = Some(tokio::spawn(async move {
                    let granted = client.subscribe(&filter).await?;
                    granted.await.map_err(anyhow::Error::from)
                }));
            }
            Event::Publish(publish) => {
                let topic = String::from_utf8_lossy(&publish.topic);
                seen.keep(&topic, &publish.payload, publish.retain);
            }
        }
    }
    match subscribing {
        Some(task) if task.is_finished() => task.await?,
        Some(_) => bail!("the broker did not answer the subscription"),
        None => bail!("the broker was not reached in {} s", args.seconds),
    }
}

/// What was heard, as far as it is kept.
#[derive(Debug, Default)]
struct Seen {
    messages: Vec<Observed>,
    of_topic: HashMap<String, usize>,
    bytes: usize,
}

impl Seen {
    fn keep(&mut self, topic: &str, payload: &[u8], retained: bool) {
        // An empty payload deletes a retained message and says nothing else.
        if payload.is_empty() || self.bytes + payload.len() > BYTES {
            return;
        }
        if !self.of_topic.contains_key(topic) && self.of_topic.len() >= TOPICS {
            return;
        }
        let of_topic = self.of_topic.entry(topic.to_owned()).or_default();
        if *of_topic >= PER_TOPIC {
            return;
        }
        *of_topic += 1;
        self.bytes += payload.len();
        self.messages.push(Observed {
            topic: topic.to_owned(),
            payload: payload.to_vec(),
            retained,
        });
    }
}
