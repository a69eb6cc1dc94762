//! One spelling for what is written in several ways: `m³/h`, `m^3/h` and `m3 / h`.

/// The longest spelling, in bytes; the table has none near it.
const MAX: usize = 24;

/// A unit as the table spells it: in ASCII, without spaces.
pub(super) struct Spelling {
    bytes: [u8; MAX],
    len: usize,
}

impl Spelling {
    /// `None` if the table can't have it: too long, or with letters that no unit has.
    pub(super) fn new(unit: &str) -> Option<Self> {
        let mut this = Self {
            bytes: [0; MAX],
            len: 0,
        };
        for c in unit.chars() {
            match c {
                // Degree, the ordinal sign and the ring that stand in for it.
                '°' | 'º' | '˚' => this.push("deg")?,
                '℃' => this.push("degC")?,
                '℉' => this.push("degF")?,
                // Micro sign (U+00B5) and Greek mu (U+03BC).
                'µ' | 'μ' => this.push("u")?,
                // Greek omega (U+03A9) and ohm sign (U+2126).
                '\u{3a9}' | '\u{2126}' => this.push("Ohm")?,
                '²' => this.push("2")?,
                '³' => this.push("3")?,
                '·' | '⋅' => this.push(".")?,
                '‰' => this.push("permille")?,
                '^' => {}
                c if c.is_whitespace() => {}
                c if c.is_ascii() => this.push(c.encode_utf8(&mut [0; 4]))?,
                _ => return None,
            }
        }
        Some(this)
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    fn push(&mut self, text: &str) -> Option<()> {
        let end = self.len + text.len();
        self.bytes
            .get_mut(self.len..end)?
            .copy_from_slice(text.as_bytes());
        self.len = end;
        Some(())
    }
}
