//! Templates: text with `{names}` and `{paths}`.

use crate::path::{Name, Path};
use crate::scope::{Scope, write_scalar};
use crate::topic::{Captures, closing};

/// Text with places that are filled in from a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    /// The first of these that is there and not empty.
    First(Vec<Source>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Name(Name),
    Path(Path),
    /// Text of the configuration, which may be empty.
    Literal(Box<str>),
    /// The text, if the other one is there.
    If(Box<Source>, Box<str>),
}

impl Template {
    /// From its text. A name that `names` does not know is a path. `{{` and `}}` are single braces, so that
    /// a path which begins with a name is written `{.{name}.x}`.
    ///
    /// # Errors
    /// In words, if it is none.
    pub(crate) fn parse(text: &str, names: &dyn Fn(&str) -> Option<Name>) -> Result<Self, String> {
        let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push_str(&rest[..1]);
                rest = &rest[2..];
                continue;
            }
            let end = closing(rest)
                .filter(|end| *end > 0)
                .ok_or_else(|| format!("`{text}`: a brace without the other one"))?;
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
            }
            let sources: Result<_, _> = alternatives(&rest[1..end])
                .map(|source| Source::parse(source, names))
                .collect();
            pieces.push(Piece::First(sources?));
            rest = &rest[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal.into()));
        }
        Ok(Self(pieces))
    }

    /// The empty one.
    pub(crate) const fn nothing() -> Self {
        Self(Vec::new())
    }

    /// Writes it into `out`, which it empties first; `false` if something that belongs into it is not
    /// there.
    pub(crate) fn render(&self, scope: &Scope<'_, '_>, out: &mut String) -> bool {
        out.clear();
        self.0.iter().all(|piece| match piece {
            Piece::Text(text) => {
                out.push_str(text);
                true
            }
            Piece::First(sources) => sources.iter().any(|source| source.write(scope, out)),
        })
    }

    /// The same without a copy, where it is only a text, or a capture of the topic that is not empty.
    pub(crate) fn lent<'t>(&'t self, topic: &'t Captures) -> Option<&'t str> {
        match &*self.0 {
            [Piece::Text(text)] => Some(text),
            [Piece::First(sources)] => match **sources {
                [Source::Name(Name::Topic(at))] => topic.get(at).filter(|text| !text.is_empty()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Its text, if nothing is to be filled in.
    pub(crate) fn constant(&self) -> Option<&str> {
        match &*self.0 {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it differs from value to value of one element.
    pub(crate) fn is_relative(&self) -> bool {
        self.sources().any(Source::is_relative)
    }

    /// The paths of what it is put together from; those that it only asks for are not among them.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.sources().filter_map(|source| match source {
            Source::Path(path) => Some(path),
            Source::Name(_) | Source::Literal(_) | Source::If(..) => None,
        })
    }

    /// Hands out all of its paths, those that it only asks for too.
    pub(crate) fn each_path(&mut self, each: &mut dyn FnMut(&mut Path)) {
        for piece in &mut self.0 {
            if let Piece::First(sources) = piece {
                for source in sources {
                    source.each_path(each);
                }
            }
        }
    }

    fn sources(&self) -> impl Iterator<Item = &Source> {
        self.0.iter().flat_map(|piece| match piece {
            Piece::First(sources) => sources.as_slice(),
            Piece::Text(_) => &[],
        })
    }
}

impl Source {
    fn parse(text: &str, names: &dyn Fn(&str) -> Option<Name>) -> Result<Self, String> {
        if let Some(literal) = literal_of(text) {
            return Ok(Self::Literal(literal.into()));
        }
        if let Some(name) = names(text) {
            return Ok(Self::Name(name));
        }
        let Some((of, then)) = split_unquoted(text, '?') else {
            return Path::parse(text, names).map(Self::Path);
        };
        let then = literal_of(then)
            .ok_or_else(|| format!("`{text}`: write the text behind `?` in single quotes"))?;
        Ok(Self::If(Self::parse(of, names)?.into(), then.into()))
    }

    fn each_path(&mut self, each: &mut dyn FnMut(&mut Path)) {
        match self {
            Self::Path(path) => each(path),
            Self::If(of, _) => of.each_path(each),
            Self::Name(_) | Self::Literal(_) => {}
        }
    }

    fn is_relative(&self) -> bool {
        match self {
            Self::Name(name) => *name == Name::Path,
            Self::Path(path) => path.is_relative(),
            Self::Literal(_) => false,
            Self::If(of, _) => of.is_relative(),
        }
    }

    /// Writes it if it is there and, unless the configuration says so, not empty.
    fn write(&self, scope: &Scope<'_, '_>, out: &mut String) -> bool {
        let before = out.len();
        match self {
            Self::Literal(text) => {
                out.push_str(text);
                return true;
            }
            Self::Name(name) => scope.write(*name, out),
            Self::Path(path) => {
                if let Some(item) = path.get(scope) {
                    write_scalar(item, out);
                }
            }
            Self::If(of, text) => {
                if of.write(scope, out) {
                    out.truncate(before);
                    out.push_str(text);
                }
            }
        }
        out.len() > before
    }
}

/// What stands in single quotes.
fn literal_of(source: &str) -> Option<&str> {
    source.strip_prefix('\'')?.strip_suffix('\'')
}

/// Cuts at bars, but not within quotation marks.
fn alternatives(text: &str) -> impl Iterator<Item = &str> {
    text.split(unquoted('|')).map(str::trim)
}

/// Cuts at the first such character that is not within quotation marks.
fn split_unquoted(text: &str, at: char) -> Option<(&str, &str)> {
    let (before, after) = text.split_at(text.find(unquoted(at))?);
    Some((before.trim_end(), after[at.len_utf8()..].trim_start()))
}

/// Finds a character outside of quotation marks.
fn unquoted(wanted: char) -> impl FnMut(char) -> bool {
    let mut quoted = false;
    move |c| {
        quoted ^= c == '"';
        c == wanted && !quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_scope;

    fn check(template: &str, expected: Option<&str>) {
        let json = r#"{"a":{"b":1,"none":null,"empty":"","x|y":true},"list":[1.5,"two"],"°":"C"}"#;
        with_scope(json, &["pump"], |scope| {
            let names = |name: &str| (name == "device").then_some(Name::Topic(0));
            let template = Template::parse(template, &names).unwrap();
            let mut out = String::from("old");
            let found = template.render(scope, &mut out).then_some(out);
            assert_eq!(found.as_deref(), expected, "{template:?}");
        });
    }

    #[test]
    fn templates() {
        check("constant", Some("constant"));
        check("{device}/{a.b}", Some("pump/1"));
        check("{list[0]} {list[-1]}", Some("1.5 two"));
        check("{a.none|a.empty|a.b}", Some("1"));
        check("{a.\"x|y\" | a.b}", Some("true"));
        check("{a.none}", None);
        check("x{a}", None);
        check("{{{device}}}", Some("{pump}"));
        check("°{°}", Some("°C"));
        check("", Some(""));
        check("{a.none|'unit 1'}", Some("unit 1"));
        check("{a.b|'unit 1'}{a.none|''}", Some("1"));
        check("{a.b?'mV'}", Some("mV"));
        check("{a.none?'mV' | a.b ? 'V'}", Some("V"));
        check("{a.none?'mV'}", None);
        check("{a.\"x|y\"?'a'}{device?'b'}", Some("ab"));
    }

    #[test]
    fn faults() {
        for text in [
            "{", "}", "a{b", "{}", "{a|}", "{*}", "{a[}", "{?'a'}", "{a?b}", "{a?'b}",
        ] {
            assert!(Template::parse(text, &|_| None).is_err(), "{text}");
        }
    }
}
