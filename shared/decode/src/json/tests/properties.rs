//! Whatever the text: the own parser takes what a general one takes, and reads the same in it.

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::tree::Tree;
use super::reference;
use crate::Doc;
use crate::testing::json;

/// What a text comes to by both.
fn check(text: &str) {
    let embedded: [(Box<str>, Box<str>); 1] = [("e".into(), "under".into())];
    let (mut own, mut other) = (Doc::new(), Doc::new());
    own.begin(text).unwrap();
    let found = Tree::new(&mut own, &embedded).whole(text);
    match reference::read(text, &embedded, &mut other) {
        // What is beyond a double is no fault of the text.
        Err(error) if error.starts_with("number out of range") => {}
        Err(error) => assert_eq!(found, None, "{error}: {text}"),
        Ok(()) => {
            assert_eq!(found, Some(()), "{text}");
            let show = |doc: &Doc| format!("{:?}", doc.root(text));
            assert_eq!(show(&own), show(&other), "{text}");
        }
    }
}

#[test]
fn whatever_is_special() {
    for text in [
        "-0",
        "-0.0",
        "0e5",
        "-0e-5",
        "01",
        "-",
        "1.",
        ".5",
        "1.e5",
        "1e",
        "1e+",
        "1E+2",
        "+1",
        "0.1",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "999999999999999999",
        "1000000000000000000",
        "9007199254740993.0",
        "9007199254740992e22",
        "9007199254740993e22",
        "1e22",
        "1e23",
        "5e-324",
        "2.2250738585072011e-308",
        "1e-400",
        "1e400",
        "-1e400",
        "1.7976931348623157e308",
        "12345678",
        "123456789.12345678",
        "0.30000000000000004",
        "179769313486231570000e289",
        "1e99999999999999999999",
        "0e99999999999999999999",
        "100000000000000000000e-99999999999999999999",
        "12345678901234567890123",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "\"\\ud83d\\u0061\"",
        "\"\\ud83dx\"",
        "\"\\u12g4\"",
        "\"\\u00\"",
        "\"\\x\"",
        "\"\\",
        "\"a\u{1}\"",
        "\"a\tb\"",
        "\"é\u{7f}日本 and more than eight\"",
        "{\"a\\u0062\":1,\"ab\":2}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "[,1]",
        "[1 2]",
        "[1,]",
        "[]",
        "{}",
        " [ ] ",
        "{ }x",
        "\u{b}1",
        "nul",
        "nulll",
        "true false",
        "tru",
        "",
        " ",
        "[1}",
        "{\"a\":1]",
        "{\"e\":\"[1,{\\\"e\\\":\\\"2\\\"}]\",\"x\":[{\"e\":\"{}\"}]}",
        "{\"e\":\"no\"}",
        "{\"\\u0065\":\"1\"}",
        "{\"e\":\"\\\"\\\\ud800\\\"\"}",
        "\u{0}",
        "1\u{0}2",
        "\"\u{0}\"",
    ] {
        check(text);
    }
    for depth in [1, 126, 127, 128, 129] {
        check(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
        check(&format!(
            "{}1{}",
            "{\"a\":".repeat(depth),
            "}".repeat(depth)
        ));
    }
}

#[test]
fn a_number_beyond_a_double_is_infinite() {
    let text = "[1e400,-1e999,1e-999]";
    let mut doc = Doc::new();
    doc.begin(text).unwrap();
    Tree::new(&mut doc, &[]).whole(text).unwrap();
    assert_eq!(
        format!("{:?}", doc.root(text).unwrap()),
        "[Float(inf), Float(-inf), Float(0.0)]"
    );
}

proptest! {
    #[test]
    fn texts_are_read_alike(text in json()) {
        check(&text);
    }

    #[test]
    fn damaged_texts_are_read_alike(
        text in json(),
        damage in prop::collection::vec((any::<Index>(), 0..3_u8, "[\\[\\]{}:,\"\\\\0-9a-fnu.eE+\\- \u{0}\u{1f}é]"), 1..4),
    ) {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, kind, other) in damage {
            let at = at.index(chars.len() + 1);
            let other = other.chars().next().unwrap_or(' ');
            match kind {
                0 => chars.insert(at, other),
                1 if at < chars.len() => chars[at] = other,
                2 if at < chars.len() => _ = chars.remove(at),
                _ => chars.truncate(at),
            }
        }
        check(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn numbers_are_read_alike(number in "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?") {
        check(&number);
    }

    #[test]
    fn every_double_is_read_back(bits in any::<u64>(), digits in 0..20_usize) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        check(&format!("{number}"));
        check(&format!("{number:e}"));
        check(&format!("{number:.digits$e}"));
    }

    #[test]
    fn signs_in_any_order_are_read_alike(text in r#"[\[\]{}:,"0-9a-fnuleE.\\ \n+-]{0,40}"#) {
        check(&text);
    }
}
