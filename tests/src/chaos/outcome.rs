//! What a run came to: the last line that it prints, and a report for people.

use std::collections::BTreeMap;

use serde::Serialize;

/// As JSON.
#[derive(Debug, Default, Serialize)]
pub(super) struct Outcome {
    /// `passed` or `failed`.
    pub(super) result: &'static str,
    pub(super) seed: u64,
    pub(super) seconds: u64,
    /// MQTT version of the source.
    pub(super) version: &'static str,
    /// Durability of the journal.
    pub(super) durability: String,
    /// Faults injected, by kind.
    pub(super) faults: BTreeMap<String, u64>,
    /// Kinds left out, and why.
    pub(super) skipped: BTreeMap<String, String>,
    /// Messages that the plant's broker acknowledged to the devices.
    pub(super) messages_acknowledged: u64,
    /// Readings among them that belong into summaries, each once.
    pub(super) readings_acknowledged: u64,
    /// Of these: in summaries that were collected.
    pub(super) readings_collected: u64,
    /// Of these: missing within a fault's budget.
    pub(super) readings_accounted: u64,
    /// Readings sent twice on purpose, an hour ahead, an hour behind, and messages that cannot be read.
    pub(super) duplicates_sent: u64,
    pub(super) ahead_sent: u64,
    pub(super) behind_sent: u64,
    pub(super) malformed_sent: u64,
    /// Messages that the agent got beyond these: the broker's and the devices' own repetitions.
    pub(super) messages_repeated: u64,
    /// Records collected, each once.
    pub(super) records: u64,
    pub(super) alerts: u64,
    /// Records that came upstream again.
    pub(super) duplicates_upstream: u64,
    /// Starts of the agent after the first.
    pub(super) restarts: u32,
    /// From the end of trouble until the shore had everything that it should have, at worst.
    pub(super) worst_catch_up_s: f64,
    /// How often the books were looked at while it ran.
    pub(super) books_checked: u64,
    /// Why it failed, if it did.
    pub(super) complaints: Vec<String>,
}

impl Outcome {
    /// For people.
    pub(super) fn explain(&self) {
        eprintln!(
            "{} readings acknowledged, {} collected, {} accounted for; {} records, {} came again; \
             {} restarts; {} messages repeated; worst catch-up {:.1} s",
            self.readings_acknowledged,
            self.readings_collected,
            self.readings_accounted,
            self.records,
            self.duplicates_upstream,
            self.restarts,
            self.messages_repeated,
            self.worst_catch_up_s,
        );
        for (kind, why) in &self.skipped {
            eprintln!("skipped: {kind}: {why}");
        }
        for complaint in &self.complaints {
            eprintln!("unexplained: {complaint}");
        }
    }
}
