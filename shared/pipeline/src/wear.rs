//! Wear of flash memory: how much is written, and how far to put commits off so that it stays within a budget.
//!
//! Small commits cost whole pages. What is committed half as often is written in about half as many pages, so the
//! way to write less without losing anything is to wait longer. [`Meter`] measures, [`pace`] decides once a
//! minute.

use std::collections::VecDeque;

use crate::time::{Span, Timestamp};

/// How often a measurement is kept, and how often [`pace`] is to be asked.
pub const EVERY: Span = Span::from_secs(60);
/// What [`Rates::recent`] looks back on.
const RECENT: Span = Span::from_secs(5 * 60);
/// What [`Rates::hours`] looks back on.
const HOURS: Span = Span::from_secs(6 * 3_600);
/// A budget for a day may be used up faster for a while: what was written in a shorter time counts as if it had
/// taken this long.
const LEAST: Span = Span::from_secs(3_600);

const DAY: f64 = 86_400.0;

/// How far waits may be stretched.
pub const MOST: f64 = 600.0;
/// Part of the budget that is aimed at.
const AIM: f64 = 0.9;
/// Below this part of the budget waits become shorter again.
const EASE: f64 = 0.8;
/// Largest change of the waits at a time, down and up.
const STEP: (f64, f64) = (0.8, 1.5);

/// Bytes written, over the last hours.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    /// Time and total, a minute apart.
    kept: VecDeque<(Timestamp, u64)>,
    last: (Timestamp, u64),
}

/// How fast is written, in bytes a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Over the last five minutes.
    pub recent: u64,
    /// Over the last six hours, or as long as there were measurements.
    pub hours: u64,
    /// What the budget is held against: `hours`, where less than one has passed as if it had.
    pub budgeted: u64,
}

impl Meter {
    /// Notes that `total` bytes were written by `at`, on a clock that only goes forward.
    pub fn note(&mut self, at: Timestamp, total: u64) {
        self.last = (at, total);
        if self.kept.back().is_none_or(|kept| at - kept.0 >= EVERY) {
            self.kept.push_back(self.last);
        }
        // The first that is kept is the last one outside, so that the whole time is covered.
        while self.kept.get(1).is_some_and(|kept| at - kept.0 >= HOURS) {
            self.kept.pop_front();
        }
    }

    /// Bytes written in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.last.1
    }

    /// The time that the measurements cover.
    #[must_use]
    pub fn covers(&self) -> Span {
        self.kept
            .front()
            .map_or(Span::ZERO, |kept| self.last.0 - kept.0)
    }

    /// How fast is written; `None` before a minute has passed.
    #[must_use]
    pub fn rates(&self) -> Option<Rates> {
        let first = self.kept.front()?;
        if self.covers() < EVERY {
            return None;
        }
        let newer = |kept: &&(Timestamp, u64)| self.last.0 - kept.0 <= RECENT;
        let begin = self
            .kept
            .iter()
            .find(newer)
            .filter(|kept| self.last.0 - kept.0 >= EVERY);
        let begin = begin.unwrap_or(first);
        let covers = self.covers();
        Some(Rates {
            recent: per_day(self.last.1 - begin.1, self.last.0 - begin.0),
            hours: per_day(self.last.1 - first.1, covers),
            budgeted: per_day(self.last.1 - first.1, covers.max(LEAST)),
        })
    }
}

fn per_day(bytes: u64, within: Span) -> u64 {
    (bytes as f64 * DAY / within.as_secs_f64()) as u64
}

/// How many times as long as configured waits are to take from now on, 1 to [`MOST`]; `before` is what they take
/// now. Meant to be asked every [`EVERY`].
///
/// Waits become longer only while the budget would be exceeded, and the longer the more it is; what was written too
/// much is made up for. Once there is room again they become shorter.
#[must_use]
pub fn pace(before: f64, rates: Rates, budget: u64) -> f64 {
    let budget = (budget as f64).max(1.0);
    let before = before.clamp(1.0, MOST);
    let spent = rates.budgeted as f64 / budget;
    let step = if spent < EASE {
        STEP.0
    } else {
        let aim = AIM * budget / spent.clamp(1.0, 2.0);
        // A part of the way at a time: what a change does shows only minutes later.
        (rates.recent as f64 / aim)
            .sqrt()
            .sqrt()
            .clamp(STEP.0, STEP.1)
    };
    (before * step).clamp(1.0, MOST)
}

/// Whether not even the longest waits keep to the budget.
#[must_use]
pub fn is_beyond(pace: f64, rates: Rates, budget: u64) -> bool {
    pace >= MOST && rates.budgeted.min(rates.recent) > budget
}

#[cfg(test)]
mod tests;
