//! The messages of `org.eclipse.tahu.protobuf`, as far as they are read here (Sparkplug 3.0.0, chapter
//! 6).
//!
//! What is not listed (metadata, data sets, templates) is passed over by the decoder.

use prost::{Message, Oneof};

/// Name of the metric that numbers the connections of an edge node.
pub(super) const BD_SEQ: &str = "bdSeq";

#[derive(Clone, PartialEq, Message)]
pub(super) struct Payload {
    /// Milliseconds since 1970.
    #[prost(uint64, optional, tag = "1")]
    pub timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
    #[prost(uint64, optional, tag = "3")]
    pub seq: Option<u64>,
    #[prost(string, optional, tag = "4")]
    pub uuid: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    pub alias: Option<u64>,
    /// Milliseconds since 1970.
    #[prost(uint64, optional, tag = "3")]
    pub timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    pub datatype: Option<u32>,
    #[prost(bool, optional, tag = "5")]
    pub is_historical: Option<bool>,
    #[prost(bool, optional, tag = "6")]
    pub is_transient: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub is_null: Option<bool>,
    #[prost(message, optional, tag = "9")]
    pub properties: Option<PropertySet>,
    #[prost(oneof = "Value", tags = "10, 11, 12, 13, 14, 15, 16")]
    pub value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Value {
    #[prost(uint32, tag = "10")]
    Int(u32),
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(float, tag = "12")]
    Float(f32),
    #[prost(double, tag = "13")]
    Double(f64),
    #[prost(bool, tag = "14")]
    Boolean(bool),
    #[prost(string, tag = "15")]
    Text(String),
    #[prost(bytes, tag = "16")]
    Bytes(Vec<u8>),
}

/// Keys and values at the same positions.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PropertySet {
    #[prost(string, repeated, tag = "1")]
    pub keys: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub values: Vec<PropertyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PropertyValue {
    #[prost(oneof = "Property", tags = "3, 4, 8")]
    pub value: Option<Property>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Property {
    #[prost(uint32, tag = "3")]
    Int(u32),
    #[prost(uint64, tag = "4")]
    Long(u64),
    #[prost(string, tag = "8")]
    Text(String),
}

impl PropertySet {
    /// The property with one of these names, whatever their case.
    pub(super) fn find(&self, names: &[&str]) -> Option<&Property> {
        let wanted = |key: &str| names.iter().any(|name| name.eq_ignore_ascii_case(key));
        let mut properties = self.keys.iter().zip(&self.values);
        let (_, found) = properties.find(|(key, _)| wanted(key))?;
        found.value.as_ref()
    }
}

impl Payload {
    /// Which connection it belongs to, in births and deaths of an edge node.
    pub(super) fn bd_seq(&self) -> Option<u64> {
        let mut metrics = self.metrics.iter();
        let metric = metrics.find(|metric| metric.own_name() == Some(BD_SEQ))?;
        match *metric.value.as_ref()? {
            Value::Int(number) => Some(number.into()),
            Value::Long(number) => Some(number),
            _ => None,
        }
    }
}

impl Metric {
    /// Its name, which data may leave out where there is an alias.
    pub(super) fn own_name(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| !name.is_empty())
    }

    /// Its unit; no standard names the property, but devices do.
    pub(super) fn unit(&self) -> Option<&str> {
        let names = ["engUnit", "engineeringUnits", "unit", "units"];
        match self.properties.as_ref()?.find(&names)? {
            Property::Text(unit) if !unit.is_empty() => Some(unit),
            _ => None,
        }
    }

    /// Its quality code, 192 for good (Sparkplug 3.0.0, "Quality Codes").
    pub(super) fn quality(&self) -> Option<u64> {
        match *self.properties.as_ref()?.find(&["Quality"])? {
            Property::Int(code) => Some(code.into()),
            Property::Long(code) => Some(code),
            Property::Text(_) => None,
        }
    }
}
