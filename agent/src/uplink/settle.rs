//! What becomes of parcels: deliveries, refusals, and what is given up.

use eyot_pipeline::forward::{GivenUp, Outcome, Why};
use eyot_pipeline::retention::Reason;
use tokio::time::{Duration, Instant};

use super::driver::{Driver, DriverError};
use super::encode::{Encoder, Row};
use super::event::{Settled, outcome};
use super::give_up::{self, Refused};
use crate::clock;
use crate::ops::Stage;

/// Deliveries that are reported together, at most, and how long the first of them waits.
pub(super) const GROUP: (usize, Duration) = (256, Duration::from_millis(10));

/// The class of a record's device; empty if it has none, as loss records have.
fn class_of(body: &[u8]) -> &str {
    const KEY: &[u8] = b"\"class\":\"";
    // The first that is not escaped, so that it is no part of a text, stands in the head.
    let found = body.windows(KEY.len()).position(|part| part == KEY);
    let class = found.and_then(|at| body[at + KEY.len()..].split(|byte| *byte == b'"').next());
    class.map_or("", |class| std::str::from_utf8(class).unwrap_or_default())
}

impl Driver {
    pub(super) fn settle(&mut self, (id, result): Settled) {
        let outcome = outcome(result);
        if outcome != Outcome::Delivered {
            self.refused(id, outcome);
            return;
        }
        let now = self.now();
        let Some(parcel) = self.forwarder.settled(id, outcome, now, 0.0) else {
            return;
        };
        let wall = clock::now();
        for item in &parcel.items {
            let Row { device, body } = &item.record;
            self.args.metrics.record_freshness(
                Stage::Delivery,
                class_of(body),
                &device.as_str().into(),
                wall - item.oldest,
            );
        }
        let rows = parcel.items.iter().map(|item| (parcel.lane, item.seq));
        self.delivered.extend(rows);
        self.report_due.get_or_insert(Instant::now() + GROUP.1);
    }

    /// A parcel was not delivered.
    pub(super) fn refused(&mut self, id: u64, outcome: Outcome) {
        match &outcome {
            Outcome::Refused(error) | Outcome::TooLarge(error) => {
                tracing::warn!(error, "record not taken");
            }
            outcome => tracing::debug!(?outcome, "record will be sent again"),
        }
        let _ = self
            .forwarder
            .settled(id, outcome, self.now(), rand::random());
    }

    pub(super) async fn give_up(
        &mut self,
        given_up: GivenUp<Row>,
        encoder: &mut Encoder,
    ) -> Result<(), DriverError> {
        let GivenUp { lane, items, why } = given_up;
        let Why::Rejected(detail) = why else {
            let rows = items.iter().map(|item| (lane, item.seq)).collect();
            self.args.store.give_up(rows, Reason::Expired).await?;
            return Ok(());
        };
        for item in items {
            let Row { device, body } = &item.record;
            tracing::error!(lane = lane.name(), device, detail, "record given up");
            let topic = encoder.topic(lane, device);
            self.undertaker.take(Refused {
                row: (lane, item.seq),
                letter: give_up::letter(&topic, &detail, body, self.args.dead_letter_bytes),
            });
        }
        Ok(())
    }

    /// Tells the store what was delivered.
    pub(super) async fn report(&mut self) -> Result<(), DriverError> {
        self.report_due = None;
        let rows = std::mem::take(&mut self.delivered);
        if !rows.is_empty() {
            self.args.store.delivered(rows).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::class_of;

    #[test]
    fn a_records_class_is_found_without_reading_all_of_it() {
        let body =
            br#"{"schema":"eyot.summary.v1","device":"\"class\":\"no","class":"pump","window":{}}"#;
        assert_eq!(class_of(body), "pump");
        assert_eq!(class_of(br#"{"schema":"eyot.loss.v1"}"#), "");
        assert_eq!(class_of(b""), "");
    }
}
