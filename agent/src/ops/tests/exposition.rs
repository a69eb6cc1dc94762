//! A strict reader of the `OpenMetrics` text format, as far as we use it.

use std::collections::{BTreeMap, HashMap};

type Labels = BTreeMap<String, String>;

/// What a scrape gave.
pub(super) struct Exposition(HashMap<(String, Labels), f64>);

impl Exposition {
    /// Panics at the first line that is not as the format has it.
    pub(super) fn parse(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("ends with # EOF");
        let mut types: HashMap<&str, &str> = HashMap::new();
        let mut family = "";
        let mut samples = HashMap::new();
        for line in body.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect(line);
                assert!(is_name(name) && help.ends_with('.'), "{line}");
                family = name;
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect(line);
                assert_eq!(name, family, "type after help: {line}");
                assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
                assert_eq!(types.insert(name, kind), None, "said twice: {line}");
            } else {
                let (name, labels, value) = sample(line);
                let suffix = name
                    .strip_prefix(family)
                    .expect("a sample of the family above it");
                let fits = match types[family] {
                    "counter" => suffix == "_total" && value >= 0.0,
                    "histogram" => matches!(suffix, "_bucket" | "_sum" | "_count"),
                    _ => suffix.is_empty(),
                };
                assert!(fits, "{line}");
                let before = samples.insert((name.to_owned(), labels), value);
                assert_eq!(before, None, "said twice: {line}");
            }
        }
        Self(samples)
    }

    pub(super) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels
            .iter()
            .map(|&(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        self.0.get(&(name.to_owned(), labels)).copied()
    }

    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels)
            .unwrap_or_else(|| panic!("no {name} {labels:?}"))
    }
}

/// `name{label="value",…} number`
fn sample(line: &str) -> (&str, Labels, f64) {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, quoted) = rest.split_once("=\"").expect(line);
            assert!(is_name(label), "{line}");
            let (value, after) = unquote(quoted);
            assert_eq!(labels.insert(label.to_owned(), value), None, "{line}");
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').expect(line);
    (name, labels, value.parse().expect(line))
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('"' | '\\'))) => value.push(c),
                other => panic!("escape of {other:?} in {quoted}"),
            },
            c => value.push(c),
        }
    }
    panic!("no closing quote in {quoted}");
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
