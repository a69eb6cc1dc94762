//! The load: a thread that publishes at a steady rate.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use eyot::clock;
use eyot::mqtt::{self, MqttError, QoS};

use crate::collector::local_broker;

/// Devices.
pub(super) const DEVICES: u32 = 1_000;
/// Channels of each: those that the demo's model looks at.
pub(super) const CHANNELS: [&str; 4] = ["vibration", "current", "pressure", "flow"];
/// Typical values, so that scores are those of healthy pumps.
const LEVELS: [f64; 4] = [2.2, 13.5, 4.9, 33.0];
/// Bytes of a payload.
pub(super) const PAYLOAD: usize = 100;
/// Time between two bursts.
const TICK: Duration = Duration::from_millis(5);

/// A running publisher.
pub(super) struct Load {
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Publishes `rate` messages a second of that quality of service, of so many devices in turn, to the broker at
    /// `port` until it is stopped.
    pub(super) fn start(port: u16, rate: u32, qos: u8, devices: u32) -> Self {
        let load = Self {
            sent: Arc::default(),
            stop: Arc::default(),
        };
        let (sent, stop) = (Arc::clone(&load.sent), Arc::clone(&load.stop));
        let qos = QoS::try_from(qos).unwrap_or(QoS::AtMostOnce);
        thread::spawn(move || publish(port, rate, qos, devices, &sent, &stop));
        load
    }

    /// Messages handed over so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Ends it.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }
}

fn publish(port: u16, rate: u32, qos: QoS, devices: u32, sent: &AtomicU64, stop: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut options = mqtt::Options::publisher(local_broker(port, "load"), 100);
        options.clean = true;
        options.request_capacity = 4_096;
        let (client, mut events) = mqtt::connect(&options).expect("valid options");
        tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(_) => {}
                    Err(MqttError::Closed) => return,
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        let topics = topics(devices);
        let started = Instant::now();
        let mut next = 0_u64;
        while !stop.load(Ordering::Acquire) {
            let due = (started.elapsed().as_secs_f64() * f64::from(rate)) as u64;
            // Whole devices: their channels are read together.
            while next + CHANNELS.len() as u64 <= due {
                for _ in 0..CHANNELS.len() {
                    let at = (next % topics.len() as u64) as usize;
                    let payload = payload(at % CHANNELS.len(), next);
                    if client
                        .publish(&topics[at], qos, false, payload)
                        .await
                        .is_err()
                    {
                        return;
                    }
                    next += 1;
                }
                sent.store(next, Ordering::Release);
            }
            tokio::time::sleep(TICK).await;
        }
        let _ = client.disconnect().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    });
}

/// Hands `messages` messages of `QoS` 1 to the broker at `port`, and returns when it has them all.
pub(super) async fn fill(port: u16, messages: u64) -> anyhow::Result<()> {
    let mut options = mqtt::Options::publisher(local_broker(port, "fill"), 1_000);
    options.clean = true;
    options.request_capacity = 4_096;
    let (client, mut events) = mqtt::connect(&options)?;
    let polling = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let topics = topics(DEVICES);
    let mut last = None;
    for n in 0..messages {
        let at = (n % topics.len() as u64) as usize;
        let payload = payload(at % CHANNELS.len(), n);
        let ack = client
            .publish_tracked(&topics[at], QoS::AtLeastOnce, false, payload)
            .await?;
        last = Some(ack);
    }
    // Acknowledged in order.
    if let Some(ack) = last {
        ack.await?;
    }
    polling.abort();
    Ok(())
}

/// The topics, the channels of a device together.
pub(super) fn topics(devices: u32) -> Vec<String> {
    (0..devices)
        .flat_map(|d| CHANNELS.map(|c| format!("plant/hall-{}/pump-{d:04}/{c}", d % 4)))
        .collect()
}

/// `{"ts": …, "v": …, "pad": "…"}` of exactly [`PAYLOAD`] bytes. Values wander a little, so that no
/// channel is flat and none is odd.
pub(super) fn payload(channel: usize, n: u64) -> Bytes {
    let wave = ((n.wrapping_mul(2_654_435_761) >> 7) % 1_000) as f64 / 1_000.0 - 0.5;
    let value = LEVELS[channel] * (1.0 + 0.02 * wave);
    let mut text = format!(
        r#"{{"ts":{},"v":{value:.4},"pad":""#,
        clock::now().0 / 1_000_000
    );
    let pad = PAYLOAD - text.len() - 2;
    let _ = write!(text, "{:x<pad$}\"}}", "");
    Bytes::from(text)
}

/// Memory of a device's sample windows in KiB at `rate` messages a second over all devices: 16 bytes a
/// reading, as many as a window of 10 s holds, in vectors that double.
pub(super) fn window_kib(rate: u32) -> f64 {
    let channels = CHANNELS.len() as u32;
    let readings = rate * 10 / (DEVICES * channels);
    f64::from(channels * readings.next_power_of_two() * 16) / 1024.0
}

/// A configuration of the agent for this load.
pub(super) fn configuration(port: u16, page: &str, qos: u8) -> anyhow::Result<String> {
    let model = Path::new("config/models/pump").canonicalize()?;
    let channels: Vec<String> = CHANNELS.map(|c| format!("{c} = {{}}")).to_vec();
    Ok(format!(
        r#"
[agent]
name = "bench"
data_dir = "data"

[[source]]
name = "plant"
url = "mqtt://127.0.0.1:{port}"

[[source.rule]]
name = "reading"
topic = "plant/{{site}}/{{device}}/{{channel}}"
qos = {qos}
decoder = "json"
time = "ts"
time_format = "unix_ms"
value = "v"

[[class]]
name = "pump"
devices = ["pump-*"]
window = "10s"
model = "{}"
channels = {{ {} }}

[http]
listen = "{page}"
"#,
        model.display(),
        channels.join(", ")
    ))
}
