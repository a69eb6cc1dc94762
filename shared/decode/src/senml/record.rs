//! One record as it stands in a pack, and the fields it may have.

use std::borrow::Cow;

use super::number::Number;

/// A record before the bases are applied.
#[derive(Debug, Default)]
pub(super) struct Record<'p> {
    pub base_version: Option<Number>,
    pub base_name: Option<Cow<'p, str>>,
    pub base_time: Option<Number>,
    pub base_unit: Option<Cow<'p, str>>,
    pub base_value: Option<Number>,
    pub base_sum: Option<Number>,
    pub name: Option<Cow<'p, str>>,
    pub unit: Option<Cow<'p, str>>,
    pub value: Option<Number>,
    pub text: Option<Cow<'p, str>>,
    pub truth: Option<bool>,
    pub data: Option<Cow<'p, str>>,
    pub sum: Option<Number>,
    pub time: Option<Number>,
}

/// Which field it is; the numbers are the labels of CBOR (RFC 8428 §6, Table 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    BaseVersion = -1,
    BaseName = -2,
    BaseTime = -3,
    BaseUnit = -4,
    BaseValue = -5,
    BaseSum = -6,
    Name = 0,
    Unit = 1,
    Value = 2,
    Text = 3,
    Truth = 4,
    Sum = 5,
    Time = 6,
    UpdateTime = 7,
    Data = 8,
    /// Of an extension, which may be passed over.
    Other,
}

impl Label {
    /// From its name in JSON (§4.3).
    ///
    /// # Errors
    /// If it is unknown and ends in `_`: then its record means something else without it (§4.4).
    pub(super) fn named(name: &str) -> Result<Self, String> {
        Ok(match name {
            "bver" => Self::BaseVersion,
            "bn" => Self::BaseName,
            "bt" => Self::BaseTime,
            "bu" => Self::BaseUnit,
            "bv" => Self::BaseValue,
            "bs" => Self::BaseSum,
            "n" => Self::Name,
            "u" => Self::Unit,
            "v" => Self::Value,
            "vs" => Self::Text,
            "vb" => Self::Truth,
            "s" => Self::Sum,
            "t" => Self::Time,
            "ut" => Self::UpdateTime,
            "vd" => Self::Data,
            _ if name.ends_with('_') => {
                return Err(format!(
                    "the field `{name}` must be understood by whoever reads it (RFC 8428 §4.4), \
                     and is not known here; have the device send without it"
                ));
            }
            _ => Self::Other,
        })
    }

    /// From its number in CBOR.
    pub(super) fn numbered(number: i128) -> Self {
        const KNOWN: [Label; 15] = [
            Label::BaseVersion,
            Label::BaseName,
            Label::BaseTime,
            Label::BaseUnit,
            Label::BaseValue,
            Label::BaseSum,
            Label::Name,
            Label::Unit,
            Label::Value,
            Label::Text,
            Label::Truth,
            Label::Sum,
            Label::Time,
            Label::UpdateTime,
            Label::Data,
        ];
        let same = |label: &Label| *label as i128 == number;
        KNOWN.into_iter().find(same).unwrap_or(Self::Other)
    }
}

/// Where the values of a record's fields come from; `None` for one that is null.
pub(super) trait Values<'p> {
    type Error;

    fn number(&mut self) -> Result<Option<Number>, Self::Error>;
    fn text(&mut self) -> Result<Option<Cow<'p, str>>, Self::Error>;
    fn truth(&mut self) -> Result<Option<bool>, Self::Error>;
    /// In base64url, as JSON has it.
    fn data(&mut self) -> Result<Option<Cow<'p, str>>, Self::Error>;
    fn skip(&mut self) -> Result<(), Self::Error>;
}

impl<'p> Record<'p> {
    /// Takes the value of one field.
    pub(super) fn take<V: Values<'p>>(
        &mut self,
        label: Label,
        values: &mut V,
    ) -> Result<(), V::Error> {
        match label {
            Label::BaseVersion => self.base_version = values.number()?,
            Label::BaseName => self.base_name = values.text()?,
            Label::BaseTime => self.base_time = values.number()?,
            Label::BaseUnit => self.base_unit = values.text()?,
            Label::BaseValue => self.base_value = values.number()?,
            Label::BaseSum => self.base_sum = values.number()?,
            Label::Name => self.name = values.text()?,
            Label::Unit => self.unit = values.text()?,
            Label::Value => self.value = values.number()?,
            Label::Text => self.text = values.text()?,
            Label::Truth => self.truth = values.truth()?,
            Label::Data => self.data = values.data()?,
            Label::Sum => self.sum = values.number()?,
            Label::Time => self.time = values.number()?,
            Label::UpdateTime | Label::Other => values.skip()?,
        }
        Ok(())
    }

    /// Whether it says anything but bases; a record that only sets those measures nothing.
    pub(super) fn has_own(&self) -> bool {
        let has_place = self.name.is_some() || self.unit.is_some() || self.time.is_some();
        has_place || self.value.is_some() || self.has_other_value() || self.sum.is_some()
    }

    /// Whether it has a value that is no number.
    pub(super) fn has_other_value(&self) -> bool {
        self.text.is_some() || self.truth.is_some() || self.data.is_some()
    }
}
