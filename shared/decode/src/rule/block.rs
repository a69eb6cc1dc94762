//! Arrays of samples.

use super::channels::Spec;
use super::emit::reading;
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
            Moment::Bad(bad) => {
                let bad = bad.clone();
                return self.reject(array, bad.0, &bad.1);
            }
        };
        let (first, interval) = match self.first_of(time, n) {
            Ok(first) => first,
            Err(detail) => return self.reject(array, Reason::Time, &detail),
        };
        self.samples.clear();
        self.samples.reserve(n);
        self.names.block_unit.clear();
        if !self.take_all(array, spec) {
            self.take_each(array, (first, interval), spec);
        }
        self.flush(n, (first, interval), spec);
    }

    /// Takes all samples of an array of numbers that have no nodes; `false`, and nothing taken, if it is
    /// none, or one of them cannot be taken.
    fn take_all(&mut self, array: Item<'d>, spec: &'r Spec) -> bool {
        let sent = self.context.sent(&self.names.own_unit);
        let Some((numbers, (change, unit))) = array.numbers().zip(spec.reader.change(sent)) else {
            return false;
        };
        self.samples.extend_from_slice(numbers);
        if !change.is_none() {
            let change = |sample: &mut f64| *sample = change.apply(*sample);
            self.samples.iter_mut().for_each(change);
            if !self.samples.iter().all(|sample| sample.is_finite()) {
                self.samples.clear();
                return false;
            }
        }
        self.names.block_unit.push_str(unit);
        true
    }

    /// Takes them one by one.
    fn take_each(&mut self, array: Item<'d>, times: (Time, i64), spec: &'r Spec) {
        // What becomes of numbers is the same for all of them.
        let sent = self.context.sent(&self.names.own_unit);
        let change = spec.reader.change(sent).map(|(change, _)| change);
        let (numbers, mut items) = (array.numbers(), array.items());
        let mut told = false;
        for i in 0..array.len() {
            let number = numbers.and_then(|numbers| numbers.get(i));
            let item = items.next().unwrap_or(array);
            let scalar =
                number.map_or_else(|| item.scalar(), |number| Some(Scalar::Float(*number)));
            let sent = self.context.sent(&self.names.own_unit);
            let changed = change.zip(scalar.and_then(finite));
            if let Some((change, value)) = changed
                && let Some(value) = change.finite(value)
            {
                if !std::mem::replace(&mut told, true)
                    && let Some((_, unit)) = spec.reader.change(sent)
                {
                    self.names.block_unit.push_str(unit);
                }
                self.samples.push(value);
                continue;
            }
            let outcome = match (number, scalar) {
                (Some(_), Some(scalar)) => spec.reader.scalar(scalar, sent),
                _ => spec.reader.read(item, sent),
            };
            let outcome = match outcome {
                Outcome::Value { value, unit } => {
                    if !std::mem::replace(&mut told, true) {
                        self.names.block_unit.push_str(unit);
                    }
                    self.samples.push(value.as_f64());
                    continue;
                }
                Outcome::Missing(reason) => Err(reason),
                Outcome::Rejected(reason, detail) => Ok((reason, detail)),
            };
            self.flush(i, times, spec);
            let element = number.map(|_| i);
            match outcome {
                Err(reason) => self.missing_in(item, element, reason),
                Ok((reason, detail)) => self.reject_in(item, element, reason, &detail),
            }
        }
    }

    /// Hands out the samples that end in front of the `end`th.
    fn flush(&mut self, end: usize, (first, interval_ns): (Time, i64), spec: &Spec) {
        let Some(value) = self.samples.first() else {
            return;
        };
        let start = end - self.samples.len();
        let time = map_time(first, |at| at.saturating_add(span(interval_ns, start)));
        let first = reading(
            self.names,
            &self.context,
            self.facts,
            spec,
            self.plan.modulus,
        );
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

fn finite(scalar: Scalar<'_>) -> Option<f64> {
    match scalar {
        Scalar::Int(value) => Some(value as f64),
        Scalar::Float(value) if value.is_finite() => Some(value),
        _ => None,
    }
}
