//! What holds for the values of an element: names, time, quality.

use std::borrow::Cow;

use eyot_pipeline::Timestamp;

use super::Capture;
use super::clock::{Clock, Place};
use super::run::{Moment, Run};
use super::sampling::number;
use crate::config::Before2000;
use crate::path::Path;
use crate::scope::Scope;
use crate::time::Instant;
use crate::{Item, Reason, Scalar, Time};

impl<'d> Run<'_, 'd> {
    /// Finds out what holds for the values of the element; `false` if it is to be passed over.
    pub(super) fn prepare(&mut self) -> bool {
        let plan = self.plan;
        if plan.is_simple {
            let scope = Scope {
                root: self.root,
                topic: self.topic,
                at: self.at,
            };
            self.context.device = plan.device.lent(self.topic);
            self.context.named =
                self.context.device.is_some() || plan.device.render(&scope, &mut self.names.device);
            self.context.time = self.moment();
            return true;
        }
        self.at.groups.clear();
        for (i, capture) in plan.captures.iter().enumerate() {
            if !self.capture(capture, i) {
                return false;
            }
        }
        let scope = Scope {
            root: self.root,
            topic: self.topic,
            at: self.at,
        };
        for condition in &plan.conditions {
            let there = condition.of.render(&scope, &mut self.names.text);
            if !condition.is_met(there.then_some(&self.names.text)) {
                return false;
            }
        }
        self.context.entry = None;
        if let Some(lookup) = &plan.lookup {
            let there = lookup.key.render(&scope, &mut self.names.text);
            self.context.entry = lookup.table.get(&self.names.text).filter(|_| there);
            if self.context.entry.is_none() && !lookup.optional {
                return false;
            }
        }
        let entry = self.context.entry;
        let device = entry.and_then(|entry| entry.device.as_deref());
        self.context.device = device.or_else(|| plan.device.lent(self.topic));
        self.context.named =
            self.context.device.is_some() || plan.device.render(&scope, &mut self.names.device);
        let has_unit = plan
            .unit
            .as_ref()
            .is_some_and(|unit| unit.render(&scope, &mut self.names.unit));
        if !has_unit {
            self.names.unit.clear();
        }
        let item = |path: &Option<_>| {
            path.as_ref()
                .and_then(|path: &crate::path::Path| path.get(&scope))
        };
        self.context.sequence = item(&plan.sequence).and_then(sequence);
        self.context.historical = item(&plan.historical).is_some_and(is_true);
        self.names.boot.clear();
        if let Some(item) = item(&plan.boot_id) {
            crate::scope::write_scalar(item, &mut self.names.boot);
        }
        self.context.booted = !self.names.boot.is_empty();
        self.names.id.clear();
        if let Some(item) = item(&plan.message_id) {
            crate::scope::write_scalar(item, &mut self.names.id);
        }
        self.context.identified = !self.names.id.is_empty();
        self.context.good = plan.quality.as_ref().is_none_or(|quality| {
            let mut paths = quality.paths.iter();
            let item = paths.find_map(|path| path.get(&scope));
            item.is_none_or(|item| quality.is_good(item))
        });
        self.context.time = self.moment();
        true
    }

    /// The same for one value, if that makes a difference.
    pub(super) fn prepare_value(&mut self, base: Item<'d>, item: Item<'d>) -> bool {
        if !self.plan.relative {
            return true;
        }
        self.at.set_trail(base, item.id());
        if self.facts.find_unmapped {
            let scope = Scope {
                root: self.root,
                topic: self.topic,
                at: self.at,
            };
            for path in self.plan.fields.iter().filter(|path| path.is_relative()) {
                if let Some(item) = path.get(&scope) {
                    self.known.used.set(item);
                }
            }
        }
        let taken = self.prepare();
        if !taken {
            self.known.mapped.set(item);
        }
        taken
    }

    /// Captures parts of a text; `false` if it is not there or does not match.
    fn capture(&mut self, capture: &Capture, i: usize) -> bool {
        let scope = Scope {
            root: self.root,
            topic: self.topic,
            at: self.at,
        };
        if !capture.from.render(&scope, &mut self.names.text) {
            return false;
        }
        let text = self.names.text.as_str();
        let locations = &mut self.state.locations[i];
        if capture.regex.captures_read(locations, text).is_none() {
            return false;
        }
        for group in &capture.groups {
            let span = locations.get(*group);
            self.at
                .groups
                .push(span.and_then(|(start, end)| text.get(start..end)));
        }
        true
    }

    /// When the values were true: what the first place says that says something.
    fn moment(&mut self) -> Moment {
        self.context.around_ns = None;
        let scope = Scope {
            root: self.root,
            topic: self.topic,
            at: self.at,
        };
        for Clock { place, reader, add } in &self.plan.clocks {
            let scalar = match place {
                Place::Path(path) => match path.get(&scope) {
                    None => continue,
                    Some(item) => match item.scalar() {
                        None => {
                            return Moment::bad(Reason::Time, "the time is an array or an object");
                        }
                        Some(scalar) => scalar,
                    },
                },
                Place::Text(template) if template.render(&scope, &mut self.names.text) => {
                    Scalar::Text(&self.names.text)
                }
                Place::Text(_) => continue,
            };
            if matches!(scalar, Scalar::Null | Scalar::Text("")) {
                continue;
            }
            let time = reader.read(scalar).and_then(|time| match add {
                Some(add) => later(time, add, &scope),
                None => Ok(time),
            });
            return match time {
                Ok(Instant::Utc(at)) if at >= Timestamp::YEAR_2000 => Moment::At(Time::Payload(at)),
                Ok(Instant::Utc(_)) => match self.plan.before_2000 {
                    Before2000::Restamp => break,
                    Before2000::Reject => Moment::bad(
                        Reason::Before2000,
                        "the time is before 2000: the clock was not set",
                    ),
                },
                Ok(Instant::DeviceClock(at)) => {
                    self.context.around_ns = reader.around_ns();
                    Moment::At(Time::DeviceClock(at))
                }
                Err(detail) => Moment::bad(Reason::Time, detail),
            };
        }
        Moment::At(Time::Arrival(self.facts.arrival))
    }
}

/// The time with the number added that the path leads to, if there is one.
fn later(
    time: Instant,
    (path, nanoseconds): &(Path, f64),
    scope: &Scope<'_, '_>,
) -> Result<Instant, Cow<'static, str>> {
    let Some(item) = path.get(scope) else {
        return Ok(time);
    };
    let add = number(item).ok_or("what is to be added to the time is not a number")?;
    // What is too large for an `i64` becomes its end.
    let add = (add * nanoseconds).round() as i64;
    Ok(match time {
        Instant::Utc(at) => Instant::Utc(Timestamp(at.0.saturating_add(add))),
        Instant::DeviceClock(at) => Instant::DeviceClock(at.saturating_add(add)),
    })
}

fn sequence(item: Item<'_>) -> Option<u64> {
    match item.scalar()? {
        Scalar::Int(value) => value.try_into().ok(),
        Scalar::Uint(value) => Some(value),
        Scalar::Float(value) => {
            (value >= 0.0 && value.fract() == 0.0 && value < 2f64.powi(53)).then_some(value as u64)
        }
        Scalar::Text(text) => text.trim().parse().ok(),
        Scalar::Bool(_) | Scalar::Null => None,
    }
}

fn is_true(item: Item<'_>) -> bool {
    match item.scalar() {
        Some(Scalar::Bool(value)) => value,
        Some(Scalar::Int(value)) => value != 0,
        Some(Scalar::Text(text)) => text.eq_ignore_ascii_case("true") || text == "1",
        _ => false,
    }
}
