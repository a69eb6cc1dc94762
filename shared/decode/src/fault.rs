//! What is wrong with a mapping, said where it is written.

/// A fault in the mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Position of the rule.
    pub rule: usize,
    /// Where below the rule, key by key: `["channels", "voltage", "unit"]`; none: the rule as a whole.
    pub keys: Vec<String>,
    /// What is wrong and why, in words for people.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Collects the faults of one rule, so that all of them are told at once.
#[derive(Debug)]
pub(crate) struct Faults<'f> {
    rule: usize,
    found: &'f mut Vec<Fault>,
}

impl<'f> Faults<'f> {
    pub(crate) fn new(rule: usize, found: &'f mut Vec<Fault>) -> Self {
        Self { rule, found }
    }

    /// Adds one.
    pub(crate) fn add(&mut self, keys: &[&str], message: impl Into<String>) {
        self.push(keys, message.into(), None);
    }

    /// Adds one together with what to do about it.
    pub(crate) fn help(
        &mut self,
        keys: &[&str],
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(keys, message.into(), Some(help.into()));
    }

    /// The value, or `None` and the error as a fault.
    pub(crate) fn check<T, E: Into<String>>(
        &mut self,
        keys: &[&str],
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.add(keys, error)).ok()
    }

    fn push(&mut self, keys: &[&str], message: String, help: Option<String>) {
        let keys = keys.iter().map(ToString::to_string).collect();
        self.found.push(Fault {
            rule: self.rule,
            keys,
            message,
            help,
        });
    }
}
