//! Words that stand for values, and words that say that there is none.

use indexmap::IndexMap;

use crate::config::Literal;
use crate::{Reason, Value};

use super::number;

/// The words of a channel and what they stand for.
#[derive(Debug, Default)]
pub(super) struct Table {
    words: IndexMap<String, Value>,
    /// The words that are numbers: `0` stands for 0.0 too.
    numbers: Vec<(Value, Value)>,
    any_case: bool,
}

impl Table {
    /// # Errors
    /// Every fault, in words.
    pub(super) fn compile(
        table: &IndexMap<String, Literal>,
        any_case: bool,
    ) -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let mut this = Self {
            any_case,
            ..Self::default()
        };
        for (word, literal) in table {
            let word = word.trim();
            let value = match literal {
                Literal::Bool(value) => Value::Bool(*value),
                Literal::Int(value) => Value::Enum(*value),
                Literal::Float(value) if value.is_finite() => Value::F64(*value),
                Literal::Float(_) | Literal::Text(_) => {
                    faults.push(format!(
                        "`{word}` has to stand for true, false or a number; use `missing` for words that \
                         mean that there is no value"
                    ));
                    continue;
                }
            };
            if let Some(other) = this.word(word) {
                if other != value {
                    faults.push(format!(
                        "`{word}` stands for two things; remove one of them"
                    ));
                }
                continue;
            }
            if let Some((number, "")) = number::decimal(word) {
                this.numbers.push((number, value));
            }
            this.words.insert(word.to_owned(), value);
        }
        if faults.is_empty() {
            Ok(this)
        } else {
            Err(faults)
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// What a word stands for.
    pub(super) fn word(&self, word: &str) -> Option<Value> {
        let exact = self.words.get(word);
        let found = exact.or_else(|| {
            let mut words = self.words.iter().filter(|_| self.any_case);
            words.find_map(|(known, value)| same_without_case(known, word).then_some(value))
        });
        found.copied()
    }

    /// What a number stands for.
    pub(super) fn number(&self, number: Value) -> Option<Value> {
        let mut numbers = self.numbers.iter();
        numbers.find_map(|(known, value)| number::same(*known, number).then_some(*value))
    }
}

fn same_without_case(a: &str, b: &str) -> bool {
    let lower = |text| str::chars(text).flat_map(char::to_lowercase);
    lower(a).eq(lower(b))
}

/// The values of a channel that mean that there is none.
#[derive(Debug)]
pub(super) struct Missing(Vec<Literal>);

impl Missing {
    pub(super) fn new(literals: &[Literal]) -> Self {
        let trimmed = |literal: &Literal| match literal {
            Literal::Text(text) => Literal::Text(text.trim().to_owned()),
            other => other.clone(),
        };
        Self(literals.iter().map(trimmed).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has_bool(&self, value: bool) -> bool {
        self.0.contains(&Literal::Bool(value))
    }

    pub(super) fn has_number(&self, value: Value) -> bool {
        self.0.iter().any(|literal| match *literal {
            Literal::Int(known) => number::same(Value::I64(known), value),
            Literal::Float(known) => number::same(Value::F64(known), value),
            Literal::Bool(_) | Literal::Text(_) => false,
        })
    }

    pub(super) fn has_text(&self, value: &str) -> bool {
        let is = |literal: &Literal| matches!(literal, Literal::Text(text) if text == value);
        self.0.iter().any(is)
    }
}

/// Why there is no value, if a text says so.
pub(super) fn missing(text: &str) -> Option<Reason> {
    const NAN: [&str; 3] = ["nan", "inf", "infinity"];
    const UNAVAILABLE: [&str; 11] = [
        "unavailable",
        "unknown",
        "none",
        "null",
        "n/a",
        "na",
        "-",
        "--",
        "---",
        "error",
        "offline",
    ];
    let one_of =
        |words: &[&str], text: &str| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    if text.is_empty() {
        Some(Reason::Null)
    } else if one_of(&UNAVAILABLE, text) {
        Some(Reason::Unavailable)
    } else if one_of(&NAN, text.strip_prefix(['+', '-']).unwrap_or(text)) {
        Some(Reason::Nan)
    } else {
        None
    }
}
