//! Data types, and values as their type means them (Sparkplug 3.0.0, "Data Types").

use crate::{Doc, DocError, Scalar};

use super::proto::Value;

/// Names of the types, by number.
const NAMES: [&str; 35] = [
    "Unknown",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "Float",
    "Double",
    "Boolean",
    "String",
    "DateTime",
    "Text",
    "UUID",
    "DataSet",
    "Bytes",
    "File",
    "Template",
    "PropertySet",
    "PropertySetList",
    "Int8Array",
    "Int16Array",
    "Int32Array",
    "Int64Array",
    "UInt8Array",
    "UInt16Array",
    "UInt32Array",
    "UInt64Array",
    "FloatArray",
    "DoubleArray",
    "BooleanArray",
    "StringArray",
    "DateTimeArray",
];

/// Type of a metric; 0 where nobody says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Datatype(pub u32);

impl Datatype {
    pub(super) const BOOLEAN: Self = Self(11);

    /// As the standard writes it; `None` if it is not known.
    pub(super) fn name(self) -> Option<&'static str> {
        let name = NAMES.get(self.0 as usize)?;
        (self.0 != 0).then_some(name)
    }

    /// Pushes a value; nothing if it is of a kind that is no channel, or not what its type says.
    pub(super) fn push(self, doc: &mut Doc, value: &Value) -> Result<(), DocError> {
        match value {
            Value::Int(raw) => doc.push("value", self.whole(u64::from(*raw), 32)),
            Value::Long(raw) => doc.push("value", self.whole(*raw, 64)),
            Value::Float(value) => doc.push("value", Scalar::Float(f64::from(*value))),
            Value::Double(value) => doc.push("value", Scalar::Float(*value)),
            Value::Boolean(value) => doc.push("value", Scalar::Bool(*value)),
            Value::Text(text) => doc.push("value", Scalar::Text(text)),
            Value::Bytes(bytes) => self.push_array(doc, bytes)?,
        }
        Ok(())
    }

    /// A whole number from a field of `width` bits. Signed ones are two's complement, of their own
    /// width or of the field's: encoders differ.
    fn whole(self, raw: u64, width: u32) -> Scalar<'static> {
        let own_width = match self.0 {
            1 => 8,
            2 => 16,
            3 => 32,
            4 => 64,
            11 if raw <= 1 => return Scalar::Bool(raw == 1),
            _ => return Scalar::Uint(raw),
        };
        let fits = own_width < 64 && raw >> own_width == 0;
        let unused = 64 - if fits { own_width } else { width };
        Scalar::Int((raw << unused).cast_signed() >> unused)
    }

    fn push_array(self, doc: &mut Doc, bytes: &[u8]) -> Result<(), DocError> {
        match self.0 {
            22 => push_numbers(doc, bytes, |b| Scalar::Int(i8::from_le_bytes(b).into())),
            23 => push_numbers(doc, bytes, |b| Scalar::Int(i16::from_le_bytes(b).into())),
            24 => push_numbers(doc, bytes, |b| Scalar::Int(i32::from_le_bytes(b).into())),
            25 | 34 => push_numbers(doc, bytes, |b| Scalar::Int(i64::from_le_bytes(b))),
            26 => push_numbers(doc, bytes, |b| Scalar::Int(u8::from_le_bytes(b).into())),
            27 => push_numbers(doc, bytes, |b| Scalar::Int(u16::from_le_bytes(b).into())),
            28 => push_numbers(doc, bytes, |b| Scalar::Int(u32::from_le_bytes(b).into())),
            29 => push_numbers(doc, bytes, |b| Scalar::Uint(u64::from_le_bytes(b))),
            30 => push_numbers(doc, bytes, |b| Scalar::Float(f32::from_le_bytes(b).into())),
            31 => push_numbers(doc, bytes, |b| Scalar::Float(f64::from_le_bytes(b))),
            32 => push_booleans(doc, bytes),
            33 => push_texts(doc, bytes),
            _ => Ok(()),
        }
    }
}

/// One after the other, the low byte first.
fn push_numbers<const N: usize>(
    doc: &mut Doc,
    bytes: &[u8],
    number: impl Fn([u8; N]) -> Scalar<'static>,
) -> Result<(), DocError> {
    let (numbers, rest) = bytes.as_chunks();
    if rest.is_empty() {
        doc.open_array("value")?;
        for bytes in numbers {
            doc.push("", number(*bytes));
        }
        doc.close();
    }
    Ok(())
}

/// Their number, then eight a byte, the high bit first.
fn push_booleans(doc: &mut Doc, bytes: &[u8]) -> Result<(), DocError> {
    let Some((count, bits)) = bytes.split_first_chunk() else {
        return Ok(());
    };
    let count = u32::from_le_bytes(*count) as usize;
    if count.div_ceil(8) == bits.len() {
        doc.open_array("value")?;
        for i in 0..count {
            doc.push("", Scalar::Bool(bits[i / 8] & 0x80 >> (i % 8) != 0));
        }
        doc.close();
    }
    Ok(())
}

/// Each ends with a zero byte.
fn push_texts(doc: &mut Doc, bytes: &[u8]) -> Result<(), DocError> {
    if let Ok(texts) = std::str::from_utf8(bytes) {
        doc.open_array("value")?;
        for text in texts.split_terminator('\0') {
            doc.push("", Scalar::Text(text));
        }
        doc.close();
    }
    Ok(())
}
