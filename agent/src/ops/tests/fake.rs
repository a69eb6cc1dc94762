//! An agent to look at, without one.

use std::collections::BTreeMap;
use std::sync::Mutex;

use eyot_pipeline::effect::{DegradedReason, Verdict};
use eyot_pipeline::ledger::{Lane, LaneBook, MessageFate, ReadingFate, SourceBook};
use eyot_pipeline::{Span, Timestamp};

use crate::ops::{
    BrokerDroppedView, ClockView, DeviceCounts, DeviceState, DeviceView, FreshnessView, GapsView,
    JournalStatusView, LaneView, Limits, Link, Overview, Phase, SourceView, Stage, StoreView,
    TimeView, View, WearView,
};

/// 2026-11-02T08:00:00Z.
pub(in crate::ops) const NOW: Timestamp = Timestamp::from_secs(1_793_606_400);

/// What it shows is what it was given last.
pub(in crate::ops) struct FakeView {
    pub(in crate::ops) overview: Mutex<Overview>,
    pub(in crate::ops) devices: Vec<DeviceView>,
}

impl FakeView {
    pub(in crate::ops) fn new() -> Self {
        Self {
            overview: Mutex::new(overview()),
            devices: Vec::new(),
        }
    }
}

impl View for FakeView {
    fn overview(&self) -> Overview {
        self.overview.lock().unwrap().clone()
    }

    fn devices(&self) -> Vec<DeviceView> {
        self.devices.clone()
    }
}

/// An agent with every kind of count and nothing wrong.
pub(in crate::ops) fn overview() -> Overview {
    Overview {
        agent: "pump-house".into(),
        version: "0.1.0",
        started_at: NOW - Span::from_secs(93_784),
        now: NOW,
        phase: Phase::Running,
        sources: vec![SourceView {
            name: "plant".into(),
            link: link("mqtt://127.0.0.1:1883"),
            book: book(),
            broker_dropped: Some(BrokerDroppedView {
                total: 12,
                rose_at: Some(NOW - Span::from_secs(61)),
            }),
            unmapped: vec!["fw".into(), "diag.<heap>".into()],
        }],
        uplink: Some(link("mqtts://shore.example:8883")),
        lanes: Lane::ALL
            .map(|lane| LaneView {
                lane,
                bytes: 1_000 * lane_book(lane).buffered,
                evictions: match lane {
                    Lane::Summary => [("quota".into(), 5), ("corrupt".into(), 1)].into(),
                    Lane::Alert | Lane::Loss => BTreeMap::new(),
                },
                book: lane_book(lane),
            })
            .into(),
        clock: ClockView {
            set: true,
            steps: 2,
            records_held: 7,
        },
        store: StoreView {
            degraded: None,
            db_bytes: 12_345_678,
            dead_letters: 41,
            dead_letters_evicted: 3,
            dead_letters_dropped: 2,
            dead_letters_replayed: 1,
        },
        journal: Some(JournalStatusView {
            bytes: 83_886_080,
            max_bytes: 268_435_456,
            entries: 5_000,
            readings: 1_000_000,
            written_bytes: 12_000_000,
            commits: 4_000,
            failing: None,
            full: false,
        }),
        wear: Some(WearView {
            written_bytes: 1_302_700_000,
            call_bytes: 2_000_000_000,
            bytes_per_day: Some(1_200_000_000),
            measured_s: 21_600,
            budget_per_day: Some(2_147_483_648),
            pace: 1.0,
            beyond_budget: false,
            lifetime_days: Some(3_650.0),
        }),
        gaps: GapsView::default(),
        freshness: vec![FreshnessView {
            class: "pump".into(),
            stage: Stage::Score,
            device: Some("pump-07".into()),
            recent_max: Some(Span::from_secs(12)),
            limit: Some(Span::from_secs(15)),
        }],
        devices: DeviceCounts {
            running: 29,
            restarting: 0,
            quarantined: 0,
            restarts: 3,
            time: TimeView {
                missed: 7,
                filled: 3,
                reboots: 1,
                ..TimeView::default()
            },
            behind: 0,
        },
        limits: Limits {
            devices: 10_000,
            readings_in_flight: 65_536,
            records: 1_000_000,
            dead_letters: 10_000,
        },
        faults: Vec::new(),
    }
}

pub(in crate::ops) fn link(broker: &str) -> Link {
    Link {
        broker: broker.into(),
        connected: true,
        last_error: None,
    }
}

/// Every fate has a count of its own.
pub(in crate::ops) fn book() -> SourceBook {
    let mut book = SourceBook::default();
    for (n, &fate) in (1..).zip(MessageFate::ALL) {
        book.receive_messages(n);
        book.settle_messages(fate, n);
    }
    for (n, &fate) in (100..).zip(ReadingFate::ALL) {
        book.receive_readings(n);
        book.settle_readings(fate, n);
    }
    book.receive_messages(7);
    book.receive_readings(1_234);
    book.unmapped_fields = 17;
    book
}

fn lane_book(lane: Lane) -> LaneBook {
    match lane {
        Lane::Alert => LaneBook {
            enqueued: 12,
            delivered: 12,
            buffered: 0,
            evicted: 0,
        },
        Lane::Loss => LaneBook {
            enqueued: 2,
            delivered: 2,
            buffered: 0,
            evicted: 0,
        },
        Lane::Summary => LaneBook {
            enqueued: 20_406,
            delivered: 20_000,
            buffered: 400,
            evicted: 6,
        },
    }
}

pub(in crate::ops) fn device(name: &str) -> DeviceView {
    DeviceView {
        name: name.into(),
        class: "pump".into(),
        state: DeviceState::Running,
        last_event_time: Some(NOW - Span::from_millis(1_250)),
        last_seen: Some(NOW - Span::from_millis(1_100)),
        freshness_limit: None,
        verdict: Verdict::Normal,
        last_score: Some(0.314),
        model_degraded: None,
        windows: 8_640,
        alerts: 0,
        processed: 345_600,
        late: 0,
        duplicate: 0,
        rejected: 0,
        time: TimeView::default(),
        restarts: 0,
        behind: false,
        online: None,
    }
}

/// One device of each kind worth a look.
pub(in crate::ops) fn oddities() -> Vec<DeviceView> {
    let anomalous = DeviceView {
        verdict: Verdict::Anomalous,
        last_score: Some(4.271),
        alerts: 2,
        ..device("pump-17")
    };
    let quarantined = DeviceView {
        state: DeviceState::Quarantined,
        restarts: 5,
        rejected: 1_200,
        last_event_time: Some(NOW - Span::from_secs(4_000)),
        freshness_limit: Some(Span::from_secs(30)),
        ..device("pump-09")
    };
    let new = DeviceView {
        verdict: Verdict::Unknown,
        last_event_time: None,
        last_seen: None,
        last_score: None,
        windows: 0,
        processed: 0,
        ..device("pump-30")
    };
    let degraded = DeviceView {
        model_degraded: Some(DegradedReason::MissingInput),
        late: 12,
        duplicate: 3,
        ..device("fan-02")
    };
    vec![
        degraded,
        new,
        quarantined,
        device("<script>alert(1)</script>"),
        anomalous,
    ]
}
