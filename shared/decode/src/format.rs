//! What a payload format does: it reads bytes into a [`Doc`].

use eyot_pipeline::Timestamp;

use crate::Doc;

/// A message as a format sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'p> {
    /// Its topic; `""` on a serial line.
    pub topic: &'p str,
    /// Its bytes.
    pub bytes: &'p [u8],
    /// The same as text; `None` if it is no text in the rule's charset.
    pub text: Option<&'p str>,
    /// Gateway time of its arrival.
    pub arrival: Timestamp,
}

/// A format. It may remember what earlier messages said (headers of columns, alias tables).
pub(crate) trait Read: Send + std::fmt::Debug {
    /// Reads a payload into `doc`, which it begins itself, and gives back the text that it began it
    /// with: `""` for binary formats. What it wants published to the source goes into `requests`.
    ///
    /// # Errors
    /// If the payload is not of this format; says where.
    fn read<'p>(
        &mut self,
        input: Input<'p>,
        doc: &mut Doc,
        requests: &mut Vec<Request>,
    ) -> Result<&'p str, FormatError>;
}

/// A message that a format wants to be published to the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Why a payload is not of a format, and where; in words, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FormatError(pub String);
