//! Merged summaries against summaries of everything at once.

use eyot_signal::Moments;
use proptest::prelude::*;

use super::*;

/// The summary of one channel's readings, a second apart from `start` on.
fn body(number: u64, start: i64, values: &[f64], fused: f64) -> Vec<u8> {
    let mut effect = window(
        ClosedBy::Watermark,
        Some(Score {
            fused: Some(fused),
            ..score(ModelScore::None)
        }),
        if fused > 1.0 {
            Verdict::Anomalous
        } else {
            Verdict::Normal
        },
    );
    let Effect::Window(window) = &mut effect else {
        unreachable!("it is a window")
    };
    window.start = at(start);
    window.end = at(start + seconds(values));
    window.channels.truncate(1);
    window.channels[0].features = moments(start, values).summary();
    encode_as(number, effect)
}

fn seconds(values: &[f64]) -> i64 {
    i64::try_from(values.len()).unwrap()
}

fn moments(start: i64, values: &[f64]) -> Moments {
    let mut moments = Moments::new(start as f64, values[0]);
    for (second, value) in (start + 1..).zip(&values[1..]) {
        moments.push(second as f64, *value);
    }
    moments
}

fn parse(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

proptest! {
    #[test]
    fn what_is_kept_is_what_all_the_readings_would_have_given(
        windows in prop::collection::vec(prop::collection::vec(-1e3..1e3_f64, 1..8), 2..6),
        first_pair in any::<prop::sample::Index>(),
    ) {
        let mut start = 0;
        let mut bodies = Vec::new();
        for (number, values) in (1..).zip(&windows) {
            bodies.push(body(number, start, values, 0.5));
            start += seconds(values);
        }
        // In any order of neighbours.
        while bodies.len() > 1 {
            let at = first_pair.index(bodies.len() - 1);
            let newer = bodies.remove(at + 1);
            bodies[at] = merge(&bodies[at], &newer).unwrap();
        }
        let merged = parse(&bodies[0]);
        let all = moments(0, &windows.concat()).summary();
        let flow = &merged["channels"]["flow"];
        prop_assert_eq!(&flow["count"], all.count);
        let kept = [
            ("mean", all.mean), ("std", all.std), ("min", all.min), ("max", all.max),
            ("rms", all.rms), ("last", all.last),
        ];
        for (name, expected) in kept {
            let value = flow[name].as_f64().unwrap();
            prop_assert!((value - expected).abs() < 1e-9 * 1e3, "{} {} {}", name, value, expected);
        }
        prop_assert!(flow.get("slope").is_none() && flow.get("detrended_std").is_none());
        prop_assert_eq!(&merged["merged"], windows.len());
        prop_assert_eq!(&merged["merges"], &serde_json::json!({"from": 1, "to": windows.len()}));
        let newest = parse(&body(windows.len() as u64, 0, &[1.0], 0.5));
        prop_assert_eq!(&merged["id"], &newest["id"]);
        prop_assert!(newest["trace_id"].is_string());
        prop_assert_eq!(&merged["trace_id"], &newest["trace_id"]);
        prop_assert_eq!(&merged["window"]["start"], &rfc3339(at(0)));
        prop_assert_eq!(&merged["window"]["end"], &rfc3339(at(start)));
    }
}

#[test]
fn the_worst_is_kept_whichever_came_first() {
    let (calm, loud) = (body(1, 0, &[1.0], 0.2), body(2, 1, &[9.0], 1.7));
    let (loud_first, calm_later) = (body(1, 0, &[9.0], 1.7), body(2, 1, &[1.0], 0.2));
    for (older, newer) in [(calm, loud), (loud_first, calm_later)] {
        let merged = parse(&merge(&older, &newer).unwrap());
        assert_eq!(merged["score"]["fused"], 1.7);
        assert_eq!(merged["verdict"], "anomalous");
    }
}

#[test]
fn windows_that_overlap_stay_apart_unless_they_are_of_different_channels() {
    let first = body(1, 0, &[1.0, 2.0], 0.2);
    for start in [0, 1] {
        assert_eq!(merge(&first, &body(2, start, &[3.0, 4.0], 0.2)), None);
    }
    let mut straggler = parse(&body(2, 0, &[3.0, 4.0], 0.2));
    let flow = straggler["channels"]["flow"].take();
    straggler["channels"] = serde_json::json!({ "head": flow });
    let straggler = serde_json::to_vec(&straggler).unwrap();
    let merged = parse(&merge(&first, &straggler).unwrap());
    assert_eq!(merged["channels"]["flow"]["last"], 2.0);
    assert_eq!(merged["channels"]["head"]["last"], 4.0);
}

#[test]
fn a_window_that_comes_after_a_later_one_does_not_say_what_was_last() {
    let merged = merge(&body(1, 5, &[1.0, 2.0], 0.2), &body(2, 0, &[3.0, 4.0], 0.2)).unwrap();
    let flow = &parse(&merged)["channels"]["flow"];
    assert!(flow.get("last").is_none());
    assert_eq!(flow["max"], 4.0);
}

#[test]
fn what_a_class_asks_for_beyond_every_window_is_left_out() {
    let mut summaries = [body(1, 0, &[1.0], 0.2), body(2, 1, &[3.0], 0.2)];
    for summary in &mut summaries {
        let mut asked = parse(summary);
        asked["channels"]["flow"]["p95"] = 1.0.into();
        *summary = serde_json::to_vec(&asked).unwrap();
    }
    let merged = parse(&merge(&summaries[0], &summaries[1]).unwrap());
    assert!(merged["channels"]["flow"].get("p95").is_none());
}

#[test]
fn what_does_not_belong_together_stays_apart() {
    let summary = body(1, 0, &[1.0], 0.2);
    let alert = encode_as(2, alert(AlertState::Raised, score(ModelScore::None)));
    let mut other = parse(&summary);
    other["channels"]["flow"]["unit"] = "l/s".into();
    let other = serde_json::to_vec(&other).unwrap();
    for stranger in [alert, other, b"no JSON".to_vec()] {
        assert_eq!(merge(&summary, &stranger), None);
        assert_eq!(merge(&stranger, &summary), None);
    }
}
