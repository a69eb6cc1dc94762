//! The commonest rule by far: numbers in known places of a JSON text, of a device, a channel and a time that are there
//! as they are. Such readings are told from the places alone; a message in which anything is out of the ordinary takes
//! the way of all others, which says why. Nothing has been told by then.

use eyot_pipeline::Timestamp;

use super::channels::Spec;
use super::clock::{Clock, Place};
use super::run::{Facts, Outcome, tell};
use super::{Field, Plan, What};
use crate::config::Unknown;
use crate::json::Unmapped;
use crate::path::Path;
use crate::time::Instant;
use crate::topic::Captures;
use crate::{Event, Item, Reading, Scalar, Sender, Time, Value};

/// What stands in a place.
enum There<T> {
    Nothing,
    This(T),
}

/// A number that stays what it is.
struct Plain<'p> {
    channel: &'p str,
    spec: &'p Spec,
    value: Value,
    unit: &'p str,
}

impl Plan {
    /// Whether that is all that the rule has to say.
    pub(super) fn find_straight(&mut self) {
        let is_number =
            |clock: &Clock| matches!(clock.place, Place::Path(_)) && clock.add.is_none();
        self.is_straight = self.is_simple
            && self.selection.is_some()
            && self.required.is_empty()
            && self.samples.is_none()
            && self.unknown == Unknown::Ignore
            && self.clocks.len() <= 1
            && self.clocks.iter().all(is_number);
    }

    /// Tells the readings of a message whose places have been read; `None` if it is not that easy.
    #[inline]
    pub(crate) fn straight(
        &self,
        facts: Facts,
        topic: &Captures,
        root: Item<'_>,
        unmapped: &Unmapped,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Option<Outcome> {
        let What::Fields(fields) = &self.what else {
            return None;
        };
        if !self.is_straight || facts.own_time_only {
            return None;
        }
        let device = self.device.lent(topic)?;
        let time = self.straight_time(facts, root)?;
        // Of several, one may be out of the ordinary, and then nothing may have been told.
        if fields.len() > 1 {
            for field in fields {
                self.straight_value(field, topic, root)?;
            }
        }
        let mut outcome = Outcome::default();
        for field in fields {
            let There::This(Plain {
                channel,
                spec,
                value,
                unit,
            }) = self.straight_value(field, topic, root)?
            else {
                continue;
            };
            outcome.any = true;
            sink(Event::Reading(Reading {
                device,
                channel,
                time,
                value,
                unit,
                kind: spec.kind,
                report: spec.report,
                sequence: None,
                sender: Sender::default(),
                message_id: None,
                last_value_only: facts.last_value_only,
                historical: false,
            }));
        }
        for path in unmapped.iter() {
            tell(path, self, facts, &mut outcome, sink);
        }
        Some(outcome)
    }

    /// The value of a field; nothing comes of what is not there.
    #[inline]
    fn straight_value<'p>(
        &'p self,
        field: &'p Field,
        topic: &'p Captures,
        root: Item<'_>,
    ) -> Option<There<Plain<'p>>> {
        let There::This(scalar) = at(&field.path, root)? else {
            return Some(There::Nothing);
        };
        let (channel, spec) = self.channel_of(field, topic)?;
        let (value, unit) = spec.reader.plain(scalar, "")?;
        Some(There::This(Plain {
            channel,
            spec,
            value,
            unit,
        }))
    }

    #[inline]
    fn straight_time(&self, facts: Facts, root: Item<'_>) -> Option<Time> {
        let arrival = Time::Arrival(facts.arrival);
        let [Clock { place, reader, .. }] = &self.clocks[..] else {
            return Some(arrival);
        };
        let Place::Path(path) = place else {
            return None;
        };
        match at(path, root)? {
            There::Nothing => Some(arrival),
            There::This(scalar @ (Scalar::Int(_) | Scalar::Float(_))) => {
                match reader.read(scalar).ok()? {
                    Instant::Utc(at) if at >= Timestamp::YEAR_2000 => Some(Time::Payload(at)),
                    _ => None,
                }
            }
            There::This(_) => None,
        }
    }

    #[inline]
    fn channel_of<'p>(
        &'p self,
        field: &'p Field,
        topic: &'p Captures,
    ) -> Option<(&'p str, &'p Spec)> {
        let (channel, spec) = if let Some((channel, position)) = &field.channel {
            (&**channel, self.channels.at(*position))
        } else {
            let channel = self.channel.lent(topic)?;
            (channel, self.channels.find(channel))
        };
        (spec.from.is_none() && !spec.ignore).then_some((channel, spec))
    }
}

/// What stands in a place of its own; `None` if it is not one, or is no value.
#[inline]
fn at<'d>(path: &Path, root: Item<'d>) -> Option<There<Scalar<'d>>> {
    match root.in_slot(path.slot()?)? {
        None => Some(There::Nothing),
        Some(item) => item.scalar().map(There::This),
    }
}
