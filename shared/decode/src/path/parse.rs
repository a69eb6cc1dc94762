//! Reading a path.

use super::{Anchor, Every, Name, Path, Step};
use crate::topic::closing;

impl Path {
    /// From its text; `names` tells what a name in braces stands for.
    ///
    /// # Errors
    /// In words, if it is none.
    pub(crate) fn parse(text: &str, names: &dyn Fn(&str) -> Option<Name>) -> Result<Self, String> {
        let mut step = |name: Option<&str>, _| match name {
            None => Err(format!("`{text}`: `*` belongs into `each`")),
            Some(name) => names(name)
                .map(Step::Name)
                .ok_or_else(|| format!("`{text}`: nothing captures `{{{name}}}`")),
        };
        parse(text, &mut step)
    }

    /// A path of `each`, in which `*` and names stand for every element or entry. Names that are not
    /// among `known` yet are added.
    ///
    /// # Errors
    /// In words, if it is none.
    pub(crate) fn parse_each(text: &str, known: &mut Vec<String>) -> Result<Self, String> {
        let mut own: Vec<usize> = Vec::new();
        let mut step = |name: Option<&str>, elements| {
            let Some(name) = name else {
                let name = None;
                return Ok(Step::Every(Every { name, elements }));
            };
            let at = known.iter().position(|other| other == name);
            let at = at.unwrap_or_else(|| {
                known.push(name.to_owned());
                known.len() - 1
            });
            if own.contains(&at) {
                return Err(format!("`{text}`: `{{{name}}}` stands there twice"));
            }
            own.push(at);
            let name = Some(at);
            Ok(Step::Every(Every { name, elements }))
        };
        let path = parse(text, &mut step)?;
        if path.steps.contains(&Step::Value) {
            return Err(format!("`{text}`: `@` has no meaning in `each`"));
        }
        Ok(path)
    }
}

/// What `*` (without a name) or `{name}` comes to, in brackets or not.
type Wild<'w> = dyn FnMut(Option<&str>, bool) -> Result<Step, String> + 'w;

fn parse(text: &str, wild: &mut Wild<'_>) -> Result<Path, String> {
    let fault = |what: &str| format!("`{text}` is no path: {what}");
    if text.is_empty() {
        return Err("a path is empty; `.` is the element itself".into());
    }
    let (anchor, mut rest) = match text.strip_prefix('$') {
        Some(rest) if rest.is_empty() || rest.starts_with(['.', '[']) => (Anchor::Root, rest),
        _ => match text.strip_prefix('.') {
            Some("") => (Anchor::Element, ""),
            Some(_) => (Anchor::Element, text),
            None => (Anchor::Around, text),
        },
    };
    let mut steps = Vec::new();
    // In front of the first key there is no dot, unless an anchor stands there.
    let mut dot = anchor == Anchor::Around;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let inside = after
                .starts_with('{')
                .then(|| closing(after))
                .flatten()
                .unwrap_or(0);
            let end = inside
                + after[inside..]
                    .find(']')
                    .ok_or_else(|| fault("a `[` without its `]`"))?;
            steps.push(
                bracket(&after[..end], wild)
                    .ok_or_else(|| fault("within brackets stand a number, `*` or a name"))??,
            );
            rest = &after[end + 1..];
            dot = false;
            continue;
        }
        if !dot {
            rest = rest
                .strip_prefix('.')
                .ok_or_else(|| fault("a dot is missing"))?;
            if rest.starts_with('[') {
                continue;
            }
        }
        dot = false;
        let (step, after) = key(rest, wild).map_err(|what| fault(&what))?;
        steps.push(step?);
        rest = after;
    }
    let slot = None;
    Ok(Path {
        anchor,
        steps,
        slot,
    })
}

/// What stands within brackets; `None` if it is nothing known.
fn bracket(text: &str, wild: &mut Wild<'_>) -> Option<Result<Step, String>> {
    if text == "*" {
        return Some(wild(None, true));
    }
    if let Some(name) = text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        return Some(wild(Some(name), true));
    }
    text.parse().ok().map(|index| Ok(Step::Index(index)))
}

/// A key in front of `text`, and what follows it.
fn key<'t>(text: &'t str, wild: &mut Wild<'_>) -> Result<(Result<Step, String>, &'t str), String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let end = quoted.find('"').ok_or("a quotation mark is missing")?;
        return Ok((Ok(Step::Key(quoted[..end].into())), &quoted[end + 1..]));
    }
    if text.starts_with('{') {
        let end = closing(text).ok_or("a `{` without its `}`")?;
        return Ok((wild(Some(&text[1..end]), false), &text[end + 1..]));
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (key, rest) = text.split_at(end);
    let step = match key {
        "" => return Err("a key is missing".into()),
        "*" => wild(None, false),
        "@" => Ok(Step::Value),
        key if key.contains(['"', '{', '}', '*', ']']) => {
            return Err(format!("`{key}` has to be quoted: \"{key}\""));
        }
        key => Ok(Step::Key(key.into())),
    };
    Ok((step, rest))
}
