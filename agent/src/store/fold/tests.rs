//! Columns, texts and blocks, each there and back.

use eyot_pipeline::time::Timestamp;
use eyot_signal::Moments;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde_json::{Value, json};

use super::block::{Block, Unfolded, fold};
use super::column::{Column, Floats, Reader};
use crate::clock::rfc3339;

const EPOCH: &str = "f31c299d-0568-43ad-8b7f-fde21b78e33b/1";

fn back(column: &Column, rows: usize) -> Option<Column> {
    let mut bytes = Vec::new();
    column.write(&[], &mut bytes);
    let mut reader = Reader(&bytes);
    let read = Column::read(&mut reader, rows, &[]);
    assert!(reader.0.is_empty());
    read
}

fn floats(texts: &[&str]) -> Column {
    let mut floats = Floats::default();
    for text in texts {
        floats.push(text.parse().unwrap(), text);
    }
    floats.finish()
}

#[test]
fn floats_are_kept_in_the_smallest_form_that_has_them() {
    assert_eq!(
        floats(&["1.25", "-3.5"]),
        Column::Decimals(2, vec![125, -350])
    );
    let third = 1.0_f64 / 3.0;
    assert_eq!(
        floats(&["1.5", &third.to_string()]),
        Column::Singles(vec![1.5, third as f32])
    );
    assert_eq!(floats(&["1e300", "0.5"]), Column::Doubles(vec![1e300, 0.5]));
    assert_eq!(floats(&["1e-300"]), Column::Doubles(vec![1e-300]));
    assert_eq!(floats(&["-0.0"]), Column::Singles(vec![-0.0]));
}

proptest! {
    #[test]
    fn integers_come_back(values in prop::collection::vec(any::<i64>(), 0..40), step in 1_i64..1_000_000) {
        let near: Vec<i64> = values.iter().map(|v| (v % 1_000) * step).collect();
        for values in [values, near] {
            let column = Column::Integers(values.clone());
            prop_assert_eq!(back(&column, values.len()), Some(column));
        }
    }

    #[test]
    fn damage_is_found_or_harmless(values in prop::collection::vec(any::<i64>(), 1..20), at: prop::sample::Index, byte: u8) {
        let mut bytes = Vec::new();
        Column::Integers(values.clone()).write(&[], &mut bytes);
        *at.get_mut(&mut bytes) = byte;
        let _ = Column::read(&mut Reader(&bytes), values.len(), &[]);
    }
}

/// Any JSON, with what records are made of among it.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e6..1e6).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("pump \"1\"")),
        Just(json!(format!("{EPOCH}/pump \"1\"/7"))),
        any::<u64>().prop_map(|id| Value::from(format!("{id:016x}"))),
        Just(json!("ea0b57a9dd4b56cD")),
        (0..4_000_000_000_000_i64).prop_map(|ms| Value::from(rfc3339(Timestamp::from_millis(ms)))),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Whether `b` is `a` with numbers in single precision.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= a.abs() * f64::from(f32::EPSILON)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| alike(a, b)))
        }
        (a, b) => a == b,
    }
}

fn record(seq: i64, number: u64, body: &Value) -> Unfolded {
    Unfolded {
        seq,
        device: 1,
        name: "pump \"1\"".into(),
        number,
        kind: "summary".into(),
        oldest: Timestamp::from_millis(seq),
        body: serde_json::to_vec(body).unwrap(),
    }
}

proptest! {
    #[test]
    fn any_record_comes_back_to_the_precision_it_is_marked_with(
        values in prop::collection::vec(any_json(), 1..8),
    ) {
        let records: Vec<_> = (1_i64..)
            .zip(&values)
            .map(|(seq, value)| record(seq, 7, &json!({"value": value})))
            .collect();
        let (folded, body) = fold(&records);
        let seqs: Vec<_> = records.iter().map(|record| record.seq).collect();
        prop_assert_eq!(folded, seqs);
        let block = Block::unpack(&body).unwrap();
        for (index, (record, value)) in records.iter().zip(&values).enumerate() {
            let unfolded = block.unfold(index, record.name.clone()).unwrap();
            let body: Value = serde_json::from_slice(&unfolded.body).unwrap();
            prop_assert_eq!(&body["precision"], "f32");
            prop_assert!(alike(&body["value"], value), "{} {}", body, value);
            let unmarked = Unfolded { body: record.body.clone(), ..unfolded.clone() };
            prop_assert_eq!(&unmarked, record);
            // Folded once more nothing changes.
            let (_, again) = fold(std::slice::from_ref(&unfolded));
            let again = Block::unpack(&again).unwrap();
            prop_assert_eq!(again.unfold(0, record.name.clone()).unwrap(), unfolded);
        }
    }
}

/// Evenly distributed in [0, 1).
fn uniform(random: &mut ChaCha8Rng) -> f64 {
    random.next_u64() as f64 / 2.0_f64.powi(64)
}

/// Summaries of one channel of 100 devices, ten noisy readings a window, as a sensor with so many
/// decimals gives them, and features that the class asks for. Each comes of an entry of its own: that of the device's first reading
/// behind the window, one device after the other, with some that close none in between.
fn realistic(windows: i64, decimals: i32, asked: &[&str]) -> Vec<Unfolded> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut records = Vec::new();
    let scale = 10_f64.powi(decimals);
    let time = |ns: i64| rfc3339(Timestamp(1_790_000_000_000_000_000 + ns));
    for window in 0..windows {
        for device in 0..100_i64 {
            let start = window * 10_000_000_000;
            let jitter = (uniform(&mut random) * 1_000.0) as i64 * 1_000_000;
            let mut moments: Option<Moments> = None;
            for n in 0..10 {
                let noise: f64 = (0..6).map(|_| uniform(&mut random) - 0.5).sum();
                let value = 20.0 + device as f64 / 3.0 + noise;
                let value = (value * scale).round() / scale;
                let at = f64::from(n) + jitter as f64 / 1e9;
                match &mut moments {
                    Some(moments) => moments.push(at, value),
                    None => moments = Some(Moments::new(at, value)),
                }
            }
            let features = moments.unwrap().summary();
            let score = uniform(&mut random) / 2.0;
            let scored = 12_000_000_000 + (uniform(&mut random) * 2e8) as i64;
            let number = window as u64 + 1;
            let name = format!("pump-{device:04}");
            let position = (window * 1_000 + device * 2) as u64 + random.next_u64() % 2;
            let trace = 0xea0b_57a9_dd4b_56c6_u64.wrapping_add(position);
            let mut body = json!({
                "schema": "eyot.summary.v1", "id": format!("{EPOCH}/{name}/{number}"),
                "agent": "gateway-1", "device": name, "class": "pump", "trace_id": format!("{trace:016x}"),
                "window": {"start": time(start), "end": time(start + 10_000_000_000), "closed_by": "watermark"},
                "channels": {"flow": {
                    "unit": "m³/h", "count": features.count, "mean": features.mean, "std": features.std,
                    "detrended_std": features.detrended_std, "min": features.min, "max": features.max,
                    "rms": features.rms, "slope": features.slope, "last": features.last,
                }},
                "score": {"fused": score, "statistical": score},
                "verdict": "normal",
                "freshness": {
                    "scored_at": time(start + scored), "oldest": time(start + jitter),
                    "age_of_oldest_ms": (scored - jitter) / 1_000_000,
                },
            });
            for feature in asked {
                let value = features.mean + uniform(&mut random);
                body["channels"]["flow"][feature] = value.into();
            }
            records.push(Unfolded {
                seq: window * 100 + device + 1,
                device,
                name,
                number,
                kind: "summary".into(),
                oldest: Timestamp(1_790_000_000_000_000_000 + start + jitter),
                body: serde_json::to_vec(&body).unwrap(),
            });
        }
    }
    records
}

/// Bytes of a record once it is folded.
fn folded(records: &[Unfolded]) -> f64 {
    let (blocks, _) = records.as_chunks::<1_024>();
    let bytes: usize = blocks.iter().map(|records| fold(records).1.len()).sum();
    bytes as f64 / (blocks.len() * 1_024) as f64
}

#[test]
fn a_folded_summary_of_eight_features_takes_at_most_33_bytes() {
    // As a sensor gives them, and as bad as it gets. The name of its entry has up to a byte of that.
    for (decimals, most) in [(3, 31.0), (12, 33.0)] {
        let records = realistic(41, decimals, &[]);
        let each = folded(&records);
        let plain = records[0].body.len();
        assert!(
            each <= most,
            "{decimals} decimals: {each:.1} bytes a record, {plain} as JSON"
        );
    }
}

#[test]
fn the_name_of_a_record_s_entry_takes_less_than_a_byte() {
    let with = realistic(41, 3, &[]);
    let mut without = with.clone();
    for record in &mut without {
        let mut body: Value = serde_json::from_slice(&record.body).unwrap();
        body.as_object_mut().unwrap().remove("trace_id");
        record.body = serde_json::to_vec(&body).unwrap();
    }
    let each = folded(&with) - folded(&without);
    assert!((0.0..1.0).contains(&each), "{each:.2} bytes each");
}

#[test]
fn a_feature_that_a_class_asks_for_takes_at_most_4_bytes_more() {
    let asked = ["p05", "p95", "median", "time_weighted_mean"];
    let (without, with) = (realistic(41, 3, &[]), realistic(41, 3, &asked));
    let each = (folded(&with) - folded(&without)) / asked.len() as f64;
    assert!(each <= 4.0, "{each:.2} bytes each");
    let json = |records: &[Unfolded]| -> usize { records.iter().map(|r| r.body.len()).sum() };
    let plain = (json(&with) - json(&without)) / with.len() / asked.len();
    assert!((25..=40).contains(&plain), "{plain} bytes as JSON");
}

#[test]
fn a_feature_that_a_window_does_not_have_stays_null() {
    let mut record = realistic(1, 3, &["p95", "skewness"]).swap_remove(0);
    let mut body: Value = serde_json::from_slice(&record.body).unwrap();
    body["channels"]["flow"]["skewness"] = Value::Null;
    record.body = serde_json::to_vec(&body).unwrap();
    let (_, block) = fold(std::slice::from_ref(&record));
    let unfolded = Block::unpack(&block).unwrap();
    let unfolded = unfolded.unfold(0, record.name).unwrap();
    let flow = &serde_json::from_slice::<Value>(&unfolded.body).unwrap()["channels"]["flow"];
    assert!(alike(flow, &body["channels"]["flow"]), "{flow}");
    assert_eq!(flow["skewness"], Value::Null);
}
