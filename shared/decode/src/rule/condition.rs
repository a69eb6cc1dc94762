//! Comparing what a payload says with what a configuration lists.

use regex::Regex;

use crate::config::Literal;
use crate::path::Path;
use crate::template::Template;
use crate::{Item, Scalar};

/// A condition on a text.
#[derive(Debug)]
pub(super) struct Condition {
    pub of: Template,
    pub is: Vec<Literal>,
    pub is_not: Vec<Literal>,
    pub matches: Option<Regex>,
}

/// A field that says whether a value is good.
#[derive(Debug)]
pub(super) struct Quality {
    /// The first that is there.
    pub paths: Vec<Path>,
    pub good: Vec<Literal>,
    pub bad: Vec<Literal>,
}

/// What says whether a device is there.
#[derive(Debug)]
pub(super) struct Liveness {
    pub path: Option<Path>,
    pub online: Vec<Literal>,
    pub offline: Vec<Literal>,
    pub always: Option<bool>,
}

impl Condition {
    /// Whether it is met by a text; `None` is a text that is not there.
    pub(super) fn is_met(&self, text: Option<&str>) -> bool {
        let among = |literals: &[Literal]| {
            text.is_some_and(|text| literals.iter().any(|one| is_text(one, text, false)))
        };
        (self.is.is_empty() || among(&self.is))
            && !among(&self.is_not)
            && self
                .matches
                .as_ref()
                .is_none_or(|regex| text.is_some_and(|text| regex.is_match(text)))
    }
}

impl Quality {
    /// Whether the value is good. What says nothing says nothing bad.
    pub(super) fn is_good(&self, item: Item<'_>) -> bool {
        // OPC UA writes a status with a name as `{Code, Symbol}` (OPC 10000-6 §5.4.2.11).
        let scalar = item.scalar().or_else(|| item.get("Code")?.scalar());
        let Some(scalar) = scalar.filter(|scalar| *scalar != Scalar::Null) else {
            return true;
        };
        let among = |literals: &[Literal]| literals.iter().any(|one| is_scalar(one, scalar));
        match (self.good.is_empty(), self.bad.is_empty()) {
            (true, true) => is_good_by_custom(scalar),
            (true, false) => !among(&self.bad),
            (false, _) => among(&self.good) && !among(&self.bad),
        }
    }
}

/// Classic OPC has the quality in the two highest bits of a byte, 192 is good and the bits below say
/// how so (OPC DA 3.00 §6.8); in OPC UA 0 is good (OPC 10000-4 §7.39).
fn is_good_by_custom(scalar: Scalar<'_>) -> bool {
    let code = |code: i64| code == 0 || (192..=219).contains(&code);
    match scalar {
        Scalar::Bool(good) => good,
        Scalar::Int(value) => code(value),
        Scalar::Float(value) => value.fract() == 0.0 && code(value as i64),
        Scalar::Text(text) => {
            matches!(text, "A")
                || text.eq_ignore_ascii_case("good")
                || text.eq_ignore_ascii_case("true")
                || text.parse().is_ok_and(code)
        }
        Scalar::Uint(_) | Scalar::Null => false,
    }
}

impl Liveness {
    /// Whether the device is there; `None` if that is not said.
    pub(super) fn state(&self, item: Option<Item<'_>>) -> Option<bool> {
        if self.always.is_some() {
            return self.always;
        }
        let scalar = item?.scalar()?;
        let among = |literals: &[Literal]| {
            literals.iter().any(|one| match scalar {
                Scalar::Text(text) => is_text(one, text, true),
                scalar => is_scalar(one, scalar),
            })
        };
        match (among(&self.online), among(&self.offline)) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }
}

/// Whether a value is what the configuration says; a number in a text is as good as a number.
#[expect(clippy::float_cmp, reason = "what is listed is meant exactly")]
fn is_scalar(literal: &Literal, scalar: Scalar<'_>) -> bool {
    match (literal, scalar) {
        (_, Scalar::Text(text)) => is_text(literal, text, false),
        (Literal::Bool(a), Scalar::Bool(b)) => *a == b,
        (Literal::Int(a), Scalar::Int(b)) => *a == b,
        (Literal::Int(a), Scalar::Float(b)) => *a as f64 == b,
        (Literal::Float(a), Scalar::Float(b)) => *a == b,
        (Literal::Float(a), Scalar::Int(b)) => *a == b as f64,
        (Literal::Text(a), Scalar::Bool(b)) => a == if b { "true" } else { "false" },
        (Literal::Text(a), Scalar::Int(b)) => a.parse() == Ok(b),
        _ => false,
    }
}

fn is_text(literal: &Literal, text: &str, any_case: bool) -> bool {
    match literal {
        Literal::Text(literal) if any_case => literal.to_lowercase() == text.trim().to_lowercase(),
        Literal::Text(literal) => literal == text,
        Literal::Bool(literal) => {
            text.eq_ignore_ascii_case(if *literal { "true" } else { "false" })
        }
        Literal::Int(literal) => {
            text.parse() == Ok(*literal) || text.parse() == Ok(*literal as f64)
        }
        Literal::Float(literal) => text.parse() == Ok(*literal),
    }
}
