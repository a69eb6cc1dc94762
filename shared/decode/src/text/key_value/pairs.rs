//! Where a pair begins and ends.

/// Takes a key and its value, without blanks around them.
type Sink<'s, 't> = dyn FnMut((&'t str, &'t str)) + 's;

/// Whether a sign stands outside of quotes.
pub(super) fn contains(line: &str, sign: &str) -> bool {
    find(line, |rest| rest.starts_with(sign)).is_some()
}

/// Pairs with exactly this between them.
pub(super) fn separated<'t>(line: &'t str, separator: &str, assign: &str, sink: &mut Sink<'_, 't>) {
    let is_blank = separator.trim().is_empty() && separator != "\t";
    let mut rest = line;
    while !rest.trim().is_empty() {
        let end = find(rest, |at| {
            (is_blank && at.starts_with([' ', '\t'])) || at.starts_with(separator)
        });
        let (pair, after) = rest.split_at(end.unwrap_or(rest.len()));
        if let Some(at) = find(pair, |at| at.starts_with(assign)) {
            emit(&pair[..at], &pair[at + assign.len()..], sink);
        }
        let len = if is_blank { 1 } else { separator.len() };
        rest = after.get(len..).unwrap_or_default();
    }
}

/// Pairs with a comma, a semicolon or white space between them.
///
/// `;` always ends a value, `,` does unless it is a decimal sign, white space only where a key and
/// `assign` follow: values may have units behind them.
pub(super) fn guessed<'t>(line: &'t str, assign: &str, sink: &mut Sink<'_, 't>) {
    let mut rest = line;
    while !rest.is_empty() {
        let end = find_with_before(rest, |before, at| ends_pair(before, at, assign));
        let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
        part_of_line(part, assign, sink);
        rest = after.get(1..).unwrap_or_default();
    }
}

/// Whether a separator stands here that is no part of a value.
fn ends_pair(before: &str, at: &str, assign: &str) -> bool {
    let Some(after) = at.strip_prefix(',') else {
        return at.starts_with(';');
    };
    let is_decimal = before.ends_with(|c: char| c.is_ascii_digit())
        && after.starts_with(|c: char| c.is_ascii_digit());
    !is_decimal || begins_pair(after, assign)
}

/// Whether a word and `assign` stand here.
fn begins_pair(text: &str, assign: &str) -> bool {
    let end = text
        .find(|c: char| ",; \t".contains(c))
        .unwrap_or(text.len());
    let word = text[..end].find(assign).unwrap_or(end);
    word > 0 && text[word..].trim_start().starts_with(assign)
}

/// Pairs with nothing but white space between them.
fn part_of_line<'t>(part: &'t str, assign: &str, sink: &mut Sink<'_, 't>) {
    let Some(at) = find(part, |rest| rest.starts_with(assign)) else {
        return;
    };
    let (key, mut rest) = (&part[..at], &part[at + assign.len()..]);
    // `12:30 t=21.5` has something before its first key, `room temperature: 21.5` a key of two words.
    let is_tight = assign == "=" && !key.ends_with([' ', '\t']) && !key.ends_with('"');
    let mut key = if is_tight { last_word(key) } else { key };
    while let Some(at) = next_pair(rest, assign) {
        emit(key, &rest[..at], sink);
        let after = &rest[at..];
        let Some(assigned) = find(after, |rest| rest.starts_with(assign)) else {
            return;
        };
        (key, rest) = (&after[..assigned], &after[assigned + assign.len()..]);
    }
    emit(key, rest, sink);
}

/// Where in a value and what follows it the next key begins: behind a blank, with a letter. A value is
/// empty only where that is certain: `mac: AA:BB:CC` is one pair.
fn next_pair(rest: &str, assign: &str) -> Option<usize> {
    let value = rest.len() - rest.trim_start().len();
    find_with_before(rest, |before, at| {
        (before.len() > value || assign == "=")
            && before.ends_with([' ', '\t'])
            && at.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '"')
            && begins_pair(at, assign)
    })
}

fn last_word(text: &str) -> &str {
    text.rsplit([' ', '\t']).next().unwrap_or(text)
}

fn emit<'t>(key: &'t str, value: &'t str, sink: &mut Sink<'_, 't>) {
    let key = key.trim();
    if !key.is_empty() {
        sink((key, value.trim()));
    }
}

/// The first place outside of quotes where something is so.
fn find(text: &str, mut is: impl FnMut(&str) -> bool) -> Option<usize> {
    find_with_before(text, |_, at| is(at))
}

/// The same, with a look at what stands before it.
fn find_with_before(text: &str, mut is: impl FnMut(&str, &str) -> bool) -> Option<usize> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        if !quoted && is(&text[..at], &text[at..]) {
            return Some(at);
        }
        // One that is never closed is no quote but part of a value, like inches.
        if c == '"' {
            quoted = !quoted && text[at + 1..].contains('"');
        }
    }
    None
}
