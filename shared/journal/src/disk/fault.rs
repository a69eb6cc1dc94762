//! A disk in memory that forgets what was not synced, the way disks do.
//!
//! What was synced stays. Of the rest, a power cut keeps some 512-byte sectors and not others, in any order,
//! leaves zeros or garbage in their place, and does the same to names. Sectors that hold synced bytes as well
//! keep those: a sector is written whole or not at all. Everything follows from the seed.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};

mod inode;
mod random;

use inode::Inode;
pub use random::Random;

/// The disk. A clone is another handle on the same one.
#[derive(Debug, Clone)]
pub struct FaultDisk(Arc<Mutex<State>>);

/// Names that change together: what they are of from now on.
type NameChange = Vec<(String, Option<usize>)>;

#[derive(Debug)]
struct State {
    random: Random,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    name_changes: Vec<NameChange>,
    inodes: Vec<Inode>,
    /// Files that were opened before are dead.
    boot: u32,
    /// Operations until everything stops.
    left: Option<u64>,
    off: bool,
    failing_writes: u32,
    failing_syncs: u32,
    capacity: u64,
}

impl FaultDisk {
    /// An empty disk that works.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random::new(seed),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            name_changes: Vec::new(),
            inodes: Vec::new(),
            boot: 0,
            left: None,
            off: false,
            failing_writes: 0,
            failing_syncs: 0,
            capacity: u64::MAX,
        })))
    }

    /// Everything stops in the middle of the `operations`th change or sync from now on, 0 being the next: the
    /// process ends or the power goes, as the restart will show.
    pub fn stop_after(&self, operations: u64) {
        self.state().left = Some(operations);
    }

    /// Whether everything has stopped.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// The power goes, if it is not gone yet, and comes back. Files that are open are dead.
    pub fn restart_after_power_cut(&self) {
        let mut state = self.state();
        let State {
            random,
            durable_names,
            name_changes,
            inodes,
            ..
        } = &mut *state;
        for change in name_changes.drain(..) {
            if random.chance(500) {
                apply(durable_names, change);
            }
        }
        for inode in inodes {
            inode.cut_power(random);
        }
        state.names = state.durable_names.clone();
        state.off = false;
        state.left = None;
        state.boot += 1;
    }

    /// The process ends and another one starts: everything written is there. Files that are open are dead.
    pub fn restart_after_kill(&self) {
        let mut state = self.state();
        state.off = false;
        state.left = None;
        state.boot += 1;
    }

    /// So many of a thousand writes fail from now on, after a part.
    pub fn fail_writes(&self, per_mille: u32) {
        self.state().failing_writes = per_mille;
    }

    /// So many of a thousand syncs fail from now on. What they were to make durable never will be.
    pub fn fail_syncs(&self, per_mille: u32) {
        self.state().failing_syncs = per_mille;
    }

    /// Bytes that fit on the disk from now on.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// The names of all files.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// What a process finds in a file now.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = *state.names.get(name)?;
        Some(state.inodes[inode].contents().to_vec())
    }

    /// Changes a file, or a new one, by other means than those of the file system.
    pub fn damage(&self, name: &str, with: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = match state.names.get(name) {
            Some(&inode) => inode,
            None => state.create(name),
        };
        state.sync_names();
        state.inodes[inode].damage(with);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, state: &State, inode: usize) -> FaultFile {
        FaultFile {
            disk: self.clone(),
            inode,
            boot: state.boot,
        }
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: NameChange) {
    for (name, inode) in change {
        match inode {
            Some(inode) => names.insert(name, inode),
            None => names.remove(&name),
        };
    }
}

fn stopped() -> io::Error {
    io::Error::other("everything has stopped")
}

impl State {
    /// One more change or sync. `Ok(false)` if it is the one in which everything stops.
    fn operation(&mut self) -> io::Result<bool> {
        if self.off {
            return Err(stopped());
        }
        match &mut self.left {
            Some(0) => {
                self.off = true;
                Ok(false)
            }
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None => Ok(true),
        }
    }

    fn change_names(&mut self, change: NameChange) -> io::Result<()> {
        let lives = self.operation()?;
        if lives || self.random.chance(500) {
            apply(&mut self.names, change.clone());
            self.name_changes.push(change);
        }
        if lives { Ok(()) } else { Err(stopped()) }
    }

    fn create(&mut self, name: &str) -> usize {
        let inode = self.inodes.len();
        self.inodes.push(Inode::default());
        let change = vec![(name.to_owned(), Some(inode))];
        apply(&mut self.names, change.clone());
        self.name_changes.push(change);
        inode
    }

    fn sync_names(&mut self) {
        for change in self.name_changes.drain(..) {
            apply(&mut self.durable_names, change);
        }
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        if self.off {
            return Err(stopped());
        }
        let inode = self.names.get(name).copied();
        inode.ok_or_else(|| io::Error::from(ErrorKind::NotFound))
    }

    fn used(&self) -> u64 {
        let lengths = self.names.values().map(|&inode| self.inodes[inode].len());
        lengths.sum()
    }
}

impl Disk for FaultDisk {
    type File = FaultFile;

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/fault").join(name)
    }

    fn create(&self, name: &str) -> io::Result<FaultFile> {
        let mut state = self.state();
        let lives = state.operation()?;
        if state.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let fails = state.failing_writes;
        if lives && state.random.chance(fails) {
            return Err(io::Error::other("failing create"));
        }
        let inode = state.create(name);
        if lives {
            Ok(self.file(&state, inode))
        } else {
            Err(stopped())
        }
    }

    fn open(&self, name: &str) -> io::Result<FaultFile> {
        let state = self.state();
        Ok(self.file(&state, state.find(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.find(from)?;
        state.change_names(vec![(to.to_owned(), Some(inode)), (from.to_owned(), None)])
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.find(name)?;
        state.change_names(vec![(name.to_owned(), None)])
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let state = self.state();
        if state.off {
            return Err(stopped());
        }
        let length = |(name, &inode): (&String, &usize)| (name.clone(), state.inodes[inode].len());
        Ok(state.names.iter().map(length).collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state();
        let lives = state.operation()?;
        let fails = state.failing_syncs;
        if lives && state.random.chance(fails) {
            return Err(io::Error::other("failing sync"));
        }
        if lives || state.random.chance(500) {
            state.sync_names();
        }
        if lives { Ok(()) } else { Err(stopped()) }
    }
}

/// An open file of a [`FaultDisk`].
#[derive(Debug)]
pub struct FaultFile {
    disk: FaultDisk,
    inode: usize,
    boot: u32,
}

impl FaultFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.off || state.boot != self.boot {
            return Err(stopped());
        }
        Ok(state)
    }
}

impl FaultFile {
    /// Writes all of it at `offset`, for files that are not only appended to.
    ///
    /// # Errors
    /// Any part of it may have been written then.
    pub fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.state()?;
        let lives = state.operation()?;
        let free = state.capacity.saturating_sub(state.used());
        // What overwrites takes no room.
        let overwrites = state.inodes[self.inode].len().saturating_sub(offset);
        let room = usize::try_from(free.saturating_add(overwrites)).unwrap_or(usize::MAX);
        let fails = state.failing_writes;
        let fails = state.random.chance(fails);
        let part = state.random.below(bytes.len() + 1);
        let (bytes, result) = if !lives {
            (&bytes[..part], Err(stopped()))
        } else if fails {
            (&bytes[..part], Err(io::Error::other("failing write")))
        } else if room < bytes.len() {
            (&bytes[..room], Err(ErrorKind::StorageFull.into()))
        } else {
            (bytes, Ok(()))
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        state.inodes[self.inode].write(bytes, offset);
        result
    }
}

impl DiskFile for FaultFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let end = self.length()?;
        self.write_at(bytes, end)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(self.state()?.inodes[self.inode].read_at(buffer, offset))
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        let mut state = self.state()?;
        let lives = state.operation()?;
        if lives || state.random.chance(500) {
            state.inodes[self.inode].truncate(length);
        }
        if lives { Ok(()) } else { Err(stopped()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state()?;
        let lives = state.operation()?;
        let fails = state.failing_syncs;
        if lives && state.random.chance(fails) {
            state.inodes[self.inode].fail_sync();
            return Err(io::Error::other("failing sync"));
        }
        if lives || state.random.chance(500) {
            state.inodes[self.inode].sync();
        }
        if lives { Ok(()) } else { Err(stopped()) }
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.state()?.inodes[self.inode].len())
    }
}
