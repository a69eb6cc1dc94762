use proptest::prelude::*;

use super::super::proto::Value;
use super::{World, metric};

#[track_caller]
fn check_value(datatype: u32, value: Value, expected: &str) {
    let read = World::default().read("NBIRTH", 0, vec![metric("m", 1, datatype, value)]);
    let value = read.split_once("\"value\": ").map_or("", |(_, rest)| rest);
    let value = value
        .split_once(", \"historical\"")
        .map_or("", |(value, _)| value);
    assert_eq!(value, expected, "{read}");
}

#[test]
fn values_are_what_their_type_means() {
    check_value(1, Value::Int(0xff), "Int(-1)");
    check_value(1, Value::Int(u32::MAX), "Int(-1)");
    check_value(1, Value::Int(127), "Int(127)");
    check_value(1, Value::Int(300), "Int(300)");
    check_value(2, Value::Int(0x8000), "Int(-32768)");
    check_value(3, Value::Int(u32::MAX - 1), "Int(-2)");
    check_value(3, Value::Long(0xffff_fffe), "Int(-2)");
    check_value(3, Value::Long(u64::MAX), "Int(-1)");
    check_value(4, Value::Long(u64::MAX), "Int(-1)");
    check_value(5, Value::Int(255), "Int(255)");
    check_value(7, Value::Long(u64::from(u32::MAX)), "Int(4294967295)");
    check_value(8, Value::Long(u64::MAX), "Uint(18446744073709551615)");
    check_value(9, Value::Float(0.5), "Float(0.5)");
    check_value(11, Value::Int(1), "Bool(true)");
    check_value(13, Value::Long(1_486_144_502_122), "Int(1486144502122)");
    check_value(15, Value::Text("a-b".into()), "Text(\"a-b\")");
    check_value(17, Value::Bytes(vec![1, 2]), "");
}

#[test]
fn arrays() {
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    check_value(22, bytes(&[0xff, 1]), "[Int(-1), Int(1)]");
    check_value(23, bytes(&[0xfe, 0xff, 1, 0]), "[Int(-2), Int(1)]");
    check_value(29, bytes(&[0xff; 8]), "[Uint(18446744073709551615)]");
    check_value(30, bytes(&1.5_f32.to_le_bytes()), "[Float(1.5)]");
    check_value(
        32,
        bytes(&[3, 0, 0, 0, 0b1010_0000]),
        "[Bool(true), Bool(false), Bool(true)]",
    );
    check_value(
        33,
        bytes(b"ABC\0hello\0"),
        "[Text(\"ABC\"), Text(\"hello\")]",
    );
    check_value(23, bytes(&[1, 0, 2]), "");
    check_value(32, bytes(&[0xff, 0xff, 0xff, 0xff, 0]), "");
}

proptest! {
    #[test]
    fn no_value_panics(datatype in 0_u32..40, whole: u64, bytes: Vec<u8>) {
        let values = [Value::Long(whole), Value::Int(whole as u32), Value::Bytes(bytes)];
        let metrics = values.map(|value| metric("m", 1, datatype, value));
        World::default().read("NBIRTH", whole, metrics.to_vec());
    }

    #[test]
    fn whole_numbers_come_back(value: i64) {
        check_value(4, Value::Long(value as u64), &format!("Int({value})"));
        let small = value as i16;
        check_value(2, Value::Int(small as u32), &format!("Int({small})"));
        check_value(2, Value::Int(u32::from(small as u16)), &format!("Int({small})"));
    }
}
