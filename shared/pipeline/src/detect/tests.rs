//! The detectors on series made by hand.

use eyot_signal::Moments;

use super::*;
use crate::config::{EwmaConfig, FlatlineConfig, RobustZConfig};

fn config() -> DetectorConfig {
    DetectorConfig {
        robust_z: Some(RobustZConfig {
            features: vec![Feature::Mean, Feature::Std],
            threshold: 8.0,
            history: 60,
            warmup: 20,
        }),
        ewma: Some(EwmaConfig {
            features: vec![Feature::Mean],
            lambda: 0.2,
            threshold: 5.0,
            warmup: 30,
            memory: 360,
        }),
        flatline: Some(FlatlineConfig {
            windows: 2,
            min_readings: 3,
            warmup: 10,
        }),
        relearn_after: 100,
    }
}

fn channel() -> ChannelConfig {
    ChannelConfig {
        name: "c".into(),
        unit: None,
        kind: crate::config::ChannelKind::Gauge,
        calibration: Vec::new(),
        min: f64::NEG_INFINITY,
        max: f64::INFINITY,
        resolution: 0.0,
        detect: true,
        raster: None,
    }
}

fn detectors() -> ChannelDetectors {
    ChannelDetectors::new(&channel(), &config())
}

/// A window of five readings around `mean`; `wobble` sets their spread.
fn window(mean: f64, wobble: f64) -> ChannelSummary {
    let mut moments = Moments::new(0.0, mean - wobble);
    for (t, step) in [(1.0, 0.5), (2.0, 0.0), (3.0, -0.5), (4.0, 1.0)] {
        moments.push(t, mean + step * wobble);
    }
    ChannelSummary {
        channel: 0,
        features: moments.summary(),
        extra: Vec::new(),
    }
}

/// Normal windows: mean 10 ± 0.1, spread around 0.5.
fn normal(i: u32) -> ChannelSummary {
    let phase = f64::from(i % 7) / 7.0 - 0.5;
    window(10.0 + 0.2 * phase, 0.5 + 0.1 * phase)
}

fn score(
    detectors: &mut ChannelDetectors,
    window: &ChannelSummary,
) -> Vec<(Detector, Feature, f64)> {
    let mut found = Vec::new();
    detectors.score(window, &config(), &[], &mut [0.0; 60], |f| {
        found.push((f.detector, f.feature, f.score));
    });
    found
}

fn trained() -> ChannelDetectors {
    let mut detectors = detectors();
    for i in 0..60 {
        score(&mut detectors, &normal(i));
        detectors.learn(&normal(i), &[]);
    }
    detectors
}

fn loudest(found: &[(Detector, Feature, f64)]) -> (Detector, Feature, f64) {
    *found.iter().max_by(|a, b| a.2.total_cmp(&b.2)).unwrap()
}

#[test]
fn nothing_is_said_before_the_warm_up() {
    let mut detectors = detectors();
    assert!(score(&mut detectors, &window(1e6, 1e3)).is_empty());
}

#[test]
fn normal_windows_stay_well_below_one() {
    let mut detectors = trained();
    for i in 60..200 {
        let found = score(&mut detectors, &normal(i));
        assert_eq!(found.len(), 4, "all detectors speak");
        assert!(loudest(&found).2 < 0.6, "{found:?}");
        detectors.learn(&normal(i), &[]);
    }
}

#[test]
fn an_offset_shows_in_the_mean() {
    let found = score(&mut trained(), &window(12.0, 0.5));
    let (_, feature, score) = loudest(&found);
    assert!(feature == Feature::Mean && score > 1.0, "{found:?}");
}

#[test]
fn spikes_show_in_the_spread() {
    let found = score(&mut trained(), &window(10.0, 5.0));
    let (detector, feature, score) = loudest(&found);
    assert!(
        detector == Detector::RobustZ && feature == Feature::Std && score > 1.0,
        "{found:?}"
    );
}

#[test]
fn a_stuck_sensor_shows_after_two_windows() {
    let mut detectors = trained();
    let flat = |found: &[(Detector, Feature, f64)]| {
        found
            .iter()
            .find(|f| f.0 == Detector::Flatline)
            .map(|f| f.2)
    };
    assert_eq!(flat(&score(&mut detectors, &window(10.0, 0.0))), Some(0.5));
    assert_eq!(flat(&score(&mut detectors, &window(10.0, 0.0))), Some(1.0));
    assert_eq!(flat(&score(&mut detectors, &normal(0))), Some(0.0));
}

#[test]
fn a_stuck_sensor_is_held_against_the_spread_that_was_usual() {
    let mut expected = None;
    trained().score(&window(10.0, 0.0), &config(), &[], &mut [0.0; 60], |f| {
        if f.detector == Detector::Flatline {
            expected = Some(f.expected);
        }
    });
    let mean = (0..60).map(|i| normal(i).features.std).sum::<f64>() / 60.0;
    assert!((expected.unwrap() - mean).abs() < 1e-9, "{expected:?}");
}

#[test]
fn one_glitch_is_one_odd_window() {
    let mut detectors = trained();
    let glitch = score(&mut detectors, &window(1e6, 0.5));
    assert!(loudest(&glitch).2 > 100.0, "{glitch:?}");
    for i in 0..10 {
        let found = score(&mut detectors, &normal(i));
        assert!(loudest(&found).2 < 1.0, "{found:?}");
    }
}

#[test]
fn a_channel_that_is_often_flat_is_no_stuck_sensor() {
    let mut detectors = detectors();
    for i in 0..60 {
        let w = if i % 3 == 0 {
            window(10.0, 0.0)
        } else {
            normal(i)
        };
        score(&mut detectors, &w);
        detectors.learn(&w, &[]);
    }
    let found = score(&mut detectors, &window(10.0, 0.0));
    assert!(found.iter().all(|f| f.0 != Detector::Flatline));
}

#[test]
fn windows_too_small_to_judge_do_not_make_being_flat_usual() {
    let mut detectors = detectors();
    for i in 0..60 {
        score(&mut detectors, &normal(i));
        detectors.learn(&normal(i), &[]);
        let single = ChannelSummary {
            channel: 0,
            features: Moments::new(0.0, 10.0).summary(),
            extra: Vec::new(),
        };
        score(&mut detectors, &single);
        detectors.learn(&single, &[]);
    }
    let found = score(&mut detectors, &window(10.0, 0.0));
    assert!(found.iter().any(|f| f.0 == Detector::Flatline), "{found:?}");
}

#[test]
fn a_channel_that_is_not_watched_is_never_spoken_of() {
    let unwatched = ChannelConfig {
        detect: false,
        ..channel()
    };
    let mut detectors = ChannelDetectors::new(&unwatched, &config());
    for i in 0..60 {
        score(&mut detectors, &normal(i));
        detectors.learn(&normal(i), &[]);
    }
    assert_eq!(score(&mut detectors, &window(50.0, 0.0)), []);
}

#[test]
fn scores_are_finite_even_for_the_absurd() {
    let found = score(&mut trained(), &window(1e300, 0.5));
    assert!(found.iter().all(|f| f.2 <= MAX_SCORE), "{found:?}");
}
