//! From a number as it was sent to one in the channel's unit.

use super::quoted;
use crate::config::Channel;
use crate::unit::{self, Conversion};
use crate::{Reason, Value};

/// The scale, offset and units of a channel.
#[derive(Debug)]
pub(super) struct Scaling {
    /// `scale` and `offset`.
    linear: Conversion,
    /// Unit of what the payload gives no unit for; `""` if nobody knows.
    from: String,
    /// Unit that values end up in; `None`: the one they come in.
    unit: Option<String>,
    /// From `from` to `unit`.
    conversion: Conversion,
}

/// How a value was sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent<'a> {
    /// In which unit; `""` if nobody says.
    pub unit: &'a str,
    /// The factor that a lookup table gives, if it does.
    pub scale: Option<Conversion>,
}

impl<'a> From<&'a str> for Sent<'a> {
    fn from(unit: &'a str) -> Self {
        Self { unit, scale: None }
    }
}

/// What becomes of a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    scale: Conversion,
    linear: Conversion,
    conversion: Conversion,
}

impl Change {
    /// Whether every number stays what it is.
    pub(crate) fn is_none(&self) -> bool {
        self.scale.is_identity() && self.linear.is_identity() && self.conversion.is_identity()
    }

    /// The number, if it can be changed.
    #[inline]
    pub(crate) fn finite(&self, value: f64) -> Option<f64> {
        // Adding 0 would take the sign off another one.
        let value = if self.is_none() {
            value
        } else {
            self.apply(value)
        };
        value.is_finite().then_some(value)
    }

    /// The number; infinite or NaN if it is too large.
    #[inline]
    pub(crate) fn apply(&self, value: f64) -> f64 {
        let value = self.scale.apply(value);
        self.conversion.apply(self.linear.apply(value))
    }
}

impl Scaling {
    /// Adds what is wrong with a channel's keys to `faults`; what comes back then is of no use.
    pub(super) fn compile(spec: &Channel, faults: &mut Vec<(&'static str, String)>) -> Self {
        let scale = spec.scale.unwrap_or(1.0);
        if !scale.is_finite() || scale == 0.0 {
            let message = format!("{scale} is no factor; it has to be a number other than 0");
            faults.push(("scale", message));
        }
        let offset = spec.offset.unwrap_or(0.0);
        if !offset.is_finite() {
            let message = format!("{offset} can't be added; it has to be a finite number");
            faults.push(("offset", message));
        }
        let from = spec.from.clone().unwrap_or_default();
        let unit = spec.unit.clone();
        let to = unit.as_deref().unwrap_or(&from);
        let conversion = conversion(&from, to).unwrap_or_else(|message| {
            let message = format!("{message}; use two units of the same quantity, or `scale`");
            faults.push(("from", message));
            Conversion::IDENTITY
        });
        Self {
            linear: Conversion::linear(scale, offset),
            from,
            unit,
            conversion,
        }
    }

    /// A number as it was sent and the unit that it ends up in. A number that nothing changes stays exact.
    pub(super) fn apply<'a>(
        &'a self,
        value: Value,
        sent: Sent<'a>,
    ) -> Result<(Value, &'a str), (Reason, String)> {
        let (change, unit) = self
            .change(sent)
            .map_err(|message| (Reason::Unit, message))?;
        if change.is_none() {
            return Ok((value, unit));
        }
        let result = change.apply(value.as_f64());
        if result.is_finite() {
            Ok((Value::F64(result), unit))
        } else {
            let message = format!("{} is too large to be scaled", value.as_f64());
            Err((Reason::Value, message))
        }
    }

    /// What becomes of numbers that were sent so, and the unit that they end up in.
    ///
    /// # Errors
    /// In words, if their unit is not one of the channel's quantity.
    pub(super) fn change<'a>(&'a self, sent: Sent<'a>) -> Result<(Change, &'a str), String> {
        let Sent { unit, scale } = sent;
        let conversion = match &self.unit {
            _ if unit.is_empty() || unit == self.from => self.conversion,
            None => Conversion::IDENTITY,
            Some(to) => conversion(unit, to)?,
        };
        let change = Change {
            scale: scale.unwrap_or(Conversion::IDENTITY),
            linear: self.linear,
            conversion,
        };
        Ok((change, self.unit(unit)))
    }

    /// Whether every number stays what it is, whatever unit it comes in.
    pub(super) fn is_none(&self) -> bool {
        self.unit.is_none() && self.linear.is_identity() && self.conversion.is_identity()
    }

    /// The unit that what came in `unit` ends up in.
    pub(super) fn unit<'a>(&'a self, unit: &'a str) -> &'a str {
        match &self.unit {
            Some(unit) => unit,
            None if unit.is_empty() => &self.from,
            None => unit,
        }
    }

    /// Whether what stands behind a number is a unit.
    pub(super) fn is_unit(&self, suffix: &str) -> bool {
        suffix == self.from || self.unit.as_deref() == Some(suffix) || unit::is_known(suffix)
    }
}

/// As [`unit::conversion`], where what has no unit is taken as it is.
fn conversion(from: &str, to: &str) -> Result<Conversion, String> {
    if from.is_empty() || to.is_empty() {
        return Ok(Conversion::IDENTITY);
    }
    unit::conversion(from, to)
        .ok_or_else(|| format!("{} does not convert to {}", quoted(from), quoted(to)))
}
