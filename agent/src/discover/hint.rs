//! What Home Assistant's discovery messages say of other topics: names and units.

use serde_json::{Map, Value};

use super::Observed;

/// What is said of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) topic: String,
    pub(super) name: String,
    /// May be empty.
    pub(super) unit: String,
    /// Where in the payload; may be empty.
    pub(super) template: String,
}

/// What a message on `homeassistant/…/config` says; `None` if it is no such message.
pub(super) fn read(message: &Observed) -> Option<Vec<Hint>> {
    let inner = message.topic.strip_prefix("homeassistant/")?;
    inner.strip_suffix("/config")?;
    let Ok(Value::Object(fields)) = serde_json::from_slice(&message.payload) else {
        return Some(Vec::new());
    };
    let parts = fields.get("components").or_else(|| fields.get("cmps"));
    let hints = match parts.and_then(Value::as_object) {
        // One message for all parts of a device: what they have in common stands outside.
        Some(parts) => {
            let parts = parts.values().filter_map(Value::as_object);
            parts.filter_map(|part| hint(part, &fields)).collect()
        }
        None => hint(&fields, &fields).into_iter().collect(),
    };
    Some(hints)
}

fn hint(fields: &Map<String, Value>, around: &Map<String, Value>) -> Option<Hint> {
    let get = |long: &str, short: &str| {
        let here = fields.get(long).or_else(|| fields.get(short));
        let value = here
            .or_else(|| around.get(long))
            .or_else(|| around.get(short));
        value.and_then(Value::as_str).unwrap_or_default()
    };
    let topic = get("state_topic", "stat_t");
    let base = get("~", "~");
    let topic = match (topic.strip_prefix('~'), topic.strip_suffix('~')) {
        (Some(rest), _) => format!("{base}{rest}"),
        (None, Some(rest)) => format!("{rest}{base}"),
        (None, None) => topic.to_owned(),
    };
    (!topic.is_empty()).then(|| Hint {
        topic,
        name: get("name", "name").to_owned(),
        unit: get("unit_of_measurement", "unit_of_meas").to_owned(),
        template: get("value_template", "val_tpl").to_owned(),
    })
}
