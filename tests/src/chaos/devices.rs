//! The devices: they measure whether or not anybody listens, keep what they cannot get rid of, and remember what
//! the broker has acknowledged.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use eyot::clock;
use eyot::config::Broker;
use eyot::mqtt::{self, Client, MqttError, QoS};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::dice::Dice;
use super::schedule::Kind;
use super::truth::{Key, Truth, WINDOW, WRONG, What, window_of};
use crate::collector::local_broker;

/// Channels of each device.
pub(super) const CHANNELS: [&str; 3] = ["a", "b", "c"];
/// Connections that the devices share.
const LINES: usize = 3;
/// How often a channel measures.
const PERIOD: Duration = Duration::from_millis(60);
/// An hour, in milliseconds.
const HOUR: i64 = 3_600_000;

/// Name of a device.
pub(super) fn device_name(n: u32) -> String {
    format!("m-{n:03}")
}

struct Message {
    device: String,
    channel: &'static str,
    payload: String,
    what: What,
}

/// All devices at work.
pub(super) struct Devices {
    count: u32,
    shared: Arc<Shared>,
    lines: Vec<UnboundedSender<Message>>,
    measuring: Vec<JoinHandle<()>>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    truth: Mutex<Truth>,
    /// Given to a line and not acknowledged yet.
    open: AtomicU64,
    /// Readings that are still to be sent twice.
    doubles: AtomicU64,
    stop: AtomicBool,
}

impl Shared {
    fn truth(&self) -> MutexGuard<'_, Truth> {
        self.truth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, line: &UnboundedSender<Message>, message: Message) {
        self.truth().sent(&message.what);
        self.open.fetch_add(1, Ordering::Relaxed);
        let _ = line.send(message);
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        for task in self.measuring.iter().chain(&self.tasks) {
            task.abort();
        }
    }
}

impl Devices {
    /// `count` devices at the broker behind `port`; they begin at once.
    pub(super) fn start(seed: u64, count: u32, port: u16) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            truth: Mutex::default(),
            open: AtomicU64::new(0),
            doubles: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let (mut lines, mut measuring, mut tasks) = (Vec::new(), Vec::new(), Vec::new());
        for n in 0..LINES {
            let broker = Broker {
                session_expiry: Duration::from_hours(1),
                ..local_broker(port, &format!("chaos-devices-{n}"))
            };
            let (client, mut events) = mqtt::connect(&mqtt::Options::publisher(broker, 100))?;
            tasks.push(tokio::spawn(async move {
                loop {
                    match events.poll().await {
                        Ok(_) => {}
                        Err(MqttError::Closed) => return,
                        Err(_) => sleep(Duration::from_millis(100)).await,
                    }
                }
            }));
            let (line, queue) = unbounded_channel();
            tasks.push(tokio::spawn(publish(
                client,
                queue,
                line.clone(),
                Arc::clone(&shared),
            )));
            let mine: Vec<String> = (0..count)
                .filter(|device| *device as usize % LINES == n)
                .map(device_name)
                .collect();
            let dice = Dice::new(seed, 100 + n as u64);
            measuring.push(tokio::spawn(measure(
                mine,
                dice,
                line.clone(),
                Arc::clone(&shared),
            )));
            lines.push(line);
        }
        Ok(Self {
            count,
            shared,
            lines,
            measuring,
            tasks,
        })
    }

    /// What has been sent so far.
    pub(super) fn truth(&self) -> Truth {
        self.shared.truth().clone()
    }

    /// Something out of the ordinary, of the size that `dice` says.
    pub(super) fn trouble(&self, kind: Kind, dice: &mut Dice) {
        let n = 20 + dice.below(180);
        if kind == Kind::Duplicates {
            self.shared.doubles.fetch_add(n, Ordering::Relaxed);
            return;
        }
        let now = now_ms();
        for k in 0..n {
            let device = dice.below(u64::from(self.count)) as u32;
            let k = k.cast_signed();
            let reading = |ts: i64| format!(r#"{{"ts": {ts}, "v": {WRONG}}}"#);
            let (what, payload) = match kind {
                Kind::ClockAhead => (What::Ahead, reading(now + HOUR + k)),
                Kind::ClockBehind => (What::Behind, reading(now - HOUR + k)),
                _ => (What::Malformed, malformed(dice, k)),
            };
            let message = Message {
                device: device_name(device),
                channel: CHANNELS[dice.below(CHANNELS.len() as u64) as usize],
                payload,
                what,
            };
            self.shared.send(self.line(device), message);
        }
    }

    fn line(&self, device: u32) -> &UnboundedSender<Message> {
        &self.lines[device as usize % LINES]
    }

    /// Ends measuring, sends what closes the last windows, and waits until the broker has acknowledged everything.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub(super) async fn finish(&mut self, limit: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + limit;
        self.shared.stop.store(true, Ordering::Relaxed);
        for task in self.measuring.drain(..) {
            tokio::time::timeout_at(deadline, task).await??;
        }
        // Past the last window's end by as much as readings may be out of order.
        sleep(Duration::from_millis(WINDOW.unsigned_abs() * 3)).await;
        let ts = now_ms();
        for n in 0..self.count {
            for channel in CHANNELS {
                let message = Message {
                    device: device_name(n),
                    channel,
                    payload: format!(r#"{{"ts": {ts}, "v": 1}}"#),
                    what: What::Closer,
                };
                self.shared.send(self.line(n), message);
            }
        }
        while self.shared.open.load(Ordering::Relaxed) > 0 {
            anyhow::ensure!(
                Instant::now() < deadline,
                "after {limit:?} the plant's broker has not acknowledged {} messages",
                self.shared.open.load(Ordering::Relaxed)
            );
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

fn now_ms() -> i64 {
    clock::now().0 / 1_000_000
}

/// Broken in one of several ways, and unlike any other.
fn malformed(dice: &mut Dice, k: i64) -> String {
    match dice.below(3) {
        0 => format!(r#"{{"ts": {k}, "v": "#),
        1 => format!("\u{0} nothing of the kind {k}"),
        _ => format!("[[[[{k}"),
    }
}

async fn measure(
    devices: Vec<String>,
    mut dice: Dice,
    line: UnboundedSender<Message>,
    shared: Arc<Shared>,
) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = HashMap::new();
    while !shared.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        for device in &devices {
            for channel in CHANNELS {
                // Not every channel has something to say each time.
                if dice.one_in(8) {
                    continue;
                }
                let last: &mut i64 = last.entry((device.clone(), channel)).or_default();
                let ts = now_ms().max(*last + 1);
                *last = ts;
                let key = Key {
                    device: device.clone(),
                    channel: channel.to_owned(),
                    start: window_of(ts),
                };
                let Some(bit) = shared.truth().next_bit(&key) else {
                    continue;
                };
                let message = |what| Message {
                    device: device.clone(),
                    channel,
                    payload: format!(r#"{{"ts": {ts}, "v": {bit}}}"#),
                    what,
                };
                shared.send(&line, message(What::Reading(key, bit)));
                let twice =
                    shared
                        .doubles
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
                if twice.is_ok() {
                    shared.send(&line, message(What::Again));
                }
            }
        }
    }
}

/// Publishes in the order of measurement; what the broker has forgotten goes to the end of the queue.
async fn publish(
    client: Client,
    mut queue: UnboundedReceiver<Message>,
    line: UnboundedSender<Message>,
    shared: Arc<Shared>,
) {
    while let Some(message) = queue.recv().await {
        let topic = format!("plant/{}/{}", message.device, message.channel);
        let payload = Bytes::from(message.payload.clone());
        let ack = client
            .publish_tracked(&topic, QoS::AtLeastOnce, false, payload)
            .await;
        let Ok(ack) = ack else { return };
        let (line, shared) = (line.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            if ack.await.is_ok() {
                shared.truth().acked(&message.what);
                shared.open.fetch_sub(1, Ordering::Relaxed);
            } else {
                shared.truth().resent += 1;
                let _ = line.send(message);
            }
        });
    }
}
