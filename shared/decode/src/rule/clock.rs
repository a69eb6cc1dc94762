//! Where times are, compiled.

use super::keys::Keys;
use super::parts::transpose;
use crate::config::{self, OneOrMany, TimeAt, TimeDetail};
use crate::fault::Faults;
use crate::path::Path;
use crate::template::Template;
use crate::time::TimeReader;
use crate::unit::conversion;

/// A place of a time.
#[derive(Debug)]
pub(super) struct Clock {
    pub place: Place,
    pub reader: TimeReader,
    /// What is added to it, and nanoseconds to one of it.
    pub add: Option<(Path, f64)>,
}

/// What a time stands in.
#[derive(Debug)]
pub(super) enum Place {
    Path(Path),
    Text(Template),
}

pub(super) fn clocks(
    rule: &config::Rule,
    keys: &Keys,
    faults: &mut Faults<'_>,
) -> Option<Vec<Clock>> {
    let places = rule.time.as_ref().map_or(&[][..], OneOrMany::as_slice);
    let several = matches!(rule.time, Some(OneOrMany::Many(_)));
    let clocks: Vec<_> = places
        .iter()
        .enumerate()
        .map(|(i, place)| {
            let i = i.to_string();
            let at: &[&str] = if several { &["time", &i] } else { &["time"] };
            clock(rule, place, at, keys, faults)
        })
        .collect();
    clocks.into_iter().collect()
}

fn clock(
    rule: &config::Rule,
    place: &TimeAt,
    at: &[&str],
    keys: &Keys,
    faults: &mut Faults<'_>,
) -> Option<Clock> {
    let below = |key| [at, &[key]].concat();
    let detail = match place {
        TimeAt::Path(path) => &TimeDetail {
            path: Some(path.clone()),
            text: None,
            format: None,
            zone: None,
            local_epoch: false,
            add: None,
            add_unit: None,
        },
        TimeAt::Detail(detail) => detail,
    };
    let simple = matches!(place, TimeAt::Path(_));
    let place = match (&detail.path, &detail.text) {
        (Some(path), None) => {
            let at = if simple { at.to_vec() } else { below("path") };
            keys.path(path, &at, faults).map(Place::Path)
        }
        (None, Some(text)) => keys.template(text, &below("text"), faults).map(Place::Text),
        (found, _) => {
            let what = if found.is_some() {
                "`path` and `text` exclude each other"
            } else {
                "nothing says where the time is"
            };
            faults.help(at, what, "give `path` or `text`");
            None
        }
    };
    let format = detail.format.as_deref().or(rule.time_format.as_deref());
    let zone = detail.zone.as_deref().or(rule.time_zone.as_deref());
    let reader = TimeReader::compile(format, zone, detail.local_epoch);
    let blame = match (&reader, TimeReader::compile(None, zone, false)) {
        // A zone that is wrong by itself is what is wrong.
        (Err(_), Err(_)) if detail.zone.is_none() => vec!["time_zone"],
        (Err(_), Err(_)) => below("zone"),
        _ if detail.format.is_none() => vec!["time_format"],
        _ => below("format"),
    };
    let reader = faults.check(&blame, reader);
    let unit = detail.add_unit.as_deref();
    let unit = seconds(unit, &below("add_unit"), faults);
    let add = detail.add.as_ref().map(|add| {
        let path = keys.path(add, &below("add"), faults);
        path.zip(unit.map(|seconds| seconds * 1e9))
    });
    Some(Clock {
        place: place?,
        reader: reader?,
        add: transpose(add)?,
    })
}

/// How many seconds a unit of time has; without one, 1.
pub(super) fn seconds(unit: Option<&str>, at: &[&str], faults: &mut Faults<'_>) -> Option<f64> {
    let unit = unit.unwrap_or("s");
    let seconds = conversion(unit, "s").map(|conversion| conversion.apply(1.0));
    if seconds.is_none() {
        faults.help(
            at,
            format!("`{unit}` is no unit of time"),
            "units of time are `s`, `ms`, `us`, `ns`, `min` and `h`",
        );
    }
    seconds
}
