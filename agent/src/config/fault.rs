//! Faults of a configuration, each with its place in the file.

use std::fmt;
use std::ops::Range;
use std::string::FromUtf8Error;

use super::tree::Node;

/// Everything that is wrong with a configuration file, in the order of the file.
///
/// It prints like a compiler's output, a block for each fault:
///
/// ```text
/// eyot.toml:7:1: class[0].widow: unknown key
///     widow = "5s"
///     ^^^^^
///     help: did you mean `window`?
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// The file, as it was named.
    pub file: String,
    /// At least one.
    pub list: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub message: String,
    /// Key it is about, like `class[0].window`; empty when it is about the whole file.
    pub path: String,
    /// Where; `None` if the file could not be read.
    pub place: Option<Place>,
    /// What to write instead.
    pub help: Option<String>,
}

/// A stretch of one line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Length in characters, at least 1.
    pub width: usize,
    /// The whole line, with passwords in URLs blotted out.
    pub text: String,
}

impl Faults {
    /// The file could not be read at all.
    pub(super) fn unreadable(file: String, message: String) -> Self {
        let fault = Fault {
            message,
            path: String::new(),
            place: None,
            help: None,
        };
        Self {
            file,
            list: vec![fault],
        }
    }

    /// The file is not text.
    pub(super) fn not_utf8(file: &str, error: &FromUtf8Error) -> Self {
        let at = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        let mut report = Report::new(&text);
        report.at(at..at, "", "this byte is not UTF-8 text");
        report.into_faults(file)
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            f.write_str(&self.file)?;
            if let Some(place) = &fault.place {
                write!(f, ":{}:{}", place.line, place.column)?;
            }
            write!(f, ": {fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if let Some(place) = &self.place {
            write!(f, "\n    {}\n    {}", place.text, place.marker())?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n    help: {help}")?;
        }
        Ok(())
    }
}

impl Fault {
    /// Adds what to write instead.
    pub(super) fn help(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }

    /// Adds the candidate nearest to `written`, if one is near.
    pub(super) fn did_you_mean<'c>(
        &mut self,
        written: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) {
        if let Some(near) = nearest(written, candidates) {
            self.help(format!("did you mean `{near}`?"));
        }
    }
}

impl Place {
    /// The place of a byte range of `text`, cut off at the end of its first line.
    fn of(text: &str, range: Range<usize>) -> Self {
        let start = text.floor_char_boundary(range.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let end = text.floor_char_boundary(range.end).clamp(start, line_end);
        Self {
            line: text[..line_start].matches('\n').count() + 1,
            column: text[line_start..start].chars().count() + 1,
            width: text[start..end].trim_end().chars().count().max(1),
            text: blot_passwords(text[line_start..line_end].trim_end()),
        }
    }

    /// Carets under the stretch; tabs stay tabs, so that they line up.
    fn marker(&self) -> String {
        let before = self.text.chars().chain(std::iter::repeat(' '));
        before
            .take(self.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .chain(std::iter::repeat_n('^', self.width))
            .collect()
    }
}

/// Where faults are gathered while a file is being checked.
#[derive(Debug)]
pub(super) struct Report<'t> {
    text: &'t str,
    faults: Vec<Fault>,
}

impl<'t> Report<'t> {
    /// An empty report on `text`.
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            faults: Vec::new(),
        }
    }

    /// Adds a fault of what stands at `node`, or, if nothing does, of the table it is missing from.
    pub(super) fn value(&mut self, node: &Node<'_>, message: impl Into<String>) -> &mut Fault {
        self.at(node.span(), node.path(), message)
    }

    /// Adds a fault of the key of `node`.
    pub(super) fn key(&mut self, node: &Node<'_>, message: impl Into<String>) -> &mut Fault {
        self.at(node.key_span(), node.path(), message)
    }

    /// Adds a fault at a byte range.
    pub(super) fn at(
        &mut self,
        range: Range<usize>,
        path: &str,
        message: impl Into<String>,
    ) -> &mut Fault {
        self.faults.push(Fault {
            message: message.into(),
            path: path.to_owned(),
            place: Some(Place::of(self.text, range)),
            help: None,
        });
        let last = self.faults.len() - 1;
        &mut self.faults[last]
    }

    /// Line of a node, from 1, to refer to from a fault elsewhere.
    pub(super) fn line(&self, node: &Node<'_>) -> usize {
        Place::of(self.text, node.span()).line
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// The faults in the order of the file.
    pub(super) fn into_faults(mut self, file: &str) -> Faults {
        self.faults.sort_by_key(|fault| {
            let place = fault.place.as_ref();
            place.map(|place| (place.line, place.column))
        });
        Faults {
            file: file.to_owned(),
            list: self.faults,
        }
    }
}

/// The candidate nearest to `written`, if no more than a third of its letters differ.
pub(super) fn nearest<'c>(
    written: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let written = written.to_lowercase();
    let allowed = (written.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&written, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Faults end up in logs and bug reports: in `scheme://user:password@host`, and in whatever is
/// quoted after `url`, everything before the `@` becomes asterisks, one for each character, so that
/// columns stay right.
fn blot_passwords(line: &str) -> String {
    let mut blotted = String::with_capacity(line.len());
    let mut before = "";
    for part in line.split_inclusive(['"', '\'']) {
        let start = part.find("://").map_or(0, |at| at + 3);
        match part[start..].rfind('@') {
            Some(length) if start > 0 || before.contains("url") => {
                let (secret, rest) = part[start..].split_at(length);
                blotted.push_str(&part[..start]);
                blotted.extend(secret.chars().map(|_| '*'));
                blotted.push_str(rest);
            }
            _ => blotted.push_str(part),
        }
        before = part;
    }
    blotted
}
