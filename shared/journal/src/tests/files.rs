//! Real files, and readers on other threads.

use std::sync::mpsc;
use std::thread;

use super::world::{OPTIONS, Said, commit, read_all, read_to};
use crate::{Disk, DiskFile, Gap, Journal, RealDisk, Snapshot, Step};

#[test]
fn readers_keep_up_with_the_writer_on_other_threads() {
    const ENTRIES: u64 = 5_000;
    let folder = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(&folder.path().join("journal")).unwrap();
    let (mut journal, _) = Journal::open(disk.clone(), OPTIONS).unwrap();
    let said = |position| Said::reading(position);
    thread::scope(|scope| {
        let mut committed = Vec::new();
        for from in [1, 2_000] {
            let (sender, receiver) = mpsc::channel();
            committed.push(sender);
            let mut reader = journal.reader(from);
            scope.spawn(move || {
                let mut seen = from - 1;
                for last in receiver {
                    while let Some(step) = reader.next(last).unwrap() {
                        let Step::Entry(entry) = step else {
                            panic!("something is missing after {seen}");
                        };
                        seen += 1;
                        assert_eq!(entry.position(), seen);
                        assert_eq!(Said::of(&entry), said(seen));
                    }
                    assert!(seen == last || last < from);
                }
                assert_eq!(seen, ENTRIES);
            });
        }
        while journal.last() < ENTRIES {
            let next = journal.next();
            let n = 1 + next % 7;
            let burst: Vec<_> = (next..(next + n).min(ENTRIES + 1)).map(said).collect();
            commit(&mut journal, &burst, next % 1_000 == 0).unwrap();
            for committed in &committed {
                committed.send(journal.last()).unwrap();
            }
        }
    });
    assert!(journal.segments().count() > 10);
    drop(journal);

    let (mut journal, recovery) = Journal::open(disk, OPTIONS).unwrap();
    assert_eq!((recovery.first, recovery.next), (1, ENTRIES + 1));
    assert_eq!((recovery.truncated, recovery.gaps), (0, vec![]));
    let mut reader = journal.reader(2_000);
    read_to(&mut reader, 2_500).unwrap();
    assert!(journal.remove_before(ENTRIES).unwrap() > 0);
    assert_eq!(read_all(&journal, 1).entries.last().unwrap().0, ENTRIES);
    // It comes back to a folder that has changed; what it has open it still reads.
    let told = read_to(&mut reader, ENTRIES).unwrap();
    assert_eq!(told.entries.last().unwrap().0, ENTRIES);
    assert_eq!(told.gaps.len(), 1);
}

#[test]
fn errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let disk = RealDisk::open(&path).unwrap();
    let (mut journal, _) = Journal::open(disk, OPTIONS).unwrap();
    std::fs::remove_dir(&path).unwrap();
    let error = commit(&mut journal, &[Said::reading(1)], true).unwrap_err();
    let file = path.join("00000000000000000001.seg");
    assert_eq!(
        error.to_string(),
        format!("cannot create {}", file.display())
    );
    assert_eq!(journal.faults().writes, 1);
    std::fs::create_dir(&path).unwrap();
    assert_eq!(
        commit(&mut journal, &[Said::reading(1)], true).unwrap(),
        1..2
    );
}

#[test]
fn a_segment_that_cannot_be_read_is_an_error_until_it_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(folder.path()).unwrap();
    let (mut journal, _) = Journal::open(disk, OPTIONS).unwrap();
    while journal.segments().count() < 3 {
        let next = journal.next();
        commit(&mut journal, &[Said::reading(next)], false).unwrap();
    }
    let second = journal.segments().nth(1).unwrap();
    let file = folder.path().join(format!("{:020}.seg", second.first));
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();

    let last = journal.last();
    let mut reader = journal.reader(1);
    assert_eq!(read_to(&mut reader, second.first - 1).unwrap().gaps, []);
    for _ in 0..2 {
        let error = read_to(&mut reader, last).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot open {}", file.display()));
    }
    let gap = Gap {
        from: second.first,
        to: second.end - 1,
    };
    assert_eq!(reader.skip_segment(), Some(gap));
    assert_eq!(reader.position(), second.end);
    let told = read_to(&mut reader, last).unwrap();
    assert_eq!(told.entries.last().unwrap().0, last);
}

#[test]
fn a_folder_to_read_alone_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("journal");
    assert!(RealDisk::read_only(&none).is_err() && !none.exists());
    let (mut journal, _) = Journal::open(RealDisk::open(&none).unwrap(), OPTIONS).unwrap();
    commit(&mut journal, &[Said::reading(1)], true).unwrap();
    let file = none.join("00000000000000000001.seg");
    let before = std::fs::read(&file).unwrap();
    let disk = RealDisk::read_only(&none).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    for refused in [
        disk.remove(name).unwrap_err(),
        disk.rename(name, "other").unwrap_err(),
        disk.create("new").unwrap_err(),
    ] {
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    }
    assert!(disk.open(name).unwrap().append(b"more").is_err());
    let mut snapshot = Snapshot::new(disk).unwrap();
    assert!(matches!(snapshot.step(), Ok(Some(Step::Entry(_)))));
    assert!(matches!(snapshot.step(), Ok(None)));
    assert!(std::fs::read(&file).unwrap() == before);
}
