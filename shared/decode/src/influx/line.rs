//! One line: `measurement,tag=value field=1.5,other="text" 1700000000000000000`.

use crate::Scalar;

/// A line as it stands there, escapes and all.
#[derive(Debug, Default)]
pub(super) struct Line<'p> {
    pub measurement: &'p str,
    pub tags: Vec<(&'p str, &'p str)>,
    pub fields: Vec<(&'p str, Scalar<'p>)>,
    pub time: Option<i64>,
}

/// What is wrong, and at which byte.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    pub at: usize,
    pub what: &'static str,
}

/// The lines of a payload.
#[derive(Debug)]
pub(super) struct Lines<'p> {
    text: &'p str,
    at: usize,
}

impl<'p> Lines<'p> {
    pub(super) fn new(text: &'p str) -> Self {
        Self { text, at: 0 }
    }

    /// Reads the next line that is neither empty nor a comment; `None` after the last. After a fault
    /// it goes on with the line below it.
    pub(super) fn read_next(&mut self, line: &mut Line<'p>) -> Option<Result<(), Fault>> {
        loop {
            self.skip(b" \t\r\n");
            if self.peek()? != b'#' {
                break;
            }
            self.skip_line();
        }
        let read = self.line(line);
        if let Err(fault) = read {
            self.at = fault.at;
            self.skip_line();
        }
        Some(read)
    }

    fn line(&mut self, line: &mut Line<'p>) -> Result<(), Fault> {
        line.tags.clear();
        line.fields.clear();
        line.measurement = self.word(b", ", "a measurement is missing")?;
        while self.take(b',') {
            let key = self.word(b"=, ", "the name of a tag is missing")?;
            self.expect(b'=', "a tag needs `=` and a value")?;
            let value = self.word(b"=, ", "the value of a tag is missing")?;
            line.tags.push((key, value));
        }
        if self.is_at_line_end() {
            return Err(self.fault("a space and the fields are missing"));
        }
        self.expect(b' ', "an `=` that belongs here is written as `\\=`")?;
        self.skip(b" ");
        loop {
            let key = self.word(b"=, ", "the name of a field is missing")?;
            self.expect(b'=', "a field needs `=` and a value")?;
            let value = self.value()?;
            line.fields.push((key, value));
            if !self.take(b',') {
                break;
            }
        }
        self.skip(b" ");
        line.time = self.time()?;
        self.skip(b" \t");
        if self.is_at_line_end() {
            return Ok(());
        }
        Err(self.fault("nothing may follow here; is a space or a comma not escaped?"))
    }

    fn value(&mut self) -> Result<Scalar<'p>, Fault> {
        if self.peek() == Some(b'"') {
            return self.string().map(Scalar::Text);
        }
        let at = self.at;
        let token = self.word(b", ", "the value of a field is missing")?;
        value(token).ok_or(Fault {
            at,
            what: "neither a number, nor true or false, nor text in double quotes",
        })
    }

    /// Between double quotes; new lines may stand in it.
    fn string(&mut self) -> Result<&'p str, Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut end = start;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
                None => return Err(self.fault("this text has no closing quote")),
            }
        }
        self.at = end + 1;
        Ok(&self.text[start..end])
    }

    fn time(&mut self) -> Result<Option<i64>, Fault> {
        if self.is_at_line_end() {
            return Ok(None);
        }
        let at = self.at;
        let token = self.word(b" ", "a time is missing")?;
        let what = "a time is a whole number, and nothing else may follow the fields";
        token.parse().map(Some).map_err(|_| Fault { at, what })
    }

    /// Up to one of `stops` that no backslash stands before, or the end of the line.
    fn word(&mut self, stops: &[u8], missing: &'static str) -> Result<&'p str, Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut end = start;
        while let Some(&byte) = bytes.get(end) {
            if byte == b'\\' && matches!(bytes.get(end + 1), Some(b',' | b'=' | b' ')) {
                end += 2;
            } else if matches!(byte, b'\r' | b'\n') || stops.contains(&byte) {
                break;
            } else {
                end += 1;
            }
        }
        if end == start {
            return Err(self.fault(missing));
        }
        self.at = end;
        Ok(&self.text[start..end])
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Fault> {
        self.take(byte).then_some(()).ok_or(self.fault(what))
    }

    fn skip(&mut self, bytes: &[u8]) {
        while self.peek().is_some_and(|byte| bytes.contains(&byte)) {
            self.at += 1;
        }
    }

    fn skip_line(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.find('\n').unwrap_or(rest.len());
    }

    fn is_at_line_end(&self) -> bool {
        matches!(self.peek(), None | Some(b'\r' | b'\n'))
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault { at: self.at, what }
    }
}

fn value(token: &str) -> Option<Scalar<'static>> {
    match token {
        "t" | "T" | "true" | "True" | "TRUE" => return Some(Scalar::Bool(true)),
        "f" | "F" | "false" | "False" | "FALSE" => return Some(Scalar::Bool(false)),
        _ => {}
    }
    if let Some(whole) = token.strip_suffix('i') {
        return whole.parse().ok().map(Scalar::Int);
    }
    if let Some(whole) = token.strip_suffix('u') {
        return whole.parse().ok().map(Scalar::Uint);
    }
    // What Rust reads as a number but line protocol does not have: `inf` and `nan`.
    let has_digits_only =
        !token.contains(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E'));
    let number = has_digits_only.then(|| token.parse().ok()).flatten();
    number.filter(|x: &f64| x.is_finite()).map(Scalar::Float)
}
