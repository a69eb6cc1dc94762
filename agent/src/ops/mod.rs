//! How the agent is looked at: HTTP page, metrics, health, and the log.
//!
//! Everything shown is read through one narrow trait, [`View`], which the agent implements; only the
//! two histograms of [`Metrics`] are pushed. Nothing here can change the agent: every endpoint answers
//! GET (and HEAD) and nothing else.
//!
//! | path | what |
//! |---|---|
//! | `/` | page for people; `?device=` narrows its device table |
//! | `/healthz` | 200 when [healthy](health()), 503 with the reasons when not |
//! | `/readyz` | 200 while [`Phase::Running`], else 503 |
//! | `/metrics` | `OpenMetrics` text for Prometheus |
//! | `/api/overview.json` | [`Overview`] and [`Health`] |
//! | `/api/devices.json` | every [`DeviceView`]; `?device=` narrows |
//!
//! In reading order: `view` (what is shown) → `health` and `equation` (what follows from it) →
//! `metrics`, `page` (how it looks) → `http` (who may ask) → `server` (connections).

pub mod log;

mod collect;
mod equation;
pub(crate) mod format;
mod health;
mod http;
mod metrics;
mod page;
mod process;
mod server;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use equation::{Equation, Reason, Term};
pub use health::{Health, Status, health};
pub use metrics::{Metrics, Stage};
pub use process::{Written, written};
pub use view::{
    BrokerDroppedView, ClockView, DeviceCounts, DeviceState, DeviceView, FreshnessView, GapView,
    GapsView, JournalStatusView, LaneView, Limits, Link, Overview, Phase, SourceView, StoreView,
    TimeView, View, WearView,
};

/// Answers HTTP on `listener` until `stop` is cancelled; then answers under way are finished, for a
/// second at most. Stop it last, so that `/readyz` can say that the agent is stopping.
///
/// `name` is the one host name, beside `localhost`, under which requests are answered: the agent's own.
pub async fn serve(
    listener: TcpListener,
    name: &str,
    view: Arc<dyn View>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let routes = http::routes(name, view, metrics);
    server::run(listener, routes, server::Limits::default(), stop).await;
}
