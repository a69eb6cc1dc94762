//! P1 telegrams of smart meters (P1 Companion Standard 5.0.2, IEC 62056-21 mode D): a header, then
//! objects like `1-0:1.7.0(00.244*kW)` by OBIS code.

use super::{begin, number, start_of, unfit};
use crate::format::{FormatError, Input, Read, Request};
use crate::{Doc, Scalar};

mod object;

use object::{CHANNELS, Groups, Object, objects};

/// The meter's own number, by the codes that countries and makers write it under; the first counts.
const EQUIPMENT: [&str; 6] = [
    "0-0:96.1.1",
    "0-0:96.1.0",
    "0-0:96.1.255",
    "1-0:96.1.0",
    "1-0:0.0.0",
    "0-0:42.0.0",
];

/// When the telegram was made.
const TIME: &str = "0-0:1.0.0";

/// Reads one telegram: an object by OBIS code, with `header`, `equipment_id` and `time`.
///
/// Each code's object has `value` and `unit`, `time` if the reading has its own, and `id` if it comes from
/// another meter on the M-Bus; or `text` for what is no reading. The `*255` of a code, which says that the
/// value is the present one, is left out.
#[derive(Debug)]
pub(crate) struct Dsmr;

impl Dsmr {
    pub(crate) fn new() -> Self {
        Self
    }
}

impl Read for Dsmr {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        _requests: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        let text = begin(&input, doc)?;
        if objects(text).next().is_none() {
            return Err(FormatError(format!(
                "no telegram: no line like `1-0:1.7.0(00.244*kW)` in `{}`",
                start_of(text)
            )));
        }
        doc.open_object("").map_err(unfit)?;
        if let Some(header) = text.lines().find_map(|line| line.strip_prefix('/')) {
            doc.push("header", Scalar::Text(header.trim()));
        }
        let equipment = |code| objects(text).find(|object| object.code == code);
        if let Some(id) = EQUIPMENT.into_iter().find_map(equipment) {
            doc.push("equipment_id", text_of(&id.groups));
        }
        let ids = meter_ids(text);
        for object in objects(text) {
            if object.code == TIME {
                doc.push("time", text_of(&object.groups));
            } else {
                push(&object, &ids, doc)?;
            }
        }
        doc.close();
        Ok(text)
    }
}

fn push(object: &Object<'_>, ids: &MeterIds<'_>, doc: &mut Doc) -> Result<(), FormatError> {
    doc.open_object(object.code).map_err(unfit)?;
    if object.is_text() {
        doc.push("text", text_of(&object.groups));
    } else {
        let reading = object.reading();
        if let Some(time) = reading.time {
            doc.push("time", Scalar::Text(time));
        }
        doc.push("value", number::padded(reading.value));
        if !reading.unit.is_empty() {
            doc.push("unit", Scalar::Text(reading.unit));
        }
        if let Some(id) = object.channel().and_then(|channel| ids[channel]) {
            doc.push("id", Scalar::Text(id));
        }
    }
    doc.close();
    Ok(())
}

/// The numbers of the meters on the M-Bus, by their channel.
type MeterIds<'t> = [Option<&'t str>; CHANNELS];

/// They stand under `0-n:96.1.0`, in Belgium under `0-n:96.1.1`.
fn meter_ids(telegram: &str) -> MeterIds<'_> {
    let mut ids = [None; CHANNELS];
    for object in objects(telegram) {
        if let Some(channel) = object.channel()
            && (object.code.ends_with(":96.1.0") || object.code.ends_with(":96.1.1"))
        {
            ids[channel] = object.groups.first().filter(|id| !id.is_empty());
        }
    }
    ids
}

/// What stands in the parentheses: without them if it is one pair only.
fn text_of<'t>(groups: &Groups<'t>) -> Scalar<'t> {
    let text = match groups.clone().count() {
        1 => groups.first().unwrap_or_default(),
        _ => groups.raw(),
    };
    if text.is_empty() {
        Scalar::Null
    } else {
        Scalar::Text(text)
    }
}
