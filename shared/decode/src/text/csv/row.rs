//! One row: where its columns stand.

use std::sync::Arc;

/// What stands between two columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Separator {
    /// One sign.
    Sign(char),
    /// Several, in this order.
    Text(Arc<str>),
    /// Any number of spaces and tabs.
    Blank,
}

impl Separator {
    /// From the configuration; `None` if it is empty.
    pub(super) fn new(text: &str) -> Option<Self> {
        // The spaces around columns don't count anyway.
        let signs = if text == "\t" { text } else { text.trim() };
        let mut chars = signs.chars();
        match (chars.next(), chars.next()) {
            _ if text.is_empty() => None,
            (None, _) => Some(Self::Blank),
            (Some(sign), None) => Some(Self::Sign(sign)),
            _ => Some(Self::Text(signs.into())),
        }
    }

    /// A semicolon if there is one (then a comma is a decimal sign), a tab, or else a comma.
    pub(super) fn guess(line: &str, decimal_comma: bool) -> Self {
        let has = |sign: char| {
            let mut quoted = false;
            line.chars().any(|c| {
                quoted ^= c == '"';
                c == sign && !quoted
            })
        };
        let sign = [';', '\t'].into_iter().find(|sign| has(*sign));
        // With nothing else in sight a comma is a decimal sign.
        let otherwise = if decimal_comma { ';' } else { ',' };
        Self::Sign(sign.unwrap_or(otherwise))
    }

    /// How long the separator is that `text` begins with.
    fn len_at(&self, text: &str) -> Option<usize> {
        let len = match self {
            Self::Sign(sign) if text.starts_with(*sign) => sign.len_utf8(),
            Self::Text(signs) if text.starts_with(&**signs) => signs.len(),
            Self::Sign(_) | Self::Text(_) => 0,
            Self::Blank => text.len() - text.trim_start_matches([' ', '\t']).len(),
        };
        (len > 0).then_some(len)
    }
}

/// A line, without its end.
pub(super) fn line(text: &str) -> &str {
    &text[..text.find(['\r', '\n']).unwrap_or(text.len())]
}

/// The columns of one row.
#[derive(Debug, Default)]
pub(super) struct Row {
    columns: Vec<Column>,
    /// Columns that don't stand in the payload as they are: quotes within quotes.
    unquoted: String,
}

#[derive(Debug, Clone, Copy)]
struct Column {
    start: usize,
    end: usize,
    /// It stands in `unquoted`.
    unquoted: bool,
}

impl Row {
    /// How many columns there are.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// A column, without spaces around it.
    pub(super) fn text<'t>(&'t self, index: usize, payload: &'t str) -> &'t str {
        let Some(column) = self.columns.get(index) else {
            return "";
        };
        let from = if column.unquoted {
            &self.unquoted
        } else {
            payload
        };
        from.get(column.start..column.end)
            .unwrap_or_default()
            .trim()
    }

    /// A separator at the end of a row makes no column, where so many are expected.
    pub(super) fn drop_last_if_empty(&mut self, payload: &str, expected: usize) {
        let last = self.len().saturating_sub(1);
        if last > 0 && last == expected && self.text(last, payload).is_empty() {
            self.columns.pop();
        }
    }

    /// Reads the row that begins at `at`; gives back where the next one does. A quoted column may go on
    /// over several lines.
    pub(super) fn read(&mut self, text: &str, mut at: usize, separator: &Separator) -> usize {
        self.columns.clear();
        self.unquoted.clear();
        if *separator == Separator::Blank {
            at += separator.len_at(&text[at..]).unwrap_or_default();
        }
        loop {
            at = self.column(text, at, separator);
            let rest = &text[at..];
            match separator.len_at(rest) {
                Some(len) if *separator != Separator::Blank || !line(&rest[len..]).is_empty() => {
                    at += len;
                }
                // Behind the column stands nothing but, at most, blanks and the end of the line.
                _ => return at + line(rest).len() + usize::from(line(rest).len() < rest.len()),
            }
        }
    }

    /// Reads a column; gives back where what is behind it begins: a separator, or the end of the line.
    fn column(&mut self, text: &str, at: usize, separator: &Separator) -> usize {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start_matches(' ').len();
        if let Some(inner) = rest[blank..].strip_prefix('"')
            && let Some(len) = closing_quote(inner)
        {
            let start = at + blank + 1;
            let end = start + len;
            let behind = end + 1;
            // What stands between the quote and the separator is nobody's.
            let gap = end_of_column(&text[behind..], separator);
            self.quoted(&text[start..end], start);
            return behind + gap;
        }
        let end = at + end_of_column(rest, separator);
        self.columns.push(Column {
            start: at,
            end,
            unquoted: false,
        });
        end
    }

    fn quoted(&mut self, inner: &str, start: usize) {
        if !inner.contains('"') {
            let end = start + inner.len();
            return self.columns.push(Column {
                start,
                end,
                unquoted: false,
            });
        }
        let start = self.unquoted.len();
        let mut parts = inner.split("\"\"");
        self.unquoted.push_str(parts.next().unwrap_or_default());
        for part in parts {
            self.unquoted.push('"');
            self.unquoted.push_str(part);
        }
        let end = self.unquoted.len();
        self.columns.push(Column {
            start,
            end,
            unquoted: true,
        });
    }
}

/// Where the quote is that closes a column; two of them are one within it.
fn closing_quote(inner: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + inner[from..].find('"')?;
        if !inner[at + 1..].starts_with('"') {
            return Some(at);
        }
        from = at + 2;
    }
}

fn end_of_column(text: &str, separator: &Separator) -> usize {
    let is_end =
        |at: usize, c: char| matches!(c, '\r' | '\n') || separator.len_at(&text[at..]).is_some();
    let end = text.char_indices().find(|(at, c)| is_end(*at, *c));
    end.map_or(text.len(), |(at, _)| at)
}
