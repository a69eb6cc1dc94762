//! What a rule's messages say, compiled.

use super::channels::Channels;
use super::condition::Liveness;
use super::keys::Keys;
use super::leaves::Leaves;
use super::parts::transpose;
use super::{Field, What};
use crate::config;
use crate::fault::Faults;
use crate::glob::Glob;
use crate::template::Template;

pub(super) fn what(
    rule: &config::Rule,
    channel: Option<&Template>,
    channels: Option<&Channels>,
    keys: &Keys,
    faults: &mut Faults<'_>,
) -> Option<What> {
    if rule.ignore {
        return Some(What::Ignore);
    }
    if let Some(spec) = &rule.liveness {
        let path = spec
            .path
            .as_ref()
            .map(|path| keys.path(path, &["liveness", "path"], faults));
        let (online, offline) = (spec.online.clone(), spec.offline.clone());
        return Some(What::Liveness(Liveness {
            path: transpose(path)?,
            online,
            offline,
            always: spec.always,
        }));
    }
    if let Some(spec) = &rule.leaves {
        let below = spec
            .below
            .as_ref()
            .map(|path| keys.path(path, &["leaves", "below"], faults));
        let globs =
            |patterns: &[String]| patterns.iter().map(|pattern| Glob::new(pattern)).collect();
        return Some(What::Leaves(Leaves {
            below: transpose(below)?,
            include: globs(&spec.include),
            exclude: globs(&spec.exclude),
            rename: spec
                .rename
                .iter()
                .map(|(old, new)| (Glob::new(old), new.clone()))
                .collect(),
            join: spec.join.as_deref().unwrap_or(".").into(),
            text: spec.text,
        }));
    }
    let known = |name: &str| Some((name.into(), channels?.position(name)));
    let constant = channel.and_then(Template::constant);
    if rule.values.is_empty() {
        let path = keys.path(rule.value.as_deref().unwrap_or("."), &["value"], faults)?;
        let channel = constant.and_then(known);
        return Some(What::Fields(vec![Field {
            path,
            name: "".into(),
            channel,
        }]));
    }
    let fields: Vec<_> = rule
        .values
        .iter()
        .map(|(name, path)| {
            let path = keys.path(path, &["values", name], faults)?;
            let fixed = if rule.channel.is_some() {
                constant
            } else {
                Some(name.as_str())
            };
            Some(Field {
                path,
                name: name.as_str().into(),
                channel: fixed.and_then(known),
            })
        })
        .collect();
    fields.into_iter().collect::<Option<_>>().map(What::Fields)
}
