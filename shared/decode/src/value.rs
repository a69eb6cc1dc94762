//! What a field's content is worth as a channel's value.

mod number;
mod scaling;
#[cfg(test)]
mod tests;
mod words;

use std::borrow::Cow;

use crate::config::{Channel, Number};
use crate::{Item, Reason, Scalar, Value};
use scaling::Scaling;
pub(crate) use scaling::{Change, Sent};
use words::{Missing, Table};

/// Reads the values of one channel.
#[derive(Debug)]
pub(crate) struct ValueReader {
    format: Number,
    missing: Missing,
    table: Table,
    scaling: Scaling,
    /// Whether every number stays what it is, as most do.
    is_plain: bool,
}

/// What a field's content comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome<'a> {
    /// A value in a unit.
    Value {
        /// The value.
        value: Value,
        /// Its unit; `""` for none, `bool` for a truth value that has no other.
        unit: &'a str,
    },
    /// It says that there is no value.
    Missing(Reason),
    /// It can't be a value; in words, for people.
    Rejected(Reason, Cow<'static, str>),
}

impl ValueReader {
    /// Checks a channel and makes its reader.
    ///
    /// # Errors
    /// Every fault, as the key and what is wrong with it.
    pub(crate) fn compile(spec: &Channel) -> Result<Self, Vec<(&'static str, String)>> {
        let mut faults = Vec::new();
        let scaling = Scaling::compile(spec, &mut faults);
        let table = Table::compile(&spec.table, spec.any_case).unwrap_or_else(|messages| {
            faults.extend(messages.into_iter().map(|message| ("table", message)));
            Table::default()
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut reader = Self {
            format: spec.format,
            missing: Missing::new(&spec.missing),
            table,
            scaling,
            is_plain: false,
        };
        reader.is_plain = reader.is_linear() && reader.scaling.is_none();
        Ok(reader)
    }

    /// Whether text is something to read for this channel: it has a table, or a way to write numbers
    /// that only text has.
    pub(crate) fn takes_text(&self) -> bool {
        !self.table.is_empty() || self.format != Number::Number
    }

    /// Whether every number is only scaled, offset and converted.
    pub(crate) fn is_linear(&self) -> bool {
        self.format == Number::Number && self.table.is_empty() && self.missing.is_empty()
    }

    /// What becomes of numbers that were sent so, and their unit, if [`Self::is_linear`] and their unit
    /// converts: of all that stay finite.
    pub(crate) fn change<'a>(&'a self, sent: Sent<'a>) -> Option<(Change, &'a str)> {
        let changed = self.is_linear().then(|| self.scaling.change(sent));
        changed?.ok()
    }

    /// Reads a value. The unit is the one that the payload or the rule says it comes in; a unit behind the
    /// number itself counts more.
    pub(crate) fn read<'a>(&'a self, item: Item<'a>, sent: Sent<'a>) -> Outcome<'a> {
        let mut item = item;
        loop {
            if let Some(scalar) = item.scalar() {
                return self.scalar(scalar, sent);
            }
            if item.is_object() {
                return rejected("an object is not a value; give the path of a field in it".into());
            }
            let mut elements = item.items();
            match (elements.next(), elements.next(), item.len()) {
                (None, ..) => return Outcome::Missing(Reason::Null),
                (Some(only), None, _) => item = only,
                (Some(first), Some(second), 2) if self.words().is_some() => {
                    return self.pair(first.scalar(), second.scalar(), sent);
                }
                (.., n) => return rejected(not_one(n).into()),
            }
        }
    }

    /// The same of a value without parts.
    pub(crate) fn scalar<'a>(&'a self, scalar: Scalar<'a>, sent: Sent<'a>) -> Outcome<'a> {
        if sent.scale.is_none()
            && let Some((value, unit)) = self.plain(scalar, sent.unit)
        {
            return Outcome::Value { value, unit };
        }
        match scalar {
            Scalar::Null => Outcome::Missing(Reason::Null),
            Scalar::Bool(value) => self.truth(value, sent),
            Scalar::Int(value) => self.number(Value::I64(value), sent),
            Scalar::Uint(value) => self.number(Value::U64(value), sent),
            Scalar::Float(value) => self.number(Value::F64(value), sent),
            Scalar::Text(text) => self.text(text.trim(), sent),
        }
    }

    /// A number that stays what it is, and its unit, if it came in that one; `None` for whatever else.
    #[inline]
    pub(crate) fn plain<'a>(
        &'a self,
        scalar: Scalar<'_>,
        unit: &'a str,
    ) -> Option<(Value, &'a str)> {
        let value = match scalar {
            Scalar::Int(value) if self.is_plain => Value::I64(value),
            Scalar::Float(value) if self.is_plain && value.is_finite() => Value::F64(value),
            _ => return None,
        };
        Some((value, self.scaling.unit(unit)))
    }

    fn truth<'a>(&'a self, value: bool, sent: Sent<'a>) -> Outcome<'a> {
        if self.missing.has_bool(value) {
            return Outcome::Missing(Reason::Sentinel);
        }
        let word = if value { "true" } else { "false" };
        self.as_is(self.table.word(word).unwrap_or(Value::Bool(value)), sent)
    }

    /// A number as the format has it, not yet as the channel's `format` means it.
    fn number<'a>(&'a self, raw: Value, sent: Sent<'a>) -> Outcome<'a> {
        if self.missing.has_number(raw) {
            return Outcome::Missing(Reason::Sentinel);
        }
        if let Some(value) = self.table.number(raw) {
            return self.as_is(value, sent);
        }
        if !raw.as_f64().is_finite() {
            return Outcome::Missing(Reason::Nan);
        }
        match self.format {
            Number::Number | Number::DecimalComma => self.scaled(raw, sent),
            Number::Hex => match number::digits_as_hex(raw) {
                Some(value) => self.meant(value, sent),
                None => rejected(
                    format!("{} came as a decimal number, not in base 16", raw.as_f64()).into(),
                ),
            },
            Number::I16Word => match number::word(raw) {
                Some(word) => self.meant(Value::I64(word.cast_signed().into()), sent),
                None => rejected(format!("{} does not fit into 16 bits", raw.as_f64()).into()),
            },
            _ => rejected("one number alone; this `format` takes two 16-bit words".into()),
        }
    }

    fn text<'a>(&'a self, text: &'a str, sent: Sent<'a>) -> Outcome<'a> {
        if self.missing.has_text(text) {
            return Outcome::Missing(Reason::Sentinel);
        }
        if let Some(value) = self.table.word(text) {
            return self.as_is(value, sent);
        }
        if let Some(list) = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
        {
            return self.list(list, sent);
        }
        let read = match self.format {
            Number::Hex => number::hex(text).map(|value| (value, "")),
            Number::DecimalComma => number::decimal_comma(text),
            _ => number::decimal(text),
        };
        match read.map(|(value, suffix)| (value, suffix.trim_start())) {
            Some((value, suffix)) if suffix.is_empty() || self.scaling.is_unit(suffix) => {
                let unit = if suffix.is_empty() { sent.unit } else { suffix };
                let sent = Sent { unit, ..sent };
                if self.format == Number::Hex {
                    self.meant(value, sent)
                } else {
                    self.number(value, sent)
                }
            }
            _ => match words::missing(text) {
                Some(reason) => Outcome::Missing(reason),
                None => rejected(self.not_a_number(text).into()),
            },
        }
    }

    /// The content of an array that was written as text, like `[49408,17122]`.
    fn list<'a>(&'a self, list: &'a str, sent: Sent<'a>) -> Outcome<'a> {
        let mut elements = list
            .split(',')
            .map(|element| element.trim().trim_matches('"').trim());
        match (elements.next(), elements.next(), elements.count()) {
            // A list in a list is no value: it would have no end.
            (Some(only), None, _) if !only.starts_with('[') => self.text(only, sent),
            (Some(first), Some(second), 0) if self.words().is_some() => {
                self.pair(Some(Scalar::Text(first)), Some(Scalar::Text(second)), sent)
            }
            _ => rejected(not_one(list.split(',').count()).into()),
        }
    }

    /// How two words are put together; `None` if the channel does not have them.
    fn words(&self) -> Option<fn(u16, u16) -> Value> {
        Some(match self.format {
            Number::F32Words => |a, b| number::f32_of(a, b),
            Number::F32WordsSwapped => |a, b| number::f32_of(b, a),
            Number::U32Words => |a, b| number::u32_of(a, b),
            Number::U32WordsSwapped => |a, b| number::u32_of(b, a),
            _ => return None,
        })
    }

    fn pair<'a>(
        &'a self,
        first: Option<Scalar<'a>>,
        second: Option<Scalar<'a>>,
        sent: Sent<'a>,
    ) -> Outcome<'a> {
        let word = |scalar| match scalar {
            Scalar::Int(value) => number::word(Value::I64(value)),
            Scalar::Float(value) => number::word(Value::F64(value)),
            Scalar::Text(text) => match number::decimal(text.trim()) {
                Some((value, "")) => number::word(value),
                _ => None,
            },
            _ => None,
        };
        if [first, second].contains(&Some(Scalar::Null)) {
            return Outcome::Missing(Reason::Null);
        }
        match (self.words(), first.and_then(word), second.and_then(word)) {
            (Some(join), Some(first), Some(second)) => self.meant(join(first, second), sent),
            _ => rejected("two elements that are not both 16-bit words (0 to 65535)".into()),
        }
    }

    /// A number as the channel's `format` means it.
    fn meant<'a>(&'a self, value: Value, sent: Sent<'a>) -> Outcome<'a> {
        if self.missing.has_number(value) {
            return Outcome::Missing(Reason::Sentinel);
        }
        if let Some(value) = self.table.number(value) {
            return self.as_is(value, sent);
        }
        if !value.as_f64().is_finite() {
            return Outcome::Missing(Reason::Nan);
        }
        self.scaled(value, sent)
    }

    fn scaled<'a>(&'a self, value: Value, sent: Sent<'a>) -> Outcome<'a> {
        self.scaling.apply(value, sent).map_or_else(
            |(reason, message)| Outcome::Rejected(reason, message.into()),
            |(value, unit)| Outcome::Value { value, unit },
        )
    }

    /// A value that no scale or conversion is for: a truth value, or what the table gives.
    fn as_is<'a>(&'a self, value: Value, sent: Sent<'a>) -> Outcome<'a> {
        let unit = match (value, self.scaling.unit(sent.unit)) {
            (Value::Bool(_), "") => "bool",
            (_, unit) => unit,
        };
        Outcome::Value { value, unit }
    }

    fn not_a_number(&self, text: &str) -> String {
        let number = match self.format {
            Number::Hex => "a number in base 16",
            Number::DecimalComma => "a number with a decimal comma",
            _ => "a number",
        };
        let table = if self.table.is_empty() {
            ""
        } else {
            " and not in the channel's table"
        };
        format!("{} is not {number}{table}", quoted(text))
    }
}

fn rejected<'a>(message: Cow<'static, str>) -> Outcome<'a> {
    Outcome::Rejected(Reason::Value, message)
}

fn not_one(n: usize) -> String {
    format!("an array of {n} is not one value; give the path of an element, or use `samples`")
}

/// A text in a message, which has room for so much of it.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
