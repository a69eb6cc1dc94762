//! Simulated pumps, and recordings played back: what `eyot sim` and `eyot replay` send.
//!
//! Three parts that know nothing of each other's insides: what is sent ([`fleet`], made of
//! [`pump`]s and their [`fault`]s, or a [`replay::Recording`]), when ([`pace`]), and in which form
//! ([`payload`]). Where to is the caller's: anything that implements [`Publish`].

pub mod fault;
pub mod fleet;
pub mod pace;
pub mod payload;
pub mod pump;
mod random;
pub mod replay;
mod symptom;
#[cfg(test)]
mod tests;
mod time_form;

use std::future::Future;

use eyot_pipeline::{Span, Timestamp};

pub use fleet::{Event, Fleet, FleetConfig};
pub use pace::{Pace, Speed};

/// Where messages go.
pub trait Publish {
    /// Why one could not be handed over.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Hands one message over; waits while the way is full. `qos` is 0 or 1. Returning `Ok` says
    /// that it is under way, not that it arrived.
    fn publish(
        &mut self,
        topic: &str,
        qos: u8,
        payload: Vec<u8>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Waits until everything handed over has been delivered as far as its quality of service promises.
    fn finish(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// One message, ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// MQTT topic.
    pub topic: String,
    /// MQTT payload.
    pub payload: Vec<u8>,
}

/// The channels of every simulated device, in the order of their index.
pub fn class_channels() -> [&'static str; 5] {
    pump::CHANNELS.map(|channel| channel.name)
}

/// RFC 3339 in UTC, as it stands in truth files and summaries.
pub fn rfc3339(time: Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(time.0)).map_or_else(
        |_| unreachable!("64-bit nanoseconds lie within jiff's years"),
        |time| time.to_string(),
    )
}

/// What the wall clock says.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// A length of time as people write it: `90s`, `1h 30m`, `250ms`, or a bare number of seconds.
/// Never negative.
pub fn parse_span(text: &str) -> Result<Span, String> {
    let span = match text.parse::<i64>() {
        Ok(seconds) => Span::from_secs(seconds),
        Err(_) => text
            .parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|duration| i64::try_from(duration.as_nanos()).ok())
            .map(Span)
            .ok_or_else(|| {
                format!("`{text}` is no length of time; write it like 90s, 5m or 250ms")
            })?,
    };
    if span < Span::ZERO {
        return Err(format!("`{text}` is negative"));
    }
    Ok(span)
}
