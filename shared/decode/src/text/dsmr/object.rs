//! The objects of a telegram: an OBIS code and what stands behind it in parentheses.

/// More than the channels that an M-Bus can have at a meter.
pub(super) const CHANNELS: usize = 10;

/// One object. Its parentheses may go on in the next line (DSMR 3, gas).
#[derive(Debug, Clone)]
pub(super) struct Object<'t> {
    /// Its OBIS code (IEC 62056-61), `1-0:1.7.0`.
    pub(super) code: &'t str,
    /// What stands in parentheses.
    pub(super) groups: Groups<'t>,
}

/// A value and what belongs to it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reading<'t> {
    pub(super) time: Option<&'t str>,
    pub(super) value: &'t str,
    pub(super) unit: &'t str,
}

/// All objects of a telegram.
pub(super) fn objects(telegram: &str) -> impl Iterator<Item = Object<'_>> {
    let mut rest = telegram;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return None;
            }
            let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
            let line = &rest[..end];
            let object = line.find('(').and_then(|at| {
                let code = line[..at].trim();
                let groups = Groups(&rest[at..]);
                let is_object = is_code(code) && groups.first().is_some();
                is_object.then_some(Object {
                    code: present(code),
                    groups,
                })
            });
            rest = object
                .as_ref()
                .map_or(&rest[end..], |object| object.groups.after());
            if object.is_some() {
                return object;
            }
        }
    })
}

/// Whether it can be an OBIS code, with or without medium and channel: `1-0:1.8.0*255`, `1.8.0`.
fn is_code(code: &str) -> bool {
    (3..=24).contains(&code.len())
        && code.contains('.')
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".:-*&".contains(&byte))
}

/// Without the mark of a present value, which is the only one that most meters know.
fn present(code: &str) -> &str {
    code.strip_suffix("*255").unwrap_or(code)
}

impl<'t> Object<'t> {
    /// The part of the code that says what is measured: `1.7.0`.
    fn quantity(&self) -> &'t str {
        self.code
            .split_once(':')
            .map_or(self.code, |(_, quantity)| quantity)
    }

    /// The M-Bus channel of a meter behind this one: 1 in `0-1:24.2.1`.
    pub(super) fn channel(&self) -> Option<usize> {
        let (channel, _) = self.code.strip_prefix("0-")?.split_once(':')?;
        channel
            .parse()
            .ok()
            .filter(|channel| (1..CHANNELS).contains(channel))
    }

    /// Whether it is no reading: identities, messages, versions and lists of past events.
    pub(super) fn is_text(&self) -> bool {
        let quantity = self.quantity();
        let is_text = ["0.", "42.0.", "96.1.", "96.13.", "98.", "99."]
            .iter()
            .any(|start| quantity.starts_with(start));
        is_text || (self.groups.clone().count() > 2 && !self.is_old_gas())
    }

    /// DSMR 2 and 3: `0-1:24.3.0(time)(status)(minutes)(count)(code)(unit)` and `(value)`.
    fn is_old_gas(&self) -> bool {
        self.quantity() == "24.3.0" && self.groups.clone().count() == 7
    }

    /// Its value; of two groups the first is its time, unless it has a unit.
    pub(super) fn reading(&self) -> Reading<'t> {
        let mut groups = self.groups.clone();
        let first = groups.next().unwrap_or_default();
        if self.is_old_gas() {
            return Reading {
                time: Some(first),
                unit: groups.nth(4).unwrap_or_default(),
                value: groups.next().unwrap_or_default(),
            };
        }
        let (time, value) = match groups.next() {
            // Two values: a limit and its opposite (Luxembourg, 31.4.0).
            Some(_) if first.contains('*') => (None, first),
            Some(second) => (Some(first), second),
            None => (None, first),
        };
        let (value, unit) = value.split_once('*').unwrap_or((value, ""));
        Reading { time, value, unit }
    }
}

/// Texts in parentheses, one behind the other, possibly over several lines.
#[derive(Debug, Clone)]
pub(super) struct Groups<'t>(&'t str);

impl<'t> Groups<'t> {
    pub(super) fn first(&self) -> Option<&'t str> {
        self.clone().next()
    }

    /// All of them as they stand there.
    pub(super) fn raw(&self) -> &'t str {
        let len = self.0.len() - self.after().len();
        self.0[..len].trim_end()
    }

    /// What follows them.
    fn after(&self) -> &'t str {
        let mut rest = self.clone();
        rest.by_ref().for_each(drop);
        rest.0
    }
}

impl<'t> Iterator for Groups<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let inner = self.0.trim_start().strip_prefix('(')?;
        let end = inner.find([')', '\r', '\n'])?;
        // One that its line does not close is garbled.
        self.0 = inner[end..].strip_prefix(')')?;
        Some(inner[..end].trim())
    }
}
