//! What became of a device's readings, by source: the part of the books that is the device's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use eyot_pipeline::device::Tally;
use eyot_pipeline::ledger::ReadingFate;

/// Counts by source and fate, ever since the device was first heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tallies(Vec<(Arc<str>, ReadingFate, u64)>);

impl Tallies {
    /// Counts what became of readings of a source.
    pub fn add(&mut self, source: &Arc<str>, tally: &Tally) {
        for (fate, n) in tally.iter() {
            self.count(source, fate, n);
        }
    }

    /// Counts `n` readings of a source that met a fate.
    pub fn count(&mut self, source: &Arc<str>, fate: ReadingFate, n: u64) {
        let same = |entry: &&mut (Arc<str>, ReadingFate, u64)| {
            entry.1 == fate && (Arc::ptr_eq(&entry.0, source) || entry.0 == *source)
        };
        match self.0.iter_mut().find(same) {
            Some((_, _, count)) => *count += n,
            None => self.0.push((Arc::clone(source), fate, n)),
        }
    }

    /// Readings of a source that met a fate.
    pub fn get(&self, source: &str, fate: ReadingFate) -> u64 {
        let same = |entry: &&(Arc<str>, ReadingFate, u64)| entry.1 == fate && *entry.0 == *source;
        self.0.iter().find(same).map_or(0, |(_, _, n)| *n)
    }

    /// Source, fate and count.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, ReadingFate, u64)> {
        self.0.iter().map(|(source, fate, n)| (source, *fate, *n))
    }

    /// As `{source: {"term/reason": n}}`: names, since numbers of fates may change between versions.
    pub(super) fn to_json(&self) -> String {
        let mut sources: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
        for (source, fate, n) in self.iter() {
            let fates = sources.entry(source).or_default();
            fates.insert(format!("{}/{}", fate.term(), fate.reason()), n);
        }
        serde_json::to_string(&sources).expect("names and numbers are JSON")
    }

    /// The reverse; fates that this version does not know are left out, and said.
    pub(super) fn from_json(text: &str) -> Self {
        let sources: BTreeMap<String, BTreeMap<String, u64>> =
            serde_json::from_str(text).unwrap_or_default();
        let mut tallies = Self::default();
        for (source, fates) in sources {
            let source: Arc<str> = source.into();
            for (name, n) in fates {
                let fate = name
                    .split_once('/')
                    .and_then(|(term, reason)| ReadingFate::named(term, reason));
                if let Some(fate) = fate {
                    tallies.count(&source, fate, n);
                } else {
                    tracing::warn!(name, n, "unknown entry in a device's books is ignored");
                }
            }
        }
        tallies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_survive_their_json() {
        let (plant, line): (Arc<str>, Arc<str>) = ("plant".into(), "line 2".into());
        let mut tallies = Tallies::default();
        tallies.count(&plant, ReadingFate::Processed, 40);
        tallies.count(&line, ReadingFate::RejectedRange, 2);
        tallies.count(&plant, ReadingFate::Processed, 2);
        let back = Tallies::from_json(&tallies.to_json());
        let mut counts: Vec<_> = back.iter().map(|(s, f, n)| (s.to_string(), f, n)).collect();
        counts.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(
            counts,
            [
                ("line 2".to_owned(), ReadingFate::RejectedRange, 2),
                ("plant".to_owned(), ReadingFate::Processed, 42)
            ]
        );
    }

    #[test]
    fn what_a_later_version_counts_is_left_out() {
        let tallies = Tallies::from_json(r#"{"plant": {"melted/": 3, "late/": 1}}"#);
        assert_eq!(tallies.iter().map(|(_, _, n)| n).sum::<u64>(), 1);
    }
}
