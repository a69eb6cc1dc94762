//! SenML in JSON (RFC 8428 §5).

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::number::Number;
use super::pack::Pack;
use super::record::{Label, Record, Values};
use crate::Doc;
use crate::format::{FormatError, Input, Read, Request};

/// Reads SenML in JSON.
#[derive(Debug, Default)]
pub(crate) struct Json {
    full_name: String,
}

impl Json {
    pub(crate) fn new() -> Self {
        Self::default()
    }
}

impl Read for Json {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        _: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        let Some(text) = input.text else {
            let words = "SenML in JSON is text, and these bytes are not; is it `senml_cbor`?";
            return Err(FormatError(words.into()));
        };
        doc.begin(text)?;
        doc.open_array("")?;
        let pack = Pack::new(doc, &mut self.full_name, input.arrival);
        let mut json = serde_json::Deserializer::from_str(text);
        json.deserialize_seq(Records(pack))
            .and_then(|()| json.end())
            .map_err(|error| FormatError(format!("not SenML in JSON: {error}")))?;
        doc.close();
        Ok(text)
    }
}

struct Records<'p, 'd>(Pack<'p, 'd>);

impl<'p> Visitor<'p> for Records<'p, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'p>>(mut self, mut records: A) -> Result<(), A::Error> {
        while let Some(record) = records.next_element_seed(OneRecord)? {
            self.0.add(record).map_err(de::Error::custom)?;
        }
        Ok(())
    }
}

struct OneRecord;

impl<'p> DeserializeSeed<'p> for OneRecord {
    type Value = Record<'p>;

    fn deserialize<D: Deserializer<'p>>(self, json: D) -> Result<Record<'p>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'p> Visitor<'p> for OneRecord {
    type Value = Record<'p>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record, which is an object")
    }

    fn visit_map<A: MapAccess<'p>>(self, mut fields: A) -> Result<Record<'p>, A::Error> {
        let mut record = Record::default();
        while let Some(Text(name)) = fields.next_key()? {
            let label = Label::named(&name).map_err(de::Error::custom)?;
            record.take(label, &mut Entries(&mut fields))?;
        }
        Ok(record)
    }
}

/// A text without a copy, where it stands in the payload as it is.
#[derive(serde::Deserialize)]
struct Text<'p>(#[serde(borrow)] Cow<'p, str>);

struct Entries<'a, A>(&'a mut A);

impl<'p, A: MapAccess<'p>> Values<'p> for Entries<'_, A> {
    type Error = A::Error;

    fn number(&mut self) -> Result<Option<Number>, A::Error> {
        self.0.next_value()
    }

    fn text(&mut self) -> Result<Option<Cow<'p, str>>, A::Error> {
        let text: Option<Text<'p>> = self.0.next_value()?;
        Ok(text.map(|Text(text)| text))
    }

    fn truth(&mut self) -> Result<Option<bool>, A::Error> {
        self.0.next_value()
    }

    fn data(&mut self) -> Result<Option<Cow<'p, str>>, A::Error> {
        self.text()
    }

    fn skip(&mut self) -> Result<(), A::Error> {
        self.0.next_value::<IgnoredAny>().map(drop)
    }
}

impl<'de> de::Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(AnyNumber)
    }
}

struct AnyNumber;

impl Visitor<'_> for AnyNumber {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
        Ok(Number::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
        Ok(Number::Int(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
        Ok(Number::Float(value))
    }
}
