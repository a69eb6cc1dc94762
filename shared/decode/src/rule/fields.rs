//! Which fields of a payload a rule itself uses.

use super::Plan;
use super::clock::{Clock, Place};
use super::sampling::Sampling;
use crate::path::Path;
use crate::template::Template;

impl Plan {
    /// Finds what says something about values, and whether it differs from value to value.
    pub(super) fn find_fields(&mut self) {
        let paths = |template: &Template| template.paths().cloned().collect::<Vec<_>>();
        let mut templates: Vec<&Template> =
            self.captures.iter().map(|capture| &capture.from).collect();
        templates.extend(self.conditions.iter().map(|condition| &condition.of));
        templates.extend(self.lookup.iter().map(|lookup| &lookup.key));
        templates.push(&self.device);
        templates.extend(&self.unit);
        let mut fields: Vec<Path> = Vec::new();
        fields.extend(self.samples.iter().filter_map(Sampling::path).cloned());
        fields.extend(
            self.quality
                .iter()
                .flat_map(|quality| quality.paths.clone()),
        );
        fields.extend(
            [
                &self.sequence,
                &self.boot_id,
                &self.message_id,
                &self.historical,
            ]
            .into_iter()
            .flatten()
            .cloned(),
        );
        let added = |clock: &Clock| Some(clock.add.as_ref()?.0.clone());
        fields.extend(self.clocks.iter().filter_map(added));
        for clock in &self.clocks {
            match &clock.place {
                Place::Path(path) => fields.push(path.clone()),
                Place::Text(template) => templates.push(template),
            }
        }
        self.relative = templates.iter().any(|template| template.is_relative())
            || fields.iter().any(Path::is_relative);
        self.is_simple = self.captures.is_empty()
            && self.conditions.is_empty()
            && self.lookup.is_none()
            && self.unit.is_none()
            && self.quality.is_none()
            && self.boot_id.is_none()
            && [&self.sequence, &self.message_id, &self.historical] == [&None; 3];
        templates.push(&self.channel);
        templates.extend(self.channels.units());
        fields.extend(templates.into_iter().flat_map(paths));
        // The whole is not a field of itself.
        fields.retain(|path| !path.is_whole());
        self.fields = fields;
    }
}
