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
            self.args
                .metrics
                .record_freshness(Stage::Delivery, wall - item.oldest);
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
