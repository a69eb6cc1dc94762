//! Records against their published schemas, in docs/schemas, and the examples in docs/records.md.

mod merging;
mod schema;

use std::path::Path;

use eyot_pipeline::Span;
use eyot_pipeline::config::{ChannelConfig, ChannelKind, DetectorConfig, VerdictConfig};
use eyot_pipeline::effect::{
    AlertState, ChannelSummary, ClosedBy, DegradedReason, Detector, Verdict,
};
use eyot_pipeline::retention::{Quotas, WhenFull};
use eyot_pipeline::scorer::ModelId;
use eyot_pipeline::window::{Emit, LatePolicy, Report, WindowSpec};
use serde_json::Value;

use super::*;
use crate::store::{self, Store};
use schema::{Seen, complaints, fields};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

fn published(name: &str) -> Value {
    let path = Path::new(DOCS).join(format!("schemas/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn class() -> ClassConfig {
    let channel = |name: &str, unit: Option<&str>, kind| ChannelConfig {
        name: name.into(),
        unit: unit.map(Into::into),
        kind,
        calibration: Vec::new(),
        min: f64::NEG_INFINITY,
        max: f64::INFINITY,
        resolution: 0.0,
        detect: true,
        raster: None,
    };
    ClassConfig {
        name: "pump".into(),
        channels: vec![
            channel("flow", Some("m³/h"), ChannelKind::Gauge),
            channel("valve", None, ChannelKind::Gauge),
            channel("energy", None, ChannelKind::Counter { modulus: None }),
            channel("wind", None, ChannelKind::Degrees),
        ],
        virtuals: Vec::new(),
        unlisted: None,
        window: WindowSpec::Tumbling {
            length: Span::from_secs(10),
        },
        features: Feature::EXTRA.to_vec(),
        out_of_orderness: Span::from_secs(2),
        allowed_lateness: Span::ZERO,
        late: LatePolicy::Drop,
        emit: Emit::Every,
        report: Report::OnChange,
        frame_wait: Span::from_secs(10),
        idle_timeout: Span::from_secs(20),
        max_future_skew: Span::from_secs(300),
        skew: eyot_pipeline::config::SkewConfig::default(),
        max_window_readings: 100,
        detectors: DetectorConfig {
            robust_z: None,
            ewma: None,
            flatline: None,
            relearn_after: 360,
        },
        verdict: VerdictConfig {
            enter_after: 3,
            exit_below: 0.7,
            exit_after: 3,
            cooldown: Span::ZERO,
            contributions: 5,
        },
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(1_800_000_000 + second)
}

fn score(model: ModelScore) -> Score {
    let contribution = |feature, detector| Contribution {
        channel: 0,
        feature,
        detector,
        score: 0.4,
        share: 0.25,
        value: -1.5,
        expected: 2.0,
    };
    Score {
        fused: Some(1.6),
        statistical: Some(1.6),
        model,
        contributions: vec![
            contribution(Feature::Mean, Detector::RobustZ),
            contribution(Feature::Mean, Detector::Ewma),
            contribution(Feature::Std, Detector::Flatline),
            contribution(Feature::Rms, Detector::Model),
        ],
    }
}

fn model() -> ModelId {
    ModelId {
        name: "pump".into(),
        version: "1".into(),
    }
}

/// Every form that the model's part takes.
fn model_scores() -> Vec<ModelScore> {
    let degraded = [
        DegradedReason::MissingInput,
        DegradedReason::WarmingUp,
        DegradedReason::InferenceFailed,
        DegradedReason::NotFinite,
    ]
    .map(|reason| ModelScore::Degraded {
        model: model(),
        reason,
    });
    let scored = ModelScore::Scored {
        model: model(),
        score: 0.9,
    };
    [ModelScore::None, scored]
        .into_iter()
        .chain(degraded)
        .collect()
}

fn window(closed_by: ClosedBy, score: Option<Score>, verdict: Verdict) -> Effect {
    let mut moments = eyot_signal::Moments::new(1.0, 2.0);
    moments.push(2.0, 2.5);
    let part = |channel| ChannelSummary {
        channel,
        features: moments.summary(),
        // The odd ones are not defined.
        extra: (0..Feature::EXTRA.len())
            .map(|at| (at % 2 == usize::from(channel) || channel > 1).then_some(1.0))
            .collect(),
    };
    Effect::Window(Box::new(WindowSummary {
        start: at(0),
        end: at(10),
        revision: u32::from(closed_by == ClosedBy::Idle),
        closed_by,
        channels: (0..4).map(part).collect(),
        scored_at: at(13),
        oldest: at(1),
        newest: at(2),
        score,
        verdict,
    }))
}

fn alert(state: AlertState, score: Score) -> Effect {
    Effect::Alert(Box::new(Alert {
        state,
        episode: 6,
        time: at(10),
        since: at(-20),
        decided_at: at(13),
        oldest: at(1),
        score,
        peak: 2.5,
    }))
}

fn summaries() -> Vec<Effect> {
    let silent = Score {
        fused: None,
        statistical: None,
        model: ModelScore::None,
        contributions: Vec::new(),
    };
    let mut all = vec![
        window(ClosedBy::Straggler, None, Verdict::Normal),
        window(ClosedBy::Idle, Some(silent), Verdict::Unknown),
        window(
            ClosedBy::Shutdown,
            Some(score(ModelScore::None)),
            Verdict::Anomalous,
        ),
    ];
    all.extend(
        model_scores()
            .into_iter()
            .map(|model| window(ClosedBy::Watermark, Some(score(model)), Verdict::Normal)),
    );
    all
}

fn alerts() -> Vec<Effect> {
    let raised = model_scores().into_iter();
    let mut all: Vec<_> = raised
        .map(|model| alert(AlertState::Raised, score(model)))
        .collect();
    all.push(alert(AlertState::Cleared, score(ModelScore::None)));
    all
}

fn encode(effect: Effect) -> Value {
    serde_json::from_slice(&encode_as(7, effect)).unwrap()
}

fn encode_as(number: u64, effect: Effect) -> Vec<u8> {
    encode_with(number, effect, None).body
}

/// As they are while the gateway's clock is not set, and once it is.
fn unset(effect: &Effect) -> Vec<Value> {
    let all = [EventsBy::Gateway, EventsBy::Both, EventsBy::Senders];
    let mut bodies: Vec<Vec<u8>> = all
        .map(|events| encode_with(7, effect.clone(), Some(Unset { boot: 5, events })).body)
        .into();
    bodies.push(moved(&bodies[0], Span::from_secs(60)).unwrap());
    assert!(
        bodies[1..]
            .iter()
            .all(|body| moved(body, Span::from_secs(60)).is_none())
    );
    let value = |body: Vec<u8>| serde_json::from_slice(&body).unwrap();
    bodies.into_iter().map(value).collect()
}

fn encode_with(number: u64, effect: Effect, unset: Option<Unset>) -> Record {
    let identity = Identity {
        agent: uuid::uuid!("f31c299d-0568-43ad-8b7f-fde21b78e33b"),
        store_epoch: 1,
    };
    let numbered = Numbered {
        number,
        effect,
        unset,
    };
    Encoder::new("gateway-1", &identity).encode(
        "hall/pump-1",
        &Device::new(Arc::new(class()), None, 0),
        &numbered,
        9,
    )
}

/// Everything that may be in a record is in its schema, and the other way round.
#[track_caller]
fn check(name: &str, records: Vec<Value>) {
    let schema = published(name);
    let mut seen = Seen::default();
    for record in records {
        let complaints = complaints(&record, &schema, &mut seen);
        assert_eq!(complaints, [""; 0], "{record:#}");
    }
    assert_eq!(
        seen.missing_from(&schema),
        [""; 0],
        "described, and never written"
    );
}

#[test]
fn summaries_are_as_published() {
    let mut records: Vec<Value> = summaries().into_iter().map(encode).collect();
    let mut folded = encode(window(ClosedBy::Idle, None, Verdict::Normal));
    folded["precision"] = "f32".into();
    folded["window"] = serde_json::json!({
        "start": rfc3339(at(10)), "end": rfc3339(at(20)), "closed_by": "idle"
    });
    let bodies = [&records[2], &folded].map(|record| serde_json::to_vec(record).unwrap());
    let merged = merge(&bodies[0], &bodies[1]).unwrap();
    records.push(serde_json::from_slice(&merged).unwrap());
    records.extend(unset(&window(ClosedBy::ClockSet, None, Verdict::Normal)));
    check("eyot.summary.v1", records);
}

#[test]
fn alerts_are_as_published() {
    let mut records: Vec<Value> = alerts().into_iter().map(encode).collect();
    records.extend(unset(&alerts()[0]));
    check("eyot.alert.v1", records);
}

#[test]
fn corrections_late_readings_and_stale_devices_are_as_published() {
    let correction = |model| {
        let score = Score {
            fused: Some(0.4),
            ..score(model)
        };
        Effect::Correction(Box::new(Correction {
            alert: 6,
            start: at(0),
            end: at(10),
            revision: 1,
            was: 1.6,
            score,
            oldest: at(1),
            decided_at: at(13),
        }))
    };
    let corrections = model_scores().into_iter().map(correction);
    let mut records: Vec<Value> = corrections.clone().map(encode).collect();
    records.extend(corrections.take(1).flat_map(|effect| unset(&effect)));
    check("eyot.correction.v1", records);
    let late = Effect::Late(Box::new(LateReading {
        channel: 0,
        time: at(3),
        value: 1.5,
        behind: Span::from_millis(2_500),
        start: at(0),
        end: at(10),
        arrived: at(13),
    }));
    let mut records = unset(&late);
    records.push(encode(late));
    check("eyot.late.v1", records);
    let stale = |state| {
        Effect::Stale(Box::new(Stale {
            state,
            episode: 6,
            last_heard: at(3),
            every: Span::from_secs(60),
            decided_at: at(183),
        }))
    };
    let both = [AlertState::Raised, AlertState::Cleared];
    let mut records = both.map(stale).map(encode).to_vec();
    records.extend(unset(&stale(AlertState::Raised)));
    check("eyot.stale.v1", records);
}

#[test]
fn only_what_is_all_by_a_clock_that_is_not_set_waits_for_it_and_alerts_do_not() {
    let summary = || window(ClosedBy::Watermark, None, Verdict::Normal);
    let waits =
        |effect: Effect, events| encode_with(7, effect, Some(Unset { boot: 5, events })).unset;
    assert_eq!(waits(summary(), EventsBy::Gateway), Some(5));
    assert_eq!(waits(summary(), EventsBy::Senders), None);
    assert_eq!(waits(summary(), EventsBy::Both), None);
    assert_eq!(waits(alerts().remove(0), EventsBy::Gateway), None);
}

#[test]
fn moved_records_have_all_their_times_moved_and_nothing_else() {
    let summary = window(ClosedBy::Watermark, None, Verdict::Normal);
    let records = unset(&summary);
    let (mut moved, plain) = (records[3].clone(), encode(summary));
    assert_eq!(moved["clock"]["moved_ms"], 60_000);
    let later = |value: &Value| {
        let time: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
        (time + jiff::SignedDuration::from_secs(60)).to_string()
    };
    for (part, keys) in [
        ("window", ["start", "end"]),
        ("freshness", ["scored_at", "oldest"]),
    ] {
        for key in keys {
            assert_eq!(moved[part][key], later(&plain[part][key]), "{key}");
            moved[part][key] = plain[part][key].clone();
        }
    }
    moved.as_object_mut().unwrap().remove("clock");
    assert_eq!(moved, plain);
}

#[test]
fn what_a_class_asks_for_is_in_its_summaries_or_null() {
    let record = encode(window(ClosedBy::Watermark, None, Verdict::Normal));
    let (flow, valve) = (&record["channels"]["flow"], &record["channels"]["valve"]);
    assert_eq!(
        (&flow["first"], &valve["first"]),
        (&1.0.into(), &Value::Null)
    );
    assert!(valve.as_object().unwrap().contains_key("first"));
    assert_eq!((&flow["sum"], &valve["sum"]), (&Value::Null, &1.0.into()));
    // Of other kinds there is no such thing.
    assert!(flow.get("increase").is_none() && flow.get("circular_mean").is_none());
    assert_eq!(record["channels"]["energy"]["increase"], 1.0);
    assert!(record["channels"]["energy"].get("circular_mean").is_none());
    assert_eq!(record["channels"]["wind"]["circular_mean"], 1.0);
}

/// They are written by the store, when an outbox of one record gets two.
#[tokio::test]
async fn losses_are_as_published() {
    struct Nothing;
    impl store::Books for Nothing {
        fn take(&self) -> Vec<(String, store::SourceState)> {
            Vec::new()
        }
    }
    let dir = tempfile::TempDir::new().unwrap();
    let store = Store::open(store::Options {
        dir: dir.path().to_owned(),
        commit_interval: std::time::Duration::ZERO,
        agent: "gateway-1".into(),
        quotas: Quotas {
            records: 1,
            bytes: 1 << 20,
            age: None,
            when_full: WhenFull::DropOldest,
        },
        fold: store::Fold {
            after: Span::from_secs(600),
            rows: 1_024,
        },
        merge: |_, _| None,
        headroom: 0,
        patience: std::time::Duration::ZERO,
        dead_letters: 1,
        books_interval: std::time::Duration::ZERO,
        pace: store::Pace::default(),
        vfs: None,
        channel: 1,
        clock: || at(100),
        hold_unsynced: eyot_pipeline::Span::from_secs(600),
        moved: crate::record::moved,
        books: Arc::new(Nothing),
        slow_commit: None,
    })
    .unwrap();
    let device = store.handle.open_device("pump", "pump").await.unwrap();
    let record = |number| Record {
        lane: Lane::Summary,
        number,
        kind: "summary",
        oldest: at(0),
        body: Vec::new(),
        unset: None,
    };
    let commit = store::Commit {
        position: 0,
        told_until: eyot_pipeline::Timestamp(0),
        checkpoint: None,
        device: device.id,
        records: vec![record(1), record(2)],
        on_commit: None,
    };
    store.handle.commit(commit).await.unwrap();
    store.handle.flush().await.unwrap();
    let rows = store.handle.fetch(Lane::Loss, 0, 2).await.unwrap();
    let loss: Value = serde_json::from_slice(&rows[0].body).unwrap();
    let (schema, mut seen) = (published("eyot.loss.v1"), Seen::default());
    assert_eq!(complaints(&loss, &schema, &mut seen), [""; 0]);
    assert_eq!(seen.missing_from(&schema), [""; 0]);
}

#[test]
fn the_documentation_lists_every_field() {
    let text = std::fs::read_to_string(Path::new(DOCS).join("records.md")).unwrap();
    for name in [
        "eyot.summary.v1",
        "eyot.alert.v1",
        "eyot.correction.v1",
        "eyot.late.v1",
        "eyot.stale.v1",
        "eyot.loss.v1",
    ] {
        let (_, section) = text.split_once(&format!("\n## {name}\n")).unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut listed: Vec<_> = rows.map(|row| row.split_once('`').unwrap().0).collect();
        let mut published = fields(&published(name));
        listed.sort_unstable();
        published.sort_unstable();
        assert_eq!(listed, published);
    }
}

#[test]
fn the_examples_in_the_documentation_are_as_published() {
    let text = std::fs::read_to_string(Path::new(DOCS).join("records.md")).unwrap();
    let blocks = text.split("```json\n").skip(1);
    let mut names = Vec::new();
    for block in blocks {
        let (json, _) = block.split_once("```").unwrap();
        let record: Value = serde_json::from_str(json).unwrap();
        let name = record["schema"].as_str().unwrap().to_owned();
        let found = complaints(&record, &published(&name), &mut Seen::default());
        assert_eq!(found, [""; 0], "{json}");
        names.push(name);
    }
    assert_eq!(
        names,
        [
            "eyot.loss.v1",
            "eyot.timefix.v1",
            "eyot.summary.v1",
            "eyot.alert.v1"
        ]
    );
}

#[test]
fn what_is_not_as_published_is_found() {
    let schema = published("eyot.alert.v1");
    let good = encode(alert(AlertState::Raised, score(ModelScore::None)));
    let find = |spoil: &dyn Fn(&mut Value)| {
        let mut record = good.clone();
        spoil(&mut record);
        complaints(&record, &schema, &mut Seen::default()).join("; ")
    };
    // Every field but the trace, which a record made by an upgrade may lack.
    let required = good.as_object().unwrap().keys();
    for key in required.filter(|key| *key != "trace_id") {
        let found = find(&|record| _ = record.as_object_mut().unwrap().remove(key));
        assert_eq!(found, format!("{key} is missing"));
    }
    assert_eq!(
        find(&|r| r["state"] = "open".into()),
        "state: \"open\" is not allowed"
    );
    assert_eq!(
        find(&|r| r["peak"] = "1".into()),
        "peak: not a number: \"1\""
    );
    assert_eq!(find(&|r| r["peak"] = (-1).into()), "peak: -1 is below 0");
    assert_eq!(
        find(&|r| r["time"] = "soon".into()),
        "time: not a time: \"soon\""
    );
    assert_eq!(
        find(&|r| r["color"] = 1.into()),
        "color is not in the schema"
    );
    let share = find(&|r| r["contributions"][1]["share"] = 2.into());
    assert_eq!(share, "contributions[].share: 2 is above 1");
}
