mod csv_rows;
mod nmea_sentences;
mod pairs;
mod sdi12_responses;
mod telegrams;

use proptest::prelude::*;

use super::*;
use crate::config::Separated;
use crate::format::Read;

/// What a reader makes of a text.
fn read(reader: &mut dyn Read, text: &str) -> Result<String, String> {
    read_bytes(reader, text.as_bytes())
}

fn read_bytes(reader: &mut dyn Read, bytes: &[u8]) -> Result<String, String> {
    let mut doc = Doc::new();
    let input = Input {
        topic: "",
        bytes,
        text: std::str::from_utf8(bytes).ok(),
        arrival: eyot_pipeline::Timestamp::default(),
    };
    let text = reader.read(input, &mut doc, &mut Vec::new());
    let text = text.map_err(|error| error.to_string())?;
    let root = doc.root(text).expect("a reader that succeeds has a root");
    Ok(format!("{root:?}")
        .replace("Text(\"", "(\"")
        .replace("Float", "")
        .replace("Int", ""))
}

/// As `read`, without the fields of NMEA as they stand there.
fn named(text: &str) -> String {
    let sentence = read(&mut Nmea::new(), text).unwrap();
    let end = sentence.find(", \"f1\"").unwrap();
    sentence[2..end].to_owned()
}

fn separated(change: impl FnOnce(&mut Separated)) -> Separated {
    let mut spec = Separated::default();
    change(&mut spec);
    spec
}

#[test]
fn a_ve_direct_block_is_one_object() {
    let block = b"\r\nPID\t0xA042\r\nSER#\t1234567\r\nV\t12540\r\nFW\t0308\r\nTTG\t---\r\nLOAD\tON\r\nChecksum\t\xaa";
    let expected = r#"{"PID": ("0xA042"), "SER#": ("1234567"), "V": (12540), "FW": ("0308"), "TTG": Null, "LOAD": ("ON")}"#;
    let read = |bytes| read_bytes(&mut VeDirect::new(), bytes);
    assert_eq!(read(block).as_deref(), Ok(expected));
    assert_eq!(read(&block[..block.len() - 10]).as_deref(), Ok(expected));
    assert_eq!(
        read(b"booting").unwrap_err(),
        "no VE.Direct block: no `label<TAB>value` in `booting`"
    );
}

#[test]
fn numbers_are_what_is_certainly_one() {
    use crate::Scalar::{Float, Int, Null, Text, Uint};
    for (text, expected) in [
        ("5", Int(5)),
        ("+5", Int(5)),
        ("-0", Int(0)),
        ("0", Int(0)),
        (" 00.5 ", Float(0.5)),
        (".5", Float(0.5)),
        ("1e3", Float(1000.0)),
        ("18446744073709551615", Uint(u64::MAX)),
        ("18446744073709551616", Text("18446744073709551616")),
        ("007", Text("007")),
        ("1e999", Text("1e999")),
        ("inf", Text("inf")),
        ("0x1F", Text("0x1F")),
        ("1-2", Text("1-2")),
        ("-", Text("-")),
        ("", Null),
    ] {
        assert_eq!(number::field(text), expected, "{text}");
    }
    assert_eq!(number::padded("007"), Int(7));
    for (text, expected) in [
        ("1.234", Int(1234)),
        ("1.234,5", Float(1234.5)),
        ("-12,5", Float(-12.5)),
        ("12.5", Text("12.5")),
        ("1,2,3", Text("1,2,3")),
        ("007", Text("007")),
    ] {
        assert_eq!(number::with_comma(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_a_reader_panic(
        texts in prop::collection::vec("([A-Za-zé0-9.,;:=\"' \t\r\n$!*()+/#-]|[0-9]-[0-9]:|0D0!|GPRMC,){0,60}", 1..4),
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        separator in prop::option::of("[,é |]{0,2}"),
        decimal_comma: bool,
    ) {
        let spec = Separated { separator, decimal_comma, ..Separated::default() };
        let readers: [&mut dyn Read; 8] = [
            &mut Csv::new(&spec),
            &mut Csv::new(&Separated::default()),
            &mut KeyValue::new(&spec),
            &mut KeyValue::new(&Separated::default()),
            &mut Nmea::new(),
            &mut Dsmr::new(),
            &mut VeDirect::new(),
            &mut Sdi12::new(),
        ];
        for reader in readers {
            for text in &texts {
                let _ = read(reader, text);
            }
            let _ = read_bytes(reader, &bytes);
            let _ = read(reader, &String::from_utf8_lossy(&bytes));
        }
    }
}
