use eyot_pipeline::Timestamp;
use proptest::prelude::*;

use super::{Cbor, Json};
use crate::Doc;
use crate::format::{FormatError, Input, Read};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn read(format: &mut impl Read, bytes: &[u8]) -> Result<String, FormatError> {
    let mut doc = Doc::new();
    let input = Input {
        topic: "senml",
        bytes,
        text: std::str::from_utf8(bytes).ok(),
        arrival: NOW,
    };
    let text = format.read(input, &mut doc, &mut Vec::new())?;
    Ok(format!("{:?}", doc.root(text).unwrap()))
}

#[track_caller]
fn check(json: &str, expected: &str) {
    assert_eq!(
        read(&mut Json::new(), json.as_bytes()).as_deref(),
        Ok(expected)
    );
}

#[track_caller]
fn check_error(json: &str, expected: &str) {
    let error = read(&mut Json::new(), json.as_bytes()).unwrap_err();
    assert!(error.0.contains(expected), "{error}");
}

fn from_hex(hex: &str) -> Vec<u8> {
    let hex: String = hex.split_whitespace().collect();
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[track_caller]
fn check_cbor(hex: &str, expected: &str) {
    assert_eq!(
        read(&mut Cbor::new(), &from_hex(hex)).as_deref(),
        Ok(expected)
    );
}

#[test]
fn bases_apply_from_where_they_stand() {
    check(
        r#"[{"bn":"urn:dev:ow:10e2073a01080063:","bt":1.320067464e+09,"bu":"%RH","v":20},
            {"u":"lon","v":24.30621},
            {"n":"temp","u":"Cel","t":60,"v":21}]"#,
        "[\
         {\"n\": Text(\"urn:dev:ow:10e2073a01080063:\"), \
         \"name_prefix\": Text(\"urn:dev:ow:10e2073a01080063\"), \
         \"u\": Text(\"%RH\"), \"v\": Int(20), \"t_ns\": Int(1320067464000000000)}, \
         {\"n\": Text(\"urn:dev:ow:10e2073a01080063:\"), \
         \"name_prefix\": Text(\"urn:dev:ow:10e2073a01080063\"), \
         \"u\": Text(\"lon\"), \"v\": Float(24.30621), \"t_ns\": Int(1320067464000000000)}, \
         {\"n\": Text(\"urn:dev:ow:10e2073a01080063:temp\"), \
         \"name_prefix\": Text(\"urn:dev:ow:10e2073a01080063\"), \"name_rest\": Text(\"temp\"), \
         \"u\": Text(\"Cel\"), \"v\": Int(21), \"t_ns\": Int(1320067524000000000)}]",
    );
    check(
        r#"[{"n":"a","v":1},{"bn":"d1/","n":"a","v":2},{"bn":"d2/","n":"a","v":3},{"bn":"","n":"a","v":4}]"#,
        "[{\"n\": Text(\"a\"), \"v\": Int(1)}, \
         {\"n\": Text(\"d1/a\"), \"name_prefix\": Text(\"d1\"), \"name_rest\": Text(\"a\"), \"v\": Int(2)}, \
         {\"n\": Text(\"d2/a\"), \"name_prefix\": Text(\"d2\"), \"name_rest\": Text(\"a\"), \"v\": Int(3)}, \
         {\"n\": Text(\"a\"), \"v\": Int(4)}]",
    );
}

#[test]
fn base_values_and_sums_are_added() {
    check(
        r#"[{"bv":20,"bs":100},{"v":1},{"v":0.5,"s":5},{"n":"x"},{"n":"y","vs":"on"}]"#,
        "[{\"v\": Int(21), \"s\": Int(100)}, {\"v\": Float(20.5), \"s\": Int(105)}, \
         {\"n\": Text(\"x\"), \"v\": Int(20), \"s\": Int(100)}, \
         {\"n\": Text(\"y\"), \"vs\": Text(\"on\"), \"s\": Int(100)}]",
    );
}

#[test]
fn whole_numbers_are_exact() {
    check(
        r#"[{"v":9007199254740993},{"v":18446744073709551615},{"bv":1,"v":9223372036854775807},{"v":-9223372036854775808}]"#,
        "[{\"v\": Int(9007199254740993)}, {\"v\": Uint(18446744073709551615)}, \
         {\"v\": Uint(9223372036854775808)}, {\"v\": Int(-9223372036854775807)}]",
    );
}

#[test]
fn every_kind_of_value() {
    check(
        r#"[{"n":"a","vb":true},{"n":"b","vs":"off \u00b0"},{"n":"c","vd":"aGkgCg"},{"n":"d","s":2.5},{"n":"e"},{"n":"f","v":null}]"#,
        "[{\"n\": Text(\"a\"), \"vb\": Bool(true)}, {\"n\": Text(\"b\"), \"vs\": Text(\"off °\")}, \
         {\"n\": Text(\"c\"), \"vd\": Text(\"aGkgCg\")}, {\"n\": Text(\"d\"), \"s\": Float(2.5)}]",
    );
}

#[test]
fn small_times_are_relative_to_now() {
    check(
        r#"[{"v":1,"t":-5},{"v":2,"t":0},{"v":3,"t":10.25},{"v":4,"t":268435455},{"v":5,"t":268435456},{"bt":-10,"v":6,"t":4}]"#,
        "[{\"v\": Int(1), \"t_ns\": Int(1699999995000000000)}, {\"v\": Int(2)}, \
         {\"v\": Int(3), \"t_ns\": Int(1700000010250000000)}, \
         {\"v\": Int(4), \"t_ns\": Int(1968435455000000000)}, \
         {\"v\": Int(5), \"t_ns\": Int(268435456000000000)}, \
         {\"v\": Int(6), \"t_ns\": Int(1699999994000000000)}]",
    );
}

#[test]
fn times_keep_the_digits_that_were_sent() {
    check(
        r#"[{"bt":1276020076.001,"v":1},{"t":-5.000001,"v":2},{"t":0.1,"v":3}]"#,
        "[{\"v\": Int(1), \"t_ns\": Int(1276020076001000000)}, \
         {\"v\": Int(2), \"t_ns\": Int(1276020071000999000)}, \
         {\"v\": Int(3), \"t_ns\": Int(1276020076101000000)}]",
    );
}

#[test]
fn a_time_that_cannot_be_spoils_one_record() {
    check(
        r#"[{"v":1,"t":1e300},{"v":2}]"#,
        "[{\"invalid\": Text(\"record 1: its time is beyond the years 1677 to 2262\")}, {\"v\": Int(2)}]",
    );
}

#[test]
fn what_is_not_understood() {
    check(
        r#"[{"n":"a","v":1,"x":{"y":[1]},"ut":5,"bver":10}]"#,
        "[{\"n\": Text(\"a\"), \"v\": Int(1)}]",
    );
    check_error(r#"[{"n":"a","v":1,"x_":1}]"#, "`x_` must be understood");
    check_error(r#"[{"bver":11,"v":1}]"#, "SenML version 11");
    check_error(r#"[{"v":"1"}]"#, "expected a number at line 1 column");
    check_error(r#"{"v":1}"#, "expected an array of records");
    check_error(r#"[{"v":1}] more"#, "trailing characters");
    check_error("[{\"v\":1", "EOF");
    let error = read(&mut Json::new(), b"\x81\xff").unwrap_err();
    assert!(error.0.contains("senml_cbor"));
}

#[test]
fn cbor_reads_like_json() {
    // After the example in RFC 8428 §6.
    check_cbor(
        "82 a7 21 78 1b 75726e3a6465763a6f773a313065323037336130313038303036 3a \
         22 fb 41d303a15b00106 2 23 61 41 20 05 00 67 766f6c74616765 01 61 56 02 fb 405e066666666666 \
         a3 00 67 63757272656e74 06 24 02 fb 3ff3333333333333",
        "[{\"n\": Text(\"urn:dev:ow:10e2073a0108006:voltage\"), \
         \"name_prefix\": Text(\"urn:dev:ow:10e2073a0108006\"), \"name_rest\": Text(\"voltage\"), \
         \"u\": Text(\"V\"), \"v\": Float(120.1), \"t_ns\": Int(1276020076001000000)}, \
         {\"n\": Text(\"urn:dev:ow:10e2073a0108006:current\"), \
         \"name_prefix\": Text(\"urn:dev:ow:10e2073a0108006\"), \"name_rest\": Text(\"current\"), \
         \"u\": Text(\"A\"), \"v\": Float(1.2), \"t_ns\": Int(1276020071001000000)}]",
    );
}

#[test]
fn cbor_of_every_form() {
    let value = |number: &str| format!("[{{\"n\": Text(\"a\"), \"v\": {number}}}]");
    check_cbor("81 a2 00 6161 02 f9 3e00", &value("Float(1.5)"));
    check_cbor("9f bf 00 6161 02 18ff ff ff", &value("Int(255)"));
    check_cbor("d9d9f7 81 a2 00 7f 6161 ff 02 c1 20", &value("Int(-1)"));
    check_cbor("81 a2 00 6161 02 c4 82 20 18eb", &value("Float(23.5)"));
    check_cbor("81 a2 00 6161 02 c4 9f 02 03 ff", &value("Int(300)"));
    check_cbor(
        "81 a2 00 6161 02 1b ffffffffffffffff",
        &value("Uint(18446744073709551615)"),
    );
    check_cbor("81 a3 00 6161 02 01 1863 82 a1 01 02 f6", &value("Int(1)"));
    check_cbor("81 a2 61 6e 6161 61 76 01", &value("Int(1)"));
    check_cbor(
        "81 a2 00 6161 08 43 68690a",
        "[{\"n\": Text(\"a\"), \"vd\": Text(\"aGkK\")}]",
    );
    check_cbor(
        "81 a2 00 6161 08 5f 42 6869 42 200a ff",
        "[{\"n\": Text(\"a\"), \"vd\": Text(\"aGkgCg\")}]",
    );
    check_cbor(
        "82 a2 00 6161 04 f5 a2 00 6161 03 626f6e",
        "[{\"n\": Text(\"a\"), \"vb\": Bool(true)}, {\"n\": Text(\"a\"), \"vs\": Text(\"on\")}]",
    );
}

#[test]
fn cbor_says_what_is_wrong() {
    let error = |hex| read(&mut Cbor::new(), &from_hex(hex)).unwrap_err().0;
    assert_eq!(
        error("82 a1 02 01"),
        "not SenML in CBOR: byte 4: the payload ends within the pack"
    );
    assert!(error("a0").contains("a pack is an array"));
    assert!(error("81 a1 02 6131").contains("should be a number"));
    assert!(error("81 a1 20 0b").contains("SenML version 11"));
    assert!(error("81 a1 62 785f 01").contains("`x_` must be understood"));
    assert!(error("81 a1 02 01 00").contains("more follows"));
    assert!(error("81 a1 02 c4 81 01").contains("two parts"));
    let deep = format!("81 a1 1863 {}", "81 ".repeat(1000));
    assert!(error(&deep).contains("nested too deep"));
    assert!(error("9b ffffffffffffffff").contains("the payload ends"));
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&mut Cbor::new(), &bytes);
        let _ = read(&mut Json::new(), &bytes);
    }

    #[test]
    fn nothing_that_begins_well_panics(bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
        for start in [&[0x81, 0xa1, 0x02][..], &[0x9f, 0xbf], &[0x81, 0xa1, 0x18, 0x63]] {
            let _ = read(&mut Cbor::new(), &[start, &bytes].concat());
        }
    }

    #[test]
    fn no_json_panics(json in r#"\[(\{("(bn|bt|bu|bv|n|u|v|vs|t|s)":(-?[0-9]{1,20}(\.[0-9]+)?(e[0-9]{1,3})?|"[a-z:]*"|null),?)*\},?)*\]"#) {
        let _ = read(&mut Json::new(), json.as_bytes());
    }

    #[test]
    fn whole_seconds_and_values_come_back(seconds in 268_435_456_i64..9_000_000_000, value: i64) {
        let json = format!(r#"[{{"t":{seconds},"v":{value}}}]"#);
        let expected = format!("[{{\"v\": Int({value}), \"t_ns\": Int({seconds}000000000)}}]");
        prop_assert_eq!(read(&mut Json::new(), json.as_bytes()).unwrap(), expected);
    }
}
