//! Text from elsewhere, made safe for a terminal.

use std::fmt::{self, Display, Formatter, Write};

/// Text without the characters that would control a terminal: those are shown as escapes.
pub(super) struct Plain<'t>(pub(super) &'t str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// The beginning of bytes: as text if that is what they are, else with escapes.
pub(super) struct Start<'b>(pub(super) &'b [u8], pub(super) usize);

impl Display for Start<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(bytes, most) = self;
        if let Ok(text) = std::str::from_utf8(bytes) {
            let end = text
                .char_indices()
                .nth(*most)
                .map_or(text.len(), |(at, _)| at);
            Plain(&text[..end]).fmt(f)?;
            f.write_str(if end < text.len() { "…" } else { "" })
        } else {
            let end = bytes.len().min(*most);
            write!(f, "{}", bytes[..end].escape_ascii())?;
            f.write_str(if end < bytes.len() { "…" } else { "" })
        }
    }
}

/// Bytes as a hexdump: sixteen a line, with what is text in them.
pub(super) struct Hexdump<'b>(pub(super) &'b [u8]);

impl Display for Hexdump<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (line, bytes) in self.0.chunks(16).enumerate() {
            write!(f, "{:08x} ", line * 16)?;
            for i in 0..16 {
                match bytes.get(i) {
                    Some(byte) => write!(f, " {byte:02x}")?,
                    None => f.write_str("   ")?,
                }
            }
            f.write_str("  |")?;
            for &byte in bytes {
                let shown = byte.is_ascii_graphic() || byte == b' ';
                f.write_char(if shown { char::from(byte) } else { '.' })?;
            }
            f.write_str("|\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_as_a_command() {
        assert_eq!(Plain("°C \u{1b}[2J\r").to_string(), "°C \\u{1b}[2J\\r");
        assert_eq!(
            Start(b"{\"v\": \xff\x00", 7).to_string(),
            "{\\\"v\\\": \\xff…"
        );
        assert_eq!(Start("°°°°".as_bytes(), 3).to_string(), "°°°…");
        assert_eq!(Start(b"abc", 3).to_string(), "abc");
    }

    #[test]
    fn a_hexdump_is_like_everyones() {
        let bytes: Vec<u8> = (0x3c..0x4e).chain([0xff]).collect();
        assert_eq!(
            Hexdump(&bytes).to_string(),
            "00000000  3c 3d 3e 3f 40 41 42 43 44 45 46 47 48 49 4a 4b  |<=>?@ABCDEFGHIJK|\n\
             00000010  4c 4d ff                                         |LM.|\n"
        );
    }
}
