//! Units of measurement, and how a value in one becomes a value in another.
//!
//! A unit is known by what it measures and by its size in that quantity's base unit. The size is a
//! fraction of two numbers and not one number, so that 3035 mV become 3035 / 1000 = 3.035 V, where
//! 3035 × 0.001 would be 3.0350000000000001.

mod spelling;
mod table;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use spelling::Spelling;
use table::{PREFIXES, QUANTITIES, WORDS};

/// How a value in one unit becomes a value in another:
/// `(value − zero_from) × numerator / denominator + zero_to`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conversion {
    zero_from: f64,
    factor: Ratio,
    zero_to: f64,
}

impl Conversion {
    /// Every value stays what it is.
    pub(crate) const IDENTITY: Self = Self {
        zero_from: 0.0,
        factor: Ratio::ONE,
        zero_to: 0.0,
    };

    /// `value × scale + offset`.
    pub(crate) fn linear(scale: f64, offset: f64) -> Self {
        Self {
            zero_from: 0.0,
            factor: Ratio::nearest(scale),
            zero_to: offset,
        }
    }

    /// Whether every value stays what it is.
    pub(crate) fn is_identity(&self) -> bool {
        *self == Self::IDENTITY
    }

    /// The value in the other unit.
    pub fn apply(&self, value: f64) -> f64 {
        let Ratio { num, den } = self.factor;
        (value - self.zero_from) * num / den + self.zero_to
    }
}

/// How values in `from` become values in `to`; `None` if the two measure different things or one is
/// unknown. What is spelled the same is the same, known or not.
pub fn conversion(from: &str, to: &str) -> Option<Conversion> {
    if from == to {
        return Some(Conversion::IDENTITY);
    }
    let to = meanings(to);
    // A spelling may have several meanings (`g`, see `table`): the other unit tells which is meant.
    let (from, to) = meanings(from)
        .iter()
        .find_map(|from| Some((from, to.iter().find(|to| to.quantity == from.quantity)?)))?;
    if (from.size, from.zero) == (to.size, to.zero) {
        return Some(Conversion::IDENTITY);
    }
    Some(Conversion {
        zero_from: from.zero,
        factor: Ratio {
            num: from.size.num * to.size.den,
            den: from.size.den * to.size.num,
        }
        .reduced(),
        zero_to: to.zero,
    })
}

/// Whether it is the spelling of a unit that this module knows.
pub(crate) fn is_known(unit: &str) -> bool {
    !meanings(unit).is_empty()
}

/// A fraction of two positive numbers (or a negative numerator), kept apart for exactness.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ratio {
    num: f64,
    den: f64,
}

impl Ratio {
    const ONE: Self = Self { num: 1.0, den: 1.0 };

    /// The fraction that somebody means who writes `value`: 1/10 for 0.1, 1/3 for 0.333333333333.
    fn nearest(value: f64) -> Self {
        let near = |x: f64| (1.0..9e15).contains(&x.abs()) && (x / x.round() - 1.0).abs() < 1e-12;
        let reciprocal = 1.0 / value;
        if near(reciprocal) {
            let den = reciprocal.round();
            return Self {
                num: den.signum(),
                den: den.abs(),
            };
        }
        (0..=12)
            .map(|digits| 10_f64.powi(digits))
            .find(|den| near(value * den))
            .map_or(
                Self {
                    num: value,
                    den: 1.0,
                },
                |den| Self {
                    num: (value * den).round(),
                    den,
                },
            )
    }

    /// In lowest terms, if both are whole numbers that a double holds exactly.
    fn reduced(self) -> Self {
        let whole = |x: f64| x.fract() == 0.0 && x.abs() < 9e15;
        if !whole(self.num) || !whole(self.den) {
            return self;
        }
        let (mut a, mut b) = (self.num.abs(), self.den.abs());
        while b != 0.0 {
            (a, b) = (b, a % b);
        }
        Self {
            num: self.num / a,
            den: self.den / a,
        }
    }
}

/// One meaning of one spelling.
struct Unit {
    spelling: Box<str>,
    /// Position in [`QUANTITIES`].
    quantity: usize,
    /// In base units of the quantity.
    size: Ratio,
    /// Where the base unit's zero is on this unit's scale.
    zero: f64,
}

/// All units with all their prefixes, by spelling; of equal spellings the first in the table first.
static UNITS: LazyLock<Vec<Unit>> = LazyLock::new(|| {
    let mut units = Vec::new();
    for (quantity, (_, rows)) in QUANTITIES.iter().enumerate() {
        for row in *rows {
            let prefixes = PREFIXES
                .iter()
                .filter(|(prefix, ..)| row.prefixes.contains(*prefix));
            for &(prefix, num, den) in [(' ', 1.0, 1.0)].iter().chain(prefixes) {
                for name in row.spellings.split(' ') {
                    units.push(Unit {
                        spelling: format!("{prefix}{name}").trim_start().into(),
                        quantity,
                        size: Ratio {
                            num: row.num * num,
                            den: row.den * den,
                        }
                        .reduced(),
                        zero: row.zero,
                    });
                }
            }
        }
    }
    units.sort_by(|a, b| a.spelling.cmp(&b.spelling));
    units
});

/// What a spelling can mean; nothing if it is unknown.
fn meanings(unit: &str) -> &'static [Unit] {
    let word = WORDS
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(unit));
    let Some(spelling) = Spelling::new(word.map_or(unit, |(_, unit)| unit)) else {
        return &[];
    };
    let spelling = spelling.as_str();
    let start = UNITS.partition_point(|unit| &*unit.spelling < spelling);
    let rest = &UNITS[start..];
    let len = rest.partition_point(|unit| &*unit.spelling == spelling);
    &rest[..len]
}
