use eyot_pipeline::Span;

use super::*;
use crate::ops::metrics::Stage;
use crate::ops::tests::fake;
use crate::ops::view::{FreshnessView, GapView, GapsView};

/// What the page shows, with tags turned into spaces.
fn text(overview: Overview, devices: Vec<DeviceView>, filter: &str) -> String {
    let html = Content::new(overview, devices, filter).to_string();
    let mut text = String::new();
    for part in html.split('<') {
        let shown = part.split_once('>').map_or(part, |(_, shown)| shown);
        text.push_str(shown);
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let mut rest = text;
    for part in expected {
        let at = rest.find(part);
        let at = at.unwrap_or_else(|| panic!("no {part:?} in {rest:?}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn the_page_says_who_how_long_and_whether_all_is_well() {
    check(
        &text(fake::overview(), Vec::new(), ""),
        &[
            "Healthy version 0.1.0 · up 1 d 2 h · as of 2026-11-02 08:00:00 UTC",
            "Devices 29 of 10,000 at most",
            "Readings in flight 1,234 of 65,536 at most",
            "Records waiting 400 of 1,000,000 at most",
            "Dead letters 41 of 10,000 at most",
            "Journal 83.9 MB of 268.4 MB at most",
            "Database 12.3 MB in order",
            "Written a day 1.2 GB of 2.1 GB at most",
            "source plant mqtt://127.0.0.1:1883 connected",
            "uplink mqtts://shore.example:8883 connected",
            "No device has reported yet.",
        ],
    );
}

#[test]
fn fields_that_no_rule_maps_are_listed() {
    let mut overview = fake::overview();
    check(
        &text(overview.clone(), Vec::new(), ""),
        &["source plant", "No rule maps fw diag.&lt;heap&gt; outbox"],
    );
    overview.sources[0].unmapped = (0..15).map(|i| format!("f{i}").into()).collect();
    check(&text(overview, Vec::new(), ""), &["f10 f11 and 3 more"]);
}

#[test]
fn how_old_data_is_stands_by_class_and_stage_with_what_is_allowed() {
    let mut overview = fake::overview();
    let (score, late) = (overview.freshness[0].clone(), Span::from_secs(16));
    let commit = FreshnessView {
        stage: Stage::Commit,
        limit: None,
        ..score.clone()
    };
    let valve = FreshnessView {
        class: "valve".into(),
        recent_max: Some(late),
        ..score.clone()
    };
    overview.freshness = vec![score, commit, valve];
    let content = Content::new(overview.clone(), Vec::new(), "").to_string();
    assert_eq!(
        content
            .matches("<td class=\"bad\" data-label=\"score\">")
            .count(),
        1
    );
    check(
        &text(overview, Vec::new(), ""),
        &[
            "Freshness age of the oldest data within the last minute",
            "Class admit score commit delivery",
            "pump – 12 s of 15s allowed · pump-07 12 s pump-07 –",
            "valve – 16 s of 15s allowed · pump-07 – –",
            "Books",
        ],
    );
    let mut none = fake::overview();
    none.freshness.clear();
    assert!(!text(none, Vec::new(), "").contains("Freshness"));
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let mut overview = fake::overview();
    overview.uplink = None;
    overview.store.degraded = Some("disk full".into());
    overview.devices.quarantined = 1;
    overview.sources[0].link.connected = false;
    overview.sources[0].link.last_error = Some("refused <b>".into());
    check(
        &text(overview, Vec::new(), ""),
        &[
            "Degraded",
            "source plant is not connected to mqtt://127.0.0.1:1883: refused &lt;b&gt;",
            "the store is degraded: disk full",
            "1 device is quarantined",
            "0 restarting, 1 quarantined",
            "12.3 MB degraded",
            "not connected: refused &lt;b&gt;",
            "uplink none configured",
        ],
    );
}

#[test]
fn what_is_written_is_set_against_its_budget_or_the_mediums_life() {
    let mut overview = fake::overview();
    overview.devices.behind = 4;
    let wear = overview.wear.as_mut().unwrap();
    wear.pace = 12.3;
    overview.gaps = GapsView {
        count: 2,
        last: Some(GapView {
            source: "a<b".into(),
            since: fake::NOW,
            until: fake::NOW,
            at_most: None,
        }),
    };
    check(
        &text(overview.clone(), Vec::new(), ""),
        &[
            "Devices 29 4 behind the journal",
            "Written a day 1.2 GB of 2.1 GB; commits wait 12 ×",
            "Gaps 2 last a&lt;b, until 2026-11-02 08:00:00 UTC",
        ],
    );
    let wear = overview.wear.as_mut().unwrap();
    wear.budget_per_day = None;
    let shown = text(overview.clone(), Vec::new(), "");
    check(&shown, &["Written a day 1.2 GB lasts 10.0 years"]);
    let wear = overview.wear.as_mut().unwrap();
    (wear.bytes_per_day, wear.lifetime_days) = (None, None);
    let shown = text(overview.clone(), Vec::new(), "");
    check(&shown, &["Written 1.3 GB rate not known yet"]);
    (overview.wear, overview.journal) = (None, None);
    let shown = text(overview, Vec::new(), "");
    assert!(
        !shown.contains("Written") && !shown.contains("Journal"),
        "{shown}"
    );
}

#[test]
fn the_books_are_equations_that_show_whether_they_hold() {
    let mut overview = fake::overview();
    check(
        &text(overview.clone(), Vec::new(), ""),
        &[
            "source plant 17 fields that no rule maps",
            "73 messages = 1 decoded + 35 ignored 2 no rule 3 no class 4 unmapped 5 retained 6 config 7 empty 8 redelivered + 19 dead lettered",
            "+ 7 in flight balances",
            "readings = 100 processed + 101 late + 102 duplicate + 525 missing",
            "+ 1,234 in flight balances",
            "12 alert records = 12 delivered + 0 buffered + 0 evicted balances",
            "20,406 summary records = 20,000 delivered + 400 buffered + 6 evicted balances",
        ],
    );
    overview.sources[0].book.readings += 2;
    check(
        &text(overview, Vec::new(), ""),
        &["Degraded", "off by 2", "+ 1,234 in flight off by 2"],
    );
}

#[test]
fn devices_that_need_a_look_come_first() {
    check(
        &text(fake::overview(), fake::oddities(), ""),
        &[
            "pump-17 pump 1.2 s anomalous 4.27 8,640 2 345,600 0 0 0 0 0 running",
            "pump-09 pump 1 h 6 m over 30 s was normal 0.31 8,640 0 345,600 0 0 1,200 0 5 quarantined",
            "&lt;script&gt;alert(1)&lt;/script&gt; pump",
            "fan-02 pump 1.2 s normal no model: missing input 0.31 8,640 0 345,600 12 3 0 0 0 running",
            "pump-30 pump – unknown – 0 0 0 0 0 0 0 0 running",
        ],
    );
}

#[test]
fn names_narrow_the_table_and_a_long_one_is_cut_after_the_first() {
    let mut devices: Vec<_> = (0..1_200)
        .map(|n| fake::device(&format!("Pump-{n:04}")))
        .collect();
    devices.reverse();
    devices.extend(fake::oddities());
    let shown = |filter| text(fake::overview(), devices.clone(), filter);
    let rows = |text: &str| text.matches(" 345,600 ").count() + text.matches(" – unknown ").count();

    let all = shown("");
    check(
        &all,
        &[
            "705 more not shown",
            "pump-17",
            "pump-09",
            "&lt;script",
            "Pump-0000",
            "Pump-0001",
        ],
    );
    assert_eq!(rows(&all), 500);

    let some = shown("PUMP-001");
    check(
        &some,
        &[
            "10 of 1,205 with “PUMP-001” in their name",
            "Pump-0010",
            "Pump-0019",
        ],
    );
    assert_eq!(rows(&some), 10);

    check(
        &shown("\"><img>"),
        &[
            "0 of 1,205 with “&quot;&gt;&lt;img&gt;”",
            "No device has such a name.",
        ],
    );
}
