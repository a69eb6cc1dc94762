//! Windows merged from panes against windows of all values.

use proptest::prelude::*;

use super::*;

/// Seconds of a pane, whose times count from its start.
const PANE: f64 = 10.0;
const GAP: f64 = 3.0;

fn close(got: f64, want: f64, scale: f64) {
    assert!(
        (got - want).abs() <= 1e-9 * scale,
        "{got} instead of {want}"
    );
}

proptest! {
    #[test]
    fn a_window_is_the_sum_of_its_panes(
        steps in prop::collection::vec((0.01..8.0_f64, -1e3..1e3_f64), 4..200), offset in -1e4..1e4_f64,
    ) {
        let mut time = 0.0;
        let mut panes: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
        let (mut times, mut values) = (Vec::new(), Vec::new());
        for (step, value) in steps {
            time += step;
            times.push(time);
            values.push(value + offset);
            let pane = (time / PANE) as usize;
            panes.resize_with(panes.len().max(pane + 1), Default::default);
            panes[pane].0.push(time - pane as f64 * PANE);
            panes[pane].1.push(value + offset);
        }
        let merged = panes.iter().enumerate().filter_map(|(i, (times, values))| {
            Some(Pane::of(GAP, times, values)?.later_by(i as f64 * PANE))
        });
        let merged = merged.reduce(|mut left, right| { left.merge(&right); left }).unwrap();
        let mut pushed = Pane::new(GAP, times[0], values[0]);
        times.iter().zip(&values).skip(1).for_each(|(time, value)| pushed.push(*time, *value));
        let want = Pane::of(GAP, &times, &values).unwrap();
        let end = panes.len() as f64 * PANE;
        for got in [merged, pushed] {
            let (a, b) = (got.moments().summary(), want.moments().summary());
            prop_assert_eq!((a.count, a.min, a.max, a.first, a.last), (b.count, b.min, b.max, b.first, b.last));
            close(a.mean, b.mean, 1e4);
            close(a.std, b.std, 1e4);
            close(a.slope, b.slope, 1e5);
            close(a.detrended_std, b.detrended_std, 1e4);
            close(got.higher().skewness().unwrap(), want.higher().skewness().unwrap(), 10.0);
            close(got.higher().kurtosis().unwrap(), want.higher().kurtosis().unwrap(), 100.0);
            prop_assert_eq!(got.zero_crossings(), want.zero_crossings());
            close(got.held().mean_until(end).unwrap(), want.held().mean_until(end).unwrap(), 1e4);
            close(got.gaps().ratio(0.0, end).unwrap(), want.gaps().ratio(0.0, end).unwrap(), 1.0);
        }
    }
}

#[test]
fn a_pane_of_one_value_is_a_new_one() {
    for value in [0.0, -2.0] {
        assert_eq!(
            Pane::of(GAP, &[1.0], &[value]),
            Some(Pane::new(GAP, 1.0, value))
        );
    }
    assert_eq!(Pane::<f64>::of(GAP, &[], &[]), None);
    assert_eq!(Pane::of(GAP, &[1.0], &[]), None);
}
