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

    /// A number that came in `unit` (`""` if nobody says) and the unit that it ends up in. A number that
    /// nothing changes stays exact.
    pub(super) fn apply<'a>(
        &'a self,
        value: Value,
        unit: &'a str,
    ) -> Result<(Value, &'a str), (Reason, String)> {
        let conversion = match &self.unit {
            _ if unit.is_empty() || unit == self.from => self.conversion,
            None => Conversion::IDENTITY,
            Some(to) => conversion(unit, to).map_err(|message| (Reason::Unit, message))?,
        };
        let unit = self.unit(unit);
        if self.linear.is_identity() && conversion.is_identity() {
            return Ok((value, unit));
        }
        let result = conversion.apply(self.linear.apply(value.as_f64()));
        if result.is_finite() {
            Ok((Value::F64(result), unit))
        } else {
            let message = format!("{} is too large to be scaled", value.as_f64());
            Err((Reason::Value, message))
        }
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
