//! docs/configuration.md against the schema: every table, every key, every default; and its examples.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Config, parse};
use crate::config::schema;

/// What an example in the documentation may leave out.
const AROUND: &str = r#"
[agent]
data_dir = "data"

[[class]]
name = "room"
devices = ["*"]
channels = { temperature = {}, humidity = {}, pressure = {} }
"#;

fn documentation() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    std::fs::read_to_string(path).unwrap()
}

/// Tables by their heading, each with its keys and how their defaults are written.
type Tables = BTreeMap<String, BTreeMap<String, String>>;

/// The tables of the schema at and below `table`, whose heading is `heading`.
fn published(root: &Value, table: &Value, heading: &str, path: &str, into: &mut Tables) {
    let mut keys = BTreeMap::new();
    for (key, property) in table["properties"].as_object().unwrap() {
        let required = table["required"].as_array().into_iter().flatten();
        let default = match &property["default"] {
            _ if required.into_iter().any(|r| r == key) => "required".to_owned(),
            Value::Null | Value::Object(_) | Value::Array(_) if is_table(root, property) => {
                "–".to_owned()
            }
            Value::Null => "–".to_owned(),
            value => format!("`{}`", value.to_string().replace(',', ", ")),
        };
        keys.insert(key.clone(), default);
        let inner = join(path, key);
        let (element, heading) = match target(root, property) {
            inside if inside["type"] == "array" => (&inside["items"], format!("[[{inner}]]")),
            inside if inside["additionalProperties"].is_object() => {
                (&inside["additionalProperties"], format!("[{inner}.NAME]"))
            }
            inside => (inside, format!("[{inner}]")),
        };
        let element = target(root, element);
        if element["properties"].is_object() {
            published(root, element, &heading, &inner, into);
        }
    }
    into.insert(heading.to_owned(), keys);
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The schema behind references and behind "this or nothing" and "this or a table".
fn target<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let inside = match schema["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let Some(alternatives) = inside["anyOf"].as_array() else {
        return inside;
    };
    let mut alternatives = alternatives.iter().map(|one| target(root, one));
    let first = alternatives.clone().next().unwrap();
    alternatives
        .find(|one| one["properties"].is_object())
        .unwrap_or(first)
}

fn is_table(root: &Value, schema: &Value) -> bool {
    let inside = target(root, schema);
    let element = target(root, &inside["items"]);
    [inside, element]
        .iter()
        .any(|s| s["properties"].is_object())
}

/// The tables of the documentation: rows `` | `key` | default | meaning | `` below `` ## `heading` ``.
fn documented(text: &str) -> Tables {
    let mut tables = Tables::new();
    for section in text.split("\n## ").skip(1) {
        let heading = section.lines().next().unwrap();
        let heading = heading.trim_matches('`').to_owned();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let keys: BTreeMap<_, _> = rows
            .map(|row| {
                let cells: Vec<&str> = row.split('|').map(str::trim).collect();
                assert!(cells.len() == 5 && cells[3].len() > 5, "three cells: {row}");
                (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
            })
            .collect();
        if !keys.is_empty() {
            tables.insert(heading, keys);
        }
    }
    tables
}

#[test]
fn every_key_and_default_is_documented() {
    let schema = schema();
    let mut expected = Tables::new();
    published(&schema, &schema, "The file", "", &mut expected);
    let of_rule = expected.remove("[source.rule.channels.NAME]");
    assert_eq!(of_rule, expected.get("[source.channels.NAME]").cloned());
    // The long form of a key; docs/decoding.md shows it.
    expected.remove("[source.rule.time]");
    assert_eq!(documented(&documentation()), expected);
}

#[test]
fn every_example_is_a_right_configuration() {
    let text = documentation();
    let mut examples = 0;
    for block in text.split("```toml\n").skip(1) {
        let (example, _) = block.split_once("```").unwrap();
        let whole = if example.contains("[agent]") {
            example.to_owned()
        } else {
            format!("{AROUND}\n{example}")
        };
        let config: Config = parse(&whole).unwrap_or_else(|faults| panic!("{faults}\n{whole}"));
        assert!(!config.sources.is_empty());
        examples += 1;
    }
    assert!(examples >= 4, "{examples}");
}
