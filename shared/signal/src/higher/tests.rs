//! Skewness and kurtosis against the definitions and against scipy.

use proptest::prelude::*;

use super::HigherMoments;

/// g1 and g2 of values that are not all alike.
fn naive(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let m = |power| values.iter().map(|v| (v - mean).powi(power)).sum::<f64>() / n;
    (m(3) / m(2).powf(1.5), m(4) / (m(2) * m(2)) - 3.0)
}

fn pushed(values: &[f64]) -> HigherMoments {
    let mut moments = HigherMoments::new(0.0, values[0]);
    for (i, value) in values.iter().enumerate().skip(1) {
        moments.push(i as f64, *value);
    }
    moments
}

fn of(values: &[f64]) -> HigherMoments {
    let times: Vec<_> = (0..values.len()).map(|i| i as f64).collect();
    HigherMoments::of(&times, values).unwrap()
}

proptest! {
    #[test]
    fn all_ways_equal_the_definition(
        values in prop::collection::vec(-1e3..1e3_f64, 5..200), offset in -1e6..1e6_f64, cut in 0.1..0.9_f64,
    ) {
        let (skewness, kurtosis) = naive(&values);
        let moved: Vec<_> = values.iter().map(|v| v + offset).collect();
        let cut = ((values.len() as f64 * cut) as usize).max(1);
        let mut merged = of(&moved[..cut]);
        merged.merge(&of(&moved[cut..]).later_by(cut as f64));
        for got in [pushed(&moved), of(&moved), merged] {
            prop_assert!((got.skewness().unwrap() - skewness).abs() < 1e-6);
            prop_assert!((got.kurtosis().unwrap() - kurtosis).abs() < 1e-6 * kurtosis.abs().max(1.0));
            let lower = crate::Moments::of(
                &(0..moved.len()).map(|i| i as f64).collect::<Vec<_>>(), &moved).unwrap().summary();
            let got = got.moments().summary();
            prop_assert!((got.std - lower.std).abs() < 1e-9 * lower.std);
            prop_assert!((got.slope - lower.slope).abs() < 1e-6);
        }
    }
}

#[test]
fn they_are_those_of_scipy() {
    // scipy.stats.skew, scipy.stats.kurtosis (1.17)
    let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0, 3.0, 5.0];
    for got in [of(&values), pushed(&values)] {
        assert!((got.skewness().unwrap() - 0.5698319531322332).abs() < 1e-14);
        assert!((got.kurtosis().unwrap() - -0.10969387755102034).abs() < 1e-13);
    }
}

#[test]
fn few_or_constant_values_have_neither() {
    let shape = |values: &[f64]| {
        let moments = of(values);
        (moments.skewness().is_some(), moments.kurtosis().is_some())
    };
    assert_eq!(shape(&[1.0, 2.0]), (false, false));
    assert_eq!(shape(&[1.0, 2.0, 4.0]), (true, false));
    assert_eq!(shape(&[1.0, 2.0, 4.0, 3.0]), (true, true));
    assert_eq!(shape(&[0.1; 9]), (false, false));
    assert_eq!(shape(&[1e-300, 2e-300, 4e-300, 3e-300]), (false, false));
}

#[test]
fn a_nan_makes_both_nan() {
    let values = [1.0, f64::NAN, 2.0, 3.0];
    for got in [of(&values), pushed(&values)] {
        assert!(got.skewness().unwrap().is_nan() && got.kurtosis().unwrap().is_nan());
    }
}
