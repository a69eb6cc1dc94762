//! A proposal as a configuration file.

use std::collections::HashSet;
use std::fmt::{self, Write};

use super::hint::Hint;
use super::shape::{DEFAULT_FORMAT, Kind};
use super::{Observed, ProfileSource, Proposal, Rule};

/// Characters of an example at most.
const EXAMPLE: usize = 100;
/// Lines of a list at most.
const LISTED: usize = 50;

/// How the broker was reached, as in a `[[source]]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// `url`.
    pub url: String,
    /// `username`.
    pub username: Option<String>,
    /// `password_file`.
    pub password_file: Option<String>,
    /// `ca_file`.
    pub ca_file: Option<String>,
}

impl Proposal {
    /// The configuration, for a broker that is reached like this, with comments on what was heard.
    #[must_use]
    pub fn to_toml(&self, keys: &Keys) -> String {
        let mut text = String::new();
        // Nothing can go wrong with writing to a `String`.
        let _ = self.write(keys, &mut text);
        text
    }

    fn write(&self, keys: &Keys, out: &mut String) -> fmt::Result {
        writeln!(
            out,
            "# Proposed by `eyot discover`, which has looked at {} messages on {} topics. Check it with `eyot check FILE`, and\n\
             # see what messages come to with `eyot decode --config FILE --source NAME --broker {}`.",
            self.messages,
            self.topics,
            plain(&keys.url)
        )?;
        writeln!(out, "\n[agent]\ndata_dir = \"data\"")?;
        let mut names = Names::default();
        for source in &self.profiles {
            source.write(keys, &mut names, out)?;
        }
        if !self.rules.is_empty() {
            writeln!(out)?;
            keys.write(&names.unique("readings"), out)?;
            ignore(&self.ignore, out)?;
            let mut names = Names::default();
            for rule in &self.rules {
                rule.write(&mut names, out)?;
            }
        }
        self.write_lists(out)
    }

    fn write_lists(&self, out: &mut String) -> fmt::Result {
        if !self.hints.is_empty() {
            writeln!(out, "\n# What Home Assistant's discovery messages say:")?;
            list(&self.hints, out, Hint::write)?;
        }
        if !self.strange.is_empty() {
            writeln!(out, "\n# Nothing was made of:")?;
            list(&self.strange, out, |strange, out| {
                let (n, why) = (strange.messages, strange.why);
                writeln!(out, "#   {} ({n}, {why})", example(&strange.example))
            })?;
        }
        Ok(())
    }
}

impl Keys {
    /// The head of a source.
    fn write(&self, name: &str, out: &mut String) -> fmt::Result {
        writeln!(out, "[[source]]\nname = {}", quoted(name))?;
        writeln!(out, "url = {}", quoted(&self.url))?;
        for (key, value) in [
            ("username", &self.username),
            ("password_file", &self.password_file),
            ("ca_file", &self.ca_file),
        ] {
            if let Some(value) = value {
                writeln!(out, "{key} = {}", quoted(value))?;
            }
        }
        Ok(())
    }
}

impl ProfileSource {
    fn write(&self, keys: &Keys, names: &mut Names, out: &mut String) -> fmt::Result {
        writeln!(out)?;
        for (level, taken, all) in &self.levels {
            writeln!(
                out,
                "# It takes {taken} of {all} messages below {}.",
                plain(level)
            )?;
        }
        keys.write(&names.unique(&self.profile), out)?;
        writeln!(out, "profile = {}", quoted(&self.profile))?;
        ignore(&self.ignore, out)
    }
}

impl Rule {
    fn write(&self, names: &mut Names, out: &mut String) -> fmt::Result {
        let (messages, topics) = (self.messages, self.topics);
        write!(out, "\n# {messages} messages on {topics} topics")?;
        if self.retained > 0 {
            write!(out, ", {} of them retained", self.retained)?;
        }
        writeln!(out, ", like\n#   {}", example(&self.example))?;
        let group = &self.group;
        writeln!(out, "[[source.rule]]")?;
        writeln!(out, "name = {}", quoted(&names.unique(&group.name())))?;
        writeln!(out, "topic = {}", quoted(&group.topic()))?;
        if let Some(device) = group.device() {
            writeln!(out, "device = {}", quoted(&device))?;
        }
        if let Some(channel) = group.channel() {
            writeln!(out, "channel = {}", quoted(channel))?;
        }
        match group.kind {
            Kind::Number => writeln!(out, "decoder = \"value\"")?,
            Kind::Object => writeln!(out, "leaves = {{}}")?,
            Kind::Array => writeln!(out, "each = \"[*]\"\nleaves = {{}}")?,
        }
        if let Some(time) = &self.time {
            if !time.zoned {
                writeln!(
                    out,
                    "# It names no zone: it is UTC unless `time_zone` says otherwise."
                )?;
            }
            writeln!(out, "time = {}", quoted(&time.key))?;
            if time.format != DEFAULT_FORMAT {
                writeln!(out, "time_format = {}", quoted(time.format))?;
            }
        }
        Ok(())
    }
}

impl Hint {
    fn write(&self, out: &mut String) -> fmt::Result {
        write!(out, "#   {}: {}", plain(&self.topic), plain(&self.name))?;
        if !self.unit.is_empty() {
            write!(out, ", in {}", plain(&self.unit))?;
        }
        if !self.template.is_empty() {
            write!(out, ", from {}", plain(&self.template))?;
        }
        writeln!(out)
    }
}

/// Names that were given already.
#[derive(Default)]
struct Names(HashSet<String>);

impl Names {
    /// `name`, with a number behind it if it was given already.
    fn unique(&mut self, name: &str) -> String {
        let numbered = (2..).map(|n| format!("{name}-{n}"));
        let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
        let free = candidates.find(|name| self.0.insert(name.clone()));
        free.unwrap_or_default()
    }
}

fn ignore(filters: &[String], out: &mut String) -> fmt::Result {
    if filters.is_empty() {
        return Ok(());
    }
    let filters: Vec<String> = filters.iter().map(|filter| quoted(filter)).collect();
    writeln!(out, "ignore = [{}]", filters.join(", "))
}

fn list<T>(
    items: &[T],
    out: &mut String,
    mut write: impl FnMut(&T, &mut String) -> fmt::Result,
) -> fmt::Result {
    for item in items.iter().take(LISTED) {
        write(item, out)?;
    }
    match items.len().saturating_sub(LISTED) {
        0 => Ok(()),
        more => writeln!(out, "#   and {more} more"),
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// In a comment: control characters may not stand there.
fn plain(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(EXAMPLE) {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    if text.chars().nth(EXAMPLE).is_some() {
        shown.push('…');
    }
    shown
}

fn example(message: &Observed) -> String {
    let payload = String::from_utf8_lossy(&message.payload);
    format!("{}: {}", plain(&message.topic), plain(&payload))
}
