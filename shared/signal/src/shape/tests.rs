//! Crossings and autocorrelation against the definitions.

use proptest::prelude::*;

use super::*;

/// Changes of sign among the values beside the level.
fn naive_crossings(level: f64, values: &[f64]) -> u64 {
    let sides: Vec<_> = values
        .iter()
        .filter(|v| **v != level)
        .map(|v| *v > level)
        .collect();
    sides.windows(2).filter(|pair| pair[0] != pair[1]).count() as u64
}

fn naive_autocorrelation(values: &[f64], lag: usize) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let d: Vec<_> = values.iter().map(|v| v - mean).collect();
    let products: f64 = d.iter().zip(&d[lag..]).map(|(a, b)| a * b).sum();
    products / d.iter().map(|d| d * d).sum::<f64>()
}

proptest! {
    #[test]
    fn crossings_are_changes_of_side(
        values in prop::collection::vec(-3..=3_i8, 0..60), level in -2..=2_i8, halves: bool, cut in 0.0..1.0_f64,
    ) {
        let level = f64::from(level) + if halves { 0.5 } else { 0.0 };
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let want = naive_crossings(level, &values);
        let got = Crossings::of(level, &values);
        prop_assert_eq!(got.count(), want);
        let mut pushed = Crossings::new(level);
        for value in &values {
            pushed.push(*value);
        }
        prop_assert_eq!(pushed, got);
        let (left, right) = values.split_at((values.len() as f64 * cut) as usize);
        let mut merged = Crossings::of(level, left);
        merged.merge(&Crossings::of(level, right));
        prop_assert_eq!(merged, got);
    }

    #[test]
    fn autocorrelation_is_that_of_the_definition(
        values in prop::collection::vec(-1e3..1e3_f64, 2..400), lag in 0.0..1.0_f64, offset in -1e6..1e6_f64,
    ) {
        let lag = (values.len() as f64 * lag) as usize;
        let want = naive_autocorrelation(&values, lag);
        let moved: Vec<_> = values.iter().map(|v| v + offset).collect();
        prop_assert!((autocorrelation(&moved, lag).unwrap() - want).abs() < 1e-6);
        let narrow: Vec<_> = values.iter().map(|v| *v as f32).collect();
        prop_assert!((f64::from(autocorrelation(&narrow, lag).unwrap()) - want).abs() < 1e-4);
    }
}

#[test]
fn a_value_at_the_level_is_on_neither_side() {
    let zero = |values: &[f64]| Crossings::of(0.0, values).count();
    assert_eq!(zero(&[1.0, 0.0, 1.0]), 0);
    assert_eq!(zero(&[1.0, 0.0, 0.0, -1.0]), 1);
    assert_eq!(zero(&[0.0, -0.0, 0.0]), 0);
    assert_eq!(zero(&[1.0, f64::NAN, -1.0, 1.0]), 2);
    assert_eq!((zero(&[]), zero(&[1.0]), zero(&[1.0, -1.0])), (0, 0, 1));
}

#[test]
fn a_long_alternation_crosses_at_every_step() {
    let values: Vec<f64> = (0..10_000).map(|i| f64::from(i % 2) + 1e6).collect();
    assert_eq!(mean_crossings(&values), Some(9_999));
    assert_eq!(Crossings::of(0.0, &values).count(), 0);
    let got = autocorrelation(&values, 1).unwrap();
    assert!((got + 0.9999).abs() < 1e-9, "{got}");
}

#[test]
fn autocorrelation_is_that_of_numpy() {
    // x = values - mean; numpy.correlate(x, x, 'full')[8 - 1 + lag] / numpy.dot(x, x)
    let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
    for (lag, want) in [
        1.0,
        -0.17523640661938533,
        0.044326241134751775,
        0.1456855791962175,
    ]
    .into_iter()
    .enumerate()
    {
        let got: f64 = autocorrelation(&values, lag).unwrap();
        assert!((got - want).abs() < 1e-14, "{lag}: {got} instead of {want}");
    }
}

#[test]
fn too_few_or_constant_values_have_none() {
    assert_eq!(autocorrelation::<f64>(&[], 0), None);
    assert_eq!(autocorrelation(&[1.0], 0), None);
    assert_eq!(autocorrelation(&[1.0, 2.0], 2), None);
    assert_eq!(autocorrelation(&[1.0, 2.0], 1), Some(-0.5));
    assert_eq!(autocorrelation(&[0.1; 40], 3), None);
    assert_eq!(mean_crossings::<f64>(&[]), None);
    assert_eq!(mean_crossings(&[0.1; 40]), Some(0));
}

#[test]
fn a_nan_makes_autocorrelation_nan_and_crosses_no_mean() {
    let values = [1.0, f64::NAN, -1.0, 2.0];
    assert!(autocorrelation(&values, 1).unwrap().is_nan());
    assert_eq!(mean_crossings(&values), Some(0));
}
