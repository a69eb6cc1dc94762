use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::table::AMBIGUOUS;
use super::*;

fn convert(value: f64, from: &str, to: &str) -> f64 {
    conversion(from, to)
        .unwrap_or_else(|| panic!("`{from}` to `{to}`"))
        .apply(value)
}

#[track_caller]
fn same(value: f64, from: &str, to: &str, expected: f64) {
    let got = convert(value, from, to);
    let error = (got - expected).abs() / expected.abs().max(1e-300);
    assert!(error < 1e-9, "{value} {from} = {got} {to}, not {expected}");
}

/// NIST SP 811, appendix B.8, unless said otherwise.
#[test]
fn spot_values() {
    same(1.0, "psi", "Pa", 6_894.757_293_168);
    same(1.0, "mmHg", "Pa", 133.322_387_415);
    same(1.0, "inHg", "Pa", 3_386.389);
    same(1.0, "atm", "hPa", 1013.25);
    same(1.0, "inH2O", "Pa", 249.0889);
    same(1.0, "mi", "km", 1.609_344);
    same(1.0, "gal", "L", 3.785_411_784);
    same(1.0, "ft3/min", "m3/s", 4.719_474_432e-4);
    same(1.0, "gpm", "L/s", 0.063_090_196_4);
    same(1.0, "mph", "km/h", 1.609_344);
    same(1.0, "kn", "m/s", 1852.0 / 3600.0);
    same(1.0, "lb", "kg", 0.453_592_37);
    same(16.0, "oz", "lb", 1.0);
    same(1.0, "hp", "W", 745.699_871_582);
    same(1.0, "PS", "W", 735.498_75);
    same(1.0, "BTU/h", "W", 0.293_071_070_17);
    same(1.0, "BTU", "kJ", 1.055_055_852_62);
    same(1.0, "lbf", "N", 4.448_221_615_260_5);
    same(1.0, "pCi/L", "Bq/m³", 37.0);
    same(180.0, "°", "rad", std::f64::consts::PI);
    same(1.0, "G", "µT", 100.0);
    // The kilowatt-hour and the revolution a minute by definition.
    same(1.0, "kWh", "MJ", 3.6);
    same(3000.0, "rpm", "Hz", 50.0);
}

#[test]
fn what_is_exact_in_decimals_stays_so() {
    #[track_caller]
    fn exactly(value: f64, from: &str, to: &str, expected: f64) {
        assert_eq!(convert(value, from, to).to_bits(), expected.to_bits());
    }
    exactly(3035.0, "mV", "V", 3.035);
    exactly(12_540.0, "mV", "V", 12.54);
    exactly(0.244, "kW", "W", 244.0);
    exactly(4.426, "kWh", "Wh", 4426.0);
    exactly(990.92, "hPa", "Pa", 99_092.0);
    exactly(0.0, "°C", "°F", 32.0);
    exactly(68.0, "°F", "°C", 20.0);
    exactly(-40.0, "°F", "°C", -40.0);
    exactly(21.5, "°C", "K", 294.65);
    exactly(3.6, "m³/h", "L/s", 1.0);
    exactly(1.0, "m3", "L", 1000.0);
    exactly(36.0, "km/h", "m/s", 10.0);
}

#[test]
fn one_unit_has_many_spellings() {
    for (a, b) in [
        ("C", "°C"),
        ("degC", "℃"),
        ("CELSIUS", "º C"),
        ("Cel", "celsius"),
        ("°F", "degF"),
        ("F", "Fahrenheit"),
        ("µA", "uA"),
        ("μA", "µA"),
        ("Ω", "Ohm"),
        ("\u{2126}", "ohm"),
        ("m³/h", "m3/h"),
        ("m^3/h", "m3 / h"),
        ("µg/m³", "ug/m3"),
        ("%RH", "%"),
        ("% rH", "percent"),
        ("l/min", "L/min"),
        ("m/s²", "m/s2"),
        ("kvar", "kVAr"),
        ("dB(A)", "dBA"),
    ] {
        assert!(conversion(a, b).unwrap().is_identity(), "{a} and {b}");
    }
    for known in [
        "kVAh", "kvarh", "kΩ", "µS/cm", "1/dL", "pH", "bit/s", "W/m²",
    ] {
        assert!(is_known(known), "{known}");
    }
}

#[test]
fn different_things_do_not_convert() {
    for (a, b) in [
        ("kg", "°C"),
        ("W", "Wh"),
        ("W", "VA"),
        ("mw", "W"),
        ("k", "°C"),
        ("dB", "%"),
        ("dBm", "W"),
        ("", "W"),
        ("W", ""),
        ("furlong", "m"),
        ("ångström", "m"),
        ("a unit whose name is much too long", "m"),
    ] {
        assert_eq!(conversion(a, b), None, "{a} and {b}");
    }
    assert!(conversion("furlong", "furlong").unwrap().is_identity());
    assert!(!is_known(""));
}

#[test]
fn the_other_unit_tells_what_an_ambiguous_one_means() {
    same(1.0, "g", "m/s²", 9.806_65);
    same(1500.0, "mg", "m/s2", 14.709_975);
    same(1.0, "g", "kg", 0.001);
    same(1.0, "F", "µF", 1e6);
    same(32.0, "F", "K", 273.15);
}

#[test]
fn no_spelling_stands_twice() {
    let mut seen: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for unit in UNITS.iter() {
        let first = seen
            .entry(&unit.spelling)
            .or_default()
            .insert(unit.quantity);
        let (quantity, _) = QUANTITIES[unit.quantity];
        assert!(first, "`{}` stands twice in {quantity}", unit.spelling);
    }
    seen.retain(|_, quantities| quantities.len() > 1);
    let ambiguous: Vec<_> = seen.into_keys().collect();
    assert_eq!(ambiguous, AMBIGUOUS);
    for (word, unit) in WORDS {
        assert!(is_known(unit), "`{word}` names `{unit}`");
        assert!(
            Spelling::new(word)
                .is_some_and(|s| !UNITS.iter().any(|unit| *unit.spelling == *s.as_str()))
        );
    }
}

#[test]
fn the_table_is_spelled_as_it_is_looked_up() {
    for unit in UNITS.iter() {
        let found = meanings(&unit.spelling);
        assert!(
            found.iter().any(|other| other.quantity == unit.quantity),
            "`{}` is not found",
            unit.spelling
        );
    }
}

#[test]
fn a_factor_is_the_fraction_that_is_meant() {
    for (value, num, den) in [
        (0.1, 1.0, 10.0),
        (0.001, 1.0, 1000.0),
        (-0.01, -1.0, 100.0),
        (0.07, 7.0, 100.0),
        (2.5, 25.0, 10.0),
        (0.003_906_25, 1.0, 256.0),
        (1.0 / 3.0, 1.0, 3.0),
        (1.0, 1.0, 1.0),
        (60.0, 60.0, 1.0),
    ] {
        assert_eq!(Ratio::nearest(value), Ratio { num, den }, "{value}");
    }
    let factor = Conversion::linear(0.1, 0.0);
    assert_eq!(factor.apply(2313.0).to_bits(), 231.3_f64.to_bits());
    assert!(Conversion::linear(1.0, 0.0).is_identity());
}

proptest! {
    #[test]
    fn there_and_back(a in 0..UNITS.len(), value in -1e6..1e6) {
        let a = &UNITS[a];
        for b in UNITS.iter().filter(|b| b.quantity == a.quantity) {
            let there = convert(value, &a.spelling, &b.spelling);
            let back = convert(there, &b.spelling, &a.spelling);
            let zero = (a.zero.abs() + b.zero.abs()) * 10.0;
            prop_assert!((back - value).abs() <= 1e-12 * (value.abs() + zero));
        }
    }

    #[test]
    fn any_text_is_a_unit_or_not(from: String, to: String) {
        let _ = conversion(&from, &to);
    }

    #[test]
    fn a_fraction_is_as_good_as_its_number(
        digits in 1.0..10.0_f64, exponent in -150..150, x in -1e6..1e6,
    ) {
        let value = digits * 10_f64.powi(exponent);
        let Ratio { num, den } = Ratio::nearest(value);
        prop_assert!((num / den - value).abs() <= 2e-12 * value.abs());
        prop_assert!(Conversion::linear(value, 0.0).apply(x).is_finite());
    }
}
