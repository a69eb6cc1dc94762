//! What names a rule knows, and how its texts become paths and templates.

use crate::fault::Faults;
use crate::path::{Name, Path};
use crate::template::Template;

/// The names that a rule's paths and templates may use.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub topic: Vec<String>,
    pub each: Vec<String>,
    pub groups: Vec<String>,
    /// Whether `{path}` is the path of a value.
    pub path: bool,
}

impl Keys {
    /// What a name stands for: what was captured last, if there are several.
    pub(super) fn name(&self, name: &str) -> Option<Name> {
        let last = |names: &[String]| names.iter().rposition(|other| other == name);
        last(&self.groups)
            .map(Name::Group)
            .or_else(|| last(&self.each).map(Name::Each))
            .or_else(|| last(&self.topic).map(Name::Topic))
            .or_else(|| (self.path && name == "path").then_some(Name::Path))
    }

    /// A path, or its fault.
    pub(super) fn path(&self, text: &str, keys: &[&str], faults: &mut Faults<'_>) -> Option<Path> {
        faults.check(keys, Path::parse(text, &|name| self.name(name)))
    }

    /// A path that may be left out.
    pub(super) fn maybe_path(
        &self,
        text: Option<&String>,
        keys: &[&str],
        faults: &mut Faults<'_>,
    ) -> Option<Path> {
        self.path(text?, keys, faults)
    }

    /// A template, or its fault.
    pub(super) fn template(
        &self,
        text: &str,
        keys: &[&str],
        faults: &mut Faults<'_>,
    ) -> Option<Template> {
        faults.check(keys, Template::parse(text, &|name| self.name(name)))
    }
}
