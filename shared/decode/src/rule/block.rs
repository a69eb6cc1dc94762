//! Arrays of samples.

use super::channels::Spec;
use super::emit::{reading, scaled};
use super::run::{Moment, Run};
use super::sampling::{map_time, span};
use crate::value::Outcome;
use crate::{Event, Item, Reason, Scalar, Time, Value};

impl<'r, 'd> Run<'r, 'd> {
    /// The samples of an array: a block, or several where samples are missing between.
    pub(super) fn block(&mut self, array: Item<'d>, spec: &'r Spec) {
        let n = array.len();
        if n == 0 {
            return self.missing(array, Reason::Null);
        }
        let time = match &self.context.time {
            Moment::At(time) => *time,
            Moment::Bad(reason, detail) => {
                let (reason, detail) = (*reason, detail.clone());
                return self.reject(array, reason, &detail);
            }
        };
        let (first, interval) = match self.first_of(time, n) {
            Ok(first) => first,
            Err(detail) => return self.reject(array, Reason::Time, &detail),
        };
        self.samples.clear();
        self.samples.reserve(n);
        let scale = self.scale();
        let plain =
            scale.is_none() && (spec.unitless || spec.plain && self.names.own_unit.is_empty());
        self.names.block_unit.clear();
        let mut told = false;
        for (i, item) in array.items().enumerate() {
            // The unit is the same for all, so that only the first is asked for it.
            if let (true, true, Some(value)) = (plain, told, finite(item)) {
                self.samples.push(value);
                continue;
            }
            let outcome = match spec.reader.read(item, &self.names.own_unit) {
                Outcome::Value { value, unit } => {
                    if !std::mem::replace(&mut told, true) {
                        self.names.block_unit.push_str(unit);
                    }
                    self.samples.push(scaled(value, scale).as_f64());
                    continue;
                }
                Outcome::Missing(reason) => Err(reason),
                Outcome::Rejected(reason, detail) => Ok((reason, detail)),
            };
            self.flush(i, first, interval, spec);
            match outcome {
                Err(reason) => self.missing(item, reason),
                Ok((reason, detail)) => self.reject(item, reason, &detail),
            }
        }
        self.flush(n, first, interval, spec);
    }

    /// Hands out the samples that end in front of the `end`th.
    fn flush(&mut self, end: usize, first: Time, interval_ns: i64, spec: &Spec) {
        let Some(value) = self.samples.first() else {
            return;
        };
        let start = end - self.samples.len();
        let time = map_time(first, |at| at.saturating_add(span(interval_ns, start)));
        let first = reading(self.names, &self.context, self.facts, spec);
        let first = first(time, Value::F64(*value), &self.names.block_unit);
        self.outcome.any = true;
        (self.sink)(Event::Block {
            first,
            interval_ns,
            values: self.samples,
        });
        self.samples.clear();
    }
}

fn finite(item: Item<'_>) -> Option<f64> {
    match item.scalar()? {
        Scalar::Int(value) => Some(value as f64),
        Scalar::Float(value) if value.is_finite() => Some(value),
        _ => None,
    }
}
