//! Finds keys that the mapping language does not have.

use eyot_decode::config::{Channel, Rule};
use schemars::schema_for;
use serde_json::Value;

/// Looks at a source's rules and channels, key by key.
pub(crate) fn check(source: &toml::Table) -> Result<(), String> {
    let value = serde_json::to_value(source).map_err(|error| error.to_string())?;
    let rule = schema_for!(Rule).to_value();
    let channel = schema_for!(Channel).to_value();
    let rules = value["rule"].as_array().into_iter().flatten();
    let channels = value["channels"].as_object().into_iter().flatten();
    let mut unknown: Vec<String> = rules
        .filter_map(|value| unknown(value, &rule, &rule))
        .flatten()
        .collect();
    unknown.extend(
        channels
            .filter_map(|(_, value)| self::unknown(value, &channel, &channel))
            .flatten(),
    );
    match &unknown[..] {
        [] => Ok(()),
        _ => Err(format!("unknown keys: {}", unknown.join(", "))),
    }
}

/// Keys in a value that its schema does not have; `None` if the schema is for values of another kind.
fn unknown(value: &Value, schema: &Value, root: &Value) -> Option<Vec<String>> {
    if let Some(name) = schema["$ref"].as_str() {
        return unknown(value, root.pointer(name.trim_start_matches('#'))?, root);
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(schemas) = schema[several].as_array() {
            let found = schemas
                .iter()
                .filter_map(|schema| unknown(value, schema, root));
            return found.min_by_key(Vec::len);
        }
    }
    match value {
        Value::Object(entries) => {
            let properties = schema["properties"].as_object();
            let others = Some(&schema["additionalProperties"]).filter(|others| others.is_object());
            if properties.is_none() && others.is_none() {
                return None;
            }
            let found = entries.iter().flat_map(|(key, value)| {
                let known = properties.and_then(|properties| properties.get(key));
                match known.or(others) {
                    Some(schema) => unknown(value, schema, root).unwrap_or_default(),
                    None => vec![key.clone()],
                }
            });
            Some(found.collect())
        }
        Value::Array(elements) => {
            let schema = Some(&schema["items"]).filter(|items| items.is_object())?;
            let found = elements
                .iter()
                .filter_map(|value| unknown(value, schema, root));
            Some(found.flatten().collect())
        }
        _ => schema["properties"].is_null().then(Vec::new),
    }
}
