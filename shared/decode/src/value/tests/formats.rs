//! How numbers are written.

use super::*;

#[test]
fn text_is_a_number_only_as_a_whole() {
    plain()
        .text("21.5", F64(21.5), "")
        .text(" +5 ", I64(5), "")
        .text("00013", I64(13), "")
        .text("-.5", F64(-0.5), "")
        .text("1.2E-05", F64(1.2e-5), "")
        .text("18446744073709551615", U64(u64::MAX), "")
        .text("21.5 °C", F64(21.5), "°C")
        .text("230.0V", F64(230.0), "V")
        .text("50%", I64(50), "%")
        .text("3\u{a0}µg/m³", I64(3), "µg/m³")
        .no_number(&[
            "abc",
            "1e",
            "0x1F",
            "1,5",
            "1.234,5",
            "1.2.3",
            "12:30",
            "2024-03-05",
            "5 apples",
            "1 000",
            "+",
            ".",
            "--5",
            "٣",
            "5ADF",
        ])
        .rejects([Text("abc")], Reason::Value, "`abc` is not a number");
}

#[test]
fn hexadecimal_text() {
    format(Number::Hex)
        .text("0xA042", I64(0xa042), "")
        .text("ff", I64(255), "")
        .text("0xFFFFFFFFFFFFFFFF", U64(u64::MAX), "")
        // As a format without types reads it.
        .gives([Int(10)], I64(16), "")
        .no_number(&["0xG", "-1", "+1", "0x1FFFFFFFFFFFFFFFF", "1.5", "0x"])
        .missing([Text("")], Reason::Null)
        .rejects(
            [Float(1e5)],
            Reason::Value,
            "100000 came as a decimal number, not in base 16",
        );
}

#[test]
fn decimal_comma() {
    format(Number::DecimalComma)
        .text("990,92", F64(990.92), "")
        .text("-1.234.567,5 kWh", F64(-1_234_567.5), "kWh")
        .text("1.234", I64(1234), "")
        .text("7", I64(7), "")
        .gives([Float(1.5)], F64(1.5), "")
        .no_number(&[
            "12.34", "1.2345", ".123", "1234.567", "1,2,3", "1,2.3", ",", "1-2",
        ]);
}

#[test]
fn words_of_16_bits() {
    // 0x42e2c100.
    let big = 113.376_953_125;
    format(Number::F32Words)
        .gives([Int(17122), Int(49408)], F64(big), "")
        .text("[17122,49408]", F64(big), "")
        .missing([Int(0x7fc0), Int(0)], Reason::Nan)
        .missing([Int(5), Null], Reason::Null)
        .rejects(
            [Int(5)],
            Reason::Value,
            "one number alone; this `format` takes two 16-bit words",
        )
        .rejects(
            [Int(65_536), Int(0)],
            Reason::Value,
            "two elements that are not both 16-bit words (0 to 65535)",
        )
        .no_number(&["[1,2,3]", "[1]", "[a,b]"]);
    format(Number::F32WordsSwapped)
        .text("[49408,17122]", F64(big), "")
        .gives([Text("49408"), Text("17122")], F64(big), "");
    format(Number::U32Words)
        .gives([Int(1), Int(2)], I64(65_538), "")
        .gives([Int(-1), Float(-1.0)], I64(u32::MAX.into()), "");
    format(Number::U32WordsSwapped).gives([Int(1), Int(2)], I64(131_073), "");
    format(Number::I16Word)
        .gives([Int(65_535)], I64(-1), "")
        .text("[65535]", I64(-1), "")
        .gives([Int(-5)], I64(-5), "")
        .with_missing([Literal::Int(-32_768)])
        .missing([Int(32_768)], Reason::Sentinel)
        .rejects(
            [Int(70_000)],
            Reason::Value,
            "70000 does not fit into 16 bits",
        );
}
