//! What `/metrics` says, compared with what it is told.
#![expect(
    clippy::float_cmp,
    reason = "what is shown is what was put in, to the bit"
)]

use std::time::Duration;

use eyot_pipeline::Span;
use eyot_pipeline::ledger::{MessageFate, ReadingFate};

use super::exposition::Exposition;
use super::{FakeView, Server};
use crate::ops::{Stage, View};

#[tokio::test]
async fn invariant_2_metrics_are_the_ledger() {
    let server = Server::start(FakeView::new()).await;
    let odd = "a \"quoted\\\n{source}";
    server.change(|overview| overview.sources[0].name = odd.into());
    let answer = server.get("/metrics").await;
    assert_eq!(
        answer.headers["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let shown = Exposition::parse(&answer.body);
    let overview = server.view.overview();
    let book = &overview.sources[0].book;

    let source = ("source", odd);
    let mut messages = shown.value("eyot_messages_in_flight", &[source]);
    for &fate in MessageFate::ALL {
        let labels = [source, ("fate", fate.term()), ("reason", fate.reason())];
        let value = shown.value("eyot_messages_total", &labels);
        assert_eq!(value, book.messages_with(fate) as f64, "{fate:?}");
        messages += value;
    }
    assert_eq!(
        messages,
        shown.value("eyot_messages_received_total", &[source])
    );
    assert_eq!(messages, book.messages as f64);

    let mut readings = shown.value("eyot_readings_in_flight", &[source]);
    for &fate in ReadingFate::ALL {
        let labels = [source, ("fate", fate.term()), ("reason", fate.reason())];
        let value = shown.value("eyot_readings_total", &labels);
        assert_eq!(value, book.readings_with(fate) as f64, "{fate:?}");
        readings += value;
    }
    assert_eq!(
        readings,
        shown.value("eyot_readings_received_total", &[source])
    );
    assert_eq!(readings, book.readings as f64);
    assert_eq!(shown.value("eyot_unmapped_fields_total", &[source]), 17.0);

    let lane = |term| {
        shown.value(
            "eyot_lane_records_total",
            &[("lane", "summary"), ("term", term)],
        )
    };
    assert_eq!(
        [lane("enqueued"), lane("delivered"), lane("evicted")],
        [20_406.0, 20_000.0, 6.0]
    );
    assert_eq!(
        shown.value("eyot_lane_bytes", &[("lane", "summary")]),
        400_000.0
    );
    let quota = [("lane", "summary"), ("reason", "quota")];
    assert_eq!(shown.value("eyot_lane_records_evicted_total", &quota), 5.0);
    assert_eq!(
        shown.value("eyot_lane_records_buffered", &[("lane", "summary")]),
        400.0
    );
}

#[tokio::test]
async fn metrics_tell_the_state_of_everything() {
    let server = Server::start(FakeView::new()).await;
    let scrape = async || Exposition::parse(&server.get("/metrics").await.body);
    let shown = scrape().await;
    assert_eq!(shown.value("eyot_healthy", &[]), 1.0);
    assert_eq!(shown.value("eyot_uplink_connected", &[]), 1.0);
    assert_eq!(shown.value("eyot_build_info", &[("version", "0.1.0")]), 1.0);
    assert_eq!(shown.value("eyot_store_bytes", &[]), 12_345_678.0);
    assert_eq!(shown.value("eyot_dead_letters", &[]), 41.0);
    assert_eq!(shown.value("eyot_device_restarts_total", &[]), 3.0);
    assert_eq!(shown.value("eyot_devices_behind", &[]), 0.0);
    let left = |how| shown.value("eyot_dead_letters_left_total", &[("how", how)]);
    assert_eq!(
        ["evicted", "dropped", "replayed"].map(left),
        [3.0, 2.0, 1.0]
    );
    for (name, value) in [
        ("eyot_gaps_total", 0.0),
        ("eyot_clock_set", 1.0),
        ("eyot_clock_steps_total", 2.0),
        ("eyot_records_held", 7.0),
        ("eyot_journal_bytes", 83_886_080.0),
        ("eyot_journal_max_bytes", 268_435_456.0),
        ("eyot_journal_failing", 0.0),
        ("eyot_journal_full", 0.0),
        ("eyot_journal_entries_total", 5_000.0),
        ("eyot_journal_readings_total", 1_000_000.0),
        ("eyot_journal_written_bytes_total", 12_000_000.0),
        ("eyot_journal_commits_total", 4_000.0),
        ("eyot_storage_written_bytes_total", 1_302_700_000.0),
        ("eyot_call_written_bytes_total", 2_000_000_000.0),
        ("eyot_storage_written_bytes_per_day", 1_200_000_000.0),
        ("eyot_storage_budget_bytes_per_day", 2_147_483_648.0),
        ("eyot_storage_lifetime_days", 3_650.0),
        ("eyot_commit_pace", 1.0),
    ] {
        assert_eq!(shown.value(name, &[]), value, "{name}");
    }
    assert_eq!(
        shown.find(
            "eyot_freshness_max_seconds",
            &[("class", "pump"), ("stage", "admit")]
        ),
        None
    );

    server.change(|overview| {
        overview.sources[0].link.connected = false;
        overview.uplink = None;
        overview.store.degraded = Some("the disk is full".into());
        overview.devices.quarantined = 2;
        (overview.journal, overview.wear) = (None, None);
    });
    let pump = "pump-07".into();
    server
        .metrics
        .record_freshness(Stage::Admit, "pump", &pump, Span::from_millis(70));
    server
        .metrics
        .record_freshness(Stage::Admit, "pump", &pump, Span::from_secs(7_200));
    server
        .metrics
        .record_verdict_latency(Duration::from_micros(30));
    let shown = scrape().await;
    assert_eq!(shown.value("eyot_healthy", &[]), 0.0);
    assert_eq!(
        shown.value("eyot_source_connected", &[("source", "plant")]),
        0.0
    );
    assert_eq!(shown.find("eyot_uplink_connected", &[]), None);
    assert_eq!(shown.find("eyot_journal_bytes", &[]), None);
    assert_eq!(shown.find("eyot_commit_pace", &[]), None);
    assert_eq!(shown.value("eyot_store_degraded", &[]), 1.0);
    assert_eq!(
        shown.value("eyot_devices", &[("state", "quarantined")]),
        2.0
    );
    let (class, admit) = (("class", "pump"), ("stage", "admit"));
    let at_most = |le| shown.value("eyot_freshness_seconds_bucket", &[("le", le), class, admit]);
    assert_eq!(
        [
            at_most("0.05"),
            at_most("0.1"),
            at_most("3600.0"),
            at_most("+Inf")
        ],
        [0.0, 1.0, 1.0, 2.0]
    );
    assert_eq!(
        shown.value("eyot_freshness_seconds_sum", &[class, admit]),
        7_200.07
    );
    assert_eq!(
        shown.value("eyot_freshness_max_seconds", &[class, admit]),
        7_200.0
    );
    assert_eq!(shown.value("eyot_verdict_latency_seconds_count", &[]), 1.0);
    #[cfg(target_os = "linux")]
    assert!(shown.value("process_resident_memory_bytes", &[]) > 0.0);
}
