//! A pattern of topics, level by level.

use super::Captures;
use std::fmt::Write;

use regex::Regex;

/// A pattern of topics with names for what stands in it.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    levels: Vec<Level>,
    names: Vec<String>,
}

/// One level. Numbers are positions in [`Pattern::names`].
#[derive(Debug, Clone)]
pub(super) enum Level {
    Literal(Box<str>),
    /// `+`: one level, which may be empty.
    Any,
    /// `{x}`: one level that is not empty.
    One(usize),
    /// A level by regular expression.
    Part(Box<Part>),
    /// `{x...}`: one level or more.
    Many(usize),
    /// `#`: whatever follows.
    Rest,
}

/// A level with captures in it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Matches the whole level; its groups `c0`, `c1`, … are `names`.
    pub(super) regex: Regex,
    names: Vec<usize>,
}

impl Pattern {
    /// From its text.
    ///
    /// # Errors
    /// In words, if it is none.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pattern = Self {
            levels: Vec::new(),
            names: Vec::new(),
        };
        let parts = split_levels(text)?;
        for (i, part) in parts.iter().enumerate() {
            let level = pattern.level(part)?;
            if matches!(level, Level::Rest) && i + 1 < parts.len() {
                return Err("`#` can only be the last level".into());
            }
            pattern.levels.push(level);
        }
        let many = pattern
            .levels
            .iter()
            .filter(|level| matches!(level, Level::Many(_)))
            .count();
        let rest = matches!(pattern.levels.last(), Some(Level::Rest));
        if many + usize::from(rest) > 1 {
            return Err("only one of `{name...}` and `#` can stand in a topic: where the one ends and the other begins could not be told".into());
        }
        Ok(pattern)
    }

    /// Names of what it captures.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    pub(super) fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The MQTT filter that lets all of its topics through (MQTT 5.0 §4.7.1).
    pub(crate) fn filter(&self) -> String {
        let mut filter = String::new();
        for (i, level) in self.levels.iter().enumerate() {
            if i > 0 {
                filter.push('/');
            }
            match level {
                Level::Literal(text) => filter.push_str(text),
                Level::Any | Level::One(_) | Level::Part(_) => filter.push('+'),
                Level::Many(_) | Level::Rest => {
                    filter.push('#');
                    break;
                }
            }
        }
        filter
    }

    /// What its names stand for in a topic that it takes; `None` if it does not.
    pub(crate) fn captures(&self, topic: &str) -> Option<Captures> {
        let levels: Vec<&str> = topic.split('/').collect();
        let mut found = vec![String::new(); self.names.len()];
        // At most one level of the pattern is many levels of the topic; the rest tells how many.
        let many = self
            .levels
            .iter()
            .position(|level| matches!(level, Level::Many(_)));
        let long = many.map_or(0, |_| (levels.len() + 1).saturating_sub(self.levels.len()));
        let mut at = 0;
        for level in &self.levels {
            let end = match level {
                Level::Rest => return Some(Captures::new(&found)),
                Level::Many(_) if long == 0 => return None,
                Level::Many(_) => at + long,
                _ => at + 1,
            };
            let here = levels.get(at..end)?;
            level.capture(here, &mut found)?;
            at = end;
        }
        (at == levels.len()).then(|| Captures::new(&found))
    }

    /// Whether it takes every topic that the other one takes. May overlook it where `{name...}` stands
    /// in the middle; never says so wrongly.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        covers(&self.levels, &other.levels, true)
    }

    fn level(&mut self, text: &str) -> Result<Level, String> {
        match text {
            "+" => return Ok(Level::Any),
            "#" => return Ok(Level::Rest),
            _ if text.contains('{') => {}
            _ if text.contains(['+', '#']) => {
                return Err(format!("`{text}`: `+` and `#` stand for whole levels"));
            }
            _ => return Ok(Level::Literal(text.into())),
        }
        if let Some(name) = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            && !name.contains(['{', '}', ':'])
        {
            return Ok(match name.strip_suffix("...") {
                Some(name) => Level::Many(self.name(name)?),
                None => Level::One(self.name(name)?),
            });
        }
        self.part(text).map(|part| Level::Part(Box::new(part)))
    }

    fn part(&mut self, text: &str) -> Result<Part, String> {
        let mut source = String::from("^(?:");
        let mut names = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            source.push_str(&regex::escape(&rest[..open]));
            let close = open + closing(&rest[open..]).ok_or_else(|| unclosed(text))?;
            let inner = &rest[open + 1..close];
            let (name, regex) = inner.split_once(':').unwrap_or((inner, ".+"));
            if name.ends_with("...") {
                return Err(format!("`{text}`: `{{{name}}}` stands for whole levels"));
            }
            // Writing into a text does not fail.
            _ = write!(source, "(?<c{}>{regex})", names.len());
            names.push(self.name(name)?);
            rest = &rest[close + 1..];
        }
        source.push_str(&regex::escape(rest));
        source.push_str(")$");
        let regex = Regex::new(&source).map_err(|error| format!("`{text}`: {error}"))?;
        Ok(Part { regex, names })
    }

    fn name(&mut self, name: &str) -> Result<usize, String> {
        let letters = |c: char| c.is_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(letters) {
            return Err(format!("`{name}` is no name: letters, digits and `_` are"));
        }
        let known = self.names.iter().position(|other| other == name);
        Ok(known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        }))
    }
}

impl Level {
    /// Takes levels of a topic if it matches them, and writes down what its names stand for.
    fn capture(&self, here: &[&str], found: &mut [String]) -> Option<()> {
        let mut add = |name: usize, text: &str| {
            let found = &mut found[name];
            if !found.is_empty() {
                found.push('/');
            }
            found.push_str(text);
        };
        match self {
            Self::Literal(text) => (here == [&**text]).then_some(()),
            Self::Any | Self::Rest => Some(()),
            Self::One(name) => (!here[0].is_empty()).then(|| add(*name, here[0])),
            Self::Many(name) => {
                add(*name, &here.join("/"));
                Some(())
            }
            Self::Part(part) => {
                let groups = part.regex.captures(here.first()?)?;
                for (i, name) in part.names.iter().enumerate() {
                    add(
                        *name,
                        groups
                            .name(&format!("c{i}"))
                            .map_or("", |group| group.as_str()),
                    );
                }
                Some(())
            }
        }
    }
}

fn covers(wide: &[Level], narrow: &[Level], first: bool) -> bool {
    let Some((level, wider)) = wide.split_first() else {
        return narrow.is_empty();
    };
    // A wildcard in front does not match `$SYS` and its like (MQTT 5.0 §4.7.2).
    let hidden =
        matches!(narrow.first(), Some(Level::Literal(text)) if first && text.starts_with('$'));
    if matches!(level, Level::Rest) {
        return !hidden;
    }
    let Some((other, narrower)) = narrow.split_first() else {
        return false;
    };
    let next = || covers(wider, narrower, false);
    match (level, other) {
        (Level::Literal(a), Level::Literal(b)) => a == b && next(),
        (Level::Any, Level::Literal(_)) => !hidden && next(),
        (Level::One(_), Level::Literal(text)) => !hidden && !text.is_empty() && next(),
        (Level::Any, Level::Any | Level::One(_) | Level::Part(_))
        | (Level::One(_), Level::One(_)) => next(),
        (Level::Part(part), Level::Literal(text)) => part.regex.is_match(text) && !hidden && next(),
        (Level::Part(a), Level::Part(b)) => a.regex.as_str() == b.regex.as_str() && next(),
        (Level::Many(_), Level::Rest) => false,
        (Level::Many(_), _) => !hidden && (next() || covers(wide, narrower, false)),
        _ => false,
    }
}

/// Cuts at slashes, but not within braces.
fn split_levels(text: &str) -> Result<Vec<&str>, String> {
    let (mut levels, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| format!("`{text}`: a `}}` too many"))?;
            }
            '/' if depth == 0 => {
                levels.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(unclosed(text));
    }
    levels.push(&text[start..]);
    Ok(levels)
}

fn unclosed(text: &str) -> String {
    format!("`{text}`: a `{{` without its `}}`")
}

/// Position of the brace that closes the one that `text` begins with.
pub(crate) fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(i);
        }
    }
    None
}
