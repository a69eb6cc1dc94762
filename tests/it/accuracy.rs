//! Whether the example's detectors find what is wrong, and leave in peace what is not: always the same
//! simulated fleets, so a change of a detector shows here at once.

use std::fmt::Write;
use std::path::Path;

use eyot::config::Config;
use eyot_lab::evaluate::{Trial, evaluate};
use eyot_pipeline::Span;

/// Judges three fleets together: at least this part of the faults within 30 s, and at most so many false
/// alerts in 100 device-minutes.
fn check(with_model: bool, at_least: f64, at_most: f64) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/pump.toml");
    let config = Config::load(&path).unwrap_or_else(|faults| panic!("{faults}"));
    let (mut faults, mut found, mut false_alerts, mut minutes) = (0, 0, 0, 0.0);
    let mut explanation = String::new();
    for seed in 1..=3 {
        let trial = Trial {
            seed,
            devices: 50,
            faults: 20,
            length: Span::from_secs(310),
            faults_after: Span::from_secs(200),
            with_model,
        };
        let result = evaluate(&config, &trial).unwrap();
        faults += result.faults.len();
        found += result.found();
        false_alerts += result.false_alerts.len();
        minutes += result.device_minutes;
        let _ = writeln!(explanation, "seed {seed}\n{}", result.explain(&config));
    }
    assert_eq!(faults, 60);
    let recall = found as f64 / faults as f64;
    assert!(
        recall >= at_least,
        "{found} of {faults} faults found\n{explanation}"
    );
    let rate = 100.0 * false_alerts as f64 / minutes;
    assert!(
        rate <= at_most,
        "{rate:.2} false alerts in 100 device-minutes\n{explanation}"
    );
}

#[test]
fn statistics_and_model_find_95_percent_of_faults_with_1_false_alert_in_100_device_minutes() {
    check(true, 0.95, 1.0);
}

#[test]
fn statistics_alone_find_most_of_them() {
    check(false, 0.7, 1.0);
}
