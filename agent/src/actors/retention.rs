//! Keeps the journal short: what every device has in its checkpoint, and the store in its books, is deleted.

use std::sync::Arc;
use std::time::Duration;

use eyot_journal::Disk;
use tokio_util::sync::CancellationToken;

use super::device::{Checkpointed, DeviceMessage};
use super::entry::DeviceEntry;
use super::fleet::Fleet;
use crate::error::chain;
use crate::journal::JournalHandle;
use crate::store::{StoreError, StoreHandle};

/// How often it looks.
const LOOK: Duration = Duration::from_secs(1);

/// A quarantined device writes no checkpoint of its own: what was given up for it is written down in its place.
async fn write_off(entry: &Arc<DeviceEntry>, store: &StoreHandle) -> Result<(), StoreError> {
    let given_up = entry.door().given_up();
    let Some(position) = given_up else {
        return Ok(());
    };
    let (name, class) = (&entry.name, &entry.class.config.name);
    let written = Checkpointed::new(entry, position);
    store
        .move_checkpoint(
            name,
            class,
            position,
            entry.tallies(),
            Some(Box::new(written)),
        )
        .await
}

/// Deletes segments that nobody needs any more, until `stop`. When the journal is half full, devices that still need
/// its older half are asked for a checkpoint, whether it pays or not.
pub async fn keep_journal_short(
    fleet: Arc<Fleet>,
    journal: JournalHandle,
    store: StoreHandle,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if journal.bytes() > journal.max_bytes() / 2 {
            let middle = journal.middle();
            ask_for_checkpoints(&fleet, middle);
            for entry in fleet.devices() {
                let needs = entry.door().needs();
                if needs.is_some_and(|needs| needs < middle)
                    && write_off(&entry, &store).await.is_err()
                {
                    return;
                }
            }
        }
        match shorten(&fleet, &journal, &store).await {
            Ok(()) => {}
            Err(StoreError::Gone) => return,
            // Another time: nothing is deleted before it is safe.
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(
                    error,
                    "the database cannot be made safe, so the journal keeps what it has"
                );
            }
        }
    }
}

/// Asks those devices for a checkpoint that need the journal before `position`.
pub(crate) fn ask_for_checkpoints(fleet: &Fleet, position: u64) {
    for entry in fleet.devices() {
        let needs = entry.door().needs();
        if needs.is_some_and(|needs| needs < position) {
            entry.send(DeviceMessage::Checkpoint);
        }
    }
}

/// Deletes the segments that nobody needs.
pub(crate) async fn shorten<D: Disk>(
    fleet: &Fleet,
    journal: &JournalHandle<D>,
    store: &StoreHandle,
) -> Result<(), StoreError> {
    let Some(oldest) = journal.first_closed_end() else {
        return Ok(());
    };
    // Before the devices are looked at: what comes in meanwhile is behind it.
    let end = journal.committed() + 1;
    let devices = fleet.devices();
    let needed = devices.iter().filter_map(|entry| entry.door().needs());
    let needed = needed.min().unwrap_or(end).min(end);
    if needed <= oldest {
        return Ok(());
    }
    // The books of what is deleted are stored first, and with them everything before.
    store.flush().await?;
    if journal.survives_power_loss() {
        store.sync().await?;
    }
    journal.remove_before(needed).await;
    Ok(())
}
