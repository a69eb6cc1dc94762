//! The bounds of the journal and of the disk.

use super::world::{OPTIONS, Said, commit, read_all};
use crate::testing::FaultDisk;
use crate::{CommitError, Journal, Options};

#[test]
fn readings_stop_before_the_books_do_and_both_before_the_quota() {
    let mut options = OPTIONS;
    options.max_bytes = 64 << 10;
    let (mut journal, _) = Journal::open(FaultDisk::new(0), options).unwrap();
    let mut number = 0;
    let mut commit_one = |journal: &mut Journal<_>| {
        number += 1;
        commit(journal, &[Said::reading(number)], false)
    };
    while !journal.is_full() {
        commit_one(&mut journal).unwrap();
    }
    let error = loop {
        match commit_one(&mut journal) {
            Ok(_) => assert!(journal.bytes() <= options.max_bytes),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CommitError::Full { .. }), "{error}");
    let last = journal.last();
    // What was refused can be committed once there is room.
    assert!(journal.remove_before(last).unwrap() > options.max_bytes / 2);
    assert!(!journal.is_full());
    assert_eq!(commit_one(&mut journal).unwrap(), last + 1..last + 2);
    assert_eq!(read_all(&journal, last).entries.len(), 2);
}

#[test]
fn a_full_disk_costs_nothing_that_was_committed_and_heals_by_itself() {
    let disk = FaultDisk::new(0);
    let (mut journal, _) = Journal::open(disk.clone(), OPTIONS).unwrap();
    disk.set_capacity(20_000);
    let said: Vec<_> = (0..2_000).map(Said::reading).collect();
    let mut refused = 0;
    for (i, said) in said.iter().enumerate() {
        if i == 1_500 {
            disk.set_capacity(1 << 20);
        }
        match commit(&mut journal, std::slice::from_ref(said), true) {
            Ok(positions) => assert_eq!(positions.start, i as u64 + 1 - refused),
            Err(error) => {
                assert!(
                    error.to_string().starts_with("cannot write /fault/"),
                    "{error}"
                );
                refused += 1;
            }
        }
    }
    assert!((1..1_500).contains(&refused));
    assert_eq!(journal.faults().writes, refused);
    let told = read_all(&journal, 1);
    assert_eq!(
        (told.entries.len() as u64, told.gaps),
        (2_000 - refused, vec![])
    );
    let used: u64 = crate::Disk::list(&disk)
        .unwrap()
        .iter()
        .map(|(_, n)| n)
        .sum();
    assert_eq!(used, journal.bytes(), "nothing is left behind");
}

#[test]
fn positions_are_not_used_again_when_everything_is_gone() {
    let options = Options {
        at_least: 500,
        ..OPTIONS
    };
    let (mut journal, recovery) = Journal::open(FaultDisk::new(0), options).unwrap();
    assert_eq!((recovery.first, recovery.next), (500, 500));
    assert_eq!(
        commit(&mut journal, &[Said::reading(1)], true).unwrap(),
        500..501
    );
    let told = read_all(&journal, 490);
    assert_eq!((told.gaps[0].from, told.gaps[0].to), (490, 499));
    assert_eq!(told.entries.len(), 1);
}

#[test]
fn an_entry_that_is_too_long_is_refused_and_the_next_one_is_not() {
    let mut long = Said::random(&mut crate::testing::Random::new(0));
    let source = long.source.get_or_insert_default();
    source.messages.clear();
    source.letters = vec![("t".to_owned(), vec![0; 17 << 20])];
    let (mut journal, _) = Journal::open(FaultDisk::new(0), OPTIONS).unwrap();
    commit(&mut journal, &[Said::reading(1)], false).unwrap();
    let error = commit(&mut journal, &[Said::reading(2), long], false).unwrap_err();
    assert!(matches!(error, CommitError::TooLong { .. }), "{error}");
    assert_eq!(
        commit(&mut journal, &[Said::reading(3)], false).unwrap(),
        2..3
    );
    assert_eq!(read_all(&journal, 1).entries.len(), 2);
}
