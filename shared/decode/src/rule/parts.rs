//! Parts of a rule, from what is written to what can run.

use regex::Regex;

use super::clock::seconds;
use super::condition::{Condition, Quality};
use super::keys::Keys;
use super::sampling::{Interval, Sampling, fixed};
use super::{Capture, Files, Lookup};
use crate::config;
use crate::fault::Faults;
use crate::lookup::Table;
use crate::path::Path;

/// `None` if it is there and has faults.
#[expect(
    clippy::option_option,
    reason = "there or not, and without faults or not"
)]
pub(super) fn transpose<T>(found: Option<Option<T>>) -> Option<Option<T>> {
    match found {
        None => Some(None),
        Some(None) => None,
        Some(some) => Some(some),
    }
}

pub(super) fn capture(
    spec: &config::Capture,
    i: usize,
    keys: &mut Keys,
    faults: &mut Faults<'_>,
) -> Option<Capture> {
    let i = i.to_string();
    let from = keys.template(&spec.from, &["capture", &i, "from"], faults);
    let at = ["capture", &i, "regex"];
    let regex = faults.check(
        &at,
        Regex::new(&spec.regex).map_err(|error| error.to_string()),
    )?;
    let with_name = |(group, name): (usize, Option<&str>)| Some((group, name?.to_owned()));
    let (groups, names): (Vec<_>, Vec<_>) = regex
        .capture_names()
        .enumerate()
        .filter_map(with_name)
        .unzip();
    if names.is_empty() {
        faults.help(
            &at,
            "it names no group, so that it captures nothing",
            "name what it is to capture: (?<device>…)",
        );
    }
    keys.groups.extend(names);
    Some(Capture {
        from: from?,
        regex,
        groups,
    })
}

pub(super) fn condition(
    spec: &config::Condition,
    i: usize,
    keys: &Keys,
    faults: &mut Faults<'_>,
) -> Option<Condition> {
    let i = i.to_string();
    let of = keys.template(&spec.of, &["where", &i, "of"], faults);
    if of.as_ref().is_some_and(|of| of.constant().is_some()) {
        let help = format!("a path stands in braces: \"{{{}}}\"", spec.of);
        faults.help(
            &["where", &i, "of"],
            "it is the same for every message",
            help,
        );
    }
    if spec.is.is_empty() && spec.is_not.is_empty() && spec.matches.is_none() {
        faults.help(
            &["where", &i],
            "it says nothing about the text",
            "give `is`, `is_not` or `matches`",
        );
    }
    let regex = spec.matches.as_ref().map(|text| {
        faults.check(
            &["where", &i, "matches"],
            Regex::new(text).map_err(|error| error.to_string()),
        )
    });
    Some(Condition {
        of: of?,
        is: spec.is.clone(),
        is_not: spec.is_not.clone(),
        matches: transpose(regex)?,
    })
}

/// The paths that have to be there.
pub(super) fn required(
    rule: &config::Rule,
    keys: &Keys,
    faults: &mut Faults<'_>,
) -> Option<Vec<(Box<str>, Path)>> {
    let paths = rule.required.iter().enumerate().map(|(i, path)| {
        let at = ["required", &i.to_string()];
        Some((path.as_str().into(), keys.path(path, &at, faults)?))
    });
    // All of them, so that all faults are told at once.
    paths.collect::<Vec<_>>().into_iter().collect()
}

pub(super) fn lookup(
    spec: &config::Lookup,
    keys: &Keys,
    file: &mut Files<'_>,
    faults: &mut Faults<'_>,
) -> Option<Lookup> {
    let key = keys.template(&spec.key, &["lookup", "key"], faults);
    let table = file(&spec.file).and_then(|text| Table::parse(&text));
    let table = table.map_err(|error| format!("`{}`: {error}", spec.file));
    let table = faults.check(&["lookup", "file"], table)?;
    Some(Lookup {
        table,
        key: key?,
        optional: spec.optional,
    })
}

pub(super) fn samples(
    spec: &config::Samples,
    keys: &Keys,
    faults: &mut Faults<'_>,
) -> Option<Sampling> {
    let interval = if let Some(fixed) = fixed(spec) {
        Interval::Fixed(
            fixed
                .map_err(|(key, message)| faults.add(&["samples", key], message))
                .ok()?,
        )
    } else if let Some(path) = &spec.interval_from {
        let unit = spec.interval_unit.as_deref();
        let unit = seconds(unit, &["samples", "interval_unit"], faults);
        Interval::From(
            keys.path(path, &["samples", "interval_from"], faults)?,
            unit?,
        )
    } else {
        Interval::Rate(keys.path(spec.rate_from.as_ref()?, &["samples", "rate_from"], faults)?)
    };
    Some(Sampling {
        interval,
        time_of: spec.time_of,
    })
}

pub(super) fn quality(
    spec: &config::Quality,
    keys: &Keys,
    faults: &mut Faults<'_>,
) -> Option<Quality> {
    let paths: Vec<_> = spec
        .path
        .as_slice()
        .iter()
        .map(|path| keys.path(path, &["quality", "path"], faults))
        .collect();
    Some(Quality {
        paths: paths.into_iter().collect::<Option<_>>()?,
        good: spec.good.clone(),
        bad: spec.bad.clone(),
    })
}
