//! SenML in CBOR (RFC 8428 §6).

use ciborium_ll::Header;

use super::pack::Pack;
use super::record::{Label, Record};
use super::wire::{Wire, whole};
use crate::Doc;
use crate::format::{FormatError, Input, Read, Request};

/// Reads SenML in CBOR.
#[derive(Debug, Default)]
pub(crate) struct Cbor {
    full_name: String,
}

impl Cbor {
    pub(crate) fn new() -> Self {
        Self::default()
    }
}

impl Read for Cbor {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        _: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        doc.begin("")?;
        doc.open_array("")?;
        let mut pack = Pack::new(doc, &mut self.full_name, input.arrival);
        let mut wire = Wire::new(input.bytes);
        let Header::Array(records) = wire.header()? else {
            return Err(wire.wrong("a pack is an array of records"));
        };
        wire.each(records, |wire| pack.add(record(wire)?))?;
        if !wire.is_at_end() {
            return Err(wire.wrong("the pack ends here, and more follows"));
        }
        doc.close();
        Ok("")
    }
}

fn record<'p>(wire: &mut Wire<'p>) -> Result<Record<'p>, FormatError> {
    let mut record = Record::default();
    let Header::Map(fields) = wire.header()? else {
        return Err(wire.wrong("a record is a map"));
    };
    wire.each(fields, |wire| {
        let label = label(wire)?;
        record.take(label, wire)
    })?;
    Ok(record)
}

fn label(wire: &mut Wire<'_>) -> Result<Label, FormatError> {
    let header = wire.header()?;
    if let Some(number) = whole(header) {
        return Ok(Label::numbered(number));
    }
    // The names of JSON, too: extensions have no other, and some senders write no numbers.
    let Header::Text(len) = header else {
        return Err(wire.wrong("the label of a field is a number"));
    };
    let name = wire.text_of(len)?;
    Label::named(&name).map_err(|error| wire.wrong(&error))
}
