//! Patterns of names, in which `*` stands for any text.

/// A pattern with any number of `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob(Box<str>);

impl Glob {
    /// From its text; every text is a pattern.
    pub(crate) fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    /// Whether the whole of `name` matches.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.capture(name).is_some()
    }

    /// What the first `*` stands for (`""` without one), if the whole of `name` matches.
    pub(crate) fn capture<'n>(&self, name: &'n str) -> Option<&'n str> {
        let Some((head, tail)) = self.0.split_once('*') else {
            return (*self.0 == *name).then_some("");
        };
        let rest = name.strip_prefix(head)?;
        let Some((mut parts, last)) = tail.rsplit_once('*') else {
            return rest.strip_suffix(tail);
        };
        // What lies between the first and the last `*` is found leftmost, part by part.
        let body = rest.strip_suffix(last)?;
        let (mut at, mut first) = (0, None);
        while !parts.is_empty() || first.is_none() {
            let (part, others) = parts.split_once('*').unwrap_or((parts, ""));
            let found = at + body[at..].find(part)?;
            first.get_or_insert(found);
            at = found + part.len();
            parts = others;
        }
        first.map(|end| &body[..end])
    }

    /// Whether it has no `*`, so that it is a name.
    pub(crate) fn is_name(&self) -> bool {
        !self.0.contains('*')
    }

    /// As it was written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        let check = |pattern: &str, name: &str, expected: Option<&str>| {
            assert_eq!(
                Glob::new(pattern).capture(name),
                expected,
                "{pattern} on {name}"
            );
        };
        check("a", "a", Some(""));
        check("a", "ab", None);
        check("*", "", Some(""));
        check("*", "a.b", Some("a.b"));
        check("a*", "abc", Some("bc"));
        check("*c", "abc", Some("ab"));
        check("a*a", "a", None);
        check("a*b*c", "a1b2c", Some("1"));
        check("a*b*c", "a1b2b3c", Some("1"));
        check("*b*", "abc", Some("a"));
        check("*b*d*", "abcd", Some("a"));
        check("*d*b*", "abcd", None);
        check("**", "ab", Some(""));
        check("°*", "°C", Some("C"));
    }
}
