//! As much of JSON Schema as the records' schemas use; and stricter in one thing: a field that is not in
//! the schema is a fault, though readers have to ignore it.

use std::collections::BTreeSet;

use serde_json::Value;

/// The fields that were met, by their path.
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeSet<String>);

impl Seen {
    /// Fields of the schema that were never met.
    pub(super) fn missing_from(&self, schema: &Value) -> Vec<String> {
        let mut all = fields(schema);
        all.retain(|path| !self.0.contains(path));
        all
    }
}

/// Paths of all fields in a schema, each before those inside it. Each has to be described.
pub(super) fn fields(schema: &Value) -> Vec<String> {
    let mut all = Vec::new();
    list(schema, "", &mut all);
    all
}

fn list(schema: &Value, path: &str, all: &mut Vec<String>) {
    assert!(schema["description"].is_string(), "{path} is not described");
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = join(path, key);
        all.push(path.clone());
        list(inner, &path, all);
    }
    for inner in patterns(schema) {
        let path = join(path, title(inner));
        all.push(path.clone());
        list(inner, &path, all);
    }
    if schema["additionalProperties"].is_object() {
        list(&schema["additionalProperties"], &join(path, "NAME"), all);
    }
    if schema["items"].is_object() {
        list(&schema["items"], &format!("{path}[]"), all);
    }
}

/// Schemas for keys of a form. The form is a name with a number at its end, of which the title is an example.
fn patterns(schema: &Value) -> impl Iterator<Item = &Value> {
    let all = schema["patternProperties"].as_object();
    all.into_iter().flatten().map(|(_, inner)| inner)
}

fn title(schema: &Value) -> &str {
    schema["title"].as_str().unwrap()
}

/// Whether `key` is of the form that `example` is of.
fn is_like(key: &str, example: &str) -> bool {
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | '_');
    let name = key.trim_end_matches(digits);
    name == example.trim_end_matches(digits) && name != key
}

/// What is wrong with `record`.
pub(super) fn complaints(record: &Value, schema: &Value, seen: &mut Seen) -> Vec<String> {
    let mut found = Vec::new();
    Check {
        seen,
        found: &mut found,
    }
    .value(record, schema, "");
    found
}

struct Check<'c> {
    seen: &'c mut Seen,
    found: &'c mut Vec<String>,
}

impl Check<'_> {
    fn value(&mut self, value: &Value, schema: &Value, path: &str) {
        let allowed = match (&schema["const"], &schema["enum"]) {
            (Value::Null, Value::Null) => true,
            (Value::Null, choices) => choices.as_array().unwrap().contains(value),
            (only, _) => only == value,
        };
        if !allowed {
            self.found.push(format!("{path}: {value} is not allowed"));
        }
        let kinds = schema["type"].as_array();
        let or_null = kinds.is_some_and(|kinds| kinds[1] == "null");
        let kind = kinds.map_or(&schema["type"], |kinds| &kinds[0]);
        match (kind.as_str(), value) {
            (Some(_), Value::Null) if or_null => {}
            (None, _) => {}
            (Some("object"), Value::Object(_)) => self.object(value, schema, path),
            (Some("array"), Value::Array(items)) => {
                for item in items {
                    self.value(item, &schema["items"], &format!("{path}[]"));
                }
            }
            (Some("string"), Value::String(text)) => self.text(text, schema, path),
            (Some("number"), Value::Number(_)) => self.range(value, schema, path),
            (Some("integer"), Value::Number(n)) if n.is_i64() || n.is_u64() => {
                self.range(value, schema, path);
            }
            (Some(kind), _) => self.found.push(format!("{path}: not a {kind}: {value}")),
        }
    }

    fn object(&mut self, value: &Value, schema: &Value, path: &str) {
        for key in schema["required"].as_array().into_iter().flatten() {
            if value.get(key.as_str().unwrap()).is_none() {
                let missing = join(path, key.as_str().unwrap());
                self.found.push(format!("{missing} is missing"));
            }
        }
        for (key, inner) in value.as_object().unwrap() {
            if let Some(known) = schema["properties"].get(key) {
                let path = join(path, key);
                self.value(inner, known, &path);
                self.seen.0.insert(path);
            } else if let Some(known) = patterns(schema).find(|known| is_like(key, title(known))) {
                let path = join(path, title(known));
                self.value(inner, known, &path);
                self.seen.0.insert(path);
            } else if schema["additionalProperties"].is_object() {
                self.value(inner, &schema["additionalProperties"], &join(path, "NAME"));
            } else {
                self.found
                    .push(format!("{} is not in the schema", join(path, key)));
            }
        }
    }

    fn text(&mut self, text: &str, schema: &Value, path: &str) {
        if schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
            self.found.push(format!("{path}: not a time: {text:?}"));
        }
        // The two patterns there are: a trace's, and uuid/epoch/device/number.
        if schema["pattern"] == "^[0-9a-f]{16}$" {
            let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            if text.len() != 16 || !text.chars().all(digit) {
                self.found.push(format!("{path}: not a trace: {text:?}"));
            }
        } else if schema["pattern"].is_string() {
            let (uuid, rest) = text.split_once('/').unwrap_or_default();
            let (epoch, rest) = rest.split_once('/').unwrap_or_default();
            let (device, number) = rest.rsplit_once('/').unwrap_or_default();
            let numbers = [epoch, number].map(|n| n.parse::<u64>().is_ok());
            if uuid.len() != 36 || device.is_empty() || numbers != [true, true] {
                self.found.push(format!("{path}: not an id: {text:?}"));
            }
        }
    }

    fn range(&mut self, value: &Value, schema: &Value, path: &str) {
        let bound = |name: &str| schema[name].as_f64();
        let number = value.as_f64().unwrap();
        if let Some(least) = bound("minimum").filter(|least| number < *least) {
            self.found.push(format!("{path}: {value} is below {least}"));
        }
        if let Some(largest) = bound("maximum").filter(|largest| number > *largest) {
            self.found
                .push(format!("{path}: {value} is above {largest}"));
        }
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
