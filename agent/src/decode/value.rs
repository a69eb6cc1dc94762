//! A payload that is one bare number.

use smallvec::smallvec;

use super::{Decode, DecodeError, Decoded, Scalar};

/// Reads `23.5`, ` -4e2 ` and the like.
#[derive(Debug, Clone, Copy)]
pub struct ValueDecoder;

impl Decode for ValueDecoder {
    fn decode<'p>(&self, payload: &'p [u8]) -> Result<Decoded<'p>, DecodeError> {
        let text = std::str::from_utf8(payload)
            .map_err(|error| DecodeError(format!("not a number: {error}")))?
            .trim();
        // Rust also reads "inf", "nan" and "infinity"; no sensor means these as a value.
        let numeric = text.bytes().any(|b| b.is_ascii_digit());
        let value = text
            .parse()
            .ok()
            .filter(|_| numeric)
            .ok_or_else(|| DecodeError(format!("not a number: `{}`", shortened(text))))?;
        Ok(Decoded {
            values: smallvec![Scalar::Float(value)],
            ..Decoded::default()
        })
    }
}

fn shortened(text: &str) -> String {
    const LIMIT: usize = 40;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
