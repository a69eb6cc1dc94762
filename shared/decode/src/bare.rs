//! A payload that is nothing but a value: `21.5`, `ON`.

use crate::format::{FormatError, Input, Read, Request};
use crate::json::{Json, not_text};
use crate::{Doc, Scalar};

/// Reader of one bare value.
#[derive(Debug)]
pub(crate) struct Bare;

impl Bare {
    pub(crate) const fn new() -> Self {
        Self
    }
}

impl Read for Bare {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        _requests: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        let text = input.text.ok_or_else(|| not_text(input.bytes))?;
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
        doc.begin(text)
            .map_err(|error| FormatError(error.to_string()))?;
        if !text.is_empty() {
            doc.push("", scalar(text));
        }
        Ok(text)
    }
}

/// Reader of what is JSON from some senders and one bare value from others.
#[derive(Debug)]
pub(crate) struct JsonOrBare(Json);

impl JsonOrBare {
    pub(crate) const fn new(json: Json) -> Self {
        Self(json)
    }
}

impl Read for JsonOrBare {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        requests: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        let text = input.text.unwrap_or_default();
        if text.trim_start().starts_with(['{', '[', '"']) {
            self.0.read(input, doc, requests)
        } else {
            Bare.read(input, doc, requests)
        }
    }
}

/// A number, a truth value or else the text itself.
fn scalar(text: &str) -> Scalar<'_> {
    match text {
        "true" => return Scalar::Bool(true),
        "false" => return Scalar::Bool(false),
        _ => {}
    }
    // Rust reads `nan` and `infinity` as numbers; here they are words.
    if !text.ends_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Scalar::Text(text);
    }
    let int = || text.parse().map(Scalar::Int);
    let uint = |_| text.parse().map(Scalar::Uint);
    let float = |_| text.parse().map(Scalar::Float);
    int()
        .or_else(uint)
        .or_else(float)
        .unwrap_or(Scalar::Text(text))
}

#[cfg(test)]
mod tests {
    use eyot_pipeline::Timestamp;

    use super::*;

    fn check(text: &str, expected: Option<Scalar<'_>>) {
        let mut doc = Doc::new();
        let input = Input {
            topic: "",
            bytes: text.as_bytes(),
            text: Some(text),
            arrival: Timestamp(0),
        };
        let text = Bare.read(input, &mut doc, &mut Vec::new()).unwrap();
        let found = doc.root(text).and_then(|root| root.scalar());
        assert_eq!(found, expected);
    }

    #[test]
    fn json_or_a_bare_value() {
        let check = |text: &'static str, expected: &[&str]| {
            let rule = r#"{"name":"r","topic":"{device}","decoder":"json_or_value","leaves":{},
                "channel":"{path|device}","channels":{"*":{"table":{"ON":true}}}}"#;
            assert_eq!(crate::testing::decode(rule, "d", text), expected, "{text}");
        };
        let one = |value| format!("d d {value} Arrival");
        check("21.5\n", &[&one("F64(21.5)"), "rule 0 Decoded"]);
        check("ON", &[&one("Bool(true)"), "rule 0 Decoded"]);
        check("\"ON\"", &[&one("Bool(true)"), "rule 0 Decoded"]);
        check(" {\"a\":1}", &["d a I64(1) Arrival", "rule 0 Decoded"]);
    }

    #[test]
    fn a_bare_value_is_a_number_a_truth_value_or_text() {
        check(" 233.3\r\n", Some(Scalar::Float(233.3)));
        check("-7", Some(Scalar::Int(-7)));
        check("18446744073709551615", Some(Scalar::Uint(u64::MAX)));
        check("1e3", Some(Scalar::Float(1000.0)));
        check("true", Some(Scalar::Bool(true)));
        check("ON", Some(Scalar::Text("ON")));
        check("nan", Some(Scalar::Text("nan")));
        check("inf", Some(Scalar::Text("inf")));
        check("0x1f", Some(Scalar::Text("0x1f")));
        check("2024-01-01", Some(Scalar::Text("2024-01-01")));
        check("", None);
        check(" \n", None);
    }
}
