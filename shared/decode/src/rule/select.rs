//! Which rules look only at known places of a JSON text, so that nothing else of it has to be kept.

use super::clock::Place;
use super::sampling::Interval;
use super::{Plan, What};
use crate::config::{Format, Unknown};
use crate::json::{Leaf, Selection};
use crate::path::Path;

impl Plan {
    /// Finds those places and gives each path its slot; nothing if the rule needs the whole tree. After
    /// [`Plan::find_fields`].
    pub(super) fn select(&mut self) {
        let or_bare = match self.format {
            Format::Json => false,
            Format::JsonOrValue => true,
            _ => return,
        };
        let What::Fields(fields) = &self.what else {
            return;
        };
        if !self.each.is_empty() || self.relative || self.unknown == Unknown::Record {
            return;
        }
        let packed = self.samples.is_some() && self.channels.are_linear();
        let mut selection = Selection::new(or_bare);
        let values: Vec<_> = fields.iter().map(|field| field.path.clone()).collect();
        let used = self.fields.clone();
        let mut complete = true;
        self.each_path(&mut |path| {
            let is = |other: &Path| other.steps() == path.steps();
            let value = values.iter().any(is);
            let leaf = Leaf {
                known: value || used.iter().any(is),
                packed: value && packed,
            };
            let slot = path
                .keys()
                .and_then(|keys| selection.add(keys.into_iter(), leaf));
            match slot {
                Some(slot) => path.set_slot(slot as u32),
                None => complete = false,
            }
        });
        self.selection = complete.then_some(selection);
    }

    /// Hands out every path that leads to or says something about values.
    fn each_path(&mut self, each: &mut dyn FnMut(&mut Path)) {
        if let What::Fields(fields) = &mut self.what {
            for field in fields {
                each(&mut field.path);
            }
        }
        let mut templates = vec![&mut self.device, &mut self.channel];
        templates.extend(&mut self.unit);
        templates.extend(self.captures.iter_mut().map(|capture| &mut capture.from));
        templates.extend(
            self.conditions
                .iter_mut()
                .map(|condition| &mut condition.of),
        );
        templates.extend(self.lookup.iter_mut().map(|lookup| &mut lookup.key));
        templates.extend(self.channels.units_mut());
        for clock in &mut self.clocks {
            match &mut clock.place {
                Place::Path(path) => each(path),
                Place::Text(template) => templates.push(template),
            }
            if let Some((path, _)) = &mut clock.add {
                each(path);
            }
        }
        if let Some(samples) = &mut self.samples {
            match &mut samples.interval {
                Interval::Fixed(_) => {}
                Interval::From(path, _) | Interval::Rate(path) => each(path),
            }
        }
        if let Some(quality) = &mut self.quality {
            for path in &mut quality.paths {
                each(path);
            }
        }
        let said = [
            &mut self.sequence,
            &mut self.boot_id,
            &mut self.message_id,
            &mut self.historical,
        ];
        said.into_iter().flatten().for_each(&mut *each);
        for (_, path) in &mut self.required {
            each(path);
        }
        for template in templates {
            template.each_path(each);
        }
    }
}
