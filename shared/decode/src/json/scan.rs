//! JSON text, piece by piece (RFC 8259): what both readers of JSON are made of.
//!
//! Own, since most of a payload has only to be checked and passed over, and a reading is little else than
//! its number. `None` everywhere means that it is no JSON; what is wrong is found out elsewhere.

#![expect(
    clippy::inline_always,
    reason = "so that where the scanner stands can be kept in a register"
)]

mod number;

use crate::Scalar;

/// How deep JSON may be nested, the outermost container included.
pub(super) const MAX_DEPTH: usize = 127;

/// Goes through a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

/// What stands between two quotation marks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quoted<'t> {
    /// As it is written.
    pub raw: &'t str,
    /// Whether there are escapes in it.
    pub escaped: bool,
}

impl<'t> Scanner<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The byte that comes next; 0, which can stand nowhere in JSON, at the end.
    #[inline(always)]
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// The byte that comes next behind white space.
    #[inline(always)]
    pub(super) fn peek(&mut self) -> u8 {
        loop {
            let byte = self.byte();
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.at += 1;
        }
    }

    /// Goes past the byte that [`Self::peek`] gave.
    #[inline(always)]
    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    /// Goes past that byte, behind white space.
    #[inline(always)]
    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek() == byte).then(|| self.skip())
    }

    /// Nothing but white space follows.
    pub(super) fn end(&mut self) -> Option<()> {
        self.peek();
        (self.at == self.text.len()).then_some(())
    }

    /// Between two elements or entries: goes past a comma, or the end of the container, which is `false`.
    #[inline(always)]
    pub(super) fn more(&mut self, end: u8) -> Option<bool> {
        let byte = self.peek();
        self.skip();
        match byte {
            b',' => Some(true),
            _ if byte == end => Some(false),
            _ => None,
        }
    }

    /// Goes past the beginning of a container; says whether there is anything in it. Past the end of an
    /// empty one.
    #[inline(always)]
    pub(super) fn open(&mut self, end: u8) -> bool {
        self.skip();
        let any = self.peek() != end;
        if !any {
            self.skip();
        }
        any
    }

    /// Goes past a key, if it is this one in quotation marks.
    #[inline(always)]
    pub(super) fn known_key(&mut self, quoted: &str) -> bool {
        self.peek();
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let is_known = !quoted.is_empty() && rest.starts_with(quoted.as_bytes());
        if is_known {
            self.at += quoted.len();
        }
        is_known
    }

    /// A key with its colon.
    #[inline]
    pub(super) fn key(&mut self) -> Option<Quoted<'t>> {
        let key = self.name()?;
        self.expect(b':')?;
        Some(key)
    }

    /// A key alone.
    #[inline(always)]
    pub(super) fn name(&mut self) -> Option<Quoted<'t>> {
        self.expect(b'"')?;
        self.string()
    }

    /// A string, behind its first quotation mark.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Option<Quoted<'t>> {
        let start = self.at;
        self.at += plain(self.text.as_bytes().get(start..)?);
        if self.byte() != b'"' {
            let (quoted, at) = self.escaped_string(start)?;
            self.at = at;
            return Some(quoted);
        }
        let raw = self.text.get(start..self.at)?;
        self.at += 1;
        Some(Quoted {
            raw,
            escaped: false,
        })
    }

    /// The same from an escape on, and where it ends.
    #[cold]
    fn escaped_string(mut self, start: usize) -> Option<(Quoted<'t>, usize)> {
        while self.byte() == b'\\' {
            self.at += 1;
            self.escape()?;
            self.at += plain(self.text.as_bytes().get(self.at..)?);
        }
        // Anything else is a control character or the end.
        (self.byte() == b'"').then_some(())?;
        let raw = self.text.get(start..self.at)?;
        Some((Quoted { raw, escaped: true }, self.at + 1))
    }

    /// What an escape stands for, behind its backslash.
    fn escape(&mut self) -> Option<char> {
        let byte = self.byte();
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return None,
        })
    }

    /// Behind `\u`: a character, or the first half of one that another escape completes.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        for byte in *b"\\u" {
            if self.byte() != byte {
                return None;
            }
            self.at += 1;
        }
        let second = self.hex().filter(|half| (0xdc00..0xe000).contains(half))?;
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4)?;
        self.at += 4;
        digits.iter().try_fold(0, |number, digit| {
            Some(number << 4 | char::from(*digit).to_digit(16)?)
        })
    }

    /// A number, `true`, `false` or `null`.
    #[inline]
    pub(super) fn scalar(&mut self) -> Option<Scalar<'static>> {
        match self.peek() {
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true", Scalar::Bool(true)),
            b'f' => self.word("false", Scalar::Bool(false)),
            b'n' => self.word("null", Scalar::Null),
            _ => None,
        }
    }

    fn word(&mut self, word: &str, value: Scalar<'static>) -> Option<Scalar<'static>> {
        let there = self.text.as_bytes().get(self.at..)?;
        self.at += word.len();
        there.starts_with(word.as_bytes()).then_some(value)
    }

    /// Goes past a value, inside of `depth` containers.
    pub(super) fn pass(&mut self, depth: usize) -> Option<()> {
        let end = match self.peek() {
            b'"' => {
                self.skip();
                return self.string().map(drop);
            }
            b'{' => b'}',
            b'[' => b']',
            _ => return self.scalar().map(drop),
        };
        if depth >= MAX_DEPTH {
            return None;
        }
        let mut more = self.open(end);
        while more {
            if end == b'}' {
                self.key()?;
            }
            self.pass(depth + 1)?;
            more = self.more(end)?;
        }
        Some(())
    }
}

impl Quoted<'_> {
    /// Nothing.
    pub(super) const NONE: Self = Self {
        raw: "",
        escaped: false,
    };

    /// Writes what it stands for.
    pub(super) fn unescape(&self, out: &mut String) {
        let mut scanner = Scanner::new(self.raw);
        while let Some(rest) = self.raw.get(scanner.at..).filter(|rest| !rest.is_empty()) {
            let len = plain(rest.as_bytes());
            out.push_str(&rest[..len]);
            scanner.at += len + 1;
            if len < rest.len() {
                out.extend(scanner.escape());
            }
        }
    }
}

/// Whether a byte is none that a string can hold as it is: a quotation mark, a backslash or a control
/// character.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        special[byte] = byte < b' ' as usize || byte == b'"' as usize || byte == b'\\' as usize;
        byte += 1;
    }
    special
};

/// How many bytes at the front are not special.
#[inline(always)]
fn plain(bytes: &[u8]) -> usize {
    // Most strings are short, and always as long as they were in the last message: one byte after the
    // other is what a processor foresees best.
    let short = bytes.get(..8).unwrap_or(bytes);
    match short.iter().position(|byte| SPECIAL[usize::from(*byte)]) {
        Some(len) => len,
        None => short.len() + plain_rest(&bytes[short.len()..]),
    }
}

/// The same of a long one. Sixteen comparisons are few instructions for processors that compare sixteen
/// bytes at once.
fn plain_rest(bytes: &[u8]) -> usize {
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "without branches they are one operation"
    )]
    let plain = |sixteen: &&[u8; 16]| {
        let any = |any, byte: &u8| any | (*byte == b'"') | (*byte == b'\\') | (*byte < b' ');
        !sixteen.iter().fold(false, any)
    };
    let (sixteens, _) = bytes.as_chunks::<16>();
    let len = sixteens.iter().take_while(plain).count() * 16;
    let rest = &bytes[len..];
    let special = rest.iter().position(|byte| SPECIAL[usize::from(*byte)]);
    len + special.unwrap_or(rest.len())
}
