//! When things are sent: simulated time against the wall clock.
//!
//! What is due goes out in bursts, a few milliseconds apart at the closest, so that tens of thousands of messages
//! a second do not cost as many wake-ups.

use std::str::FromStr;
use std::time::Duration;

use eyot_pipeline::{Span, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Message, Publish};

/// Something to be sent at a simulated instant.
pub trait Due {
    /// That instant.
    fn due(&self) -> Timestamp;
}

/// How fast simulated time runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// This many simulated seconds a second; positive.
    Times(f64),
    /// As fast as the messages can be handed over.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse() {
            Ok(times) if f64::is_finite(times) && times > 0.0 => Ok(Self::Times(times)),
            _ => Err(format!(
                "`{text}` is no speed; write a positive number or `max`"
            )),
        }
    }
}

/// The relation between simulated time and the wall clock during one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Simulated time at the beginning of the run.
    pub start: Timestamp,
    /// Wall clock at the beginning of the run.
    pub wall: Timestamp,
    /// How fast simulated time runs.
    pub speed: Speed,
    /// Whether simulated time that has caught up with the wall clock goes on at its pace.
    pub join_wall: bool,
}

impl Pace {
    /// A run of `length` that ends when simulated time meets the wall clock, so that nothing is ever
    /// stamped ahead of it: it begins `length · (1 − 1/speed)` ago, or now if it runs slower than real time.
    pub fn ending_now(length: Span, wall: Timestamp, speed: Speed) -> Self {
        let head_start = match speed {
            Speed::Times(times) => (length.0 as f64 * (1.0 - 1.0 / times)).max(0.0) as i64,
            Speed::Max => length.0,
        };
        Self {
            start: wall - Span::from_millis(Span(head_start).as_millis()),
            wall,
            speed,
            join_wall: false,
        }
    }

    /// A run that begins `head_start` ago, catches up at `speed` and goes on in real time.
    pub fn catching_up(head_start: Span, wall: Timestamp, speed: Speed) -> Self {
        Self {
            start: wall - head_start,
            wall,
            speed,
            join_wall: true,
        }
    }

    /// What is due by simulated time when the run is `elapsed` old.
    pub fn due(&self, elapsed: Duration) -> Timestamp {
        let simulated = match self.speed {
            Speed::Times(times) => self.start + span(elapsed.mul_f64(times)),
            Speed::Max => Timestamp::MAX,
        };
        if self.join_wall {
            simulated.min(self.wall + span(elapsed))
        } else {
            simulated
        }
    }

    /// How old the run is when `time` becomes due.
    pub fn age_at(&self, time: Timestamp) -> Duration {
        let simulated = match self.speed {
            Speed::Times(times) => (time - self.start).as_secs_f64() / times,
            Speed::Max => 0.0,
        };
        let on_the_wall = if self.join_wall {
            (time - self.wall).as_secs_f64()
        } else {
            0.0
        };
        Duration::try_from_secs_f64(simulated.max(on_the_wall)).unwrap_or(Duration::ZERO)
    }
}

fn span(duration: Duration) -> Span {
    Span(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

/// How a run went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Paced {
    /// Messages handed over.
    pub messages: u64,
    /// How long it took, until the last was delivered.
    pub elapsed: Duration,
    /// The most a message left after its time; nothing with [`Speed::Max`], which knows no time.
    pub behind: Duration,
}

/// Between two bursts.
const BREATH: Duration = Duration::from_millis(2);
/// Messages after which other tasks get their turn and the clock is looked at again.
const BURST: usize = 256;

/// Sends `items`, which come in order of their time, each when it is due; ends with the last one or when `stop` is
/// cancelled, and then waits for the deliveries under way.
pub async fn run<T: Due, P: Publish>(
    items: impl Iterator<Item = T>,
    mut encode: impl FnMut(T) -> Message,
    pace: &Pace,
    qos: u8,
    publish: &mut P,
    stop: &CancellationToken,
) -> Result<Paced, P::Error> {
    let mut items = items.peekable();
    let mut paced = Paced::default();
    let began = Instant::now();
    while !stop.is_cancelled() {
        let age = began.elapsed();
        let due = pace.due(age);
        let mut burst = 0;
        while burst < BURST
            && let Some(item) = items.next_if(|item| item.due() <= due)
        {
            if pace.speed != Speed::Max {
                paced.behind = paced
                    .behind
                    .max(age.saturating_sub(pace.age_at(item.due())));
            }
            let message = encode(item);
            publish
                .publish(&message.topic, qos, message.payload)
                .await?;
            burst += 1;
        }
        paced.messages += burst as u64;
        let Some(next) = items.peek() else { break };
        if burst == BURST {
            tokio::task::yield_now().await;
            continue;
        }
        let pause = pace.age_at(next.due()).saturating_sub(began.elapsed());
        let wake = began + began.elapsed() + pause.max(BREATH);
        tokio::select! {
            () = tokio::time::sleep_until(wake) => {}
            () = stop.cancelled() => {}
        }
    }
    publish.finish().await?;
    paced.elapsed = began.elapsed();
    Ok(paced)
}

#[cfg(test)]
mod tests;
