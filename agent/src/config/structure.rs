//! Holds the parsed file against the JSON Schema of the raw shape: keys, types and ranges.
//!
//! serde stops at the first thing it can't read; this reports all of them, each at its place. It
//! knows as much of JSON Schema as schemars makes of the raw shape, which is the only schema it
//! ever sees.

use schemars::generate::SchemaSettings;
use serde_json::Value;
use toml::de::DeValue;

use super::fault::{Report, nearest};
use super::raw;
use super::tree::Node;

/// The JSON Schema (2020-12) of the configuration file.
pub fn schema() -> Value {
    SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<raw::Config>()
        .to_value()
}

/// Reports everything at and below `node` that the schema does not allow.
pub(super) fn check(node: &Node<'_>, schema: &Value, report: &mut Report<'_>) {
    let root = schema;
    Walk { root, report }.value(node, schema);
}

/// As [`check`], for the array of sources alone.
pub(super) fn check_sources(node: &Node<'_>, schema: &Value, report: &mut Report<'_>) {
    let root = schema;
    Walk { root, report }.value(node, &schema["properties"]["source"]);
}

struct Walk<'s, 'r, 't> {
    root: &'s Value,
    report: &'r mut Report<'t>,
}

impl<'s> Walk<'s, '_, '_> {
    fn value(&mut self, node: &Node<'_>, schema: &'s Value) {
        let Some(value) = node.value() else { return };
        let schema = self.resolve(schema, value);
        match (kind(schema), value) {
            ("object", DeValue::Table(_)) => self.table(node, schema),
            ("array", DeValue::Array(_)) => {
                for element in node.elements() {
                    self.value(&element, &schema["items"]);
                }
            }
            ("string", DeValue::String(text)) => self.choice(node, schema, text),
            ("boolean", DeValue::Boolean(_)) => {}
            ("integer" | "number", DeValue::Integer(integer)) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
                self.range(node, schema, number.map(|number| number as f64));
            }
            ("number", DeValue::Float(float)) => {
                let written_infinite = float.as_str().contains("inf");
                let number = float.as_str().parse().ok();
                let number =
                    number.filter(|number: &f64| !number.is_infinite() || written_infinite);
                self.range(node, schema, number);
            }
            (expected, _) => self.mismatch(node, schema, expected, value),
        }
    }

    /// The schema behind references and behind choices: TOML has no null, and of several alternatives the
    /// one that `value` has the type of counts, or else the first.
    fn resolve(&self, mut schema: &'s Value, value: &DeValue<'_>) -> &'s Value {
        loop {
            let next = if let Some(reference) = schema["$ref"].as_str() {
                self.root.pointer(reference.trim_start_matches('#'))
            } else {
                let alternatives = schema["anyOf"].as_array().into_iter().flatten();
                let mut alternatives = alternatives.filter(|one| one["type"] != "null");
                let first = alternatives.clone().next();
                let fits = |one: &&Value| fits(kind(self.resolve(one, value)), value);
                alternatives.find(fits).or(first)
            };
            match next {
                Some(next) => schema = next,
                None => return schema,
            }
        }
    }

    fn table(&mut self, node: &Node<'_>, schema: &'s Value) {
        let Some(known) = schema["properties"].as_object() else {
            for (_, entry) in node.entries() {
                self.value(&entry, &schema["additionalProperties"]);
            }
            return;
        };
        let missing = || known.keys().filter(|key| !node.key(key).exists());
        let mut misspelt = Vec::new();
        for (key, entry) in node.entries() {
            if let Some(schema) = known.get(key) {
                self.value(&entry, schema);
                continue;
            }
            let fault = self.report.key(&entry, "unknown key");
            let absent = missing().map(String::as_str);
            if let Some(near) = nearest(key, absent) {
                fault.help(format!("did you mean `{near}`?"));
                misspelt.push(near);
            } else {
                let known: Vec<_> = known.keys().map(String::as_str).collect();
                fault.help(format!("the keys here are {}", known.join(", ")));
            }
        }
        let required = schema["required"].as_array().into_iter().flatten();
        for key in required.filter_map(Value::as_str) {
            if !node.key(key).exists() && !misspelt.contains(&key) {
                self.report.value(node, format!("missing key `{key}`"));
            }
        }
    }

    fn choice(&mut self, node: &Node<'_>, schema: &Value, text: &str) {
        let choices = choices(schema);
        if choices.is_empty() || choices.contains(&text) {
            return;
        }
        let message = format!("`{text}` is not one of {}", choices.join(", "));
        self.report.value(node, message).did_you_mean(text, choices);
    }

    /// `None` is a number too large to be held.
    fn range(&mut self, node: &Node<'_>, schema: &Value, number: Option<f64>) {
        let Some(number) = number else {
            self.report.value(node, "this number is too large");
            return;
        };
        if number.is_nan() {
            self.report.value(node, "must be a number");
            return;
        }
        let largest = if schema["format"] == "uint32" {
            Some(f64::from(u32::MAX))
        } else {
            schema["maximum"].as_f64()
        };
        let message = match (schema["minimum"].as_f64(), largest) {
            (Some(least), _) if number < least => format!("must be at least {least}"),
            (_, Some(largest)) if number > largest => format!("must be at most {largest}"),
            _ => match schema["exclusiveMinimum"].as_f64() {
                Some(bound) if number <= bound => format!("must be above {bound}"),
                _ => return,
            },
        };
        self.report.value(node, message);
    }

    fn mismatch(&mut self, node: &Node<'_>, schema: &Value, expected: &str, found: &DeValue<'_>) {
        let message = format!(
            "expected {}, found {}",
            with_article(expected),
            with_article(found.type_str())
        );
        let fault = self.report.value(node, message);
        if let Some(example) = schema["examples"].get(0) {
            fault.help(format!("write it like {example}"));
        } else if let ("array", DeValue::Table(_)) = (expected, found) {
            fault.help(format!("there may be several: write [[{}]]", node.path()));
        } else if let Some(choice) = found
            .as_integer()
            .and_then(|found| choices(schema).into_iter().find(|c| *c == found.as_str()))
        {
            fault.help(format!("did you mean \"{choice}\"?"));
        }
    }
}

/// Whether a value is of the type, by JSON Schema's name.
fn fits(kind: &str, value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Table(_) => kind == "object",
        DeValue::Array(_) => kind == "array",
        DeValue::String(_) => kind == "string",
        DeValue::Boolean(_) => kind == "boolean",
        DeValue::Integer(_) => matches!(kind, "integer" | "number"),
        DeValue::Float(_) => kind == "number",
        DeValue::Datetime(_) => false,
    }
}

/// The type a schema asks for, by JSON Schema's name.
fn kind(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(kind) => kind,
        // `["string", "null"]` is an optional string.
        Value::Array(kinds) => kinds.first().and_then(Value::as_str).unwrap_or_default(),
        // An enumeration with a description for each value has no type of its own.
        _ => "string",
    }
}

/// The values that an enumeration of strings allows; empty if the schema is not one.
fn choices(schema: &Value) -> Vec<&str> {
    let documented = schema["oneOf"].as_array().into_iter().flatten();
    let bare = schema["enum"].as_array().into_iter().flatten();
    documented
        .map(|one| &one["const"])
        .chain(bare)
        .filter_map(Value::as_str)
        .collect()
}

/// The type in prose, in TOML's words.
fn with_article(kind: &str) -> &str {
    match kind {
        "object" | "table" => "a table",
        "array" => "an array",
        "string" => "a string",
        "integer" => "an integer",
        "float" => "a float",
        "number" => "a number",
        "boolean" => "true or false",
        "datetime" => "a date",
        other => other,
    }
}
