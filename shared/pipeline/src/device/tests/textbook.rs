//! Features by their definitions, from (seconds after the window's start, value), sorted.

use std::cmp::Ordering;

use crate::feature::Feature;

/// A feature beyond those of every window; gaps are what is longer than 0.206 s.
pub(super) fn extra(feature: Feature, window: &[(f64, f64)], length: f64) -> Option<f64> {
    let n = window.len() as f64;
    let values: Vec<f64> = window.iter().map(|w| w.1).collect();
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
    let mean = values.iter().sum::<f64>() / n;
    let moment = |power: i32| values.iter().map(|v| (v - mean).powi(power)).sum::<f64>() / n;
    let alike = low >= high;
    let peak = high.max(-low);
    let (first, last) = (window[0], window[window.len() - 1]);
    match feature {
        Feature::First => Some(first.1),
        Feature::Sum => Some(values.iter().sum()),
        Feature::Variance => (window.len() > 1).then(|| moment(2) * n / (n - 1.0)),
        Feature::Range => Some(high - low),
        Feature::Peak => Some(peak),
        Feature::CrestFactor => {
            let square = values.iter().map(|v| v * v).sum::<f64>() / n;
            (peak > 0.0).then(|| peak / square.sqrt())
        }
        Feature::Skewness => (window.len() > 2 && !alike).then(|| moment(3) / moment(2).powf(1.5)),
        Feature::Kurtosis => {
            (window.len() > 3 && !alike).then(|| moment(4) / moment(2).powi(2) - 3.0)
        }
        Feature::RateOfChange => {
            (first.0 < last.0).then(|| (last.1 - first.1) / (last.0 - first.0))
        }
        Feature::ZeroCrossings => Some(crossings(&values, 0.0)),
        Feature::TimeWeightedMean => {
            let ends = window.iter().skip(1).map(|w| w.0).chain([length]);
            let held = window.iter().zip(ends).map(|(w, end)| w.1 * (end - w.0));
            Some(held.sum::<f64>() / (length - first.0))
        }
        Feature::GapRatio => {
            let times = window.iter().map(|w| w.0);
            let from = [0.0].into_iter().chain(times.clone());
            let waits = from.zip(times.chain([length])).map(|(from, to)| to - from);
            Some(waits.filter(|wait| *wait > 0.206).sum::<f64>() / length)
        }
        Feature::Median => Some(quantile(&sorted, 0.5)),
        Feature::Quantile(percent) => Some(quantile(&sorted, f64::from(percent) / 100.0)),
        Feature::Mad => {
            let centre = quantile(&sorted, 0.5);
            let mut apart: Vec<f64> = values.iter().map(|v| (v - centre).abs()).collect();
            apart.sort_by(f64::total_cmp);
            Some(quantile(&apart, 0.5))
        }
        Feature::Autocorrelation(lag) => {
            let lag = usize::from(lag);
            let pairs = values.iter().zip(values.iter().skip(lag));
            let joint: f64 = pairs.map(|(a, b)| (a - mean) * (b - mean)).sum();
            (window.len() > lag && !alike).then(|| joint / (moment(2) * n))
        }
        // The channels are gauges.
        Feature::Increase
        | Feature::Rate
        | Feature::Resets
        | Feature::CircularMean
        | Feature::CircularStd
        | Feature::CircularDispersion => None,
        Feature::Ewma(weight) => {
            let weight = f64::from(weight) / 1e3;
            let mix = |mean: f64, value: &f64| mean * (1.0 - weight) + value * weight;
            Some(values[1..].iter().fold(values[0], mix))
        }
        other => unreachable!("{other} is in every window"),
    }
}

/// Changes from one side of the level to the other.
fn crossings(values: &[f64], level: f64) -> f64 {
    let sides = values.iter().map(|v| v.total_cmp(&level));
    let sides: Vec<Ordering> = sides.filter(|side| side.is_ne()).collect();
    sides.windows(2).filter(|pair| pair[0] != pair[1]).count() as f64
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = (sorted.len() - 1) as f64 * q;
    let below = place.floor();
    let (a, b) = (sorted[below as usize], sorted[place.ceil() as usize]);
    a + (b - a) * (place - below)
}
