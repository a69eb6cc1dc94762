//! The records that leave: versioned JSON, one object each.
//!
//! Within a major version fields are only ever added, and readers ignore what they do not know.
//! Times are RFC 3339, UTC. An id names a record for ever: agent, store epoch, device, effect number;
//! numbers of a device are dense, so readers drop repetitions by id and see gaps by number.

mod merge;
mod moved;
mod trace;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use eyot_pipeline::config::ClassConfig;
use eyot_pipeline::effect::{
    Alert, Contribution, Correction, LateReading, ModelScore, Score, Stale, WindowSummary,
};
use eyot_pipeline::feature::Feature;
use eyot_pipeline::gateway::{EventsBy, Unset};
use eyot_pipeline::ledger::Lane;
use eyot_pipeline::{Device, Effect, Numbered, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use crate::clock::rfc3339;
use crate::store::{Identity, Record};

pub use merge::merge;
pub use moved::moved;
pub use trace::Trace;

/// `eyot.summary.v1`: one window of one device.
#[derive(Debug, Serialize)]
struct SummaryV1<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    window: Window,
    /// By channel, then by feature.
    channels: BTreeMap<&'a str, ChannelV1<'a>>,
    /// Missing when nobody was asked: the window is a straggler.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<ScoreV1<'a>>,
    verdict: &'static str,
    freshness: Freshness,
}

/// `eyot.alert.v1`: an episode begins or ends.
#[derive(Debug, Serialize)]
struct AlertV1<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    state: &'static str,
    /// Id of the alert that raised the episode; its own when raised.
    episode: String,
    /// Event time: the end of the window that decided it.
    time: String,
    /// Event time: the start of the first anomalous window.
    since: String,
    peak: f64,
    score: ScoreV1<'a>,
    contributions: Vec<ContributionV1<'a>>,
    freshness: Freshness,
}

/// `eyot.correction.v1`: an alert that would not have been raised had all readings been in time.
#[derive(Debug, Serialize)]
struct CorrectionV1<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    /// Id of the alert.
    alert: String,
    /// Of the window that raised it.
    start: String,
    end: String,
    revision: u32,
    /// Fused score then.
    was: f64,
    /// Score of the revision.
    score: ScoreV1<'a>,
    decided_at: String,
    /// How old what the revision is made of was when it was decided.
    freshness: Freshness,
}

/// `eyot.late.v1`: a reading that is in no window.
#[derive(Debug, Serialize)]
struct LateV1<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    channel: &'a str,
    time: String,
    value: f64,
    /// Behind its channel's watermark.
    behind_ms: i64,
    /// Of the first window that it missed.
    start: String,
    end: String,
    arrived: String,
}

/// `eyot.stale.v1`: a device that reports periodically has not, or does so again.
#[derive(Debug, Serialize)]
struct StaleV1<'a> {
    #[serde(flatten)]
    head: Head<'a>,
    state: &'static str,
    /// Id of the record that said it first; its own when raised.
    episode: String,
    last_heard: String,
    every_ms: i64,
    decided_at: String,
}

#[derive(Debug, Serialize)]
struct Head<'a> {
    schema: &'static str,
    id: String,
    agent: &'a str,
    device: &'a str,
    class: &'a str,
    /// Of the journal's entry that it comes of; missing without a journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    /// There if the gateway's clock was not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock: Option<ClockV1>,
}

/// What the times of a record are worth.
#[derive(Debug, Serialize)]
struct ClockV1 {
    /// The gateway's start.
    boot: String,
    /// Which times are by a clock that was not set.
    unset: &'static str,
}

#[derive(Debug, Serialize)]
struct Window {
    start: String,
    end: String,
    /// Missing when it is the first.
    #[serde(skip_serializing_if = "is_first")]
    revision: u32,
    closed_by: &'static str,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks with a reference"
)]
const fn is_first(revision: &u32) -> bool {
    *revision == 0
}

#[derive(Debug, Serialize)]
struct ChannelV1<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    count: u64,
    /// All but the count. What the class asks for and the window does not have is null.
    #[serde(flatten)]
    features: BTreeMap<Cow<'static, str>, Option<f64>>,
}

#[derive(Debug, Serialize)]
struct ScoreV1<'a> {
    /// 1 and above is anomalous. Missing while nobody speaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    fused: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistical: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<ModelV1<'a>>,
}

#[derive(Debug, Serialize)]
struct ModelV1<'a> {
    name: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct ContributionV1<'a> {
    channel: &'a str,
    feature: Cow<'static, str>,
    detector: &'static str,
    score: f64,
    share: f64,
    value: f64,
    expected: f64,
}

#[derive(Debug, Serialize)]
struct Freshness {
    /// Gateway time of the score.
    scored_at: String,
    /// Event time of the oldest reading in it.
    oldest: String,
    /// The one less the other.
    age_of_oldest_ms: i64,
}

/// Gives effects their identity and writes them down.
#[derive(Debug, Clone)]
pub struct Encoder {
    agent: Arc<str>,
    trace: Trace,
}

impl Encoder {
    /// An encoder for the agent of this name and identity.
    pub fn new(agent: &str, identity: &Identity) -> Self {
        Self {
            agent: agent.into(),
            trace: Trace::new(identity),
        }
    }

    /// The stored form of an effect of the device of that name, which the input at `position` had; 0: no journal has it.
    pub fn encode(
        &self,
        name: &str,
        device: &Device,
        numbered: &Numbered,
        position: u64,
    ) -> Record {
        let number = numbered.number;
        let trace_id = self.trace.id(position);
        let head = |schema| Head {
            trace_id: trace_id.clone(),
            ..self.head(schema, name, device.class(), numbered)
        };
        let (lane, kind, oldest, body) = match &numbered.effect {
            Effect::Window(window) => (
                Lane::Summary,
                "summary",
                window.oldest,
                json(&summary(head("eyot.summary.v1"), device, window)),
            ),
            Effect::Alert(alert) => (
                Lane::Alert,
                "alert",
                alert.oldest,
                json(&self.alert(head("eyot.alert.v1"), device, alert)),
            ),
            Effect::Correction(correction) => (
                Lane::Alert,
                "correction",
                correction.oldest,
                json(&self.correction(head("eyot.correction.v1"), correction)),
            ),
            Effect::Late(reading) => (
                Lane::Summary,
                "late",
                reading.time,
                json(&late(head("eyot.late.v1"), device, reading)),
            ),
            Effect::Stale(stale) => (
                Lane::Alert,
                "stale",
                stale.last_heard,
                json(&self.stale(head("eyot.stale.v1"), stale)),
            ),
        };
        let waits = |unset: &Unset| unset.events == EventsBy::Gateway && lane != Lane::Alert;
        Record {
            lane,
            number,
            kind,
            oldest,
            body,
            unset: numbered.unset.filter(waits).map(|unset| unset.boot),
        }
    }

    fn id(&self, device: &str, number: u64) -> String {
        format!("{}/{device}/{number}", self.trace.prefix())
    }

    fn head<'a>(
        &'a self,
        schema: &'static str,
        device: &'a str,
        class: &'a ClassConfig,
        numbered: &Numbered,
    ) -> Head<'a> {
        Head {
            schema,
            id: self.id(device, numbered.number),
            agent: &self.agent,
            device,
            class: &class.name,
            trace_id: None,
            clock: numbered.unset.map(|unset| ClockV1 {
                boot: Uuid::from_u128(unset.boot).to_string(),
                unset: match unset.events {
                    EventsBy::Gateway => "all",
                    EventsBy::Both => "some",
                    EventsBy::Senders => "gateway",
                },
            }),
        }
    }

    fn correction<'a>(&'a self, head: Head<'a>, correction: &'a Correction) -> CorrectionV1<'a> {
        CorrectionV1 {
            alert: self.id(head.device, correction.alert),
            head,
            start: rfc3339(correction.start),
            end: rfc3339(correction.end),
            revision: correction.revision,
            was: correction.was,
            score: score(&correction.score),
            decided_at: rfc3339(correction.decided_at),
            freshness: freshness(correction.decided_at, correction.oldest),
        }
    }

    fn stale<'a>(&'a self, head: Head<'a>, stale: &'a Stale) -> StaleV1<'a> {
        StaleV1 {
            state: stale.state.name(),
            episode: self.id(head.device, stale.episode),
            head,
            last_heard: rfc3339(stale.last_heard),
            every_ms: stale.every.as_millis(),
            decided_at: rfc3339(stale.decided_at),
        }
    }

    fn alert<'a>(&'a self, head: Head<'a>, device: &'a Device, alert: &'a Alert) -> AlertV1<'a> {
        AlertV1 {
            state: alert.state.name(),
            episode: self.id(head.device, alert.episode),
            head,
            time: rfc3339(alert.time),
            since: rfc3339(alert.since),
            peak: alert.peak,
            score: score(&alert.score),
            contributions: contributions(device, &alert.score.contributions),
            freshness: freshness(alert.decided_at, alert.oldest),
        }
    }
}

fn summary<'a>(head: Head<'a>, device: &'a Device, window: &'a WindowSummary) -> SummaryV1<'a> {
    let channels = window.channels.iter().filter_map(|part| {
        let channel = device.channel(part.channel)?;
        let asked = &device.class().features;
        let features = Feature::BASIC
            .into_iter()
            .filter(|feature| *feature != Feature::Count)
            .chain(asked.iter().copied())
            .filter(|feature| feature.is_of(channel.kind))
            .map(|feature| (feature.name(), part.value(feature, asked)));
        let channel_v1 = ChannelV1 {
            unit: channel.unit.as_deref(),
            count: part.features.count,
            features: features.collect(),
        };
        Some((channel.name.as_str(), channel_v1))
    });
    SummaryV1 {
        head,
        window: Window {
            start: rfc3339(window.start),
            end: rfc3339(window.end),
            revision: window.revision,
            closed_by: window.closed_by.name(),
        },
        channels: channels.collect(),
        score: window.score.as_ref().map(score),
        verdict: window.verdict.name(),
        freshness: freshness(window.scored_at, window.oldest),
    }
}

fn late<'a>(head: Head<'a>, device: &'a Device, late: &'a LateReading) -> LateV1<'a> {
    let channel = device.channel(late.channel);
    LateV1 {
        head,
        channel: channel.map_or("", |channel| &channel.name),
        time: rfc3339(late.time),
        value: late.value,
        behind_ms: late.behind.as_millis(),
        start: rfc3339(late.start),
        end: rfc3339(late.end),
        arrived: rfc3339(late.arrived),
    }
}

fn score(score: &Score) -> ScoreV1<'_> {
    let model = match &score.model {
        ModelScore::None => None,
        ModelScore::Scored { model, score } => Some((model, Some(*score), None)),
        ModelScore::Degraded { model, reason } => Some((model, None, Some(reason.name()))),
    };
    ScoreV1 {
        fused: score.fused,
        statistical: score.statistical,
        model: model.map(|(model, score, degraded)| ModelV1 {
            name: &model.name,
            version: &model.version,
            score,
            degraded,
        }),
    }
}

fn contributions<'a>(device: &'a Device, list: &[Contribution]) -> Vec<ContributionV1<'a>> {
    list.iter()
        .filter_map(|part| {
            Some(ContributionV1 {
                channel: &device.channel(part.channel)?.name,
                feature: part.feature.name(),
                detector: part.detector.name(),
                score: part.score,
                share: part.share,
                value: part.value,
                expected: rounded(part.expected),
            })
        })
        .collect()
}

/// Seven significant digits: what is expected was computed from single-precision values, whose further
/// digits would only look like knowledge.
fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}

fn freshness(scored_at: Timestamp, oldest: Timestamp) -> Freshness {
    Freshness {
        scored_at: rfc3339(scored_at),
        oldest: rfc3339(oldest),
        age_of_oldest_ms: (scored_at - oldest).as_millis(),
    }
}

fn json(record: &impl Serialize) -> Vec<u8> {
    thread_local! {
        // Windows of all devices close together, so records wait by the thousand: each has the room
        // it needs and no more.
        static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        // Strings, numbers and maps with string keys: nothing here can fail to be written.
        let _ = serde_json::to_writer(&mut *scratch, record);
        scratch.clone()
    })
}

#[cfg(test)]
mod tests;
