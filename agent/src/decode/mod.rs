//! From payload bytes to named scalars.
//!
//! A decoder knows a format; it does not know devices, classes or clocks. What it finds, it
//! returns as [`Scalar`]s in the places that the rule's mapping gave names to, without copying.
//! Turning these into readings is the business of `ingest`.

mod json;
mod time;
mod value;

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::config::{DecoderConfig, ValueMapping};
pub use json::JsonDecoder;
pub use time::event_time;
pub use value::ValueDecoder;

/// One field of a payload.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Scalar<'p> {
    /// Not there.
    #[default]
    Absent,
    /// There, and says that it has no value.
    Null,
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Cow<'p, str>),
    /// Something else: a boolean, an array, an object.
    Other(&'static str),
}

/// What a payload holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decoded<'p> {
    /// The event time's field.
    pub time: Scalar<'p>,
    /// The device name's field.
    pub device: Scalar<'p>,
    /// The channel name's field.
    pub channel: Scalar<'p>,
    /// The values, in the order of the rule's mapping.
    pub values: SmallVec<[Scalar<'p>; 4]>,
    /// Fields that the mapping does not mention.
    pub unmapped: u64,
}

/// The payload is not what the rule says it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(pub String);

/// A payload format with its mapping.
pub trait Decode: Send + Sync {
    /// Finds the mapped fields.
    ///
    /// # Errors
    /// When the payload as a whole cannot be read. A single bad field is no error: it comes out
    /// as the [`Scalar`] it is.
    fn decode<'p>(&self, payload: &'p [u8]) -> Result<Decoded<'p>, DecodeError>;
}

/// The decoder that a rule asks for, with the channel names of its values (`None`: the channel's
/// name comes from the topic or from a field).
pub fn decoder(config: &DecoderConfig) -> (Box<dyn Decode>, Vec<Option<String>>) {
    match config {
        DecoderConfig::Value => (Box::new(ValueDecoder), vec![None]),
        DecoderConfig::Json(json) => {
            let names = match &json.values {
                ValueMapping::One(_) => vec![None],
                ValueMapping::Many(values) => {
                    values.iter().map(|(name, _)| Some(name.clone())).collect()
                }
            };
            (Box::new(JsonDecoder::new(json)), names)
        }
    }
}

#[cfg(test)]
mod tests;
