//! What was committed is there afterwards, whatever happens.

use std::collections::BTreeMap;

use super::world::{OPTIONS, Said, commit, read_all};
use crate::testing::{FaultDisk, Random};
use crate::{Journal, Position};

/// What may happen.
#[derive(Clone, Copy)]
struct Weather {
    sync: bool,
    power_cut: bool,
    failing_writes: u32,
    failing_syncs: u32,
}

/// What was committed, and what else may be found at a position because someone tried.
#[derive(Default)]
struct Memory {
    committed: BTreeMap<Position, Said>,
    tried: BTreeMap<Position, Vec<Said>>,
    removed_before: Position,
    /// What was read once has to stay, whether or not it was committed. Not so if its sync failed, the process
    /// ended right then, and the power went later.
    keeps_what_was_read: bool,
    /// Sum of all restarts.
    gaps: u64,
}

fn live(seed: u64, weather: Weather) -> Memory {
    let mut random = Random::new(!seed);
    let disk = FaultDisk::new(seed);
    let mut memory = Memory {
        keeps_what_was_read: weather.failing_syncs == 0,
        ..Memory::default()
    };
    for _ in 0..4 {
        disk.fail_writes(0);
        disk.fail_syncs(0);
        let (mut journal, recovery) = Journal::open(disk.clone(), OPTIONS).unwrap();
        // A file may have lost its header before anything in it was committed.
        assert!(
            weather.power_cut || recovery.set_aside.is_empty(),
            "{recovery:?}"
        );
        check(&journal, &mut memory);
        disk.fail_writes(weather.failing_writes);
        disk.fail_syncs(weather.failing_syncs);
        disk.stop_after(random.number() % 60);
        while !disk.is_off() {
            step(&mut journal, &mut memory, &mut random, weather.sync);
        }
        drop(journal);
        if weather.power_cut && random.chance(700) {
            disk.restart_after_power_cut();
        } else {
            disk.restart_after_kill();
        }
    }
    let (journal, _) = Journal::open(disk, OPTIONS).unwrap();
    check(&journal, &mut memory);
    memory
}

fn step(journal: &mut Journal<FaultDisk>, memory: &mut Memory, random: &mut Random, sync: bool) {
    if random.chance(50) {
        let position = random.number() % (journal.next() + 1);
        // It may have been removed even if that failed.
        memory.removed_before = memory.removed_before.max(position);
        let _ = journal.remove_before(position);
        return;
    }
    let said: Vec<_> = (0..=random.below(5))
        .map(|_| Said::random(random))
        .collect();
    let next = journal.next();
    for (position, said) in (next..).zip(&said) {
        memory.tried.entry(position).or_default().push(said.clone());
    }
    if let Ok(positions) = commit(journal, &said, sync) {
        assert_eq!(positions, next..next + said.len() as u64);
        memory.committed.extend(positions.zip(said));
    }
    assert!(journal.next() > memory.committed.keys().next_back().copied().unwrap_or(0));
}

/// Everything that was committed is there, nothing else than what someone tried is, and what is missing is said.
fn check(journal: &Journal<FaultDisk>, memory: &mut Memory) {
    let told = read_all(journal, 1);
    let last = memory.committed.keys().next_back().copied().unwrap_or(0);
    assert!(journal.last() >= last);
    let found: BTreeMap<_, _> = told.entries.into_iter().collect();
    for (position, said) in memory.committed.range(memory.removed_before..) {
        assert!(found.get(position) == Some(said), "position {position}");
    }
    for (position, said) in found {
        match memory.committed.get(&position) {
            // A removal that was lost brings back the end of a segment that was cut off.
            Some(committed) if position >= memory.removed_before => {
                assert!(*committed == said, "position {position}");
            }
            _ => assert!(memory.tried[&position].contains(&said)),
        }
        if memory.keeps_what_was_read {
            memory.committed.insert(position, said);
        }
    }
    let gaps = told
        .gaps
        .iter()
        .filter(|gap| gap.to >= memory.removed_before);
    memory.gaps += gaps.count() as u64;
}

#[test]
fn invariant_1_what_was_synced_survives_power_cuts() {
    for seed in 0..1_500 {
        live(
            seed,
            Weather {
                sync: true,
                power_cut: true,
                failing_writes: 0,
                failing_syncs: 0,
            },
        );
    }
}

#[test]
fn invariant_1_what_was_synced_survives_power_cuts_on_a_failing_disk() {
    for seed in 0..1_500 {
        live(
            seed,
            Weather {
                sync: true,
                power_cut: true,
                failing_writes: 100,
                failing_syncs: 150,
            },
        );
    }
}

#[test]
fn invariant_1_what_was_written_survives_the_end_of_the_process() {
    for seed in 0..500 {
        let memory = live(
            seed,
            Weather {
                sync: false,
                power_cut: false,
                failing_writes: if seed % 2 == 0 { 0 } else { 100 },
                failing_syncs: 0,
            },
        );
        assert_eq!(memory.gaps, 0, "nothing is missing");
    }
}
