//! Routes, and who may ask: the guard in front of all of them.
//!
//! A page in the user's browser must not be able to read what a gateway on the same machine or network
//! serves. Same-origin rules see to that as long as a request's `Host` is one that only we can be
//! reached by: a name that an attacker's DNS points here ("DNS rebinding") is refused (invariant 9).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{RawQuery, Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use percent_encoding::percent_decode_str;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use serde::Serialize;

use super::health::{Health, Status, health};
use super::metrics::{Metrics, Stage};
use super::view::{DeviceView, Overview, Phase, View};
use super::{collect, page};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// For every answer; what is no page needs nothing at all.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];
const NOTHING_ALLOWED: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

#[derive(Clone)]
struct Shared {
    name: Arc<str>,
    view: Arc<dyn View>,
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
}

/// The routes behind their guard. `name` is the agent's.
pub(super) fn routes(name: &str, view: Arc<dyn View>, metrics: Arc<Metrics>) -> Router {
    let shared = Shared {
        name: name.into(),
        view: Arc::clone(&view),
        registry: Arc::new(collect::registry(view, Arc::clone(&metrics))),
        metrics,
    };
    Router::new()
        .route("/", get(show_page))
        .route("/healthz", get(show_health))
        .route("/readyz", get(show_ready))
        .route("/metrics", get(show_metrics))
        .route("/api/overview.json", get(show_overview))
        .route("/api/devices.json", get(show_devices))
        .fallback(async || (StatusCode::NOT_FOUND, "there is nothing here: try /\n"))
        .layer(from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

async fn guard(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let mut response = if !addressed_to_us(&request, &shared.name) {
        let why = format!(
            "ask for this server by address, as localhost or as {}\n",
            shared.name
        );
        (StatusCode::MISDIRECTED_REQUEST, why).into_response()
    } else if ![Method::GET, Method::HEAD].contains(request.method()) {
        let allow = [(ALLOW, "GET, HEAD")];
        (
            StatusCode::METHOD_NOT_ALLOWED,
            allow,
            "nothing can be changed here\n",
        )
            .into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(NOTHING_ALLOWED);
    response
}

/// Whether the host asked for is an address, `localhost` or our own name.
fn addressed_to_us(request: &Request, name: &str) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(header), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Some(header) = header.to_str().ok().and_then(|host| host.parse().ok()) else {
        return false;
    };
    let known = |authority: &Authority| {
        let host = authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || host.eq_ignore_ascii_case(name)
    };
    known(&header) && request.uri().authority().is_none_or(known)
}

async fn show_health(State(shared): State<Shared>) -> (StatusCode, Json<Health>) {
    let health = health(&shared.view.overview());
    let code = match health.status {
        Status::Healthy => StatusCode::OK,
        Status::Degraded => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(health))
}

async fn show_ready(State(shared): State<Shared>) -> (StatusCode, String) {
    let phase = shared.view.overview().phase;
    let code = match phase {
        Phase::Running => StatusCode::OK,
        Phase::Starting | Phase::Stopping => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, format!("{}\n", phase.name()))
}

async fn show_metrics(State(shared): State<Shared>) -> Response {
    let mut body = String::new();
    match text::encode(&mut body, &shared.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPENMETRICS)], body).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot encode the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn show_overview(State(shared): State<Shared>) -> Response {
    #[derive(Serialize)]
    struct Body {
        health: Health,
        #[serde(flatten)]
        overview: Overview,
        /// Largest age since the agent started, by stage, in seconds; before the first reading nothing.
        freshness_max_s: BTreeMap<&'static str, f64>,
    }
    let overview = shared.view.overview();
    let health = health(&overview);
    let freshness_max_s = Stage::ALL
        .into_iter()
        .filter_map(|stage| Some((stage.name(), shared.metrics.freshness_max(stage)?)))
        .collect();
    let body = Body {
        health,
        overview,
        freshness_max_s,
    };
    Json(body).into_response()
}

async fn show_devices(
    State(shared): State<Shared>,
    RawQuery(query): RawQuery,
) -> Json<Vec<DeviceView>> {
    let query = Query::parse(query.as_deref());
    let mut devices = shared.view.devices();
    devices.retain(|device| page::matches(device, &query.device));
    devices.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Json(devices)
}

async fn show_page(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let Query { device, fragment } = Query::parse(query.as_deref());
    let content = page::Content::new(shared.view.overview(), shared.view.devices(), &device);
    if fragment {
        return Html(content.to_string()).into_response();
    }
    // Only what carries this answer's own nonce is applied or run, wherever a device's name ends up.
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let html = page::Page {
        content: &content,
        nonce: &nonce,
    }
    .to_string();
    ([(CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}

/// What may be asked for: `?device=part+of+a+name` and `&fragment`. Anything else is ignored.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    device: String,
    fragment: bool,
}

impl Query {
    fn parse(query: Option<&str>) -> Self {
        let mut parsed = Self::default();
        for pair in query.unwrap_or_default().split('&') {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("device", value) => {
                    let spaced = value.replace('+', " ");
                    parsed.device = percent_decode_str(&spaced).decode_utf8_lossy().into_owned();
                }
                ("fragment", _) => parsed.fragment = true,
                _ => {}
            }
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_decoded_and_never_fail() {
        let parsed = |text| {
            let Query { device, fragment } = Query::parse(Some(text));
            (device, fragment)
        };
        assert_eq!(Query::parse(None), Query::default());
        assert_eq!(
            parsed("device=pump+%2b1%3Cb%3e&fragment"),
            ("pump +1<b>".into(), true)
        );
        assert_eq!(parsed("fragment=&x=y&device=a=b"), ("a=b".into(), true));
        assert_eq!(parsed("device=%ff%"), ("\u{fffd}%".into(), false));
    }
}
