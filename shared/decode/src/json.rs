//! JSON, straight into a [`Doc`]: all of it, or only what a rule looks at.

mod describe;
mod scan;
mod select;
#[cfg(test)]
mod tests;
mod tree;

use indexmap::IndexMap;

use crate::Doc;
use crate::format::{FormatError, Input, Read, Request};
use describe::describe;
pub(crate) use select::{Leaf, Selection, Unmapped};
use tree::Tree;

/// Keys of texts that are JSON of their own, and what they are read under.
type Embedded = Box<[(Box<str>, Box<str>)]>;

/// Reader of JSON (RFC 8259).
#[derive(Debug, Default)]
pub(crate) struct Json {
    embedded: Embedded,
}

impl Json {
    pub(crate) fn new(embedded: &IndexMap<String, String>) -> Self {
        Self {
            embedded: embedded
                .iter()
                .map(|(key, under)| (key.as_str().into(), under.as_str().into()))
                .collect(),
        }
    }
}

impl Read for Json {
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        _requests: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError> {
        let text = trimmed(input.text.ok_or_else(|| not_text(input.bytes))?);
        doc.begin(text)
            .map_err(|error| FormatError(error.to_string()))?;
        let mut tree = Tree::new(doc, &self.embedded);
        if tree.whole(text).is_none() {
            return Err(FormatError(tree.fault.unwrap_or_else(|| describe(text))));
        }
        Ok(text)
    }
}

/// A byte order mark and the end of a C string are no part of the text.
fn trimmed(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim_end_matches('\0')
}

/// Says where bytes stop being UTF-8.
pub(crate) fn not_text(bytes: &[u8]) -> FormatError {
    let at = match std::str::from_utf8(bytes) {
        Ok(_) => 0,
        Err(error) => error.valid_up_to(),
    };
    let byte = bytes.get(at).copied().unwrap_or_default();
    FormatError(format!(
        "not UTF-8: byte 0x{byte:02x} at position {}; if the device writes Latin-1, set charset = \"latin1\"",
        at + 1
    ))
}
