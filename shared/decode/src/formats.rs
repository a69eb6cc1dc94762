//! Which reader reads which format.

use crate::bare::{Bare, JsonOrBare};
use crate::config::{Format, Rule};
use crate::format::Read;
use crate::influx::Influx;
use crate::json::Json;
use crate::senml;
use crate::sparkplug::Sparkplug;
use crate::text::{Csv, Dsmr, KeyValue, Nmea, Sdi12, VeDirect};

/// The reader of a rule's format.
pub(crate) fn reader(rule: &Rule) -> Box<dyn Read> {
    let separated = rule.separated.clone().unwrap_or_default();
    match rule.decoder {
        Format::Json => Box::new(Json::new(&rule.embedded)),
        Format::Value => Box::new(Bare::new()),
        Format::JsonOrValue => Box::new(JsonOrBare::new(Json::new(&rule.embedded))),
        Format::SenmlJson => Box::new(senml::Json::new()),
        Format::SenmlCbor => Box::new(senml::Cbor::new()),
        Format::Influx => Box::new(Influx::new()),
        Format::Sparkplug => Box::new(Sparkplug::new()),
        Format::Csv => Box::new(Csv::new(&separated)),
        Format::KeyValue => Box::new(KeyValue::new(&separated)),
        Format::Nmea => Box::new(Nmea::new()),
        Format::Dsmr => Box::new(Dsmr::new()),
        Format::VeDirect => Box::new(VeDirect::new()),
        Format::Sdi12 => Box::new(Sdi12::new()),
    }
}
