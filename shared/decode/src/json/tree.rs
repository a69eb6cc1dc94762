//! A whole JSON text as a tree.

use serde::de::IgnoredAny;

use super::describe::describe;
use super::scan::{MAX_DEPTH, Quoted, Scanner};
use crate::Doc;
use crate::doc::Text;

/// Builds a tree.
#[derive(Debug)]
pub(super) struct Tree<'d> {
    pub doc: &'d mut Doc,
    /// Keys of texts that are JSON of their own, and what they are read under.
    pub embedded: &'d [(Box<str>, Box<str>)],
    /// What is wrong, if that is not to be found in the text itself.
    pub fault: Option<String>,
}

impl<'d> Tree<'d> {
    pub(super) const fn new(doc: &'d mut Doc, embedded: &'d [(Box<str>, Box<str>)]) -> Self {
        let fault = None;
        Self {
            doc,
            embedded,
            fault,
        }
    }

    /// Adds the text as a whole.
    pub(super) fn whole(&mut self, text: &str) -> Option<()> {
        let mut scanner = Scanner::new(text);
        self.value(&mut scanner, Text::NONE, None, 0)?;
        scanner.end()
    }

    /// Adds what comes next, inside of `depth` containers. `under` is its other key if it is JSON in a text.
    pub(super) fn value(
        &mut self,
        scanner: &mut Scanner<'_>,
        key: Text,
        under: Option<&'d str>,
        depth: usize,
    ) -> Option<()> {
        match scanner.peek() {
            b'"' => {
                scanner.skip();
                let text = scanner.string()?;
                if let Some(under) = under
                    && self.embeds(text, under)?
                {
                    return Some(());
                }
                let text = self.text(text);
                self.doc.add_text(key, text);
            }
            b'{' if depth < MAX_DEPTH => {
                self.doc.open_object_at(key).ok()?;
                let mut more = scanner.open(b'}');
                while more {
                    let quoted = scanner.key()?;
                    let key = self.text(quoted);
                    let under = self.under(quoted);
                    self.value(scanner, key, under, depth + 1)?;
                    more = scanner.more(b'}')?;
                }
                self.doc.close();
            }
            b'[' if depth < MAX_DEPTH => {
                self.doc.open_array_at(key).ok()?;
                let mut more = scanner.open(b']');
                while more {
                    self.value(scanner, Text::NONE, None, depth + 1)?;
                    more = scanner.more(b']')?;
                }
                self.doc.close();
            }
            _ => {
                let value = scanner.scalar()?;
                self.doc.add_scalar(key, value);
            }
        }
        Some(())
    }

    fn text(&mut self, quoted: Quoted<'_>) -> Text {
        if quoted.escaped {
            self.doc.text_with(|out| quoted.unescape(out))
        } else {
            self.doc.text(quoted.raw)
        }
    }

    fn under(&self, key: Quoted<'_>) -> Option<&'d str> {
        if self.embedded.is_empty() {
            return None;
        }
        let mut unescaped = String::new();
        key.unescape(&mut unescaped);
        let mut embedded = self.embedded.iter();
        let (_, under) = embedded.find(|(key, _)| **key == unescaped)?;
        Some(under)
    }

    /// Adds what a text holds if it is JSON of its own; `false`: it is none, and stays a text.
    fn embeds(&mut self, quoted: Quoted<'_>, under: &str) -> Option<bool> {
        let mut text = String::new();
        quoted.unescape(&mut text);
        if serde_json::from_str::<IgnoredAny>(&text).is_err() {
            return Some(false);
        }
        let key = self.doc.text(under);
        // What is embedded in what is embedded is text: nesting has an end.
        let embedded = std::mem::take(&mut self.embedded);
        let mut scanner = Scanner::new(&text);
        let added = self.value(&mut scanner, key, None, 0);
        self.embedded = embedded;
        if added.is_none() {
            self.fault = Some(describe(&text));
        }
        added.map(|()| true)
    }
}
