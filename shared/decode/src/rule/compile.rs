//! From a rule as it is written to one that can run.

use super::channels::compile as channels;
use super::check::check;
use super::clock::clocks;
use super::keys::Keys;
use super::parts::{capture, condition, lookup, quality, required, samples, transpose};
use super::what::what;
use super::{Plan, Rule, State};
use crate::config::{self, Format, OneOrMany};
use crate::fault::Faults;
use crate::path::Path;
use crate::samples::Joiner;
use crate::template::Template;
use crate::topic::Pattern;

/// Reads the text of a file by its name.
pub(crate) type Files<'f> = dyn FnMut(&str) -> Result<String, String> + 'f;

/// Compiles a rule; `None` if it has faults. Every part is tried before the first fault ends it.
#[expect(clippy::too_many_lines, reason = "a list of keys")]
pub(crate) fn compile(
    rule: &config::Rule,
    topic: Option<&Pattern>,
    retained: config::Retained,
    file: &mut Files<'_>,
    faults: &mut Faults<'_>,
) -> Option<Rule> {
    check(rule, faults);
    let mut keys = Keys {
        topic: topic
            .map(|topic| topic.names().to_vec())
            .unwrap_or_default(),
        ..Keys::default()
    };
    let each = rule.each.as_ref().map_or(&[][..], OneOrMany::as_slice);
    let each: Vec<_> = each
        .iter()
        .map(|path| faults.check(&["each"], Path::parse_each(path, &mut keys.each)))
        .collect();
    keys.path = rule.leaves.is_some() || !rule.values.is_empty();
    let captures: Vec<_> = rule
        .capture
        .iter()
        .enumerate()
        .map(|(i, spec)| capture(spec, i, &mut keys, faults))
        .collect();
    let conditions: Vec<_> = rule
        .conditions
        .iter()
        .enumerate()
        .map(|(i, spec)| condition(spec, i, &keys, faults))
        .collect();
    let required = required(rule, &keys, faults);
    let device = name(
        rule,
        "device",
        rule.device.as_deref().unwrap_or("{device}"),
        &keys,
        faults,
    );
    let channel = rule
        .channel
        .as_deref()
        .unwrap_or(if keys.path { "{path}" } else { "{channel}" });
    let needs_channel = rule.liveness.is_none() && !rule.ignore;
    let channel = if needs_channel {
        name(rule, "channel", channel, &keys, faults)
    } else {
        Some(Template::nothing())
    };
    let device = if rule.ignore {
        Some(Template::nothing())
    } else {
        device
    };
    let lookup = rule
        .lookup
        .as_ref()
        .map(|spec| lookup(spec, &keys, file, faults));
    let clocks = clocks(rule, &keys, faults);
    let channels = channels(rule, &keys, faults);
    let samples = rule
        .samples
        .as_ref()
        .map(|spec| samples(spec, &keys, faults));
    let unit = rule
        .unit
        .as_ref()
        .map(|unit| keys.template(unit, &["unit"], faults));
    let quality = rule
        .quality
        .as_ref()
        .map(|spec| quality(spec, &keys, faults));
    let sequence = keys.maybe_path(
        rule.sequence.as_ref().map(|spec| &spec.path),
        &["sequence", "path"],
        faults,
    );
    let boot_id = keys.maybe_path(rule.boot_id.as_ref(), &["boot_id"], faults);
    let message_id = keys.maybe_path(rule.message_id.as_ref(), &["message_id"], faults);
    let historical = keys.maybe_path(rule.historical.as_ref(), &["historical"], faults);
    let what = what(rule, channel.as_ref(), channels.as_ref(), &keys, faults);
    let captures: Vec<_> = captures.into_iter().collect::<Option<_>>()?;
    let mut plan = Plan {
        name: rule.name.clone(),
        format: rule.decoder,
        charset: rule.charset,
        retained,
        unknown: rule.unknown,
        what: what?,
        each: each.into_iter().collect::<Option<_>>()?,
        conditions: conditions.into_iter().collect::<Option<_>>()?,
        required: required?,
        device: device?,
        channel: channel?,
        // What is left out is no fault, what could not be read is.
        lookup: transpose(lookup)?,
        clocks: clocks?,
        before_2000: rule.before_2000,
        samples: transpose(samples)?,
        unit: transpose(unit)?,
        quality: transpose(quality)?,
        sequence,
        modulus: rule.sequence.as_ref().and_then(|spec| spec.modulus),
        boot_id,
        message_id,
        historical,
        channels: channels?,
        is_simple: false,
        is_straight: false,
        relative: false,
        fields: Vec::new(),
        selection: None,
        captures,
    };
    plan.find_fields();
    if rule.embedded.is_empty() {
        plan.select();
    }
    plan.find_straight();
    let locations = plan
        .captures
        .iter()
        .map(|capture| capture.regex.capture_locations())
        .collect();
    let state = State {
        joiner: Joiner::default(),
        locations,
    };
    Some(Rule { plan, state })
}

/// A template of a name. In a bare value there is nothing that a name could be but a capture.
fn name(
    rule: &config::Rule,
    key: &str,
    text: &str,
    keys: &Keys,
    faults: &mut Faults<'_>,
) -> Option<Template> {
    let template = keys.template(text, &[key], faults)?;
    if template.constant() == Some("") {
        faults.add(&[key], format!("the {key}'s name is empty"));
        return None;
    }
    if rule.decoder == Format::Value && template.paths().any(|path| !path.is_whole()) {
        let help = match &rule.topic {
            Some(_) => {
                format!("capture it in the topic, like `{{{key}}}/…`, or set `{key}` to a name")
            }
            None => format!("set `{key}` to a name"),
        };
        faults.help(
            &[key],
            format!("nothing captures what `{text}` stands for, and a bare value has no fields"),
            help,
        );
        return None;
    }
    Some(template)
}
