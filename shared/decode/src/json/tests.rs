mod properties;
mod reference;

use eyot_pipeline::Timestamp;
use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8]) -> Result<String, String> {
    let mut doc = Doc::new();
    let input = Input {
        topic: "",
        bytes,
        text: std::str::from_utf8(bytes).ok(),
        arrival: Timestamp(0),
    };
    let text = Json::new(&[("embedded".to_owned(), "under".to_owned())].into())
        .read(input, &mut doc, &mut Vec::new())
        .map_err(|error| error.0)?;
    Ok(doc
        .root(text)
        .map_or(String::new(), |root| format!("{root:?}")))
}

fn check(text: &str, expected: Result<&str, &str>) {
    assert_eq!(
        read(text.as_bytes()).as_deref().map_err(String::as_str),
        expected
    );
}

#[test]
fn every_kind_of_value() {
    check(
        r#"{"a":1,"a":-2.5,"b":[true,null,"x\n"],"\u00b0":{},"u":18446744073709551615}"#,
        Ok(
            r#"{"a": Int(1), "a": Float(-2.5), "b": [Bool(true), Null, Text("x\n")], "°": {}, "u": Uint(18446744073709551615)}"#,
        ),
    );
    check("\u{feff} 9007199254740993\0", Ok("Int(9007199254740993)"));
}

#[test]
fn faults_say_where() {
    check(
        r#"{"Time":"2018-10-23T23:47:58","DHT11":{"Temperature":nan,"Humidity":nan},"TempUnit":"C"}"#,
        Err("invalid json: bare nan at column 54"),
    );
    check(
        "[1,\n NaN]",
        Err("invalid json: bare NaN at line 2 column 2"),
    );
    check("[Infinity]", Err("invalid json: bare Infinity at column 2"));
    check("[-inf]", Err("invalid json: bare inf at column 3"));
    check("[1,]", Err("invalid json: trailing comma at column 4"));
    check("{} x", Err("invalid json: trailing characters at column 4"));
    check(
        "{",
        Err("invalid json: EOF while parsing an object at column 1"),
    );
    assert_eq!(
        read(b"{\"a\":\"\xb0\"}"),
        Err("not UTF-8: byte 0xb0 at position 7; if the device writes Latin-1, set charset = \"latin1\"".into())
    );
    assert!(read("[".repeat(100_000).as_bytes()).is_err());
}

proptest! {
    #[test]
    fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_text_panics(text in r#"[\[\]{}:,"0-9a-fnNI.\\ \n-]{0,40}"#) {
        let _ = read(text.as_bytes());
    }
}

#[test]
fn json_in_a_text() {
    check(
        r#"{"embedded":"{\"a\":[1,\"x\"]}","other":"{}"}"#,
        read(br#"{"under":{"a":[1,"x"]},"other":"{}"}"#)
            .as_deref()
            .map_err(String::as_str),
    );
    for text in [
        r#"{"embedded":"{\"a\":"}"#,
        r#"{"embedded":""}"#,
        r#"{"embedded":{"embedded":"{\"embedded\":\"[1]\"}"}}"#,
    ] {
        assert!(read(text.as_bytes()).is_ok(), "{text}");
    }
}
