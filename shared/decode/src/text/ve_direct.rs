//! VE.Direct text blocks: `label TAB value` by line.

use super::{begin, number, start_of, unfit};
use crate::format::{FormatError, Input, Read, Request};
use crate::{Doc, Scalar};

/// Reads one block: an object by label.
#[derive(Debug)]
pub(crate) struct VeDirect;

impl VeDirect {
    pub(crate) fn new() -> Self {
        Self
    }
}

impl Read for VeDirect {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        _requests: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        // The framer leaves the checksum out; one that is still there need not be text.
        let text = before_checksum(input.bytes).or(input.text);
        let text = begin(&Input { text, ..input }, doc)?;
        doc.open_object("").map_err(unfit)?;
        let mut fields = text
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .peekable();
        if fields.peek().is_none() {
            return Err(FormatError(format!(
                "no VE.Direct block: no `label<TAB>value` in `{}`",
                start_of(text)
            )));
        }
        for (label, value) in fields.filter(|(label, _)| !is_checksum(label)) {
            doc.push(label.trim(), scalar(label, value));
        }
        doc.close();
        Ok(text)
    }
}

fn is_checksum(label: &str) -> bool {
    label.eq_ignore_ascii_case("checksum")
}

/// A block's text up to its checksum, if it has one.
fn before_checksum(bytes: &[u8]) -> Option<&str> {
    let label = b"\nChecksum\t";
    let at = bytes.windows(label.len()).position(|part| part == label)?;
    std::str::from_utf8(&bytes[..at]).ok()
}

fn scalar<'t>(label: &str, value: &'t str) -> Scalar<'t> {
    match value.trim() {
        // Not there at the moment: time to go while charging, temperature without a sensor.
        "" | "---" => Scalar::Null,
        value if label == "SER#" => Scalar::Text(value),
        value => number::field(value),
    }
}
