//! One message by the rule that takes it.

use crate::config::{Charset, Format, Retained, Unknown};
use crate::format::{Input, Read, Request};
use crate::json::Unmapped;
use crate::rule::{Buffers, Facts, Outcome, Rule, Run};
use crate::topic::Captures;
use crate::{Doc, Event, Fate, Item, Message, Reason, Scalar};

/// A rule and the room that it works in.
pub(super) struct Work<'w> {
    pub rule: &'w mut Rule,
    pub reader: &'w mut dyn Read,
    pub captures: &'w Captures,
    pub report_unmapped: bool,
    pub doc: &'w mut Doc,
    pub buffers: &'w mut Buffers,
    /// Fields that nothing maps.
    pub unmapped: &'w mut Unmapped,
    pub requests: &'w mut Vec<Request>,
    pub converted: &'w mut String,
}

impl Work<'_> {
    pub(super) fn message(
        &mut self,
        message: &Message<'_>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Fate {
        let plan = &self.rule.plan;
        if plan.ignores() {
            return Fate::IgnoredByConfig;
        }
        let is_empty = message.payload.iter().all(u8::is_ascii_whitespace);
        if is_empty && !plan.is_liveness() {
            return Fate::IgnoredEmpty;
        }
        if message.retained && plan.retained == Retained::Skip {
            return Fate::IgnoredRetained;
        }
        let facts = Facts {
            arrival: message.arrival,
            // Liveness has no time, and what a broker keeps of it is its last state.
            own_time_only: message.retained && plan.retained == Retained::OwnTime,
            last_value_only: message.retained && plan.retained == Retained::LastValue,
            find_unmapped: self.report_unmapped || plan.unknown != Unknown::Ignore,
            tell_unmapped: self.report_unmapped,
        };
        let text = as_text(message.payload, plan.charset, self.converted);
        let input = Input {
            topic: message.topic,
            bytes: message.payload,
            text,
            arrival: message.arrival,
        };
        let selected = plan.selection.as_ref().and_then(|selection| {
            self.unmapped.begin(facts.find_unmapped);
            selection.read(input.text?, self.doc, self.unmapped)
        });
        let is_selected = selected.is_some();
        let text = if let Some(text) = selected {
            Ok(text)
        } else if is_empty {
            // Nothing at all is something that a device can say about itself.
            self.doc
                .begin("")
                .map(|()| self.doc.push("", Scalar::Text("")))
                .map(|()| "")
                .map_err(|error| error.to_string())
        } else {
            self.reader
                .read(input, self.doc, self.requests)
                .map_err(|error| error.0)
        };
        if !self.requests.is_empty() {
            for Request { topic, payload } in self.requests.drain(..) {
                let (topic, payload) = (&topic, &payload);
                sink(Event::Request { topic, payload });
            }
        }
        let text = match text {
            Ok(text) => text,
            Err(error) => return Fate::DeadLetter(error),
        };
        let Some(root) = self.doc.root(text) else {
            return Fate::IgnoredUnmapped;
        };
        if is_selected
            && let Some(outcome) = plan.straight(facts, self.captures, root, self.unmapped, sink)
        {
            return fate(outcome, false, is_empty, plan.unknown);
        }
        let in_parts = matches!(
            plan.format,
            Format::Influx | Format::SenmlJson | Format::SenmlCbor
        );
        let invalid = in_parts && tell_invalid(root, sink);
        let plan = &self.rule.plan;
        let run = Run::new(
            (plan, &mut self.rule.state),
            Facts {
                find_unmapped: facts.find_unmapped && !is_selected,
                ..facts
            },
            self.captures,
            root,
            is_selected.then_some(&*self.unmapped),
            self.buffers,
            sink,
        );
        let outcome = run.run();
        fate(outcome, invalid, is_empty, plan.unknown)
    }
}

fn fate(outcome: Outcome, invalid: bool, is_empty: bool, unknown: Unknown) -> Fate {
    match outcome.unmapped {
        Some(path) if unknown == Unknown::DeadLetter => {
            return Fate::DeadLetter(format!(
                "nothing maps `{path}`, and the rule says unknown = \"dead_letter\""
            ));
        }
        _ => {}
    }
    if let Some(path) = outcome.lacking {
        return Fate::DeadLetter(format!("`{path}` is not there, and the rule requires it"));
    }
    if outcome.any || invalid {
        Fate::Decoded
    } else if outcome.replayed {
        Fate::IgnoredRetained
    } else if is_empty {
        Fate::IgnoredEmpty
    } else {
        Fate::IgnoredUnmapped
    }
}

/// Tells the parts of a batch that are none; the others count all the same.
fn tell_invalid(root: Item<'_>, sink: &mut dyn FnMut(Event<'_>)) -> bool {
    let mut any = false;
    for part in root.items().filter_map(|item| item.get("invalid")) {
        if let Some(Scalar::Text(detail)) = part.scalar() {
            any = true;
            sink(Event::Rejected {
                device: "",
                channel: "",
                reason: Reason::Value,
                path: ".",
                detail,
            });
        }
    }
    any
}

/// The payload as text, if it is some in the charset.
fn as_text<'p>(bytes: &'p [u8], charset: Charset, converted: &'p mut String) -> Option<&'p str> {
    match (std::str::from_utf8(bytes), charset) {
        (Ok(text), _) => Some(text),
        (Err(_), Charset::Utf8) => None,
        (Err(_), Charset::Latin1) => {
            converted.clear();
            // The first 256 characters of Unicode are those of Latin-1.
            converted.extend(bytes.iter().map(|byte| char::from(*byte)));
            Some(converted)
        }
    }
}
