//! The books as equations: a total, and the terms that must add up to it (invariant 2).

use eyot_pipeline::ledger::{LaneBook, MessageFate, ReadingFate, SourceBook};
use serde::Serialize;

/// `total = term + term + …`, as counted: it says so itself if it does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Equation {
    /// What came in.
    pub total: u64,
    /// What became of it.
    pub terms: Vec<Term>,
    /// Total minus the terms: 0 when the books balance.
    pub difference: i64,
}

/// One term of an [`Equation`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Term {
    /// Its name, as in metrics.
    pub name: &'static str,
    /// How many.
    pub count: u64,
    /// What `count` is made of; reasons that never occurred are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// A part of a [`Term`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// Its name, as in metrics.
    pub name: &'static str,
    /// How many.
    pub count: u64,
}

impl Equation {
    /// What became of a source's messages.
    pub fn messages(book: &SourceBook) -> Self {
        let fates = MessageFate::ALL.iter().map(|&fate| {
            let count = book.messages_with(fate);
            (fate.term(), fate.reason(), count)
        });
        Self::new(
            book.messages,
            fates.chain([("in_flight", "", book.messages_in_flight)]),
        )
    }

    /// What became of a source's readings.
    pub fn readings(book: &SourceBook) -> Self {
        let fates = ReadingFate::ALL.iter().map(|&fate| {
            let count = book.readings_with(fate);
            (fate.term(), fate.reason(), count)
        });
        Self::new(
            book.readings,
            fates.chain([("in_flight", "", book.readings_in_flight)]),
        )
    }

    /// What became of a lane's records.
    pub fn lane(book: &LaneBook) -> Self {
        Self::new(
            book.enqueued,
            [
                ("delivered", "", book.delivered),
                ("buffered", "", book.buffered),
                ("evicted", "", book.evicted),
            ],
        )
    }

    /// Whether the terms add up to the total.
    pub fn balanced(&self) -> bool {
        self.difference == 0
    }

    /// From `(term, reason, count)`; counts of one term stand together.
    fn new(
        total: u64,
        counts: impl IntoIterator<Item = (&'static str, &'static str, u64)>,
    ) -> Self {
        let mut terms: Vec<Term> = Vec::new();
        let mut sum = 0_u64;
        for (name, reason, count) in counts {
            sum = sum.wrapping_add(count);
            if terms.last().is_none_or(|last| last.name != name) {
                let (count, reasons) = (0, Vec::new());
                terms.push(Term {
                    name,
                    count,
                    reasons,
                });
            }
            if let Some(term) = terms.last_mut() {
                term.count += count;
                if count > 0 && !reason.is_empty() {
                    term.reasons.push(Reason {
                        name: reason,
                        count,
                    });
                }
            }
        }
        let difference = total.wrapping_sub(sum).cast_signed();
        Self {
            total,
            terms,
            difference,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_in_the_order_of_the_ledger_and_gather_their_reasons() {
        let mut book = SourceBook::default();
        book.receive_messages(10);
        book.settle_messages(MessageFate::Decoded, 5);
        book.settle_messages(MessageFate::IgnoredNoRule, 2);
        book.settle_messages(MessageFate::IgnoredRetained, 1);
        let equation = Equation::messages(&book);
        let terms: Vec<_> = equation.terms.iter().map(|t| (t.name, t.count)).collect();
        assert_eq!(
            terms,
            [
                ("decoded", 5),
                ("ignored", 3),
                ("dead_lettered", 0),
                ("dropped", 0),
                ("in_flight", 2)
            ]
        );
        let reasons = [("no_rule", 2), ("retained", 1)].map(|(name, count)| Reason { name, count });
        assert_eq!(equation.terms[1].reasons, reasons);
        assert!(equation.balanced());

        let names: Vec<_> = Equation::readings(&book)
            .terms
            .iter()
            .map(|t| t.name)
            .collect();
        assert_eq!(
            names,
            [
                "processed",
                "late",
                "duplicate",
                "missing",
                "rejected",
                "dropped",
                "in_flight"
            ]
        );
    }

    #[test]
    fn what_is_missing_or_too_much_shows() {
        let mut book = SourceBook::default();
        book.receive_readings(3);
        book.readings += 2;
        assert_eq!(Equation::readings(&book).difference, 2);
        book.readings = 0;
        assert_eq!(Equation::readings(&book).difference, -3);
        let lane = LaneBook {
            enqueued: 7,
            delivered: 3,
            buffered: 2,
            evicted: 1,
        };
        assert_eq!(Equation::lane(&lane).difference, 1);
    }
}
