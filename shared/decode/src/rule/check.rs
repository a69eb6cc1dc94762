//! Which keys of a rule go with which.

use crate::config::{Format, Rule, Samples};
use crate::fault::Faults;

/// Whether `each` stands for several, so that its elements can be samples.
fn is_every(rule: &Rule) -> bool {
    rule.each
        .as_ref()
        .is_some_and(|each| each.as_slice().iter().any(|path| path.contains(['*', '{'])))
}

/// Finds keys that exclude each other, and those that lack another.
pub(super) fn check(rule: &Rule, faults: &mut Faults<'_>) {
    let given = [
        ("ignore", rule.ignore),
        ("liveness", rule.liveness.is_some()),
        ("value", rule.value.is_some()),
        ("values", !rule.values.is_empty()),
        ("leaves", rule.leaves.is_some()),
    ];
    let given: Vec<_> = given
        .into_iter()
        .filter(|(_, given)| *given)
        .map(|(key, _)| key)
        .collect();
    match *given {
        [] if rule.decoder != Format::Value => faults.help(
            &[],
            "nothing says where the values are",
            "give `value` (one path), `values` (a channel and a path each) or `leaves` (all of them)",
        ),
        [first, second, ..] => {
            faults.help(&[second], format!("`{second}` and `{first}` exclude each other"), "keep one of them");
        }
        _ => {}
    }
    if rule.decoder == Format::Value && !rule.values.is_empty() {
        faults.help(
            &["values"],
            "a bare value has no fields",
            "leave `values` out: the value's path is `.`",
        );
    }
    if rule.separated.is_some() && !matches!(rule.decoder, Format::Csv | Format::KeyValue) {
        faults.help(
            &["separated"],
            "only `csv` and `key_value` are separated",
            "set `decoder`, or leave it out",
        );
    }
    if !rule.embedded.is_empty() && !matches!(rule.decoder, Format::Json | Format::JsonOrValue) {
        faults.help(
            &["embedded"],
            "only JSON can have other JSON in its texts",
            "set `decoder`, or leave it out",
        );
    }
    if rule.qos.is_some_and(|qos| qos > 1) {
        faults.help(
            &["qos"],
            "the quality of service is 0 or 1",
            "1 loses nothing when the agent or the link is down; duplicates are recognised here",
        );
    }
    if rule.time.is_none() && rule.time_format.is_some() {
        faults.help(
            &["time_format"],
            "there is no time that could be written so",
            "say where the time is: `time`",
        );
    }
    if let Some(samples) = &rule.samples {
        check_samples(rule, samples, faults);
    }
    if let Some(liveness) = &rule.liveness
        && liveness.always.is_none()
        && liveness.online.is_empty()
        && liveness.offline.is_empty()
    {
        faults.help(
            &["liveness"],
            "nothing says when the device is there",
            "list what it says then: online = [\"Online\"], offline = [\"Offline\"]; or set `always`",
        );
    }
    if rule
        .sequence
        .as_ref()
        .is_some_and(|sequence| sequence.modulus == Some(0))
    {
        faults.add(
            &["sequence", "modulus"],
            "a sequence that starts again after 0 has no numbers",
        );
    }
}

fn check_samples(rule: &Rule, samples: &Samples, faults: &mut Faults<'_>) {
    let given = [
        ("interval", samples.interval.is_some()),
        ("rate", samples.rate.is_some()),
        ("interval_from", samples.interval_from.is_some()),
        ("rate_from", samples.rate_from.is_some()),
    ];
    let given: Vec<_> = given
        .into_iter()
        .filter(|(_, given)| *given)
        .map(|(key, _)| key)
        .collect();
    if samples.interval_unit.is_some() && samples.interval_from.is_none() {
        faults.help(
            &["samples", "interval_unit"],
            "the payload is not asked for an interval that could have a unit",
            "give `interval_from`, or write the unit behind `interval`",
        );
    }
    match *given {
        [] => faults.help(
            &["samples"],
            "nothing says how far samples are from each other",
            "give one of `interval`, `rate`, `interval_from` and `rate_from`",
        ),
        [first, second, ..] => faults.help(
            &["samples", second],
            format!("`{second}` and `{first}` say the same thing"),
            "keep one of them",
        ),
        _ => {}
    }
    if rule.decoder == Format::Value && !is_every(rule) {
        faults.add(&["samples"], "a bare value is one value and no samples");
    }
}
