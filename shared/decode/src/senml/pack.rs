//! Resolves the records of a pack, one after the other (RFC 8428 §4.6).

use std::borrow::Cow;

use eyot_pipeline::Timestamp;

use super::number::Number;
use super::record::Record;
use crate::format::FormatError;
use crate::{Doc, Scalar};

/// The version of RFC 8428 (§4.4).
const VERSION: f64 = 10.0;
/// Times below 2^28 seconds are relative to now (§4.5.3).
const RELATIVE_NS: i128 = (1 << 28) * 1_000_000_000;
/// What stands between the device's part of a name and the rest.
const SEPARATORS: [char; 4] = [':', '/', '-', '.'];

/// A pack while it is read. A base applies from the record it stands in until the next of its kind
/// (§4.1).
#[derive(Debug)]
pub(super) struct Pack<'p, 'd> {
    doc: &'d mut Doc,
    /// Room for a full name.
    full_name: &'d mut String,
    arrival: Timestamp,
    records: usize,
    base_name: Cow<'p, str>,
    base_time: Option<Number>,
    base_unit: Cow<'p, str>,
    base_value: Option<Number>,
    base_sum: Option<Number>,
}

/// A time that nanoseconds in 64 bits cannot say.
#[derive(Debug)]
struct NoSuchTime;

impl<'p, 'd> Pack<'p, 'd> {
    pub(super) fn new(doc: &'d mut Doc, full_name: &'d mut String, arrival: Timestamp) -> Self {
        Self {
            doc,
            full_name,
            arrival,
            records: 0,
            base_name: Cow::default(),
            base_time: None,
            base_unit: Cow::default(),
            base_value: None,
            base_sum: None,
        }
    }

    /// Adds one record.
    ///
    /// # Errors
    /// If the pack says that it is of a later version.
    pub(super) fn add(&mut self, mut record: Record<'p>) -> Result<(), FormatError> {
        self.records += 1;
        if let Some(version) = record.base_version.map(Number::as_f64)
            && version > VERSION
        {
            let at = self.records;
            return Err(FormatError(format!(
                "record {at}: SenML version {version}; only versions up to {VERSION} (RFC 8428) \
                 can be read"
            )));
        }
        self.take_bases(&mut record);
        self.apply_bases(&mut record);
        if record.value.is_none() && record.sum.is_none() && !record.has_other_value() {
            return Ok(());
        }
        self.doc.open_object("")?;
        match self.time(record.time) {
            Ok(time) => self.push(&record, time),
            Err(NoSuchTime) => self.push_invalid(),
        }
        self.doc.close();
        Ok(())
    }

    fn take_bases(&mut self, record: &mut Record<'p>) {
        if let Some(name) = record.base_name.take() {
            self.base_name = name;
        }
        if let Some(unit) = record.base_unit.take() {
            self.base_unit = unit;
        }
        self.base_time = record.base_time.or(self.base_time);
        self.base_value = record.base_value.or(self.base_value);
        self.base_sum = record.base_sum.or(self.base_sum);
    }

    /// A number that is missing counts as 0 where there is a base for it (§4.5.4).
    fn apply_bases(&self, record: &mut Record<'p>) {
        if !record.has_own() {
            return;
        }
        let could_be_number = !record.has_other_value() && record.sum.is_none();
        if record.value.is_some() || could_be_number {
            record.value = sum(self.base_value, record.value);
        }
        record.sum = sum(self.base_sum, record.sum);
    }

    /// Nanoseconds since 1970; `None` for "now".
    fn time(&self, own: Option<Number>) -> Result<Option<i64>, NoSuchTime> {
        let nanoseconds = |time: Option<Number>| time.map_or(Some(0), Number::nanoseconds);
        let time = nanoseconds(self.base_time)
            .zip(nanoseconds(own))
            .and_then(|(base, own)| base.checked_add(own))
            .ok_or(NoSuchTime)?;
        if time == 0 {
            return Ok(None);
        }
        let is_relative = time < RELATIVE_NS;
        let now = if is_relative { self.arrival.0 } else { 0 };
        let time = time.checked_add(now.into()).ok_or(NoSuchTime)?;
        i64::try_from(time).map(Some).map_err(|_| NoSuchTime)
    }

    fn push(&mut self, record: &Record<'p>, time: Option<i64>) {
        let own_name = record.name.as_deref().unwrap_or_default();
        self.push_names(own_name);
        let unit = record.unit.as_deref().unwrap_or(&self.base_unit);
        push_text(self.doc, "u", unit);
        if let Some(value) = record.value {
            self.doc.push("v", value.scalar());
        }
        if let Some(truth) = record.truth {
            self.doc.push("vb", Scalar::Bool(truth));
        }
        if let Some(text) = &record.text {
            self.doc.push("vs", Scalar::Text(text));
        }
        if let Some(data) = &record.data {
            self.doc.push("vd", Scalar::Text(data));
        }
        if let Some(sum) = record.sum {
            self.doc.push("s", sum.scalar());
        }
        if let Some(time) = time {
            self.doc.push("t_ns", Scalar::Int(time));
        }
    }

    fn push_names(&mut self, own: &str) {
        let base = self.base_name.as_ref();
        if base.is_empty() {
            push_text(self.doc, "n", own);
            return;
        }
        self.full_name.clear();
        self.full_name.push_str(base);
        self.full_name.push_str(own);
        push_text(self.doc, "n", self.full_name);
        let prefix = base.trim_end_matches(SEPARATORS);
        push_text(self.doc, "name_prefix", prefix);
        push_text(self.doc, "name_rest", own);
    }

    fn push_invalid(&mut self) {
        let at = self.records;
        let words = format!("record {at}: its time is beyond the years 1677 to 2262");
        self.doc.push("invalid", Scalar::Text(&words));
    }
}

fn sum(base: Option<Number>, own: Option<Number>) -> Option<Number> {
    match (base, own) {
        (Some(base), Some(own)) => Some(base + own),
        (base, own) => base.or(own),
    }
}

/// Empty texts say nothing and are left out.
fn push_text(doc: &mut Doc, key: &str, text: &str) {
    if !text.is_empty() {
        doc.push(key, Scalar::Text(text));
    }
}
