use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn nothing_panics(bytes: Vec<u8>, digits in "[-+0-9.,eEx\\[\\]\" %]{0,20}", number: f64, unit: String) {
        let formats = [
            Number::Number, Number::Hex, Number::DecimalComma, Number::F32Words, Number::F32WordsSwapped,
            Number::U32Words, Number::U32WordsSwapped, Number::I16Word,
        ];
        let text = String::from_utf8_lossy(&bytes);
        for number_format in formats {
            let spec = format(number_format).with(|spec| spec.unit = Some("V".into())).spec;
            let reader = ValueReader::compile(&spec).unwrap();
            let mut doc = Doc::new();
            for scalar in [Text(&text), Text(&digits), Float(number), Int(number as i64), Uint(u64::MAX)] {
                for n in 1..3 {
                    doc.begin("").unwrap();
                    doc.open_array("").unwrap();
                    for _ in 0..n {
                        doc.push("", scalar);
                    }
                    doc.close();
                    if let Outcome::Value { value, .. } = reader.read(doc.root("").unwrap(), unit.as_str().into()) {
                        prop_assert!(value.as_f64().is_finite());
                    }
                }
            }
        }
    }

    #[test]
    fn every_number_is_read_as_it_is_written(float: f64, int: i64) {
        prop_assume!(float.is_finite());
        let (float_text, int_text) = (format!("{float:e}"), int.to_string());
        prop_assert_eq!(number::decimal(&float_text), Some((F64(float), "")));
        prop_assert_eq!(number::decimal(&int_text), Some((I64(int), "")));
    }
}
