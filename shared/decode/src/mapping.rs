//! What the messages of a source mean: the rules in force, whoever wrote them.

use std::collections::BTreeMap;

use crate::config::{Retained, Rule};
use crate::{Decoder, Fault, Framing};

/// The rules of a source, its own and those of its profile, with everything that they need.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    /// The first whose topic matches takes a message.
    pub rules: Vec<Rule>,
    /// MQTT filters of topics to pass over.
    pub ignore: Vec<String>,
    /// What to do with messages that the broker replays, where the rule does not say.
    pub retained: Retained,
    /// How bytes become frames, if they come from a serial line.
    pub framing: Option<Framing>,
    /// Texts of lookup tables by the name under which rules know them.
    pub tables: BTreeMap<String, String>,
}

impl Mapping {
    /// Compiles it.
    ///
    /// # Errors
    /// Everything that is wrong with it. A mapping that came out of a checked configuration has no faults.
    pub fn decoder(&self) -> Result<Decoder, Vec<Fault>> {
        Decoder::compile(&self.rules, &self.ignore, self.retained, &mut |name| {
            let table = self.tables.get(name).cloned();
            table.ok_or_else(|| format!("there is no table {name}"))
        })
    }
}
