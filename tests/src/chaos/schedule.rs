//! Which faults, when, and what each of them may cost. Pure: the same seed gives the same schedule.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::dice::Dice;

/// What can happen to an agent and to what is around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Kind {
    /// `kill -9`, and started again at once.
    AgentKill,
    /// `kill -9`, and another one while it finds its way back.
    AgentKillTwice,
    /// An orderly stop, and started again.
    AgentStop,
    /// SIGSTOP, and SIGCONT later.
    AgentPause,
    /// The folder's disk is full for a while.
    DiskFull,
    /// The same, and the agent is killed and started meanwhile.
    DiskFullKill,
    /// Random bytes over the database while the agent is stopped.
    CorruptDatabase,
    /// `kill -9`, and random bytes over the journal before it is started again.
    CorruptJournal,
    /// The plant's broker is stopped, and started again later.
    IngestRestart,
    /// The plant's broker stands still for a while.
    IngestPause,
    /// The link between the plant's broker and the agent is cut for a while.
    IngestCut,
    /// The same link is slow.
    IngestSlow,
    /// What the plant's broker sends does not arrive for a while; what the agent sends does.
    IngestDeaf,
    /// The link between the devices and the plant's broker is cut for a while.
    DevicesCut,
    /// The upstream broker is stopped, and started again later.
    UpstreamRestart,
    /// The upstream broker stands still for a while.
    UpstreamPause,
    /// The link between agent and upstream is cut for a while.
    UpstreamCut,
    /// The same link is slow.
    UpstreamSlow,
    /// What the upstream broker answers does not arrive for a while; what the agent sends does.
    UpstreamDeaf,
    /// `kill -9` of the collector, and started again.
    CollectorKill,
    /// Many messages that cannot be read.
    Malformed,
    /// Devices whose clocks are an hour ahead.
    ClockAhead,
    /// Devices whose clocks are an hour behind.
    ClockBehind,
    /// Devices that send everything twice.
    Duplicates,
}

/// What a fault may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// No reading, no record.
    Nothing,
    /// Itself only: what it sends is counted under this name, and nothing else is touched.
    Itself(&'static str),
    /// What had not left the agent when it happened.
    Undelivered,
}

/// A part of the plant that has one trouble at a time. The lanes' troubles overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// The agent and its disk.
    Agent,
    /// The plant's broker and its links.
    Ingest,
    /// The upstream broker, its link and the collector.
    Upstream,
    /// What the devices send.
    Devices,
}

/// A fault of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// When, from the start, in milliseconds.
    pub at: u64,
    /// How long it lasts in milliseconds; 0 where that is not for the schedule to say.
    pub length: u64,
    /// What.
    pub kind: Kind,
    /// What else there is to decide.
    #[serde(skip)]
    pub dice: u64,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.kind.name();
        write!(f, "{:7.3} s  {name}", self.at as f64 / 1e3)?;
        if self.length > 0 {
            write!(f, " for {:.3} s", self.length as f64 / 1e3)?;
        }
        Ok(())
    }
}

impl Kind {
    /// As on the command line and in the outcome.
    #[must_use]
    pub fn name(self) -> String {
        use clap::ValueEnum;
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// What it may cost.
    #[must_use]
    pub fn budget(self) -> Budget {
        match self {
            // They cannot be read, so they are dead letters.
            Self::Malformed => Budget::Itself("dead_lettered"),
            // A time that cannot be is no measurement of this hour.
            Self::ClockAhead => Budget::Itself("rejected"),
            Self::ClockBehind => Budget::Itself("late"),
            Self::Duplicates => Budget::Itself("duplicate"),
            // The outbox and the checkpoints are in the database; the journal has the rest.
            Self::CorruptDatabase | Self::CorruptJournal => Budget::Undelivered,
            _ => Budget::Nothing,
        }
    }

    /// Where it happens.
    #[must_use]
    pub fn lane(self) -> Lane {
        match self {
            Self::AgentKill
            | Self::AgentKillTwice
            | Self::AgentStop
            | Self::AgentPause
            | Self::DiskFull
            | Self::DiskFullKill
            | Self::CorruptDatabase
            | Self::CorruptJournal => Lane::Agent,
            Self::IngestRestart
            | Self::IngestPause
            | Self::IngestCut
            | Self::IngestSlow
            | Self::IngestDeaf
            | Self::DevicesCut => Lane::Ingest,
            Self::UpstreamRestart
            | Self::UpstreamPause
            | Self::UpstreamCut
            | Self::UpstreamSlow
            | Self::UpstreamDeaf
            | Self::CollectorKill => Lane::Upstream,
            Self::Malformed | Self::ClockAhead | Self::ClockBehind | Self::Duplicates => {
                Lane::Devices
            }
        }
    }

    /// Shortest and longest, in milliseconds; `None` where it takes as long as it takes.
    fn lengths(self) -> Option<(u64, u64)> {
        match self {
            Self::AgentKill
            | Self::AgentKillTwice
            | Self::CorruptDatabase
            | Self::CorruptJournal
            | Self::CollectorKill
            | Self::Malformed
            | Self::ClockAhead
            | Self::ClockBehind
            | Self::Duplicates => None,
            Self::AgentStop => Some((1, 1_000)),
            Self::DiskFull | Self::DiskFullKill | Self::IngestSlow | Self::UpstreamSlow => {
                Some((1_000, 4_000))
            }
            _ => Some((200, 3_000)),
        }
    }
}

/// Nothing happens before: devices and detectors begin undisturbed.
const QUIET: u64 = 2_000;

/// The faults of a run, each lane's in order: `kinds` over `seconds`.
#[must_use]
pub fn plan(seed: u64, seconds: u64, kinds: &[Kind]) -> Vec<Fault> {
    let lanes = [
        (Lane::Agent, (1_000, 5_000)),
        (Lane::Ingest, (1_500, 6_000)),
        (Lane::Upstream, (1_500, 6_000)),
        (Lane::Devices, (1_000, 5_000)),
    ];
    let mut plan = Vec::new();
    for (stream, (lane, pauses)) in (1..).zip(lanes) {
        let deck: Vec<Kind> = kinds
            .iter()
            .copied()
            .filter(|kind| kind.lane() == lane)
            .collect();
        plan.extend(lane_plan(
            Dice::new(seed, stream),
            seconds * 1_000,
            &deck,
            pauses,
        ));
    }
    plan
}

/// Each kind comes once before any comes again, in an order of its own each time.
fn lane_plan(mut dice: Dice, end: u64, kinds: &[Kind], pauses: (u64, u64)) -> Vec<Fault> {
    let mut plan = Vec::new();
    let mut deck = Vec::new();
    let mut at = QUIET;
    loop {
        at += pauses.0 + dice.below(pauses.1 - pauses.0);
        if deck.is_empty() {
            deck = kinds.to_vec();
            dice.shuffle(&mut deck);
            // No run is so short that nothing dies.
            let dying = deck.iter().position(|&kind| kind == Kind::AgentKill);
            if let (true, Some(n)) = (plan.is_empty(), dying) {
                let last = deck.len() - 1;
                deck.swap(n, last);
            }
        }
        let Some(kind) = deck.pop() else { return plan };
        let length = kind.lengths().map_or(0, |(low, high)| {
            let length = low + dice.below(high - low);
            // Now and then for long, where there is the time.
            if dice.one_in(8) && end > 60_000 {
                length * 6
            } else {
                length
            }
        });
        if at + length > end {
            return plan;
        }
        plan.push(Fault {
            at,
            length,
            kind,
            dice: dice.bits(),
        });
        at += length;
    }
}

impl Fault {
    /// When it begins, from the start of the run.
    #[must_use]
    pub fn starts(&self) -> Duration {
        Duration::from_millis(self.at)
    }

    /// How long it lasts.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        Duration::from_millis(self.length)
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn a_seed_has_one_schedule_and_another_seed_another() {
        let kinds = Kind::value_variants();
        assert_eq!(plan(7, 120, kinds), plan(7, 120, kinds));
        assert_ne!(plan(7, 120, kinds), plan(8, 120, kinds));
    }

    #[test]
    fn every_kind_comes_and_lanes_do_one_thing_at_a_time() {
        let kinds = Kind::value_variants();
        for seed in 1..20 {
            let plan = plan(seed, 300, kinds);
            for kind in kinds {
                assert!(plan.iter().any(|fault| fault.kind == *kind), "{kind:?}");
            }
            for (before, after) in plan.iter().zip(&plan[1..]) {
                if before.kind.lane() == after.kind.lane() {
                    assert!(before.at + before.length < after.at);
                }
                assert!(after.at + after.length <= 300_000);
            }
        }
    }

    #[test]
    fn the_agent_dies_in_the_shortest_run() {
        for seed in 1..20 {
            let plan = plan(seed, 20, Kind::value_variants());
            assert_eq!(plan[0].kind, Kind::AgentKill, "{plan:?}");
        }
    }
}
