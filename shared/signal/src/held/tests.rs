//! Time-weighted means and gaps against plain loops.

use proptest::prelude::*;

use super::*;

/// Times that never fall, with values.
fn series() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    prop::collection::vec((0.0..10.0_f64, -1e3..1e3_f64), 1..300).prop_map(|steps| {
        let mut time = 5.0;
        let timed = steps.into_iter().map(|(step, value)| {
            time += step;
            (time, value)
        });
        timed.unzip()
    })
}

fn pushed(times: &[f64], values: &[f64]) -> Held {
    let mut held = Held::new(times[0], values[0]);
    for (time, value) in times.iter().zip(values).skip(1) {
        held.push(*time, *value);
    }
    held
}

proptest! {
    #[test]
    fn a_value_holds_until_the_next((times, values) in series(), after in 0.1..10.0_f64, cut in 0.0..1.0_f64) {
        let end = times[times.len() - 1] + after;
        let until = times.iter().skip(1).copied().chain([end]);
        let want: f64 = times.iter().zip(until).zip(&values).map(|((t, u), v)| (u - t) * v).sum();
        let cut = ((times.len() as f64 * cut) as usize).max(1);
        let mut all = vec![pushed(&times, &values), Held::of(&times, &values).unwrap()];
        if let Some(right) = Held::of(&times[cut..], &values[cut..]) {
            let mut merged = Held::of(&times[..cut], &values[..cut]).unwrap().later_by(-2.0);
            merged.merge(&right.later_by(-2.0));
            all.push(merged.later_by(2.0));
        }
        for held in all {
            prop_assert!((held.integral_until(end) - want).abs() < 1e-6);
            let mean = want / (end - times[0]);
            prop_assert!((held.mean_until(end).unwrap() - mean).abs() < 1e-6);
        }
    }

    #[test]
    fn gaps_are_the_long_intervals((times, _) in series(), limit in 1.0..9.0_f64, cut in 0.0..1.0_f64) {
        let (start, end) = (0.0, times[times.len() - 1] + 7.0);
        let edges = [vec![start], times.clone(), vec![end]].concat();
        let long = edges.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > limit);
        let want = long.sum::<f64>() / end;
        let cut = ((times.len() as f64 * cut) as usize).max(1);
        let mut pushed = Gaps::new(limit, times[0]);
        times[1..].iter().for_each(|time| pushed.push(*time));
        let mut all = vec![pushed, Gaps::of(limit, &times).unwrap()];
        if let Some(right) = Gaps::of(limit, &times[cut..]) {
            let mut merged = Gaps::of(limit, &times[..cut]).unwrap();
            merged.merge(&right);
            all.push(merged);
        }
        for gaps in all {
            prop_assert!((gaps.ratio(start, end).unwrap() - want).abs() < 1e-9);
        }
    }
}

#[test]
fn an_offset_costs_no_digits() {
    let times: Vec<f32> = (0..65_536).map(|i| i as f32).collect();
    let values: Vec<f32> = (0..65_536).map(|i| 1e6 + (i % 2) as f32).collect();
    let mut pushed = Held::new(times[0], values[0]);
    for (time, value) in times.iter().zip(&values).skip(1) {
        pushed.push(*time, *value);
    }
    for held in [pushed, Held::of(&times, &values).unwrap()] {
        assert_eq!(held.mean_until(65_536.0), Some(1e6 + 0.5));
    }
}

#[test]
fn the_mean_needs_time_and_the_last_value_holds_to_the_end() {
    let held = Held::new(3.0, 7.0);
    assert_eq!(held.mean_until(3.0), None);
    assert_eq!(held.mean_until(4.0), Some(7.0));
    let held = Held::of(&[0.0, 1.0], &[0.0, 10.0]).unwrap();
    assert_eq!(held.mean_until(1.0), Some(0.0));
    assert_eq!(held.mean_until(2.0), Some(5.0));
    assert_eq!(held.mean_until(0.5), held.mean_until(1.0));
    assert_eq!(Held::<f64>::of(&[], &[]), None);
    assert_eq!(Held::of(&[1.0], &[]), None);
}

#[test]
fn gaps_at_the_edges_count_and_an_interval_of_the_limit_does_not() {
    let gaps = Gaps::new(2.0, 5.0);
    assert_eq!(gaps.ratio(0.0, 10.0), Some(1.0));
    assert_eq!(gaps.ratio(3.0, 7.0), Some(0.0));
    assert_eq!(gaps.ratio(3.0, 8.0), Some(0.6));
    assert_eq!(gaps.ratio(5.0, 5.0), None);
    assert_eq!(Gaps::<f64>::of(1.0, &[]), None);
}

#[test]
fn a_nan_makes_the_mean_nan() {
    let (times, values) = ([0.0, 1.0, 2.0], [1.0, f64::NAN, 1.0]);
    for held in [pushed(&times, &values), Held::of(&times, &values).unwrap()] {
        assert!(held.mean_until(3.0).unwrap().is_nan());
    }
}
