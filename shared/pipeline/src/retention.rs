//! What leaves the outbox before it was delivered: the quotas, and whose turn it is.

use serde::{Deserialize, Serialize};

use crate::ledger::Lane;
use crate::time::{Span, Timestamp};

/// What happens to records when the outbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// Older summaries of a device are merged into coarser ones; what cannot be merged goes as with
    /// [`WhenFull::DropOldest`].
    Downsample,
    /// The oldest go.
    DropOldest,
    /// The newest go, the one that has just come first of all.
    DropNewest,
}

/// Why a record was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The outbox was full.
    Quota,
    /// It waited longer than records are kept.
    Age,
    /// The upstream would not have wanted it any more.
    Expired,
    /// The upstream refused it again and again.
    Rejected,
    /// A coarser record, which went on, holds what it held.
    Merged,
    /// It failed its checksum.
    Corrupt,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Quota,
        Self::Age,
        Self::Expired,
        Self::Rejected,
        Self::Merged,
        Self::Corrupt,
    ];

    /// The name used in the store, records and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Age => "age",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::Merged => "merged",
            Self::Corrupt => "corrupt",
        }
    }
}

/// The lanes that quotas hold for, in the order in which they give way: alerts go last. Loss records
/// are not among them: what says that something is missing has a small bound of its own.
pub const GIVES_WAY: [Lane; 2] = [Lane::Summary, Lane::Alert];

/// How much the outbox may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Records of the lanes in [`GIVES_WAY`].
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long a record waits at most, from its commit; `None` for ever.
    pub age: Option<Span>,
    /// What happens beyond that.
    pub when_full: WhenFull,
}

/// Records and their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// How many.
    pub records: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Held {
    /// Whether there is nothing.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.records == 0 && self.bytes == 0
    }

    /// What is left of it without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

impl Quotas {
    /// What `held` exceeds the quotas by.
    #[must_use]
    pub const fn excess(&self, held: Held) -> Held {
        held.without(Held {
            records: self.records,
            bytes: self.bytes,
        })
    }

    /// Whether so little room is left that merging should begin: it takes its time, and what comes
    /// meanwhile should not push anything out.
    #[must_use]
    pub const fn is_nearly_full(&self, held: Held) -> bool {
        held.records > self.records - self.records / 16 || held.bytes > self.bytes - self.bytes / 16
    }

    /// Whether a record that was committed at `at` has waited too long by now. One that was
    /// committed, or is looked at, with a clock that was never set has no age.
    #[must_use]
    pub fn outlived(&self, at: Timestamp, now: Timestamp) -> bool {
        self.age.is_some_and(|most| is_older(at, now, most))
    }
}

/// Whether what happened at `at` is longer ago than `span`. False for a clock that was never set.
#[must_use]
pub fn is_older(at: Timestamp, now: Timestamp, span: Span) -> bool {
    at >= Timestamp::YEAR_2000 && now >= Timestamp::YEAR_2000 && now - at > span
}

/// How often records are merged at most: 1,024 windows become one.
const LEVELS: u32 = 10;

/// Levels whose records to merge, the best first: the one with the most records, and of several the
/// finest. So all levels grow together, and what is older is coarser.
#[must_use]
pub fn levels_to_merge(rows: &[(u32, u64)]) -> Vec<u32> {
    let mut rows: Vec<_> = rows.iter().filter(|(level, _)| *level < LEVELS).collect();
    rows.sort_by_key(|(level, rows)| (std::cmp::Reverse(*rows), *level));
    rows.into_iter().map(|(level, _)| *level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTAS: Quotas = Quotas {
        records: 100,
        bytes: 1_000,
        age: Some(Span::from_secs(60)),
        when_full: WhenFull::DropOldest,
    };

    fn held(records: u64, bytes: u64) -> Held {
        Held { records, bytes }
    }

    #[test]
    fn each_quota_counts_by_itself() {
        assert!(QUOTAS.excess(held(100, 1_000)).is_none());
        assert_eq!(QUOTAS.excess(held(103, 10)), held(3, 0));
        assert_eq!(QUOTAS.excess(held(3, 1_010)), held(0, 10));
        assert!(!QUOTAS.is_nearly_full(held(94, 938)));
        assert!(QUOTAS.is_nearly_full(held(95, 0)));
        assert!(QUOTAS.is_nearly_full(held(0, 939)));
    }

    #[test]
    fn a_clock_that_was_never_set_gives_nothing_an_age() {
        let now = Timestamp::from_secs(1_800_000_000);
        assert!(!QUOTAS.outlived(now - Span::from_secs(60), now));
        assert!(QUOTAS.outlived(now - Span::from_secs(61), now));
        assert!(!QUOTAS.outlived(Timestamp::from_secs(100), now));
        assert!(!QUOTAS.outlived(Timestamp::from_secs(100), Timestamp::from_secs(900)));
        let keeps = Quotas {
            age: None,
            ..QUOTAS
        };
        assert!(!keeps.outlived(Timestamp::YEAR_2000, now));
    }

    #[test]
    fn the_fullest_level_is_merged_first_and_the_finest_of_equals() {
        let rows = [(0, 100), (1, 300), (2, 100), (10, 900)];
        assert_eq!(levels_to_merge(&rows), [1, 0, 2]);
    }

    #[test]
    fn alerts_go_last_and_losses_not_at_all() {
        assert_eq!(GIVES_WAY.last(), Some(&Lane::Alert));
        assert!(!GIVES_WAY.contains(&Lane::Loss));
        assert_eq!(GIVES_WAY.len() + 1, Lane::ALL.len());
    }
}
