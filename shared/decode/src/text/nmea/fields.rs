//! Fields of a sentence, by their place in the standard, which counts from 1.

use super::number;
use crate::Scalar;

/// What stands behind the sentence's address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'t>(&'t str);

impl<'t> Fields<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self(text)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        self.0.split(',').map(str::trim)
    }

    /// The field at a place; `""` if the sentence is shorter.
    pub(super) fn text(&self, place: usize) -> &'t str {
        self.iter().nth(place - 1).unwrap_or_default()
    }

    /// A number.
    pub(super) fn number(&self, place: usize) -> Scalar<'t> {
        number::padded(self.text(place))
    }

    /// A number whose direction stands in the next field: west and south are negative.
    pub(super) fn signed(&self, place: usize) -> Scalar<'t> {
        let text = self.text(place);
        let Some(value) = number::float(text) else {
            return number::padded(text);
        };
        match self.text(place + 1) {
            "E" | "N" => Scalar::Float(value),
            "W" | "S" => Scalar::Float(-value),
            "" => Scalar::Null,
            direction => Scalar::Text(direction),
        }
    }

    /// Degrees from `ddmm.mmmm` and the hemisphere in the next field. What is not that stays text, so
    /// that it is seen and rejected.
    pub(super) fn degrees(&self, place: usize, max: f64) -> Scalar<'t> {
        let text = self.text(place);
        let hemisphere = self.text(place + 1);
        if text.is_empty() || hemisphere.is_empty() {
            return Scalar::Null;
        }
        let sign = match hemisphere {
            "N" | "E" => 1.0,
            "S" | "W" => -1.0,
            _ => return Scalar::Text(hemisphere),
        };
        match degrees(text).filter(|degrees| *degrees <= max) {
            Some(degrees) => Scalar::Float(sign * degrees),
            None => Scalar::Text(text),
        }
    }
}

/// The last two digits before the point are minutes, what stands before them are degrees.
fn degrees(text: &str) -> Option<f64> {
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return None;
    }
    let point = text.find('.').unwrap_or(text.len());
    let (degrees, minutes) = text.split_at(point.checked_sub(2)?);
    let degrees = if degrees.is_empty() {
        0.0
    } else {
        number::float(degrees)?
    };
    let minutes = number::float(minutes).filter(|minutes| *minutes < 60.0)?;
    Some(degrees + minutes / 60.0)
}
