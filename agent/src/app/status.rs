//! What the agent says of itself upstream.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::view::AgentView;
use crate::clock::rfc3339;
use crate::config::Config;
use crate::journal::JournalHandle;
use crate::ops::{self, Equation, Metrics, Overview, Stage, View};
use crate::uplink::Report;

/// Kept by systemd while it has the time from a server; its folder is there whenever it tries to.
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";

/// The body of `eyot.status.v1`.
pub(super) struct StatusReport {
    view: Arc<AgentView>,
    metrics: Arc<Metrics>,
    journal: Option<JournalHandle>,
    config_hash: String,
    models: Value,
    data_dir: PathBuf,
}

impl StatusReport {
    /// `models` are the classes' names with the names and versions of their models.
    pub(super) fn new(
        view: Arc<AgentView>,
        metrics: Arc<Metrics>,
        journal: Option<JournalHandle>,
        config: &Config,
        models: impl Iterator<Item = (String, String, String)>,
    ) -> Self {
        let model =
            |(class, name, version)| json!({ "class": class, "name": name, "version": version });
        Self {
            view,
            metrics,
            journal,
            config_hash: config.hash.clone(),
            models: models.map(model).collect(),
            data_dir: config.agent.data_dir.clone(),
        }
    }
}

impl Report for StatusReport {
    fn health(&self) -> Value {
        health(&self.view.overview())
    }

    fn status(&self) -> Map<String, Value> {
        let overview = self.view.overview();
        let sources = overview.sources.iter().map(|source| {
            json!({
                "name": source.name,
                "connected": source.link.connected,
                "messages": Equation::messages(&source.book),
                "readings": Equation::readings(&source.book),
            })
        });
        let freshness = Stage::ALL.map(|stage| (stage.name(), self.metrics.freshness_max(stage)));
        let freshness = freshness.map(|(name, max)| (name.to_owned(), json!(max)));
        let now = rfc3339(overview.now);
        let fields = [
            ("at", json!(now)),
            ("version", json!(overview.version)),
            ("started_at", json!(rfc3339(overview.started_at))),
            (
                "uptime_s",
                json!((overview.now - overview.started_at).as_millis() / 1_000),
            ),
            ("health", health(&overview)),
            ("config", json!({ "sha256": self.config_hash })),
            ("models", self.models.clone()),
            ("sources", sources.collect()),
            ("lanes", json!(overview.lanes)),
            (
                "freshness_max_s",
                Value::Object(freshness.into_iter().collect()),
            ),
            (
                "disk",
                json!({
                    "db_bytes": overview.store.db_bytes,
                    "journal_bytes": self.journal.as_ref().map(JournalHandle::bytes),
                    "free_bytes": free_bytes(&self.data_dir),
                }),
            ),
            (
                "clock",
                json!({ "now": now, "synced": synced(), "set": overview.clock.set }),
            ),
        ];
        fields
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect()
    }
}

fn health(overview: &Overview) -> Value {
    json!(ops::health(overview))
}

/// Bytes that are left to the agent where its data is.
fn free_bytes(dir: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(dir).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Whether the clock has its time from a server, if the machine tells.
fn synced() -> Option<bool> {
    let told = Path::new(SYNCHRONIZED);
    told.parent()?.is_dir().then(|| told.exists())
}
