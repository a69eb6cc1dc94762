//! Values become events.

use std::fmt::Write;

use super::channels::Spec;
use super::condition::Liveness;
use super::run::{Context, Facts, Moment, Names, Run};
use super::sampling::{map_time, span};
use super::{Field, What};
use crate::json::Selection;
use crate::scope::{Scope, WHOLE, walk_to, write_path};
use crate::value::Outcome;
use crate::{Event, Item, Reading, Reason, Sender, Time, Value};

impl<'r, 'd> Run<'r, 'd> {
    /// A value in a known place; nothing if nothing is there.
    pub(super) fn field(&mut self, field: &'r Field) {
        let Some(found) = field.path.find(&self.scope()) else {
            return;
        };
        if !field.name.is_empty() {
            self.at.path.clear();
            self.at.path.push_str(&field.name);
        }
        if !self.prepare_value(found.base, found.item) {
            return;
        }
        match self.name_channel(field.channel.as_ref()) {
            Some(spec) => self.read(found.item, spec),
            None => self.reject_name(found.item),
        }
    }

    /// Whether the device is there.
    pub(super) fn liveness(&mut self, liveness: &Liveness, element: Item<'d>) {
        let item = match &liveness.path {
            // A bare word is all that the message says.
            Some(path) if element.scalar().is_none() => path.get(&self.scope()),
            _ => Some(element),
        };
        let Some(online) = liveness.state(item) else {
            return;
        };
        let item = item.unwrap_or(element);
        self.known.mapped.set(item);
        if !self.context.named {
            self.names.channel.clear();
            return self.reject_name(item);
        }
        self.outcome.any = true;
        (self.sink)(Event::Liveness {
            device: self.context.device(self.names),
            online,
        });
    }

    /// Puts the channel's name together, and says what is known of it; `None` without a name.
    pub(super) fn name_channel(
        &mut self,
        fixed: Option<&'r (Box<str>, usize)>,
    ) -> Option<&'r Spec> {
        let (plan, entry) = (self.plan, self.context.entry);
        if let Some(channel) = entry.and_then(|entry| entry.channel.as_deref()) {
            self.context.channel = Some(channel);
        } else if let Some((channel, position)) = fixed {
            self.context.channel = Some(channel);
            return Some(plan.channels.at(*position));
        } else {
            self.context.channel = plan.channel.lent(self.topic);
        }
        if let Some(channel) = self.context.channel {
            return Some(plan.channels.find(channel));
        }
        let scope = Scope {
            root: self.root,
            topic: self.topic,
            at: self.at,
        };
        let channel = &mut self.names.channel;
        if !plan.channel.render(&scope, channel) {
            channel.clear();
            return None;
        }
        Some(plan.channels.find(channel))
    }

    /// A value of the channel that was named last.
    pub(super) fn read(&mut self, item: Item<'d>, spec: &'r Spec) {
        if self.facts.find_unmapped {
            self.known.mapped.set(item);
        }
        if spec.ignore {
            return;
        }
        if !self.context.named {
            return self.reject_name(item);
        }
        let own_time = matches!(
            self.context.time,
            Moment::At(Time::Payload(_) | Time::DeviceClock(_))
        );
        if self.facts.own_time_only && !own_time {
            self.outcome.replayed = true;
            return;
        }
        self.set_unit(spec);
        if !self.context.good {
            return self.missing(item, Reason::Quality);
        }
        if self.plan.samples.is_some() && item.is_array() && !spec.words {
            return self.block(item, spec);
        }
        let time = match (&self.context.time, &self.plan.samples) {
            (Moment::At(time), None) => Moment::At(*time),
            _ => self.time_of_sample(),
        };
        match spec
            .reader
            .read(item, self.context.sent(&self.names.own_unit))
        {
            Outcome::Missing(reason) => self.missing(item, reason),
            Outcome::Rejected(reason, detail) => self.reject(item, reason, &detail),
            Outcome::Value { value, unit } => {
                let time = match time {
                    Moment::At(time) => time,
                    Moment::Bad(bad) => return self.reject(item, bad.0, &bad.1),
                };
                let reading = reading(
                    self.names,
                    &self.context,
                    self.facts,
                    spec,
                    self.plan.modulus,
                )(time, value, unit);
                self.outcome.any = true;
                (self.sink)(Event::Reading(reading));
            }
        }
    }

    /// The unit that values of the channel come in: the table's, the channel's, or the rule's.
    fn set_unit(&mut self, spec: &Spec) {
        let names = &mut *self.names;
        if let Some(unit) = self.context.entry.and_then(|entry| entry.unit.as_ref()) {
            names.own_unit.clone_from(unit);
            return;
        }
        let there = spec.from.as_ref().is_some_and(|from| {
            let scope = Scope {
                root: self.root,
                topic: self.topic,
                at: self.at,
            };
            from.render(&scope, &mut names.own_unit)
        });
        if !there {
            names.own_unit.clone_from(&names.unit);
        }
    }

    /// The element's time, or that of its place among samples.
    fn time_of_sample(&mut self) -> Moment {
        let (Moment::At(time), Some(_)) = (&self.context.time, &self.plan.samples) else {
            return self.context.time.clone();
        };
        let (time, (i, n)) = (*time, self.at.sample);
        match self.first_of(time, n) {
            Ok((first, interval)) => {
                Moment::At(map_time(first, |at| at.saturating_add(span(interval, i))))
            }
            Err(detail) => Moment::bad(Reason::Time, detail),
        }
    }

    /// The time of the first of `n` samples, and nanoseconds between two.
    ///
    /// # Errors
    /// In words, if the interval cannot be.
    pub(super) fn first_of(&mut self, time: Time, n: usize) -> Result<(Time, i64), String> {
        let Some(samples) = &self.plan.samples else {
            return Ok((time, 0));
        };
        let interval = samples.interval(&self.scope())?;
        let first = map_time(time, |at| samples.first(at, interval, n));
        let (joiner, names) = (&mut self.state.joiner, &*self.names);
        let (device, channel) = (self.context.device(names), self.context.channel(names));
        let mut join = |at| joiner.first(device, channel, at, interval, n);
        let first = match first {
            Time::Payload(at) => Time::Payload(join(at)),
            Time::Arrival(at) => Time::Arrival(join(at)),
            // Its owner puts it on the gateway's time line first.
            Time::DeviceClock(_) => first,
        };
        Ok((first, interval))
    }

    pub(super) fn missing(&mut self, item: Item<'d>, reason: Reason) {
        self.missing_in(item, None, reason);
    }

    /// The same of an element that has no node.
    pub(super) fn missing_in(&mut self, item: Item<'d>, element: Option<usize>, reason: Reason) {
        self.write_path(item, element);
        let names = &*self.names;
        self.outcome.any = true;
        (self.sink)(Event::Missing {
            device: self.context.device(names),
            channel: self.context.channel(names),
            reason,
            path: &names.text,
        });
    }

    pub(super) fn reject(&mut self, item: Item<'d>, reason: Reason, detail: &str) {
        self.reject_in(item, None, reason, detail);
    }

    /// The same of an element that has no node.
    pub(super) fn reject_in(
        &mut self,
        item: Item<'d>,
        element: Option<usize>,
        reason: Reason,
        detail: &str,
    ) {
        self.write_path(item, element);
        let names = &*self.names;
        let device = if self.context.named {
            self.context.device(names)
        } else {
            ""
        };
        let (channel, path) = (self.context.channel(names), names.text.as_str());
        self.outcome.any = true;
        (self.sink)(Event::Rejected {
            device,
            channel,
            reason,
            path,
            detail,
        });
    }

    /// Writes where something stands, and which element of it is meant if that has no node, into
    /// `names.text`.
    fn write_path(&mut self, item: Item<'d>, element: Option<usize>) {
        let (id, path) = (item.id(), &mut self.names.text);
        let place = |selection: &'r Selection| selection.place(self.root, id);
        if let Some((start, base)) = self.plan.selection.as_ref().and_then(place) {
            path.clear();
            path.push_str(start);
            walk_to(base, id, &mut |place| {
                place.write_step(self.root, ".", path);
            });
            if path.is_empty() {
                path.push_str(WHOLE);
            }
        } else {
            write_path(self.root, id, path);
        }
        if let Some(element) = element {
            // Writing into a text does not fail.
            _ = write!(path, "[{element}]");
        }
    }

    /// Without a name of the device or the channel.
    pub(super) fn reject_name(&mut self, item: Item<'d>) {
        let channel = !matches!(self.plan.what, What::Liveness(_))
            && self.context.channel(self.names).is_empty();
        let mut detail = String::new();
        for (missing, what) in [(!self.context.named, "device"), (channel, "channel")] {
            if missing {
                let and = if detail.is_empty() { "" } else { "; " };
                // Writing into a text does not fail.
                _ = write!(detail, "{and}the {what}'s name is not there");
            }
        }
        self.known.mapped.set(item);
        self.reject(item, Reason::Name, &detail);
    }
}

/// What makes readings of values of the channel that was named last.
pub(super) fn reading<'a>(
    names: &'a Names,
    context: &Context<'a>,
    facts: Facts,
    spec: &Spec,
    modulus: Option<u64>,
) -> impl FnOnce(Time, Value, &'a str) -> Reading<'a> + use<'a> {
    let (kind, report, sequence) = (spec.kind, spec.report, context.sequence);
    let (device, channel) = (context.device(names), context.channel(names));
    let (historical, identified) = (context.historical, context.identified);
    let sender = Sender {
        modulus: modulus.filter(|_| sequence.is_some()),
        boot_id: context.booted.then_some(names.boot.as_str()),
        around_ns: context.around_ns,
    };
    move |time, value, unit| Reading {
        device,
        channel,
        time,
        value,
        unit,
        kind,
        report,
        sequence,
        sender,
        message_id: identified.then_some(&names.id),
        last_value_only: facts.last_value_only,
        // Without a time of its own, a reading from a buffer could not be told from a live one.
        historical: historical && !matches!(time, Time::Arrival(_)),
    }
}
