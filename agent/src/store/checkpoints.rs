//! State machines at rest, and what became of the readings that they have seen.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Checkpoint, KnownDevice, Tallies};

/// Replaces a device's checkpoint.
pub(super) fn save(db: &Connection, device: i64, checkpoint: &Checkpoint) -> rusqlite::Result<()> {
    let tallies = checkpoint.tallies.to_json();
    let channels = channels_to_json(&checkpoint.channels);
    let crc = checksum(
        device,
        checkpoint.position,
        &tallies,
        &channels,
        &checkpoint.body,
    );
    db.prepare_cached(
        "INSERT OR REPLACE INTO checkpoints (device, position, tallies, channels, body, crc)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        device,
        checkpoint.position,
        tallies,
        channels,
        checkpoint.body,
        crc
    ])?;
    Ok(())
}

/// A device's checkpoint. One that is damaged is as good as none: the device starts from what the journal
/// still has.
pub(super) fn load(
    db: &Connection,
    name: &str,
    device: i64,
) -> rusqlite::Result<Option<Checkpoint>> {
    let row = db
        .prepare_cached(
            "SELECT position, tallies, channels, body, crc FROM checkpoints WHERE device = ?1",
        )?
        .query_row([device], |row| {
            let (position, tallies, channels): (u64, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let body: Vec<u8> = row.get(3)?;
            let intact =
                checksum(device, position, &tallies, &channels, &body) == row.get::<_, u32>(4)?;
            Ok(intact.then(|| Checkpoint {
                position,
                tallies: Tallies::from_json(&tallies),
                channels: channels_from_json(&channels),
                body,
            }))
        })
        .optional();
    match row {
        Ok(Some(Some(checkpoint))) => Ok(Some(checkpoint)),
        Ok(None) => Ok(None),
        // A value of the wrong type or range is damage too.
        Ok(Some(None)) | Err(_) => {
            tracing::error!(device = name, "checkpoint is damaged and not used");
            Ok(None)
        }
    }
}

/// Every device ever opened, those with a damaged checkpoint as if they had none.
pub(super) fn known(db: &Connection) -> rusqlite::Result<Vec<KnownDevice>> {
    let mut statement = db.prepare("SELECT id, name FROM devices")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut known = Vec::new();
    for row in rows {
        let (id, name): (i64, String) = row?;
        let checkpoint = load(db, &name, id)?;
        let (position, tallies, channels) = checkpoint
            .map(|checkpoint| (checkpoint.position, checkpoint.tallies, checkpoint.channels))
            .unwrap_or_default();
        known.push(KnownDevice {
            name,
            position,
            tallies,
            channels,
        });
    }
    Ok(known)
}

fn channels_to_json(channels: &[(String, Option<String>)]) -> String {
    serde_json::to_string(channels).expect("names are text")
}

/// Behind a checksum, so that what cannot be read is of a later version: nothing is known then.
fn channels_from_json(text: &str) -> Vec<(String, Option<String>)> {
    serde_json::from_str(text).unwrap_or_default()
}

fn checksum(device: i64, position: u64, tallies: &str, channels: &str, body: &[u8]) -> u32 {
    let mut digest = super::CRC.digest();
    digest.update(&device.to_le_bytes());
    digest.update(&position.to_le_bytes());
    for part in [tallies.as_bytes(), channels.as_bytes(), body] {
        digest.update(&(part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize()
}
