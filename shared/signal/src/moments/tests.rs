//! Moments against plain two-pass formulas.

use proptest::prelude::*;

use super::{Moments, Summary};

mod stability;

fn of(values: &[(f64, f64)]) -> Option<Moments> {
    let (&(time, value), rest) = values.split_first()?;
    let mut moments = Moments::new(time, value);
    for &(time, value) in rest {
        moments.push(time, value);
    }
    Some(moments)
}

fn naive(values: &[(f64, f64)]) -> Summary {
    let n = values.len() as f64;
    let mean = values.iter().map(|v| v.1).sum::<f64>() / n;
    let mean_time = values.iter().map(|v| v.0).sum::<f64>() / n;
    let m2: f64 = values.iter().map(|v| (v.1 - mean).powi(2)).sum();
    let m2_time: f64 = values.iter().map(|v| (v.0 - mean_time).powi(2)).sum();
    let co: f64 = values
        .iter()
        .map(|v| (v.0 - mean_time) * (v.1 - mean))
        .sum();
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    Summary {
        count: values.len() as u64,
        mean,
        std: if values.len() > 1 {
            (m2 / (n - 1.0)).sqrt()
        } else {
            0.0
        },
        detrended_std: {
            let slope = if m2_time > 0.0 { co / m2_time } else { 0.0 };
            let residual = |v: &(f64, f64)| v.1 - mean - slope * (v.0 - mean_time);
            let m2: f64 = values.iter().map(|v| residual(v).powi(2)).sum();
            if values.len() > 2 {
                (m2 / (n - 2.0)).sqrt()
            } else {
                0.0
            }
        },
        min: values.iter().map(|v| v.1).fold(f64::INFINITY, f64::min),
        max: values.iter().map(|v| v.1).fold(f64::NEG_INFINITY, f64::max),
        rms: (values.iter().map(|v| v.1 * v.1).sum::<f64>() / n).sqrt(),
        slope: if m2_time > 0.0 { co / m2_time } else { 0.0 },
        first: sorted[0].1,
        last: sorted[sorted.len() - 1].1,
    }
}

/// Equal within 1e-9 of the largest magnitude that went into it.
fn assert_close(got: &Summary, want: &Summary, scale: f64) {
    assert_eq!(got.count, want.count);
    for (name, got, want, scale) in [
        ("mean", got.mean, want.mean, scale),
        ("std", got.std, want.std, scale),
        // The difference of two sums of squares: half the digits are left of it at worst.
        (
            "detrended_std",
            got.detrended_std,
            want.detrended_std,
            scale * 1e4,
        ),
        ("min", got.min, want.min, scale),
        ("max", got.max, want.max, scale),
        ("rms", got.rms, want.rms, scale),
        ("slope", got.slope, want.slope, scale),
        ("first", got.first, want.first, scale),
        ("last", got.last, want.last, scale),
    ] {
        assert!(
            (got - want).abs() <= 1e-9 * scale,
            "{name}: {got} instead of {want}"
        );
    }
}

/// Values at distinct times, at least 10 ms apart, so that the slope is well conditioned.
fn series() -> impl Strategy<Value = Vec<(f64, f64)>> {
    prop::collection::vec(-1e6..1e6_f64, 1..200).prop_map(|values| {
        values
            .into_iter()
            .enumerate()
            .map(|(i, v)| (i as f64 * 0.01, v))
            .collect()
    })
}

proptest! {
    #[test]
    fn one_pass_equals_two_passes(values in series()) {
        assert_close(&of(&values).unwrap().summary(), &naive(&values), 1e8);
    }

    #[test]
    fn slices_equal_two_passes(values in series()) {
        let (times, values): (Vec<f64>, Vec<f64>) = values.into_iter().unzip();
        let pairs: Vec<_> = times.iter().copied().zip(values.iter().copied()).collect();
        let got = Moments::of(&times, &values).unwrap();
        assert_close(&got.summary(), &naive(&pairs), 1e8);
        let narrow = |all: &[f64]| all.iter().map(|v| *v as f32).collect::<Vec<_>>();
        let (few_times, few) = (narrow(&times), narrow(&values));
        let wide = |all: &[f32]| all.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let want = Moments::of(&wide(&few_times), &wide(&few)).unwrap().summary();
        let got = Moments::of(&few_times, &few).unwrap().summary();
        prop_assert!((f64::from(got.mean) - want.mean).abs() < 0.1);
        prop_assert!((f64::from(got.std) - want.std).abs() <= 1e-5 * want.std);
        prop_assert!((f64::from(got.rms) - want.rms).abs() <= 1e-5 * want.rms);
    }

    #[test]
    fn the_origin_of_time_does_not_matter(values in series(), by in 0.0..1e3_f64) {
        let got = of(&values).unwrap().later_by(by).summary();
        assert_close(&got, &naive(&values), 1e8);
    }

    #[test]
    fn merging_equals_pushing(values in series(), cut in 0.0..1.0_f64) {
        let cut = (values.len() as f64 * cut) as usize;
        let (left, right) = values.split_at(cut);
        let merged = match (of(left), of(right)) {
            (Some(mut left), Some(right)) => { left.merge(&right); left }
            (left, right) => left.or(right).unwrap(),
        };
        assert_close(&merged.summary(), &naive(&values), 1e8);
    }
}

#[test]
fn a_large_offset_does_not_swallow_the_spread() {
    let values: Vec<_> = (0..1000)
        .map(|i| (f64::from(i), 1e9 + f64::from(i % 2)))
        .collect();
    let got = of(&values).unwrap().summary();
    assert!((got.std - naive(&values).std).abs() < 1e-6, "{}", got.std);
}

#[test]
fn a_single_value_has_no_spread_and_no_slope() {
    let got = Moments::new(3.0, -2.0).summary();
    assert_eq!((got.std, got.slope, got.rms), (0.0, 0.0, 2.0));
    assert_eq!((got.first, got.last), (-2.0, -2.0));
}

#[test]
fn a_line_has_its_slope_and_no_other_spread() {
    let values: Vec<_> = (0..50)
        .map(|i| (f64::from(i) * 0.2, 7.0 - 1.5 * f64::from(i) * 0.2))
        .collect();
    let got = of(&values).unwrap().summary();
    assert!((got.slope + 1.5).abs() < 1e-12);
    assert!(got.detrended_std < 1e-6 && got.std > 1.0);
}

#[test]
fn what_follows_from_the_moments() {
    let moments = Moments::of(&[1.0, 2.0, 3.0, 5.0], &[3.0, -4.0, 0.0, 1.0]).unwrap();
    let summary = moments.summary();
    assert_eq!(
        (moments.count(), summary.peak(), summary.range()),
        (4, 4.0, 7.0)
    );
    assert_eq!(moments.first(), (1.0, 3.0));
    assert_eq!(moments.last(), (5.0, 1.0));
    assert_eq!(moments.variance(), Some(26.0 / 3.0));
    assert_eq!(moments.rate_of_change(), Some(-0.5));
    assert_eq!(moments.summary().crest_factor(), Some(4.0 / 6.5_f64.sqrt()));
    // numpy.corrcoef
    let moments = Moments::of(&[1.0, 2.0, 3.0, 5.0], &[3.0, -4.0, 0.5, 1.0]).unwrap();
    let got: f64 = moments.correlation().unwrap();
    assert!((got - 0.008257697439132145).abs() < 1e-15, "{got}");
}

#[test]
fn one_value_says_little() {
    for moments in [Moments::new(3.0, 0.0), Moments::of(&[3.0], &[0.0]).unwrap()] {
        assert_eq!(moments, Moments::new(3.0, 0.0));
        assert_eq!(
            (moments.summary().peak(), moments.summary().range()),
            (0.0, 0.0)
        );
        assert_eq!(moments.variance(), None);
        assert_eq!(moments.rate_of_change(), None);
        assert_eq!(moments.summary().crest_factor(), None);
        assert_eq!(moments.correlation(), None);
    }
}

#[test]
fn nothing_and_what_does_not_go_together_have_no_moments() {
    assert_eq!(Moments::<f64>::of(&[], &[]), None);
    assert_eq!(Moments::of(&[1.0], &[1.0, 2.0]), None);
}

#[test]
fn constants_have_exactly_no_spread() {
    for value in [0.1, 1e9 + 0.3, f64::MIN_POSITIVE / 8.0, -1e100] {
        let times: Vec<_> = (0..77).map(|i| f64::from(i) * 0.1).collect();
        let got = Moments::of(&times, &[value; 77]).unwrap().summary();
        assert_eq!((got.mean, got.std, got.slope), (value, 0.0, 0.0));
        assert_eq!(got.detrended_std, 0.0);
        let pairs: Vec<_> = times.iter().map(|time| (*time, value)).collect();
        assert_eq!(of(&pairs).unwrap().summary(), got);
    }
}

#[test]
fn alternating_and_tiny_values_keep_their_spread() {
    for scale in [1.0, 1e100, 1e-100, f64::MIN_POSITIVE.sqrt() * 2.0] {
        let pairs: Vec<_> = (0..100)
            .map(|i| (f64::from(i), if i % 2 == 0 { scale } else { -scale }))
            .collect();
        let (times, values): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        for moments in [of(&pairs).unwrap(), Moments::of(&times, &values).unwrap()] {
            let got = moments.summary();
            assert!(got.mean.abs() <= 1e-15 * scale);
            assert!(
                (got.std / scale - (100.0_f64 / 99.0).sqrt()).abs() < 1e-12,
                "{scale}"
            );
            assert!((got.crest_factor().unwrap() - 1.0).abs() < 1e-12);
        }
    }
    let vanishing = Moments::of(&[0.0, 1.0], &[1e-300, -1e-300])
        .unwrap()
        .summary();
    assert_eq!(
        (vanishing.std, vanishing.crest_factor(), vanishing.max),
        (0.0, None, 1e-300)
    );
}

#[test]
fn a_nan_shows_in_all_but_count_and_extremes() {
    let pairs = [(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0), (3.0, 4.0)];
    let (times, values): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    for moments in [of(&pairs).unwrap(), Moments::of(&times, &values).unwrap()] {
        let got = moments.summary();
        assert_eq!((got.count, got.min, got.max), (4, 1.0, 4.0));
        assert_eq!((got.first, got.last), (1.0, 4.0));
        for value in [got.mean, got.std, got.detrended_std, got.rms, got.slope] {
            assert!(value.is_nan());
        }
        assert!(moments.correlation().unwrap().is_nan());
    }
}
