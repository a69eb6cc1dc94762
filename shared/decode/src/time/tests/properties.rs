use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn iso_agrees_with_a_general_parser(ns: i64, offset in -1439..1440_i32, shape in 0..4_usize) {
        let offset = Offset::from_seconds(offset * 60).unwrap();
        let timestamp = jiff::Timestamp::from_nanosecond(ns.into()).unwrap();
        let zoned = timestamp.to_zoned(TimeZone::fixed(offset));
        let format = ["%Y-%m-%dT%H:%M:%S%.f%:z", "%Y%m%dT%H%M%S%.f%z", "%Y-%m-%d %H:%M:%S%.f %z", "%FT%T%.f%:z"];
        let text = zoned.strftime(format[shape]).to_string();
        let got = reader("iso8601", "").read(Scalar::Text(&text));
        prop_assert_eq!(got, Ok(Instant::Utc(Timestamp(ns))));
        if shape == 0 {
            let parsed: jiff::Timestamp = text.parse().unwrap();
            prop_assert_eq!(parsed, timestamp);
        }
    }

    #[test]
    fn whole_numbers_and_texts_are_exact(ns in 0..i64::MAX) {
        let seconds = format!("{}.{:09}", ns / 1_000_000_000, ns % 1_000_000_000);
        let expected = Ok(Instant::Utc(Timestamp(ns)));
        prop_assert_eq!(reader("unix_s", "").read(Scalar::Text(&seconds)), expected.clone());
        prop_assert_eq!(reader("unix_ns", "").read(Scalar::Int(ns)), expected);
    }

    #[test]
    fn nothing_panics(text: String, digits in "[-+0-9.:TWSZ /]{0,30}", number: f64, int: i64, format: String) {
        let formats = ["", "iso8601", "unix", "unix_s", "unix_ns", "uptime_ms", "dsmr", "%d/%m/%Y %H:%M:%S%.f"];
        for format in formats {
            let reader = reader(format, "Europe/Berlin");
            for scalar in [Scalar::Text(&text), Scalar::Text(&digits), Scalar::Float(number), Scalar::Int(int)] {
                let _ = reader.read(scalar);
            }
        }
        let local = TimeReader::compile(Some("unix"), Some("Europe/Berlin"), true).unwrap();
        let _ = (local.read(Scalar::Int(int)), local.read(Scalar::Float(number)));
        let _ = TimeReader::compile(Some(&format), Some(&text), false);
        let _ = TimeReader::compile(Some(&format!("%{format}")), None, false);
    }
}
