//! A rule at work on one message.

use std::borrow::Cow;

use eyot_pipeline::Timestamp;

use super::unmapped::Known;
use super::{Plan, State, What};
use crate::config::Unknown;
use crate::json::Unmapped;
use crate::lookup::Entry;
use crate::path::{Path, Step};
use crate::scope::{Place, Scope, Standing, write_path};
use crate::topic::Captures;
use crate::value::Sent;
use crate::{Event, Item, Reason, Scalar, Time};

/// What is known of a message before it is looked at.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub(crate) struct Facts {
    pub arrival: Timestamp,
    /// Only what carries its own time is taken: it is replayed.
    pub own_time_only: bool,
    /// It is only good as the last known value.
    pub last_value_only: bool,
    /// Fields that nothing maps are looked for.
    pub find_unmapped: bool,
    /// They are told one by one.
    pub tell_unmapped: bool,
}

/// What came of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Something.
    pub any: bool,
    /// Something was not taken since it was replayed.
    pub replayed: bool,
    /// The first field that nothing maps.
    pub unmapped: Option<String>,
    /// The first path that has to be there and is not.
    pub lacking: Option<String>,
}

/// Room that is used again for every message.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    at: Standing,
    known: Known,
    names: Names,
    samples: Vec<f64>,
    /// Nodes that nothing maps.
    found: Vec<u32>,
}

/// Texts that are put together while a message is read.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub device: String,
    pub channel: String,
    /// Unit of the element's values.
    pub unit: String,
    /// Unit of one channel's values.
    pub own_unit: String,
    /// Unit of a block of samples.
    pub block_unit: String,
    pub id: String,
    pub boot: String,
    /// The name of a leaf before it is renamed.
    pub raw: String,
    /// For whatever is needed for a moment.
    pub text: String,
}

/// What holds for the values of an element.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent")]
pub(super) struct Context<'r> {
    pub entry: Option<&'r Entry>,
    /// Whether there is a name for the device.
    pub named: bool,
    /// The device's name, unless it had to be put together.
    pub device: Option<&'r str>,
    /// The same of the channel.
    pub channel: Option<&'r str>,
    pub time: Moment,
    pub good: bool,
    pub sequence: Option<u64>,
    /// Whether there is something that tells its runs apart.
    pub booted: bool,
    /// When the sender's own clock goes around, in nanoseconds.
    pub around_ns: Option<i64>,
    pub historical: bool,
    /// Whether there is an identity of the message.
    pub identified: bool,
}

impl<'r> Context<'r> {
    /// The device's name.
    pub(super) fn device<'a>(&self, names: &'a Names) -> &'a str
    where
        'r: 'a,
    {
        self.device.unwrap_or(&names.device)
    }

    /// The channel's name; `""` for none.
    pub(super) fn channel<'a>(&self, names: &'a Names) -> &'a str
    where
        'r: 'a,
    {
        self.channel.unwrap_or(&names.channel)
    }

    /// How a value was sent that came in such a unit.
    pub(super) fn sent<'a>(&self, unit: &'a str) -> Sent<'a> {
        let scale = self.entry.and_then(|entry| entry.scale);
        Sent { unit, scale }
    }
}

/// When a value was true, as far as it can be said.
#[derive(Debug, Clone)]
pub(super) enum Moment {
    At(Time),
    /// Why not, and in words. Boxed, since it is rare and the other is not.
    Bad(Box<(Reason, Cow<'static, str>)>),
}

impl Moment {
    pub(super) fn bad(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Bad(Box::new((reason, detail.into())))
    }
}

/// A rule at work on one message.
pub(crate) struct Run<'r, 'd> {
    pub(super) plan: &'r Plan,
    pub(super) state: &'r mut State,
    pub(super) facts: Facts,
    pub(super) topic: &'r Captures,
    pub(super) root: Item<'d>,
    /// The fields that nothing maps, if they have been found already.
    unmapped: Option<&'r Unmapped>,
    pub(super) at: &'r mut Standing,
    pub(super) known: &'r mut Known,
    pub(super) names: &'r mut Names,
    pub(super) samples: &'r mut Vec<f64>,
    found: &'r mut Vec<u32>,
    pub(super) context: Context<'r>,
    pub(super) sink: &'r mut dyn FnMut(Event<'_>),
    pub(super) outcome: Outcome,
}

impl<'r, 'd> Run<'r, 'd> {
    pub(crate) fn new(
        (plan, state): (&'r Plan, &'r mut State),
        facts: Facts,
        topic: &'r Captures,
        root: Item<'d>,
        unmapped: Option<&'r Unmapped>,
        buffers: &'r mut Buffers,
        sink: &'r mut dyn FnMut(Event<'_>),
    ) -> Self {
        let Buffers {
            at,
            known,
            names,
            samples,
            found,
        } = buffers;
        at.clear();
        known.clear();
        names.unit.clear();
        names.id.clear();
        names.boot.clear();
        let context = Context {
            entry: None,
            named: false,
            device: None,
            channel: None,
            time: Moment::At(Time::Arrival(facts.arrival)),
            good: true,
            sequence: None,
            booted: false,
            around_ns: None,
            historical: false,
            identified: false,
        };
        let outcome = Outcome::default();
        Self {
            plan,
            state,
            facts,
            topic,
            root,
            unmapped,
            at,
            known,
            names,
            samples,
            found,
            context,
            sink,
            outcome,
        }
    }

    /// Does it.
    pub(crate) fn run(mut self) -> Outcome {
        let plan = self.plan;
        if plan.each.is_empty() {
            self.element(self.root);
        }
        for each in &plan.each {
            if self.walk(self.root, each.steps()) {
                break;
            }
        }
        match self.unmapped {
            // Where an element was passed over, all of it is known.
            Some(unmapped) if !self.known.mapped.has(self.root) => {
                for path in unmapped.iter() {
                    tell(path, plan, self.facts, &mut self.outcome, self.sink);
                }
            }
            None if self.facts.find_unmapped => self.tell_unmapped(),
            _ => {}
        }
        self.outcome
    }

    pub(super) fn scope(&self) -> Scope<'_, 'd> {
        Scope {
            root: self.root,
            topic: self.topic,
            at: self.at,
        }
    }

    /// Goes on along a path of `each`; says whether it leads anywhere.
    fn walk(&mut self, item: Item<'d>, steps: &[Step]) -> bool {
        let Some((step, steps)) = steps.split_first() else {
            self.element(item);
            return true;
        };
        self.at.around.push(item.id());
        let arrived = match step {
            Step::Key(key) => item.get(key).is_some_and(|item| self.walk(item, steps)),
            Step::Index(index) => item
                .index(*index)
                .is_some_and(|item| self.walk(item, steps)),
            Step::Every(every) if every.elements && !item.is_array() => false,
            Step::Every(every) => {
                let mut any = false;
                for (i, child) in item.items().enumerate() {
                    if let Some(name) = every.name {
                        self.at.set_place(name, Some(Place::new(item, i, child)));
                    }
                    self.at.sample = (i, item.len());
                    any |= self.walk(child, steps);
                }
                if let Some(name) = every.name {
                    self.at.set_place(name, None);
                }
                any
            }
            // `Path::parse_each` makes no others.
            Step::Name(_) | Step::Value => false,
        };
        self.at.around.pop();
        arrived
    }

    fn element(&mut self, item: Item<'d>) {
        self.at.around.push(item.id());
        self.one_element(item);
        self.at.around.pop();
    }

    fn one_element(&mut self, item: Item<'d>) {
        let plan = self.plan;
        if self.facts.find_unmapped || matches!(plan.what, What::Leaves(_)) {
            let scope = Scope {
                root: self.root,
                topic: self.topic,
                at: self.at,
            };
            for item in plan.fields.iter().filter_map(|path| path.get(&scope)) {
                self.known.used.set(item);
            }
        }
        if !plan.relative && !self.prepare() {
            // What is passed over on purpose is known.
            return self.known.mapped.set(item);
        }
        if self.lacks_something() {
            return self.known.mapped.set(item);
        }
        match &plan.what {
            What::Ignore => {}
            What::Liveness(liveness) => self.liveness(liveness, item),
            What::Fields(fields) => fields.iter().for_each(|field| self.field(field)),
            What::Leaves(leaves) => self.leaves(leaves),
        }
        if self.facts.find_unmapped && plan.unknown == Unknown::Record && !plan.is_liveness() {
            self.record(item);
        }
    }

    /// Whether something is not there that has to be.
    fn lacks_something(&mut self) -> bool {
        let scope = self.scope();
        let is_there = |path: &Path| {
            path.get(&scope)
                .is_some_and(|item| item.scalar() != Some(Scalar::Null))
        };
        let mut required = self.plan.required.iter();
        let Some((path, _)) = required.find(|(_, path)| !is_there(path)) else {
            return false;
        };
        self.outcome.lacking.get_or_insert_with(|| path.to_string());
        true
    }

    /// Makes readings of the element's numbers and truth values that nothing maps.
    fn record(&mut self, element: Item<'d>) {
        let mut found = Vec::new();
        self.known.unknown(element, &mut |item| found.push(item));
        for item in found {
            let text = matches!(item.scalar(), Some(Scalar::Text(_)) | None);
            if text || !self.prepare_value(element, item) || !self.context.named {
                continue;
            }
            self.context.channel = None;
            self.names.channel.clear();
            let channel = &mut self.names.channel;
            crate::scope::walk_to(element, item.id(), &mut |place| {
                place.write_step(self.root, ".", channel);
            });
            if !channel.is_empty() {
                self.tell_one(item);
                self.read(item, self.plan.channels.find(&self.names.channel));
            }
        }
    }

    fn tell_unmapped(&mut self) {
        let (root, mut found) = (self.root, std::mem::take(self.found));
        found.clear();
        let mut find = |item: Item<'d>| found.push(item.id());
        self.known.unknown(root, &mut find);
        for item in found.iter().filter_map(|id| root.node_at(*id)) {
            self.tell_one(item);
        }
        *self.found = found;
    }

    fn tell_one(&mut self, item: Item<'d>) {
        write_path(self.root, item.id(), &mut self.names.text);
        let path = self.names.text.as_str();
        tell(path, self.plan, self.facts, &mut self.outcome, self.sink);
    }
}

/// Tells of a field that nothing maps.
pub(super) fn tell(
    path: &str,
    plan: &Plan,
    facts: Facts,
    outcome: &mut Outcome,
    sink: &mut dyn FnMut(Event<'_>),
) {
    if plan.unknown == Unknown::DeadLetter {
        outcome.unmapped.get_or_insert_with(|| path.to_owned());
    }
    if facts.tell_unmapped {
        sink(Event::Unmapped { path });
    }
}
