//! Metrics, with what their birth said of them.

use super::datatype::Datatype;
use super::node::Metrics;
use super::proto::{BD_SEQ, Metric, Payload};
use crate::{Doc, DocError, Scalar};

/// Pushes a payload. Gives back how many metrics have no name and an alias that is not known.
pub(super) fn push_all(
    doc: &mut Doc,
    payload: &Payload,
    known: Option<&Metrics>,
) -> Result<usize, DocError> {
    push_number(doc, "timestamp", payload.timestamp);
    push_number(doc, "seq", payload.seq);
    push_text(doc, "uuid", payload.uuid.as_deref());
    doc.open_array("metrics")?;
    let mut unresolved = 0;
    for metric in &payload.metrics {
        let defined = known.and_then(|known| known.find(metric));
        let name = metric.own_name().or(defined.map(|(name, _)| name));
        let Some(name) = name else {
            unresolved += 1;
            continue;
        };
        let definition = defined.map(|(_, definition)| definition);
        let own_type = metric.datatype.map(Datatype);
        let datatype = own_type.or(definition.map(|d| d.datatype));
        let unit = metric.unit().or(definition.and_then(|d| d.unit.as_deref()));
        doc.open_object("")?;
        doc.push("name", Scalar::Text(name));
        push_text(doc, "unit", unit);
        push_values(doc, metric, datatype.unwrap_or_default())?;
        push_number(doc, "timestamp", metric.timestamp.or(payload.timestamp));
        if is_control(name) {
            doc.push("control", Scalar::Bool(true));
        }
        doc.close();
    }
    doc.close();
    if unresolved > 0 {
        push_number(doc, "unresolved", Some(unresolved as u64));
    }
    Ok(unresolved)
}

/// What only the metric itself can say.
fn push_values(doc: &mut Doc, metric: &Metric, datatype: Datatype) -> Result<(), DocError> {
    push_number(doc, "alias", metric.alias);
    push_text(doc, "type", datatype.name());
    if metric.is_null == Some(true) {
        doc.push("value", Scalar::Null);
    } else if let Some(value) = &metric.value {
        datatype.push(doc, value)?;
    }
    push_number(doc, "quality", metric.quality());
    let historical = metric.is_historical.unwrap_or_default();
    doc.push("historical", Scalar::Bool(historical));
    let transient = metric.is_transient.unwrap_or_default();
    doc.push("transient", Scalar::Bool(transient));
    Ok(())
}

pub(super) fn push_number(doc: &mut Doc, key: &str, number: Option<u64>) {
    if let Some(number) = number {
        doc.push(key, Scalar::Uint(number));
    }
}

fn push_text(doc: &mut Doc, key: &str, text: Option<&str>) {
    if let Some(text) = text {
        doc.push(key, Scalar::Text(text));
    }
}

/// Whether a metric steers the session, and measures nothing.
fn is_control(name: &str) -> bool {
    name == BD_SEQ || name.starts_with("Node Control/") || name.starts_with("Device Control/")
}
