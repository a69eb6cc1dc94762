//! What the shipped profiles would take.

use std::collections::BTreeMap;

use eyot_decode::{Event, Fate, Message, Profile, profiles};
use eyot_pipeline::Timestamp;

use super::{Observed, ProfileSource};

/// What a profile would take of what was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name.
    pub profile: String,
    /// For each message, what becomes of it.
    pub takes: Vec<Taken>,
}

/// What a profile would do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Make readings of it, or a sign of life.
    Decoded,
    /// Pass it over, knowing what it is.
    Ignored,
    /// Nothing.
    No,
}

/// What each shipped profile would take of `observed`, in the order of hearing, at `now`.
#[must_use]
pub fn offers(observed: &[Observed], now: Timestamp) -> Vec<Offer> {
    profiles()
        .filter_map(|(name, _)| {
            // A profile that does not compile is a fault of its own, which a test finds.
            let mut decoder = Profile::named(name)?.mapping(None).decoder().ok()?;
            let takes = observed.iter().map(|seen| {
                let message = Message {
                    topic: &seen.topic,
                    payload: &seen.payload,
                    // The question is what the message says, and not whether it is new.
                    retained: false,
                    arrival: now,
                };
                let mut some = false;
                let result = decoder.message(&message, &mut |event| {
                    some |= matches!(
                        event,
                        Event::Reading(_) | Event::Block { .. } | Event::Liveness { .. }
                    );
                });
                match result.fate {
                    Fate::Decoded if some => Taken::Decoded,
                    Fate::IgnoredByConfig => Taken::Ignored,
                    _ => Taken::No,
                }
            });
            Some(Offer {
                profile: name.to_owned(),
                takes: takes.collect(),
            })
        })
        .collect()
}

/// Which offer wins which first level: the one that takes most of its messages, at least half of them, and not only
/// to pass them over.
pub(super) fn winners<'o>(
    levels: &BTreeMap<&'o str, Vec<usize>>,
    offers: &[Offer],
) -> BTreeMap<&'o str, usize> {
    let winner = |indices: &[usize]| {
        let eligible = offers.iter().enumerate().filter(|(_, offer)| {
            let decodes = indices.iter().any(|i| offer.takes[*i] == Taken::Decoded);
            decodes && offer.taken(indices) * 2 >= indices.len()
        });
        // Of equals the first: the last one is what `max_by_key` gives.
        let (at, _) = eligible
            .rev()
            .max_by_key(|(_, offer)| offer.taken(indices))?;
        Some(at)
    };
    levels
        .iter()
        .filter_map(|(level, indices)| Some((*level, winner(indices)?)))
        .collect()
}

/// A source for each profile that has won something.
pub(super) fn sources(
    levels: &BTreeMap<&str, Vec<usize>>,
    offers: &[Offer],
    winners: &BTreeMap<&str, usize>,
) -> Vec<ProfileSource> {
    let mut sources = Vec::new();
    for (at, offer) in offers.iter().enumerate() {
        let mut source = ProfileSource {
            profile: offer.profile.clone(),
            levels: Vec::new(),
            ignore: Vec::new(),
        };
        for (level, indices) in levels {
            let taken = offer.taken(indices);
            if winners.get(level) == Some(&at) {
                let won = ((*level).to_owned(), taken, indices.len());
                source.levels.push(won);
            } else if indices.iter().any(|i| offer.takes[*i] == Taken::Decoded) {
                source.ignore.push(format!("{level}/#"));
            }
        }
        if !source.levels.is_empty() {
            sources.push(source);
        }
    }
    sources
}

impl Offer {
    fn taken(&self, indices: &[usize]) -> usize {
        let taken = indices.iter().filter(|i| self.takes[**i] != Taken::No);
        taken.count()
    }
}
